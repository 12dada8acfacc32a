"""One task of each user works at a time."""

from __future__ import annotations

import asyncio

import pytest

from tailwire.server.limits.one_each import UserTurns

pytestmark = pytest.mark.virtual


async def test_tasks_of_one_user_follow_each_other_and_tasks_of_others_do_not_wait():
    each, happened = UserTurns(), list[str]()

    async def work(who: str, name: str) -> None:
        async with each.turn(who):
            happened.append(f"{name} begins")
            await asyncio.sleep(1)
            happened.append(f"{name} ends")

    async with asyncio.TaskGroup() as group:
        for who, name in (("a", "a1"), ("a", "a2"), ("b", "b1")):
            group.create_task(work(who, name))
    assert not each._locks, "nothing is kept of users who are done"
    assert happened == ["a1 begins", "b1 begins", "a1 ends", "b1 ends", "a2 begins", "a2 ends"]


async def test_task_that_fails_or_is_cancelled_gives_its_turn_to_the_next():
    each = UserTurns()

    async def fail() -> None:
        async with each.turn("a"):
            await asyncio.sleep(1)
            raise ValueError("broken")

    failing, waiting, last = (asyncio.create_task(fail()) for _ in range(3))
    await asyncio.sleep(0.5)
    waiting.cancel()
    results = await asyncio.gather(failing, waiting, last, return_exceptions=True)
    assert [type(one) for one in results] == [ValueError, asyncio.CancelledError, ValueError]
