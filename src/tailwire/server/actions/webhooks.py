"""Webhooks, as a REST key administers them. What they are told is queued by the store and sent by `webhooks`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import msgspec

from tailwire.server.actions.present import without_none
from tailwire.server.ports.records import WebhookRow
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.store import Store
from tailwire.server.ports.world import World
from tailwire.server.rules.lengths import Lengths
from tailwire.server.rules.names import identifier
from tailwire.server.rules.triggers import TRIGGERS

MOST_WEBHOOKS = 25


class NewWebhook(msgspec.Struct, rename="camel"):
    """A webhook as somebody with a REST key sends it, new or changed.

    Attributes:
        retry_on_failure: try again after 10 and 30 seconds.
        username, password: of basic authentication.
    """

    id: str = ""
    name: str = ""
    webhook_url: str = ""
    triggers: list[str] | None = None
    username: str | None = None
    password: str | None = None
    retry_on_failure: bool | None = None
    enabled: bool | None = None


class WebhookAdministration:
    """What can be done with webhooks."""

    def __init__(self, store: Store, world: World, lengths: Lengths) -> None:
        self._store = store
        self._world = world
        self._lengths = lengths

    async def create(self, new: NewWebhook) -> dict[str, Any]:
        """Make a webhook.

        Raises:
            Refused: ERR_BAD_REQUEST, ERR_TRIGGER_NOT_FOUND, ERR_LIMIT_EXCEEDED.
        """
        if len(await self._store.webhooks()) >= MOST_WEBHOOKS:
            raise Refused("ERR_LIMIT_EXCEEDED", {"webhooks": f"An app has at most {MOST_WEBHOOKS}."})
        number = identifier(new.id, "id") if new.id else self._world.secret(8)
        row = _filled(WebhookRow(number, "", "", "", created_at=self._world.seconds()), new, self._lengths)
        await self._store.put_webhook(row)
        return _present(row)

    async def listed(self) -> list[dict[str, Any]]:
        """All webhooks."""
        return [_present(row) for row in await self._store.webhooks()]

    async def get(self, webhook_id: str) -> dict[str, Any]:
        """A webhook.

        Raises:
            Refused: ERR_WEBHOOK_NOT_FOUND.
        """
        return _present(await self._find(webhook_id))

    async def _find(self, webhook_id: str) -> WebhookRow:
        row = await self._store.webhook(webhook_id)
        if row is None:
            raise Refused("ERR_WEBHOOK_NOT_FOUND")
        return row

    async def update(self, webhook_id: str, change: NewWebhook) -> dict[str, Any]:
        """Change a webhook.

        Raises:
            Refused: ERR_WEBHOOK_NOT_FOUND, ERR_BAD_REQUEST, ERR_TRIGGER_NOT_FOUND.
        """
        row = _filled(await self._find(webhook_id), change, self._lengths)
        if not await self._store.put_webhook(row, new=False):
            raise Refused("ERR_WEBHOOK_NOT_FOUND")
        return _present(row)

    async def delete(self, webhook_id: str) -> dict[str, Any]:
        """Delete a webhook, and what waits for it.

        Raises:
            Refused: ERR_WEBHOOK_NOT_FOUND.
        """
        if not await self._store.remove_webhook(webhook_id):
            raise Refused("ERR_WEBHOOK_NOT_FOUND")
        return {"success": True, "message": f"The webhook {webhook_id} has been deleted successfully."}


def _filled(row: WebhookRow, new: NewWebhook, lengths: Lengths) -> WebhookRow:
    url = new.webhook_url or row.url
    try:
        parts = urlsplit(url)
        good = (
            parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and len(url) <= lengths.url
        )
    except ValueError:
        good = False
    if not good:
        raise Refused("ERR_BAD_REQUEST", {"webhookURL": "Use a URL that begins with http:// or https://."})
    triggers = row.triggers.split(",") if new.triggers is None else new.triggers
    if not triggers or not triggers[0]:
        raise Refused("ERR_BAD_REQUEST", {"triggers": f"Name at least one of {', '.join(TRIGGERS)}."})
    for trigger in triggers:
        if trigger not in TRIGGERS:
            raise Refused("ERR_TRIGGER_NOT_FOUND", {"triggers": f"{trigger[:50]!r}: use {', '.join(TRIGGERS)}."})
    for name, value in (("username", new.username), ("password", new.password)):
        if value is not None and len(value) > 100:
            raise Refused("ERR_BAD_REQUEST", {name: "Use at most 100 characters."})
    return replace(
        row,
        name=lengths.check_name(new.name or row.name),
        url=url,
        triggers=",".join(dict.fromkeys(triggers)),
        username=new.username if new.username is not None else row.username,
        password=new.password if new.password is not None else row.password,
        retry=row.retry if new.retry_on_failure is None else int(new.retry_on_failure),
        enabled=row.enabled if new.enabled is None else int(new.enabled),
    )


def _present(row: WebhookRow) -> dict[str, Any]:
    return without_none(
        {
            "id": row.id,
            "name": row.name,
            "webhookUrl": row.url,
            "triggers": row.triggers.split(","),
            "username": row.username,
            "retryOnFailure": bool(row.retry),
            "enabled": bool(row.enabled),
            "createdAt": row.created_at,
        }
    )
