"""Adapter for Flet: reports pages that are hidden, paused or disconnected, and the network of the user's device."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from tailwire.adapters.rule import Hidden, Lifecycle
from tailwire.adapters.watching import Watch, WatchedClient

_LIFECYCLES: dict[str, Lifecycle] = {
    "SHOW": "resumed",
    "RESUME": "resumed",
    "INACTIVE": "inactive",
    "HIDE": "hidden",
    "PAUSE": "paused",
    "DETACH": "detached",
}
"""The reported state for each `flet.AppLifecycleState`. RESTART is ignored, because the app is not visible yet."""


def watch_flet(chat: WatchedClient, page: Any, *, hidden: Hidden = "background") -> Watch:
    """Report to a client whether a Flet page is visible and connected.

    In a web app each browser tab has its own page, and needs its own client. A tab that was closed or has lost its
    connection counts as background until Flet has connected it again.

    Handlers that the app has set are still called. Set `page.on_app_lifecycle_state_change`, `page.on_connect` and
    `page.on_disconnect` before this call: a handler that is set later replaces that of the watch.

    ```python
    async def main(page: ft.Page):
        chat = ChatClient("app-id", settings, session_store=MemorySessionStore())
        await chat.init()
        watch_flet(chat, page)
        page.on_close = chat.aclose
    ```

    Args:
        chat: an initialised client.
        page: the `flet.Page` that `main` is called with.
        hidden: the state of a page without a visible window: `"background"` or `"foreground"`.

    Returns:
        The watch. What it can detect, its `knows`, is `hidden` and `paused`, and also `network` if the app runs on the
        user's device. A web app runs on a server, and the user's network says nothing about the network there.

    Raises:
        CometChatException: `COMETCHAT_INITIALIZATION_NOT_DONE` if the client is not initialised;
            `ERR_CLIENT_CLOSED`; `ERR_WRONG_EVENT_LOOP` if a `ChatClient` is used outside its event loop.
        TypeError: `page` is not a page of Flet 1.0 or later, or `chat` is not a client.
        ValueError: `hidden` is neither `"background"` nor `"foreground"`.
    """
    if not all(hasattr(page, name) for name in ("on_app_lifecycle_state_change", "on_connect", "on_disconnect", "web")):
        raise TypeError(f"{type(page).__name__} is not a page of Flet 1.0: give the page that main() is called with")
    watch = Watch(chat, "flet", ["hidden", "paused"], hidden=hidden)
    connectivity = _connectivity_of(page)
    if connectivity is not None:
        watch.set_abilities("hidden", "paused", "network")
    life: list[Lifecycle] = ["resumed"]  # the last state except `inactive`; restored when the page reconnects

    def on_lifecycle_change(event: Any) -> None:
        lifecycle = _LIFECYCLES.get(event.state.name)
        if lifecycle is not None:
            if lifecycle != "inactive":
                life[0] = lifecycle
            watch.report(lifecycle)

    _hook(watch, page, "on_app_lifecycle_state_change", on_lifecycle_change)
    _hook(watch, page, "on_disconnect", lambda _: watch.report("detached"))
    _hook(watch, page, "on_connect", lambda _: watch.report(life[0]))
    if connectivity is not None:
        _hook(watch, connectivity, "on_change", lambda e: watch.report_network(_network_of(e)))
    page.update()  # the page only reports events that have a handler
    return watch


def _connectivity_of(page: Any) -> Any:
    # Flet keeps a service only while it is referenced: here, by the watch's handler.
    if page.web and not page.pyodide:
        return None
    import flet

    try:
        if flet.context.page is not page:
            return None
    except RuntimeError:  # outside of the page's context, where a service would belong to no page
        return None
    return flet.Connectivity()


def _network_of(event: Any) -> Any:
    kinds = {kind.name for kind in event.connectivity}
    return "offline" if kinds == {"NONE"} else "online" if kinds else "unknown"


def _hook(watch: Watch, control: Any, name: str, callback: Callable[[Any], None]) -> None:
    # Call a handler before the app's own until the watch ends. Flet checks
    # whether a handler is a coroutine function, so the combined one is of the same kind as the app's.
    before = getattr(control, name)
    handler = callback if before is None else _combined_handler(callback, before)
    setattr(control, name, handler)

    def undo() -> None:
        if getattr(control, name) is handler:
            setattr(control, name, before)

    watch.at_close(undo)


def _combined_handler(callback: Callable[[Any], None], before: Callable[..., Any]) -> Callable[[Any], Any]:
    def called(event: Any) -> Any:
        return before(event) if inspect.signature(before).parameters else before()

    if inspect.iscoroutinefunction(before):

        async def awaited(event: Any) -> None:
            callback(event)
            await called(event)

        return awaited
    if inspect.isasyncgenfunction(before):

        async def in_steps(event: Any) -> AsyncIterator[Any]:
            callback(event)
            async for step in called(event):
                yield step

        return in_steps
    if inspect.isgeneratorfunction(before):

        def stepping(event: Any) -> Iterator[Any]:
            callback(event)
            yield from called(event)

        return stepping

    def plain(event: Any) -> None:
        callback(event)
        called(event)

    return plain
