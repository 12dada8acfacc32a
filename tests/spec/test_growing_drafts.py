"""Drafts: transient messages of one shape carry a growing message; all others arrive unchanged."""

from __future__ import annotations

from typing import Any

import pytest

from harness import Actor, Stage
from tailwire import CometChatException, DraftChanged, MessageReceived, TransientMessage, TransientReceived


async def grow(writer: Actor, seq: int, text: str, to: str = "alice", kind: Any = "user", **more: Any) -> None:
    data = {"draft": "d1", "seq": seq, "text": text, **more}
    await writer.chat.send_transient_message(TransientMessage(to, kind, data))


async def test_draft_grows_and_ends_with_its_message(stage: Stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    events = alice.chat.events()
    await grow(bob, 1, "He")
    await grow(bob, 2, "Hello")
    await bob.say("alice", "Hello!", metadata={"draft": "d1"})
    await alice.ears.until(lambda: alice.ears.texts == ["Hello!"])
    drafts = alice.ears.all("draft")
    assert [(d.text, d.ended) for d in drafts] == [("He", False), ("Hello", False), ("Hello", True)]
    assert (drafts[0].sender.uid, drafts[0].receiver_id, drafts[0].receiver_type) == ("bob", "alice", "user")
    assert [what for _, what, _ in alice.ears.heard][-2:] == ["draft", "text"]  # the draft ends before the message
    assert alice.ears.all("transient") == []
    await alice.chat.aclose()
    kinds = [type(e) async for e in events if isinstance(e, DraftChanged | TransientReceived | MessageReceived)]
    assert kinds == [DraftChanged] * 3 + [MessageReceived]


async def test_draft_ends_when_it_has_not_grown_for_15_s(stage: Stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    await grow(bob, 1, "so far")
    await stage.pass_time(14)
    assert [d.ended for d in alice.ears.all("draft")] == [False]
    await stage.pass_time(2)
    assert [d.ended for d in alice.ears.all("draft")] == [False, True]


async def test_draft_ends_when_its_author_goes_offline(stage: Stage):
    alice, bob = await stage.enter("alice", presence=True), await stage.enter("bob")
    await grow(bob, 1, "so far")
    await stage.pass_time(1)
    await bob.chat.aclose()
    await alice.ears.until(lambda: "bob" in alice.ears.all("offline"))
    assert [d.ended for d in alice.ears.all("draft")] == [False, True]


async def test_message_missed_while_away_ends_the_draft(stage: Stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    await grow(bob, 1, "so far")
    await alice.ears.until(lambda: bool(alice.ears.all("draft")))
    alice.chat.set_app_state("background")
    await bob.say("alice", "done", metadata={"draft": "d1"})
    alice.chat.set_app_state("foreground")
    await alice.ears.until(lambda: alice.ears.texts == ["done"])
    assert alice.ears.all("draft")[-1].ended


async def test_transient_messages_of_another_shape_are_not_drafts(stage: Stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    hostile: list[dict[str, Any]] = [
        {"draft": "d1"},
        {"draft": {"$ne": 1}, "seq": 1, "text": "x"},
        {"draft": "d1", "seq": -1, "text": "x"},
        {"draft": "d1", "seq": 1, "text": ["x"]},
        {"draft": "d1", "seq": 1, "text": "x" * 9_000},
    ]
    for data in hostile:
        await bob.chat.send_transient_message(TransientMessage("alice", "user", data))
    await alice.ears.until(lambda: len(alice.ears.all("transient")) == len(hostile))
    assert [m.data for m in alice.ears.all("transient")] == hostile
    assert alice.ears.all("draft") == []


async def test_reader_can_ask_the_author_to_stop(stage: Stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    await grow(bob, 1, "so far")
    await alice.ears.until(lambda: bool(alice.ears.all("draft")))
    await alice.chat.stop_draft(alice.ears.all("draft")[0])
    await bob.ears.until(lambda: bool(bob.ears.all("transient")))
    (draft_stop,) = bob.ears.all("transient")
    assert (draft_stop.data, draft_stop.sender.uid, draft_stop.receiver_id) == ({"stop": "d1"}, "alice", "bob")


async def test_stop_draft_refuses_the_id_of_a_draft(stage: Stage):
    alice = await stage.enter("alice")
    with pytest.raises(CometChatException, match="Give a DraftChanged, not str") as refused:
        await alice.chat.stop_draft("d1")
    assert refused.value.code == "ERR_INVALID_ARGUMENT"


async def test_no_draft_event_comes_after_logout(stage: Stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    await grow(bob, 1, "so far")
    await alice.ears.until(lambda: bool(alice.ears.all("draft")))
    await alice.chat.logout()
    await stage.pass_time(20)
    assert [d.ended for d in alice.ears.all("draft")] == [False]
