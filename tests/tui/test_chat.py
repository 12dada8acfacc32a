"""The terminal chat on a real server: what a user sees and what others receive."""

from __future__ import annotations

import re

import pytest

from tailwire import Group, TextMessage
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
    async with table.chat() as shown:
        await shown.until("hello Alice", "Bob")
        async with await bob.live_messages(uid="alice") as live:
            await shown.type("good morning")
            await shown.press("enter")
            await shown.until("good morning", holds=lambda: live.items[-1].message.text == "good morning")
            received = [item.message.text for item in live.items]
    await bob.aclose()
    assert received == ["hello Alice", "good morning"]


async def test_enter_before_a_conversation_is_open_keeps_the_text_and_says_what_to_do(table: Table):
    async with table.chat() as shown:
        await shown.until("No conversation yet")
        await shown.type("good morning")
        await shown.press("enter")
        await shown.until("Not sent: no conversation is open yet.", "good morning")


async def test_message_of_another_user_appears_and_is_marked_as_read(table: Table):
    await talk(table, "first")
    bob = await table.enter("bob")
    async with table.chat() as shown:
        await shown.until("first")
        async with await bob.live_messages(uid="alice") as live:
            await bob.send_message(TextMessage(receiver="alice", text="second"))
            await shown.until("second", holds=lambda: bool(live.items[-1].message.read_at))
    await bob.aclose()


async def test_typing_of_another_user_is_shown(table: Table):
    await talk(table, "first")
    bob = await table.enter("bob")
    async with table.chat() as shown:
        await shown.until("first")
        await bob.start_typing("alice")
        await shown.until("Bob is typing …")
        await bob.end_typing("alice")
        await shown.until(gone="is typing …")
    await bob.aclose()


async def test_unread_messages_are_counted_and_alt_a_opens_their_conversation(table: Table):
    await talk(table, "from Bob")
    carol = await table.enter("carol")
    await carol.send_message(TextMessage(receiver="alice", text="from Carol"))
    async with table.chat() as shown:
        await shown.until("○ Bob", "● Carol", "from Carol")
        await shown.press("alt+2")
        await shown.until(holds=lambda: shown.app.screen.main.place.id == "bob")
        await carol.send_message(TextMessage(receiver="alice", text="are you there?"))
        await carol.send_message(TextMessage(receiver="alice", text="hello?"))
        await shown.until("Carol                   2")
        await shown.press("alt+a")
        await shown.until("are you there?", holds=lambda: shown.app.screen.main.place.id == "carol")
    await carol.aclose()


async def test_arrow_up_in_the_empty_field_edits_the_last_message(table: Table):
    await talk(table, "hello")
    async with table.chat() as shown:
        await shown.until("hello")
        await shown.type("a tipo")
        await shown.press("enter")
        await shown.until("a tipo", "✓")
        await shown.press("up")
        await shown.until("Editing")
        await shown.press(*["backspace"] * 4)
        await shown.type("typo")
        await shown.press("enter")
        await shown.until("a typo", "(edited)", gone="Editing")


async def test_selected_message_is_answered_with_a_quote(table: Table):
    await talk(table, "shall we?")
    async with table.chat() as shown:
        await shown.until("shall we?")
        await shown.press("escape", "r")
        await shown.until("Reply to Bob")
        await shown.type("yes")
        await shown.press("enter")
        await shown.until("┃ Bob: shall we?", "yes", gone="Reply to Bob")


async def test_reaction_is_added_and_removed(table: Table):
    await talk(table, "it works")
    async with table.chat() as shown:
        await shown.until("it works")
        await shown.press("escape", "plus")
        await shown.until("thumbs up")
        await shown.type("heart")
        await shown.press("enter")
        await shown.until("❤ 1")
        await shown.press("plus")
        await shown.until("thumbs up")
        await shown.type("heart")
        await shown.press("enter")
        await shown.until(gone="❤ 1")


