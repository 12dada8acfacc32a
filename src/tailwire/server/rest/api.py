"""The HTTP side as one ASGI app: the hot routes in front, the others through Starlette's router.

Every route is served under `/v3`, `/v3.0` and without a base path: clients use all of them.
"""

from __future__ import annotations

from collections.abc import Iterable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route

from tailwire.server.actions.caller import Caller
from tailwire.server.actions.sessions import Sessions
from tailwire.server.limits.buckets import Buckets
from tailwire.server.ports.refusal import Refused
from tailwire.server.rest.edge import (
    Call,
    Handler,
    Receive,
    Routes,
    Scope,
    Send,
    answer,
    headers_of,
    problem,
    read_body,
    text,
)
from tailwire.server.rest.messages import MessageRoutes
from tailwire.server.telemetry.logs import log
from tailwire.server.telemetry.metrics import Metrics

Answer = tuple[int, bytes, list[tuple[bytes, bytes]]]


def strip_base(path: str) -> str:
    """A path without the base path that it came under."""
    for base in ("/v3.0/", "/v3/"):
        if path.startswith(base):
            return path[len(base) - 1 :]
    return path


class Api:
    """The HTTP side.

    Args:
        hot: the resource whose `POST` and `GET` on the collection do not pay for a router.
        routes: everything else.
        most_body: the largest request body, in bytes.
        sends: a bucket for each token, for sends.
        requests: a bucket for each token, for everything else.
    """

    def __init__(
        self,
        hot: MessageRoutes,
        routes: Iterable[Routes],
        sessions: Sessions,
        metrics: Metrics,
        *,
        app_id: str,
        most_body: int,
        sends: Buckets,
        requests: Buckets,
    ) -> None:
        self._hot = hot
        self._sessions = sessions
        self._metrics = metrics
        self._app_id = app_id.encode()
        self._most_body = most_body
        self._sends = sends
        self._requests = requests
        self._routes: list[tuple[Route, Handler]] = [
            (Route(path, _never, methods=[method]), handler)
            for resource in routes
            for method, path, handler in resource
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            raise RuntimeError(f"no {scope['type']} here")
        try:
            status, body, more = await self._respond(scope, receive)
        except Refused as e:
            status, body, more = problem(e)
        except Exception:  # noqa: BLE001 - logged, and answered as what it is: our fault
            log.exception("%s %s failed", scope["method"], scope["path"])
            status, body, more = problem(Refused("ERR_MISSION_FAILED"))
        self._metrics.requests[status] += 1
        await answer(send, status, body, more)

    async def _respond(self, scope: Scope, receive: Receive) -> Answer:
        path, method = strip_base(scope["path"]), scope["method"]
        if path == "/messages":
            if method == "POST":
                caller = await self._caller(scope, True)
                return 200, await self._hot.send(caller, await read_body(receive, self._most_body)), []
            if method == "GET":
                return 200, await self._hot.list(await self._caller(scope, False), scope["query_string"]), []
        if method == "OPTIONS":
            return 204, b"", []
        return await self._through_router({**scope, "path": path}, receive)

    async def _caller(self, scope: Scope, sends: bool) -> Caller:
        headers = headers_of(scope)
        app_id = headers.get(b"appid")
        if app_id != self._app_id:
            raise Refused("AUTH_ERR_INVALID_APPID" if app_id else "AUTH_ERR_EMPTY_APPID")
        caller = await self._sessions.caller(text(headers.get(b"authtoken")), text(headers.get(b"resource")))
        wait = (self._sends if sends else self._requests).take(caller.token)
        if wait:
            raise Refused("ERR_TOO_MANY_REQUESTS", retry_after=wait)
        return caller

    async def _through_router(self, scope: Scope, receive: Receive) -> Answer:
        for route, handler in self._routes:
            match, child = route.matches(scope)
            if match is Match.FULL:
                call = Call(scope, receive, child["path_params"], self._caller, self._most_body)
                plain = [(b"content-type", b"text/plain; version=0.0.4")] if scope["path"] == "/metrics" else []
                return 200, await handler(call), plain
        raise Refused("ERR_API_NOT_FOUND", f"{scope['method']} {scope['path'][:200]}")


async def _never(request: Request) -> Response:
    raise RuntimeError("routes are matched here; Api calls their handlers")
