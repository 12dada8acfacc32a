"""Stops the server. uvicorn stops accepting and calls `shutdown` of each connection; then this runs."""

from __future__ import annotations

from tailwire.server.actions.cleanup import Cleanup
from tailwire.server.auth.passwords import Passwords
from tailwire.server.fanout.log import MessageLog
from tailwire.server.gateway.gateway import Gateway
from tailwire.server.ports.store import Store
from tailwire.server.telemetry.logs import log
from tailwire.server.webhooks.sender import WebhookSender


async def finish(
    gateway: Gateway,
    webhooks: WebhookSender,
    cleanup: Cleanup,
    passwords: Passwords,
    store: Store,
    log_of_store: MessageLog | None = None,
) -> None:
    """Finish actions of the gateway and what was submitted to the store, in this order, and close all parts.

    Args:
        log_of_store: of a server that shares its store.
    """
    await gateway.close()
    await webhooks.close()
    await cleanup.close()
    passwords.close()
    if log_of_store is not None:
        await log_of_store.close()
    await store.close()
    log.info("stopped")
