"""The search index: one task at a time brings it up to date."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from tailwire.server.ports.world import World
from tailwire.server.store.postgres.search import SearchIndex


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
