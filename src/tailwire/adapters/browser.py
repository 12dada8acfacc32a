"""Adapter for Python in a web page (Pyodide): the page's visibility, and the browser's network state."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from tailwire.adapters.watching import Watch, WatchedClient


def watch_browser(chat: WatchedClient) -> Watch:
    """Report to a client whether the web page is visible, and whether the browser is online.

    A tab that is hidden, and a page that was left or frozen, count as background. Losing the focus does not count. A
    page that returns from the browser's back/forward cache is in the foreground again.

    ```python
    chat = ChatClient("app-id", settings)
    await chat.init()
    watch = watch_browser(chat)
    ```

    Args:
        chat: an initialised client.

    Returns:
        The watch. What it can detect, its `knows`, is `hidden`, `paused` and `network`.

    Raises:
        TypeError: `chat` is not a client.
        CometChatException: `COMETCHAT_INITIALIZATION_NOT_DONE` if the client is not initialised;
            `ERR_CLIENT_CLOSED`; `ERR_WRONG_EVENT_LOOP` if a `ChatClient` is used outside its event loop.
        RuntimeError: this is not a web page, or it is a web worker, which sees no page. In a worker, call
            `chat.set_app_state()` with the state that the page sends to it.
    """
    if sys.platform != "emscripten":
        raise RuntimeError("watch_browser() is for Python in a web page (Pyodide): use another watch_…() here")
    import js
    from pyodide.ffi import create_proxy

    if getattr(js, "document", None) is None:
        raise RuntimeError("a worker has no page: pass the page's state to the worker, and call chat.set_app_state()")
    return watch_page(chat, js.window, create_proxy)


def watch_page(chat: WatchedClient, window: Any, proxied: Callable[[Callable[..., object]], Any]) -> Watch:
    """Do the work of `watch_browser` with the given page, and return the watch.

    Args:
        chat: an initialised client.
        window: the page's JavaScript `window`.
        proxied: converts a Python function to a JavaScript one with a method `destroy()` (`create_proxy`).
    """
    document = window.document
    watch = Watch(chat, "page", ("hidden", "paused", "network"))

    def check_visibility(_: object = None) -> None:
        watch.report("hidden" if document.visibilityState == "hidden" else "resumed")

    def listen(target: Any, event: str, callback: Callable[[Any], None]) -> None:
        proxy = proxied(callback)
        target.addEventListener(event, proxy)

        def undo() -> None:
            target.removeEventListener(event, proxy)
            proxy.destroy()

        watch.at_close(undo)

    listen(document, "visibilitychange", check_visibility)
    listen(window, "pagehide", lambda _: watch.report("detached"))
    listen(window, "pageshow", check_visibility)
    listen(document, "freeze", lambda _: watch.report("paused"))
    listen(document, "resume", check_visibility)
    listen(window, "offline", lambda _: watch.report_network("offline"))
    listen(window, "online", lambda _: watch.report_network("online"))
    check_visibility()
    if window.navigator.onLine is False:
        watch.report_network("offline")
    return watch
