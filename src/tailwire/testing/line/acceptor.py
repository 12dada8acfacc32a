"""Accept the fault proxy's connections, or leave connection attempts unanswered."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable

from tailwire.testing.line.pipe import SEGMENT_BYTES

BACKLOG = 1024
MAX_ACCEPTS_PER_WAKEUP = 64
ACCEPT_PAUSE_SECONDS = 1.0  # without accepting, after running out of file descriptors
SOCKET_BUFFER_BYTES = 4096


def limit_buffers(sock: socket.socket) -> None:
    """Set small segments and buffers for a socket, so that the kernel buffers only little data of a simulated line.

    Call it before the socket listens or connects. With default buffers a peer on loopback accepts about 4 MB at
    once, which takes minutes on a slow line.
    """
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_BUFFER_BYTES)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BUFFER_BYTES)
    if hasattr(socket, "TCP_MAXSEG"):
        with contextlib.suppress(OSError):  # not every platform allows this option
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT_BYTES)


class Acceptor:
    """Listens on 127.0.0.1 and accepts connections.

    Args:
        on_accepted: called with each accepted socket, which does not block and which the function has to close.
    """

    def __init__(self, on_accepted: Callable[[socket.socket], None]) -> None:
        self._on_accepted = on_accepted
        self._socket: socket.socket | None = None
        self._fillers: list[socket.socket] = []
        self._resume_timer: asyncio.TimerHandle | None = None

    def open(self, port: int) -> int:
        """Listen on a port of 127.0.0.1 (0 takes a free one), begin to accept, and return the port.

        Raises:
            OSError: the port cannot be used.
        """
        self._socket = sock = socket.socket()
        try:
            limit_buffers(sock)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.setblocking(False)
            sock.bind(("127.0.0.1", port))
            sock.listen(BACKLOG)
        except BaseException:
            self.close()
            raise
        self._watch()
        return int(sock.getsockname()[1])

    def swallow(self) -> None:
        """Leave connection attempts unanswered until `serve()`, by filling the kernel's accept queue.

        Without effect while it does not listen.
        """
        if self._socket is None or self._fillers:
            return
        self._unwatch()
        self._socket.listen(0)
        for _ in range(2):  # one fills the queue; the second is for systems where listen(0) allows one more
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(self._socket.getsockname())
            self._fillers.append(filler)

    def serve(self) -> None:
        """End `swallow`: accept connections again, and close those that waited in the accept queue."""
        if self._socket is None or not self._fillers:
            return
        with contextlib.suppress(BlockingIOError):
            while True:
                self._socket.accept()[0].close()
        for filler in self._fillers:
            filler.close()
        self._fillers.clear()
        self._socket.listen(BACKLOG)
        self._watch()

    def close(self) -> None:
        """Stop listening. Without effect if it does not listen; accepted sockets stay open."""
        if self._socket is not None:
            self._unwatch()
            self._socket.close()
            self._socket = None
        for filler in self._fillers:
            filler.close()
        self._fillers.clear()

    def _watch(self) -> None:
        self._resume_timer = None
        if self._socket is not None:
            asyncio.get_running_loop().add_reader(self._socket.fileno(), self._accept)

    def _unwatch(self) -> None:
        if self._resume_timer is not None:
            self._resume_timer.cancel()
            self._resume_timer = None
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket.fileno())

    def _accept(self) -> None:
        for _ in range(MAX_ACCEPTS_PER_WAKEUP):
            if self._socket is None:
                return
            try:
                sock, _ = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError:  # no descriptor left: the socket stays readable, so polling it would spin
                self._unwatch()
                self._resume_timer = asyncio.get_running_loop().call_later(ACCEPT_PAUSE_SECONDS, self._watch)
                return
            sock.setblocking(False)
            self._on_accepted(sock)
