"""What users do in the web chat besides writing: reactions, threads, edits, files, drafts; receipts, typing, presence."""

from __future__ import annotations

import asyncio
import json
import struct
import zlib

import pytest

from chromium.browser import Browser, Page
from chromium.chat_stage import WORDS, ChatStage, chat_stage, choose, press, write
from chromium.page_stage import until
from tailwire import TransientMessage

pytestmark = [pytest.mark.gui, pytest.mark.timeout(240)]

ACTIONS = "document.querySelector('#messages .menu')"
THREAD = "document.querySelector('.thread')"
AT_END = "((log) => log.scrollHeight - log.scrollTop - log.clientHeight < 40)(document.querySelector('#messages'))"
REACHED = "document.querySelector('#messages .reached')?.dataset.reached"
THREAD_WORDS = "[...document.querySelectorAll('.thread .log .message:not(.is-pending) .words')].map((e) => e.innerText)"


def png(width: int, height: int) -> bytes:
    """Return a picture in one colour."""

    def part(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" + b"\x1d\x5f\xd0" * width) * height
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", head) + part(b"IDAT", zlib.compress(rows)) + part(b"IEND", b"")


async def open_menu(tab, text: str) -> None:
    """Open the actions of the message with a text."""
    find = "[...document.querySelectorAll('#messages .message')].find((m) => m.querySelector('.words')?.innerText === text)"
    await tab.wait_for(find, text=text)
    await tab.run(f"{find}.querySelector('.dots').click()", text=text)
    await tab.wait_for(ACTIONS)


async def test_messages_are_edited_and_deleted_for_sender_and_receiver(chromium: Browser, tmp_path):
    async with chat_stage(chromium, tmp_path) as stage:
        alice, bob = await stage.open("alice", "Bob"), await stage.open("bob", "Alice")
        await write(alice, "a mistake")
        await write(alice, "to be removed")
        await bob.wait_for(f"{WORDS}.length === 2")
        await open_menu(alice, "a mistake")
        await press(alice, "Edit")
        await alice.run("document.querySelector('.edit textarea').select()")
        await alice.do("type", selector=".edit textarea", text="corrected")
        await alice.do("press", key="Enter")
        for tab in (alice, bob):
            await tab.wait_for(f"{WORDS}[0] === 'corrected'")
            await tab.wait_for("document.querySelector('#messages .message').innerText.includes('edited')")
        await open_menu(alice, "to be removed")
        await press(alice, "Delete")
        await press(alice, "Delete", "document.querySelector('dialog')")
        for tab in (alice, bob):
            await tab.wait_for(f"{WORDS}.length === 1")
            await tab.wait_for("document.querySelector('#messages').innerText.includes('This message was deleted.')")
            await tab.wait_for("document.querySelector('.entry-last').innerText.includes('This message was deleted.')")
        assert await bob.evaluate(f"{ACTIONS} === null")
        await bob.do("reload")
        await bob.wait_for("document.querySelector('.entry-last')")
        assert await bob.evaluate("document.querySelector('.entry-last').innerText") == "No message to show"


async def test_edit_and_deletion_by_the_app_are_shown_to_both_users(chromium: Browser, tmp_path):
    async with chat_stage(chromium, tmp_path) as stage:
        edited, deleted = [(await stage.say("bob", "alice", text))["id"] for text in ("first", "second")]
        tabs = [await stage.open("alice", "Bob"), await stage.open("bob", "Alice")]
        for tab in tabs:
            await tab.wait_for(f"{WORDS}.length === 2")
        await stage.ask("PUT", f"/messages/{edited}", {"data": {"text": "corrected"}})
        await stage.ask("DELETE", f"/messages/{deleted}")
        for tab in tabs:
            await tab.wait_for(f"{WORDS}.length === 1 && {WORDS}[0] === 'corrected'")
            await tab.wait_for("document.querySelector('.entry-last').innerText.includes('This message was deleted.')")


async def test_reactions_are_added_and_removed_live(chromium: Browser, tmp_path):
    async with chat_stage(chromium, tmp_path) as stage:
        alice, bob = await stage.open("alice", "Bob"), await stage.open("bob", "Alice")
        await write(alice, "react to this")
        await open_menu(bob, "react to this")
        await press(bob, "React with 🎉")
        chip = "document.querySelector('#messages .reactions button')"
        for tab, mine in ((alice, "false"), (bob, "true")):
            await tab.wait_for(f"{chip}?.innerText.includes('1')")
            assert await tab.evaluate(f"{chip}.getAttribute('aria-pressed')") == mine
        await alice.run(f"{chip}.click()")
        for tab in (alice, bob):
            await tab.wait_for(f"{chip}?.innerText.includes('2')")
        await bob.run(f"{chip}.click()")
        await alice.wait_for(f"{chip}?.innerText.includes('1')")
        await alice.run(f"{chip}.click()")
        for tab in (alice, bob):
            await tab.wait_for(f"!{chip}")


async def test_missed_reaction_edit_and_receipt_are_caught_up(chromium: Browser, tmp_path):
    async with chat_stage(chromium, tmp_path) as stage:
        message = await stage.say("bob", "alice", "first")
        own = await stage.say("alice", "bob", "mine")
        tab = await stage.open("alice", "Bob")
        await tab.wait_for(f"{WORDS}.length === 2")
        await tab.set_visible(False)
        await stage.ask("POST", f"/messages/{message['id']}/reactions/👍", behalf="bob")
        await stage.ask("PUT", f"/messages/{message['id']}", {"data": {"text": "second"}}, behalf="bob")
        await stage.ask("POST", "/users/alice/conversation/read", behalf="bob")
        await tab.set_visible(True)
        await tab.wait_for(f"{WORDS}[0] === 'second'")
        await tab.wait_for("document.querySelector('#messages .reactions')?.innerText.includes('👍')")
        await tab.wait_for(f"{REACHED} === 'read'")
        assert await tab.evaluate("document.querySelector('#messages .is-mine').dataset.id") == own["id"]


async def test_thread_is_opened_answered_and_counted(chromium: Browser, tmp_path):
    async with chat_stage(chromium, tmp_path) as stage:
        alice, bob = await stage.open("alice", "Bob"), await stage.open("bob", "Alice")
        await write(alice, "where shall we meet?")
        await open_menu(bob, "where shall we meet?")
        await press(bob, "Reply in a thread")
        await write(bob, "at the harbour", ".thread")
        await alice.wait_for("document.querySelector('.replies')?.innerText === '1 reply'")
        assert await alice.evaluate(WORDS) == ["where shall we meet?"]
        await press(alice, "1 reply")
        await alice.wait_for(f"JSON.stringify({THREAD_WORDS}) === '[\"at the harbour\"]'")
        await write(alice, "good", ".thread")
        await bob.wait_for(f"{THREAD_WORDS}.length === 2")
        assert await bob.evaluate(WORDS) == ["where shall we meet?"]
        await bob.do("press", key="Escape")
        await bob.wait_for(f"!{THREAD}")
        await bob.wait_for("document.querySelector('.replies')?.innerText === '2 replies'")


async def test_receipts_show_what_the_other_user_has_received_and_read(chromium: Browser, tmp_path):
    async with chat_stage(chromium, tmp_path) as stage:
        alice = await stage.open("alice", "Bob")
        await write(alice, "have you seen this?")
        await alice.wait_for(f"{REACHED} === 'sent'")
        bob = await stage.open("bob")
        await alice.wait_for(f"{REACHED} === 'delivered'")
        await choose(bob, "Alice")
        await alice.wait_for(f"{REACHED} === 'read'")


async def test_own_message_is_not_marked_as_read_by_reading_a_later_one_of_the_other_user(chromium: Browser, tmp_path):
    async with chat_stage(chromium, tmp_path) as stage:
        await stage.say("alice", "bob", "a question")
        await stage.say("bob", "alice", "sent before the question was read")
        await stage.ask("POST", "/users/bob/conversation/read", behalf="alice")
        tab = await stage.open("alice", "Bob")
        await tab.wait_for(f"{WORDS}.length === 2")
        assert await tab.evaluate(REACHED) == "sent"


async def test_typing_and_presence_are_shown(chromium: Browser, tmp_path):
    async with chat_stage(chromium, tmp_path) as stage:
        await stage.say("bob", "alice", "hello")
        alice = await stage.open("alice", "Bob")
        head = "document.querySelector('.head .who').innerText"
        await alice.wait_for(f"{head}.includes('offline')")
        bob = await stage.open("bob", "Alice")
        await alice.wait_for(f"{head}.includes('online')")
        await bob.do("type", selector="textarea", text="I am")
        await alice.wait_for("document.querySelector('.typing').innerText === 'Bob is typing …'")
        await write(bob, " here")
        await alice.wait_for("document.querySelector('.typing').innerText === ''")
        await alice.wait_for(f"{WORDS}.at(-1) === 'I am here'")


async def test_draft_grows_and_becomes_a_message_and_its_writer_can_be_asked_to_stop(chromium: Browser, tmp_path):
    async with chat_stage(chromium, tmp_path) as stage, stage.client("bob") as bob:
        tab = await stage.open("alice", "Bob")
        draft = "document.querySelector('.is-draft .words')?.innerText"
        for seq, text in enumerate(("The answer", "The answer is", "The answer is 42")):
            await bob.send_transient_message(
                TransientMessage("alice", "user", {"draft": "d1", "seq": seq, "text": text})
            )
            await tab.wait_for(f"{draft} === text", text=text)
        events = bob.events()
        await press(tab, "Stop")
        async with asyncio.timeout(10):
            async for event in events:
                if (message := getattr(event, "message", None)) and getattr(message, "data", None) == {"stop": "d1"}:
                    break
        body = {"receiver": "alice", "receiverType": "user", "category": "message", "type": "text"}
        data = {"text": "The answer is 42.", "metadata": {"draft": "d1"}}
        await stage.ask("POST", "/messages", {**body, "data": data}, behalf="bob")
        await tab.wait_for(f"{WORDS}.at(-1) === 'The answer is 42.'")
        assert await tab.evaluate("document.querySelector('.is-draft')") is None


async def test_files_are_sent_with_progress_and_shown_safely(chromium: Browser, tmp_path):
    async with chat_stage(chromium, tmp_path) as stage:
        alice, bob = await stage.open("alice", "Bob"), await stage.open("bob", "Alice")
        picture, page = tmp_path / "harbour.png", tmp_path / "page.html"
        picture.write_bytes(png(640, 400))
        page.write_text("<script>heard('ran')</script>")
        await alice.run("""new MutationObserver(() => {
            const bar = document.querySelector('.is-pending progress');
            if (bar) heard('progress', bar.value);
        }).observe(document.body, { subtree: true, childList: true, attributes: true });""")
        for file in (picture, page):
            await attach(alice, file)
        for tab in (alice, bob):
            await tab.wait_for("document.querySelector('#messages .picture img')?.naturalWidth > 0")
            await tab.wait_for("document.querySelector('#messages .file a')?.innerText.includes('page.html')")
        assert max(alice.all("progress")) > 0
        link = await bob.evaluate("document.querySelector('#messages .file a').href")
        answer = await stage.rest.get(link)
        assert answer.headers["content-disposition"].startswith("attachment")
        assert answer.headers["content-type"] == "application/octet-stream"
        assert bob.all("ran") == []


async def attach(tab, file) -> None:
    """Choose a file to send."""
    name, data = file.name, list(file.read_bytes())
    kind = "image/png" if name.endswith("png") else "text/html"
    await tab.run(
        """
        const files = new DataTransfer();
        files.items.add(new File([new Uint8Array(data)], name, { type: kind }));
        const picker = document.querySelector('.conversation input[type=file]');
        picker.files = files.files;
        picker.dispatchEvent(new Event('change'));""",
        name=name,
        data=data,
        kind=kind,
    )


async def find(tab: Page, word: str) -> None:
    """Search in the open conversation, and click what is found."""
    await press(tab, "Search")
    await tab.do("type", selector="dialog input", text=word)
    found = "document.querySelector('dialog .found .entry')"
    await tab.wait_for(f"{found}?.innerText.includes(word)", word=word)
    await tab.run(f"{found}.click()")


async def test_message_is_found_and_shown_in_its_place(chromium: Browser, tmp_path):
    async with chat_stage(chromium, tmp_path) as stage:
        await stage.say("bob", "alice", "the keys of the depot")
        await stage.fill("bob", "alice", 120)
        tab = await stage.open("alice", "Bob")
        await find(tab, "depot")
        await tab.wait_for(f"{WORDS}[0] === 'the keys of the depot'")
        await tab.wait_for("document.activeElement.innerText?.includes('the keys of the depot')")


async def test_reply_that_is_found_shows_its_parent_and_the_log_follows_its_end_again(chromium: Browser, tmp_path):
    async with chat_stage(chromium, tmp_path) as stage:
        parent = await stage.say("bob", "alice", "which platform?")
        await stage.say("alice", "bob", "seven", parentId=parent["id"])
        await stage.fill("bob", "alice", 100)
        tab = await stage.open("alice", "Bob")
        await find(tab, "seven")
        await tab.wait_for("document.activeElement.innerText?.includes('which platform?')")
        await press(tab, "To the newest messages")
        await tab.wait_for(f"{WORDS}.at(-1) === 'line 99' && {AT_END}")
        await stage.say("bob", "alice", "a message of many lines\n" * 30)
        await tab.wait_for(f"{WORDS}.length > 50 && {WORDS}.at(-1).startsWith('a message') && {AT_END}")


async def test_message_that_is_found_in_a_conversation_that_was_left_moves_nothing(chromium: Browser, tmp_path):
    async with chat_stage(chromium, tmp_path) as stage:
        await stage.say("bob", "alice", "the keys of the depot")
        await stage.fill("bob", "alice", 100)
        await stage.fill("carol", "alice", 100)
        tab = await stage.open("alice", "Bob")
        await tab.run("""
            const real = window.fetch;
            window.fetch = async (path, options) => {
              const answer = await real(path, options);
              if (/affix=append/.test(path) && /users/.test(path)) await new Promise((go) => { window.letGo = go; });
              return answer;
            };""")
        await find(tab, "depot")
        await tab.wait_for("Boolean(window.letGo)")
        await choose(tab, "Carol")
        await tab.wait_for(f"{WORDS}.at(-1) === 'line 99' && {AT_END}")
        await tab.run("window.letGo()")
        await stage.say("carol", "alice", "a message of many lines\n" * 30)
        await tab.wait_for(f"{WORDS}.at(-1).startsWith('a message') && {AT_END}")


async def test_text_that_was_begun_stays_in_its_conversation_and_thread_until_it_is_sent(chromium: Browser, tmp_path):
    async with chat_stage(chromium, tmp_path) as stage:
        await stage.say("bob", "alice", "which platform?")
        await stage.say("carol", "alice", "are you there?")
        tab = await stage.open("alice", "Bob")
        field, in_thread = (
            "document.querySelector('.conversation textarea').value",
            f"{THREAD}?.querySelector('textarea').value",
        )
        await tab.do("type", selector=".conversation textarea", text="seven, I")
        await press(tab, "Actions for the message", "document.querySelector('#messages')")
        await press(tab, "Reply in a thread", ACTIONS)
        await tab.wait_for(THREAD)
        await tab.do("type", selector=".thread textarea", text="or eight")
        await choose(tab, "Carol")
        await tab.wait_for(f"{field} === ''")
        await choose(tab, "Bob")
        await tab.wait_for(f"{field} === 'seven, I'")
        await press(tab, "Actions for the message", "document.querySelector('#messages')")
        await press(tab, "Reply in a thread", ACTIONS)
        await tab.wait_for(THREAD)
        await tab.wait_for(f"{in_thread} === 'or eight'")
        await write(tab, " think")
        await tab.wait_for(f"{WORDS}.at(-1) === 'seven, I think'")
        await choose(tab, "Carol")
        await choose(tab, "Bob")
        await tab.wait_for(f"{field} === ''")


async def group_of(stage: ChatStage) -> None:
    """Create a group with all demo users."""
    await stage.ask("POST", "/groups", {"guid": "trains", "name": "Night trains", "type": "public", "owner": "alice"})
    await stage.ask("POST", "/groups/trains/members", {"participants": ["bob", "carol"]})


async def test_group_shows_the_sender_when_all_have_read_and_who_was_removed(chromium: Browser, tmp_path):
    async with chat_stage(chromium, tmp_path) as stage:
        await group_of(stage)
        alice, bob = await stage.open("alice", "Night trains"), await stage.open("bob", "Night trains")
        await write(alice, "platform 7")
        await bob.wait_for(f"{WORDS}.at(-1) === 'platform 7'")
        assert (
            await bob.evaluate(
                "[...document.querySelectorAll('#messages .message header')].at(-1).innerText.split('\\n')[0]"
            )
            == "Alice"
        )
        await alice.wait_for(f"{REACHED} === 'sent'")
        await stage.open("carol", "Night trains")
        await alice.wait_for(f"{REACHED} === 'read'")
        await stage.ask("DELETE", "/groups/trains/members/carol", behalf="alice")
        await alice.wait_for(
            "document.querySelector('#messages .note:last-of-type').innerText.includes('removed Carol')"
        )

        async def unread() -> bool:
            entry = await stage.ask("GET", "/groups/trains/conversation", behalf="bob")
            return json.loads(entry["unreadMessageCount"]) == 0

        await until(unread)
