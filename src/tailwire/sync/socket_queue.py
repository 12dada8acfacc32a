"""A queue of functions for another thread, and a socket that is readable while functions are waiting."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Callable
from contextlib import suppress

from tailwire.sync.app_callbacks import WindowGone

MAX_CALLS_PER_TURN = 100
"""How many functions are called before the toolkit may handle other events, so that the window stays responsive."""


class SocketQueue:
    """Passes functions from any thread to the thread of a GUI toolkit, which watches a socket.

    Args:
        owner: what the toolkit's thread belongs to, such as "the Tk window", for error messages.

    Attributes:
        reader: a socket that is readable while functions are waiting, to be watched by the toolkit.
    """

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._waiting: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._signalled = self._closed = False
        self.reader: socket.socket
        self.reader, self._writer = socket.socketpair()
        self.reader.setblocking(False)
        self._writer.setblocking(False)

    def post(self, function: Callable[[], None]) -> None:
        """Schedule a function in the toolkit's thread. May be called from any thread.

        Raises:
            WindowGone: the window is destroyed.
        """
        self._waiting.put(function)
        self._wake()

    def _wake(self) -> None:
        with self._lock:
            if self._closed:
                raise WindowGone(f"{self._owner} is gone")
            if not self._signalled:
                self._signalled = True
                with suppress(BlockingIOError):  # the buffer is full, so it is readable
                    self._writer.send(b"x")

    def call_functions(self, *_: object) -> None:
        """Call up to `MAX_CALLS_PER_TURN` waiting functions. If more are waiting, `reader` stays readable.

        To be called in the toolkit's thread when `reader` is readable.
        """
        with self._lock:
            self._signalled = False
            if self._closed:
                return
            with suppress(BlockingIOError):
                self.reader.recv(4096)
        more = True
        try:
            more = call_waiting(self._waiting, lambda: self._closed)
        finally:
            if more and not self._closed:
                self._wake()

    def close(self) -> None:
        """Refuse further functions, and drop waiting ones. To be called in the toolkit's thread.

        The toolkit must not watch the socket any longer.
        """
        with self._lock:
            self._closed = True
            self.reader.close()
            self._writer.close()


def call_waiting(waiting: queue.SimpleQueue[Callable[[], None]], is_closed: Callable[[], bool]) -> bool:
    """Call up to `MAX_CALLS_PER_TURN` waiting functions. Return whether more may be waiting.

    Args:
        waiting: the functions.
        is_closed: returns whether the window is gone, which one of the functions may bring about: then no further one
            is called.
    """
    for _ in range(MAX_CALLS_PER_TURN):
        if is_closed():
            return False
        try:
            function = waiting.get_nowait()
        except queue.Empty:
            return False
        function()
    return True
