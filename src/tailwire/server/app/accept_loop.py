"""Accepts new connections at an even pace. A burst waits in the kernel's queue, where it costs nothing.

The server of asyncio accepts all pending connections at once, which starves the open ones.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
from collections.abc import Callable
from functools import partial
from typing import Any

from tailwire.server.app.proxy_protocol import BadHeader, client_of
from tailwire.server.limits.forwarded import TrustedProxies
from tailwire.server.limits.pacer import Pacer
from tailwire.server.limits.slots import ConnectionSlots, Slot
from tailwire.server.telemetry.logs import log
from tailwire.server.telemetry.metrics import Metrics

ACCEPTS_PER_TURN = 16
RETRY_AFTER_SECONDS = 1.0
REPORT_SECONDS = 2.0

Make = Callable[[str, Slot | None], asyncio.Protocol]


class AcceptLoop:
    """Accepts the connections of one listening socket. It has the methods of `asyncio.Server` that uvicorn calls.

    It starts to accept as soon as it is created, and must be created in a running event loop.

    Args:
        listening: a non-blocking socket that listens. `close` does not close it; the caller does.
        make: returns the protocol of a new connection. Its arguments are the client's address from the PROXY header
            ("" if there is none), and the slot that the connection takes in `slots`, which the protocol frees at
            its end (None for a connection of a trusted proxy whose PROXY header names no client, or that sends none).
        pacer: says how long to wait between two accepts. It must have no longest delay (`math.inf`): connections
            wait here, and are never refused for coming too fast.
        tls: the TLS context; None without TLS.
        handshake: the longest time in seconds for the TLS handshake, and for the arrival of the PROXY header.
        slots: limits the connections of each client address; a connection without a free slot is closed. Connections
            from trusted proxies count for the address in their PROXY header, not for the proxy. No limit by default.
        proxies: the trusted proxies; none by default.
        proxy_protocol: True if every connection from a trusted proxy begins with a PROXY header. A connection without
            a valid one is closed.

    Raises:
        NotImplementedError: if the event loop cannot watch a socket (the default one on Windows).
    """

    def __init__(
        self,
        listening: socket.socket,
        make: Make,
        pacer: Pacer,
        metrics: Metrics,
        tls: ssl.SSLContext | None = None,
        handshake: float = 60.0,
        *,
        slots: ConnectionSlots | None = None,
        proxies: TrustedProxies | None = None,
        proxy_protocol: bool = False,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._listening = listening
        self._make = make
        self._pacer = pacer
        self._metrics = metrics
        self._tls = tls
        self._handshake = handshake
        self._slots = slots or ConnectionSlots(0)
        self._proxies = proxies or TrustedProxies()
        self._proxy_protocol = proxy_protocol
        self._opening: set[asyncio.Task[None]] = set()
        self._resume_timer: asyncio.TimerHandle | None = None
        self._closed = False
        self._next_report = 0.0
        self._loop.add_reader(listening, self._accept_pending)
        self._spare = self._open_spare()  # closed to accept one connection when no descriptor is left

    def _accept_pending(self) -> None:
        for _ in range(ACCEPTS_PER_TURN):
            try:
                connection, peer = self._listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as e:
                self._handle_missing_descriptor(e)
                return
            connection.setblocking(False)
            self._open(connection, peer)
            if wait := self._pacer.delay():
                self._pause(wait)
                return

    def _open(self, connection: socket.socket, peer: Any) -> None:
        address = str(peer[0]) if peer else ""
        trusted = self._proxies.trusts(address)
        slot = None if trusted else self._slots.take(address)
        if slot is None and not trusted:
            self._refuse_address(connection)
            return
        has_proxy_header = trusted and self._proxy_protocol
        serving = self._serve_with_proxy_header(connection) if has_proxy_header else self._serve(connection, "", slot)
        task = self._loop.create_task(serving, name="tailwire new connection")
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    def _refuse_address(self, connection: socket.socket) -> None:
        self._metrics.closes["too many of one address"] += 1
        self._metrics.refusals["connections_per_address"] += 1
        connection.close()

    async def _serve_with_proxy_header(self, connection: socket.socket) -> None:
        try:
            async with asyncio.timeout(self._handshake):
                address = await client_of(connection)
        except (BadHeader, OSError) as e:  # a timeout is an OSError too
            self._metrics.closes["no PROXY header"] += 1
            log.debug("a proxy sent no valid PROXY header: %r", e)
            connection.close()
            return
        except asyncio.CancelledError:
            connection.close()
            raise
        slot = self._slots.take(address) if address else None
        if address and slot is None:
            self._refuse_address(connection)
        else:
            await self._serve(connection, address, slot)

    async def _serve(self, connection: socket.socket, address: str, slot: Slot | None) -> None:
        deadline = self._handshake if self._tls else None
        try:
            await self._loop.connect_accepted_socket(
                partial(self._make, address, slot), connection, ssl=self._tls, ssl_handshake_timeout=deadline
            )
        except BaseException as e:
            if slot is not None:
                slot.free()
            if not isinstance(e, (OSError, ssl.CertificateError)):
                raise
            # The client has disconnected, or does not speak TLS.
            self._metrics.closes["no handshake"] += 1
            log.debug("a connection could not be opened: %r", e)

    def _pause(self, seconds: float) -> None:
        self._loop.remove_reader(self._listening)
        self._resume_timer = self._loop.call_later(seconds, self._resume)

    def _resume(self) -> None:
        self._resume_timer = None
        self._loop.add_reader(self._listening, self._accept_pending)

    def _handle_missing_descriptor(self, error: OSError) -> None:
        # Without a descriptor a connection can be neither accepted nor refused. The spare descriptor allows closing it,
        # so that its client notices at once and retries.
        if error.errno != errno.EMFILE or not self._accept_and_close(error):
            self._report(error)
            self._pause(RETRY_AFTER_SECONDS)
        elif wait := self._pacer.delay():  # a refused client may retry immediately, so pace refusals too
            self._pause(wait)

    def _accept_and_close(self, error: OSError) -> bool:
        if self._spare >= 0:
            os.close(self._spare)
        try:
            self._listening.accept()[0].close()
            self._report(error)
        except BlockingIOError:  # EMFILE is reported even if the accept queue is empty
            pass
        except OSError:  # another thread has taken the descriptor
            return False
        finally:
            self._spare = self._open_spare()
        return True

    @staticmethod
    def _open_spare() -> int:
        try:
            return os.open(os.devnull, os.O_RDONLY)
        except OSError:
            return -1

    def _report(self, error: OSError) -> None:
        self._metrics.closes["no descriptor"] += 1
        if self._loop.time() >= self._next_report:
            self._next_report = self._loop.time() + REPORT_SECONDS
            log.warning("cannot accept a connection: %s", error.strerror)

    def close(self) -> None:
        """Stop accepting. Close connections that have not finished the TLS handshake or sent their PROXY header."""
        if self._closed:
            return
        self._closed = True
        if self._resume_timer:
            self._resume_timer.cancel()
        else:
            self._loop.remove_reader(self._listening)
        if self._spare >= 0:
            os.close(self._spare)
        if self._tls or self._proxy_protocol:
            for task in self._opening:
                task.cancel()

    async def wait_closed(self) -> None:
        """Wait until every accepted connection has been passed to its protocol or closed. uvicorn closes the former."""
        if self._opening:
            await asyncio.wait(self._opening)
