"""A Flet app: hidden, paused and gone are background; on a device the network is told as well."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from tailwire.adapters.rule import Hidden, Word
from tailwire.adapters.watching import Informed, Watch

_WORDS: dict[str, Word] = {
    "SHOW": "resumed",
    "RESUME": "resumed",
    "INACTIVE": "inactive",
    "HIDE": "hidden",
    "PAUSE": "paused",
    "DETACH": "detached",
}
"""By the names of `flet.AppLifecycleState`. RESTART is none: the app is not shown yet."""


def watch_flet(chat: Informed, page: Any, *, hidden: Hidden = "background") -> Watch:
    """Report to a client what Flet says of the app's page.

    In a web app each browser tab has a page of its own, and with it a client of its own. A closed tab, and one that
    lost its connection, is background; it is in the foreground again when Flet has connected it again.

    Handlers that the app has set go on to be called. Set `page.on_app_lifecycle_state_change`, `page.on_connect` and
    `page.on_disconnect` before: one that is set later takes the place of the watch's.

    ```python
    async def main(page: ft.Page):
        chat = ChatClient("app-id", settings, session_store=MemorySessionStore())
        await chat.init()
        watch_flet(chat, page)
        page.on_close = chat.aclose
    ```

    Args:
        chat: a client after `init()`.
        page: the `flet.Page` that `main` is given.
        hidden: what a page without a visible window is (see `tailwire.adapters.rule.app_state`).

    Returns:
        The watch; `close()` ends it. It knows `hidden`, `paused`, and `network` where the app runs on the user's
        device: the network of a browser says nothing of that of the server which runs a web app.

    Raises:
        CometChatException: `COMETCHAT_INITIALIZATION_NOT_DONE`, `ERR_CLIENT_CLOSED`, `ERR_WRONG_EVENT_LOOP`.
        TypeError: `page` is no page of Flet 1.0 or later, or `chat` no client.
        ValueError: `hidden` is neither `"background"` nor `"foreground"`.
    """
    if not all(hasattr(page, name) for name in ("on_app_lifecycle_state_change", "on_connect", "on_disconnect", "web")):
        raise TypeError(f"{type(page).__name__} is no page of Flet 1.0: give the one that main() is given")
    watch = Watch(chat, "flet", ["hidden", "paused"], hidden=hidden)
    connectivity = _connectivity(page)
    if connectivity is not None:
        watch.learn("hidden", "paused", "network")
    life: list[Word] = ["resumed"]  # the last word beside `inactive`, whether or not the page is connected

    def lived(event: Any) -> None:
        word = _WORDS.get(event.state.name)
        if word is not None:
            if word != "inactive":
                life[0] = word
            watch.see(word)

    _hook(watch, page, "on_app_lifecycle_state_change", lived)
    _hook(watch, page, "on_disconnect", lambda _: watch.see("detached"))
    _hook(watch, page, "on_connect", lambda _: watch.see(life[0]))
    if connectivity is not None:
        _hook(watch, connectivity, "on_change", lambda e: watch.see_network(_network(e)))
    page.update()  # what has no handler is not told by the page
    return watch


def _connectivity(page: Any) -> Any:
    # Flet keeps a service only as long as somebody holds it: the watch does, by its handler.
    if page.web and not page.pyodide:
        return None
    import flet

    try:
        if flet.context.page is not page:
            return None
    except RuntimeError:  # outside of the page's own code, where a service would belong to no page
        return None
    return flet.Connectivity()


def _network(event: Any) -> Any:
    kinds = {kind.name for kind in event.connectivity}
    return "offline" if kinds == {"NONE"} else "online" if kinds else "unknown"


def _hook(watch: Watch, control: Any, name: str, told: Callable[[Any], None]) -> None:
    # Put a handler before the app's own, until the watch ends. Flet looks at what kind of function a handler is.
    before = getattr(control, name)
    handler = told if before is None else _both(told, before)
    setattr(control, name, handler)

    def undo() -> None:
        if getattr(control, name) is handler:
            setattr(control, name, before)

    watch.at_close(undo)


def _both(told: Callable[[Any], None], before: Callable[..., Any]) -> Callable[[Any], Any]:
    def called(event: Any) -> Any:
        return before(event) if inspect.signature(before).parameters else before()

    if inspect.iscoroutinefunction(before):

        async def awaited(event: Any) -> None:
            told(event)
            await called(event)

        return awaited
    if inspect.isasyncgenfunction(before):

        async def in_steps(event: Any) -> AsyncIterator[Any]:
            told(event)
            async for step in called(event):
                yield step

        return in_steps
    if inspect.isgeneratorfunction(before):

        def stepping(event: Any) -> Iterator[Any]:
            told(event)
            yield from called(event)

        return stepping

    def plain(event: Any) -> None:
        told(event)
        called(event)

    return plain
