"""A fault proxy told over HTTP what goes wrong (`POST /drop` …), for tests in any language."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from types import TracebackType
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tailwire.testing.line.proxy import FaultProxy

Deed = Callable[[FaultProxy, float], None]
DEEDS: dict[str, tuple[Deed, str, float, str]] = {
    "drop": (lambda p, _: p.drop(), "", 0, "reset the connections of now; new ones are taken"),
    "cut": (lambda p, _: p.cut(), "", 0, "the network is gone, until restore"),
    "half-open": (lambda p, _: p.half_open(), "", 0, "connections stay, nothing passes, until restore"),
    "refuse": (lambda p, _: p.refuse(), "", 0, "new connections are refused, until restore"),
    "delay": (lambda p, v: setattr(p, "delay", v), "seconds", 0.2, "everything is late, until restore"),
    "cut-mid-frame": (lambda p, v: p.cut_mid_frame(int(v)), "bytes", 1, "the server's next frame breaks off"),
    "duplicate": (lambda p, v: p.duplicate(int(v)), "frames", 1, "the server's next frames come twice (no TLS)"),
    "restore": (lambda p, _: p.restore(), "", 0, "all is well again"),
}
"""What can be asked: what it does, its parameter, that one's default, what it means."""
LARGEST = 1e6


class Control:
    """The HTTP side of a fault proxy.

    Args:
        port: 0 takes a free one.
    """

    def __init__(self, proxy: FaultProxy, port: int = 0) -> None:
        self._proxy = proxy
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", port))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        app = Starlette(routes=[
            Route("/", self._state),
            *(Route(f"/{name}", self._do(name), methods=["POST"]) for name in DEEDS),
        ])  # fmt: skip
        self._server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
        self._task: asyncio.Task[None] | None = None

    async def _state(self, request: Request) -> JSONResponse:
        deeds = {f"POST /{name}" + (f"?{what}={given:g}" if what else ""): text
                 for name, (_, what, given, text) in DEEDS.items()}  # fmt: skip
        return JSONResponse({"line": self._proxy.url, **self._counts(), "deeds": deeds})

    def _counts(self) -> dict[str, Any]:
        return {"open": self._proxy.open, "taken": self._proxy.connections, "delay": self._proxy.delay}

    def _do(self, name: str) -> Callable[[Request], Any]:
        deed, parameter, default, _ = DEEDS[name]

        async def answer(request: Request) -> JSONResponse:
            value = default
            unknown = set(request.query_params) - {parameter}
            if unknown:
                return JSONResponse({"error": f"/{name} does not know {sorted(unknown)[0]!r}"}, 400)
            if parameter in request.query_params:
                try:
                    value = float(request.query_params[parameter])
                except ValueError:
                    value = -1.0
                if not 0 <= value <= LARGEST:
                    return JSONResponse({"error": f"{parameter}: a number from 0 to {LARGEST:g}"}, 400)
            deed(self._proxy, value)
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
        self._server.should_exit = True
        if self._task is not None:
            await self._task
        await self._server.shutdown([self._socket])
