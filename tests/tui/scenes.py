"""The screens of the chat with fixed names and times, for snapshots and for the pictures of the documentation.

No server: the live lists are filled by hand, so that each drawing is the same.
"""

from __future__ import annotations

import contextlib
import io
import re
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from PIL import Image
from textual.app import App

from tailwire import Conversation, Group, MediaMessage, TextMessage, User
from tailwire.cli.demo import without_web_fonts
from tailwire.sdk.connection.state import ConnectionStatus
from tailwire.sdk.exceptions import failure
from tailwire.sdk.live.conversation_list import LiveConversation
from tailwire.sdk.live.message_list import LiveMessage, MessageState
from tailwire.tui.chat_screen import ChatScreen
from tailwire.tui.help import HelpScreen
from tailwire.tui.login import LoginScreen
from tailwire.tui.picker import Choice, Picker, find_among
from tailwire.tui.pictures import half_blocks
from tailwire.tui.profiles import Profile
from tailwire.tui.style import STYLE
from tailwire.wire.entities import Attachment

NOW = 1_784_019_600  # 14 July 2026, 09:00 UTC
ALICE, BOB, CAROL = User("alice", "Alice"), User("bob", "Bob", status="online"), User("carol", "Carol")
DESIGN = Group("design", "Design")


def live_message(number: int, sender: User, text: str, minute: int, **more: Any) -> LiveMessage:
    """Return a message."""
    raw = more.pop("raw", {})
    message = TextMessage(receiver="design", receiver_type="group", id=number, sender=sender, text=text,
                          sent_at=NOW + 60 * minute, raw=raw, **more)  # fmt: skip
    return LiveMessage(f"m{number}", message)


def reactions(*counts: tuple[str, int, bool]) -> dict[str, Any]:
    """Return the raw form of reactions."""
    return {"reactions": [{"reaction": r, "count": c, "reactedByMe": mine} for r, c, mine in counts]}


MESSAGES: tuple[LiveMessage, ...] = (
    live_message(1, BOB, "Good morning! The new layout is on the test server.", 0),
    live_message(2, BOB, "It follows the theme of the terminal, and the columns stay aligned, also beside emoji 🚀.", 1,
         raw={"data": reactions(("👍", 3, True), ("🎉", 1, False))}),
    live_message(3, CAROL, "I tried it over the train's Wi-Fi. The line was cut four times and nothing was lost.", 4,
         raw={"replyCount": 2}),
    live_message(4, ALICE, "Lovely. Did the messages that you wrote in the tunnel arrive once?", 6, read_at=NOW + 400),
    LiveMessage("m5", MediaMessage(receiver="design", receiver_type="group", id=5, sender=CAROL, sent_at=NOW + 480,
                                   attachments=[Attachment("http://x/1", "trace-of-the-trip.json", size=48_300)])),
    live_message(6, CAROL, "Exactly once, see the trace.", 8, edited_at=NOW + 490),
    live_message(7, ALICE, "Then let us ship it.", 9, delivered_at=NOW + 560),
    LiveMessage("q1", TextMessage(receiver="design", text="Writing the release notes now."), MessageState.PENDING),
    LiveMessage("q2", TextMessage(receiver="design", text="And the file."), MessageState.FAILED,
                error=failure("ERR_FILE_SIZE_EXCEEDED")),
)  # fmt: skip
THREAD = (
    live_message(11, BOB, "Four times? Which line is that?", 5),
    live_message(12, CAROL, "The one along the river.", 5),
)
CONVERSATIONS = (
    LiveConversation("group:design", Conversation("g", "group", DESIGN, last_message=MESSAGES[6].message)),
    LiveConversation("user:bob", Conversation("b", "user", BOB, live_message(21, BOB, "lunch at twelve?", 3).message, 2), (BOB,)),
    LiveConversation("user:carol", Conversation("c", "user", CAROL, live_message(22, CAROL, "thank you!", 2).message)),
    LiveConversation("group:lounge", Conversation("l", "group", Group("lounge", "Lounge"),
                                                  live_message(23, BOB, "who has the key?", 1).message, 14)),
)  # fmt: skip


class FixedList:
    """A live list that does not change."""

    def __init__(self, items: tuple[Any, ...], typing: tuple[User, ...] = ()) -> None:
        self.items, self.typing = items, typing
        self.closed = self.gone = False
        self.complete, self.error = True, None

    def subscribe(self, callback: Callable[..., object]) -> Callable[[], None]:
        """Accept a callback that is never called."""
        return lambda: None

    def close(self) -> None:
        """Do nothing."""


class FixedClient:
    """A client whose contents never change."""

    def __init__(self, status: ConnectionStatus = ConnectionStatus.CONNECTED, why: str = "") -> None:
        self._status = status
        transitions = [
            SimpleNamespace(at=0.0, status="connected", trigger="AuthAccepted", cause=None),
            SimpleNamespace(at=61.2, status="disconnected", trigger="SocketLost", cause=None),
            SimpleNamespace(at=62.7, status="connecting", trigger="TimerFired", cause=None),
        ]
        self.connection = SimpleNamespace(
            explain=lambda: why, subscribe=lambda receive: lambda: None, history=transitions, status=status
        )

    def get_connection_status(self) -> ConnectionStatus:
        """Return the fixed status."""
        return self._status

    def get_logged_in_user(self) -> User:
        """Return Alice."""
        return ALICE

    async def live_messages(self, *, parent_message_id: int = 0, **place: Any) -> FixedList:
        """Return the fixed messages."""
        return FixedList(THREAD) if parent_message_id else FixedList(MESSAGES, (BOB,))

    def add_message_listener(self, listener_id: str, listener: Any) -> None:
        """Do nothing."""

    def remove_message_listener(self, listener_id: str) -> None:
        """Do nothing."""

    async def mark_as_read(self, message: Any) -> str:
        """Do nothing."""
        return ""


