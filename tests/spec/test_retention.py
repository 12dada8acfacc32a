"""Messages and files that are removed because of their age (settings retain_messages, retain_files; docs/server.md)."""

from __future__ import annotations

import asyncio
import logging

import pytest

from harness import CONNECTED, Stage
from rest import Rest
from tailwire import MemorySessionStore
from tailwire.sdk.continuity.state import ContinuityKind
from tailwire.sdk.listeners.events import HistoryGap
from tailwire.server.config import Settings
from tailwire.testing.server import UNLIMITED
from tailwire.testing.virtual.world import VirtualServer

DAY = 86_400
HOUR = 3600.0


@pytest.fixture(autouse=True)
def short_retention(stage: Stage, tmp_path) -> None:
    use_retention(stage, tmp_path, retain_messages=0.5)


def use_retention(stage: Stage, folder, **days: float) -> None:
    stage.server = VirtualServer(folder, Settings(data=str(folder), **UNLIMITED, **days))


async def send_texts(rest: Rest, sender: str, receiver: str, *texts: str) -> list[int]:
    """Send messages as a backend, so that no client needs to run meanwhile. Return their ids."""
    ids = []
    for text in texts:
        body = {"receiver": receiver, "receiverType": "user", "type": "text", "data": {"text": text}}
        ids.append(int((await rest("POST", "/messages", behalf=sender, json=body))["id"]))
    return ids


async def texts_in_history(rest: Rest, reader: str, **query) -> list[str]:
    listed = await rest("GET", "/messages", behalf=reader, params={"per_page": 100, **query})
    return [message["data"]["text"] for message in listed if message["category"] == "message"]


async def test_old_messages_are_removed_within_an_hour_and_young_ones_stay(stage: Stage, caplog):
    caplog.set_level(logging.INFO)
    async with Rest(stage) as rest:
        await send_texts(rest, "alice", "bob", *(f"old {n}" for n in range(250)))
        await stage.pass_time(11 * HOUR)
        await send_texts(rest, "alice", "bob", "young")
        assert len(await texts_in_history(rest, "bob", limit=100)) == 100
        await stage.pass_time(2 * HOUR)
        assert await texts_in_history(rest, "bob") == ["young"]
        assert await texts_in_history(rest, "bob", searchKey="old") == []
        (conversation,) = await rest("GET", "/conversations", behalf="bob")
        assert conversation["lastMessage"]["data"]["text"] == "young"
        assert conversation["unreadMessageCount"] == "1"
        assert "removed because of their age: messages=" in caplog.text
        await stage.pass_time(12 * HOUR)
        assert await texts_in_history(rest, "bob") == []
        (conversation,) = await rest("GET", "/conversations", behalf="bob")
        assert "lastMessage" not in conversation


async def test_nothing_is_removed_by_default(stage: Stage, tmp_path):
    await stage.server.stop()
    (tmp_path / "forever").mkdir()
    use_retention(stage, tmp_path / "forever")
    await stage.server.start()
    await stage.server.add_users(*stage.uids)
    async with Rest(stage) as rest:
        await send_texts(rest, "alice", "bob", "kept")
        await stage.pass_time(20 * HOUR)
        assert await texts_in_history(rest, "bob") == ["kept"]


async def test_client_that_missed_removed_messages_is_notified_of_a_gap(stage: Stage):
    store = MemorySessionStore()
    bob = await stage.enter("bob", store=store)
    async with Rest(stage) as rest:
        (seen,) = await send_texts(rest, "alice", "bob", "seen")
        await bob.ears.until(lambda: bob.ears.texts == ["seen"])
        await bob.chat.aclose()
        lost = await send_texts(rest, "alice", "bob", *(f"lost {n}" for n in range(40)))
        await stage.pass_time(11 * HOUR)
        kept = [f"kept {n}" for n in range(45)]
        await send_texts(rest, "alice", "bob", *kept)
        await stage.pass_time(2 * HOUR)
        bob = await stage.enter("bob", store=store)
        await bob.ears.until(lambda: bob.ears.texts == kept)
        order = [what for _, what, _ in bob.ears.heard if what in ("gap", "text")]
        assert order == ["gap", *["text"] * 45]  # reported once, before the messages that follow
        assert bob.ears.all("gap") == [HistoryGap(seen, lost[-1])]
        await stage.pass_time(5)
        await bob.chat.aclose()
        bob = await stage.enter("bob", store=store)  # and never again
        await stage.pass_time(5)
        assert bob.ears.all("gap") == []
        assert bob.ears.texts == []


async def test_gap_is_reported_even_if_no_message_is_left(stage: Stage):
    store = MemorySessionStore()
    bob = await stage.enter("bob", store=store)
    async with Rest(stage) as rest:
        (seen,) = await send_texts(rest, "alice", "bob", "seen")
        await bob.ears.until(lambda: bob.ears.texts == ["seen"])
        await bob.chat.aclose()
        lost = await send_texts(rest, "alice", "bob", "lost")
        await stage.pass_time(DAY)
        bob = await stage.enter("bob", store=store)
        await bob.ears.until(lambda: bool(bob.ears.all("gap")))
        assert bob.ears.all("gap") == [HistoryGap(seen, lost[-1])]
        await stage.pass_time(5)
        await bob.chat.aclose()
        bob = await stage.enter("bob", store=store)
        await send_texts(rest, "alice", "bob", "next")
        await bob.ears.until(lambda: bob.ears.texts == ["next"])
        assert bob.ears.all("gap") == []


