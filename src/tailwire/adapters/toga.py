"""Adapter for Toga: reports an app without a visible window or, on a phone, an app in the background."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tailwire.adapters.watching import Watch

if TYPE_CHECKING:
    from tailwire.adapters.rule import Hidden, Lifecycle
    from tailwire.adapters.watching import WatchedClient

_PHONE_PLATFORMS = ("android", "iOS")
_EVENTS = ("on_hide", "on_show", "on_lose_focus", "on_gain_focus")


def watch_toga(chat: WatchedClient, app: Any, *, hidden: Hidden = "background") -> Watch:
    """Report to a client whether a Toga app has a visible window (desktop) or is in the foreground (phone).

    On a desktop the app is `hidden` while every window is hidden, minimised or closed; on a phone it is `paused` while
    it is in the background. An app that exits is `detached`. Focus and dialogs do not count. Windows that are opened
    later are watched too.

    The windows' own `on_hide`, `on_show`, `on_lose_focus` and `on_gain_focus` handlers are still called. Assign them
    before the watch starts, or in the window's constructor. A handler that is assigned later replaces the watch's own.

    ```python
    class MyApp(toga.App):
        async def on_running(self):
            self.chat = ChatClient("app-id", settings)
            await self.chat.init()
            self.watch = watch_toga(self.chat, self)
    ```

    Args:
        chat: an initialised `ChatClient`, when called on its event loop, which should be `app.loop`; or a
            `tailwire.sync.Client`.
        app: the app.
        hidden: the state of an app without a visible window: `"background"`, or `"foreground"` for an app that stays in
            the tray and shows notifications. It has no effect on a phone.

    Returns:
        The watch. What it can detect, its `knows`, is `hidden` on a desktop, and `paused` on a phone. On Wayland,
        programs are not notified of minimised windows.

    Raises:
        CometChatException: `COMETCHAT_INITIALIZATION_NOT_DONE` if the client is not initialised;
            `ERR_CLIENT_CLOSED`; `ERR_WRONG_EVENT_LOOP` if a `ChatClient` is used outside its event loop.
        RuntimeError: Toga is not installed.
        TypeError: `app` is not a Toga app, or `chat` is not a client.
        ValueError: `hidden` is neither `"background"` nor `"foreground"`.
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
    on_phone = current_platform in _PHONE_PLATFORMS
    watch = Watch(chat, "toga", ["paused" if on_phone else "hidden"], hidden=hidden)

    def now() -> Lifecycle:
        visible = (window.visible and window.state != WindowState.MINIMIZED for window in app.windows)
        return "resumed" if any(visible) else "hidden"

    _begin(watch, app, None if on_phone else now, NativeHandler)
    return watch


def _begin(watch: Watch, app: Any, now: Callable[[], Lifecycle] | None, native_handler: Callable[[Any], Any]) -> None:
    # `now` checks the windows. It is None on a phone, where they report themselves as visible even in the background.
    soon = app.loop.call_soon_threadsafe
    turn = _DelayedCheck(soon, lambda: None if now is None else watch.report_threadsafe(now()))

    def on_event(event: str) -> None:
        if now is not None:
            turn.check_soon()
        elif event in ("on_hide", "on_show"):
            watch.report_threadsafe("paused" if event == "on_hide" else "resumed")

    windows = _Windows(on_event, native_handler)

    def on_added(window: Any) -> None:
        soon(hold, window)  # the constructor sets the handlers after this

    def hold(window: Any) -> None:
        if window in app.windows:
            windows.hold(window)
            on_event("opened")

    def closed(window: Any) -> None:
        windows.forget(window)
        on_event("closed")

    def exits() -> None:
        turn.end()
        watch.report_threadsafe("detached")

    watch.at_close(windows.release)
    watch.at_close(turn.end)
    # Toga has no events for new windows or for exit, so hook the methods.
    watch.at_close(_listen(app.windows, "add", after=on_added))
    watch.at_close(_listen(app.windows, "discard", after=closed))
    watch.at_close(_listen(app, "exit", before=exits))
    for window in app.windows:
        windows.hold(window)
    on_event("started")


