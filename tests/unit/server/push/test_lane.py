"""The lane of a push provider: what is sent, what is stored of it, and when."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tailwire.server.ports.push import Notification, SendOutcome, SendResult
from tailwire.server.ports.push_records import DueNotification, NotificationRow
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.world import World
from tailwire.server.push.lane import COMPOSED_AT_ONCE, PushLane
from tailwire.server.telemetry.metrics import Metrics

DUE = DueNotification(NotificationRow(1, 7, 0, "hash", "bob", "fcm", 0, 0, 0, 0, None, None, None, None, None), "", "x")


class Provider:
    """A provider that accepts all notifications."""

    name = "fcm"

    def __init__(self) -> None:
        self.tokens: list[str] = []

    async def send(self, token: str, notification: Notification) -> SendOutcome:
        self.tokens.append(token)
        return SendOutcome(SendResult.SENT)

    async def close(self) -> None:
        pass


@pytest.mark.virtual
@pytest.mark.parametrize(("lost", "sent"), [("", ["x"]), ("before", []), ("while it is composed", [])])
async def test_notification_is_not_sent_by_a_server_that_has_lost_its_lease(lost: str, sent: list[str]):
    holds_lease = True

    async def due(name: str, now: int, limit: int) -> list[DueNotification]:
        nonlocal holds_lease
        holds_lease = lost != "before"
        return [] if provider.tokens else [DUE]

    async def compose(row: NotificationRow) -> Notification:
        nonlocal holds_lease
        holds_lease = not lost
        return Notification(title="", body="", tag="", thread="", badge=0, data={})

    async def nothing(*_: object) -> None:
        return None

    provider = Provider()
    notifications = SimpleNamespace(due_notifications=due, next_due=nothing, mark_sent=nothing)
    store: Any = SimpleNamespace(notifications=notifications)
    composer: Any = SimpleNamespace(compose=compose)
    lane = PushLane(cast(Any, provider), composer, store, World(), Metrics(), 3600, lambda: holds_lease)
    lane.wake()
    while not lane._work.idle:
        await lane._work._task
    assert provider.tokens == sent
    await lane.close()


class Queue:
    """A queue of notifications to devices with the tokens "1" to "40", their composer, and their provider.

    Args:
        takes: returns the seconds until the device with a token has answered.

    Attributes:
        refusals: the tokens of notifications for which the composer once finds the store closed.
        faults: the tokens of notifications for which the composer raises an unexpected error.
        tries: the tokens of all attempts, in order.
        sent: the tokens of the notifications that are stored as sent.
        composing: how many are being composed, and the most that there were.
        put_off: the tokens of the notifications that are stored as put off, with the problem.
        store_takes: seconds that the store takes to record what was sent.
    """

    name = "fcm"

    def __init__(self, takes: Callable[[str], float]) -> None:
        self._takes = takes
        self.store_takes = 0.0
        self.refusals = {"7"}
        self.faults: set[str] = set()
        self.tries: list[str] = []
        self.sent: list[str] = []
        self.composing, self.most_composed = 0, 0
        self.put_off: list[tuple[str, str]] = []
        notifications = SimpleNamespace(
            due_notifications=self._due,
            next_due=self._next_due,
            mark_sent=self._store_sent,
            put_off=self._store_put_off,
        )
        store: Any = SimpleNamespace(notifications=notifications)
        self.lane = PushLane(cast(Any, self), cast(Any, self), store, World(), Metrics(), 1 << 40, lambda: True)

    def _rows(self) -> list[str]:
        done = {*self.sent, *(token for token, _ in self.put_off)}
        return [str(number) for number in range(1, 41) if str(number) not in done]

    async def _due(self, name: str, now: int, limit: int) -> list[DueNotification]:
        return [DueNotification(DUE.row._replace(id=int(token), token_hash=token), "", token) for token in self._rows()]

    async def _next_due(self, name: str) -> int | None:
        return 0 if self._rows() else None

    async def _store_sent(self, ids: list[int], now: int) -> None:
        await asyncio.sleep(self.store_takes)
        self.sent += map(str, ids)

    async def _store_put_off(self, number: int, due_at: int, now: int, problem: str) -> None:
        self.put_off.append((str(number), problem))

    async def compose(self, row: NotificationRow) -> Notification:
        self.composing += 1
        self.most_composed = max(self.most_composed, self.composing)
        await asyncio.sleep(0.1)
        self.composing -= 1
        if row.token_hash in self.faults:
            raise ZeroDivisionError("of the composer")
        if row.token_hash in self.refusals:
            self.refusals.remove(row.token_hash)
            raise Refused("ERR_UNAVAILABLE")
        return Notification(title="", body="", tag="", thread="", badge=0, data={})

    async def send(self, token: str, notification: Notification) -> SendOutcome:
        self.tries.append(token)
        await asyncio.sleep(self._takes(token))
        return SendOutcome(SendResult.SENT)

    async def close(self) -> None:
        pass


@pytest.mark.virtual
async def test_notifications_are_sent_once_although_one_of_them_cannot_be_composed_yet():
    queue = Queue(lambda token: 0)
    queue.lane.wake()
    await asyncio.sleep(60)
    assert len(queue.sent) == 40
    assert sorted(queue.tries) == sorted(queue.sent)
    assert queue.tries[-1] == "7"
    assert queue.most_composed == COMPOSED_AT_ONCE
    await queue.lane.close()


@pytest.mark.virtual
async def test_sent_notifications_are_stored_while_another_device_does_not_answer():
    queue = Queue(lambda token: 14 if token == "1" else 0)
    queue.lane.wake()
    await asyncio.sleep(10)
    # All but the silent one, and the one that is composed again later.
    assert sorted(queue.sent) == sorted(str(number) for number in range(1, 41) if number not in (1, 7))
    await queue.lane.close()


@pytest.mark.virtual
async def test_server_that_stops_stores_what_is_answered_within_two_seconds_and_begins_nothing_more():
    queue = Queue(lambda token: 14 if token == "1" else 1)
    queue.lane.wake()
    await asyncio.sleep(0.55)
    begun = set(queue.tries)
    assert "1" in begun
    assert len(begun) < 40
    await queue.lane.close()
    assert set(queue.tries) == begun
    assert set(queue.sent) == begun - {"1"}


@pytest.mark.virtual
async def test_server_that_stops_stores_what_was_sent_however_slow_the_store_is():
    queue = Queue(lambda token: 14 if token == "1" else 0)
    queue.store_takes = 4.0
    queue.lane.wake()
    await asyncio.sleep(0.55)
    begun = set(queue.tries)
    assert not queue.sent
    await queue.lane.close()
    assert set(queue.tries) == begun
    assert set(queue.sent) == begun - {"1"}


@pytest.mark.virtual
@pytest.mark.parametrize("where", ["composer", "provider"])
async def test_notification_whose_attempt_raises_an_unexpected_error_is_put_off_and_the_others_are_sent(
    where: str, caplog: pytest.LogCaptureFixture
):
    def takes(token: str) -> float:
        if where == "provider" and token in ("1", "2"):
            raise ZeroDivisionError("of a library")
        return 0

    queue = Queue(takes)
    if where == "composer":
        queue.faults = {"1", "2"}
    queue.lane.wake()
    await asyncio.sleep(60)
    assert sorted(queue.put_off) == [("1", "ZeroDivisionError"), ("2", "ZeroDivisionError")]
    assert len(queue.sent) == 38
    assert len(queue.tries) == len(set(queue.tries))
    assert [record.message for record in caplog.records] == ["a push notification could not be sent (fcm)"]
    await queue.lane.close()
