"""The web chat after losses: a lost frame, too many missed messages, a restored backup; and a cancelled upload."""

from __future__ import annotations

import shutil

import pytest

from chromium.browser import Browser, Page
from chromium.chat_stage import CONNECTED, LOG, WORDS, chat_stage, choose, press, write

pytestmark = [pytest.mark.gui, pytest.mark.timeout(240)]

IDS = "[...document.querySelectorAll('#messages [data-id]')].map((e) => Number(e.dataset.id))"
LAST = "[...document.querySelectorAll('.entries .entry-last')].map((e) => e.innerText)"
# Loses frames with a text before the page receives them.
LOSSY = """
const Real = window.WebSocket;
window.lost = 0;
window.WebSocket = class extends Real {
  constructor(url) {
    super(url);
    this.addEventListener("message", (event) => {
      if (!window.losing || !event.data.includes(window.losing)) return;
      window.lost += 1;
      event.stopImmediatePropagation();
    });
  }
};
"""

# While `window.holding`, the page waits without end before it reads what a frame named as missing (HOLE_MS).
HELD_TIMER = """
const real = window.setTimeout;
window.setTimeout = (task, delay, ...more) => real(task, delay === 500 && window.holding ? 1e9 : delay, ...more);
"""


async def attach_large(tab: Page, size: int) -> None:
    """Choose a large file to send."""
    await tab.run(
        """
        const files = new DataTransfer();
        files.items.add(new File([new Uint8Array(size)], "large.bin", { type: "application/zip" }));
        const picker = document.querySelector('.conversation input[type=file]');
        picker.files = files.files;
        picker.dispatchEvent(new Event('change'));""",
        size=size,
    )


async def test_cancelled_upload_is_not_sent_but_the_message_after_it_is(chromium: Browser, tmp_path):
    async with chat_stage(chromium, tmp_path) as stage:
        alice, bob = await stage.open("alice", "Bob"), await stage.open("bob", "Alice")
        await alice.do("slow", latency=0)  # 500 kB in a second
        await attach_large(alice, 20_000_000)
        await alice.wait_for("document.querySelector('.is-pending progress')?.value > 0")
        await write(alice, "written meanwhile")
        await alice.wait_for("document.querySelectorAll('.is-pending').length === 2")
        assert await bob.evaluate(WORDS) == []
        await press(alice, "Cancel")
        for tab in (alice, bob):
            await tab.wait_for(f"JSON.stringify({WORDS}) === '[\"written meanwhile\"]'")
        assert await alice.evaluate("document.querySelector('.is-pending')") is None
        stored = await stage.ask("GET", "/users/bob/messages", behalf="alice")
        assert [one["type"] for one in stored] == ["text"]


async def test_message_whose_frame_was_lost_is_read_when_the_next_one_names_it(chromium: Browser, tmp_path):
    async with chat_stage(chromium, tmp_path) as stage:
        tab = await stage.open("alice", "Bob", before=LOSSY)
        await stage.say("bob", "alice", "first")
        await tab.wait_for(f"{WORDS}.length === 1")
        await tab.run("window.losing = 'nobody hears'")
        await stage.say("bob", "alice", "nobody hears this")
        await stage.say("carol", "alice", "nobody hears that")
        await tab.wait_for("window.lost === 2")
        assert await tab.evaluate(WORDS) == ["first"]
        await stage.say("bob", "alice", "but this")
        await tab.wait_for(f"JSON.stringify({WORDS}) === JSON.stringify(['first', 'nobody hears this', 'but this'])")
        await tab.wait_for(f"JSON.stringify({LAST}) === JSON.stringify(['but this', 'nobody hears that'])")
        # It stays connected, and the stream goes on.
        await stage.say("bob", "alice", "and this")
        await tab.wait_for(f"{WORDS}.at(-1) === 'and this'")
        connections = await stage.ask("GET", "/connections?uid=alice")
        assert len(connections) == 1


