"""The NiceGUI example in a real browser: the common scenario, and the tabs of one user."""

from __future__ import annotations

import pytest

from chromium.browser import Browser, Page
from examples.web_example import Bob, WebExample, lives_through, sees

pytest.importorskip("nicegui", reason="NiceGUI is not installed: pip install nicegui")
pytestmark = [pytest.mark.gui, pytest.mark.slow, pytest.mark.timeout(240)]
ENVIRONMENT = {"PORT": "PORT"}


class Shown:
    """A page of NiceGUI."""

    def __init__(self, page: Page) -> None:
        self.page = page

    async def write(self, field: str, text: str) -> None:
        selector = f"input[aria-label='{field}']:enabled"
        await self.page.wait_for("!!document.querySelector(selector)", selector=selector)
        await self.page.do("type", selector=selector, text=text)
        await self.page.do("press", key="Enter")

    async def choose(self, name: str) -> None:
        await self.page.do("click", text=name)

    async def text(self) -> str:
        return await self.page.wait_for("document.body.innerText")  # may be reloading


async def open_tab(browser: Browser, example: WebExample, name: str = "nicegui") -> Shown:
    """Return a tab in a separate browser context, logged in with the form's default (alice)."""
    page = await browser.open(name, example.url, width=900, height=640)
    await page.do("click", text="Log in")
    await page.wait_for("document.querySelector('footer input') && window.did_handshake", deadline=20)
    await page.do("see", text=": connected")
    return Shown(page)


async def test_chat_survives_network_failure_hidden_tab_and_restart(chromium: Browser, tailwire_server, wire, tmp_path):
    tailwire_server.add_user("alice")
    tailwire_server.add_user("bob")
    example = WebExample("nicegui_chat.py", tmp_path, tailwire_server, wire.url, **ENVIRONMENT)
    try:
        async with Bob(tailwire_server) as bob:
            await lives_through(open_tab, chromium, example, bob, wire)
    finally:
        await example.stop()


async def test_tabs_share_a_client_and_unsent_messages_survive(chromium: Browser, tailwire_server, wire, tmp_path):
    tailwire_server.add_user("alice")
    tailwire_server.add_user("bob")
    example = WebExample("nicegui_chat.py", tmp_path, tailwire_server, wire.url, **ENVIRONMENT)
    try:
        async with Bob(tailwire_server) as bob:
            await example.start()
            first, second = await open_tab(chromium, example), await open_tab(chromium, example, "second")
            for shown in (first, second):
                await shown.write("Write to (user id)", "bob")
            await first.write("Message", "from one tab")
            await sees(second, "from one tab")
            await bob.hears("from one tab")
            await example.wait_for_sockets(1)
            await first.page.set_visible(False)
            await bob.say("seen by the other")
            await sees(second, "seen by the other")
            await example.wait_for_sockets(1)
            await second.page.set_visible(False)
            await example.wait_for_sockets(0)
            await second.page.set_visible(True)
            await example.wait_for_sockets(1)

            wire.cut()
            await second.write("Message", "sent after the restart")
            await sees(second, "waits for the network")
            await first.page.close()
            await second.page.close()
            await example.stop()
            wire.restore()
            await example.start()
            third = await open_tab(chromium, example, "third")
            await bob.hears("from one tab", "sent after the restart")
            await third.choose("Bob")
            await sees(third, "sent after the restart")
            await sees(third, "waits for the network", gone=True)
    finally:
        await example.stop()
