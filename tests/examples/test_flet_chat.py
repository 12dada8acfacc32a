"""The Flet example as a web app in a real browser, read through its accessibility tree."""

from __future__ import annotations

from pathlib import Path

import pytest

from chromium.browser import Browser, Page
from examples.web_example import Bob, WebExample, lives_through

pytest.importorskip("flet", reason="Flet is not installed: pip install flet flet-web")
pytest.importorskip("flet_web", reason="flet-web is not installed: pip install flet-web")
pytestmark = [pytest.mark.gui, pytest.mark.slow, pytest.mark.timeout(240)]
ENVIRONMENT = {
    "FLET_FORCE_WEB_SERVER": "1",
    "FLET_SERVER_PORT": "PORT",
    "FLET_SERVER_IP": "127.0.0.1",
    "FLET_WEB_NO_CDN": "1",
}


class Shown:
    """A Flet page; its contents are read from the accessibility tree."""

    def __init__(self, page: Page) -> None:
        self.page = page

    async def write(self, field: str, text: str) -> None:
        selector = f"input[aria-label='{field}']:enabled"
        for _ in range(5):  # Flutter does not report when the field is ready for input
            # While the field holds text it has no label, and Flutter takes a moment to put the label back.
            await self.page.wait_for("!!document.querySelector(selector)", selector=selector)
            await self.page.do("type", selector=selector, text=text, delay=15)
            typed = await self.page.evaluate("document.activeElement.value ?? ''")
            if typed == text:
                break
            for _ in typed:
                await self.page.do("press", key="Backspace")
        assert typed == text
        await self.page.do("press", key="Enter")

    async def choose(self, name: str) -> None:
        found = "[...document.querySelectorAll('flt-semantics[role=button]')].find((e) => e.innerText.includes(name))"
        await self.page.wait_for(f"!!{found}", name=name)
        await self.page.run(f"{found}.click()", name=name)

    async def text(self) -> str:
        return await self.page.evaluate("document.querySelector('flt-semantics-host')?.innerText ?? ''")


async def open_page(browser: Browser, example: WebExample) -> Shown:
    page = await browser.open("flet", example.url, width=900, height=640)
    await page.wait_for("document.querySelector('flt-semantics-placeholder')", deadline=60)
    await page.run("document.querySelector('flt-semantics-placeholder').click()")
    return Shown(page)


async def test_chat_survives_network_failure_hidden_tab_and_restart(
    chromium: Browser, tailwire_server, wire, tmp_path: Path
):
    tailwire_server.add_user("alice")
    tailwire_server.add_user("bob")
    example = WebExample("flet_chat.py", tmp_path, tailwire_server, wire.url, **ENVIRONMENT)
    try:
        async with Bob(tailwire_server) as bob:
            await lives_through(open_page, chromium, example, bob, wire)
    finally:
        await example.stop()
