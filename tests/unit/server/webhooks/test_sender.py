"""The cleanup of failed deliveries goes on after an error, on virtual time."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.world import World
from tailwire.server.telemetry.metrics import Metrics
from tailwire.server.webhooks.delivery_lane import RetryPolicy
from tailwire.server.webhooks.sender import CLEANUP_INTERVAL_SECONDS, WebhookSender


@pytest.mark.virtual
@pytest.mark.parametrize("error", [Refused("ERR_UNAVAILABLE"), KeyError("unexpected")], ids=["refused", "unexpected"])
async def test_old_failures_are_forgotten_although_an_earlier_attempt_has_failed(error: Exception):
    errors, failed = [error], {"webhook": 1}

    async def forget(now: int) -> None:
        if errors:
            raise errors.pop()
        failed.clear()

    async def close() -> None:
        pass

    deliveries = SimpleNamespace(
        failed_counts=lambda: failed, waiting_counts=dict, forget_old_failures=forget, waiting_since=lambda _: None
    )
    store: Any = SimpleNamespace(deliveries=deliveries)
    poster: Any = SimpleNamespace(close=close)
    sender = WebhookSender(store, World(), Metrics(), poster, RetryPolicy(60, 60))
    sender.wake()
    await asyncio.sleep(CLEANUP_INTERVAL_SECONDS + 1)
    assert failed == {}
    await sender.close()
