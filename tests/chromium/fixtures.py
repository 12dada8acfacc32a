"""The fixture `chromium`: one browser for all tests of a process; its pages are closed after each test."""

from __future__ import annotations

import asyncio
import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from chromium.browser import FOLDER, Browser


@pytest.fixture(scope="session")
def _browser() -> Iterator[Browser]:
    if shutil.which("node") is None:
        pytest.skip("a browser needs node, which is not installed")
    if not (FOLDER / "node_modules" / "puppeteer-core").is_dir():
        pytest.skip("the browser's packages are not installed: make chromium")
    # Its package unpacks the browser at its first start; two at once would destroy each other's files.
    with (Path(tempfile.gettempdir()) / "tailwire-chromium.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        browser = Browser()
        browser.ask("version")
    yield browser
    browser.close()


@pytest.fixture
def chromium(_browser: Browser) -> Iterator[Browser]:
    """A browser; skips if node or the packages are missing."""
    yield _browser
    asyncio.run(_browser.close_pages())
