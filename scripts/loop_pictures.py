"""Pictures of the asyncio apps, for `make_pictures.py`: each shows the running example while its network is down."""

from __future__ import annotations

import asyncio
import importlib.util
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from chromium.browser import Browser
from examples.web_example import WebExample, sees
from tailwire import AppSettingsBuilder, ChatClient, MemorySessionStore, TextMessage
from tailwire.testing.embedded import EmbeddedServer
from tailwire.testing.line.proxy import FaultProxy
from tailwire.testing.plugin import Line

ROOT = Path(__file__).parents[1]
Save = Callable[[str, bytes], None]
SAID = (
    ("bob", "alice", "Are you on the train already?"),
    ("alice", "bob", "Yes, the 9:14. It is on time."),
    ("bob", "alice", "Good. I have the tickets, see you at the gate."),
    ("carol", "alice", "Bring the red folder, please"),
    ("carol", "alice", "and the keys"),
    ("alice", "bob", "There is a tunnel coming"),
)
LAST = "No network here, sent later"


async def talk(server: EmbeddedServer) -> None:
    """Let alice and bob talk, and carol write to alice."""
    settings = AppSettingsBuilder().override_client_host(server.url)
    settings.auto_establish_socket_connection(False)
    for sender, receiver, text in SAID:
        async with ChatClient(server.app_id, settings.build(), session_store=MemorySessionStore()) as chat:
            await chat.login(sender, auth_key=server.auth_key)
            await chat.send_message(TextMessage(receiver=receiver, text=text))


@asynccontextmanager
async def scene(folder: Path) -> AsyncIterator[tuple[EmbeddedServer, Line, Browser]]:
    """Start a server on which alice, bob and carol have talked, a line to it, and a browser."""
    server = EmbeddedServer(folder / "server")
    server.start()
    proxy = FaultProxy("127.0.0.1", server.port)
    server.call(proxy.start())
    browser = Browser()
    try:
        for uid in ("alice", "bob", "carol"):
            server.add_user(uid)
        await talk(server)
        yield server, Line(server, proxy), browser
    finally:
        await asyncio.to_thread(browser.close)
        server.call(proxy.close())
        server.close()


async def until(pilot: Any, condition: Callable[[], Any]) -> None:
    """Wait for a condition in a Textual app."""
    async with asyncio.timeout(30):
        while not condition():
            await pilot.pause(0.05)


async def textual_chat(folder: Path, save: Save) -> None:
    """Draw the Textual example, from Textual's own export."""
    async with scene(folder) as (server, line, browser):
        os.environ |= {"APP_ID": server.app_id, "AUTH_KEY": server.auth_key, "CHAT_URL": line.url}
        os.environ |= {"CHAT_USER": "alice", "HOME": str(folder)}
        spec = importlib.util.spec_from_file_location("textual_chat", ROOT / "examples" / "textual_chat.py")
        if spec is None or spec.loader is None:
            raise FileNotFoundError("examples/textual_chat.py")
        example: Any = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(example)
        app = example.ChatApp()

        def unread() -> dict[str, int]:
            conversations = [item.conversation for item in app.conversations.items]
            return {c.conversation_with.uid: c.unread_message_count for c in conversations}

        async with app.run_test(size=(96, 24)) as pilot:
            await until(pilot, lambda: app.conversations and len(app.conversations.items) == 2)
            await pilot.press(*"bob", "enter")
            await until(pilot, lambda: app.messages is not None and unread()["bob"] == 0)
            await app.chat.wait_connected(10)
            line.cut()
            await pilot.press(*LAST, "enter")
            await until(pilot, lambda: "waits" in app.export_screenshot())
            (folder / "screen.svg").write_text(app.export_screenshot(), encoding="utf-8")
            await app.run_action("quit")
        page = await browser.open("drawing", (folder / "screen.svg").as_uri(), width=1190, height=640)
        await page.screenshot(folder / "screen.png")
    save("textual_chat", (folder / "screen.png").read_bytes())


async def draw_web_app(
    name: str, folder: Path, save: Save, environment: dict[str, str], open_page: Callable[..., Any]
) -> None:
    """Draw an example that is a web app; `open_page` opens its page and logs in."""
    async with scene(folder) as (server, line, browser):
        example = WebExample(f"{name}.py", folder, server, line.url, **environment)
        try:
            await example.start()
            shown = await open_page(browser, example)
            await sees(shown, "Bob")
            await shown.write("Write to (user id)", "bob")
            await sees(shown, "There is a tunnel coming")
            for unread in ("2 Bob", "Bob\n2"):
                await sees(shown, unread, gone=True)
            line.cut()
            await shown.write("Message", LAST)
            await sees(shown, "waits for the network")
            await shown.page.screenshot(folder / "page.png")
        finally:
            await example.stop()
    save(name, (folder / "page.png").read_bytes())


async def flet_chat(folder: Path, save: Save) -> None:
    """Draw the Flet example in a browser."""
    from examples.test_flet_chat import ENVIRONMENT, open_page

    await draw_web_app("flet_chat", folder, save, ENVIRONMENT, open_page)


async def nicegui_chat(folder: Path, save: Save) -> None:
    """Draw the NiceGUI example."""
    from examples.test_nicegui_chat import ENVIRONMENT, open_tab

    await draw_web_app("nicegui_chat", folder, save, ENVIRONMENT, open_tab)


DRAWN: dict[str, Callable[[Path, Save], Awaitable[None]]] = {
    "textual_chat": textual_chat,
    "flet_chat": flet_chat,
    "nicegui_chat": nicegui_chat,
}
