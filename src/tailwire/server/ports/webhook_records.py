"""Rows of webhooks and their deliveries. Times are seconds since 1970."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class WebhookRow:
    """A webhook.

    Attributes:
        triggers: the names of the events that it receives, separated by commas.
        username: for basic authentication at the URL; None without authentication.
        password: the password for it, encrypted; None if it is empty.
        retry: 1 if failed deliveries are tried again, else 0.
        enabled: 1 if events are delivered, else 0.
        secret: the secret with which deliveries are signed, encrypted; None if they are not signed.
    """

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
    """The state of a webhook's deliveries.

    Attributes:
        last_success_at, last_failure_at: when an attempt last succeeded, or failed; None if none did.
        last_failure: why the last failed attempt failed; None if none did.
        failing_since: the time of the first failure since the last success; None if there was no failure since.
        waiting: how many deliveries wait.
        waiting_since: when the oldest of them was queued; None if none waits.
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
    """A delivery of an event to a webhook, waiting or given up.

    Attributes:
        webhook: the id of the webhook.
        body: the JSON for the field `data` of the request.
        attempt: how often it was tried since it was queued, or queued again.
        due_at: when it is to be sent; 0 for at once, before deliveries that are tried again.
        failed_at: when it was given up; None while it waits.
        problem: why the last attempt failed, or why it was given up; None if neither happened.
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
        """The id that receivers and administrators see, the same for all attempts."""
        return f"{self.id}-{self.queued_at:x}"
