"""A server with demo users, and its web chat in pages of a browser."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from chromium.browser import Page
from chromium.page_stage import PageStage

CONNECTED = "document.querySelector('.status')?.dataset.status === 'connected'"
WORDS = "[...document.querySelectorAll('#messages .message:not(.is-pending) .words')].map((e) => e.innerText)"
LOG = "document.querySelector('#messages')"


class ChatStage(PageStage):
    """The server with demo users, and pages with its web chat."""

    ARGUMENTS = ("--demo-users",)

    async def fill(self, sender: str, receiver: str, count: int, at_once: int = 100) -> None:
        """Send many messages, with many concurrent requests on one connection."""
        host, _, port = self.server.url.removeprefix("http://").rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        for first in range(0, count, at_once):
            for n in range(first, first + at_once):
                message = {"receiver": receiver, "receiverType": "user", "category": "message", "type": "text"}
                body = json.dumps({**message, "data": {"text": f"line {n}"}})
                head = f"host: {host}:{port}\r\napikey: {self.server.api_key}\r\nonBehalfOf: {sender}"
                length = f"content-type: application/json\r\ncontent-length: {len(body)}"
                writer.write(f"POST /v3/messages HTTP/1.1\r\n{head}\r\n{length}\r\n\r\n{body}".encode())
            for _ in range(at_once):
                answer = await reader.readuntil(b"\r\n\r\n")
                assert answer.startswith(b"HTTP/1.1 200"), answer
                await reader.readexactly(int(answer.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]))
        writer.close()
        await writer.wait_closed()

    async def blank(self, **more: Any) -> Page:
        """Open the login page."""
        return await self.opened("chat", f"{self.server.url}/chat/", **more)

    async def open(self, uid: str, partner: str = "", **more: Any) -> Page:
        """Log a demo user in; open the conversation with a name."""
        tab = await self.blank(**more)
        await log_in(tab, uid)
        if partner:
            await choose(tab, partner)
        return tab


async def press(tab: Page, text: str, within: str = "document") -> None:
    """Press the button with a text or label."""
    find = (
        f"[...{within}.querySelectorAll('button')].find((b) => b.innerText.trim() === text"
        " || b.getAttribute('aria-label') === text)"
    )
    await tab.wait_for(find, text=text)
    await tab.run(f"{find}.click()", text=text)


async def log_in(tab: Page, uid: str) -> None:
    """Log a demo user in by a click, and wait until they are connected."""
    find = "[...document.querySelectorAll('.demo-users button')].find((b) => b.innerText.trim().endsWith(name))"
    await tab.wait_for(find, name=uid.title())
    await tab.run(f"{find}.click()", name=uid.title())
    await tab.wait_for(CONNECTED)


async def choose(tab: Page, name: str) -> None:
    """Open the conversation with a name; begin it if there is none yet."""
    await tab.wait_for("!document.querySelector('nav .empty')?.innerText.includes('Loading')")
    find = "[...document.querySelectorAll('.entries .entry')].find((b) => b.querySelector('.entry-name').innerText.startsWith(name))"
    if await tab.evaluate(f"!{find}", name=name):
        await press(tab, "New conversation")
        found = find.replace(".entries", ".found")
        await tab.wait_for(found, name=name)
        await tab.run(f"{found}.click()", name=name)
    else:
        await tab.run(f"{find}.click()", name=name)
    await tab.wait_for(f"{LOG}?.getAttribute('aria-busy') === 'false'")


async def write(tab: Page, text: str, within: str = ".conversation") -> None:
    """Write a text into the field, and send it."""
    await tab.do("type", selector=f"{within} textarea", text=text, delay=0)
    await tab.do("press", key="Enter")


chat_stage = ChatStage.started
