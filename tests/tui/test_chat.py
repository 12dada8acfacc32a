"""The terminal chat on a real server: what a user sees and what others receive."""

from __future__ import annotations

import asyncio
import re
import threading

import pytest

from tailwire import ChatClient, Group, TextMessage
from tailwire.sdk.calls.connection import Connection
from tailwire.sdk.exceptions import failure
from tui.conftest import Table
from tui.marks import needs_textual

pytestmark = [pytest.mark.gui, needs_textual]


async def talk(table: Table, *texts: str) -> list[TextMessage]:
    """Let Bob write to Alice."""
    bob = await table.enter("bob")
    sent = [await bob.send_message(TextMessage(receiver="alice", text=text)) for text in texts]
    await bob.aclose()
    return sent


async def test_message_that_is_typed_reaches_the_other_user(table: Table):
    await talk(table, "hello Alice")
    bob = await table.enter("bob")
    received = []
    async with table.chat() as screen:
        await screen.until("hello Alice", "Bob")
        async with await bob.live_messages(uid="alice") as live:
            await screen.type("good morning")
            await screen.press("enter")
            await screen.until("good morning", holds=lambda: live.items[-1].message.text == "good morning")
            received = [item.message.text for item in live.items]
    await bob.aclose()
    assert received == ["hello Alice", "good morning"]


async def test_enter_before_a_conversation_is_open_keeps_the_text_and_says_what_to_do(table: Table):
    async with table.chat() as screen:
        await screen.until("No conversation yet")
        await screen.type("good morning")
        await screen.press("enter")
        await screen.until("Not sent: no conversation is open yet.", "good morning")


async def test_message_of_another_user_appears_and_is_marked_as_read(table: Table):
    await talk(table, "first")
    bob = await table.enter("bob")
    async with table.chat() as screen:
        await screen.until("first")
        async with await bob.live_messages(uid="alice") as live:
            await bob.send_message(TextMessage(receiver="alice", text="second"))
            await screen.until("second", holds=lambda: bool(live.items[-1].message.read_at))
    await bob.aclose()


async def test_message_that_arrives_while_another_window_has_the_focus_is_marked_as_read_on_return(table: Table):
    from textual.events import AppBlur, AppFocus

    await talk(table, "first")
    bob = await table.enter("bob")
    async with table.chat() as screen:
        await screen.until("first", holds=lambda: screen.app.screen.main._read_up_to > 0)
        screen.app.post_message(AppBlur())
        await screen.until(holds=lambda: not screen.app.app_focus)
        async with await bob.live_messages(uid="alice") as live:
            await bob.send_message(TextMessage(receiver="alice", text="second"))
            await screen.until(holds=lambda: "second" in screen.app.screen.main.history.text())
            await screen.pilot.pause()
            assert not live.items[-1].message.read_at
            screen.app.post_message(AppFocus())
            await screen.until(holds=lambda: bool(live.items[-1].message.read_at))
    await bob.aclose()


async def test_read_mark_that_was_not_sent_is_sent_once_the_connection_is_back(table: Table, monkeypatch):
    await talk(table, "first")
    bob = await table.enter("bob")
    mark = ChatClient.mark_as_read
    refused: list[int] = []

    async def refuse(chat: ChatClient, message: TextMessage) -> str:
        if message.text == "second" and not refused:
            refused.append(message.id)
            raise failure("NO_WEBSOCKET_CONNECTION")
        return await mark(chat, message)

    async with table.chat() as screen:
        await screen.until("first")
        monkeypatch.setattr(ChatClient, "mark_as_read", refuse)
        async with await bob.live_messages(uid="alice") as live:
            await bob.send_message(TextMessage(receiver="alice", text="second"))
            await screen.until("second", holds=lambda: bool(refused))
            await screen.app.chat.disconnect()
            await screen.until("○ Alice")
            await screen.app.chat.connect()
            await screen.until("● Alice", holds=lambda: bool(live.items[-1].message.read_at))
    await bob.aclose()


async def test_typing_of_another_user_is_shown(table: Table):
    await talk(table, "first")
    bob = await table.enter("bob")
    async with table.chat() as screen:
        await screen.until("first")
        await bob.start_typing("alice")
        await screen.until("Bob is typing …")
        await bob.end_typing("alice")
        await screen.until(gone="is typing …")
    await bob.aclose()


