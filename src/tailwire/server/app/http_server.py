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
from types import FrameType
from typing import Any

import uvicorn

from tailwire.server import private_files
from tailwire.server.app.accept_loop import AcceptLoop
from tailwire.server.app.housekeeping import Housekeeping
from tailwire.server.app.internal_server import InternalServer
from tailwire.server.app.observing import Observers
from tailwire.server.limits.slots import Slot
from tailwire.server.rest.protocol import HttpProtocol
from tailwire.server.telemetry.logs import log

STDIN_DESCRIPTOR = 0


class HttpServer(uvicorn.Server):
    """The HTTP server.

    Args:
        ready: the contents of the ready file besides the process id: `url`, `app_id`, `auth_key` and `api_key`. Items
            with the value "" are left out.
        ready_file: the path of the JSON file that is written once the server listens, for programs that start it; ""
            for none.
        signals: the signals that stop the server; none for a server within another program.
        housekeeping: called about ten times a second.
        accept: makes the `AcceptLoop` of a listening socket.
        observers: the observers of the server, such as its health and metrics.
        internal: the server of metrics and health, started and stopped with this one; None for none.
        drain_seconds: how long the server continues to serve after it was asked to stop.

    Attributes:
        on_hangup: called on SIGHUP, to reload; not if SIGHUP was sent because the terminal was closed.
        in_terminal: whether this process was started in a terminal. Only then can SIGHUP stop the server.
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
        observers: Observers,
        internal: InternalServer | None = None,
        drain_seconds: float = 0.0,
    ) -> None:
        super().__init__(config)
        self._observers = observers
        self._internal = internal
        self._drain_seconds = drain_seconds
        self.on_hangup: Callable[[], None] = lambda: None
        self._housekeeping, self._accept = housekeeping, accept
        self.listening = asyncio.Event()
        self._signals = signals
        self.in_terminal = False
        self._ready, self._ready_file = ready, ready_file

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle signals within the context: those of `signals` stop the server.

        If `signals` is not empty, SIGUSR1 logs the state of the server, and SIGHUP calls `on_hangup`, or stops the
        server if it was sent because the terminal of this process was closed.

        This replaces uvicorn's own handlers, which end the process before the store is closed.
        """
        loop = asyncio.get_running_loop()
        for signum in self._signals:
            loop.add_signal_handler(signum, self.handle_exit, signum, None)
        # These are handled until the loop is closed: they must not end a server that is stopping.
        for name, handler in (("SIGHUP", self._hang_up), ("SIGUSR1", self._observers.log_state)):
            if self._signals and hasattr(signal, name):
                loop.add_signal_handler(getattr(signal, name), handler)
        try:
            yield
        finally:
            for signum in self._signals:
                loop.remove_signal_handler(signum)

    def _hang_up(self) -> None:
        if not self._stop_if_terminal_closed():
            self.on_hangup()

    def _stop_if_terminal_closed(self) -> bool:
        closed = self.in_terminal and not os.isatty(STDIN_DESCRIPTOR)
        if closed:
            self.handle_exit(signal.SIGHUP, None)
        return closed

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop the server after `drain_seconds`; when called again, at once. Returns immediately."""
        draining, self._observers.health.draining = self._observers.health.draining, True
        if draining or not self._drain_seconds:
            super().handle_exit(sig, frame)
        else:
            log.info("stopping in %g s: /health/ready answers 503", self._drain_seconds)
            asyncio.get_running_loop().call_later(self._drain_seconds, self._end_draining, sig, frame)

    def _end_draining(self, sig: int, frame: FrameType | None) -> None:
        if not self.should_exit:  # uvicorn takes a second SIGINT as the wish not to finish any request
            super().handle_exit(sig, frame)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to accept connections on `sockets`, and write the ready file. uvicorn calls this."""
        try:
            loops = [self._accept(s, self._make_protocol, tls=self.config.ssl) for s in sockets or ()]
        except NotImplementedError:  # the default event loop on Windows; use its own server
            await super().startup(sockets)
        else:
            await super().startup([])
            self.servers += loops  # type: ignore[arg-type]  # uvicorn closes them, and waits for that
        if self._internal is not None:
            self._internal.start()
            log.info("metrics and health url=%s", self._internal.address)
        self.listening.set()
        log.info("listening url=%s app_id=%s", self._ready["url"], self._ready["app_id"])
        if self._ready_file:
            await asyncio.get_running_loop().run_in_executor(None, self._write_ready_file)
            log.info("ready file written file=%s", self._ready_file)
        # SIGHUP was ignored until its handler was set: the terminal may have been closed meanwhile.
        asyncio.get_running_loop().call_soon(self._stop_if_terminal_closed)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close all connections, then stop the internal server. uvicorn calls this."""
        self._observers.health.draining = True
        self._observers.stats.close()  # so that no stream holds up the end
        await super().shutdown(sockets)
        if self._internal is not None:
            await self._internal.stop()

    def _make_protocol(self, address: str, slot: Slot | None) -> asyncio.Protocol:
        make: Any = self.config.http_protocol_class
        protocol: HttpProtocol = make(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)
        protocol.proxied_address, protocol.slot = address, slot
        return protocol

    async def on_tick(self, counter: int) -> bool:
        """Take samples and run the housekeeping. Return whether to stop. uvicorn calls this ten times a second."""
        self._observers.stats.tick()
        await self._housekeeping.tick(len(self.server_state.connections))
        return await super().on_tick(counter)

    def _write_ready_file(self) -> None:
        path = Path(self._ready_file)
        path.parent.mkdir(parents=True, exist_ok=True)
        ready = {k: v for k, v in self._ready.items() if v} | {"pid": os.getpid()}
        if self._internal is not None:
            ready["metrics_url"] = self._internal.address
        private_files.write_whole(path, json.dumps(ready).encode())
