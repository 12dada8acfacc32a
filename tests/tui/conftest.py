"""The terminal chat of Alice on an embedded server, with a clock that stands still, and clients of other users."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tailwire import AppSettingsBuilder, ChatClient, MemorySessionStore
from tailwire.testing.embedded import EmbeddedServer

DEADLINE_SECONDS = 20.0


class Table:
    """A server, the clients of other users, and the chat of one user."""

    def __init__(self, server: EmbeddedServer, folder: Path) -> None:
        self.server, self.folder = server, folder
        self.tokens: dict[str, str] = {}
        self.others: list[ChatClient] = []

    def add(self, uid: str, name: str = "") -> None:
        """Create a user."""
        self.tokens[uid] = self.server.add_user(uid, name).token

    async def enter(self, uid: str) -> ChatClient:
        """Return the client of another user, logged in and connected."""
        settings = AppSettingsBuilder().override_client_host(self.server.url).build()
        chat = ChatClient(self.server.app_id, settings, session_store=MemorySessionStore())
        self.others.append(chat)
        await chat.init()
        await chat.login_with_auth_token(self.tokens[uid])
        await chat.wait_connected(DEADLINE_SECONDS)
        return chat

    def app(self, uid: str = "alice", *, token: str | None = None, url: str = "", **more: Any) -> Any:
        """Return the app of a user."""
        from tailwire.tui.app import ChatApp
        from tailwire.tui.login import Secret
        from tailwire.tui.profiles import Profile, ProfileBook

        profile = Profile(url or self.server.url, self.server.app_id, uid)
        secret = Secret(token=self.tokens[uid] if token is None else token)
        return ChatApp(ProfileBook(self.folder / "profiles"), profile, secret, **more)

    @asynccontextmanager
    async def chat(self, uid: str = "alice", size: tuple[int, int] = (100, 30), **more: Any) -> AsyncIterator[Screen]:
        """Run the chat of a user, logged in and connected."""
        app = self.app(uid, **more)
        async with app.run_test(size=size, notifications=True) as pilot:
            screen = Screen(app, pilot)
            await screen.until("ctrl+k jump")
            await app.chat.wait_connected(DEADLINE_SECONDS)
            yield screen


class Screen:
    """What a user sees of an app, and the keys that they press."""

    def __init__(self, app: Any, pilot: Any) -> None:
        self.app, self.pilot = app, pilot

    @property
    def text(self) -> str:
        """The contents of the screen."""
        return "\n".join(
            "".join(segment.text for segment in line).rstrip() for line in self.app.screen._compositor.render_strips()
        )

    async def until(self, *texts: str, gone: str = "", holds: Callable[[], bool] | None = None) -> None:
        """Wait until texts are on the screen, another one is gone, and a condition holds."""
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                while not (
                    all(text in self.text for text in texts)
                    and (not gone or gone not in self.text)
                    and (holds is None or holds())
                ):
                    await self.pilot.pause(0.02)
        except TimeoutError:
            raise AssertionError(f"not {texts} without {gone!r} on this screen:\n{self.text}") from None

    async def press(self, *keys: str) -> None:
        """Press keys, once no conversation is being opened: its last message stands in the list before."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while any(worker.group == "open" and worker.is_running for worker in self.app.workers):
                await self.pilot.pause(0.02)
        await self.pilot.press(*keys)

    async def type(self, text: str) -> None:
        """Put a text into the focused field, as a paste does."""
        from textual.events import Paste

        self.app.post_message(Paste(text))
        await self.pilot.pause()


@pytest.fixture
def table(tailwire_server: EmbeddedServer, tmp_path: Path) -> Table:
    """A server with Alice, Bob and Carol."""
    made = Table(tailwire_server, tmp_path)
    for uid in ("alice", "bob", "carol"):
        made.add(uid)
    return made
