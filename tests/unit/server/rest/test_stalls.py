"""The check for stalled connections, with connections that only count. `app/test_housekeeping.py` has real ones."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from tailwire.server.rest.stalls import CALLS_PER_CHECK, CHECKS_PER_TURN, WINDOW_SECONDS, StallDetector


@dataclass(eq=False)
class PlayedConnection:
    """A connection with a request in progress."""

    received: int = 0
    acknowledged: int = 0
    has_unsent: bool = False
    body_is_due: bool = True
    is_done: bool = False
    move_reads: int = 0

    @property
    def body_received(self) -> int:
        return self.received

    def bytes_moved(self, *, both_ways: bool) -> int:
        self.move_reads += 1
        return self.received + (self.acknowledged if both_ways else 0)


def detector(connections: list[PlayedConnection]) -> tuple[StallDetector, dict[Any, float]]:
    """Return a detector of these connections, which have had their requests since 0, and what it knows of them."""
    active: dict[Any, float] = dict.fromkeys(connections, 0.0)
    return StallDetector(active, min_rate=100), active


async def check(stalls: StallDetector, now: float) -> list[Any]:
    """Check all connections, and return those that are stalled."""
    return [slow for _ in range(CALLS_PER_CHECK) for slow in await stalls.find_stalled(now)]


async def test_each_call_checks_a_share_of_the_connections_and_each_is_checked_once_a_second():
    connections = [PlayedConnection() for _ in range(3 * CALLS_PER_CHECK)]
    stalls, _ = detector(connections)
    assert await check(stalls, 10.0) == []
    found = [await stalls.find_stalled(10.0 + WINDOW_SECONDS) for _ in range(CALLS_PER_CHECK + 5)]
    assert [len(slow) for slow in found] == [3] * CALLS_PER_CHECK + [0] * 5
    assert {slow for part in found for slow in part} == set(connections)
    assert await check(stalls, 10.9 + WINDOW_SECONDS) == []
    assert await check(stalls, 11.0 + WINDOW_SECONDS) == []  # checked again: a new window has begun
    assert len(await check(stalls, 12.0 + 2 * WINDOW_SECONDS)) == len(connections)


@pytest.mark.virtual
async def test_other_tasks_run_during_a_call():
    connections = [PlayedConnection() for _ in range(3 * CHECKS_PER_TURN * CALLS_PER_CHECK)]
    stalls, active = detector(connections)
    await check(stalls, 10.0)
    call, turns = asyncio.create_task(stalls.find_stalled(10.0 + WINDOW_SECONDS)), 0
    while not call.done():
        await asyncio.sleep(0)
        turns += 1
        active.clear()  # all are done meanwhile
    assert turns >= 3
    assert len(call.result()) == CHECKS_PER_TURN - 1


async def test_rate_of_a_response_is_measured_from_its_own_start():
    """What the client acknowledged before is not part of its rate, and what it has acknowledged since is."""
    connection = PlayedConnection(received=1_000_000, acknowledged=-5_000_000)
    stalls, _ = detector([connection])
    assert await check(stalls, 10.0) == []
    connection.has_unsent, connection.body_is_due = True, False
    assert await check(stalls, 20.0) == []
    connection.acknowledged += 4000
    assert await check(stalls, 20.0 + WINDOW_SECONDS) == []
    connection.acknowledged += 100
    assert await check(stalls, 20.0 + 2 * WINDOW_SECONDS) == [connection]


async def test_request_is_not_measured_in_its_first_second():
    connection = PlayedConnection()
    stalls, active = detector([connection])
    active[connection] = 9.5
    await check(stalls, 10.0)
    assert connection.move_reads == 0
    await check(stalls, 11.0)
    assert connection.move_reads == 1


async def test_window_begins_again_after_a_connection_has_waited_for_the_server():
    connection = PlayedConnection()
    stalls, _ = detector([connection])
    await check(stalls, 10.0)
    connection.body_is_due = False  # all of it has come, and the server computes
    await check(stalls, 11.0)
    connection.body_is_due = True
    assert await check(stalls, 10.0 + WINDOW_SECONDS) == []
    assert await check(stalls, 10.0 + 2 * WINDOW_SECONDS) == [connection]


@pytest.mark.parametrize("of_responses", [False, True], ids=["bodies", "responses"])
async def test_slowest_connections_are_those_that_moved_least_since_their_window_began(of_responses: bool):
    slow = PlayedConnection(received=100_000, acknowledged=100_000)  # before the window
    fast, resting = PlayedConnection(), PlayedConnection(body_is_due=False)
    for connection in (slow, fast):
        connection.has_unsent, connection.body_is_due = of_responses, not of_responses
    stalls, _ = detector([fast, resting, slow])
    await check(stalls, 10.0)
    for connection, moved in ((slow, 500), (fast, 5000)):
        if of_responses:
            connection.acknowledged += moved
        else:
            connection.received += moved
    assert stalls.slowest_connections(3, 20.0) == [slow, fast]
    assert stalls.slowest_connections(1, 20.0) == [slow]
    assert stalls.slowest_connections(3, 20.0, below_minimum=True) == [slow]  # 50 bytes a second; the minimum is 100
    assert stalls.slowest_connections(0, 20.0) == []
