"""Webhooks, and the queue of their deliveries. `ports.store` tells what all methods can raise."""

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
        """Whether a webhook may be enabled. If False, callers need not make events: they would not be queued."""

    def on_queued(self, call: Callable[[], None]) -> None:
        """Set the function that is called after each commit that queued a delivery."""

    async def list_all(self) -> list[WebhookRow]:
        """Return all webhooks, oldest first."""

    async def get(self, webhook_id: str) -> WebhookRow | None:
        """Return a webhook, or None."""

    async def add(self, webhook: WebhookRow) -> bool:
        """Store a new webhook. Return False, storing nothing, if its id is taken."""

    async def change(self, webhook_id: str, change: Callable[[WebhookRow], WebhookRow]) -> WebhookRow | None:
        """Change a webhook. Return the changed webhook, or None if there is no such webhook.

        Args:
            webhook_id: the id of the webhook.
            change: returns the changed webhook, given the stored one. It is called in the transaction that stores the
                result, perhaps in another thread, and more than once if others change the webhook at the same time.

        Raises:
            Refused: raised by `change`. Nothing is stored.
        """

    async def remove(self, webhook_id: str) -> bool:
        """Remove a webhook and its deliveries. Return False if there is no such webhook."""

    async def add_events(self, events: list[Event]) -> None:
        """Queue events that do not report a change of the store, such as who is online, in a transaction of their own.

        They are queued for the enabled webhooks with their triggers.
        """


class DeliveryStore(Protocol):
    """Deliveries to webhooks. A delivery is one event for one webhook.

    It waits until it was delivered, or until it is given up. Then it is called failed, and is kept for a while.
    """

    def set_limits(self, *, max_waiting: int, max_failed: int, failed_seconds: int) -> None:
        """Limit the deliveries of each webhook.

        Args:
            max_waiting: how many may wait. Beyond that, the oldest ones are given up.
            max_failed: how many failed ones are kept. Beyond that, those that were given up first are deleted.
            failed_seconds: how long failed ones are kept.
        """

    def waiting_counts(self) -> dict[str, int]:
        """Return how many deliveries wait, by the id of the webhook. Webhooks without any may be left out."""

    def failed_counts(self) -> dict[str, int]:
        """Return how many failed deliveries are kept, by the id of the webhook, as `waiting_counts` does."""

    def waiting_since(self, webhook_id: str) -> int | None:
        """Return when the oldest waiting delivery was queued, in seconds since 1970; None if none waits.

        It may be the time of an older one that was delivered a short time ago.
        """

    async def state(self, webhook_id: str) -> WebhookState:
        """Return the state of a webhook's deliveries."""

    async def due_deliveries(self, webhook_id: str, now: int, limit: int) -> list[DeliveryRow]:
        """Return the first `limit` waiting deliveries of a webhook that are due at the time `now`.

        They are ordered by `due_at` and then by id. So new ones and those of `send_again` (`due_at` is 0) come before
        those that are tried again after a failure.
        """

    async def waiting_between(self, webhook_id: str, after: int, up_to: int, limit: int) -> list[DeliveryRow]:
        """Return the first `limit` waiting deliveries of a webhook with ids in (after, up_to], ordered by id.

        Those that are not due yet are returned, too.
        """

    async def last_id(self, webhook_id: str) -> int:
        """Return the highest id of a waiting delivery of a webhook; 0 if none waits."""

    async def next_due(self, webhook_id: str) -> int | None:
        """Return when the next delivery is due, in seconds since 1970, or None if none waits. 0 means at once."""

    async def find(self, webhook_id: str, *, failed: bool, limit: int, offset: int) -> tuple[list[DeliveryRow], int]:
        """Return a page of a webhook's deliveries, and how many there are in all.

        Args:
            webhook_id: the id of the webhook.
            failed: True for the failed deliveries, those given up last first; False for the waiting ones, ordered by
                id.
            limit, offset: leave out the first `offset` deliveries, and return at most `limit`.
        """

    async def list_after(self, webhook_id: str, *, failed: bool, position: Position, limit: int) -> list[DeliveryRow]:
        """Return deliveries of a webhook after a position.

        Args:
            webhook_id: the id of the webhook.
            failed: True for the failed deliveries, ordered by `failed_at` and id, both descending; False for the
                waiting ones, ordered by id.
            position: `failed_at` and the id, or only the id, of the last delivery that was read; () to begin.
            limit: how many deliveries to return at most.
        """

    async def get(self, webhook_id: str, delivery_id: int) -> DeliveryRow | None:
        """Return a delivery of a webhook, waiting or failed, or None."""

    async def failed_ids(self, webhook_id: str) -> list[int]:
        """Return the ids of all failed deliveries of a webhook, ordered."""

    async def remove_delivered(self, row: DeliveryRow, now: int) -> None:
        """Remove a delivery that succeeded, and store `now` as the time at which its webhook last succeeded."""

    async def put_off(self, row: DeliveryRow, due_at: int, now: int, problem: str) -> None:
        """Postpone a delivery after an attempt that failed. Does nothing unless it waits.

        Args:
            row: the delivery.
            due_at: when to try again, in seconds since 1970.
            now: the time of the attempt, in seconds since 1970.
            problem: why it failed, which is stored with the delivery and as the webhook's last failure.
        """

    async def give_up(self, row: DeliveryRow, now: int, problem: str, *, tried: bool = True) -> None:
        """Move a delivery to the failed ones. Does nothing unless it waits.

        Args:
            row: the delivery.
            now: the time, in seconds since 1970.
            problem: why it is given up.
            tried: whether it is given up after an attempt that failed, which is stored as the webhook's last failure;
                False if no attempt was made.
        """

    async def send_again(self, webhook_id: str, ids: Sequence[int]) -> int:
        """Make deliveries, waiting or failed, wait as if they were new, and due at once.

        Returns:
            How many of the given deliveries the webhook has.
        """

    async def forget_old_failures(self, now: int) -> None:
        """Delete failed deliveries that were kept long enough at the time `now` (see `set_limits`)."""
