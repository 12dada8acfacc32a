"""The HTTP API as an ASGI app: routes, authenticates and validates requests, and sends the responses.

Every route is served under `/v3`, under `/v3.0` and without a base path, because clients use all three.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from functools import partial
from itertools import count
from re import Pattern
from time import perf_counter
from typing import Any
from urllib.parse import unquote

from starlette.routing import compile_path

from tailwire.server.actions.caller import Caller
from tailwire.server.actions.raw_json import encode, enveloped
from tailwire.server.actions.roles import Roles
from tailwire.server.actions.sessions import Sessions
from tailwire.server.auth.secrets import fingerprint, key_id
from tailwire.server.fanout.overload import Overload
from tailwire.server.limits.allowed_hosts import AllowedHosts
from tailwire.server.limits.guess_limiter import GuessLimiter
from tailwire.server.limits.rates import Rates, RequestKind
from tailwire.server.ports.current_caller import current_caller
from tailwire.server.ports.file_urls import server_url, with_address
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.request_numbers import current_number
from tailwire.server.rest.asgi import (
    CORS_HEADERS,
    PREFLIGHT_HEADERS,
    Receive,
    Scope,
    Send,
    error_response,
    header_text,
    headers_of,
    read_body,
    respond,
)
from tailwire.server.rest.compression import compress_body
from tailwire.server.rest.numbering import HEADER, number_of
from tailwire.server.rest.operations import Access, Call, Operation, Streamed, parse, read_query
from tailwire.server.rest.records import SANE_ID, Records, Trace, random_bits
from tailwire.server.rules.decoding import check_no_nul
from tailwire.server.telemetry.access_log import shown_path
from tailwire.server.telemetry.logs import log
from tailwire.server.telemetry.metrics import OTHER_LABEL
from tailwire.wire.frames import CLIENT_HEADER

Headers = list[tuple[bytes, bytes]]
ANONYMOUS_CALLER = Caller("", "", "")
UNKNOWN_SECRET_CODES = frozenset({"AUTH_ERR_AUTH_TOKEN_NOT_FOUND", "AUTH_ERR_APIKEY_NOT_FOUND"})
TOO_MANY_GUESSES_TEXT = "Too many wrong tokens or keys came from your address. Wait for the seconds in Retry-After."
MAX_KEY_READS = 50  # how many reads of lists may run at the same time, for all REST keys together
CHAIN_HEADER = CLIENT_HEADER.encode()
REFUSAL_DELAY_SECONDS = 0.05  # so that clients that retry in a loop do not keep the server busy
_PARAMETER = "{}"  # stands for the last part of a path in the route key, if that part is a parameter
BUSY_TEXT = "The server is overloaded, and nothing was stored. Wait for the seconds in Retry-After."


def strip_base(path: str) -> str:
    """Return a path without its base path `/v3` or `/v3.0`, if it has one."""
    for base in ("/v3.0/", "/v3/"):
        if path.startswith(base):
            return path[len(base) - 1 :]
    return path


class Api:
    """The ASGI app.

    Args:
        operations: all operations, each with its route.
        sessions: authenticates callers.
        roles: says which features a caller's role may use.
        records: records each request in the metrics and logs.
        overload: says whether the server is overloaded; messages to send are refused then.
        guesses: counts wrong tokens and keys per client address, and refuses requests from one that sent too many.
        app_id: what the header `appid` must contain.
        max_body: the largest size of a request body that is not a form, in bytes.
        rates: limits the requests of each token or key.
        chains: whether sends return the id of the preceding message (feature `chain`).
        base: returns the URL at which clients reach the server, given the scope of a request.
        compress: whether responses may be compressed.
        hosts: the host names that a request may contain in its header `host`.

    Attributes:
        operations: all operations.
    """

    def __init__(
        self,
        operations: Iterable[Operation],
        sessions: Sessions,
        roles: Roles,
        records: Records,
        overload: Overload,
        guesses: GuessLimiter,
        *,
        app_id: str,
        max_body: int,
        rates: Rates,
        chains: bool,
        base: Callable[[Scope], str],
        compress: bool = True,
        hosts: AllowedHosts,
    ) -> None:
        self._hosts = hosts
        self._base = base
        self._numbers = count()  # spreads the requests of REST keys; see `current_caller`
        self._compress = compress
        self._sessions = sessions
        self._roles = roles
        self._records = records
        self._metrics = records.metrics
        self._access = records.access
        self._overload = overload
        self._guesses = guesses
        self._app_id = app_id.encode()
        self._max_body = max_body
        self._chains = chains
        self._rates = rates
        # Fixed paths are looked up by method and path, paths with parameters by method, length, first and last part.
        self._fixed: dict[tuple[str, str], Operation] = {}
        self._varying: dict[tuple[str, int, str, str], list[tuple[Pattern[str], Operation]]] = {}
        self.operations = list(operations)
        for operation in self.operations:
            if "{" not in operation.path:
                self._fixed[operation.method, operation.path] = operation
                continue
            pattern, _, _ = compile_path(operation.path)
            last = operation.path.rpartition("/")[2]
            key = _route_key(operation.method, operation.path, _PARAMETER if last.startswith("{") else last)
            self._varying.setdefault(key, []).append((pattern, operation))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Route, authenticate, validate and handle one HTTP request, and send its response (ASGI)."""
        if scope["type"] != "http":
            raise RuntimeError(f"unsupported ASGI scope: {scope['type']}")
        fields = headers_of(scope)
        request_id = fields.get(b"x-request-id", b"")
        if not request_id or SANE_ID.fullmatch(request_id) is None:
            request_id = b"%016x" % random_bits(64)
        trace = Trace(request_id, perf_counter(), (scope["client"] or ("",))[0])
        headers: Headers = [(b"x-request-id", request_id)]
        try:
            result = await self._respond(scope, receive, fields, headers, trace)
        except Refused as e:
            _mark_over(trace)
            self._records.record_refusal(e)
            await self._records.store_number_of_refused(trace)
            status, result, more = error_response(e)
            headers += more
        except Exception:  # noqa: BLE001 - logged, and answered with status 500
            _mark_over(trace)
            path = shown_path(scope["path"], known=trace.operation is not None)
            log.exception("%r %r failed request_id=%s", scope["method"], path, request_id.decode())
            status, result, _ = error_response(Refused("ERR_MISSION_FAILED"))
        else:
            status = 204 if result is None else 200
        if isinstance(result, Streamed):
            status = result.status
            size = await _stream(send, result, headers)
        else:
            size = len(result or b"")
            await respond(send, status, result or b"", headers)
        seconds = perf_counter() - trace.began
        self._metrics.requests[status] += 1
        timed = self._metrics.request_seconds
        (timed.get(scope["method"]) or timed[OTHER_LABEL]).observe(seconds)
        if self._access.enabled:
            self._records.log(trace, scope, status, size, seconds)

    async def _respond(
        self, scope: Scope, receive: Receive, fields: dict[bytes, bytes], headers: Headers, trace: Trace
    ) -> bytes | Streamed | None:
        path, method = strip_base(scope["path"]), scope["method"]
        if method == "OPTIONS":
            headers += PREFLIGHT_HEADERS
            return None
        host = header_text(fields.get(b"host"))
        if self._hosts.limited and not (path.startswith("/health") or self._hosts.allows(host)):
            raise Refused("ERR_HOST_NOT_ALLOWED")
        params: dict[str, str] = {}
        base = partial(self._base, scope)
        server_url.set(base)  # for frames that are published during the request
        operation = self._fixed.get((method, path))
        if operation is None:
            # Match the raw path, because a parameter may contain an escaped slash.
            operation, params = self._find_operation(method, strip_base(scope["raw_path"].decode("ascii", "replace")))
        trace.operation = operation
        sends = operation.rate is RequestKind.SEND
        if sends and (wait := self._overload.seconds_until_allowed()):  # before any work is done
            raise Refused("ERR_TOO_MANY_REQUESTS", BUSY_TEXT, retry_after=wait, limit="most_sends_under_way")
        caller = trace.caller = await self._authenticate(trace, operation, fields, headers)
        # Reads of one caller wait for each other. The requests of REST keys count as those of `MAX_KEY_READS` callers.
        current_caller.set(f"{caller.uid} {next(self._numbers) % MAX_KEY_READS}" if caller.system else caller.uid)
        trace.number = number_of(operation, path, caller, fields[HEADER]) if HEADER in fields else None
        current_number.set(trace.number)
        if operation.acts_for_user and caller.key and caller.system:
            raise Refused("ERR_BAD_REQUEST", {"onBehalfOf": "Name the user for whom the key acts, in this header."})
        if operation.feature:
            await self._roles.check_feature(caller, operation.feature)
        call = Call(scope, receive, params, caller)
        if operation.query is not None:
            call.query = read_query(scope["query_string"], operation.query)
        handler = operation.handler
        if operation.form_handler is not None and fields.get(b"content-type", b"").startswith(b"multipart/"):
            handler = operation.form_handler
        elif operation.body is not None:
            call.body = parse(await read_body(receive, self._max_body), operation.body)
            if operation.cost is not None and (more := operation.cost(call.body) - 1) > 0:
                identity = caller.token or header_text(fields.get(b"apikey"))
                await self._count(operation.rate, identity, headers, uid=caller.uid, key=not caller.token, count=more)
        if caller.key_hash:
            trace.entry = self._records.audit.begin(
                caller, operation, call.params, call.body, trace.address, trace.request_id.decode()
            )
        if sends and handler is operation.handler:
            with self._overload.sending:
                result = await handler(call)
            self._metrics.send_seconds.observe(perf_counter() - trace.began)
        else:
            result = await handler(call)
        if trace.entry is not None:
            await self._records.audit.end(trace.entry)
        await self._records.store_unstored_number(trace)
        if result is None or isinstance(result, Streamed):
            return result
        body = with_address(_encode_body(result, enveloped_already=operation.enveloped), base)
        if not (operation.compressed and self._compress):
            return body
        return await compress_body(body, fields.get(b"accept-encoding"), headers)

    def _find_operation(self, method: str, path: str) -> tuple[Operation, dict[str, str]]:
        for last in (path.rpartition("/")[2], _PARAMETER):
            for pattern, operation in self._varying.get(_route_key(method, path, last), ()):
                match = pattern.match(path)
                if match is not None:
                    params = {name: unquote(value) for name, value in match.groupdict().items()}
                    check_no_nul(params.values(), "path")
                    return operation, params
        raise Refused("ERR_API_NOT_FOUND", f"{method} {path[:200]}")

    # Authentication.

    async def _authenticate(
        self, trace: Trace, operation: Operation, fields: dict[bytes, bytes], headers: Headers
    ) -> Caller:
        if operation.access is Access.ANYONE:
            return ANONYMOUS_CALLER
        address = trace.address
        # Only what is checked counts: a known token does not exempt guesses at keys; ignored headers change nothing.
        header = _checked_header(operation, fields)
        secret = header, fields.get(header)
        if wait := self._guesses.seconds_until_allowed(address, secret):
            self._records.record_too_many_guesses(trace)
            await asyncio.sleep(REFUSAL_DELAY_SECONDS)
            limit = "wrong_tokens_per_minute"
            raise Refused("ERR_TOO_MANY_REQUESTS", TOO_MANY_GUESSES_TEXT, retry_after=wait, limit=limit)
        try:
            caller = await self._identify(operation, header, fields, headers)
        except Refused as e:
            if e.code in UNKNOWN_SECRET_CODES:
                self._guesses.record_failure(address)
            known = key_id(fingerprint(header_text(fields.get(b"apikey")))) if e.code == "AUTH_ERR_NO_ACCESS" else ""
            self._records.record_failed_authentication(trace, e, fields.get(b"authtoken"), known)
            raise
        self._guesses.record_success(address, secret)
        return caller

    async def _identify(
        self, operation: Operation, checked: bytes, fields: dict[bytes, bytes], headers: Headers
    ) -> Caller:
        key = fields.get(b"apikey")
        token = fields.get(b"authtoken")
        app_id = fields.get(b"appid")
        if operation.access is Access.PASS:
            caller = await self._sessions.pass_caller(header_text(fields.get(b"authorization")))
            await self._count(operation.rate, caller.token, headers, uid=caller.uid)
            return caller
        if app_id != self._app_id and (app_id or not key):
            raise Refused("AUTH_ERR_INVALID_APPID" if app_id else "AUTH_ERR_EMPTY_APPID")
        if key is None and token is None and b"resource" not in fields:
            raise Refused("AUTH_ERR_EMPTY_APIKEY")  # clients send `resource`, so this is a backend without its key
        if operation.access is Access.KEY:
            await self._sessions.check_key(header_text(key), "create_user")
            await self._count(operation.rate, "", headers)
            return Caller("", "", "", key_hash=fingerprint(header_text(key)))
        if checked == b"apikey":
            caller = await self._sessions.key_caller(header_text(key), header_text(fields.get(b"onbehalfof")))
            await self._count(operation.rate, header_text(key), headers, key=True)
        else:
            chained = self._chains and CHAIN_HEADER in fields
            caller = await self._sessions.caller(
                header_text(token), header_text(fields.get(b"resource")), chained=chained
            )
            await self._count(operation.rate, caller.token, headers, uid=caller.uid)
        return caller

    async def _count(
        self, kind: RequestKind, identity: str, headers: Headers, *, uid: str = "", key: bool = False, count: int = 1
    ) -> None:
        taken = self._rates.count_request(kind, identity, uid=uid, key=key, count=count)
        if taken.most:
            headers[:] = [h for h in headers if not h[0].startswith(b"x-rate-limit")]
            headers.append((b"x-rate-limit", b"%d" % taken.most))
            headers.append((b"x-rate-limit-remaining", b"%d" % taken.remaining))
        if taken.wait:
            headers.append((b"x-rate-limit-reset", b"%d" % (self._sessions.now() + max(1, round(taken.wait)))))
            await asyncio.sleep(REFUSAL_DELAY_SECONDS)
            advice = f"Wait for the seconds in Retry-After, or raise the server's setting {taken.setting}."
            limit = taken.setting.partition(" ")[0]
            raise Refused("ERR_TOO_MANY_REQUESTS", advice, retry_after=taken.wait, limit=limit)


