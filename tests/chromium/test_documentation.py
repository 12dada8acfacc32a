"""The built documentation site in a real browser, opened from the disk: it loads nothing from elsewhere, and its search works."""

from __future__ import annotations

from pathlib import Path

import pytest

from chromium.browser import Browser

SITE = Path(__file__).parents[2] / "site"
pytestmark = [
    pytest.mark.gui,
    pytest.mark.slow,
    pytest.mark.skipif(not (SITE / "index.html").is_file(), reason="the site is not built: run `make docs`"),
]
LOADED = "return performance.getEntriesByType('resource').map((one) => one.name).filter((name) => !/^(file|data|blob):/.test(name))"


@pytest.mark.parametrize("page", ["index.html", "reference/api-client.html", "tutorials/first-chat.html"])
@pytest.mark.parametrize("width", [1280, 390])
async def test_page_loads_nothing_from_elsewhere_and_fits(chromium: Browser, page: str, width: int):
    opened = await chromium.open("reader", (SITE / page).as_uri(), width=width, height=844)
    await opened.wait_for("document.readyState === 'complete'")
    assert await opened.run(LOADED) == []
    assert await opened.run("return document.documentElement.scrollWidth <= innerWidth")


async def test_search_works_without_a_server(chromium: Browser):
    opened = await chromium.open("reader", (SITE / "index.html").as_uri())
    await opened.wait_for("document.readyState === 'complete'")
    await opened.do("press", key="/")
    await opened.wait_for("document.activeElement?.tagName === 'INPUT' || document.activeElement?.shadowRoot")
    for letter in "receipts":
        await opened.do("press", key=letter)
    await opened.wait_for(
        "/[1-9]\\d* results?/.test(document.body.innerText + [...document.querySelectorAll('*')].filter((e) => e.shadowRoot).map((e) => e.shadowRoot.textContent).join(' '))"
    )
