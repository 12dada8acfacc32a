"""A server, pages of it in a browser, and clients outside the browser."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

import httpx2

from chromium.browser import Browser, Page
from servers.prepared import PreparedServer
from tailwire import AppSettingsBuilder, ChatClient, MemorySessionStore
from tailwire.testing.server import ServerProcess

READY = "document.body.dataset.ready === 'yes'"


class PageStage:
    """The server, and pages that were opened.

    Args:
        rest: a client of the API with the REST key.
    """

    ARGUMENTS: tuple[str, ...] = ()
    """Of the server."""

    def __init__(self, server: ServerProcess, rest: httpx2.AsyncClient, chromium: Browser) -> None:
        self.server, self.rest, self._chromium = server, rest, chromium
        self.pages: list[Page] = []

    @classmethod
    @asynccontextmanager
    async def started(
        cls, chromium: Browser, folder: Path, settings: Mapping[str, str] | None = None
    ) -> AsyncIterator[Self]:
        """Start a server. At the end, assert that no page had an error or violated its content security policy."""
        async with PreparedServer(folder, settings, *cls.ARGUMENTS) as server:
            headers = {"apikey": server.api_key}
            async with httpx2.AsyncClient(base_url=f"{server.url}/v3", headers=headers, timeout=30) as rest:
                stage = cls(server, rest, chromium)
                try:
                    yield stage
                    for tab in stage.pages:
                        # Violations by code that the driver ran in the page (axe-core) do not count.
                        problems = [one for one in tab.violations if not one["source"].startswith("pptr")]
                        problems += tab.all("page error")
                        assert problems == [], f"{tab.name}: {problems}"
                finally:
                    for tab in stage.pages:
                        await tab.close()

    async def opened(self, name: str, url: str, **more: Any) -> Page:
        """Open a page, and wait until it is drawn."""
        tab = await self._chromium.open(f"{name} {len(self.pages) + 1}", url, **more)
        self.pages.append(tab)
        await tab.wait_for(READY)
        return tab

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

    @asynccontextmanager
    async def client(self, uid: str) -> AsyncIterator[ChatClient]:
        """Connect a user with the Python SDK."""
        settings = AppSettingsBuilder().override_client_host(self.server.url).build()
        async with ChatClient(self.server.app_id, settings, session_store=MemorySessionStore()) as chat:
            await chat.login(uid, auth_key=self.server.auth_key)
            await chat.wait_connected(timeout=20)
            yield chat


async def until(condition: Any, seconds: float = 10.0) -> Any:
    """Wait until a coroutine function returns something true."""
    async with asyncio.timeout(seconds):
        while True:
            value = await condition()
            if value:
                return value
            await asyncio.sleep(0.02)
