"""Webhooks: who is told of events over HTTP, and what could not be told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from tailwire.admin.asking import Asking, changes, listed
from tailwire.admin.listing import Listing
from tailwire.admin.records import (
    Delivery,
    Trigger,
    Webhook,
    delivery_from_wire,
    trigger_from_wire,
    webhook_from_wire,
)
from tailwire.sdk.calls.checks import decoded, quoted
from tailwire.sdk.calls.pages import readable


class Webhooks:
    """The webhooks of the app (`admin.webhooks`). `verify_webhook` checks what a webhook receives."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    async def create(
        self,
        name: str,
        url: str,
        triggers: Sequence[str],
        *,
        webhook_id: str | None = None,
        username: str | None = None,
        password: str | None = None,
        secret: str | None = None,
        retry_on_failure: bool = True,
        enabled: bool = True,
    ) -> Webhook:
        """Create a webhook. Keep `secret` of the answer: it is never shown again.

        Args:
            triggers: what it is told of; `triggers()` has them all.
            webhook_id: its name in calls; made when none is given.
            username, password: sent as basic authentication.
            secret: `whsec_` and 24 to 64 bytes in Base64; made when none is given.

        Raises:
            CometChatException: `ERR_BAD_REQUEST`, `ERR_TRIGGER_NOT_FOUND`, `ERR_LIMIT_EXCEEDED`.
        """
        body = _fields(name, url, triggers, username, password, secret, retry_on_failure, enabled)
        return await self._asking.fetch(webhook_from_wire, "POST", "/webhooks", body=body | changes(id=webhook_id))

    async def get(self, webhook_id: str) -> Webhook:
        """Return a webhook, with how its deliveries fare.

        Raises:
            CometChatException: `ERR_WEBHOOK_NOT_FOUND`.
        """
        return await self._asking.fetch(webhook_from_wire, "GET", _path(webhook_id))

    async def update(
        self,
        webhook_id: str,
        *,
        name: str | None = None,
        url: str | None = None,
        triggers: Sequence[str] | None = None,
        username: str | None = None,
        password: str | None = None,
        secret: str | None = None,
        retry_on_failure: bool | None = None,
        enabled: bool | None = None,
    ) -> Webhook:
        """Change what is given of a webhook, and return the webhook.

        Raises:
            CometChatException: `ERR_WEBHOOK_NOT_FOUND`, `ERR_BAD_REQUEST`, `ERR_TRIGGER_NOT_FOUND`.
        """
        body = _fields(name, url, triggers, username, password, secret, retry_on_failure, enabled)
        return await self._asking.fetch(webhook_from_wire, "PUT", _path(webhook_id), body=body)

    async def delete(self, webhook_id: str) -> None:
        """Delete a webhook, with what waits for it.

        Raises:
            CometChatException: `ERR_WEBHOOK_NOT_FOUND`.
        """
        await self._asking.ask("DELETE", _path(webhook_id))

    async def list(self) -> tuple[Webhook, ...]:
        """Return the webhooks; an app has at most 25."""
        return tuple(readable(webhook_from_wire, await self._asking.ask_list("/webhooks")({}), "webhook"))

    async def triggers(self) -> tuple[Trigger, ...]:
        """Return what a webhook can be told of."""
        found = await self._asking.ask_list("/webhooks/triggers")({})
        return tuple(readable(trigger_from_wire, found, "trigger"))

    def deliveries(self, webhook_id: str, status: Literal["failed", "waiting"] = "failed") -> Listing[Delivery]:
        """Return what a webhook could not be told: what was given up, or what still waits."""
        path = f"{_path(webhook_id)}/deliveries"
        return self._asking.listing(path, delivery_from_wire, "delivery", status=status)

    async def delivery(self, webhook_id: str, delivery_id: str) -> Delivery:
        """Return a delivery, with its payload.

        Raises:
            CometChatException: `ERR_WEBHOOK_NOT_FOUND`, `ERR_DELIVERY_NOT_FOUND`.
        """
        answer = await self._asking.ask("GET", f"{_path(webhook_id)}/deliveries/{quoted(delivery_id)}")
        return decoded(delivery_from_wire, answer)

    async def retry(self, webhook_id: str, delivery_id: str) -> None:
        """Send a delivery again that was given up.

        Raises:
            CometChatException: `ERR_WEBHOOK_NOT_FOUND`, `ERR_DELIVERY_NOT_FOUND`.
        """
        await self._asking.ask("POST", f"{_path(webhook_id)}/deliveries/{quoted(delivery_id)}/retry")

    async def retry_all(self, webhook_id: str) -> None:
        """Send all deliveries again that were given up.

        Raises:
            CometChatException: `ERR_WEBHOOK_NOT_FOUND`.
        """
        await self._asking.ask("POST", f"{_path(webhook_id)}/deliveries/retry")


def _path(webhook_id: str) -> str:
    return f"/webhooks/{quoted(webhook_id)}"


def _fields(
    name: str | None,
    url: str | None,
    triggers: Sequence[str] | None,
    username: str | None,
    password: str | None,
    secret: str | None,
    retry_on_failure: bool | None,
    enabled: bool | None,
) -> dict[str, Any]:
    return changes(
        name=name,
        webhookUrl=url,
        triggers=listed(triggers, "triggers") if triggers is not None else None,
        username=username,
        password=password,
        secret=secret,
        retryOnFailure=retry_on_failure,
        enabled=enabled,
    )