async def test_unread_messages_are_counted_and_alt_a_opens_their_conversation(table: Table):
    await talk(table, "from Bob")
    carol = await table.enter("carol")
    await carol.send_message(TextMessage(receiver="alice", text="from Carol"))
    async with table.chat() as screen:
        await screen.until("○ Bob", "● Carol", "from Carol")
        await screen.press("alt+2")
        await screen.until(holds=lambda: screen.app.screen.main.place.id == "bob")
        await carol.send_message(TextMessage(receiver="alice", text="are you there?"))
        await carol.send_message(TextMessage(receiver="alice", text="hello?"))
        await screen.until("Carol                   2")
        await screen.press("alt+a")
        await screen.until("are you there?", holds=lambda: screen.app.screen.main.place.id == "carol")
    await carol.aclose()


async def test_arrow_up_in_the_empty_field_edits_the_last_message(table: Table):
    await talk(table, "hello")
    async with table.chat() as screen:
        await screen.until("hello")
        await screen.type("a tipo")
        await screen.press("enter")
        await screen.until("a tipo", "✓")
        await screen.press("up")
        await screen.until("Editing")
        await screen.press(*["backspace"] * 4)
        await screen.type("typo")
        await screen.press("enter")
        await screen.until("a typo", "(edited)", gone="Editing")


@pytest.mark.parametrize("end", ["escape", "enter", "reply"])
async def test_text_in_the_field_returns_after_an_edit(table: Table, end: str):
    await talk(table, "hello")
    async with table.chat() as screen:
        await screen.until("hello")
        await screen.type("a typo")
        await screen.press("enter")
        await screen.until("a typo", "✓")
        await screen.type("half a message")
        await screen.press("escape", "e")
        await screen.until("Editing", gone="half a message")
        await (screen.press("escape", "escape", "r") if end == "reply" else screen.press(end))
        await screen.until("half a message", gone="Editing")
        assert screen.app.screen.main.composer.text == "half a message"


async def test_text_that_is_typed_while_an_edit_is_being_sent_stays(table: Table, monkeypatch):
    await talk(table, "hello")
    edit, begun, go_on = ChatClient.edit_message, asyncio.Event(), asyncio.Event()

    async def held(chat: ChatClient, message: TextMessage) -> object:
        begun.set()
        await go_on.wait()
        return await edit(chat, message)

    monkeypatch.setattr(ChatClient, "edit_message", held)
    async with table.chat() as screen:
        await screen.until("hello")
        await screen.type("first")
        await screen.press("enter")
        await screen.until("first", "✓")
        await screen.press("up")
        await screen.until("Editing")
        await screen.type(", second")
        await screen.press("enter")
        await screen.until(holds=begun.is_set)
        await screen.type(", third")
        go_on.set()
        await screen.until("(edited)")
        await screen.press("enter")
        await screen.until("first, second, third (edited)", gone="Editing")
        assert screen.app.screen.main.composer.text == ""


async def test_text_in_the_field_of_a_thread_is_kept_when_the_thread_is_closed(table: Table):
    await talk(table, "the plan")
    async with table.chat(size=(140, 30)) as screen:
        await screen.until("the plan")
        await screen.press("escape", "t")
        await screen.until("Thread in Bob")
        await screen.type("half a reply")
        await screen.until("half a reply")
        await screen.press("escape", "escape")
        await screen.until(gone="Thread in Bob")
        await screen.press("escape", "t")
        await screen.until("Thread in Bob", "half a reply")


async def test_selected_message_is_answered_with_a_quote(table: Table):
    await talk(table, "shall we?")
    async with table.chat() as screen:
        await screen.until("shall we?")
        await screen.press("escape", "r")
        await screen.until("Reply to Bob")
        await screen.type("yes")
        await screen.press("enter")
        await screen.until("┃ Bob: shall we?", "yes", gone="Reply to Bob")


async def test_reaction_is_added_and_removed(table: Table):
    await talk(table, "it works")
    async with table.chat() as screen:
        await screen.until("it works")
        await screen.press("escape", "plus")
        await screen.until("thumbs up")
        await screen.type("heart")
        await screen.press("enter")
        await screen.until("❤ 1")
        await screen.press("plus")
        await screen.until("thumbs up")
        await screen.type("heart")
        await screen.press("enter")
        await screen.until(gone="❤ 1")


async def test_own_message_is_deleted_after_confirmation(table: Table):
    await talk(table, "hello")
    async with table.chat() as screen:
        await screen.until("hello")
        await screen.type("a mistake")
        await screen.press("enter")
        await screen.until("a mistake", "✓")
        await screen.press("escape", "d")
        await screen.until("Delete the message?")
        await screen.press("enter")
        await screen.until("message deleted", gone="a mistake")


