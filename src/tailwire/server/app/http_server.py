"""uvicorn's server with our own accept loop and signal handlers, and a ready file."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn

from tailwire.server import private_files
from tailwire.server.app.accept_loop import AcceptLoop
from tailwire.server.app.housekeeping import Housekeeping
from tailwire.server.limits.slots import Slot
from tailwire.server.rest.protocol import HttpProtocol
from tailwire.server.telemetry.logs import log


class HttpServer(uvicorn.Server):
    """The HTTP server.

    Args:
        ready: the content of the ready file besides the process id: `url`, `app_id`, and new keys.
        ready_file: its path; "" for none.
        signals: the signals that stop the server.
        housekeeping: called about ten times a second.
        accept: makes the `AcceptLoop` of a listening socket.

    Attributes:
        listening: set once the server listens.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        ready: Mapping[str, str],
        ready_file: str,
        signals: Sequence[signal.Signals],
        housekeeping: Housekeeping,
        accept: Callable[..., AcceptLoop],
    ) -> None:
        super().__init__(config)
        self._housekeeping, self._accept = housekeeping, accept
        self.listening = asyncio.Event()
        self._signals = signals
        self._ready, self._ready_file = ready, ready_file

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on SIGTERM and SIGINT. uvicorn's own handlers end the process before the store is closed."""
        loop = asyncio.get_running_loop()
        for signum in self._signals:
            loop.add_signal_handler(signum, self.handle_exit, signum, None)
        try:
            yield
        finally:
            for signum in self._signals:
                loop.remove_signal_handler(signum)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to accept connections; write the ready file."""
        try:
            loops = [self._accept(s, self._make, tls=self.config.ssl) for s in sockets or ()]
        except NotImplementedError:  # the default event loop on Windows; use its own server
            await super().startup(sockets)
        else:
            await super().startup([])
            self.servers += loops  # type: ignore[arg-type]  # uvicorn closes them, and waits for that
        self.listening.set()
        log.info("listening url=%s app_id=%s", self._ready["url"], self._ready["app_id"])
        if self._ready_file:
            await asyncio.get_running_loop().run_in_executor(None, self._write_ready_file)
            log.info("ready file written file=%s", self._ready_file)

    def _make(self, address: str, slot: Slot | None) -> asyncio.Protocol:
        make: Any = self.config.http_protocol_class
        protocol: HttpProtocol = make(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)
        protocol.proxied_address, protocol.slot = address, slot
        return protocol

    async def on_tick(self, counter: int) -> bool:
        """Run the housekeeping. uvicorn calls this ten times a second."""
        await self._housekeeping.tick(len(self.server_state.connections))
        return await super().on_tick(counter)

    def _write_ready_file(self) -> None:
        path = Path(self._ready_file)
        path.parent.mkdir(parents=True, exist_ok=True)
        ready = {k: v for k, v in self._ready.items() if v} | {"pid": os.getpid()}
        private_files.write_whole(path, json.dumps(ready).encode())