async def test_own_message_is_deleted_after_confirmation(table: Table):
    await talk(table, "hello")
    async with table.chat() as shown:
        await shown.until("hello")
        await shown.type("a mistake")
        await shown.press("enter")
        await shown.until("a mistake", "✓")
        await shown.press("escape", "d")
        await shown.until("Delete the message?")
        await shown.press("enter")
        await shown.until("message deleted", gone="a mistake")


async def test_deleting_a_message_of_another_user_is_refused_with_a_notice(table: Table):
    await talk(table, "mine, says Bob")
    async with table.chat() as shown:
        await shown.until("mine, says Bob")
        await shown.press("escape", "d")
        await shown.until("Delete the message?")
        await shown.press("enter")
        await shown.until("Not deleted.")
        assert "mine, says Bob" in shown.text


async def test_replies_in_a_thread_appear_on_the_right(table: Table):
    (parent,) = await talk(table, "the plan")
    bob = await table.enter("bob")
    async with table.chat(size=(140, 30)) as shown:
        await shown.until("the plan")
        await shown.press("escape", "t")
        await shown.until("Thread in Bob")
        await shown.type("I agree")
        await shown.press("enter")
        await shown.until("I agree", "↳ 1 reply")
        await bob.send_message(TextMessage(receiver="alice", text="so do I", parent_message_id=parent.id))
        await shown.until("so do I", "↳ 2 replies")
        await shown.press("escape", "escape")
        await shown.until(gone="Thread in Bob")
    await bob.aclose()


async def test_thread_with_a_new_reply_is_marked_until_it_is_opened(table: Table):
    parents = await talk(table, "the plan", "the weather")
    bob = await table.enter("bob")
    async with table.chat(size=(140, 30)) as shown:
        await shown.until("the weather")
        await bob.send_message(TextMessage(receiver="alice", text="a reply", parent_message_id=parents[0].id))
        await shown.until("↳ 1 reply (new)")
        await bob.send_message(TextMessage(receiver="alice", text="the news"))
        await shown.until("the news", "↳ 1 reply (new)")  # reading the conversation does not mark the thread as read
        await shown.press("escape", "up", "up", "t")
        await shown.until("a reply", "↳ 1 reply", gone="(new)")
        await bob.send_message(TextMessage(receiver="alice", text="another reply", parent_message_id=parents[0].id))
        await shown.until("another reply", "↳ 2 replies", gone="(new)")
        await shown.press("escape", "escape")
        await bob.send_message(TextMessage(receiver="alice", text="sunny", parent_message_id=parents[1].id))
        await shown.until("↳ 2 replies", "↳ 1 reply (new)", gone="Thread in Bob")
        assert "↳ 2 replies (new)" not in shown.text
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
    async with table.chat(size=(140, 30)) as shown:
        await shown.until("the plan", "↳ 1 reply (new)", "the end")
        assert shown.text.count("↳ 1 reply") == 2
        assert shown.text.count("(new)") == 1
        await shown.press("escape", *["up"] * 4, "t")  # past two lines about members
        await shown.until("new to her", gone="(new)")


async def test_ctrl_k_finds_users_and_groups_without_a_conversation(table: Table):
    bob = await table.enter("bob")
    await bob.create_group(Group("hikers", "Hikers", type="public"))
    await bob.aclose()
    async with table.chat() as shown:
        await shown.until("No conversation yet")
        await shown.press("ctrl+k")
        await shown.until("Jump to")
        await shown.type("carol")
        await shown.until("Carol  user")
        await shown.press("enter")
        await shown.until(gone="Jump to", holds=lambda: "Carol" in shown.text.splitlines()[0])
        await shown.press("ctrl+k")
        await shown.type("hik")
        await shown.until("#Hikers  group")


