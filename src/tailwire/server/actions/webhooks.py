"""Webhooks, as a REST key administers them. The store queues their deliveries, and `webhooks` sends them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple
from urllib.parse import urlsplit

from tailwire.server.auth.sealing import Sealer
from tailwire.server.limits.targets import Targets
from tailwire.server.ports.filters import Position
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.store import Store
from tailwire.server.ports.webhook_records import DeliveryRow, WebhookRow, WebhookState
from tailwire.server.ports.world import World
from tailwire.server.rules.lengths import Lengths
from tailwire.server.rules.names import identifier
from tailwire.server.rules.triggers import TRIGGERS

MAX_WEBHOOKS = 25
MAX_CREDENTIAL_CHARACTERS = 100
SECRET_PREFIX = "whsec_"
SECRET_BYTES = range(24, 65)
RETRY_BATCH_SIZE = 500
RESERVED_IDS = ("triggers",)  # used in paths under /webhooks


@dataclass(frozen=True, slots=True)
class WebhookFields:
    """The fields of a webhook to set. None keeps a field as it is, and so does "" for name, URL and secret.

    Attributes:
        triggers: the events that are delivered, of `rules.triggers.TRIGGERS`; at least one.
        username, password: the credentials for basic authentication, which is not used if the user name is "".
        secret: the key that signs deliveries: `whsec_` and 24 to 64 bytes in Base64.
        retry: whether a failed delivery is sent again: after 10 and 30 seconds, then after growing delays.
    """

    name: str = ""
    url: str = ""
    triggers: list[str] | None = None
    username: str | None = None
    password: str | None = None
    secret: str | None = None
    retry: bool | None = None
    enabled: bool | None = None


class Webhook(NamedTuple):
    """A webhook, and the state of its queue."""

    row: WebhookRow
    state: WebhookState


class WebhookAdministration:
    """Administers webhooks and their deliveries.

    Args:
        targets: decides which addresses webhooks may have.
        sealer: encrypts passwords and secrets.
        wake: called after deliveries were queued again.
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

    async def create(self, webhook_id: str, fields: WebhookFields) -> tuple[Webhook, str]:
        """Create a webhook. Return it with its secret, which cannot be read again.

        Args:
            webhook_id: the id of the webhook; "" for a random one.
            fields: the fields of the webhook. Without a secret, a random one is made.

        Raises:
            Refused: ERR_BAD_REQUEST: a field is invalid, or the id is taken; ERR_TRIGGER_NOT_FOUND: there is no such
                trigger; ERR_LIMIT_EXCEEDED: the app has `MAX_WEBHOOKS` webhooks.
        """
        if len(await self._store.webhooks.list_all()) >= MAX_WEBHOOKS:
            raise Refused("ERR_LIMIT_EXCEEDED", {"webhooks": f"An app has at most {MAX_WEBHOOKS}."})
        webhook_id = identifier(webhook_id, "id") if webhook_id else self._world.secret(8)
        if webhook_id in RESERVED_IDS:
            raise Refused("ERR_BAD_REQUEST", {"id": f"Use an id other than {webhook_id!r}."})
        secret = fields.secret or self._new_secret()
        row = self._with_fields(
            WebhookRow(webhook_id, "", "", "", created_at=self._world.seconds()), replace(fields, secret=secret)
        )
        if not await self._store.webhooks.add(row):
            raise Refused("ERR_BAD_REQUEST", {"id": "A webhook with this id exists: change it, or use another id."})
        return await self._with_state(row), secret

    def _new_secret(self) -> str:
        key = bytes.fromhex(self._world.secret(SECRET_BYTES.start))
        return SECRET_PREFIX + base64.b64encode(key).decode()

    async def list_all(self) -> list[Webhook]:
        """Return all webhooks, oldest first. There are at most `MAX_WEBHOOKS`."""
        return [await self._with_state(row) for row in await self._store.webhooks.list_all()]

    async def get(self, webhook_id: str) -> Webhook:
        """Return a webhook.

        Raises:
            Refused: ERR_WEBHOOK_NOT_FOUND.
        """
        return await self._with_state(await self._find(webhook_id))

    async def _find(self, webhook_id: str) -> WebhookRow:
        row = await self._store.webhooks.get(webhook_id.lower())
        if row is None:
            raise Refused("ERR_WEBHOOK_NOT_FOUND")
        return row

    async def _with_state(self, row: WebhookRow) -> Webhook:
        return Webhook(row, await self._store.deliveries.state(row.id))

    async def update(self, webhook_id: str, fields: WebhookFields) -> Webhook:
        """Change a webhook, and return it.

        Raises:
            Refused: ERR_WEBHOOK_NOT_FOUND; ERR_BAD_REQUEST: a field is invalid; ERR_TRIGGER_NOT_FOUND: there is no such
                trigger.
        """
        row = await self._store.webhooks.change(webhook_id.lower(), lambda row: self._with_fields(row, fields))
        if row is None:
            raise Refused("ERR_WEBHOOK_NOT_FOUND")
        return await self._with_state(row)

    async def delete(self, webhook_id: str) -> None:
        """Delete a webhook with its queue.

        Raises:
            Refused: ERR_WEBHOOK_NOT_FOUND.
        """
        if not await self._store.webhooks.remove(webhook_id.lower()):
            raise Refused("ERR_WEBHOOK_NOT_FOUND")

    # Deliveries.

    async def deliveries(
        self, webhook_id: str, *, failed: bool, limit: int, offset: int
    ) -> tuple[list[DeliveryRow], int]:
        """Return a page of the deliveries of a webhook that have failed or are waiting, and how many there are.

        Args:
            webhook_id: the webhook.
            failed: True for those that have failed and are not retried, newest first; False for those that are waiting,
                oldest first.
            limit, offset: the page.

        Raises:
            Refused: ERR_WEBHOOK_NOT_FOUND.
        """
        row = await self._find(webhook_id)
        return await self._store.deliveries.find(row.id, failed=failed, limit=limit, offset=offset)

    async def deliveries_after(
        self, webhook_id: str, *, failed: bool, position: Position, limit: int
    ) -> list[DeliveryRow]:
        """Return deliveries as in `deliveries`, but after a position instead of an offset.

        Args:
            webhook_id, failed: as in `deliveries`.
            position: the values of the last delivery that was read by which they are ordered; () to begin.
            limit: how many to return at most.

        Raises:
            Refused: ERR_WEBHOOK_NOT_FOUND.
        """
        row = await self._find(webhook_id)
        return await self._store.deliveries.list_after(row.id, failed=failed, position=position, limit=limit)

    async def delivery(self, webhook_id: str, name: str) -> DeliveryRow:
        """Return a delivery that is waiting or has failed.

        Args:
            webhook_id: the webhook.
            name: the delivery's id, as `DeliveryRow.name` has it.

        Raises:
            Refused: ERR_WEBHOOK_NOT_FOUND; ERR_DELIVERY_NOT_FOUND: there is no such delivery, or it has succeeded.
        """
        webhook = await self._find(webhook_id)
        number = name.partition("-")[0]
        valid = number.isascii() and number.isdigit() and len(number) < 19
        row = await self._store.deliveries.get(webhook.id, int(number)) if valid else None
        if row is None or row.name != name:
            raise Refused("ERR_DELIVERY_NOT_FOUND")
        return row

    async def retry(self, webhook_id: str, name: str) -> None:
        """Queue a waiting or failed delivery to be sent at once. This does not wait until it is sent.

        Raises:
            Refused: as in `delivery`.
        """
        row = await self.delivery(webhook_id, name)
        if not await self._store.deliveries.send_again(row.webhook, [row.id]):
            raise Refused("ERR_DELIVERY_NOT_FOUND")
        self._wake()

    async def retry_failed(self, webhook_id: str) -> int:
        """Queue all failed deliveries of a webhook again. Return how many. This does not wait until they are sent.

        Raises:
            Refused: ERR_WEBHOOK_NOT_FOUND.
        """
        webhook = await self._find(webhook_id)
        ids, count = await self._store.deliveries.failed_ids(webhook.id), 0
        for n in range(0, len(ids), RETRY_BATCH_SIZE):  # in batches, so that other writes are not delayed
            count += await self._store.deliveries.send_again(webhook.id, ids[n : n + RETRY_BATCH_SIZE])
            self._wake()
        return count

    async def seal_plain_passwords(self) -> None:
        """Encrypt passwords that an earlier version stored in plain text."""
        for row in await self._store.webhooks.list_all():
            if self._with_sealed_password(row) is not row:
                await self._store.webhooks.change(row.id, self._with_sealed_password)

    def _with_sealed_password(self, row: WebhookRow) -> WebhookRow:
        if not row.password or self._sealer.is_sealed(row.password):
            return row
        return replace(row, password=self._sealer.seal(row.password))

    def _with_fields(self, row: WebhookRow, fields: WebhookFields) -> WebhookRow:
        row = _changed(row, fields, self._lengths, self._targets)
        if fields.password is not None:
            row = replace(row, password=self._sealer.seal(fields.password))
        if fields.secret:
            _check_secret(fields.secret)
            row = replace(row, secret=self._sealer.seal(fields.secret))
        return row


