"""Stops the server. uvicorn stops accepting and calls `shutdown` of each connection; then this runs."""

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
    """Finish actions of the gateway and what was submitted to the store, in this order, and close all parts.

    Args:
        background: each ends something that runs in the background.
        log_of_store: the log, if the server shares its store with others; else None.
    """
    await gateway.close()
    await webhooks.close()
    for close in background:
        await close()
    if log_of_store is not None:
        await log_of_store.close()
    await store.close()
    log.info("stopped")
