"""A Tk app: minimised or withdrawn with all its windows is background.

What counts is whether any window of the app is on the screen, looked at one turn of the main loop after something came
or went: windows go and come again at once while their form is changed. Focus, covering windows and widgets within a
window do not count.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from tailwire.adapters.rule import Hidden
from tailwire.adapters.watching import Informed, Watch

if TYPE_CHECKING:
    import tkinter

_SHOWN = ("normal", "zoomed")
_LOOK_AT = ("<Map>", "<Unmap>", "<Destroy>")


def watch_tk(chat: Informed, root: tkinter.Misc, *, hidden: Hidden = "background") -> Watch:
    """Watch the windows of a Tk app, and tell the client when none of them is on the screen any more.

    ```python
    root = tkinter.Tk()
    watch_tk(chat, root)
    root.mainloop()
    ```

    All windows count, also those that are made later. The word is `hidden` while each is minimised or withdrawn,
    `resumed` when one is back, and `detached` when the root window is destroyed.

    Args:
        chat: the client; Tk's main loop is not asyncio's, so mostly a `tailwire.sync.Client`.
        root: the app's `Tk`, or any widget in it.
        hidden: what an app without a visible window is: `"foreground"` suits one that lives in the tray.

    Returns:
        The watch. It also lives without being kept, until `close()` or until the root window is destroyed.

    Raises:
        TypeError: `root` is no widget of tkinter, or `chat` no client.
        ValueError: `hidden` is neither `"background"` nor `"foreground"`.
        RuntimeError: called in another thread than Tk's before its main loop runs (raised by tkinter).
        tkinter.TclError: the root window is destroyed already.
        CometChatException: `COMETCHAT_INITIALIZATION_NOT_DONE`, `ERR_CLIENT_CLOSED`, `ERR_WRONG_EVENT_LOOP`.
    """
    import tkinter

    if not isinstance(root, tkinter.Misc):
        raise TypeError(f"root is a {type(root).__name__}: give the app's tkinter.Tk, or a widget in it")
    watch = Watch(chat, "tk", ["hidden"], hidden=hidden)
    _Windows(watch, root.nametowidget(".")).begin()
    return watch


class _Windows:
    """The windows of one Tcl interpreter."""

    def __init__(self, watch: Watch, root: tkinter.Misc) -> None:
        self._watch, self._root = watch, root
        self._look = root.register(self._look_soon)
        self._pending = ""

    def begin(self) -> None:
        # Bound in Tcl: tkinter can take one of several bindings away only from Python 3.13 on.
        for event in _LOOK_AT:
            self._root.tk.call("bind", "all", event, f"+{self._look} %W {event}")
        self._watch.at_close(self._end)
        self._look_soon()

    def _look_soon(self, path: str = "", event: str = "") -> None:
        if event == "<Destroy>" and path == ".":
            self._watch.see("detached")
            self._watch.close()
        elif not self._pending:
            self._pending = self._root.after(0, self._look_now)  # not when idle: update_idletasks() is no turn

    def _look_now(self) -> None:
        self._pending = ""
        self._watch.see("resumed" if self._shown() else "hidden")

    def _shown(self) -> bool:
        tk = self._root.tk
        on_top = tk.splitlist(tk.call("wm", "stackorder", "."))  # knows also the dialogs that Tcl itself makes
        windows = {*on_top, *(str(w) for w in _toplevels(self._root))}  # these also before they are mapped
        return any(tk.call("wm", "state", window) in _SHOWN for window in windows)

    def _end(self) -> None:
        import tkinter

        with suppress(tkinter.TclError):  # the interpreter, and with it all of this, is gone
            for event in _LOOK_AT:
                lines = str(self._root.tk.call("bind", "all", event)).split("\n")
                kept = [line for line in lines if not line.startswith(f"{self._look} ")]
                self._root.tk.call("bind", "all", event, "\n".join(kept))
            if self._pending:
                self._root.after_cancel(self._pending)
            self._root.deletecommand(self._look)


def _toplevels(root: tkinter.Misc) -> Iterator[tkinter.Misc]:
    import tkinter

    waiting = [root]
    while waiting:
        widget = waiting.pop()
        if isinstance(widget, (tkinter.Tk, tkinter.Toplevel)):
            yield widget
        waiting.extend(widget.children.values())
