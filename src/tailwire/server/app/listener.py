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

from tailwire.server.limits.pace import Pace
from tailwire.server.telemetry.logs import log
from tailwire.server.telemetry.metrics import Metrics

TOGETHER = 16
NO_ROOM = 1.0
REPORT = 2.0


class Listener:
    """Accepts the connections of one listening socket. uvicorn takes it for a server of the event loop.

    Args:
        listening: a socket that listens, and does not block; closed by whoever opened it.
        make: a protocol for each connection.
        pace: gives each connection its turn; of any length, for nobody is told to go.
        handshake: seconds for that of TLS.

    Raises:
        NotImplementedError: by an event loop that cannot watch a socket (Windows' own).
    """

    def __init__(
        self,
        listening: socket.socket,
        make: Callable[[], asyncio.Protocol],
        pace: Pace,
        metrics: Metrics,
        tls: ssl.SSLContext | None = None,
        handshake: float = 60.0,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._listening = listening
        self._make = make
        self._pace = pace
        self._metrics = metrics
        self._tls = tls
        self._handshake = handshake if tls else None
        self._begun: set[asyncio.Task[None]] = set()
        self._held: asyncio.TimerHandle | None = None
        self._closed = False
        self._next_report = 0.0
        self._loop.add_reader(listening, self._some)
        self._spare = self._open_spare()  # given up for who comes when there is no other left

    def _some(self) -> None:
        for _ in range(TOGETHER):
            try:
                connection, _ = self._listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as e:
                self._no_room(e)
                return
            connection.setblocking(False)
            task = self._loop.create_task(self._serve(connection), name="tailwire new connection")
            self._begun.add(task)
            task.add_done_callback(self._begun.discard)
            if wait := self._pace.turn():
                self._hold(wait)
                return

    async def _serve(self, connection: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(
                self._make, connection, ssl=self._tls, ssl_handshake_timeout=self._handshake
            )
        except (OSError, ssl.CertificateError) as e:  # gone again, or what came was no TLS
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
            self._hold(NO_ROOM)
        elif wait := self._pace.turn():  # who is sent away comes again at once, perhaps
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
            self._next_report = self._loop.time() + REPORT
            log.warning("cannot take a connection: %s", error.strerror)

    def close(self) -> None:
        """Take no more; who is shaking hands is let go."""
        if self._closed:
            return
        self._closed = True
        if self._held:
            self._held.cancel()
        else:
            self._loop.remove_reader(self._listening)
        if self._spare >= 0:
            os.close(self._spare)
        if self._tls:
            for task in self._begun:
                task.cancel()

    async def wait_closed(self) -> None:
        """Wait until those who were being taken are connected, or gone; whoever is connected is uvicorn's."""
        if self._begun:
            await asyncio.wait(self._begun)
