"""Who has left the foreground lately, on virtual time."""

from __future__ import annotations

import asyncio

import pytest

from tailwire.server.fanout.left_foreground import LeftForeground

pytestmark = pytest.mark.virtual


async def test_user_left_recently_if_they_last_left_within_the_given_seconds():
    left = LeftForeground()
    left.record("ann")
    await asyncio.sleep(3.0)
    assert [left.left_within("ann", seconds) for seconds in (2.5, 3.5)] == [False, True]
    left.record("ann")
    assert left.left_within("ann", 0.0)
    assert not left.left_within("bob", 100.0)


async def test_users_who_left_the_foreground_are_forgotten_after_ten_seconds():
    left = LeftForeground()
    left.record("ann")
    await asyncio.sleep(4.0)
    left.record("bob")
    await asyncio.sleep(6.5)
    left.record("eve")
    assert [left.left_within(uid, 100.0) for uid in ("ann", "bob", "eve")] == [False, True, True]
