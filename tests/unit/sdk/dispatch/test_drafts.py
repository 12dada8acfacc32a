"""Which transient messages belong to a draft, and when a draft ends."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tailwire import TextMessage, TransientMessage, User
from tailwire.sdk.dispatch.drafts import MAX_DRAFTS, MAX_DRAFTS_PER_SENDER, MAX_TEXT_CHARACTERS, TIMEOUT_SECONDS, Drafts


def frame(seq: Any = 1, text: Any = "so far", sender: str = "bob", **more: Any) -> TransientMessage:
    return TransientMessage("alice", "user", {"draft": "d", "seq": seq, "text": text, **more}, User(sender))


@pytest.mark.virtual
async def test_draft_grows_and_ignores_older_updates():
    events: list[Any] = []
    drafts = Drafts(events.append)
    assert drafts.handle(frame(1, "a", to=7))
    assert drafts.handle(frame(3, "abc", to=7, **{"from": 2}))
    assert drafts.handle(frame(2, "ab", to=7))
    assert [(d.text, d.start, d.reply_to, d.ended) for d in events] == [("a", 0, 7, False), ("abc", 2, 7, False)]
    drafts.clear()


@pytest.mark.virtual
async def test_draft_without_an_update_ends_after_a_while_with_its_last_text():
    events: list[Any] = []
    Drafts(events.append).handle(frame(1, "a"))
    await asyncio.sleep(TIMEOUT_SECONDS - 1)
    assert [d.ended for d in events] == [False]
    await asyncio.sleep(2)
    assert [(d.text, d.ended) for d in events] == [("a", False), ("a", True)]


@pytest.mark.virtual
async def test_end_of_a_draft_is_reported_once():
    events: list[Any] = []
    drafts = Drafts(events.append)
    message = TextMessage(receiver="alice", sender=User("bob"), metadata={"draft": "d"})
    ends = [
        lambda: drafts.end_with_message(message),
        lambda: drafts.handle(frame(9, "")),
        lambda: drafts.end_all_of("bob"),
    ]
    for end in ends:
        events.clear()
        drafts.handle(frame())
        end()
        end()
        assert [d.ended for d in events] == [False, True]


@pytest.mark.virtual
async def test_draft_is_not_ended_by_other_users_or_other_messages():
    events: list[Any] = []
    drafts = Drafts(events.append)
    drafts.handle(frame())
    drafts.end_with_message(TextMessage(receiver="alice", sender=User("mallory"), metadata={"draft": "d"}))
    drafts.end_with_message(TextMessage(receiver="alice", sender=User("bob"), metadata={"draft": ["d"]}))
    drafts.end_all_of("carol")
    assert [d.ended for d in events] == [False]
    drafts.clear()


@pytest.mark.virtual
async def test_end_of_a_draft_that_was_cleared_is_not_reported():
    events: list[Any] = []
    drafts = Drafts(events.append)
    drafts.handle(frame())
    drafts.clear()
    await asyncio.sleep(2 * TIMEOUT_SECONDS)
    assert [d.ended for d in events] == [False]


@pytest.mark.virtual
async def test_oldest_draft_ends_at_the_limit():
    events: list[Any] = []
    drafts = Drafts(events.append)
    for n in range(MAX_DRAFTS + 1):
        drafts.handle(frame(sender=f"u{n}"))
    assert [d.sender.uid for d in events if d.ended] == ["u0"]
    drafts.clear()


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"draft": "d"},
        {"draft": 1, "seq": 1, "text": "x"},
        {"draft": "", "seq": 1, "text": "x"},
        {"draft": "d" * 201, "seq": 1, "text": "x"},
        {"draft": "d", "seq": "1", "text": "x"},
        {"draft": "d", "seq": True, "text": "x"},
        {"draft": "d", "seq": -1, "text": "x"},
        {"draft": "d", "seq": 1.5, "text": "x"},
        {"draft": "d", "seq": 10**30, "text": "x"},
        {"draft": "d", "seq": 1, "text": None},
        {"draft": "d", "seq": 1, "text": "x" * (MAX_TEXT_CHARACTERS + 1)},
        {"draft": "d", "seq": 1, "text": "x", "to": "7"},
        {"draft": "d", "seq": 1, "text": "x", "from": None},
    ],
)
async def test_other_transient_messages_are_not_drafts(data: dict[str, Any]):
    events: list[Any] = []
    assert not Drafts(events.append).handle(TransientMessage("alice", "user", data, User("bob")))
    assert events == []


@pytest.mark.virtual
async def test_drafts_of_one_sender_above_the_limit_end_none_of_another_sender():
    events: list[Any] = []
    drafts = Drafts(events.append)
    drafts.handle(frame())
    for n in range(2 * MAX_DRAFTS):
        drafts.handle(TransientMessage("alice", "user", {"draft": f"d{n}", "seq": 1, "text": "x"}, User("mallory")))
    assert not [d for d in events if d.sender.uid == "bob" and d.ended]
    assert len([d for d in events if d.sender.uid == "mallory"]) == MAX_DRAFTS_PER_SENDER
    await asyncio.sleep(TIMEOUT_SECONDS + 1)
    assert drafts.handle(TransientMessage("alice", "user", {"draft": "d", "seq": 1, "text": "x"}, User("mallory")))
    assert (events[-1].sender.uid, events[-1].ended) == ("mallory", False)
    drafts.clear()


@pytest.mark.virtual
async def test_draft_with_the_oldest_update_ends_first():
    events: list[Any] = []
    drafts = Drafts(events.append)
    for n in range(MAX_DRAFTS):
        drafts.handle(frame(sender=f"u{n}"))
    drafts.handle(frame(2, sender="u0"))
    drafts.handle(frame(sender="new"))
    assert [d.sender.uid for d in events if d.ended] == ["u1"]
    drafts.clear()
