"""A Kivy app: minimised or hidden is background; so is paused, on a phone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tailwire.adapters.watching import Watch

if TYPE_CHECKING:
    from tailwire.adapters.rule import Hidden, Word
    from tailwire.adapters.watching import Informed

_PHONES = ("android", "ios")
_WINDOW: dict[str, Word] = {
    "on_minimize": "hidden",
    "on_hide": "hidden",
    "on_restore": "resumed",
    "on_maximize": "resumed",
    "on_show": "resumed",
}


def watch_kivy(chat: Informed, app: Any, *, hidden: Hidden = "background") -> Watch:
    """Watch the window and the pauses of a Kivy app, and report them to a client.

    A window that is minimised or hidden is `hidden`; an app that a phone has paused is `paused`; an app that has
    stopped is `detached`. A lost focus and Kivy's popups change nothing. On a phone only pauses count; Kivy's event
    loop stands still during them.

    ```python
    async with ChatClient("app-id", settings) as chat:
        with watch_kivy(chat, app):
            await app.async_run("asyncio")
    ```

    Args:
        chat: a `ChatClient`, initialised: call this on its event loop, best the one of `app.async_run("asyncio")`. Or
            a `tailwire.sync.Client`, which suits `app.run()`.
        app: the app. It need not run yet.
        hidden: what a hidden window means: `"background"`, or `"foreground"` for an app that shows notifications of
            its own while it has no window. A paused app is in the background always.

    Returns:
        The watch. `knows` has `hidden` on a desktop and `paused` on a phone.

    Raises:
        CometChatException: `COMETCHAT_INITIALIZATION_NOT_DONE`, `ERR_CLIENT_CLOSED`, `ERR_WRONG_EVENT_LOOP`.
        RuntimeError: Kivy is not installed, or it has no window (no display, or no window provider).
        TypeError: `app` is not a Kivy app, or `chat` no client.
        ValueError: `hidden` is neither of the two.
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
        raise RuntimeError("Kivy has no window here: it found no display, or no window provider such as SDL2")
    on_phone = platform in _PHONES
    watch = Watch(chat, "kivy", ["paused" if on_phone else "hidden"], hidden=hidden)
    _begin(watch, app, Window, Clock, on_phone)
    return watch


def _begin(watch: Watch, app: Any, window: Any, clock: Any, on_phone: bool) -> None:
    last: list[Word] = ["resumed"]

    # Hide and show come in pairs when a window is made anew: what counts is how things stand one frame later.
    look = clock.create_trigger(lambda _seconds: watch.say(last[0]))
    watch.at_close(look.cancel)

    def later(word: Word) -> Any:
        def handler(*_: object) -> None:
            last[0] = word
            look()

        return handler

    def at_once(word: Word) -> Any:
        def handler(*_: object) -> None:  # after a pause or a stop no frame may follow for long
            last[0] = word
            look.cancel()
            watch.say(word)

        return handler

    def bind(dispatcher: Any, handlers: dict[str, Any]) -> None:
        dispatcher.bind(**handlers)
        watch.at_close(lambda: dispatcher.unbind(**handlers))

    bind(app, {"on_start": later("resumed"), "on_stop": at_once("detached")})
    bind(app, {"on_pause": at_once("paused"), "on_resume": at_once("resumed")})
    bind(window, {"on_close": at_once("detached")})
    if not on_phone:
        bind(window, {event: later(word) for event, word in _WINDOW.items()})