async def test_lost_frames_are_noticed_again_after_the_connection_ended_before_a_lost_one_was_read(
    chromium: Browser, tmp_path
):
    async with chat_stage(chromium, tmp_path) as stage:
        tab = await stage.open("alice", "Bob", before=LOSSY + HELD_TIMER)
        await stage.say("bob", "alice", "first")
        await tab.wait_for(f"{WORDS}.length === 1")
        await tab.run("window.losing = 'nobody hears'; window.holding = true")
        await stage.say("bob", "alice", "nobody hears this")
        await stage.say("bob", "alice", "second")
        await tab.wait_for(f"JSON.stringify({WORDS}) === JSON.stringify(['first', 'second'])")
        await tab.set_visible(False)
        await tab.wait_for(f"!({CONNECTED})")
        await tab.run("window.holding = false")
        await tab.set_visible(True)
        await tab.wait_for(f"{CONNECTED} && {WORDS}.length === 3")
        await stage.say("bob", "alice", "nobody hears that")
        await stage.say("bob", "alice", "third")
        shown = ["first", "nobody hears this", "second", "nobody hears that", "third"]
        await tab.wait_for(f"JSON.stringify({WORDS}) === JSON.stringify(shown)", shown=shown)


async def test_more_than_a_thousand_missed_messages_leave_no_gap_in_the_history(chromium: Browser, tmp_path):
    async with chat_stage(chromium, tmp_path) as stage:
        await stage.say("bob", "alice", "before")
        await stage.say("carol", "alice", "from Carol")
        tab = await stage.open("alice", "Bob")
        await tab.wait_for(f"{WORDS}.length === 1")
        await tab.set_visible(False)
        await stage.fill("bob", "alice", 1_300)
        await tab.run("window.before = performance.getEntriesByType('resource').length")
        await tab.set_visible(True)
        await tab.wait_for(f"{CONNECTED} && {WORDS}.at(-1) === 'line 1299'", deadline=30)
        used_paths = """performance.getEntriesByType('resource').slice(window.before).map((one) => new URL(one.name))
          .filter((one) => one.pathname === '/v3/messages').length"""
        assert await tab.evaluate(used_paths) <= 12  # a thousand in pages of a hundred, and not all
        visible_ids = await tab.evaluate(IDS)
        # Further back page by page, from what is shown now to what was shown before.
        while await tab.evaluate(f"!{WORDS}.includes('before')"):
            first = visible_ids[0]
            await tab.run(f"{LOG}.scrollTop = 400")
            await press(tab, "Older messages")
            await tab.wait_for(f"{IDS}[0] < first", first=first)
            visible_ids = [*(one for one in await tab.evaluate(IDS) if one < first), *visible_ids]
        assert visible_ids == [1, *range(3, 1_303)]
        await stage.say("bob", "alice", "live")
        await press(tab, "To the newest messages")
        await tab.wait_for(f"{WORDS}.at(-1) === 'live'")


@pytest.mark.parametrize("copied", ["the folder", "the database"])
async def test_messages_missing_in_a_restored_backup_disappear_and_the_chat_continues(
    chromium: Browser, tmp_path, copied: str
):
    async with chat_stage(chromium, tmp_path) as stage:
        server, copy = stage.server, tmp_path / "copy"
        tab = await stage.open("alice", "Bob")
        await stage.say("bob", "alice", "kept")
        await stage.say("carol", "alice", "also kept")
        await tab.wait_for(f"{LAST}.length === 2")
        await server.stop()
        shutil.copytree(server.data, copy)
        await server.start()
        await tab.wait_for(CONNECTED, deadline=40)
        for n in range(3):
            await stage.say("bob", "alice", f"lost {n}")
        await stage.say("carol", "alice", "also lost")
        await tab.wait_for(f"{WORDS}.length === 4 && {LAST}.includes('also lost')")

        await server.kill()
        if copied == "the folder":
            shutil.rmtree(server.data)
            shutil.copytree(copy, server.data)
        else:
            for file in server.data.glob("tailwire.db*"):
                file.unlink()
            for file in copy.glob("tailwire.db*"):
                shutil.copy2(file, server.data)
        await server.start()
        await tab.wait_for(CONNECTED, deadline=40)
        await tab.wait_for(f"JSON.stringify({WORDS}) === '[\"kept\"]'")
        await tab.wait_for(f"JSON.stringify({LAST}.toSorted()) === JSON.stringify(['also kept', 'kept'])")
        # New messages with the ids of lost ones are shown and listed, and can be answered.
        await stage.say("bob", "alice", "new")
        await tab.wait_for(f"JSON.stringify({WORDS}) === JSON.stringify(['kept', 'new'])")
        await write(tab, "an answer")
        await tab.wait_for(f"JSON.stringify({WORDS}) === JSON.stringify(['kept', 'new', 'an answer'])")
        await stage.say("carol", "alice", "new from Carol")
        await tab.wait_for(f"{LAST}[0] === 'new from Carol'")
        await choose(tab, "Carol")
        await tab.wait_for(f"JSON.stringify({WORDS}) === JSON.stringify(['also kept', 'new from Carol'])")
