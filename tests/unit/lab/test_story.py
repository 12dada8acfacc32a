"""The story of a lab: in order, bounded, and without waiting for a listener that does not keep up."""

from __future__ import annotations

import asyncio

import pytest

from tailwire.lab import story as module
from tailwire.lab.story import Story

pytestmark = pytest.mark.virtual


async def test_events_are_kept_in_order_with_their_time_and_given_to_those_who_listen():
    story = Story()
    story.tell("typed", id="1")
    queue = story.listen()
    await asyncio.sleep(2)
    story.tell("says", keep=False, explain="…")
    story.tell("handed", id="1")
    assert story.events == [{"at": 0.0, "kind": "typed", "id": "1"}, {"at": 2.0, "kind": "handed", "id": "1"}]
    assert [queue.get_nowait()["kind"] for _ in range(2)] == ["says", "handed"]
    story.close()
    assert queue.get_nowait() is None


async def test_it_is_bounded(monkeypatch):
    monkeypatch.setattr(module, "MAX_WAITING", 3)
    story = Story()
    queue = story.listen()
    for n in range(module.MAX_EVENTS + 10):
        story.tell("typed", id=n)
    assert (len(story.events), story.events[0]["id"]) == (module.MAX_EVENTS, 10)
    assert queue.qsize() == 4  # three, and that it was let go
    assert [queue.get_nowait() for _ in range(4)][-1] is None
    for _ in range(module.MAX_LISTENERS):
        story.listen()
    with pytest.raises(RuntimeError, match="close one"):
        story.listen()