def _checked_header(operation: Operation, fields: dict[bytes, bytes]) -> bytes:
    # The header with the secret that decides who makes the request. Others with secrets are ignored.
    if operation.access is Access.PASS:
        return b"authorization"
    needs_key = operation.access in (Access.KEY, Access.ADMIN)
    return b"apikey" if needs_key or (fields.get(b"apikey") and not fields.get(b"authtoken")) else b"authtoken"


def _mark_over(trace: Trace) -> None:
    if trace.entry is not None:
        trace.entry.over = True


def _route_key(method: str, path: str, last: str) -> tuple[str, int, str, str]:
    parts = path.split("/", 2)
    return method, path.count("/"), parts[1] if len(parts) > 1 else "", last


def _encode_body(result: Any, *, enveloped_already: bool) -> bytes:
    encoded: bytes = result if isinstance(result, bytes) else encode(result)
    return encoded if enveloped_already else enveloped(encoded)


async def _stream(send: Send, result: Streamed, more: Headers) -> int:
    # Returns the size of the body.
    size = 0
    await send(
        {"type": "http.response.start", "status": result.status, "headers": [*result.headers, *more, *CORS_HEADERS]}
    )
    if result.chunks is not None:
        async for chunk in result.chunks:
            size += len(chunk)
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
    return size
