"""The browser with pages that contain the vendor's packages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from chromium.browser import Browser as AnyBrowser
from chromium.browser import Page, PageError

__all__ = ["Browser", "Page", "PageError"]


class Browser(AnyBrowser):
    """The browser that opens pages of the bridge.

    Args:
        port: the port of the server's chat host, which pages request at port 443.
    """

    def __init__(self, port: int = 443) -> None:
        super().__init__(Path(__file__).parent / "browser", {"TAILWIRE_PORT": str(port)})

    async def open(self, name: str, at: str = "sdk.html", **more: Any) -> Page:
        """Open a page of the bridge, or a URL."""
        return await super().open(name, at, **more)
