"""Pictures of the web console, for `make_pictures.py`: each shows a page of a running server."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

from chromium.browser import Browser, Page
from chromium.console_stage import ConsoleStage, console_stage, fill
from chromium.page_stage import until
from chromium.push_service import PushService

Save = Callable[[str, bytes], None]
CONNECTED = ("mara", "tomas", "yuki", "amina", "jonas", "priya")
TRAFFIC_SECONDS = 60
SIZE = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
OPEN_FIRST = "document.querySelector('tbody .link').click()"


async def talk(stage: ConsoleStage, seconds: float) -> None:
    """Send messages at a changing rate."""
    chance, loop = random.Random(7), asyncio.get_running_loop()
    end = loop.time() + seconds
    while loop.time() < end:
        sender, receiver = chance.sample(CONNECTED, 2)
        if sender in ("mara", "tomas", "yuki"):
            await stage.say(sender, "night-trains", "On time.", "group")
        await stage.say(sender, receiver, "See you at six.")
        busy = 0.5 + 0.5 * (1 if (end - loop.time()) % 30 < 12 else 0.2)
        await asyncio.sleep(0.12 / busy * chance.uniform(0.5, 1.5))


async def draw_page(
    name: str, folder: Path, save: Save, *, page: str, dark: bool = False, opened: bool = False, phone: bool = False,
    traffic: bool = False,
) -> None:  # fmt: skip
    """Draw a page of the console.

    Args:
        page: the page, by its name in the address.
        dark: whether to draw it in the dark theme.
        opened: whether to open its first row.
        phone: whether to draw it as wide as a phone.
        traffic: whether messages are sent for a minute before.
    """
    browser = Browser()
    try:
        async with AsyncExitStack() as stack:
            stage = await stack.enter_async_context(console_stage(browser, folder))
            await fill(stage)
            chats = [await stack.enter_async_context(stage.client(uid)) for uid in CONNECTED]
            if traffic:
                await talk(stage, TRAFFIC_SECONDS)
            tab = await stage.open(page, **(PHONE if phone else SIZE))
            if dark:
                await tab.run(
                    "document.documentElement.dataset.theme = 'dark'; dispatchEvent(new Event('themechange'))"
                )
            if traffic:
                await tab.wait_for("document.querySelectorAll('.u-legend, .chart canvas').length >= 6")
                await talk(stage, 6)
            if opened:
                await open_first(stage, tab)
            if page == "connections" and opened:  # the newest is listed first
                chats[-1].connection.dump(folder / "dump.json")
                await tab.do("choose_file", text="Open a dump() of the client", path=str(folder / "dump.json"))
                await tab.wait_for("document.querySelectorAll('.steps').length === 2")
            await draw(tab, name, folder, save)
    finally:
        browser.close()


async def draw(tab: Page, name: str, folder: Path, save: Save) -> None:
    """Save a screenshot."""
    file = folder / f"{name}.png"
    await tab.screenshot(file)
    save(name, file.read_bytes())


async def sign_in_page(name: str, folder: Path, save: Save) -> None:
    """Draw the page that the console shows to users who are not signed in."""
    browser = Browser()
    try:
        async with console_stage(browser, folder) as stage:
            tab = await stage.opened("console", f"{stage.server.url}/console/", width=640, height=480)
            await tab.wait_for("document.body.innerText.includes('tailwire console')")
            await draw(tab, name, folder, save)
    finally:
        browser.close()


async def push_page(name: str, folder: Path, save: Save) -> None:
    """Draw the page on push notifications: some were sent, one waits because its push service is not available."""
    browser, service = Browser(), PushService()
    listening = await asyncio.start_server(service.take, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    settings = {"TAILWIRE_PUSH_CONTACT": "mailto:admin@example.com", "TAILWIRE_PUSH_TARGETS": "127.0.0.1/32",
                "TAILWIRE_PUSH_DELAY": "0.1"}  # fmt: skip
    try:
        async with listening, console_stage(browser, folder, settings) as stage:
            await fill(stage)
            for uid, at in (("leila", port), ("noam", port), ("tomas", 9)):
                token = (await stage.ask("POST", f"/users/{uid}/auth_tokens", {}))["authToken"]
                subscription = service.subscription(f"http://127.0.0.1:{at}/{uid}")
                device = {"platform": "web_push", "authToken": token, "subscription": subscription}
                await stage.ask("POST", "/notifications/push/v1/tokens", device, behalf=uid)
            for n, uid in enumerate(("leila", "tomas", "noam", "leila", "noam", "leila")):
                await stage.say("jonas", uid, f"Platform {n + 3}.")
            await until(lambda: asyncio.sleep(0, len(service.requests) == 5), 30)
            tab = await stage.open("push", **SIZE)
            await tab.run(
                "[...document.querySelectorAll('.choice button')].find((b) => b.innerText === 'Sent').click()"
            )
            await tab.wait_for("document.querySelectorAll('tbody tr').length === 5")
            await draw(tab, name, folder, save)
    finally:
        browser.close()


async def open_first(stage: ConsoleStage, tab: Page) -> None:
    """Open the first row of the page."""
    await tab.run(OPEN_FIRST)
    await tab.wait_for("document.querySelector('dialog[open]')")
    await stage.loaded(tab)
    await tab.wait_for("!document.querySelector('dialog [role=status]')?.innerText.includes('Loading')")


DRAWN: dict[str, Callable[[Path, Save], Awaitable[None]]] = {
    "console-overview": partial(draw_page, "console-overview", page="overview", traffic=True),
    "console-overview-dark": partial(draw_page, "console-overview-dark", page="overview", traffic=True, dark=True),
    "console-sign-in": partial(sign_in_page, "console-sign-in"),
    "console-push": partial(push_page, "console-push"),
    "console-phone": partial(draw_page, "console-phone", page="connections", phone=True),
    "console-connection": partial(draw_page, "console-connection", page="connections", opened=True),
    "console-message": partial(draw_page, "console-message", page="messages", opened=True),
    **{
        f"console-{page}": partial(draw_page, f"console-{page}", page=page)
        for page in ("connections", "users", "groups", "messages", "flags", "webhooks", "keys", "audit", "settings",
                     "processes")
    },
}  # fmt: skip
