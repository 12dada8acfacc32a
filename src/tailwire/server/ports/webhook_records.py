"""What the store keeps of webhooks: who is told of what, and what is to be told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class WebhookRow:
    """Somebody who wants to be told of events. `triggers` are comma-joined; `password` and `secret` are sealed."""

    id: str
    name: str
    url: str
    triggers: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    retry: int = 1
    enabled: int = 1
    created_at: int = 0
    secret: str | None = field(default=None, repr=False)


class WebhookState(NamedTuple):
    """How a webhook's deliveries fare. Times are seconds since 1970.

    Attributes:
        failing_since: when the first of the failures was that no success has followed.
        waiting, waiting_since: how many wait to be told, and when the oldest of them was queued.
        failed: how many were given up and are kept.
    """

    last_success_at: int | None = None
    last_failure_at: int | None = None
    last_failure: str | None = None
    failing_since: int | None = None
    waiting: int = 0
    waiting_since: int | None = None
    failed: int = 0


class DeliveryRow(NamedTuple):
    """An event on its way to a webhook, or one that was given up and is kept.

    Attributes:
        attempt: how often it was tried.
        failed_at: when it was given up; None while it waits.
        problem: what went wrong at the last try.
    """

    id: int
    webhook: str
    trigger: str
    body: bytes
    attempt: int
    due_at: int
    queued_at: int
    first_try_at: int | None
    last_try_at: int | None
    failed_at: int | None
    problem: str | None

    @property
    def name(self) -> str:
        """What receivers and administrators know it by, the same over all tries."""
        return f"{self.id}-{self.queued_at:x}"
