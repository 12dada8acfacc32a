"""Webhooks, and the queue of their deliveries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from tailwire.server.ports.filters import Position
from tailwire.server.ports.records import Event
from tailwire.server.ports.webhook_records import DeliveryRow, WebhookRow, WebhookState


class WebhookStore(Protocol):
    """Webhooks. An event is queued in the transaction of the change that it reports."""

    @property
    def any_enabled(self) -> bool:
        """Whether any webhook may be enabled, so that its events are worth making."""

    def on_queued(self, call: Callable[[], None]) -> None:
        """Set the function that is called after each commit that queued a delivery."""

    async def list_all(self) -> list[WebhookRow]:
        """Return all webhooks, oldest first."""

    async def get(self, webhook_id: str) -> WebhookRow | None:
        """Return a webhook, or None."""

    async def add(self, webhook: WebhookRow) -> bool:
        """Store a new webhook. Return False if its id is taken."""

    async def change(self, webhook_id: str, change: Callable[[WebhookRow], WebhookRow]) -> WebhookRow | None:
        """Change a webhook. Return the changed webhook, or None if there is no such webhook.

        Args:
            change: returns the changed webhook. It is called with the stored one in the transaction that stores the
                result, perhaps in another thread, and more than once if others change the webhook at the same time.

        Raises:
            Refused: raised by `change`. Nothing is stored.
        """

    async def remove(self, webhook_id: str) -> bool:
        """Remove a webhook and its deliveries. Return False if there is no such webhook."""

    async def add_events(self, events: list[Event]) -> None:
        """Queue events that belong to no change of the store."""


class DeliveryStore(Protocol):
    """Deliveries to webhooks: those that wait, and those that were given up and are kept for a while."""

    def set_limits(self, *, max_waiting: int, max_failed: int, failed_seconds: int) -> None:
        """Limit the deliveries of one webhook.

        Args:
            max_waiting: how many may wait.
            max_failed: how many failed ones are kept.
            failed_seconds: how long failed ones are kept.
        """

    def waiting_counts(self) -> dict[str, int]:
        """Return how many deliveries wait, by webhook."""

    def failed_counts(self) -> dict[str, int]:
        """Return how many failed deliveries are kept, by webhook."""

    def waiting_since(self, webhook_id: str) -> int | None:
        """Return when the oldest waiting delivery was queued, in seconds since 1970; None if none waits."""

    async def state(self, webhook_id: str) -> WebhookState:
        """Return the state of a webhook's deliveries."""

    async def due_deliveries(self, webhook_id: str, now: int, limit: int) -> list[DeliveryRow]:
        """Return deliveries that are due: first new ones, and those to be sent again, by their ids, then retries."""

    async def waiting_between(self, webhook_id: str, after: int, up_to: int, limit: int) -> list[DeliveryRow]:
        """Return waiting deliveries with ids in (after, up_to], due or not, in order."""

    async def last_id(self, webhook_id: str) -> int:
        """Return the id of the newest waiting delivery; 0 if none waits."""

    async def next_due(self, webhook_id: str) -> int | None:
        """Return when the next delivery is due, in seconds since 1970, or None if none waits. 0 means at once."""

    async def find(self, webhook_id: str, *, failed: bool, limit: int, offset: int) -> tuple[list[DeliveryRow], int]:
        """Return a page of the failed (newest first) or waiting (oldest first) deliveries, and how many there are."""

    async def list_after(self, webhook_id: str, *, failed: bool, position: Position, limit: int) -> list[DeliveryRow]:
        """Return failed (newest first, by `failed_at` and `id`) or waiting (by `id`) deliveries after a position."""

    async def get(self, webhook_id: str, delivery_id: int) -> DeliveryRow | None:
        """Return a delivery of a webhook, or None."""

    async def failed_ids(self, webhook_id: str) -> list[int]:
        """Return the ids of the failed deliveries, oldest first."""

    async def remove_delivered(self, row: DeliveryRow, now: int) -> None:
        """Remove a delivery that succeeded, and store when its webhook last succeeded."""

    async def put_off(self, row: DeliveryRow, due_at: int, now: int, problem: str) -> None:
        """Postpone a delivery that failed, and store the problem with it and with its webhook."""

    async def give_up(self, row: DeliveryRow, now: int, problem: str, *, tried: bool = True) -> None:
        """Move a delivery to the failed ones.

        Args:
            row: the delivery.
            now: the time, in seconds since 1970.
            problem: why it is given up.
            tried: whether an attempt has just failed, which is then counted as a failure of the webhook.
        """

    async def send_again(self, webhook_id: str, ids: Sequence[int]) -> int:
        """Make deliveries, waiting or failed, due now as if never tried, and return how many of them exist."""

    async def forget_old_failures(self, now: int) -> None:
        """Delete failed deliveries that were kept long enough."""
