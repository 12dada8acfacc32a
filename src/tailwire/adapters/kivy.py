"""Adapter for Kivy: reports a window that is minimised or hidden and, on a phone, an app that is paused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tailwire.adapters.watching import Watch

if TYPE_CHECKING:
    from tailwire.adapters.rule import Hidden, Lifecycle
    from tailwire.adapters.watching import WatchedClient

_PHONE_PLATFORMS = ("android", "ios")
_WINDOW_EVENTS: dict[str, Lifecycle] = {
    "on_minimize": "hidden",
    "on_hide": "hidden",
    "on_restore": "resumed",
    "on_maximize": "resumed",
    "on_show": "resumed",
}


def watch_kivy(chat: WatchedClient, app: Any, *, hidden: Hidden = "background") -> Watch:
    """Report to a client whether the window of a Kivy app is hidden or, on a phone, whether the app is paused.

    An app whose window is minimised or hidden is `hidden`; an app that a phone has paused is `paused`; an app that has
    stopped is `detached`. Losing the focus and Kivy's popups do not count. On a phone only pauses count; Kivy's event
    loop does not run while the app is paused.

    ```python
    async with ChatClient("app-id", settings) as chat:
        with watch_kivy(chat, app):
            await app.async_run("asyncio")
    ```

    Args:
        chat: an initialised `ChatClient`, when called on its event loop, which should be that of
            `app.async_run("asyncio")`; or a `tailwire.sync.Client`, which suits `app.run()`.
        app: the app. It need not run yet.
        hidden: the state of an app with a hidden window: `"background"`, or `"foreground"` for an app that shows
            notifications without a window. A paused app is always in the background.

    Returns:
        The watch. What it can detect, its `knows`, is `hidden` on a desktop, and `paused` on a phone.

    Raises:
        CometChatException: `COMETCHAT_INITIALIZATION_NOT_DONE` if the client is not initialised;
            `ERR_CLIENT_CLOSED`; `ERR_WRONG_EVENT_LOOP` if a `ChatClient` is used outside its event loop.
        RuntimeError: Kivy is not installed, or has no window (no display, or no window provider).
        TypeError: `app` is not a Kivy app, or `chat` is not a client.
        ValueError: `hidden` is neither `"background"` nor `"foreground"`.
    """
    try:
        from kivy.app import App
        from kivy.clock import Clock
        from kivy.core.window import Window
        from kivy.utils import platform
    except ImportError as e:
        raise RuntimeError("Kivy cannot be imported: pip install kivy") from e
    if not isinstance(app, App):
        raise TypeError(f"give the Kivy app (a kivy.app.App), not a {type(app).__name__}")
    if Window is None:
        raise RuntimeError("Kivy has no window: there is no display, or no window provider such as SDL2")
    on_phone = platform in _PHONE_PLATFORMS
    watch = Watch(chat, "kivy", ["paused" if on_phone else "hidden"], hidden=hidden)
    _begin(watch, app, Window, Clock, on_phone)
    return watch


def _begin(watch: Watch, app: Any, window: Any, clock: Any, on_phone: bool) -> None:
    last: list[Lifecycle] = ["resumed"]

    # Kivy hides and shows a window to recreate it, so report only the last of the states, one frame later.
    report_soon = clock.create_trigger(lambda _seconds: watch.report_threadsafe(last[0]))
    watch.at_close(report_soon.cancel)

    def reported_later(lifecycle: Lifecycle) -> Any:
        def handler(*_: object) -> None:
            last[0] = lifecycle
            report_soon()

        return handler

    def reported_at_once(lifecycle: Lifecycle) -> Any:
        def handler(*_: object) -> None:  # after a pause or a stop there may be no next frame
            last[0] = lifecycle
            report_soon.cancel()
            watch.report_threadsafe(lifecycle)

        return handler

    def bind(dispatcher: Any, handlers: dict[str, Any]) -> None:
        dispatcher.bind(**handlers)
        watch.at_close(lambda: dispatcher.unbind(**handlers))

    bind(app, {"on_start": reported_later("resumed"), "on_stop": reported_at_once("detached")})
    bind(app, {"on_pause": reported_at_once("paused"), "on_resume": reported_at_once("resumed")})
    bind(window, {"on_close": reported_at_once("detached")})
    if not on_phone:
        bind(window, {event: reported_later(lifecycle) for event, lifecycle in _WINDOW_EVENTS.items()})
