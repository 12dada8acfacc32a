"""Pictures of the programs of docs/apps.md, for `make_pictures.py`: in the foreground, and after their return to it.

Each shows the program twice: connected, and after its window was minimised, or its tab was hidden, while Bob wrote.
"""

from __future__ import annotations

import asyncio
import io
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from adapters.app import AppServer
from adapters.screen import Screen, wait_for
from adapters.test_apps_page import BLOCKS, TITLES, environment_of, program
from chromium.browser import Browser
from chromium.site import NEEDED, WHEELS, Site, build_wheel
from tailwire.testing.embedded import TestUser
from window_pictures import png

Save = Callable[[str, bytes], None]
SAID = ("Are you there?", "I am writing this while your window is hidden.", "And this while it is visible again.")
CAPTIONS = ("In the foreground: connected", "Hidden while Bob wrote the second message, and back")
PAPER, INK, FRAME, GAP = "#ffffff", "#3c4650", "#9fb0c2", 14
WINDOW = ("440", "220")
"""Width and height of a window."""


def side_by_side(pictures: list[Image.Image]) -> Image.Image:
    """Return pictures side by side, each under its caption."""
    font = ImageFont.truetype("DejaVuSans.ttf", 14)
    width = sum(p.width for p in pictures) + GAP * (len(pictures) + 1)
    sheet = Image.new("RGB", (width, max(p.height for p in pictures) + 34 + GAP), PAPER)
    draw, at = ImageDraw.Draw(sheet), GAP
    for caption, picture in zip(CAPTIONS, pictures, strict=True):
        draw.text((at, 10), caption, font=font, fill=INK)
        sheet.paste(picture, (at, 34))
        draw.rectangle((at - 1, 33, at + picture.width, 34 + picture.height), outline=FRAME)
        at += picture.width + GAP
    return sheet


class Photographer:
    """Takes pictures of the only window on a display."""

    def __init__(self, screen: Screen, folder: Path) -> None:
        self._screen = screen
        self._file = folder / "screen.png"
        self._last = b""

    def take(self) -> Image.Image:
        """Return the window as soon as it is drawn completely, and looks different from the last picture."""
        wait_for(self._settled, "the window has changed and is drawn", 20)
        with Image.open(self._file) as whole:
            picture = whole.convert("RGB")
        return picture.crop(picture.getbbox())

    def _settled(self) -> bool:
        # Drawn completely once three pictures in a row are equal.
        shots = []
        for _ in range(3):
            self._screen.screenshot(self._file)
            shots.append(self._file.read_bytes())
        if shots[0] != shots[1] or shots[1] != shots[2] or shots[0] == self._last:
            return False
        self._last = shots[0]
        return True


def draw_window(toolkit: str, folder: Path, save: Save) -> None:
    """Draw the page's program for a toolkit with windows."""
    server, screen = AppServer(folder / "server"), Screen()
    try:
        user = server.new_user()
        file = program(toolkit, folder, server.embedded.url, user.uid)
        environment = environment_of(screen, server, folder)
        with subprocess.Popen([sys.executable, str(file)], env=environment, stderr=subprocess.DEVNULL) as process:
            try:
                save(f"apps_{toolkit}", png(side_by_side(_scene(server, screen, user, toolkit, folder))))
            finally:
                process.kill()
    finally:
        server.close()
        screen.close()


def _scene(server: AppServer, screen: Screen, user: TestUser, toolkit: str, folder: Path) -> list[Image.Image]:
    def sockets(count: int) -> None:
        wait_for(lambda: len(server.sockets(user.uid)) == count, f"{count} sockets", 30)

    photographer = Photographer(screen, folder)
    sockets(1)
    screen.xdotool("windowsize", "--sync", screen.window(TITLES[toolkit]), *WINDOW)
    screen.activate(TITLES[toolkit])
    photographer.take()
    server.say(user.uid, SAID[0])
    shown = [photographer.take()]
    screen.minimise(TITLES[toolkit])
    sockets(0)
    server.say(user.uid, SAID[1])
    screen.activate(TITLES[toolkit])
    sockets(1)
    photographer.take()
    server.say(user.uid, SAID[2])
    return [*shown, photographer.take()]


async def kivy(folder: Path, save: Save) -> None:
    """Draw the page's program for Kivy."""
    await asyncio.to_thread(draw_window, "kivy", folder, save)


async def toga(folder: Path, save: Save) -> None:
    """Draw the page's program for Toga."""
    await asyncio.to_thread(draw_window, "toga", folder, save)


@asynccontextmanager
async def python_page(folder: Path) -> AsyncIterator[Any]:
    """Open a page in which Python has started, with the project's wheel."""
    site = Site([build_wheel(folder), *(file for name in NEEDED for file in WHEELS.glob(f"{name}-*.whl"))])
    browser = Browser()
    try:
        page = await browser.open("python", site.url, width=460, height=150)
        await page.wait_for("window.ready === true", deadline=150)
        yield page
    finally:
        await asyncio.to_thread(browser.close)
        site.close()


async def browser(folder: Path, save: Save) -> None:
    """Draw the page's program in a web page."""
    server = AppServer(folder / "server")
    try:
        user = server.new_user()
        code = next(block for block in BLOCKS if "import watch_browser" in block or ", watch_browser" in block)
        for documented, here in (
            ("https://chat.example.com", server.embedded.url),
            ('"app-id"', repr(server.embedded.app_id)),
            ('"the user\'s token"', repr(user.token)),
        ):
            assert documented in code
            code = code.replace(documented, here)
        async with python_page(folder) as page:

            async def sockets(count: int) -> None:
                async with asyncio.timeout(30):
                    while len(await asyncio.to_thread(server.sockets, user.uid)) != count:
                        await asyncio.sleep(0.02)

            async def shown(text: str) -> Image.Image:
                await page.wait_for("document.body.innerText.includes(text)", text=text)
                await page.screenshot(folder / "page.png")
                return Image.open(io.BytesIO((folder / "page.png").read_bytes())).convert("RGB")

            await page.run("return await python(code, {})", code=code + "\n'null'")
            await sockets(1)
            await asyncio.to_thread(server.say, user.uid, SAID[0])
            pictures = [await shown(SAID[0])]
            await page.set_visible(False)
            await sockets(0)
            await asyncio.to_thread(server.say, user.uid, SAID[1])
            await page.set_visible(True)
            await sockets(1)
            await asyncio.to_thread(server.say, user.uid, SAID[2])
            pictures.append(await shown(SAID[2]))
        save("apps_browser", png(side_by_side(pictures)))
    finally:
        server.close()


DRAWN: dict[str, Callable[[Path, Save], Awaitable[None]]] = {
    "apps_kivy": kivy,
    "apps_toga": toga,
    "apps_browser": browser,
}
