"""The lane of a push provider: what a server may still send when it loses its lease."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from tailwire.server.ports.push import Notification, Outcome, Result
from tailwire.server.ports.push_records import DueNotification, NotificationRow
from tailwire.server.ports.world import World
from tailwire.server.push.lane import Lane
from tailwire.server.telemetry.metrics import Metrics

DUE = DueNotification(NotificationRow(1, 7, 0, "hash", "bob", "fcm", 0, 0, 0, 0, None, None, None, None, None), "", "x")


class Provider:
    """A provider that accepts all notifications."""

    name = "fcm"

    def __init__(self) -> None:
        self.tokens: list[str] = []

    async def send(self, token: str, notification: Notification) -> Outcome:
        self.tokens.append(token)
        return Outcome(Result.SENT)

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
    notifications = SimpleNamespace(due=due, next_due=nothing, sent=nothing)
    store: Any = SimpleNamespace(notifications=notifications)
    composer: Any = SimpleNamespace(compose=compose)
    lane = Lane(cast(Any, provider), composer, store, World(), Metrics(), 3600, lambda: holds_lease)
    lane.wake()
    while not lane._work.idle:
        await lane._work._task
    assert provider.tokens == sent
    await lane.close()
