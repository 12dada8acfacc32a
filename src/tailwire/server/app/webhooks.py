"""Creates the sender of webhooks."""

from __future__ import annotations

from tailwire import __version__
from tailwire.server.app.assembly import fixed_base, webhook_targets
from tailwire.server.app.opening import AnyStore
from tailwire.server.auth.sealing import Sealer
from tailwire.server.config import Settings
from tailwire.server.ports.world import World
from tailwire.server.telemetry.metrics import Metrics
from tailwire.server.webhooks.delivery_lane import RetryPolicy
from tailwire.server.webhooks.post import Poster
from tailwire.server.webhooks.sender import WebhookSender


def make_webhooks(settings: Settings, store: AnyStore, world: World, metrics: Metrics, sealer: Sealer) -> WebhookSender:
    """Create the sender of webhooks, and set the limits of its queue in the store, as the settings say."""
    store.deliveries.set_limits(
        max_waiting=settings.max_webhook_waiting,
        max_failed=settings.max_webhook_failed,
        failed_seconds=int(settings.webhook_failed_for),
    )
    poster = Poster(
        app_id=store.app_id, region=settings.region, unseal=sealer.unseal,
        user_agent=f"Tailwire/{__version__} (webhooks)", base=fixed_base(settings),
        allows=webhook_targets(settings).allows,
    )  # fmt: skip
    retry = RetryPolicy(settings.webhook_retry_for, settings.webhook_longest_gap)
    return WebhookSender(store, world, metrics, poster, retry)
