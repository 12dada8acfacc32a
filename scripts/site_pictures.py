"""A picture of the documentation site, for `make_pictures.py`: as `make docs` has built it."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import make_site
from chromium.browser import Browser
from console_pictures import SIZE, Save, draw


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        """Log nothing."""


async def docs_site(folder: Path, save: Save) -> None:
    """Draw the first page of the site."""
    if not (make_site.SITE / "index.html").is_file():
        sys.exit("the site is not built: run `make docs`, then `make pictures` again")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(make_site.SITE)))
    serving, browser = threading.Thread(target=server.serve_forever), Browser()
    serving.start()
    try:
        tab = await browser.open("reader", f"http://127.0.0.1:{server.server_address[1]}/", **SIZE)
        await tab.wait_for("document.readyState === 'complete' && [...document.images].every((one) => one.complete)")
        await tab.wait_for("document.getAnimations().every((one) => one.playState !== 'running')")
        await draw(tab, "docs-site", folder, save)
    finally:
        browser.close()
        await asyncio.to_thread(server.shutdown)
        serving.join()
        server.server_close()


DRAWN: dict[str, Callable[[Path, Save], Awaitable[None]]] = {"docs-site": docs_site}
