"""The pool of connections: who waits, what becomes of places, and a database that does not answer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tailwire.server.ports.refusal import Refused
from tailwire.server.store.postgres.pool import RETRY_AFTER_SECONDS, UNREACHABLE_SECONDS, Pool

pytestmark = pytest.mark.virtual


class FakeConnection:
    def __init__(self) -> None:
        self.ended = ""

    def is_closed(self) -> bool:
        return bool(self.ended)

    def terminate(self) -> None:
        self.ended = self.ended or "terminated"

    async def close(self, timeout: float) -> None:
        self.ended = "closed"


class FakeDatabase:
    """Makes connections, unless it is down."""

    def __init__(self) -> None:
        self.made: list[FakeConnection] = []
        self.tries = 0
        self.down = False

    async def connect(self) -> Any:
        self.tries += 1
        if self.down:
            raise ConnectionRefusedError("down")
        self.made.append(FakeConnection())
        return self.made[-1]


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def refusal_of(call: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        await call
    return caught.value


async def test_connections_are_made_up_to_the_bound_and_used_again():
    database = FakeDatabase()
    pool = Pool(database.connect, 2, 10)
    first, second = await pool.take(), await pool.take()
    waiting = [asyncio.create_task(pool.take()) for _ in range(2)]
    await settle()
    assert not any(task.done() for task in waiting)
    pool.give_back(second)
    assert await waiting[0] is second  # the one that has waited longest
    assert not waiting[1].done()
    pool.give_back(first)
    assert await waiting[1] is first
    pool.give_back(first)
    assert await pool.take() is first
    assert len(database.made) == 2


async def test_dropped_connection_is_closed_and_its_place_is_free():
    database = FakeDatabase()
    pool = Pool(database.connect, 1, 10)
    dropped = await pool.take()
    waiting = asyncio.create_task(pool.take())
    await settle()
    pool.drop(dropped)
    assert await waiting is database.made[1]
    assert [connection.ended for connection in database.made] == ["terminated", ""]
    pool.give_back(database.made[1])
    database.made[1].ended = "lost"  # by the server, while it was idle
    assert await pool.take() is database.made[2]


async def test_requests_beyond_the_waiting_limit_are_refused():
    pool = Pool(FakeDatabase().connect, 1, 1)
    taken = await pool.take()
    waiting = asyncio.create_task(pool.take())
    await settle()
    refusal = await refusal_of(pool.take())
    assert (refusal.code, refusal.retry_after) == ("ERR_UNAVAILABLE", RETRY_AFTER_SECONDS)
    waiting.cancel()
    await settle()
    again = asyncio.create_task(pool.take())  # in place of the cancelled one
    await settle()
    pool.give_back(taken)
    assert await again is taken


async def test_urgent_request_gets_the_next_free_connection_however_many_wait():
    pool = Pool(FakeDatabase().connect, 1, 1)
    taken = await pool.take()
    waiting = asyncio.create_task(pool.take())
    await settle()
    urgent = asyncio.create_task(pool.take(urgent=True))
    await settle()
    pool.give_back(taken)
    assert await urgent is taken
    assert not waiting.done()
    pool.give_back(taken)
    assert await waiting is taken


async def test_place_granted_to_a_request_that_was_cancelled_goes_to_the_next_one():
    pool = Pool(FakeDatabase().connect, 1, 10)
    taken = await pool.take()
    gone, stays = [asyncio.create_task(pool.take()) for _ in range(2)]
    await settle()
    pool.give_back(taken)
    gone.cancel()  # its task does not know yet that its turn has come
    assert await asyncio.wait_for(stays, 1) is taken
    pool.give_back(taken)
    assert await pool.take() is taken


async def test_database_that_does_not_answer_is_tried_for_a_while_and_then_refused_at_once():
    database = FakeDatabase()
    pool = Pool(database.connect, 1, 10)
    clock = asyncio.get_running_loop().time
    database.down, began = True, clock()
    refusal = await refusal_of(pool.take())
    assert (refusal.code, refusal.retry_after) == ("ERR_UNAVAILABLE", RETRY_AFTER_SECONDS)
    assert UNREACHABLE_SECONDS <= clock() - began <= UNREACHABLE_SECONDS + 0.5
    assert database.tries == 15  # after 0.02 seconds, and at growing distances up to 0.5
    assert pool.problem == "down"
    began, database.tries = clock(), 0
    await refusal_of(pool.take())
    assert (clock() - began, database.tries) == (0, 1)
    database.down = False
    pool.give_back(await pool.take())  # the place of those that failed is free
    assert pool.problem == ""
    database.made[0].ended, database.down, began = "lost", True, clock()
    await refusal_of(pool.take())
    assert clock() - began >= UNREACHABLE_SECONDS  # it answered in between


async def test_closed_pool_closes_its_connections_and_hands_out_none():
    database = FakeDatabase()
    pool = Pool(database.connect, 2, 10)
    idle, used = await pool.take(), await pool.take()
    pool.give_back(idle)
    await pool.close()
    assert (idle.ended, used.ended) == ("closed", "terminated")
    pool.give_back(used)
    assert (await refusal_of(pool.take())).retry_after == RETRY_AFTER_SECONDS


async def test_requests_that_wait_for_a_connection_are_refused_when_the_pool_is_closed():
    database = FakeDatabase()
    pool = Pool(database.connect, 1, 10)
    used = await pool.take()
    waiting = [asyncio.create_task(pool.take()) for _ in range(2)]
    await settle()
    await pool.close()
    pool.give_back(used)
    for task in waiting:
        assert (await refusal_of(asyncio.wait_for(task, 1))).code == "ERR_UNAVAILABLE"
    assert len(database.made) == 1


async def test_request_that_waits_for_the_database_is_refused_when_the_pool_is_closed():
    database = FakeDatabase()
    pool = Pool(database.connect, 1, 10)
    database.down = True
    waiting = asyncio.create_task(pool.take())
    await settle()
    began = asyncio.get_running_loop().time()
    pool.abandon()
    await refusal_of(waiting)
    assert asyncio.get_running_loop().time() - began < 1
