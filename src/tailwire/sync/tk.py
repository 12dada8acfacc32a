"""The way into Tk's thread."""

from __future__ import annotations

import logging
import queue
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from tailwire.sync.outlet import Post

log = logging.getLogger("tailwire")
POLL = 20  # ms
MOST = 100  # functions in one turn, so that the window stays alive


def post_tk(root: Any) -> Post:
    """Return a `post` for `Client` that calls back in the thread of a Tk window.

    Call it in that thread, before or after `mainloop()` has begun. Where Tk can watch a socket (not on Windows),
    nothing is polled; on Windows a queue is looked at every 20 ms.

    ```python
    root = tkinter.Tk()
    chat = Client("app-id", settings, post=post_tk(root))
    ```

    Args:
        root: the `tkinter.Tk` window, or another widget of it.

    Raises:
        TypeError: it is no widget.
    """
    if not hasattr(root, "tk") or not hasattr(root, "after"):
        raise TypeError(f"root is a {type(root).__name__}: give the tkinter.Tk window")
    waiting: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
    if hasattr(root.tk, "createfilehandler"):
        return _watched(root, waiting)
    return _polled(root, waiting)


def _some(waiting: queue.SimpleQueue[Callable[[], None]]) -> bool:
    # Calls what waits; answers whether more may wait.
    for _ in range(MOST):
        try:
            function = waiting.get_nowait()
        except queue.Empty:
            return False
        function()
    return True


def _watched(root: Any, waiting: queue.SimpleQueue[Callable[[], None]]) -> Post:
    import tkinter

    reader, writer = socket.socketpair()
    reader.setblocking(False)
    writer.setblocking(False)
    lock, signalled, closed = threading.Lock(), False, False

    def wake() -> None:
        with suppress(BlockingIOError):  # then it is readable anyway
            writer.send(b"x")

    def readable(*_: Any) -> None:
        nonlocal signalled
        with lock:
            signalled = False
        with suppress(BlockingIOError):
            reader.recv(4096)
        try:
            more = _some(waiting)
        except BaseException:
            post_wake()
            raise
        if more:
            post_wake()

    def post_wake() -> None:
        nonlocal signalled
        with lock:
            if signalled or closed:
                return
            signalled = True
        wake()

    def post(function: Callable[[], None]) -> None:
        if closed:
            raise RuntimeError("the Tk window is gone")
        waiting.put(function)
        post_wake()

    def end(event: Any) -> None:
        nonlocal closed
        if event.widget is top and not closed:
            with lock:
                closed = True
            root.tk.deletefilehandler(reader)
            reader.close()
            writer.close()

    top = root.winfo_toplevel()
    root.tk.createfilehandler(reader, tkinter.READABLE, readable)
    top.bind("<Destroy>", end, add="+")
    return post


def _polled(root: Any, waiting: queue.SimpleQueue[Callable[[], None]]) -> Post:
    closed, timer = False, ""

    def look() -> None:
        nonlocal timer
        timer = root.after(POLL, look)
        while _some(waiting):
            root.update_idletasks()

    def post(function: Callable[[], None]) -> None:
        if closed:
            raise RuntimeError("the Tk window is gone")
        waiting.put(function)

    def end(event: Any) -> None:
        nonlocal closed
        if event.widget is top and not closed:
            closed = True
            root.after_cancel(timer)

    top = root.winfo_toplevel()
    timer = root.after(POLL, look)
    top.bind("<Destroy>", end, add="+")
    return post
