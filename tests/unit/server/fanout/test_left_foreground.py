"""Who has left the foreground lately, on virtual time."""

from __future__ import annotations

import asyncio

import pytest

from tailwire.server.fanout.left_foreground import LeftForeground

pytestmark = pytest.mark.virtual


async def test_user_left_recently_if_they_last_left_within_the_given_seconds():
    left = LeftForeground()
    left.note("ann")
    await asyncio.sleep(3.0)
    assert [left.within("ann", seconds) for seconds in (2.5, 3.5)] == [False, True]
    left.note("ann")
    assert left.within("ann", 0.0)
    assert not left.within("bob", 100.0)


async def test_users_are_forgotten_after_ten_seconds():
    left = LeftForeground()
    left.note("ann")
    await asyncio.sleep(4.0)
    left.note("bob")
    await asyncio.sleep(6.5)
    left.note("eve")
    assert [left.within(uid, 100.0) for uid in ("ann", "bob", "eve")] == [False, True, True]