async def test_deleting_a_message_of_another_user_is_refused_with_a_notice(table: Table):
    await talk(table, "mine, says Bob")
    async with table.chat() as screen:
        await screen.until("mine, says Bob")
        await screen.press("escape", "d")
        await screen.until("Delete the message?")
        await screen.press("enter")
        await screen.until("Not deleted.")
        assert "mine, says Bob" in screen.text


async def test_replies_in_a_thread_appear_on_the_right(table: Table):
    (parent,) = await talk(table, "the plan")
    bob = await table.enter("bob")
    async with table.chat(size=(140, 30)) as screen:
        await screen.until("the plan")
        await screen.press("escape", "t")
        await screen.until("Thread in Bob")
        await screen.type("I agree")
        await screen.press("enter")
        await screen.until("I agree", "↳ 1 reply")
        await bob.send_message(TextMessage(receiver="alice", text="so do I", parent_message_id=parent.id))
        await screen.until("so do I", "↳ 2 replies")
        await screen.press("escape", "escape")
        await screen.until(gone="Thread in Bob")
    await bob.aclose()


async def test_thread_with_a_new_reply_is_marked_until_it_is_opened(table: Table):
    parents = await talk(table, "the plan", "the weather")
    bob = await table.enter("bob")
    async with table.chat(size=(140, 30)) as screen:
        await screen.until("the weather")
        await bob.send_message(TextMessage(receiver="alice", text="a reply", parent_message_id=parents[0].id))
        await screen.until("↳ 1 reply (new)")
        await bob.send_message(TextMessage(receiver="alice", text="the news"))
        await screen.until("the news", "↳ 1 reply (new)")  # reading the conversation does not mark the thread as read
        await screen.press("escape", "up", "up", "t")
        await screen.until("a reply", "↳ 1 reply", gone="(new)")
        await bob.send_message(TextMessage(receiver="alice", text="another reply", parent_message_id=parents[0].id))
        await screen.until("another reply", "↳ 2 replies", gone="(new)")
        await screen.press("escape", "escape")
        await bob.send_message(TextMessage(receiver="alice", text="sunny", parent_message_id=parents[1].id))
        await screen.until("↳ 2 replies", "↳ 1 reply (new)", gone="Thread in Bob")
        assert "↳ 2 replies (new)" not in screen.text
    await bob.aclose()


async def test_thread_with_replies_from_before_the_start_is_marked(table: Table):
    bob = await table.enter("bob")
    await bob.create_group(Group("team", "Team", type="public"))
    plan = await bob.send_message(TextMessage(receiver="team", receiver_type="group", text="the plan"))
    carol = await table.enter("carol")
    for chat in (carol, await table.enter("alice")):
        await chat.join_group("team")
    own = table.others[-1]
    mine = await own.send_message(TextMessage(receiver="team", receiver_type="group", text="read by me"))
    for chat, parent, text in ((carol, plan, "new to her"), (own, mine, "my own")):
        reply = TextMessage(receiver="team", receiver_type="group", text=text, parent_message_id=parent.id)
        await chat.send_message(reply)
    await carol.send_message(TextMessage(receiver="team", receiver_type="group", text="the end"))
    for chat in (bob, carol, own):
        await chat.aclose()
    async with table.chat(size=(140, 30)) as screen:
        await screen.until("the plan", "↳ 1 reply (new)", "the end")
        assert screen.text.count("↳ 1 reply") == 2
        assert screen.text.count("(new)") == 1
        await screen.press("escape", *["up"] * 4, "t")  # past two lines about members
        await screen.until("new to her", gone="(new)")


async def test_ctrl_k_finds_users_and_groups_without_a_conversation(table: Table):
    bob = await table.enter("bob")
    await bob.create_group(Group("hikers", "Hikers", type="public"))
    await bob.aclose()
    async with table.chat() as screen:
        await screen.until("No conversation yet")
        await screen.press("ctrl+k")
        await screen.until("Jump to")
        await screen.type("carol")
        await screen.until("Carol  user")
        await screen.press("enter")
        await screen.until(gone="Jump to", holds=lambda: "Carol" in screen.text.splitlines()[0])
        await screen.press("ctrl+k")
        await screen.type("hik")
        await screen.until("#Hikers  group")


