"""Objects that are removed once more, when the forms that uploaded them have expired."""

from __future__ import annotations

import asyncio

import pytest

from tailwire.server.uploads.later_removals import LaterRemovals

pytestmark = pytest.mark.virtual


async def test_each_name_is_removed_after_its_delay_and_those_of_one_minute_together():
    loop, removed = asyncio.get_running_loop(), []
    begun = loop.time()
    later = LaterRemovals(lambda names: removed.append((round(loop.time() - begun), names)))
    later.add("a", 100.0)
    await asyncio.sleep(10)
    later.add("b", 100.0)
    later.add("a", 100.0)
    await asyncio.sleep(30)
    later.add("c", 100.0)
    await asyncio.sleep(1000)
    assert removed == [(100, ["a"]), (160, ["b", "c"])]
    later.add("d", 100.0)
    later.close()
    await asyncio.sleep(1000)
    assert len(removed) == 2
