"""The HTTP side as one ASGI app: finds the operation, checks who asks and what, calls it, answers.

Every route is served under `/v3`, `/v3.0` and without a base path: clients use all of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from functools import partial
from itertools import count
from re import Pattern
from typing import Any
from urllib.parse import unquote

from starlette.routing import compile_path

from tailwire.server.actions.caller import Caller
from tailwire.server.actions.present import encode
from tailwire.server.actions.roles import Roles
from tailwire.server.actions.sessions import Sessions
from tailwire.server.fanout.overload import Overload
from tailwire.server.limits.guesses import Guesses
from tailwire.server.limits.rates import Kind, Rates
from tailwire.server.ports.current_caller import current_caller
from tailwire.server.ports.file_urls import address, with_address
from tailwire.server.ports.refusal import Refused
from tailwire.server.rest.compression import compressed
from tailwire.server.rest.edge import CORS, Receive, Scope, Send, answer, headers_of, problem, read_body, text
from tailwire.server.rest.operations import Call, Operation, Streamed, Who, parse, read_query
from tailwire.server.telemetry.logs import log
from tailwire.server.telemetry.metrics import Metrics
from tailwire.wire.frames import CLIENT_HEADER

Headers = list[tuple[bytes, bytes]]
NOBODY = Caller("", "", "")
WRONG = frozenset({"AUTH_ERR_AUTH_TOKEN_NOT_FOUND", "AUTH_ERR_APIKEY_NOT_FOUND"})
GUESSING = "Too many wrong tokens or keys came from your address. Wait for the seconds that Retry-After names."
MAX_OF_KEYS = 50  # lists of all keys together that are read, or wait, beside each other
SECRETS = (b"authtoken", b"apikey", b"authorization")
CHAINED = CLIENT_HEADER.encode()
SLOWED = 0.05  # seconds until one who asks too much is told so: a loop of refusals must not keep the server busy
BUSY = "The server has more to do than it can. Wait for the seconds that Retry-After names; nothing was stored."


def strip_base(path: str) -> str:
    """A path without the base path that it came under."""
    for base in ("/v3.0/", "/v3/"):
        if path.startswith(base):
            return path[len(base) - 1 :]
    return path


class Api:
    """The HTTP side.

    Args:
        operations: all of them.
        most_body: the largest request body but for forms, in bytes.
        rates: how many requests there may be.
        overload: whether one more send can be taken now.
        guesses: slows who guesses tokens and keys.
        chains: whether clients of ours are told which message came before the one that they send (feature `chain`).
        base: the URL under which the sender of a request reached the server.
    """

    def __init__(
        self,
        operations: Iterable[Operation],
        sessions: Sessions,
        roles: Roles,
        metrics: Metrics,
        overload: Overload,
        guesses: Guesses,
        *,
        app_id: str,
        most_body: int,
        rates: Rates,
        chains: bool,
        base: Callable[[Scope], str],
        compress: bool = True,
    ) -> None:
        self._base = base
        self._numbers = count()  # of requests with a key
        self._compress = compress
        self._sessions = sessions
        self._roles = roles
        self._metrics = metrics
        self._overload = overload
        self._guesses = guesses
        self._app_id = app_id.encode()
        self._most_body = most_body
        self._chains = chains
        self._rates = rates
        # Found by method and path at once, or where something of the path varies: by method, length and first part.
        self._fixed: dict[tuple[str, str], Operation] = {}
        self._varying: dict[tuple[str, int, str], list[tuple[Pattern[str], Operation]]] = {}
        for operation in operations:
            if "{" not in operation.path:
                self._fixed[operation.method, operation.path] = operation
                continue
            pattern, _, _ = compile_path(operation.path)
            self._varying.setdefault(_place(operation.method, operation.path), []).append((pattern, operation))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            raise RuntimeError(f"no {scope['type']} here")
        headers: Headers = []
        try:
            result = await self._respond(scope, receive, headers)
        except Refused as e:
            status, result, more = problem(e)
            headers += more
        except Exception:  # noqa: BLE001 - logged, and answered as what it is: our fault
            log.exception("%r %r failed", scope["method"], scope["path"][:200])
            status, result, _ = problem(Refused("ERR_MISSION_FAILED"))
        else:
            status = 204 if result is None else 200
        if isinstance(result, Streamed):
            self._metrics.requests[result.status] += 1
            await _stream(send, result, headers)
        else:
            self._metrics.requests[status] += 1
            await answer(send, status, result or b"", headers)

    async def _respond(self, scope: Scope, receive: Receive, headers: Headers) -> bytes | Streamed | None:
        path, method = strip_base(scope["path"]), scope["method"]
        if method == "OPTIONS":
            return None
        params: dict[str, str] = {}
        base = partial(self._base, scope)
        address.set(base)  # for what is published meanwhile
        operation = self._fixed.get((method, path))
        if operation is None:
            # The path as it was sent: what stands in it may hold an escaped slash.
            operation, params = self._find(method, strip_base(scope["raw_path"].decode("ascii", "replace")))
        sends = operation.counts is Kind.SEND
        if sends and (wait := self._overload.wait()):  # before anything is done for it
            raise Refused("ERR_TOO_MANY_REQUESTS", BUSY, retry_after=wait)
        given = headers_of(scope)
        caller = await self._known(scope, operation, given, headers)
        # A key asks for many users: its reads do not wait for each other.
        current_caller.set(f"{caller.uid} {next(self._numbers) % MAX_OF_KEYS}" if caller.system else caller.uid)
        if operation.behalf and caller.key and caller.system:
            raise Refused("ERR_BAD_REQUEST", {"onBehalfOf": "Name the user for whom it is done, in this header."})
        if operation.feature:
            await self._roles.check_feature(caller, operation.feature)
        call = Call(scope, receive, params, caller)
        if operation.query is not None:
            call.query = read_query(scope["query_string"], operation.query)
        handler = operation.handler
        if operation.form is not None and given.get(b"content-type", b"").startswith(b"multipart/"):
            handler = operation.form
        elif operation.body is not None:
            call.body = parse(await read_body(receive, self._most_body), operation.body)
            if operation.worth is not None and (more := operation.worth(call.body) - 1) > 0:
                who = caller.token or text(given.get(b"apikey"))
                await self._count(operation.counts, who, headers, key=not caller.token, count=more)
        if sends and handler is operation.handler:
            with self._overload.sending():
                result = await handler(call)
        else:
            result = await handler(call)
        if isinstance(result, Streamed) or result is None:
            return result
        whole = with_address(_enveloped(result, operation.whole), base)
        if not (operation.compressed and self._compress):
            return whole
        return await compressed(whole, given.get(b"accept-encoding"), headers)

    def _find(self, method: str, path: str) -> tuple[Operation, dict[str, str]]:
        for pattern, operation in self._varying.get(_place(method, path), ()):
            match = pattern.match(path)
            if match is not None:
                return operation, {name: unquote(value) for name, value in match.groupdict().items()}
        raise Refused("ERR_API_NOT_FOUND", f"{method} {path[:200]}")

    # Who asks.

    async def _known(self, scope: Scope, operation: Operation, given: dict[bytes, bytes], headers: Headers) -> Caller:
        if operation.who is Who.ANYONE:
            return NOBODY
        address = (scope["client"] or ("",))[0]
        # Both together: one that is known must not vouch for a guess at the other.
        secret = " ".join(text(given.get(name)) for name in SECRETS)
        wait = self._guesses.wait(address, secret)
        if wait:
            await asyncio.sleep(SLOWED)
            raise Refused("ERR_TOO_MANY_REQUESTS", GUESSING, retry_after=wait)
        try:
            caller = await self._caller(operation, given, headers)
        except Refused as e:
            if e.code in WRONG:
                self._guesses.wrong(address)
            raise
        self._guesses.right(address, secret)
        return caller

    async def _caller(self, operation: Operation, given: dict[bytes, bytes], headers: Headers) -> Caller:
        key = given.get(b"apikey")
        token = given.get(b"authtoken")
        app_id = given.get(b"appid")
        if operation.who is Who.PASS:
            caller = await self._sessions.pass_caller(text(given.get(b"authorization")))
            await self._count(operation.counts, caller.token, headers)
            return caller
        if app_id != self._app_id and (app_id or not key):
            raise Refused("AUTH_ERR_INVALID_APPID" if app_id else "AUTH_ERR_EMPTY_APPID")
        if key is None and token is None and b"resource" not in given:
            raise Refused("AUTH_ERR_EMPTY_APIKEY")  # a backend that forgot it: clients name their device
        if operation.who is Who.KEY:
            await self._sessions.check_key(text(key), "create_user")
            await self._count(operation.counts, "", headers)
            return NOBODY
        if operation.who is Who.ADMIN or (key and not token):
            caller = await self._sessions.key_caller(text(key), text(given.get(b"onbehalfof")))
            await self._count(operation.counts, text(key), headers, key=True)
        else:
            chained = self._chains and CHAINED in given
            caller = await self._sessions.caller(text(token), text(given.get(b"resource")), chained=chained)
            await self._count(operation.counts, caller.token, headers)
        return caller

    async def _count(self, kind: Kind, who: str, headers: Headers, *, key: bool = False, count: int = 1) -> None:
        taken = self._rates.take(kind, who, key=key, count=count)
        if taken.most:
            headers[:] = [h for h in headers if not h[0].startswith(b"x-rate-limit")]
            headers.append((b"x-rate-limit", b"%d" % taken.most))
            headers.append((b"x-rate-limit-remaining", b"%d" % taken.left))
        if taken.wait:
            headers.append((b"x-rate-limit-reset", b"%d" % (self._sessions.now() + max(1, round(taken.wait)))))
            await asyncio.sleep(SLOWED)
            what = "Wait for the seconds that Retry-After names, or let the server's setting allow more:"
            raise Refused("ERR_TOO_MANY_REQUESTS", f"{what} {taken.setting}.", retry_after=taken.wait)


def _place(method: str, path: str) -> tuple[str, int, str]:
    parts = path.split("/")
    return method, len(parts), parts[1] if len(parts) > 1 else ""


def _enveloped(result: Any, whole: bool) -> bytes:
    encoded: bytes = result if isinstance(result, bytes) else encode(result)
    return encoded if whole else b'{"data":%b}' % encoded


async def _stream(send: Send, result: Streamed, more: Headers) -> None:
    await send({"type": "http.response.start", "status": result.status, "headers": [*result.headers, *more, *CORS]})
    if result.pieces is not None:
        async for piece in result.pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