async def test_group_without_membership_cannot_be_opened_and_the_screen_says_what_to_do(table: Table):
    bob = await table.enter("bob")
    await bob.create_group(Group("hikers", "Hikers", type="private"))
    await bob.create_group(Group("runners", "Runners", type="public"))
    await bob.aclose()
    async with table.chat() as screen:
        await screen.press("ctrl+k")
        await screen.type("runners")
        await screen.until("#Runners  group")
        await screen.press("enter")
        await screen.until("#Runners cannot be opened.", "Join the group first")


async def test_search_shows_an_old_message_and_selects_it(table: Table):
    await talk(table, "the treasure is under the oak", *(f"message {n}" for n in range(70)))
    async with table.chat() as screen:
        await screen.until("message 69")
        await screen.press("ctrl+f")
        await screen.until("Search in Bob")
        await screen.type("treasure")
        await screen.until("Bob: the treasure")
        await screen.press("enter")
        history = screen.app.screen.main.history

        def is_selected() -> bool:
            item = history.selected_item()
            return item is not None and item.message.text == "the treasure is under the oak"

        await screen.until("the treasure is under the oak", "message 0", gone="Search in", holds=is_selected)


async def test_file_is_sent_by_its_completed_path(table: Table, tmp_path):
    await talk(table, "send it")
    (tmp_path / "report of may.txt").write_text("x" * 2048)
    async with table.chat() as screen:
        await screen.until("send it")
        await screen.press("ctrl+o")
        await screen.until("Send a file to Bob")
        await screen.type(f"{tmp_path}/rep")
        await screen.until("report of may.txt")
        await screen.press("tab")
        await screen.until("of may.txt")
        await screen.press("enter")
        await screen.until("▤ report of may.txt  2.0 KB", gone="Send a file")


async def test_sending_a_file_that_does_not_exist_is_refused_with_the_reason(table: Table):
    await talk(table, "send it")
    async with table.chat() as screen:
        await screen.until("send it")
        await screen.press("ctrl+o")
        await screen.type("/nowhere/x.txt")
        await screen.press("enter")
        await screen.until("Not sent. /nowhere/x.txt: No such file or directory.", "another file.")


async def test_f2_explains_the_connection_and_d_writes_a_dump(table: Table, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    await talk(table, "hello")
    async with table.chat() as screen:
        await screen.until("hello")
        await screen.press("f2")
        await screen.until("Connection", "● connected", "tailwire replay")
        await screen.press("d")
        await screen.until("Written:", holds=lambda: bool(list(tmp_path.glob("tailwire-connection-*.json"))))
        await screen.press("escape")
        await screen.until(gone="tailwire replay")


async def test_dump_is_made_in_the_event_loop_in_which_the_connection_records_events(table: Table, monkeypatch):
    await talk(table, "hello")
    threads: list[threading.Thread] = []
    monkeypatch.setattr(Connection, "dump", lambda connection, file: threads.append(threading.current_thread()))
    async with table.chat() as screen:
        await screen.until("hello")
        await screen.press("f2")
        await screen.until("tailwire replay")
        await screen.press("d")
        await screen.until("Written:")
    assert threads == [threading.current_thread()]


async def test_banner_explains_a_lost_connection_counts_down_and_disappears(table: Table):
    await talk(table, "hello")
    async with table.chat() as screen:
        await screen.until("hello", "● Alice")
        assert not screen.app.screen.query_one("#banner").display
        table.server.stop()
        texts: set[str] = set()

        def counted() -> bool:
            banner = screen.app.screen.query_one("#banner")
            if banner.display:
                texts.add(str(banner.content))
            counts = len(texts) - len({re.sub(r"\d+", "", one) for one in texts})
            return counts > 0 and str(banner.content) == screen.app.chat.connection.explain()

        await screen.until("○ Alice", holds=counted)
        table.server.start()
        await screen.until("● Alice", holds=lambda: not screen.app.screen.query_one("#banner").display)


async def test_f1_shows_the_keys(table: Table):
    async with table.chat() as screen:
        await screen.press("f1")
        await screen.until("Keys", "ctrl+k", "On a selected message")


async def test_older_messages_are_loaded_by_scrolling_up_and_new_ones_do_not_move_the_view(table: Table):
    await talk(table, *(f"message number {n}." for n in range(120)))
    bob = await table.enter("bob")
    async with table.chat() as screen:
        await screen.until("number 119.")
        for _ in range(5):
            await screen.press("pageup")
        await screen.until("number 30.")
        history = screen.app.screen.main.history
        before = history.text()
        await bob.send_message(TextMessage(receiver="alice", text="a new one"))
        await screen.until(holds=lambda: history.items[-1].message.text == "a new one")
        assert history.text() == before
    await bob.aclose()
