"""Pictures of the web chat, for `make_pictures.py`: each shows a page with a running server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from chromium.browser import Browser
from chromium.chat_stage import WORDS, ChatStage, chat_stage, choose, press, write
from console_pictures import Saved, draw
from tailwire import TransientMessage

SIZE = {"width": 1280, "height": 720}
PHONE = {"width": 360, "height": 640}
HELLO = [
    ("bob", "Are you coming to the harbour tonight?"),
    ("alice", "Yes, at six. Shall I bring the tickets?"),
    ("bob", "Please! Here is the plan: https://example.com/harbour"),
    ("alice", "Perfect."),
]


async def fill(stage: ChatStage) -> None:
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
        said = await stage.say(sender, "trains", text, "group")
        await stage.ask("POST", f"/messages/{said['id']}/pin", behalf="alice")
    more = {"harbour": ("Harbour office", {}), "depot": ("Depot", {"type": "password", "password": "seven keys"}),
            "release": ("Release 2.4", {})}  # fmt: skip
    for guid, (name, kind) in more.items():
        await stage.ask("POST", "/groups", {"guid": guid, "name": name, "type": "public", "owner": "mara", **kind})
    last = ""
    for sender, text in HELLO:
        message = await stage.say(sender, "alice" if sender == "bob" else "bob", text)
        last = message["id"] if sender == "bob" else last
    await stage.ask("POST", f"/messages/{last}/reactions/👍", behalf="alice")
    for sender, text in (("alice", "Which pier?"), ("bob", "Pier 4, beside the crane.")):
        await stage.say(sender, "alice" if sender == "bob" else "bob", text, parentId=last)


async def shown(name: str, folder: Path, saved: Saved, *, view: str, dark: bool = False, phone: bool = False) -> None:
    """Draw a page."""
    browser = Browser()
    try:
        async with chat_stage(browser, folder, {"TAILWIRE_PUSH_CONTACT": "mailto:admin@example.com"}) as stage:
            await fill(stage)
            async with stage.client("bob") as bob:
                size = PHONE if phone else SIZE
                tab = await (stage.blank(**size) if view == "login" else stage.open("alice", **size))
                if dark:
                    await tab.run("document.documentElement.dataset.theme = 'dark'")
                if view in ("conversation", "thread"):
                    await choose(tab, "Bob")
                    await tab.wait_for(f"{WORDS}.length === 4")
                    await tab.wait_for("document.querySelector('.head .who').innerText.includes('online')")
                if view == "groups":
                    await press(tab, "Groups")
                    await tab.wait_for("document.querySelectorAll('dialog .found li').length === 4")
                    await press(tab, "Join Depot")
                    await tab.wait_for("document.querySelector('dialog .password input')")
                if view == "details":
                    await choose(tab, "Night trains")
                    await press(tab, "Details")
                    await tab.wait_for("document.querySelectorAll('dialog .pinned').length === 2")
                if view == "thread":
                    await press(tab, "2 replies")
                    await tab.wait_for("document.querySelectorAll('.thread .log .words').length === 2")
                    await write(tab, "See you there", ".thread")
                    data = {"draft": "d", "seq": 1, "text": "The ferry leaves at 18:20, so at a quarter past"}
                    await bob.send_transient_message(TransientMessage("alice", "user", data))
                    await tab.wait_for("document.querySelector('.is-draft')")
                    await tab.wait_for("document.querySelectorAll('.thread .log .words').length === 3")
                await tab.run("document.activeElement.blur()")
                await draw(tab, name, folder, saved)
    finally:
        browser.close()


DRAWN: dict[str, Callable[[Path, Saved], Awaitable[None]]] = {
    "chat-login": partial(shown, "chat-login", view="login"),
    "chat-conversation": partial(shown, "chat-conversation", view="conversation"),
    "chat-thread-dark": partial(shown, "chat-thread-dark", view="thread", dark=True),
    "chat-groups": partial(shown, "chat-groups", view="groups"),
    "chat-details-dark": partial(shown, "chat-details-dark", view="details", dark=True),
    "chat-phone": partial(shown, "chat-phone", view="conversation", phone=True),
}