class _DelayedCheck:
    """Checks the windows one iteration of the event loop later, because a recreated window is hidden and shown.

    Args:
        soon: schedules a function for the next iteration of the app's event loop.
        check: checks the windows.
    """

    def __init__(self, soon: Callable[[Callable[[], None]], object], check: Callable[[], None]) -> None:
        self._soon = soon
        self._check_now = check
        self._coming = self._ended = False

    def check_soon(self) -> None:
        """Schedule a check, unless one is scheduled already."""
        if not self._coming and not self._ended:
            self._coming = True
            self._soon(self._check)

    def _check(self) -> None:
        self._coming = False
        if not self._ended:
            self._check_now()

    def end(self) -> None:
        """Ignore scheduled and further checks, because the app exits or the watch is closed."""
        self._ended = True


class _HookedMethod:
    """A replacement of a method or handler, which calls listeners before and after it. Several watches share one.

    Args:
        theirs: the original method or handler, to restore it.
        call: calls the original.
    """

    def __init__(self, theirs: Any, call: Callable[..., Any]) -> None:
        self.theirs, self._call = theirs, call
        self.before: list[Callable[..., object]] = []
        self.after: list[Callable[..., object]] = []

    def __call__(self, *arguments: Any, **more: Any) -> Any:
        for listener in tuple(self.before):
            listener(*arguments, **more)
        result = self._call(*arguments, **more)
        for listener in tuple(self.after):
            listener(*arguments, **more)
        return result


def _listen(
    owner: Any,
    name: str,
    *,
    before: Callable[..., object] | None = None,
    after: Callable[..., object] | None = None,
) -> Callable[[], None]:
    """Call functions before and after each call of an object's method. Return a function that ends this."""
    method = getattr(owner, name)
    hooked = method if isinstance(method, _HookedMethod) else _HookedMethod(method, method)
    setattr(owner, name, hooked)
    ways = [(listeners, one) for listeners, one in ((hooked.before, before), (hooked.after, after)) if one is not None]
    for listeners, one in ways:
        listeners.append(one)

    def end() -> None:
        for listeners, one in ways:
            listeners.remove(one)
        if not hooked.before and not hooked.after and vars(owner).get(name) is hooked:
            delattr(owner, name)

    return end


class _Windows:
    """Adds a listener to the handlers of windows, such as `on_hide`, without replacing those of the app.

    Args:
        on_event: called with the name of the handler before the app's handler is called.
        native_handler: Toga's `NativeHandler`, to restore an original handler.
    """

    def __init__(self, on_event: Callable[[str], None], native_handler: Callable[[Any], Any]) -> None:
        self._on_event = on_event
        self._native_handler = native_handler
        self._held: dict[Any, list[tuple[str, _HookedMethod, Callable[..., object]]]] = {}
        self._released = False

    def hold(self, window: Any) -> None:
        """Add the listener to the handlers of a window. A window that has it already is ignored."""
        if not self._released and window not in self._held:
            self._held[window] = [self._listen(window, event) for event in _EVENTS]

    def _listen(self, window: Any, event: str) -> tuple[str, _HookedMethod, Callable[..., object]]:
        handler = getattr(window, event)
        hooked = getattr(handler, "_raw", None)  # the assigned handler; missing on a native handler
        if not isinstance(hooked, _HookedMethod):
            hooked = _HookedMethod(handler, lambda _window, **more: handler(**more))
            setattr(window, event, hooked)

        def listener(*_: object, **__: object) -> None:
            self._on_event(event)

        hooked.before.append(listener)
        return event, hooked, listener

    def forget(self, window: Any) -> None:
        """Forget a closed window, whose handlers must no longer be restored."""
        self._held.pop(window, None)

    def release(self) -> None:
        """Restore the original handlers of all windows, except those that the app has replaced meanwhile."""
        self._released = True
        for window, handlers in self._held.items():
            for event, hooked, listener in handlers:
                hooked.before.remove(listener)
                if not hooked.before and getattr(getattr(window, event), "_raw", None) is hooked:
                    theirs = hooked.theirs
                    setattr(window, event, theirs._raw if hasattr(theirs, "_raw") else self._native_handler(theirs))
        self._held.clear()
