"""The retry policy of deliveries, and the end of a lane."""

from __future__ import annotations

import asyncio
import itertools
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tailwire.server.ports.webhook_records import DeliveryRow, WebhookRow
from tailwire.server.ports.world import World
from tailwire.server.telemetry.metrics import Metrics
from tailwire.server.webhooks.delivery_lane import RetryPolicy, WebhookLane

DAY = 86_400


def tries(retries: RetryPolicy, chance: float) -> list[int]:
    """Return the times of all attempts of a delivery that always fails."""
    times, now = [0], 0
    while (due := retries.next_try(len(times), 0, now, chance)) is not None:
        assert len(times) < 1000
        times.append(now := due)
    return times


def test_first_attempts_are_after_0_10_and_40_seconds_and_the_last_at_the_end_of_the_period():
    for chance in (0.0, 0.5, 0.999):
        times = tries(RetryPolicy(DAY, 3600), chance)
        assert times[:3] == [0, 10, 40]
        assert times[-1] == DAY


def test_delays_double_up_to_the_limit_with_jitter():
    times = tries(RetryPolicy(DAY, 3600), 0.5)
    gaps = [b - a for a, b in itertools.pairwise(times)]
    assert gaps[:9] == [10, 30, 60, 120, 240, 480, 960, 1920, 3600]
    assert set(gaps[9:-1]) == {3600}
    retries = RetryPolicy(DAY, 3600)
    assert (retries.next_try(3, 0, 0, 0.0), retries.next_try(3, 0, 0, 0.999)) == (48, 71)


@pytest.mark.parametrize("retry_for", [0.0, 5.0, 40.0])
def test_attempts_after_0_10_and_40_seconds_are_made_even_if_the_period_is_shorter(retry_for):
    assert tries(RetryPolicy(retry_for, 3600), 0.5) == [0, 10, 40]


def test_delay_after_ten_thousand_attempts_is_the_longest_allowed():
    assert RetryPolicy(1e9, 3600).next_try(10_000, 0, 5, 0.5) == 3605


class Deliveries:
    """One delivery, which is removed when `writes` is set."""

    def __init__(self) -> None:
        self.rows = [DeliveryRow(1, "hook", "message_sent", b"{}", 0, 0, 0, None, None, None, None)]
        self.started, self.writes = asyncio.Event(), asyncio.Event()

    async def due_deliveries(self, webhook_id: str, now: int, limit: int) -> list[DeliveryRow]:
        return list(self.rows)

    async def remove_delivered(self, row: DeliveryRow, now: int) -> None:
        self.started.set()
        await self.writes.wait()
        self.rows.remove(row)


def lane_of(deliveries: Deliveries, post: Any) -> WebhookLane:
    async def get(webhook_id: str) -> WebhookRow:
        return WebhookRow("hook", "", "", "message_sent")

    store = SimpleNamespace(deliveries=deliveries, webhooks=SimpleNamespace(get=get))
    poster = SimpleNamespace(post=post)
    return WebhookLane("hook", cast(Any, store), World(), Metrics(), cast(Any, poster), RetryPolicy(DAY, DAY))


async def test_close_of_the_lane_waits_until_a_sent_delivery_is_removed_from_the_store():
    async def post(webhook: WebhookRow, row: DeliveryRow, now: int) -> str:
        return ""

    deliveries = Deliveries()
    lane = lane_of(deliveries, post)
    lane.wake()
    await deliveries.started.wait()
    closing = asyncio.create_task(lane.close())
    await asyncio.wait([closing], timeout=0.01)
    assert not closing.done(), "the store has not removed it yet"
    deliveries.writes.set()
    await closing
    assert deliveries.rows == []
    assert lane.idle


async def test_close_of_the_lane_does_not_wait_for_the_answer_to_a_delivery():
    sending = asyncio.Event()

    async def post(webhook: WebhookRow, row: DeliveryRow, now: int) -> str:
        sending.set()
        await asyncio.get_running_loop().create_future()
        return ""

    deliveries = Deliveries()
    lane = lane_of(deliveries, post)
    lane.wake()
    await sending.wait()
    await lane.close()
    assert len(deliveries.rows) == 1
    assert lane.idle