class SceneApp(App[None]):
    """An app that shows one screen."""

    CSS = STYLE
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide")]
    TITLE = "tailwire chat"

    def __init__(self, screen: Any) -> None:
        super().__init__()
        self._shown = screen

    def on_mount(self) -> None:
        """Show the screen."""
        self.push_screen(self._shown)


def chat(status: ConnectionStatus = ConnectionStatus.CONNECTED, why: str = "") -> ChatScreen:
    """Return the chat."""
    client: Any = FixedClient(status, why)
    conversations: Any = FixedList(CONVERSATIONS)
    return ChatScreen(client, conversations, now=lambda: NOW + 600)


WHY = "disconnected: the network was lost 3 s ago; the next attempt is in 2 s"


async def _nothing(pilot: Any) -> None:
    pass


async def _thread(pilot: Any) -> None:
    await pilot.press("escape", *["up"] * 6, "t")


async def _menu(pilot: Any) -> None:
    await pilot.press("escape", *["up"] * 2, "enter")


async def _jump(pilot: Any) -> None:
    await pilot.press("ctrl+k")


async def _why(pilot: Any) -> None:
    await pilot.press("f2")


async def _upload(pilot: Any) -> None:
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for name in ("notes.md", "the-lake.jpg", "trace-of-the-trip.json"):
            Path(name).touch()
        Path("drawings").mkdir()
        await pilot.press("ctrl+o", "t")
        await pilot.pause()


async def _react(pilot: Any) -> None:
    await pilot.press("escape", *["up"] * 6, "plus")


def lake() -> bytes:
    """Return a small picture: a sky, hills, and a lake."""
    image = Image.new("RGB", (72, 36))
    for x in range(72):
        hill = 14 + round(5 * abs(((x + 9) % 36) / 18 - 1))
        for y in range(36):
            sky, water = (120 + 3 * y, 160 + 2 * y, 220), (30, 70 + 2 * (y - 24), 110 + 3 * (y - 24))
            image.putpixel((x, y), sky if y < hill else (46, 92 + y, 60) if y < 24 else water)
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


async def _picture(pilot: Any) -> None:
    lines = half_blocks(lake(), 36)
    history = pilot.app.screen.main.history
    history.picture = lambda message, room: lines if message.id == 8 else []
    photo = MediaMessage(receiver="design", receiver_type="group", id=8, sender=CAROL, sent_at=NOW + 590,
                         attachments=[Attachment("http://x/2", "the-lake.jpg", mime_type="image/jpeg", size=812_300)])  # fmt: skip
    history.show((*MESSAGES[:7], LiveMessage("m8", photo)))
    await pilot.pause()


LOGIN_PROFILES = [Profile("https://chat.example.com", "team", "alice"), Profile("http://127.0.0.1:8480", "demo", "bob")]
Scene = tuple[Callable[[], Any], tuple[int, int], Callable[[Any], Awaitable[None]]]
SCENES: dict[str, Scene] = {
    "chat": (chat, (110, 30), _nothing),
    "chat_80": (chat, (80, 26), _nothing),
    "banner": (lambda: chat(ConnectionStatus.DISCONNECTED, WHY), (110, 30), _nothing),
    "thread": (chat, (130, 30), _thread),
    "picture": (chat, (110, 30), _picture),
    "menu": (chat, (110, 30), _menu),
    "jump": (chat, (110, 30), _jump),
    "upload": (chat, (110, 30), _upload),
    "react": (chat, (110, 30), _react),
    "why": (lambda: chat(ConnectionStatus.CONNECTING, WHY), (110, 30), _why),
    "login": (lambda: LoginScreen(LOGIN_PROFILES, Profile("", "", "")), (80, 26), _nothing),
    "keys": (lambda: HelpScreen(), (80, 40), _nothing),
    "search": (
        lambda: Picker(
            "Search in #Design", "Words", find_among([Choice("09:08  Carol: Exactly once, see the trace.", 1)])
        ),
        (80, 20),
        _nothing,
    ),
}
"""The screens by name: what is shown, the size of the terminal, and the keys that are pressed."""


async def draw_scene(name: str) -> str:
    """Return a screen as SVG."""
    make, size, press = SCENES[name]
    app = SceneApp(make())
    async with app.run_test(size=size) as pilot:
        app.animation_level = "none"
        await pilot.pause()
        while isinstance(app.screen, ChatScreen) and app.screen.main.place is None:  # until its messages are shown
            await pilot.pause()
        await press(pilot)
        for _ in range(3):
            await pilot.pause()
        for field in app.screen.query("Input, TextArea"):
            field.cursor_blink = False  # type: ignore[attr-defined]
        await pilot.pause()
        svg = app.export_screenshot(title="tailwire chat")
    return re.sub(r"terminal-\d+", "terminal", without_web_fonts(svg))
