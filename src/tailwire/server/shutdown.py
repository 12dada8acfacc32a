"""Closes the parts of the server, after uvicorn has stopped accepting connections and has shut down the open ones."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from tailwire.server.fanout.log import MessageLog
from tailwire.server.gateway.gateway import Gateway
from tailwire.server.ports.store import Store
from tailwire.server.telemetry.logs import log
from tailwire.server.webhooks.sender import WebhookSender


async def shut_down(
    gateway: Gateway,
    webhooks: WebhookSender,
    background: Iterable[Callable[[], Awaitable[None]]],
    store: Store,
    log_of_store: MessageLog | None = None,
) -> None:
    """Close the parts of the server, one after the other, each after it has finished what it is doing.

    The order is: gateway, webhooks, background work, log, store.

    Args:
        background: functions that each end something that runs in the background.
        log_of_store: the reader of the log, if several servers share the store; else None.
    """
    await gateway.close()
    await webhooks.close()
    for close in background:
        await close()
    if log_of_store is not None:
        await log_of_store.close()
    await store.close()
    log.info("stopped")
