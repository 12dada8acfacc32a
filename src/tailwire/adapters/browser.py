"""A web page with Python in it (Pyodide): hidden is background; offline and online are told as well."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from tailwire.adapters.watching import Informed, Watch


def watch_browser(chat: Informed) -> Watch:
    """Report to a client when its page is hidden or visible, and what the browser says of the network.

    A hidden tab, and a page that is left or frozen, is background; the loss of the focus alone is not. The page can
    come back from the browser's cache of pages: it is visible then, and so in the foreground.

    ```python
    chat = ChatClient("app-id", settings)
    await chat.init()
    watch = watch_browser(chat)
    ```

    Args:
        chat: a client after `init()`.

    Returns:
        The watch; `close()` ends it. It knows `hidden`, `paused` and `network`.

    Raises:
        TypeError: `chat` is no client.
        CometChatException: `COMETCHAT_INITIALIZATION_NOT_DONE`, `ERR_CLIENT_CLOSED`, `ERR_WRONG_EVENT_LOOP`.
        RuntimeError: outside of a web page. In a worker there is no page to watch: report from the page, and call
            `chat.set_app_state()`.
    """
    if sys.platform != "emscripten":
        raise RuntimeError("watch_browser() is for Python in a web page (Pyodide); here use another watch_…()")
    import js
    from pyodide.ffi import create_proxy

    if getattr(js, "document", None) is None:
        raise RuntimeError("there is no page in a worker: watch it from the page, and call chat.set_app_state()")
    return watch_page(chat, js.window, create_proxy)


def watch_page(chat: Informed, window: Any, proxied: Callable[[Callable[..., object]], Any]) -> Watch:
    """Watch a page (for `watch_browser`).

    Args:
        chat: a client after `init()`.
        window: the page's JavaScript `window`.
        proxied: makes a JavaScript function of a Python one; what it gives has `destroy()`.
    """
    document = window.document
    watch = Watch(chat, "page", ("hidden", "paused", "network"))

    def look(_: object = None) -> None:
        watch.see("hidden" if document.visibilityState == "hidden" else "resumed")

    def listen(target: Any, event: str, told: Callable[[Any], None]) -> None:
        proxy = proxied(told)
        target.addEventListener(event, proxy)

        def undo() -> None:
            target.removeEventListener(event, proxy)
            proxy.destroy()

        watch.at_close(undo)

    listen(document, "visibilitychange", look)
    listen(window, "pagehide", lambda _: watch.see("detached"))
    listen(window, "pageshow", look)
    listen(document, "freeze", lambda _: watch.see("paused"))
    listen(document, "resume", look)
    listen(window, "offline", lambda _: watch.see_network("offline"))
    listen(window, "online", lambda _: watch.see_network("online"))
    look()
    if window.navigator.onLine is False:
        watch.see_network("offline")
    return watch
