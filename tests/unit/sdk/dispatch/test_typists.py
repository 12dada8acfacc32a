"""Typing indicators end by a timeout, at the limit, and once."""

from __future__ import annotations

import asyncio

import pytest

from tailwire.sdk.dispatch.typists import MAX_TYPING_USERS, Typists
from tailwire.wire.entities import TypingIndicator, User


def indicator(uid: str, status: str = "started") -> TypingIndicator:
    return TypingIndicator(User(uid), "bob", "user", status)


@pytest.mark.virtual
async def test_oldest_indicator_ends_at_the_limit():
    events = []
    typists = Typists(events.append)
    for n in range(MAX_TYPING_USERS + 1):
        typists.handle(indicator(f"u{n}"))
    assert [e.indicator.sender.uid for e in events if e.indicator.typing_status == "ended"] == ["u0"]
    typists.clear()
    await asyncio.sleep(60)
    assert len(events) == MAX_TYPING_USERS + 2


@pytest.mark.virtual
async def test_end_of_a_typing_indicator_is_reported_once():
    events = []
    typists = Typists(events.append)
    typists.handle(indicator("alice"))
    typists.handle(indicator("alice", "ended"))
    typists.end_all_of("alice")
    await asyncio.sleep(60)
    assert [e.indicator.typing_status for e in events] == ["started", "ended"]
