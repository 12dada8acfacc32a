"""Takes new connections at an even pace: a herd waits in the system's queue, where it costs nothing.

An event loop's own server takes whatever is there, one after the other, and nobody else has a turn meanwhile.
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
    """Accepts the connections of one listening socket. uvicorn takes it for a server of the event loop.

    Args:
        listening: a socket that listens, and does not block; closed by whoever opened it.
        make: a protocol for each connection, given the address it comes from ("" for that of the connection itself)
            and its place.
        pace: gives each connection its turn; of any length, for nobody is told to go.
        handshake: seconds for that of TLS, and for the header of the PROXY protocol.
        places: how many connections an address may have; those of trusted proxies are not counted, but for those of
            which they say whose they are.
        proxies: who is a trusted proxy.
        proxy_protocol: trusted proxies begin each connection with a header of the PROXY protocol.

    Raises:
        NotImplementedError: by an event loop that cannot watch a socket (Windows' own).
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
        self._begun: set[asyncio.Task[None]] = set()
        self._held: asyncio.TimerHandle | None = None
        self._closed = False
        self._next_report = 0.0
        self._loop.add_reader(listening, self._some)
        self._spare = self._open_spare()  # given up for who comes when there is no other left

    def _some(self) -> None:
        for _ in range(ACCEPTS_PER_TURN):
            try:
                connection, peer = self._listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as e:
                self._no_room(e)
                return
            connection.setblocking(False)
            self._begin(connection, peer)
            if wait := self._pacer.delay():
                self._hold(wait)
                return

    def _begin(self, connection: socket.socket, peer: Any) -> None:
        address = str(peer[0]) if peer else ""
        trusted = self._proxies.trusts(address)
        slot = None if trusted else self._slots.take(address)
        if slot is None and not trusted:
            self._too_many(connection)
            return
        named = trusted and self._proxy_protocol
        serving = self._serve_named(connection) if named else self._serve(connection, "", slot)
        task = self._loop.create_task(serving, name="tailwire new connection")
        self._begun.add(task)
        task.add_done_callback(self._begun.discard)

    def _too_many(self, connection: socket.socket) -> None:
        self._metrics.closes["too many of one address"] += 1
        connection.close()

    async def _serve_named(self, connection: socket.socket) -> None:
        try:
            async with asyncio.timeout(self._handshake):
                address = await client_of(connection)
        except (BadHeader, OSError) as e:  # an end in time is an OSError too
            self._metrics.closes["no PROXY header"] += 1
            log.debug("a proxy did not say whose connection it brings: %r", e)
            connection.close()
            return
        except asyncio.CancelledError:
            connection.close()
            raise
        slot = self._slots.take(address) if address else None
        if address and slot is None:
            self._too_many(connection)
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
            # Gone again, or what came was no TLS.
            self._metrics.closes["no handshake"] += 1
            log.debug("a connection came to nothing: %r", e)

    def _hold(self, seconds: float) -> None:
        self._loop.remove_reader(self._listening)
        self._held = self._loop.call_later(seconds, self._go_on)

    def _go_on(self) -> None:
        self._held = None
        self._loop.add_reader(self._listening, self._some)

    def _no_room(self, error: OSError) -> None:
        # Without a descriptor a connection can be neither taken nor refused. With the spare one it ends at once: its
        # client knows, and comes again.
        if error.errno != errno.EMFILE or not self._refuse(error):
            self._tell(error)
            self._hold(RETRY_AFTER_SECONDS)
        elif wait := self._pacer.delay():  # who is sent away comes again at once, perhaps
            self._hold(wait)

    def _refuse(self, error: OSError) -> bool:
        if self._spare >= 0:
            os.close(self._spare)
        try:
            self._listening.accept()[0].close()
            self._tell(error)
        except BlockingIOError:  # want of a descriptor comes before want of a connection
            pass
        except OSError:  # whoever was quicker has it
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

    def _tell(self, error: OSError) -> None:
        self._metrics.closes["no descriptor"] += 1
        if self._loop.time() >= self._next_report:
            self._next_report = self._loop.time() + REPORT_SECONDS
            log.warning("cannot take a connection: %s", error.strerror)

    def close(self) -> None:
        """Take no more; who is shaking hands, or has not said who it is, is let go."""
        if self._closed:
            return
        self._closed = True
        if self._held:
            self._held.cancel()
        else:
            self._loop.remove_reader(self._listening)
        if self._spare >= 0:
            os.close(self._spare)
        if self._tls or self._proxy_protocol:
            for task in self._begun:
                task.cancel()

    async def wait_closed(self) -> None:
        """Wait until those who were being taken are connected, or gone; whoever is connected is uvicorn's."""
        if self._begun:
            await asyncio.wait(self._begun)
