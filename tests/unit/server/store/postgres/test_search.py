"""The search index: one task at a time brings it up to date, until it is stopped."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from tailwire.server.ports.world import World
from tailwire.server.store.postgres.search import IDLE_SECONDS, LOOK_SECONDS, SearchIndex


@pytest.mark.virtual
async def test_index_is_brought_up_to_date_by_one_task(monkeypatch):
    begun = []

    async def run(self: SearchIndex) -> None:
        begun.append(self)
        await asyncio.sleep(60)

    monkeypatch.setattr(SearchIndex, "_run", run)
    index = SearchIndex(cast(Any, None), World())
    for _ in range(3):
        index.update_soon()
        await asyncio.sleep(0)
    assert len(begun) == 1
    index._task.cancel()


@pytest.mark.virtual
@pytest.mark.parametrize("turns", range(4))
async def test_index_that_is_stopped_when_a_message_has_just_come_indexes_nothing_more(turns, monkeypatch):
    updates = []

    async def is_mine(self: SearchIndex) -> bool:
        return True

    async def update(self: SearchIndex, max_unindexed: int = 0) -> None:
        updates.append(asyncio.get_running_loop().time())

    monkeypatch.setattr(SearchIndex, "_is_mine", is_mine)
    monkeypatch.setattr(SearchIndex, "update", update)
    index = SearchIndex(cast(Any, None), World())
    index.update_soon()
    await asyncio.sleep(1.5 * IDLE_SECONDS)  # now it waits for messages
    task, done = index._task, len(updates)
    index.update_soon()
    for _ in range(turns):
        await asyncio.sleep(0)
    at_once = len(updates)
    index.stop()
    await asyncio.sleep(2 * LOOK_SECONDS)
    assert done == 1
    assert len(updates) == at_once
    assert task.cancelled()
