"""Each key of the help screen does what the screen says."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

import pytest
from PIL import Image

from tailwire import MediaMessage, TextMessage
from tui.conftest import Table
from tui.marks import needs_textual
from tui.test_chat import talk

pytestmark = [pytest.mark.gui, needs_textual]

TESTED = {
    "ctrl+k": "test_chat.py", "alt+a": "test_chat.py", "alt+↑  alt+↓": "test_keys.py", "alt+1 … alt+9": "test_keys.py",
    "ctrl+f": "test_chat.py", "ctrl+o": "test_chat.py", "ctrl+p": "test_keys.py", "F2": "test_chat.py",
    "ctrl+z": "test_in_a_terminal.py", "F1": "test_chat.py", "ctrl+q": "test_keys.py", "enter": "test_chat.py",
    "alt+enter": "test_keys.py", "↑": "test_chat.py", "pgup  pgdn": "test_keys.py", "esc": "test_chat.py",
    "j k ↑ ↓": "test_keys.py", "r": "test_keys.py", "t": "test_chat.py", "e  d": "test_keys.py", "+": "test_chat.py",
    "c  i": "test_keys.py", "o  s": "test_keys.py", "g  G": "test_keys.py",
}  # fmt: skip
"""The keys of the help screen, each with the module that tests it."""


def test_each_key_of_the_help_screen_is_tested():
    from tailwire.tui.help import KEYS

    assert {key for _, keys in KEYS for key, _ in keys} == set(TESTED)


async def test_alt_with_arrows_and_numbers_changes_the_conversation(table: Table):
    await talk(table, "from Bob")
    carol = await table.enter("carol")
    await carol.send_message(TextMessage(receiver="alice", text="from Carol"))
    await carol.aclose()
    async with table.chat() as shown:

        def opened(uid: str):
            return lambda: shown.app.screen.main.place is not None and shown.app.screen.main.place.id == uid

        await shown.until("from Carol", holds=opened("carol"))
        for key, uid in (("alt+down", "bob"), ("alt+down", "bob"), ("alt+up", "carol"), ("alt+2", "bob"), ("alt+1", "carol"),
                         ("alt+9", "carol")):  # fmt: skip
            await shown.press(key)
            await shown.until(holds=opened(uid))


async def test_ctrl_p_lists_commands_and_ctrl_q_quits(table: Table):
    async with table.chat() as shown:
        await shown.press("ctrl+p")
        await shown.until("Log out")
        await shown.type("send a f")
        await shown.until("To the open conversation (ctrl+o)", gone="Log out")
        await shown.press("escape")
        await shown.press("ctrl+q")
        await shown.until(holds=lambda: not shown.app.is_running)


async def test_another_theme_is_chosen_from_the_commands_and_draws_all_in_its_colors(table: Table):
    def brightness(shown) -> list[float]:
        # Of the background of each line, at its beginning and at its end.
        lines = [[one for one in line if one.style and one.style.bgcolor]
                 for line in shown.app.screen._compositor.render_strips()]  # fmt: skip
        ends = [one.style.bgcolor.get_truecolor() for line in lines if line for one in (line[0], line[-1])]
        return [sum(color) / 3 for color in ends]

    await talk(table, "hello")
    async with table.chat() as shown:
        await shown.until("hello")
        assert max(brightness(shown)) < 100
        await shown.press("ctrl+p")
        await shown.until("Log out")
        await shown.type("theme")
        await shown.until("Theme", gone="Log out")
        await shown.press("enter")
        await shown.until("Search for themes")
        await shown.type("textual-light")
        await shown.until("textual-light", gone="monokai")
        await shown.press("enter")
        await shown.until(
            "hello", holds=lambda: shown.app.theme == "textual-light" and len(shown.app.screen_stack) == 2
        )
        await shown.until(holds=lambda: min(brightness(shown)) > 150)


async def test_alt_enter_begins_a_line(table: Table):
    await talk(table, "hello")
    async with table.chat() as shown:
        await shown.until("hello")
        await shown.type("one")
        await shown.press("alt+enter")
        await shown.type("two")
        await shown.press("enter")
        await shown.until("✓", holds=lambda: shown.app.screen.main.live.items[-1].message.text == "one\ntwo")


async def test_pages_and_letters_move_through_the_history(table: Table):
    await talk(table, *(f"message number {n}." for n in range(60)))
    async with table.chat() as shown:
        await shown.until("number 59.")
        history = shown.app.screen.main.history
        await shown.until(holds=lambda: "number 59." in history.text())
        await shown.press("pageup")
        await shown.until(holds=lambda: "number 59." not in history.text() and "number 30." in history.text())
        await shown.press("pagedown")
        await shown.until(holds=lambda: "number 59." in history.text())

        def chosen() -> str:
            item = history.selected_item()
            return item.message.text if item else ""

        await shown.press("escape")
        for key, text in (("k", "58"), ("up", "57"), ("j", "58"), ("down", "59"), ("j", "59")):
            await shown.press(key)
            await shown.until(holds=lambda text=text: chosen() == f"message number {text}.")
        await shown.press("g")
        await shown.until(holds=lambda: chosen() == "message number 10.")  # the oldest of the loaded messages
        await shown.until(holds=lambda: history.items[0].message.text == "message number 0.")
        await shown.press("g")
        await shown.until(holds=lambda: chosen() == "message number 0.")
        await shown.press("G")
        await shown.until("number 59.", holds=lambda: chosen() == "")


async def test_r_sends_a_failed_message_again(table: Table):
    await talk(table, "hello")
    bob = await table.enter("bob")
    await bob.block_users(["alice"])
    async with table.chat() as shown:
        await shown.until("hello")
        await shown.type("are you there?")
        await shown.press("enter")
        await shown.until("✗ not sent", "Press r to retry")
        await shown.press("escape", "r")
        await shown.until("✗ not sent")  # still blocked
        await bob.unblock_users(["alice"])
        await shown.press("r")
        await shown.until("✓", gone="✗ not sent")
        async with await bob.live_messages(uid="alice") as live:
            assert [item.message.text for item in live.items].count("are you there?") == 1
    await bob.aclose()


async def test_d_drops_a_failed_message(table: Table):
    await talk(table, "hello")
    bob = await table.enter("bob")
    await bob.block_users(["alice"])
    async with table.chat() as shown:
        await shown.until("hello")
        await shown.type("never mind")
        await shown.press("enter")
        await shown.until("✗ not sent")
        await shown.press("escape", "d")
        await shown.until(gone="never mind")
    await bob.aclose()


async def test_e_edits_a_message_and_i_lists_its_readers(table: Table):
    await talk(table, "hello")
    bob = await table.enter("bob")
    async with table.chat() as shown:
        await shown.until("hello")
        await shown.type("a plan")
        await shown.press("enter")
        await shown.until("a plan", "✓")
        sent = shown.app.screen.main.live.items[-1].message
        await bob.mark_as_read(sent)
        await shown.press("escape", "i")
        await shown.until("Who received and read it", "Bob", "read ")
        await shown.press("escape", "e")
        await shown.until("Editing")
    await bob.aclose()


async def test_enter_opens_the_menu_and_c_copies(table: Table):
    await talk(table, "copy this")
    async with table.chat() as shown:
        await shown.until("copy this")
        await shown.press("escape", "enter")
        await shown.until("What to do", "Open the thread")
        await shown.press("escape")
        await shown.until(gone="What to do")
        await shown.press("c")
        await shown.until(holds=lambda: shown.app.clipboard == "copy this")


def picture(color: str = "#c02040") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (40, 20), color).save(file, "PNG")
    return file.getvalue()


async def send_picture(table: Table, folder: Path) -> MediaMessage:
    file = folder / "lake.png"
    file.write_bytes(picture())
    bob = await table.enter("bob")
    message = await bob.send_media_message(MediaMessage(receiver="alice", files=[file], type="image"))
    await bob.aclose()
    return message


async def test_picture_is_drawn_where_the_terminal_has_the_colors(table: Table, tmp_path, monkeypatch):
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    await send_picture(table, tmp_path)
    async with table.chat() as shown:
        await shown.until("▤ lake.png", "▀" * 36)
        strips = [
            segment for _, strip in shown.app.screen.main.history._layout() for segment in strip if "▀" in segment.text
        ]
        colors = [channel for one in strips for channel in (*one.style.color.triplet, *one.style.bgcolor.triplet)]
        wanted = (0xC0, 0x20, 0x40) * 2
        assert all(abs(colors[n] - wanted[n % 6]) <= 6 for n in range(len(colors)))  # a thumbnail is a JPEG


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
async def test_terminal_without_colors_shows_the_name(table: Table, tmp_path, monkeypatch, name, value):
    monkeypatch.delenv("COLORTERM", raising=False)
    monkeypatch.setenv(name, value)
    await send_picture(table, tmp_path)
    async with table.chat() as shown:
        await shown.until("▤ lake.png")
        if shown.app.console.color_system in (None, "standard") or shown.app.no_color:
            assert shown.app.screen.main.history.picture is None
        assert "▀▀" not in shown.text or not shown.app.no_color


async def test_s_saves_a_file_and_o_opens_it(table: Table, tmp_path, monkeypatch):
    home = tmp_path / "home"
    (home / "Downloads").mkdir(parents=True)
    monkeypatch.setattr(Path, "home", lambda: home)
    message = await send_picture(table, tmp_path)
    async with table.chat() as shown:
        await shown.until("▤ lake.png")
        opened: list[str] = []
        monkeypatch.setattr(shown.app, "open_url", opened.append)
        await shown.press("escape", "s")
        await shown.until("Saved:", holds=lambda: (home / "Downloads" / "lake.png").exists())
        assert (home / "Downloads" / "lake.png").read_bytes() == picture()
        await shown.press("s")
        await shown.until(holds=lambda: (home / "Downloads" / "lake (2).png").exists())
        await shown.press("o")
        await shown.until("Opened in the browser", holds=lambda: opened == [message.attachment.url])


async def test_saving_a_message_without_a_file_is_explained(table: Table):
    await talk(table, "no file")
    async with table.chat() as shown:
        await shown.until("no file")
        await shown.press("escape", "s")
        await shown.until("This message has no file.")


class Held:
    """Holds an upload halfway."""

    def __init__(self, monkeypatch, chat) -> None:
        self.go = asyncio.Event()
        real = chat.send_media_message

        async def send(message, on_progress=None):
            on_progress("trip.txt", 512, 1024)
            await self.go.wait()
            return await real(message)

        monkeypatch.setattr(type(chat), "send_media_message", lambda _, *a, **k: send(*a, **k))


async def test_upload_continues_when_its_window_is_closed(table: Table, tmp_path, monkeypatch):
    await talk(table, "send it")
    (tmp_path / "trip.txt").write_text("x" * 1024)
    async with table.chat() as shown:
        await shown.until("send it")
        held = Held(monkeypatch, shown.app.chat)
        await shown.press("ctrl+o")
        await shown.until("Send a file to Bob")
        await shown.type(f"{tmp_path}/trip.txt")
        await shown.press("enter")
        await shown.until("512 bytes of 1.0 KB", "esc closes this window")
        await shown.press("escape")
        await shown.until("↑ trip.txt 50 %", gone="Send a file to Bob")
        await shown.press("ctrl+o")
        await shown.until("512 bytes of 1.0 KB")
        await shown.press("escape")
        held.go.set()
        await shown.until("▤ trip.txt  1.0 KB", "trip.txt: sent.", gone="↑ trip.txt")


async def test_ctrl_x_cancels_an_upload(table: Table, tmp_path, monkeypatch):
    await talk(table, "send it")
    (tmp_path / "trip.txt").write_text("x" * 1024)
    async with table.chat() as shown:
        await shown.until("send it")
        Held(monkeypatch, shown.app.chat)
        await shown.press("ctrl+o")
        await shown.type(f"{tmp_path}/trip.txt")
        await shown.press("enter")
        await shown.until("512 bytes of 1.0 KB")
        await shown.press("ctrl+x")
        await shown.until("Cancelled.", gone="512 bytes of")
        await shown.press("escape")
        await shown.until(gone="↑ trip.txt")
        assert "▤ trip.txt" not in shown.text


async def test_keys_for_conversations_do_nothing_without_one(table: Table):
    async with table.chat() as shown:
        await shown.until("No conversation yet")
        await shown.press("alt+1", "alt+down", "alt+a")
        await shown.until("No conversation yet")
