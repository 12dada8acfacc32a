"""Adapter for Tk: an app whose windows are all minimised or withdrawn is in the background.

The windows are checked one iteration of the main loop after an event, because Tk unmaps a window and maps it again at
once when its type changes. Focus, covering windows and the widgets in a window do not count.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from tailwire.adapters.rule import Hidden
from tailwire.adapters.watching import Watch, WatchedClient

if TYPE_CHECKING:
    import tkinter

_VISIBLE_STATES = ("normal", "zoomed")
_EVENTS_TO_CHECK = ("<Map>", "<Unmap>", "<Destroy>")


def watch_tk(chat: WatchedClient, root: tkinter.Misc, *, hidden: Hidden = "background") -> Watch:
    """Report to a client whether a Tk app has a visible window.

    ```python
    root = tkinter.Tk()
    watch_tk(chat, root)
    root.mainloop()
    ```

    All windows count, including later ones. The app is `hidden` while all of them are minimised or withdrawn, `resumed`
    when one is visible again, and `detached` when the root window is destroyed.

    Args:
        chat: usually a `tailwire.sync.Client`, because Tk's main loop is not asyncio's.
        root: the app's `Tk`, or any widget in it.
        hidden: the state of an app without a visible window: `"background"`, or `"foreground"` for an app that stays in
            the tray.

    Returns:
        The watch. It ends with `close()`, or when the root window is destroyed. No reference to it has to be kept.

    Raises:
        TypeError: `root` is not a tkinter widget, or `chat` is not a client.
        ValueError: `hidden` is neither `"background"` nor `"foreground"`.
        RuntimeError: this is another thread than Tk's, and Tk's main loop does not run yet (raised by tkinter).
        tkinter.TclError: the root window is destroyed.
        CometChatException: `COMETCHAT_INITIALIZATION_NOT_DONE` if the client is not initialised;
            `ERR_CLIENT_CLOSED`; `ERR_WRONG_EVENT_LOOP` if a `ChatClient` is used outside its event loop.
    """
    import tkinter

    if not isinstance(root, tkinter.Misc):
        raise TypeError(f"root is a {type(root).__name__}: give the app's tkinter.Tk, or a widget in it")
    watch = Watch(chat, "tk", ["hidden"], hidden=hidden)
    _Windows(watch, root.nametowidget(".")).begin()
    return watch


class _Windows:
    """Checks whether any window of a Tcl interpreter is visible, whenever one is mapped, unmapped or destroyed."""

    def __init__(self, watch: Watch, root: tkinter.Misc) -> None:
        self._watch, self._root = watch, root
        self._command = root.register(self._check_soon)
        self._pending = ""

    def begin(self) -> None:
        # Bind in Tcl, because tkinter can remove a single binding only since Python 3.13.
        for event in _EVENTS_TO_CHECK:
            self._root.tk.call("bind", "all", event, f"+{self._command} %W {event}")
        self._watch.at_close(self._end)
        self._check_soon()

    def _check_soon(self, path: str = "", event: str = "") -> None:
        if event == "<Destroy>" and path == ".":
            self._watch.report("detached")
            self._watch.close()
        elif not self._pending:
            self._pending = self._root.after(
                0, self._check_now
            )  # not after_idle: update_idletasks() would run it too early

    def _check_now(self) -> None:
        self._pending = ""
        self._watch.report("resumed" if self._is_shown() else "hidden")

    def _is_shown(self) -> bool:
        tk = self._root.tk
        on_top = tk.splitlist(tk.call("wm", "stackorder", "."))  # includes the dialogs of Tcl itself
        windows = {*on_top, *(str(w) for w in _toplevels(self._root))}  # even before they are mapped
        return any(tk.call("wm", "state", window) in _VISIBLE_STATES for window in windows)

    def _end(self) -> None:
        import tkinter

        with suppress(tkinter.TclError):  # the interpreter is gone, and the bindings with it
            for event in _EVENTS_TO_CHECK:
                lines = str(self._root.tk.call("bind", "all", event)).split("\n")
                kept = [line for line in lines if not line.startswith(f"{self._command} ")]
                self._root.tk.call("bind", "all", event, "\n".join(kept))
            if self._pending:
                self._root.after_cancel(self._pending)
            self._root.deletecommand(self._command)


def _toplevels(root: tkinter.Misc) -> Iterator[tkinter.Misc]:
    import tkinter

    waiting = [root]
    while waiting:
        widget = waiting.pop()
        if isinstance(widget, (tkinter.Tk, tkinter.Toplevel)):
            yield widget
        waiting.extend(widget.children.values())
