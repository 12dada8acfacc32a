"""Pictures of the script and the chat windows, for `make_pictures.py`: each shows the running example."""

from __future__ import annotations

import asyncio
import io
import os
import sys
from collections.abc import Callable
from pathlib import Path

from blocking_example import Driven, Place
from PIL import Image, ImageDraw, ImageFont

from adapters.screen import Screen, wait_for
from adapters.shell import Shell
from tailwire import Group, GroupMember, TextMessage
from tailwire.sync import Admin

ROOT = Path(__file__).parents[1]
MONOSPACED = "DejaVuSansMono.ttf"
LONG = (
    "The build is green again, and the release notes are in the wiki. Could you read them before two? "
    "I would like to send them out this afternoon."
)
Save = Callable[[str, bytes], None]


def png(picture: Image.Image) -> bytes:
    """Return a picture as a PNG."""
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def create_group(place: Place) -> None:
    """Create a group of alice, bob and carol, with a message of carol."""
    with Admin(place.server.app_id, place.settings(), place.server.api_key) as admin:
        admin.groups.create(Group("release", "Release 2.0"), owner="bob")
        admin.groups.add_members("release", [GroupMember("alice"), GroupMember("carol")])
        words = TextMessage(receiver="release", receiver_type="group", text="Who writes the announcement?")
        admin.messages.send(words, on_behalf_of="carol")


def draw_window(name: str, folder: Path, save: Save) -> None:
    """Draw a chat window while its line is cut: messages, read marks, and what waits to be sent."""
    place, screen, app = Place(folder), Screen(), None
    driver = ROOT / "tests" / "examples" / f"driven_{name}.py"
    try:
        with place.enter("carol") as carol:
            carol.send_message(TextMessage(receiver="alice", text="Are you coming to lunch?"))
            create_group(place)
            place.say("Good morning, Alice")
            place.say(LONG)
            app = Driven(place, driver, {**screen.environment, "QT_QPA_PLATFORM": "xcb"})
            app.until(lambda: len(app.do("look")["conversations"]) == 3, "all conversations are shown")
            app.do("open", "Bob")
            app.until(lambda: len(app.texts()) == 2, "Bob's messages are shown")
            app.do("type", "Good morning! I have read them: one link is broken, in the second part.")
            app.until(lambda: len(place.heard()) == 1, "Bob has the answer")
            place.bob.mark_as_read(next(m for m in place.bob.messages(uid="alice") if m.sender.uid == "alice"))
            place.say("Thank you, it is mended.")
            app.until(lambda: len(app.texts()) == 4, "his thanks are shown")
            app.until(lambda: app.do("look")["messages"][2].endswith("✓✓"), "the answer is read")
            place.line.do("cut")
            app.until(lambda: app.do("look")["status"].startswith("Offline"), "the window is offline")
            app.do("type", "I am on the train: send them without me.")
            app.until(lambda: "not sent yet" in app.do("look")["messages"][-1], "the last one waits")
            file = folder / "screen.png"
            screen.xdotool("windowactivate", "--sync", screen.window(".*Alice.*"))
            wait_for(lambda: bool(_shot(screen, file)), "the window is drawn")
            save(f"{name}_chat", png(_cropped(file)))
    finally:
        if app is not None:
            app.close()
        place.close()
        screen.close()


def _shot(screen: Screen, file: Path) -> bool:
    # Drawn completely once two pictures in a row are equal.
    screen.screenshot(file)
    before = file.read_bytes()
    screen.screenshot(file)
    return before == file.read_bytes()


def _cropped(file: Path) -> Image.Image:
    # Crop the window with its frame from the black of an empty display.
    with Image.open(file) as whole:
        picture = whole.convert("RGB")
    return picture.crop(picture.getbbox())


async def tk_chat(folder: Path, save: Save) -> None:
    """Draw the window of `examples/tk_chat.py`."""
    await asyncio.to_thread(draw_window, "tk", folder, save)


async def pyside6_chat(folder: Path, save: Save) -> None:
    """Draw the window of `examples/pyside6_chat.py`."""
    await asyncio.to_thread(draw_window, "pyside6", folder, save)


async def script(folder: Path, save: Save) -> None:
    """Draw two runs of `examples/script.py` in a terminal: an answer, and what arrived between them."""
    place = await asyncio.to_thread(Place, folder)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    shell = Shell({**place.environment(), "PS1": "$ ", "PATH": path})

    async def run(question: str, answer: str) -> None:
        shell.type(f'python script.py bob "{question}"\n')
        await shell.until(lambda: question in place.heard(), "Bob is asked")
        place.say(answer)
        await shell.until(lambda: shell.text.endswith(f"Bob: {answer}\n$"), "answered")

    try:
        shell.type(f"cd {ROOT / 'examples'}; clear\n")
        await shell.until(lambda: shell.text == "$", "cleared")
        await run("Is the build green?", "In a minute.")
        place.say("Now it is.")
        place.say("Shall I tag it?")
        await run("Yes, please. What will the tag be?", "v2.0.0")
        save("script", png(_drawn(shell.text)))
    finally:
        shell.close()
        await asyncio.to_thread(place.close)


def _drawn(text: str) -> Image.Image:
    # Draw a terminal with this text.
    font = ImageFont.truetype(MONOSPACED, 15)
    lines = text.rstrip().removesuffix("$").rstrip().splitlines()
    picture = Image.new("RGB", (720, 24 * len(lines) + 28), "#10161d")
    draw = ImageDraw.Draw(picture)
    for n, line in enumerate(lines):
        colour = "#7fd1ff" if line.startswith("$") else "#f5c26b" if line.startswith("Bob") else "#dfe7ee"
        draw.text((16, 14 + 24 * n), line, font=font, fill=colour)
    return picture


DRAWN = {"script": script, "tk_chat": tk_chat, "pyside6_chat": pyside6_chat}
