"""Webhooks, as a REST key administers them. What they are told is queued by the store and sent by `webhooks`."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import msgspec

from tailwire.server.actions.present import page, without_none
from tailwire.server.auth.sealing import Sealer
from tailwire.server.limits.targets import Targets
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.store import Store
from tailwire.server.ports.webhook_records import DeliveryRow, WebhookRow, WebhookState
from tailwire.server.ports.world import World
from tailwire.server.rules.lengths import Lengths
from tailwire.server.rules.names import identifier
from tailwire.server.rules.triggers import TRIGGERS

MAX_WEBHOOKS = 25
SECRET_PREFIX = "whsec_"
SECRET_BYTES = range(24, 65)
AGAIN_AT_ONCE = 500
OWN_PATHS = ("triggers",)


class NewWebhook(msgspec.Struct, rename="camel"):
    """A webhook as somebody with a REST key sends it, new or changed.

    Attributes:
        retry_on_failure: try again after 10 and 30 seconds, then in growing gaps; true unless it says otherwise.
        username, password: of basic authentication.
        secret: what deliveries are signed with: `whsec_` and 24 to 64 bytes in Base64; made when none is given.
    """

    id: str = ""
    name: str = ""
    webhook_url: str = ""
    triggers: list[str] | None = None
    username: str | None = None
    password: str | None = None
    secret: str | None = None
    retry_on_failure: bool | None = None
    enabled: bool | None = None


class WebhookAdministration:
    """What can be done with webhooks.

    Args:
        targets: which addresses may be told.
        sealer: seals passwords and secrets.
        wake: called when there is something to be told.
    """

    def __init__(
        self, store: Store, world: World, lengths: Lengths, targets: Targets, sealer: Sealer, wake: Callable[[], None]
    ) -> None:
        self._store = store
        self._targets = targets
        self._world = world
        self._lengths = lengths
        self._sealer = sealer
        self._wake = wake

    async def create(self, new: NewWebhook) -> dict[str, Any]:
        """Make a webhook. Its secret is in this answer, and in no other.

        Raises:
            Refused: ERR_BAD_REQUEST, ERR_TRIGGER_NOT_FOUND, ERR_LIMIT_EXCEEDED.
        """
        if len(await self._store.webhooks.all()) >= MAX_WEBHOOKS:
            raise Refused("ERR_LIMIT_EXCEEDED", {"webhooks": f"An app has at most {MAX_WEBHOOKS}."})
        number = identifier(new.id, "id") if new.id else self._world.secret(8)
        if number in OWN_PATHS:
            raise Refused("ERR_BAD_REQUEST", {"id": f"Use another id than {number!r}."})
        if not new.secret:
            key = bytes.fromhex(self._world.secret(SECRET_BYTES.start))
            new = msgspec.structs.replace(new, secret=SECRET_PREFIX + base64.b64encode(key).decode())
        row = self._filled(WebhookRow(number, "", "", "", created_at=self._world.seconds()), new)
        if not await self._store.webhooks.put(row):
            raise Refused(
                "ERR_BAD_REQUEST", {"id": "There is a webhook with this id already: change it, or use another."}
            )
        return {**await self._present(row), "secret": new.secret}

    async def listed(self) -> list[dict[str, Any]]:
        """All webhooks."""
        return [await self._present(row) for row in await self._store.webhooks.all()]

    async def get(self, webhook_id: str) -> dict[str, Any]:
        """A webhook.

        Raises:
            Refused: ERR_WEBHOOK_NOT_FOUND.
        """
        return await self._present(await self._find(webhook_id))

    async def _find(self, webhook_id: str) -> WebhookRow:
        row = await self._store.webhooks.get(webhook_id)
        if row is None:
            raise Refused("ERR_WEBHOOK_NOT_FOUND")
        return row

    async def update(self, webhook_id: str, change: NewWebhook) -> dict[str, Any]:
        """Change a webhook.

        Raises:
            Refused: ERR_WEBHOOK_NOT_FOUND, ERR_BAD_REQUEST, ERR_TRIGGER_NOT_FOUND.
        """
        row = self._filled(await self._find(webhook_id), change)
        if not await self._store.webhooks.put(row, new=False):
            raise Refused("ERR_WEBHOOK_NOT_FOUND")
        return await self._present(row)

    async def delete(self, webhook_id: str) -> dict[str, Any]:
        """Delete a webhook, what waits for it, and what was given up.

        Raises:
            Refused: ERR_WEBHOOK_NOT_FOUND.
        """
        if not await self._store.webhooks.remove(webhook_id):
            raise Refused("ERR_WEBHOOK_NOT_FOUND")
        return {"success": True, "message": f"The webhook {webhook_id} has been deleted successfully."}

    async def triggers(self) -> list[dict[str, str]]:
        """What a webhook can be told of."""
        return [{"trigger": name, "description": said} for name, said in TRIGGERS.items()]

    # Deliveries.

    async def deliveries(self, webhook_id: str, *, status: str, limit: int, number: int) -> dict[str, Any]:
        """A page of the deliveries that were given up, newest first, or of those that wait, oldest first.

        Args:
            status: `failed` or `waiting`.

        Raises:
            Refused: ERR_WEBHOOK_NOT_FOUND, ERR_BAD_REQUEST.
        """
        await self._find(webhook_id)
        if status not in ("failed", "waiting"):
            raise Refused("ERR_BAD_REQUEST", {"status": "Use failed or waiting."})
        rows, total = await self._store.deliveries.find(
            webhook_id, failed=status == "failed", limit=limit, offset=(number - 1) * limit
        )
        return page([_present_delivery(row) for row in rows], total=total, limit=limit, number=number)

    async def delivery(self, webhook_id: str, name: str) -> dict[str, Any]:
        """A delivery that waits or was given up, with what the receiver is told.

        Raises:
            Refused: ERR_WEBHOOK_NOT_FOUND, ERR_DELIVERY_NOT_FOUND.
        """
        row = await self._find_delivery(webhook_id, name)
        return {**_present_delivery(row), "data": msgspec.Raw(row.body)}

    async def _find_delivery(self, webhook_id: str, name: str) -> DeliveryRow:
        await self._find(webhook_id)
        number = name.partition("-")[0]
        fits = number.isascii() and number.isdigit() and len(number) < 19
        row = await self._store.deliveries.get(webhook_id, int(number)) if fits else None
        if row is None or row.name != name:
            raise Refused("ERR_DELIVERY_NOT_FOUND")
        return row

    async def send_again(self, webhook_id: str, name: str) -> dict[str, Any]:
        """Send a delivery again now, whether it waits or was given up.

        Raises:
            Refused: ERR_WEBHOOK_NOT_FOUND, ERR_DELIVERY_NOT_FOUND.
        """
        row = await self._find_delivery(webhook_id, name)
        if not await self._store.deliveries.send_again(webhook_id, [row.id]):
            raise Refused("ERR_DELIVERY_NOT_FOUND")
        self._wake()
        return {"success": True, "message": f"The delivery {name} is sent again."}

    async def send_failed_again(self, webhook_id: str) -> dict[str, Any]:
        """Send all deliveries again that were given up.

        Raises:
            Refused: ERR_WEBHOOK_NOT_FOUND.
        """
        await self._find(webhook_id)
        ids, count = await self._store.deliveries.failed_ids(webhook_id), 0
        for n in range(0, len(ids), AGAIN_AT_ONCE):  # in pieces: others write meanwhile
            count += await self._store.deliveries.send_again(webhook_id, ids[n : n + AGAIN_AT_ONCE])
            self._wake()
        return {"success": True, "message": f"{count} deliveries are sent again."}

    async def seal_what_is_plain(self) -> None:
        """Seal the passwords that an earlier version stored as they are."""
        for row in await self._store.webhooks.all():
            if row.password and not self._sealer.is_sealed(row.password):
                await self._store.webhooks.put(replace(row, password=self._sealer.seal(row.password)), new=False)

    # What is stored and what is shown.

    def _filled(self, row: WebhookRow, new: NewWebhook) -> WebhookRow:
        row = _filled(row, new, self._lengths, self._targets)
        if new.password is not None:
            row = replace(row, password=self._sealer.seal(new.password))
        if new.secret:
            _check_secret(new.secret)
            row = replace(row, secret=self._sealer.seal(new.secret))
        return row

    async def _present(self, row: WebhookRow) -> dict[str, Any]:
        return {**_present(row), "state": _present_state(await self._store.deliveries.state(row.id))}


def _check_secret(secret: str) -> None:
    try:
        good = secret.startswith(SECRET_PREFIX)
        good = good and len(base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)) in SECRET_BYTES
    except (binascii.Error, ValueError):
        good = False
    if not good:
        raise Refused("ERR_BAD_REQUEST", {"secret": "Use whsec_ and 24 to 64 random bytes in Base64."})


def _filled(row: WebhookRow, new: NewWebhook, lengths: Lengths, targets: Targets) -> WebhookRow:
    url = new.webhook_url or row.url
    try:
        parts = urlsplit(url)
        good = (
            parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and len(url) <= lengths.url
        )
        good = good and url.isprintable() and " " not in url and "%" not in (parts.hostname or "")
    except ValueError:
        good = False
    if not good:
        raise Refused("ERR_BAD_REQUEST", {"webhookUrl": "Use a URL that begins with http:// or https://."})
    if new.webhook_url and (problem := targets.problem(url)):
        raise Refused("ERR_BAD_REQUEST", {"webhookUrl": problem})
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


def _present_state(state: WebhookState) -> dict[str, Any]:
    return without_none(
        {
            "waiting": state.waiting,
            "waitingSince": state.waiting_since,
            "failed": state.failed,
            "failingSince": state.failing_since,
            "lastSuccessAt": state.last_success_at,
            "lastFailureAt": state.last_failure_at,
            "lastFailure": state.last_failure,
        }
    )


def _present_delivery(row: DeliveryRow) -> dict[str, Any]:
    waits = row.failed_at is None
    return without_none(
        {
            "id": row.name,
            "trigger": row.trigger,
            "status": "waiting" if waits else "failed",
            "attempts": row.attempt,
            "queuedAt": row.queued_at,
            "lastTryAt": row.last_try_at,
            "nextTryAt": row.due_at if waits and row.due_at else None,
            "failedAt": row.failed_at,
            "problem": row.problem,
        }
    )
