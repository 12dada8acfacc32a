"""HTTP control of a fault proxy (`POST /drop` …), for tests in any language.

Rule: web pages cannot use it. Browsers name a page in `Origin`, and a name that leads here by DNS in `Host`.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Callable
from types import TracebackType
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from tailwire.testing.line.operations import OPERATIONS
from tailwire.testing.line.proxy import FaultProxy
from tailwire.testing.line.responses import MAX_BODY_BYTES

_HOST = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:[0-9]{1,5})?", re.IGNORECASE)  # any port, as of a tunnel


class _Guard:
    # ASGI middleware that refuses the requests of web pages.

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = _refusal(Request(scope)) if scope["type"] == "http" else None
        await (refusal or self._app)(scope, receive, send)


def _refusal(request: Request) -> JSONResponse | None:
    if "origin" in request.headers:
        return JSONResponse({"error": "web pages may not use this control: send no Origin header"}, 403)
    if not _HOST.fullmatch(request.headers.get("host", "")):
        return JSONResponse({"error": "use 127.0.0.1 or localhost as the host of the URL"}, 403)
    return None


class Control:
    """Serves a fault proxy's operations (`operations.OPERATIONS`) over HTTP, inside `async with`.

    Args:
        proxy: the proxy, which runs in the same event loop.
        port: the port on 127.0.0.1; 0 takes a free one.

    Attributes:
        url: the URL at which it listens inside `async with`.

    Raises:
        OSError: the port cannot be used.
    """

    def __init__(self, proxy: FaultProxy, port: int = 0) -> None:
        self._proxy = proxy
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", port))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        app = Starlette(routes=[
            Route("/", self._state),
            *(Route(f"/{name}", self._handler(name), methods=["POST"]) for name in OPERATIONS),
        ])  # fmt: skip
        self._server = uvicorn.Server(uvicorn.Config(_Guard(app), log_config=None, lifespan="off"))
        self._task: asyncio.Task[None] | None = None

    async def _state(self, request: Request) -> JSONResponse:
        operations = {operation.request_line(name): operation.text for name, operation in OPERATIONS.items()}
        return JSONResponse({"line": self._proxy.url, **self._counts(), "operations": operations})

    def _counts(self) -> dict[str, Any]:
        proxy = self._proxy
        up, down = proxy.passed
        return {"open": proxy.open, "taken": proxy.connections, "delay": proxy.delay,
                "bytes_up": up, "bytes_down": down}  # fmt: skip

    def _handler(self, name: str) -> Callable[[Request], Any]:
        operation = OPERATIONS[name]

        async def answer(request: Request) -> JSONResponse:
            query = {what: value for what, value in request.query_params.items() if what != "header"}
            body = b""
            async for piece in request.stream():
                body += piece
                if len(body) > MAX_BODY_BYTES:
                    return JSONResponse({"error": f"the body: at most {MAX_BODY_BYTES} bytes"}, 413)
            try:
                operation.do(self._proxy, operation.read(query, request.query_params.getlist("header"), body))
            except ValueError as e:
                return JSONResponse({"error": f"/{name}: {e}"}, 400)
            return JSONResponse(self._counts())

        return answer

    async def __aenter__(self) -> Control:
        self._server.config.load()
        self._server.lifespan = self._server.config.lifespan_class(self._server.config)
        await self._server.startup([self._socket])
        self._task = asyncio.create_task(self._server.main_loop())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:  # uvicorn checks only every 100 ms whether it should end
            self._task.cancel()
            await asyncio.wait([self._task])
        await self._server.shutdown([self._socket])
