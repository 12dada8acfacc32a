"""Call functions in Tk's thread."""

from __future__ import annotations

import queue
from collections.abc import Callable
from typing import Any

from tailwire.sync.app_callbacks import Post, WindowGone
from tailwire.sync.socket_queue import SocketQueue, call_waiting

POLL_MILLISECONDS = 20


def post_tk(root: Any) -> Post:
    """Return a function for the argument `post` of `Client` that schedules callbacks in the thread of a Tk window.

    Call this in that thread, before or after `mainloop()` has started. Callbacks run while the main loop runs, and not
    after the window was destroyed. To notice them, Tk watches a socket; on Windows, where it cannot do so, it polls a
    queue every 20 ms.

    ```python
    root = tkinter.Tk()
    chat = Client("app-id", settings, post=post_tk(root))
    ```

    Args:
        root: the `tkinter.Tk` window, or any widget in it.

    Returns:
        The function. It raises `WindowGone` once the window was destroyed.

    Raises:
        TypeError: `root` is not a widget.
    """
    if not hasattr(root, "tk") or not hasattr(root, "after"):
        raise TypeError(f"root is a {type(root).__name__}: give the tkinter.Tk window")
    return _watching_post(root) if hasattr(root.tk, "createfilehandler") else _polling_post(root)


def _watching_post(root: Any) -> Post:
    import tkinter

    socket_queue = SocketQueue("the Tk window")

    def end() -> None:
        root.tk.deletefilehandler(socket_queue.reader)
        socket_queue.close()

    root.tk.createfilehandler(socket_queue.reader, tkinter.READABLE, socket_queue.call_functions)
    _at_the_end(root, end)
    return socket_queue.post


def _polling_post(root: Any) -> Post:
    window = root.winfo_toplevel()  # the timer of a widget ends with the widget
    waiting: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
    closed, timer = False, ""

    def poll() -> None:
        nonlocal timer
        timer = window.after(POLL_MILLISECONDS, poll)
        call_waiting(waiting, lambda: closed)

    def post(function: Callable[[], None]) -> None:
        if closed:
            raise WindowGone("the Tk window is gone")
        waiting.put(function)

    def end() -> None:
        nonlocal closed
        closed = True
        window.after_cancel(timer)

    timer = window.after(POLL_MILLISECONDS, poll)
    _at_the_end(root, end)
    return post


def _at_the_end(root: Any, end: Callable[[], None]) -> None:
    # The event is also sent for each child of the window.
    window = root.winfo_toplevel()
    window.bind("<Destroy>", lambda event: end() if event.widget is window else None, add="+")
