"""Each key of the help screen does what the screen says."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

import pytest
from PIL import Image

from tailwire import ChatClient, MediaMessage, TextMessage
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


def test_each_key_of_the_help_screen_is_listed_with_the_file_of_its_test():
    from tailwire.tui.help import KEYS

    assert {key for _, keys in KEYS for key, _ in keys} == set(TESTED)
    assert [name for name in TESTED.values() if not Path(__file__).with_name(name).is_file()] == []


async def test_alt_with_arrows_and_numbers_changes_the_conversation(table: Table):
    await talk(table, "from Bob")
    carol = await table.enter("carol")
    await carol.send_message(TextMessage(receiver="alice", text="from Carol"))
    await carol.aclose()
    async with table.chat() as screen:

        def opened(uid: str):
            return lambda: screen.app.screen.main.place is not None and screen.app.screen.main.place.id == uid

        await screen.until("from Carol", holds=opened("carol"))
        for key, uid in (("alt+down", "bob"), ("alt+down", "bob"), ("alt+up", "carol"), ("alt+2", "bob"), ("alt+1", "carol"),
                         ("alt+9", "carol")):  # fmt: skip
            await screen.press(key)
            await screen.until(holds=opened(uid))


async def test_ctrl_p_lists_commands_and_ctrl_q_quits(table: Table):
    async with table.chat() as screen:
        await screen.press("ctrl+p")
        await screen.until("Log out")
        await screen.type("send a f")
        await screen.until("To the open conversation (ctrl+o)", gone="Log out")
        await screen.press("escape")
        await screen.press("ctrl+q")
        await screen.until(holds=lambda: not screen.app.is_running)


async def test_another_theme_is_chosen_from_the_commands_and_draws_all_in_its_colors(table: Table):
    def brightness(screen) -> list[float]:
        # Of the background of each line, at its beginning and at its end.
        lines = [[one for one in line if one.style and one.style.bgcolor]
                 for line in screen.app.screen._compositor.render_strips()]  # fmt: skip
        ends = [one.style.bgcolor.get_truecolor() for line in lines if line for one in (line[0], line[-1])]
        return [sum(color) / 3 for color in ends]

    await talk(table, "hello")
    async with table.chat() as screen:
        await screen.until("hello")
        assert max(brightness(screen)) < 100
        await screen.press("ctrl+p")
        await screen.until("Log out")
        await screen.type("theme")
        await screen.until("Theme", gone="Log out")
        await screen.press("enter")
        await screen.until("Search for themes")
        await screen.type("textual-light")
        await screen.until("textual-light", gone="monokai")
        await screen.press("enter")
        await screen.until(
            "hello", holds=lambda: screen.app.theme == "textual-light" and len(screen.app.screen_stack) == 2
        )
        await screen.until(holds=lambda: min(brightness(screen)) > 150)


async def test_alt_enter_begins_a_line(table: Table):
    await talk(table, "hello")
    async with table.chat() as screen:
        await screen.until("hello")
        await screen.type("one")
        await screen.press("alt+enter")
        await screen.type("two")
        await screen.press("enter")
        await screen.until("✓", holds=lambda: screen.app.screen.main.live.items[-1].message.text == "one\ntwo")


async def test_pages_and_letters_move_through_the_history(table: Table):
    await talk(table, *(f"message number {n}." for n in range(60)))
    async with table.chat() as screen:
        await screen.until("number 59.")
        history = screen.app.screen.main.history
        await screen.until(holds=lambda: "number 59." in history.text())
        await screen.press("pageup")
        await screen.until(holds=lambda: "number 59." not in history.text() and "number 30." in history.text())
        await screen.press("pagedown")
        await screen.until(holds=lambda: "number 59." in history.text())

        def chosen() -> str:
            item = history.selected_item()
            return item.message.text if item else ""

        await screen.press("escape")
        for key, text in (("k", "58"), ("up", "57"), ("j", "58"), ("down", "59"), ("j", "59")):
            await screen.press(key)
            await screen.until(holds=lambda text=text: chosen() == f"message number {text}.")
        await screen.press("g")
        await screen.until(holds=lambda: chosen() == "message number 10.")  # the oldest of the loaded messages
        await screen.until(holds=lambda: history.items[0].message.text == "message number 0.")
        await screen.press("g")
        await screen.until(holds=lambda: chosen() == "message number 0.")
        await screen.press("G")
        await screen.until("number 59.", holds=lambda: chosen() == "")


async def test_r_sends_a_failed_message_again(table: Table):
    await talk(table, "hello")
    bob = await table.enter("bob")
    await bob.block_users(["alice"])
    async with table.chat() as screen:
        await screen.until("hello")
        await screen.type("are you there?")
        await screen.press("enter")
        await screen.until("✗ not sent", "Press r to retry")
        await screen.press("escape", "r")
        await screen.until("✗ not sent")  # still blocked
        await bob.unblock_users(["alice"])
        await screen.press("r")
        await screen.until("✓", gone="✗ not sent")
        async with await bob.live_messages(uid="alice") as live:
            assert [item.message.text for item in live.items].count("are you there?") == 1
    await bob.aclose()


async def test_d_drops_a_failed_message(table: Table):
    await talk(table, "hello")
    bob = await table.enter("bob")
    await bob.block_users(["alice"])
    async with table.chat() as screen:
        await screen.until("hello")
        await screen.type("never mind")
        await screen.press("enter")
        await screen.until("✗ not sent")
        await screen.press("escape", "d")
        await screen.until(gone="never mind")
    await bob.aclose()


async def test_e_edits_a_message_and_i_lists_its_readers(table: Table):
    await talk(table, "hello")
    bob = await table.enter("bob")
    async with table.chat() as screen:
        await screen.until("hello")
        await screen.type("a plan")
        await screen.press("enter")
        await screen.until("a plan", "✓")
        sent = screen.app.screen.main.live.items[-1].message
        await bob.mark_as_read(sent)
        await screen.press("escape", "i")
        await screen.until("Who received and read it", "Bob", "read ")
        await screen.press("escape", "e")
        await screen.until("Editing")
    await bob.aclose()


async def test_enter_opens_the_menu_and_c_copies(table: Table):
    await talk(table, "copy this")
    async with table.chat() as screen:
        await screen.until("copy this")
        await screen.press("escape", "enter")
        await screen.until("What to do", "Open the thread")
        await screen.press("escape")
        await screen.until(gone="What to do")
        await screen.press("c")
        await screen.until(holds=lambda: screen.app.clipboard == "copy this")


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
    async with table.chat() as screen:
        await screen.until("▤ lake.png", "▀" * 36)
        strips = [
            segment for _, strip in screen.app.screen.main.history._layout() for segment in strip if "▀" in segment.text
        ]
        colors = [channel for one in strips for channel in (*one.style.color.triplet, *one.style.bgcolor.triplet)]
        wanted = (0xC0, 0x20, 0x40) * 2
        assert all(abs(colors[n] - wanted[n % 6]) <= 6 for n in range(len(colors)))  # a thumbnail is a JPEG


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
async def test_terminal_without_colors_shows_the_name(table: Table, tmp_path, monkeypatch, name, value):
    monkeypatch.delenv("COLORTERM", raising=False)
    monkeypatch.setenv(name, value)
    await send_picture(table, tmp_path)
    async with table.chat() as screen:
        await screen.until("▤ lake.png")
        assert screen.app.screen.main.history.picture is None
        assert "▀▀" not in screen.text


async def test_s_saves_a_file_and_o_opens_it(table: Table, tmp_path, monkeypatch):
    home = tmp_path / "home"
    (home / "Downloads").mkdir(parents=True)
    monkeypatch.setattr(Path, "home", lambda: home)
    message = await send_picture(table, tmp_path)
    async with table.chat() as screen:
        await screen.until("▤ lake.png")
        opened: list[str] = []
        monkeypatch.setattr(screen.app, "open_url", opened.append)
        await screen.press("escape", "s")
        await screen.until("Saved:", holds=lambda: (home / "Downloads" / "lake.png").exists())
        assert (home / "Downloads" / "lake.png").read_bytes() == picture()
        await screen.press("s")
        await screen.until(holds=lambda: (home / "Downloads" / "lake (2).png").exists())
        await screen.press("o")
        await screen.until("Opened in the browser", holds=lambda: opened == [message.attachment.url])


async def test_keys_that_are_pressed_meanwhile_do_not_cancel_saving_deleting_and_reacting(
    table: Table, tmp_path, monkeypatch
):
    from tailwire.tui import message_actions

    home = tmp_path / "home"
    (home / "Downloads").mkdir(parents=True)
    monkeypatch.setattr(Path, "home", lambda: home)
    go_on, begun = asyncio.Event(), list[str]()

    def held(call):
        async def later(*args):
            begun.append(call.__name__)
            await go_on.wait()
            return await call(*args)

        return later

    monkeypatch.setattr(message_actions, "save_file", held(message_actions.save_file))
    for name in ("add_reaction", "delete_message"):
        monkeypatch.setattr(ChatClient, name, held(getattr(ChatClient, name)))
    await send_picture(table, tmp_path)
    async with table.chat() as screen:
        await screen.until("▤ lake.png")
        await screen.type("a mistake")
        await screen.press("enter")
        await screen.until("a mistake", "✓")
        await screen.press("escape", "d")
        await screen.until("Delete the message?")
        await screen.press("enter")
        await screen.until(holds=lambda: begun == ["delete_message"])
        await screen.press("up", "plus")
        await screen.until("thumbs up")
        await screen.press("enter")
        await screen.until(holds=lambda: begun[1:] == ["add_reaction"])
        await screen.press("s")
        await screen.until(holds=lambda: begun[2:] == ["save_file"])
        await screen.press("c")
        await screen.until("Copied")
        go_on.set()
        file = home / "Downloads" / "lake.png"
        await screen.until(holds=lambda: file.exists() and file.read_bytes() == picture())
        await screen.until("message deleted", "👍 1")


async def test_saving_a_message_without_a_file_is_explained(table: Table):
    await talk(table, "no file")
    async with table.chat() as screen:
        await screen.until("no file")
        await screen.press("escape", "s")
        await screen.until("This message has no file.")


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
    async with table.chat() as screen:
        await screen.until("send it")
        held = Held(monkeypatch, screen.app.chat)
        await screen.press("ctrl+o")
        await screen.until("Send a file to Bob")
        await screen.type(f"{tmp_path}/trip.txt")
        await screen.press("enter")
        await screen.until("512 bytes of 1.0 KB", "esc closes this window")
        await screen.press("escape")
        await screen.until("↑ trip.txt 50 %", gone="Send a file to Bob")
        await screen.press("ctrl+o")
        await screen.until("512 bytes of 1.0 KB")
        await screen.press("escape")
        held.go.set()
        await screen.until("▤ trip.txt  1.0 KB", "trip.txt: sent.", gone="↑ trip.txt")


async def test_ctrl_x_cancels_an_upload(table: Table, tmp_path, monkeypatch):
    await talk(table, "send it")
    (tmp_path / "trip.txt").write_text("x" * 1024)
    async with table.chat() as screen:
        await screen.until("send it")
        Held(monkeypatch, screen.app.chat)
        await screen.press("ctrl+o")
        await screen.type(f"{tmp_path}/trip.txt")
        await screen.press("enter")
        await screen.until("512 bytes of 1.0 KB")
        await screen.press("ctrl+x")
        await screen.until("Cancelled.", gone="512 bytes of")
        await screen.press("escape")
        await screen.until(gone="↑ trip.txt")
        assert "▤ trip.txt" not in screen.text


async def test_keys_that_change_the_conversation_do_nothing_without_a_conversation(table: Table):
    async with table.chat() as screen:
        await screen.until("No conversation yet")
        await screen.press("alt+1", "alt+down", "alt+a")
        assert screen.app.screen.main.place is None
        assert "No conversation yet" in screen.text