def _check_secret(secret: str) -> None:
    try:
        valid = secret.startswith(SECRET_PREFIX)
        valid = valid and len(base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)) in SECRET_BYTES
    except (binascii.Error, ValueError):
        valid = False
    if not valid:
        raise Refused("ERR_BAD_REQUEST", {"secret": "Use whsec_ and 24 to 64 random bytes in Base64."})


def _changed(row: WebhookRow, fields: WebhookFields, lengths: Lengths, targets: Targets) -> WebhookRow:
    url = fields.url or row.url
    if not _is_url(url, lengths.url):
        raise Refused("ERR_BAD_REQUEST", {"webhookUrl": "Use a URL that begins with http:// or https://."})
    if fields.url and (problem := targets.problem(url)):
        raise Refused("ERR_BAD_REQUEST", {"webhookUrl": problem})
    triggers = row.triggers.split(",") if fields.triggers is None else fields.triggers
    if not triggers or not triggers[0]:
        raise Refused("ERR_BAD_REQUEST", {"triggers": f"Name at least one of {', '.join(TRIGGERS)}."})
    for trigger in triggers:
        if trigger not in TRIGGERS:
            raise Refused("ERR_TRIGGER_NOT_FOUND", {"triggers": f"{trigger[:50]!r}: use {', '.join(TRIGGERS)}."})
    for name, value in (("username", fields.username), ("password", fields.password)):
        if value is not None and len(value) > MAX_CREDENTIAL_CHARACTERS:
            raise Refused("ERR_BAD_REQUEST", {name: f"Use at most {MAX_CREDENTIAL_CHARACTERS} characters."})
    return replace(
        row,
        name=lengths.check_name(fields.name or row.name),
        url=url,
        triggers=",".join(dict.fromkeys(triggers)),
        username=fields.username if fields.username is not None else row.username,
        retry=row.retry if fields.retry is None else int(fields.retry),
        enabled=row.enabled if fields.enabled is None else int(fields.enabled),
    )


def _is_url(url: str, max_characters: int) -> bool:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return False
    if parts.scheme not in ("http", "https") or not host or port == 0 or "%" in host:
        return False
    return len(url) <= max_characters and url.isprintable() and " " not in url