async def test_connected_event_reports_the_gap_of_removed_messages(stage: Stage):
    store = MemorySessionStore()
    bob = await stage.enter("bob", store=store)
    async with Rest(stage) as rest:
        (seen,) = await send_texts(rest, "alice", "bob", "seen")
        await bob.ears.until(lambda: bob.ears.texts == ["seen"])
        await bob.chat.aclose()
        lost = await send_texts(rest, "alice", "bob", "lost")
        await stage.pass_time(DAY)
        bob = stage.actor(store=store)
        await bob.chat.init()
        seen_events = []

        async def watch() -> None:
            async for event in bob.chat.events():
                seen_events.append(event)

        watching = asyncio.create_task(watch())
        await bob.chat.login("bob", auth_key=stage.server.auth_key)
        await stage.pass_time(5)
        watching.cancel()
        found = [e.continuity for e in seen_events if getattr(e, "continuity", None) is not None]
        assert [(c.kind, c.from_id, c.to_id) for c in found] == [(ContinuityKind.GAP, seen, lost[-1])]
        assert [e for e in seen_events if isinstance(e, HistoryGap)] == [HistoryGap(seen, lost[-1])]


async def test_client_that_missed_nothing_is_not_notified_of_a_gap(stage: Stage):
    store = MemorySessionStore()
    bob = await stage.enter("bob", store=store)
    async with Rest(stage) as rest:
        await send_texts(rest, "alice", "bob", "seen")
        await bob.ears.until(lambda: bob.ears.texts == ["seen"])
        await bob.chat.aclose()
        await send_texts(rest, "alice", "carol", *(f"between others {n}" for n in range(30)))
        await stage.pass_time(DAY)
        await send_texts(rest, "alice", "carol", "young")
        bob = await stage.enter("bob", store=store)
        await stage.pass_time(5)
        assert bob.ears.all("gap") == []
        assert bob.status is CONNECTED


async def test_connected_client_receives_messages_while_old_ones_are_removed(stage: Stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    expected = []
    for n in range(30):
        expected.append((await alice.say("bob", f"{n}")).text)
        await stage.pass_time(1800)  # old ones are removed in between
    await bob.ears.until(lambda: bob.ears.texts == expected)
    assert bob.ears.all("gap") == []
    async with Rest(stage) as rest:
        left = await texts_in_history(rest, "bob")
        assert left == expected[-len(left) :]
        assert 20 <= len(left) <= 27


async def test_threads_and_reactions_of_removed_messages_are_not_found_and_replies_stay(stage: Stage):
    async with Rest(stage) as rest:
        (parent,) = await send_texts(rest, "alice", "bob", "parent")
        await rest("POST", f"/messages/{parent}/reactions/x", behalf="bob")
        await stage.pass_time(11 * HOUR)
        reply = {
            "receiver": "alice",
            "receiverType": "user",
            "type": "text",
            "data": {"text": "reply"},
            "parentId": parent,
        }
        made = await rest("POST", "/messages", behalf="bob", json=reply)
        await stage.pass_time(2 * HOUR)
        await rest.refused("ERR_MESSAGE_ID_NOT_FOUND", "GET", f"/messages/{parent}", behalf="bob")
        await rest.refused("ERR_MESSAGE_ID_NOT_FOUND", "GET", f"/messages/{parent}/thread", behalf="bob")
        await rest.refused("ERR_MESSAGE_ID_NOT_FOUND", "GET", f"/messages/{parent}/reactions", behalf="bob")
        assert (await rest("GET", f"/messages/{made['id']}", behalf="bob"))["data"]["text"] == "reply"
        await stage.pass_time(12 * HOUR)
        assert await texts_in_history(rest, "bob") == []


async def upload(rest: Rest, sender: str, receiver: str) -> str:
    """Send a message with a file. Return the URL of the file."""
    data = {"receiver": receiver, "receiverType": "user", "type": "file", "category": "message"}
    sent = await rest("POST", "/messages", behalf=sender, data=data, files={"files": ("a.txt", b"hello " * 100)})
    return sent["data"]["attachments"][0]["url"]


async def test_files_of_removed_messages_are_removed(stage: Stage, tmp_path):
    async with Rest(stage) as rest:
        url = await upload(rest, "alice", "bob")
        assert (await rest.answer("GET", url)).status_code == 200
        await stage.pass_time(14 * HOUR)
        assert (await rest.answer("GET", url)).status_code == 404
        assert [f for f in (tmp_path / "uploads").iterdir() if f.is_file()] == []


async def test_old_files_are_removed_and_their_messages_stay(stage: Stage, tmp_path):
    await stage.server.stop()
    (tmp_path / "files").mkdir()
    use_retention(stage, tmp_path / "files", retain_files=0.5)
    await stage.server.start()
    await stage.server.add_users(*stage.uids)
    async with Rest(stage) as rest:
        url = await upload(rest, "alice", "bob")
        avatar_url = await upload(rest, "alice", "bob")
        await rest("PUT", "/users/carol", json={"avatar": avatar_url})
        await stage.pass_time(14 * HOUR)
        assert (await rest.answer("GET", url)).status_code == 404
        assert (await rest.answer("GET", avatar_url)).status_code == 200  # it is shown as a picture of a user
        assert len(await rest("GET", "/messages", behalf="bob", params={"per_page": 10})) == 2


async def test_messages_that_aged_while_the_server_was_stopped_are_removed_within_a_minute_of_its_start(stage: Stage):
    async with Rest(stage) as rest:
        await send_texts(rest, "alice", "bob", *(f"{n}" for n in range(150)))
        await stage.server.stop()
        await stage.pass_time(DAY)
        await stage.server.start()
        await stage.pass_time(60)
        assert await texts_in_history(rest, "bob") == []
