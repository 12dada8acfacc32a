"""A server with demo users, and its web chat in pages of a browser."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2

from chromium.browser import Browser, Page
from tailwire import AppSettingsBuilder, ChatClient, MemorySessionStore
from tailwire.testing.server import ServerProcess

READY = "document.body.dataset.ready === 'yes'"
CONNECTED = "document.querySelector('.status')?.dataset.status === 'connected'"
WORDS = "[...document.querySelectorAll('#messages .message:not(.is-pending) .words')].map((e) => e.innerText)"
LOG = "document.querySelector('#messages')"


class ChatStage:
    """The server, and pages with its web chat.

    Args:
        rest: requests the API with the REST key.
    """

    def __init__(self, server: ServerProcess, rest: httpx2.AsyncClient, chromium: Browser) -> None:
        self.server, self.rest, self._chromium = server, rest, chromium
        self.pages: list[Page] = []

    async def ask(self, method: str, path: str, body: Any = None, behalf: str = "") -> Any:
        """Return the `data` of a successful response."""
        headers = {"onBehalfOf": behalf} if behalf else {}
        answer = await self.rest.request(method, path, json=body, headers=headers)
        assert answer.status_code == 200, (method, path, answer.text)
        return answer.json()["data"]

    async def say(self, sender: str, receiver: str, text: str, kind: str = "user", **more: Any) -> Any:
        """Send a message, as an app of the sender would."""
        body = {"receiver": receiver, "receiverType": kind, "category": "message", "type": "text"}
        return await self.ask("POST", "/messages", {**body, "data": {"text": text}, **more}, behalf=sender)

    async def fill(self, sender: str, receiver: str, count: int, at_once: int = 100) -> None:
        """Send many messages, many requests at once on one connection."""
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

    async def blank(self, **size: int) -> Page:
        """Open the page where one logs in."""
        tab = await self._chromium.open(f"chat {len(self.pages)}", f"{self.server.url}/chat/", **size)
        self.pages.append(tab)
        await tab.wait_for(READY)
        return tab

    async def open(self, uid: str, partner: str = "", **size: int) -> Page:
        """Log a demo user in; open the conversation with a name."""
        tab = await self.blank(**size)
        await log_in(tab, uid)
        if partner:
            await choose(tab, partner)
        return tab

    @asynccontextmanager
    async def client(self, uid: str) -> AsyncIterator[ChatClient]:
        """Connect a user with the Python SDK."""
        settings = AppSettingsBuilder().override_client_host(self.server.url).build()
        async with ChatClient(self.server.app_id, settings, session_store=MemorySessionStore()) as chat:
            await chat.login(uid, auth_key=self.server.auth_key)
            await chat.wait_connected(timeout=20)
            yield chat


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


@asynccontextmanager
async def chat_stage(
    chromium: Browser, folder: Path, settings: Mapping[str, str] | None = None
) -> AsyncIterator[ChatStage]:
    """Start a server. At the end no page may have had an error or a violation of its policy."""
    async with ServerProcess(folder, settings, "--demo-users") as server:
        headers = {"apikey": server.api_key}
        async with httpx2.AsyncClient(base_url=f"{server.url}/v3", headers=headers, timeout=30) as rest:
            stage = ChatStage(server, rest, chromium)
            try:
                yield stage
                for tab in stage.pages:
                    # Those of code that the driver ran in the page (axe-core) are not the page's.
                    problems = [one for one in tab.violations if not one["source"].startswith("pptr")]
                    problems += tab.all("page error")
                    assert problems == [], f"{tab.name}: {problems}"
            finally:
                for tab in stage.pages:
                    await tab.close()
