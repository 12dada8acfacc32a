"""Pictures of the web chat, for `make_pictures.py`: each shows a page with a running server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from chromium.browser import Browser, Page
from chromium.chat_stage import WORDS, ChatStage, chat_stage, choose, log_in, press, write
from console_pictures import Save, draw
from tailwire import ChatClient, MediaMessage, TransientMessage
from tailwire.testing.line.proxy import FaultProxy
from tailwire.testing.line.shape import Shape, read_rate

SIZE = {"width": 1280, "height": 720}
PHONE = {"width": 360, "height": 640}
SLOW = Shape(up=read_rate("8mbit"), queue=0.2)
FILE_BYTES = 24_000_000
"""Several times the buffers of the browser and the system, so that the progress is that of the line."""
HELLO = (
    ("bob", "Are you coming to the harbour tonight?"),
    ("alice", "Yes, at six. Shall I bring the tickets?"),
    ("bob", "Please! Here is the plan: https://example.com/harbour"),
    ("alice", "Perfect."),
)
HALLO = (
    ("bob", "Kommst du heute Abend zum Hafen?"),
    ("alice", "Ja, um sechs. Soll ich die Karten mitbringen?"),
    ("bob", "Gerne! Hier ist der Plan: https://example.com/hafen"),
    ("alice", "Wunderbar."),
)
MARHABA = (
    ("alice", "نعم، وصلت. متى يغادر القطار؟"),
    ("leila", "في الساعة 22:40 من الرصيف 7."),
    ("alice", "هل لديك التذاكر؟"),
    ("leila", "نعم، وهذه هي الخطة: https://example.com/trains"),
    ("leila", "It says: doors close at 22:38!"),
    ("alice", "شكرا، أراك في المحطة!"),
    ("leila", "إلى اللقاء!"),
    ("alice", "إلى اللقاء!"),
)


@dataclass(frozen=True)
class Scene:
    """The parts with which a view is prepared.

    Attributes:
        tab: the page of Alice, who is logged in.
        bob: Bob's client, of the Python SDK.
        line: the line between the page and the server.
        folder: for files to send.
    """

    tab: Page
    bob: ChatClient
    line: FaultProxy
    folder: Path


async def fill(stage: ChatStage, hello: tuple[tuple[str, str], ...] = HELLO) -> None:
    """Create what the page shows."""
    people = {"mara": "Mara Lindqvist", "tomas": "Tomás Herrera", "leila": "ليلى حداد"}
    for uid, name in people.items():
        await stage.ask("POST", "/users", {"uid": uid, "name": name})
    await stage.ask("POST", "/groups", {"guid": "trains", "name": "Night trains", "type": "public", "owner": "alice"})
    await stage.ask("POST", "/groups/trains/members", {"participants": ["bob", "carol", "mara", "tomas"]})
    await stage.say("leila", "alice", "مرحبا! هل وصلت الرسالة؟")
    await stage.say("tomas", "alice", "Where is the invoice?")
    await stage.say("tomas", "alice", "Found it.")
    for sender, text in (("mara", "Who has the keys of the depot?"), ("tomas", "The 22:40 leaves from platform 7.")):
        sent = await stage.say(sender, "trains", text, "group")
        await stage.ask("POST", f"/messages/{sent['id']}/pin", behalf="alice")
    more = {"harbour": ("Harbour office", {}), "depot": ("Depot", {"type": "password", "password": "seven keys"}),
            "release": ("Release 2.4", {})}  # fmt: skip
    for guid, (name, kind) in more.items():
        await stage.ask("POST", "/groups", {"guid": guid, "name": name, "type": "public", "owner": "mara", **kind})
    last = await talk(stage, "bob", hello)
    await stage.ask("POST", f"/messages/{last}/reactions/👍", behalf="alice")
    for sender, text in (("alice", "Which pier?"), ("bob", "Pier 4, beside the crane.")):
        await stage.say(sender, "alice" if sender == "bob" else "bob", text, parentId=last)


async def talk(stage: ChatStage, other: str, lines: tuple[tuple[str, str], ...]) -> str:
    """Let Alice and another user talk; return the id of the last message of the other."""
    last = ""
    for sender, text in lines:
        message = await stage.say(sender, other if sender == "alice" else "alice", text)
        last = message["id"] if sender == other else last
    return last


async def conversation(scene: Scene) -> None:
    """Open the conversation with Bob."""
    await choose(scene.tab, "Bob")
    await scene.tab.wait_for(f"{WORDS}.length === 4")
    await scene.tab.wait_for("document.querySelector('.head .face.is-online')")


async def thread(scene: Scene) -> None:
    """Open a thread, and let Bob write a draft."""
    await conversation(scene)
    tab = scene.tab
    await press(tab, "2 replies")
    await tab.wait_for("document.querySelectorAll('.thread .log .words').length === 2")
    await write(tab, "See you there", ".thread")
    data = {"draft": "d", "seq": 1, "text": "The ferry leaves at 18:20, so at a quarter past"}
    await scene.bob.send_transient_message(TransientMessage("alice", "user", data))
    await tab.wait_for("document.querySelector('.is-draft')")
    await tab.wait_for("document.querySelectorAll('.thread .log .words').length === 3")


async def groups(scene: Scene) -> None:
    """Open the list of groups, and the field for a password."""
    await press(scene.tab, "Groups")
    await scene.tab.wait_for("document.querySelectorAll('dialog .found li').length === 4")
    await press(scene.tab, "Join Depot")
    await scene.tab.wait_for("document.querySelector('dialog .password input')")


async def details(scene: Scene) -> None:
    """Open the details of a group."""
    await choose(scene.tab, "Night trains")
    await press(scene.tab, "Details")
    await scene.tab.wait_for("document.querySelectorAll('dialog .pinned').length === 2")


async def upload(scene: Scene) -> None:
    """Show a file of Bob, and one that Alice is sending over a slow line, and a text message that waits for it."""
    await conversation(scene)
    tab, plan, film = scene.tab, scene.folder / "pier-4.pdf", scene.folder / "harbour-at-night.mp4"
    plan.write_bytes(b"%PDF-1.7\n" + bytes(84_000))
    film.write_bytes(bytes(FILE_BYTES))
    await scene.bob.send_media_message(MediaMessage(receiver="alice", files=[plan]))
    await tab.wait_for("document.querySelector('#messages .file a')")
    scene.line.shape(SLOW)
    await tab.do("choose_file", text="+", path=str(film))
    await tab.do("hover", selector=".head h2")  # the pointer leaves the button
    await tab.wait_for("document.querySelector('.is-pending progress')")
    await write(tab, "That was yesterday.")
    await tab.wait_for("document.querySelectorAll('.is-pending').length === 2")
    await tab.wait_for("document.querySelector('.is-pending progress').value > 0.4", deadline=60)


async def german(scene: Scene) -> None:
    """Open the conversation with Bob, and the actions of a message."""
    await scene.tab.wait_for("document.querySelectorAll('.entries .entry').length === 4")
    await conversation(scene)
    await scene.tab.run("[...document.querySelectorAll('#messages .dots')].at(-1).click()")
    await scene.tab.wait_for("document.querySelector('.menu')")


async def from_right_to_left(scene: Scene) -> None:
    """Open the conversation with Leila, in the direction of Arabic."""
    await scene.tab.run("document.documentElement.dir = 'rtl'")
    await choose(scene.tab, "ليلى")
    await scene.tab.wait_for(f"{WORDS}.length === {1 + len(MARHABA)}")


@asynccontextmanager
async def running_chat(
    folder: Path, hello: tuple[tuple[str, str], ...] = HELLO
) -> AsyncIterator[tuple[ChatStage, FaultProxy]]:
    """Run a server with conversations, a browser, and a line between the two."""
    browser = Browser()
    try:
        async with chat_stage(browser, folder, {"TAILWIRE_PUSH_CONTACT": "mailto:admin@example.com"}) as stage:
            await fill(stage, hello)
            host, _, port = stage.server.url.removeprefix("http://").rpartition(":")
            async with FaultProxy(host, int(port)) as line:
                yield stage, line
    finally:
        browser.close()


async def log_in_page(name: str, folder: Path, save: Save) -> None:
    """Draw the login page."""
    async with running_chat(folder) as (stage, _):
        tab = await stage.blank(**SIZE)
        await tab.run("document.activeElement.blur()")
        await draw(tab, name, folder, save)


async def draw_view(
    name: str, folder: Path, save: Save, *, view: Callable[[Scene], Awaitable[None]], dark: bool = False,
    hello: tuple[tuple[str, str], ...] = HELLO, arabic: bool = False, **more: Any,
) -> None:  # fmt: skip
    """Draw a view of Alice's page.

    Args:
        view: opens the view on the page.
        dark: whether to draw it in the dark theme.
        hello: the conversation with Bob.
        arabic: whether Alice also has a conversation in Arabic.
        more: further arguments for opening the page.
    """
    async with running_chat(folder, hello) as (stage, line), stage.client("bob") as bob:
        if arabic:
            await talk(stage, "leila", MARHABA)
        tab = await stage.opened("chat", f"{line.url}/chat/", **{**SIZE, **more})
        await log_in(tab, "alice")
        if dark:
            await tab.run("document.documentElement.dataset.theme = 'dark'")
        await view(Scene(tab, bob, line, folder))
        await tab.run("document.activeElement.blur()")
        await draw(tab, name, folder, save)
        line.shape()


VIEWS: dict[str, dict[str, Any]] = {
    "chat-conversation": {"view": conversation},
    "chat-thread-dark": {"view": thread, "dark": True},
    "chat-groups": {"view": groups},
    "chat-details-dark": {"view": details, "dark": True},
    "chat-phone": {"view": conversation, **PHONE},
    "chat-upload": {"view": upload},
    "chat-german": {"view": german, "hello": HALLO, "languages": ["de-AT", "en"]},
    "chat-right-to-left": {"view": from_right_to_left, "arabic": True},
}
DRAWN: dict[str, Callable[[Path, Save], Awaitable[None]]] = {
    "chat-login": partial(log_in_page, "chat-login"),
    **{name: partial(draw_view, name, **view) for name, view in VIEWS.items()},
}
