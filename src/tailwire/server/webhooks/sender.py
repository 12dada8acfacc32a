"""Sends what is queued: 2 seconds for an answer, again after 10 and after 30 seconds, then no more.

One task, which exists while something is due, and one timer for what is due later. The queue outlives the process.
"""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from tailwire.server.ports.records import DeliveryRow, WebhookRow
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.store import Store
from tailwire.server.ports.world import World
from tailwire.server.telemetry.logs import log
from tailwire.server.telemetry.metrics import Metrics

ANSWER_WITHIN = 2.0
AGAIN_AFTER = (10, 30)
TROUBLED = 5
AT_ONCE = 50

_encode = msgspec.json.Encoder().encode


class WebhookSender:
    """Sends deliveries, in order for each webhook; a webhook that is slow does not hold up the others."""

    def __init__(self, store: Store, world: World, metrics: Metrics, *, app_id: str, region: str) -> None:
        self._store = store
        self._world = world
        self._metrics = metrics
        self._loop = asyncio.get_running_loop()
        self._app = {"appId": app_id, "region": region}
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._more = False
        self._closed = False
        self._client: Any = None

    def wake(self) -> None:
        """Look into the queue."""
        self._more = True
        if self._task is None and not self._closed:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            self._task = self._loop.create_task(self._run(), name="tailwire webhooks")

    async def _run(self) -> None:
        try:
            while not self._closed:
                while self._more and not self._closed:
                    self._more = await self._send_due()
                due = await self._store.next_delivery()
                if not self._more:  # nothing came meanwhile: from here to the end nothing is awaited
                    self._sleep_until(due)
                    break
        except Refused:  # the store cannot write, and says so itself; what was sent meanwhile is sent once more
            self._sleep_until(self._world.seconds() + TROUBLED)
        finally:
            self._task = None

    async def _send_due(self) -> bool:
        # Whether there may be more.
        self._more = False
        due = await self._store.due_deliveries(self._world.seconds(), AT_ONCE)
        by_webhook: dict[str, list[DeliveryRow]] = {}
        for delivery in due:
            by_webhook.setdefault(delivery.webhook, []).append(delivery)
        await asyncio.gather(*(self._send_all(name, rows) for name, rows in by_webhook.items()))
        return self._more or bool(due)

    def _sleep_until(self, due: int | None) -> None:
        if due is not None and self._timer is None and not self._closed:
            wait = max(1.0, float(due - self._world.seconds()))
            self._timer = self._loop.call_later(wait, self._woken)

    def _woken(self) -> None:
        self._timer = None
        self.wake()

    async def _send_all(self, name: str, rows: list[DeliveryRow]) -> None:
        webhook = await self._store.webhook(name)
        for row in rows:
            await self._send(webhook, row)

    async def _send(self, webhook: WebhookRow | None, row: DeliveryRow) -> None:
        if webhook is None or not webhook.enabled:
            await self._store.delivered(row.id)
            return
        problem = await self._post(webhook, row)
        if not problem:
            self._metrics.webhooks["sent"] += 1
            await self._store.delivered(row.id)
        elif webhook.retry and row.attempt < len(AGAIN_AFTER):
            self._metrics.webhooks["put off"] += 1
            await self._store.put_off(row.id, self._world.seconds() + AGAIN_AFTER[row.attempt])
        else:
            self._metrics.webhooks["given up"] += 1
            log.warning("webhook %s was not told of %s: %s", webhook.id, row.trigger, problem)
            await self._store.delivered(row.id)

    async def _post(self, webhook: WebhookRow, row: DeliveryRow) -> str:
        # What went wrong, or "".
        import httpx2

        if self._client is None:
            self._client = httpx2.AsyncClient(timeout=ANSWER_WITHIN, follow_redirects=False)
        envelope = {"trigger": row.trigger, "data": msgspec.Raw(row.body), **self._app, "webhook": webhook.id}
        auth = (webhook.username, webhook.password or "") if webhook.username else None
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                response = await self._client.post(
                    webhook.url, content=_encode(envelope), headers={"content-type": "application/json"}, auth=auth
                )
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, TimeoutError) as e:
            return f"{type(e).__name__}: {e}"
        return "" if response.status_code == 200 else f"HTTP {response.status_code}"

    async def close(self) -> None:
        """Send nothing more; what is queued stays queued."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._task is not None:
            task = self._task
            task.cancel()
            await asyncio.wait([task])
        if self._client is not None:
            await self._client.aclose()
