"""The lane of receipts, on a connection that the test plays: what is merged, and how long receipts are collected."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from tailwire.server.store.postgres.receipt_lane import MANY_RECEIPTS, PAUSE_SECONDS, ReceiptLane
from tailwire.server.store.sql.write_errors import WriteErrors

pytestmark = pytest.mark.virtual


class PlayedConnection:
    """Answers that no receipt has moved a mark."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def is_closed(self) -> bool:
        return False

    def terminate(self) -> None:
        pass

    async def fetchval(self, sql: str, *values: Any, timeout: float) -> bytes:
        self.sizes.append(len(values[2]))
        return msgspec.json.encode({"numbers": [], "receipts": [{"before": None}] * self.sizes[-1]})


def lane_on(connection: PlayedConnection) -> ReceiptLane:
    async def connect() -> Any:
        return connection

    return ReceiptLane(connect, lambda: 1, WriteErrors())


def key(reader: str) -> Any:
    return "u/alice/bob", reader, True, "", True


async def test_receipts_are_collected_for_a_pause_only_after_a_large_batch():
    connection = PlayedConnection()
    lane, clock = lane_on(connection), asyncio.get_running_loop().time
    began = clock()
    for number in range(1, 4):
        assert await lane.submit(key("bob"), number, 5, ()) is None
    assert (clock(), connection.sizes) == (began, [1, 1, 1])
    await asyncio.gather(*[lane.submit(key(f"reader {n}"), 1, 5, ()) for n in range(MANY_RECEIPTS)])
    assert (clock(), connection.sizes[3:]) == (began, [MANY_RECEIPTS])
    later = [lane.submit(key("bob"), number, 5, ()) for number in (4, 5)]
    await asyncio.gather(*later)
    assert clock() == pytest.approx(began + PAUSE_SECONDS)
    assert connection.sizes[4:] == [1]  # merged
    await lane.close()


async def test_lane_that_is_closed_collects_no_receipts():
    connection = PlayedConnection()
    lane, clock = lane_on(connection), asyncio.get_running_loop().time
    began = clock()
    await asyncio.gather(*[lane.submit(key(f"reader {n}"), 1, 5, ()) for n in range(MANY_RECEIPTS)])
    last = lane.submit(key("bob"), 2, 5, ())
    await lane.close()
    assert (last.done(), clock()) == (True, began)
