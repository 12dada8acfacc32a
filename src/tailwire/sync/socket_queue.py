"""Functions for another thread: a queue, and a socket that becomes readable there. Nothing is polled."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Callable
from contextlib import suppress

from tailwire.sync.app_callbacks import WindowGone

MOST = 100  # functions in one turn, so that the window stays alive


class SocketQueue:
    """Brings functions from any thread to one whose toolkit watches a socket.

    Args:
        whose: whose thread it is, in words.

    Attributes:
        reader: readable when something waits.
    """

    def __init__(self, whose: str) -> None:
        self._whose = whose
        self._waiting: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._signalled = self._closed = False
        self.reader, self._writer = socket.socketpair()
        self.reader.setblocking(False)
        self._writer.setblocking(False)

    def post(self, function: Callable[[], None]) -> None:
        """Have a function called in the toolkit's thread (from any thread).

        Raises:
            WindowGone: the window is destroyed.
        """
        self._waiting.put(function)
        self._wake()

    def _wake(self) -> None:
        with self._lock:
            if self._closed:
                raise WindowGone(f"{self._whose} is gone")
            if not self._signalled:
                self._signalled = True
                with suppress(BlockingIOError):  # then it is readable anyway
                    self._writer.send(b"x")

    def readable(self, *_: object) -> None:
        """Call what waits (in the toolkit's thread)."""
        with self._lock:
            self._signalled = False
            if self._closed:
                return
            with suppress(BlockingIOError):
                self.reader.recv(4096)
        more = True
        try:
            more = call_some(self._waiting)
        finally:
            if more and not self._closed:
                self._wake()

    def close(self) -> None:
        """Take nothing more (in the toolkit's thread, when it does not watch any more)."""
        with self._lock:
            self._closed = True
            self.reader.close()
            self._writer.close()


def call_some(waiting: queue.SimpleQueue[Callable[[], None]]) -> bool:
    """Call what waits, up to 100 functions; answers whether more may wait."""
    for _ in range(MOST):
        try:
            function = waiting.get_nowait()
        except queue.Empty:
            return False
        function()
    return True