async def test_group_without_membership_cannot_be_opened_and_the_screen_says_what_to_do(table: Table):
    bob = await table.enter("bob")
    await bob.create_group(Group("hikers", "Hikers", type="private"))
    await bob.create_group(Group("runners", "Runners", type="public"))
    await bob.aclose()
    async with table.chat() as shown:
        await shown.press("ctrl+k")
        await shown.type("runners")
        await shown.until("#Runners  group")
        await shown.press("enter")
        await shown.until("#Runners cannot be opened.", "Join the group first")


async def test_search_shows_an_old_message_and_selects_it(table: Table):
    await talk(table, "the treasure is under the oak", *(f"message {n}" for n in range(70)))
    async with table.chat() as shown:
        await shown.until("message 69")
        await shown.press("ctrl+f")
        await shown.until("Search in Bob")
        await shown.type("treasure")
        await shown.until("Bob: the treasure")
        await shown.press("enter")
        await shown.until("the treasure is under the oak", "message 0", gone="Search in")


async def test_file_is_sent_by_its_completed_path(table: Table, tmp_path):
    await talk(table, "send it")
    (tmp_path / "report of may.txt").write_text("x" * 2048)
    async with table.chat() as shown:
        await shown.until("send it")
        await shown.press("ctrl+o")
        await shown.until("Send a file to Bob")
        await shown.type(f"{tmp_path}/rep")
        await shown.until("report of may.txt")
        await shown.press("tab")
        await shown.until("of may.txt")
        await shown.press("enter")
        await shown.until("▤ report of may.txt  2.0 KB", gone="Send a file")


async def test_file_that_does_not_exist_is_explained(table: Table):
    await talk(table, "send it")
    async with table.chat() as shown:
        await shown.until("send it")
        await shown.press("ctrl+o")
        await shown.type("/nowhere/x.txt")
        await shown.press("enter")
        await shown.until("Not sent. /nowhere/x.txt: No such file or directory.", "another file.")


async def test_f2_explains_the_connection_and_d_writes_a_dump(table: Table, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    await talk(table, "hello")
    async with table.chat() as shown:
        await shown.until("hello")
        await shown.press("f2")
        await shown.until("Connection", "● connected", "tailwire replay")
        await shown.press("d")
        await shown.until("Written:", holds=lambda: bool(list(tmp_path.glob("tailwire-connection-*.json"))))
        await shown.press("escape")
        await shown.until(gone="tailwire replay")


async def test_banner_explains_a_lost_connection_counts_down_and_disappears(table: Table):
    await talk(table, "hello")
    async with table.chat() as shown:
        await shown.until("hello", "● Alice")
        assert not shown.app.screen.query_one("#banner").display
        table.server.stop()
        said: set[str] = set()

        def counted() -> bool:
            banner = shown.app.screen.query_one("#banner")
            if banner.display:
                said.add(str(banner.content))
            counts = len(said) - len({re.sub(r"\d+", "", one) for one in said})
            return counts > 0 and str(banner.content) == shown.app.chat.connection.explain()

        await shown.until("○ Alice", holds=counted)
        table.server.start()
        await shown.until("● Alice", holds=lambda: not shown.app.screen.query_one("#banner").display)


async def test_f1_shows_the_keys(table: Table):
    async with table.chat() as shown:
        await shown.press("f1")
        await shown.until("Keys", "ctrl+k", "On a selected message")


async def test_older_messages_are_loaded_by_scrolling_up_and_new_ones_do_not_move_the_view(table: Table):
    await talk(table, *(f"message number {n}." for n in range(120)))
    bob = await table.enter("bob")
    async with table.chat() as shown:
        await shown.until("number 119.")
        for _ in range(5):
            await shown.press("pageup")
        await shown.until("number 30.")
        history = shown.app.screen.main.history
        before = history.text()
        await bob.send_message(TextMessage(receiver="alice", text="a new one"))
        await shown.until(holds=lambda: history.items[-1].message.text == "a new one")
        assert history.text() == before
    await bob.aclose()
