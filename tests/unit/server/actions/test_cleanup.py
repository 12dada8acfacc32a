"""Cleanup: when it looks for work, and how long a command waits for it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from tailwire.server.actions.cleanup import Cleanup
from tailwire.server.ports.refusal import Refused

pytestmark = pytest.mark.virtual
HOUR = 3600


class Chores:
    """Chores by the time at which each becomes due. One whose time is in `prevented` is put off by a second."""

    def __init__(self) -> None:
        self.due: list[int] = []
        self.done: list[int] = []
        self.prevented: set[int] = set()

    async def do_next(self) -> bool:
        now = int(asyncio.get_running_loop().time())
        for due in self.due:
            if due <= now:
                self.due.remove(due)
                if now in self.prevented:
                    self.due.append(now + 1)
                else:
                    self.done.append(now)
                return True
        return False

    async def next_due(self) -> int | None:
        return min(self.due, default=None)


class FailingChores(Chores):
    """Chores that the store cannot do, so that they stay due."""

    async def do_next(self) -> bool:
        raise Refused("ERR_UNAVAILABLE")


class NoFiles:
    async def condemn(self, **criteria: Any) -> list[Any]:
        return []

    async def unused_since(self) -> tuple[None, None]:
        return None, None


def make_cleanup(chores: Chores) -> Cleanup:
    loop = asyncio.get_running_loop()
    world: Any = SimpleNamespace(seconds=lambda: int(loop.time()))
    store: Any = SimpleNamespace(chores=chores, files=NoFiles())
    uploads: Any = None
    return Cleanup(store, uploads, world, loop.call_later, deleted_after=60, unused_after=60)


async def test_chore_that_another_process_has_added_is_done_within_an_hour():
    chores, start = Chores(), int(asyncio.get_running_loop().time())
    cleanup = make_cleanup(chores)
    await cleanup.remove_due()
    chores.due.append(start)
    await asyncio.sleep(HOUR - 1)
    assert chores.done == []
    await asyncio.sleep(2)
    assert chores.done == [start + HOUR]
    await cleanup.close()


async def test_remove_due_waits_up_to_the_given_seconds_for_a_chore_that_cannot_run_yet():
    chores, start = Chores(), int(asyncio.get_running_loop().time())
    chores.due.append(start)
    chores.prevented = {start, start + 1, start + 2}
    cleanup = make_cleanup(chores)
    await cleanup.remove_due(patience=10)
    assert (chores.done, chores.due) == ([start + 3], [])
    await cleanup.close()


async def test_remove_due_returns_after_the_given_seconds_although_a_chore_still_cannot_run():
    chores, start = Chores(), int(asyncio.get_running_loop().time())
    chores.due.append(start)
    chores.prevented = set(range(start, start + HOUR))
    cleanup = make_cleanup(chores)
    await cleanup.remove_due(patience=10)
    assert int(asyncio.get_running_loop().time()) - start in (10, 11)
    assert chores.done == []
    await cleanup.close()
    assert len(chores.due) == 1


@pytest.mark.parametrize("patience", [0, 10])
async def test_remove_due_returns_although_the_store_fails(patience):
    chores, start = FailingChores(), int(asyncio.get_running_loop().time())
    chores.due.append(start)
    cleanup = make_cleanup(chores)
    async with asyncio.timeout(60):
        await cleanup.remove_due(patience=patience)
    assert int(asyncio.get_running_loop().time()) - start in (patience, patience + 1)
    await cleanup.close()
