"""Stops the server. uvicorn stops accepting and calls `shutdown` of each connection; then this runs."""

from __future__ import annotations

from tailwire.server.actions.cleanup import Cleanup
from tailwire.server.actions.sign_in import IdentityProvider
from tailwire.server.auth.passwords import Passwords
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
    identity: IdentityProvider | None,
) -> None:
    """Finish actions of the gateway and what was submitted to the store, in this order, and close all parts."""
    await gateway.close()
    await webhooks.close()
    await cleanup.close()
    passwords.close()
    if identity is not None:
        await identity.keys.close()
    await store.close()
    log.info("stopped")
