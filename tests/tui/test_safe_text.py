"""Text of other people reaches the terminal without control characters, and in its place."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailwire import Group, MediaMessage, TextMessage, User
from tailwire.sdk.live.message_list import LiveMessage
from tailwire.wire.entities import Attachment
from tui.marks import needs_textual

pytestmark = needs_textual
HOSTILE = st.one_of(
    st.text(max_size=80),
    st.lists(
        st.sampled_from(
            ["\x1b[2J", "\x1b]0;title\x07", "\x9b31m", "\x1b]52;c;AAAA\x07", "\r", "\x08", "\u202e", "\u2066", "\u200b",
             "\u0301" * 40, "\ud800", "\U000e0041", "👨‍👩‍👧", "🇩🇪", "❤️", "x" * 300, "宽" * 60, "\u2028", "\x00", "[bold]", "a "]
        ),
        max_size=12,
    ).map("".join),
)  # fmt: skip
FORBIDDEN = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)


@given(text=HOSTILE)
def test_safe_text_contains_nothing_that_controls_a_terminal(text: str):
    from tailwire.tui.safe_text import safe

    screen = safe(text)
    assert not FORBIDDEN.search(screen)
    assert not re.search(r"[\u0300-\u036f]{4}", screen)
    screen.encode("utf-8")


@given(text=HOSTILE, width=st.integers(2, 60))
def test_wrapped_lines_fit_and_lose_nothing_but_spaces(text: str, width: int):
    from rich.cells import cell_len

    from tailwire.tui.safe_text import safe, wrapped

    screen = safe(text)
    lines = wrapped(screen, width)
    assert all(cell_len(line) <= width for line in lines)
    assert re.sub(r"\s", "", "".join(lines)) == re.sub(r"\s", "", screen)


@given(name=HOSTILE, text=HOSTILE, file=HOSTILE, reaction=HOSTILE, width=st.integers(20, 100))
def test_lines_of_hostile_text_and_media_messages_fit_the_width(name, text, file, reaction, width):
    from rich.cells import cell_len

    from tailwire.tui.message_lines import message_lines

    raw = {"data": {"reactions": [{"reaction": reaction, "count": 2}]}, "replyCount": 3}
    sender = User("mallory", name)
    for message in (
        TextMessage(receiver="alice", id=1, sender=sender, sent_at=1_750_000_000, text=text, raw=raw),
        MediaMessage(receiver="alice", id=2, sender=sender, sent_at=1_750_000_000, caption=text, raw=raw,
                     attachments=[Attachment("http://x", file, size=5)]),
    ):  # fmt: skip
        for line in message_lines(LiveMessage("k", message), None, width, me="alice", now=0):
            whole = "".join(part for part, _ in line)
            assert not FORBIDDEN.search(whole)
            assert "\n" not in whole
            assert cell_len(whole) <= max(width, 40)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31mb", "a␛[31mb"),
        ("bad\u202egpj.exe", "bad\ufffdgpj.exe"),
        ("tab\there", "tab    here"),
        ("flag 🇩🇪", "flag DE"),
        ("heart ❤️", "heart ❤"),
        ("क्ष नमस्ते", "क्ष नमस्ते"),
        ("two\r\nlines", "two\nlines"),
    ],
)
def test_examples_are_shown_as_safe_text(text: str, shown: str):
    from tailwire.tui.safe_text import safe

    assert safe(text) == unicodedata.normalize("NFC", shown)


@pytest.mark.gui
async def test_terminal_receives_no_escape_sequence_of_another_user(tailwire_server, tmp_path):
    from tui.conftest import Table

    table = Table(tailwire_server, tmp_path)
    table.add("alice")
    table.add("mallory", "Mal\x1b]0;owned\x07\u202elory")
    mallory = await table.enter("mallory")
    evil = "look\x1b[2J\x1b]52;c;AAAA\x07here \x9b5m [red]markup[/red] \u202etxt"
    await mallory.send_message(TextMessage(receiver="alice", text=evil))
    await mallory.aclose()
    async with table.chat() as screen:
        await screen.until("look␛[2J␛]52;c;AAAA␇here", "[red]markup[/red]")
        assert not FORBIDDEN.search(screen.text)
        drawn = screen.app.screen._compositor.render_strips()
        for line in drawn:
            assert not any(FORBIDDEN.search(segment.text) for segment in line)


MARKUP = "[/x] [@click=app.quit]press[/] [bold]"


@pytest.mark.gui
async def test_name_that_looks_like_markup_is_shown_as_it_is_in_every_place(tailwire_server, tmp_path, monkeypatch):
    from tui.conftest import Table

    file = tmp_path / f"{MARKUP.replace('/', '')}.txt"
    file.write_text("x")
    monkeypatch.chdir(tmp_path)
    table = Table(tailwire_server, tmp_path / "profiles")
    table.add("alice")
    table.add("mallory", MARKUP)
    mallory = await table.enter("mallory")
    await mallory.create_group(Group("closed", f"Closed {MARKUP}", type="public"))
    text = await mallory.send_message(TextMessage(receiver="alice", text=f"text {MARKUP}"))
    await mallory.add_reaction(text.id, "[/x]")
    async with table.chat(size=(140, 40)) as screen:

        async def window(key: str, *shown: str) -> None:
            await screen.press(key)
            await screen.until(*shown)
            await screen.press("escape")
            await screen.until(gone=shown[0])

        await screen.until(f"● {MARKUP[:10]}", f"text {MARKUP}", "[/x] 1")
        assert screen.text.splitlines()[0].count(MARKUP[:10]) == 2  # in the list, and as the heading
        await mallory.start_typing("alice")
        await screen.until(f"{MARKUP} is typing …")
        await window("ctrl+f", f"Search in {MARKUP}")
        await window("ctrl+o", f"Send a file to {MARKUP}", file.name)
        await screen.press("ctrl+k")
        await screen.until("Jump to", MARKUP)
        await screen.type("closed")
        await screen.until(f"#Closed {MARKUP}  group")
        await screen.press("enter")
        await screen.until("#Closed [/x]", "Join")
        await screen.press("escape", "r")
        await screen.until(f"Reply to {MARKUP}: text [/x]")
        await screen.type(f"answer {MARKUP}")
        await screen.press("enter")
        await screen.until(f"┃ {MARKUP}: text {MARKUP}", f"answer {MARKUP}", "✓", gone="Reply to")
        await mallory.mark_as_read(screen.app.screen.main.live.items[-1].message)
        await screen.press("escape")
        await window("i", "Who received and read it", f"{MARKUP}  read")
        await screen.press("up", "t")
        await screen.until("Thread in [/x] [@click=app.quit]")
        await window("ctrl+o", f"Send a file to {MARKUP}")
    await mallory.aclose()
