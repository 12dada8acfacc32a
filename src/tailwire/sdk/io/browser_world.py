"""The environment of a web page (Pyodide), where the browser owns the connections."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from typing import Any

from tailwire.sdk.io.browser_wire import BrowserWire, open_browser_wire
from tailwire.sdk.io.traffic import not_counted
from tailwire.sdk.io.world import World


class BrowserWorld(World):
    """A web page: the browser opens sockets, sends requests, and decides on certificates and proxies."""

    sees_uploads = False

    async def prepare(self) -> None:
        """Import the libraries that the first request needs. This blocks, because a page has no other threads."""
        import httpx2  # noqa: F401

    def check_settings(self, *, tls: object, proxy: str | None, ca_file: str) -> None:
        """Raise if the app has set something that only the browser controls. The arguments are as for `World`.

        Raises:
            ValueError: one of them is set; the message names it.
        """
        is_set = {"tls=": tls is not None, "proxy()": proxy is not None, "certificate_authority()": bool(ca_file)}
        names = " and ".join(name for name, is_given in is_set.items() if is_given)
        if names:
            raise ValueError(f"{names}: in a web page the browser controls this; remove the setting")

    def session_store(self) -> Any:
        """Return a store in the page's `localStorage`."""
        from tailwire.sdk.io.browser_store import LocalStorageSessionStore

        return LocalStorageSessionStore()

    async def open_wire(
        self,
        url: str,
        headers: Mapping[str, str],
        tls: ssl.SSLContext | None,
        proxy: str | None = None,
        moved: Callable[[], None] = not_counted,
    ) -> BrowserWire:
        """Open a WebSocket. Only the URL and `moved` are used: the browser decides the rest, and sends no headers.

        Raises:
            tailwire.sdk.io.failures.AttemptError: if it cannot be opened.
        """
        return await open_browser_wire(url, moved)

    def http_client(self, tls: ssl.SSLContext | None, proxy: str | None = None) -> Any:
        """Return an `httpx2.AsyncClient` that uses the page's `fetch`. The arguments are ignored."""
        import httpx2

        return httpx2.AsyncClient(timeout=15.0)
