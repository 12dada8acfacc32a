"""A Toga app: no window that can be seen is background; so is the background of a phone."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tailwire.adapters.starting import saying, started

if TYPE_CHECKING:
    from tailwire.adapters.rule import Hidden, Word
    from tailwire.adapters.watching import Informed, Watch

_PHONES = ("android", "iOS")
_EVENTS = ("on_hide", "on_show", "on_lose_focus", "on_gain_focus")


def watch_toga(chat: Informed, app: Any, *, hidden: Hidden = "background") -> Watch:
    """Watch the windows of a Toga app, and report to a client whether one of them can be seen.

    On a desktop the app is `hidden` while every window is hidden, minimised or closed. On a phone it is `paused` while
    it is in the background (`onStop` on Android, `applicationDidEnterBackground` on iOS). An app that exits is
    `detached`. A lost focus and a dialog change nothing. Windows that are opened later are watched too.

    The handlers `on_hide`, `on_show`, `on_lose_focus` and `on_gain_focus` of the app's windows go on working. Give them
    to a window before it is watched, or to its constructor: one that is assigned later takes the place of the watch's.

    ```python
    class MyApp(toga.App):
        async def on_running(self):
            self.chat = ChatClient("app-id", settings)
            await self.chat.init()
            self.watch = watch_toga(self.chat, self)

        async def on_exit(self):
            await self.chat.aclose()
            return True
    ```

    Args:
        chat: a `ChatClient` on `app.loop`, initialised; or a `tailwire.sync.Client`.
        app: the app.
        hidden: what an app without a visible window means: `"background"`, or `"foreground"` for an app that lives in
            the tray and shows notifications of its own. On a phone it has no effect.

    Returns:
        The watch. `knows` has `hidden` on a desktop and `paused` on a phone. On Wayland no program is told that its
        window is minimised.

    Raises:
        CometChatException: `COMETCHAT_INITIALIZATION_NOT_DONE`, `ERR_CLIENT_CLOSED`, `ERR_WRONG_EVENT_LOOP`.
        RuntimeError: Toga is not installed.
        TypeError: `app` is not a Toga app, or `chat` no client.
        ValueError: `hidden` is neither of the two.
    """
    try:
        import toga
        from toga.constants import WindowState
        from toga.handlers import NativeHandler
        from toga.platform import current_platform
    except ImportError as e:
        raise RuntimeError("Toga cannot be imported: pip install toga") from e
    if not isinstance(app, toga.App):
        raise TypeError(f"give the Toga app (a toga.App), not a {type(app).__name__}")
    on_phone = current_platform in _PHONES
    watch = started(chat, "toga", ["paused" if on_phone else "hidden"], hidden)
    say = saying(watch, app.loop)

    def now() -> Word:
        seen = (window.visible and window.state != WindowState.MINIMIZED for window in app.windows)
        return "resumed" if any(seen) else "hidden"

    turn = _Turn(app.loop.call_soon_threadsafe, lambda: watch.see(now()))

    def heard(event: str) -> None:
        if not on_phone:
            turn.look()
        elif event in ("on_hide", "on_show"):  # a phone's window says that it is visible even when it is not
            say("paused" if event == "on_hide" else "resumed")

    windows = _Windows(heard, NativeHandler)

    def opened(window: Any) -> None:
        app.loop.call_soon_threadsafe(hold, window)  # its constructor has yet to set its handlers

    def hold(window: Any) -> None:
        if window in app.windows:
            windows.hold(window)
            heard("opened")

    def closed(window: Any) -> None:
        windows.forget(window)
        heard("closed")

    def exits() -> None:
        turn.end()
        say("detached")

    watch.at_close(windows.release)
    watch.at_close(turn.end)
    # An app tells nobody of its windows, nor that it exits.
    watch.at_close(_around(app.windows, "add", after=opened))
    watch.at_close(_around(app.windows, "discard", after=closed))
    watch.at_close(_around(app, "exit", before=exits))
    for window in app.windows:
        windows.hold(window)
    heard("started")
    return watch


class _Turn:
    """Looks at the windows one turn later: hide and show come in pairs when a window is made anew."""

    def __init__(self, soon: Callable[[Callable[[], None]], object], look: Callable[[], None]) -> None:
        self._soon = soon
        self._look_now = look
        self._coming = self._ended = False

    def look(self) -> None:
        """Look once, one turn later."""
        if not self._coming and not self._ended:
            self._coming = True
            self._soon(self._came)

    def _came(self) -> None:
        self._coming = False
        if not self._ended:
            self._look_now()

    def end(self) -> None:
        """Look no more: the windows are going."""
        self._ended = True


class _Windows:
    """The handlers of windows: ours before those of the app."""

    def __init__(self, heard: Callable[[str], None], native_handler: Callable[[Any], Any]) -> None:
        self._heard = heard
        self._native_handler = native_handler
        self._held: dict[Any, list[tuple[str, Any, Any]]] = {}
        self._released = False

    def hold(self, window: Any) -> None:
        """Hear what happens to a window."""
        if self._released or window in self._held:
            return
        self._held[window] = [(event, *self._put_before(window, event)) for event in _EVENTS]

    def _put_before(self, window: Any, event: str) -> tuple[Any, Any]:
        theirs = getattr(window, event)

        def ours(_window: object, **more: object) -> object:
            self._heard(event)
            return theirs(**more)

        setattr(window, event, ours)
        return theirs, ours

    def forget(self, window: Any) -> None:
        """Let a window go that is closed: nothing of it may be touched any more."""
        self._held.pop(window, None)

    def release(self) -> None:
        """Give the windows their own handlers back, where no other took our place."""
        self._released = True
        for window, handlers in self._held.items():
            for event, theirs, ours in handlers:
                if getattr(getattr(window, event), "_raw", None) is ours:
                    native = not hasattr(theirs, "_raw")
                    setattr(window, event, self._native_handler(theirs) if native else theirs._raw)
        self._held.clear()


def _around(
    owner: Any,
    name: str,
    *,
    before: Callable[..., object] | None = None,
    after: Callable[..., object] | None = None,
) -> Callable[[], None]:
    """Have a function called with each call of one object's method. Return what undoes it."""
    theirs = getattr(owner, name)

    def ours(*arguments: Any, **more: Any) -> Any:
        if before is not None and active:
            before(*arguments, **more)
        result = theirs(*arguments, **more)
        if after is not None and active:
            after(*arguments, **more)
        return result

    active = [True]
    setattr(owner, name, ours)

    def undo() -> None:
        active.clear()
        if vars(owner).get(name) is ours:
            delattr(owner, name)

    return undo
