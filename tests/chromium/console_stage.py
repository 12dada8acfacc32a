"""A server with users, groups, messages and webhooks, and its console in a browser."""

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


class ConsoleStage:
    """The server, and the console's pages in a browser.

    Args:
        rest: requests the API with the REST key.
    """

    def __init__(self, server: ServerProcess, rest: httpx2.AsyncClient, chromium: Browser) -> None:
        self.server, self.rest, self._chromium = server, rest, chromium
        self._opened = 0
        self.pages: list[Page] = []

    async def ask(self, method: str, path: str, body: Any = None, behalf: str = "") -> Any:
        """Return the `data` of a successful response."""
        headers = {"onBehalfOf": behalf} if behalf else {}
        answer = await self.rest.request(method, path, json=body, headers=headers)
        assert answer.status_code == 200, (method, path, answer.text)
        return answer.json()["data"]

    async def link(self) -> str:
        """Return the URL of a new link."""
        return self.server.url + (await self.ask("POST", "/console/links"))["path"]

    async def open(self, page: str = "overview", *, signed_in: bool = True, **size: int) -> Page:
        """Open the console at one of its pages."""
        self._opened += 1
        at = await self.link() if signed_in else f"{self.server.url}/console/"
        tab = await self._chromium.open(f"console {self._opened}", at, **size)
        self.pages.append(tab)
        await tab.wait_for(READY)
        await self.go(tab, page)
        return tab

    async def go(self, tab: Page, page: str) -> None:
        """Show a page, and wait until it has read its data."""
        await tab.run("location.hash = `#/${page}`", page=page)
        await self.loaded(tab)

    async def loaded(self, tab: Page) -> None:
        """Wait until nothing on the page loads."""
        await tab.wait_for("!document.querySelector('.loading') && !document.querySelector('[aria-busy=true]')")

    async def say(self, sender: str, receiver: str, text: str, kind: str = "user") -> Any:
        """Send a message."""
        body = {"receiver": receiver, "receiverType": kind, "category": "message", "type": "text"}
        return await self.ask("POST", "/messages", {**body, "data": {"text": text}}, behalf=sender)

    @asynccontextmanager
    async def client(self, uid: str) -> AsyncIterator[ChatClient]:
        """Connect a user."""
        settings = AppSettingsBuilder().override_client_host(self.server.url).build()
        async with ChatClient(self.server.app_id, settings, session_store=MemorySessionStore()) as chat:
            await chat.login(uid, auth_key=self.server.auth_key)
            await chat.wait_connected(timeout=20)
            yield chat


@asynccontextmanager
async def console_stage(
    chromium: Browser, folder: Path, settings: Mapping[str, str] | None = None
) -> AsyncIterator[ConsoleStage]:
    """Start a server. At the end no page may have had an error or a violation of its policy."""
    async with ServerProcess(folder, settings) as server:
        headers = {"apikey": server.api_key}
        async with httpx2.AsyncClient(base_url=f"{server.url}/v3", headers=headers, timeout=30) as rest:
            stage = ConsoleStage(server, rest, chromium)
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


async def fill(stage: ConsoleStage) -> None:
    """Create what the pages show."""
    people = {"mara": "Mara Lindqvist", "tomas": "Tomás Herrera", "yuki": "Yuki Tanaka", "amina": "Amina Diallo",
              "jonas": "Jonas Weber", "priya": "Priya Raman", "leila": "ليلى حداد", "noam": "נועם ברק"}  # fmt: skip
    for uid, name in people.items():
        await stage.ask("POST", "/users", {"uid": uid, "name": name})
    groups = {"night-trains": "Night trains", "harbour": "Harbour office", "release": "Release 2.4"}
    for guid, name in groups.items():
        kind = "private" if guid == "release" else "public"
        await stage.ask("POST", "/groups", {"guid": guid, "name": name, "type": kind, "owner": "mara"})
        members = ["tomas", "yuki", "amina", "jonas"]
        await stage.ask("POST", f"/groups/{guid}/members", {"participants": members})
    lines = ["The 22:40 leaves from platform 7.", "Who has the keys of the depot?", "I do, back at six.",
             "Through the tunnel. Everything that you wrote arrived.", "Tickets are in the shared folder."]  # fmt: skip
    last: dict[str, Any] = {}
    for n, text in enumerate(lines * 3):
        sender = ["mara", "tomas", "yuki", "amina"][n % 4]
        last = await stage.say(sender, "night-trains", text, "group")
        await stage.say("jonas", "mara", text)
    flag = {"reasonId": "spam", "remark": "The same advertisement again"}
    await stage.ask("POST", f"/messages/{last['id']}/flagged", flag, behalf="yuki")
    hook = {"id": "crm", "name": "Customer records", "webhookUrl": "http://127.0.0.1:9/hooks/chat",
            "triggers": ["message_sent", "group_created"], "enabled": True}  # fmt: skip
    await stage.ask("POST", "/webhooks", hook)
    for text in ("Where is the invoice?", "Found it."):
        await stage.say("priya", "jonas", text)


def text_of(value: Any) -> str:
    """Return a value as it is written in JavaScript."""
    return json.dumps(value)


async def until(condition: Any, seconds: float = 10.0) -> Any:
    """Wait until a coroutine function returns something true."""
    async with asyncio.timeout(seconds):
        while True:
            value = await condition()
            if value:
                return value
            await asyncio.sleep(0.02)
