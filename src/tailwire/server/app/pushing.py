"""Assembles push notifications: who is notified, what is sent, and through which providers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, Self

from tailwire.server.actions.authorization import Authorizer
from tailwire.server.actions.delivery import Delivery
from tailwire.server.actions.notification_content import NotificationContent
from tailwire.server.actions.notifications import Notifications, PushSetup
from tailwire.server.actions.notifying import Notifier
from tailwire.server.app.opening import AnyStore
from tailwire.server.app.sealing_key import sealing_key
from tailwire.server.app.several import AnyPresence
from tailwire.server.config import Settings
from tailwire.server.fanout.hub import Hub
from tailwire.server.limits.targets import Targets
from tailwire.server.ports.push import PushProvider
from tailwire.server.ports.world import World
from tailwire.server.push.fcm import Fcm
from tailwire.server.push.keys import apns_key, service_account, vapid_private_key
from tailwire.server.push.lane import PushLane
from tailwire.server.push.web_push import WebPush
from tailwire.server.store.sqlite import SqliteStore
from tailwire.server.telemetry.metrics import Metrics
from tailwire.server.webhooks.checked_transport import CheckedTransport

PUSH_LEASE = "push/"
NOTIFIER_LEASE = "messages"
"""The lease of the server that examines messages. The servers that send have the leases of the providers."""
MAX_LOOKUPS = 2
"""Names of push services that are looked up at the same time: users choose them, and webhooks need threads as well."""
KNOWN_SECONDS = 30.0


class Push:
    """The push notifications of a server; does nothing without a provider.

    Args:
        notifier: examines messages; None without a provider.
        lanes: send what is queued, by the name of their provider.

    Attributes:
        notifier: the argument of this name.
        leases: the names of the leases with which one of several servers examines messages, or sends for a provider.
        holds: returns whether this server has a lease.
    """

    def __init__(self, notifier: Notifier | None, lanes: dict[str, PushLane]) -> None:
        self.notifier = notifier
        self._lanes = lanes
        self.leases = [PUSH_LEASE + name for name in (NOTIFIER_LEASE, *lanes)] if lanes else []
        self.holds: Callable[[str], bool] = lambda lease: True

    def is_mine(self, name: str) -> bool:
        """Return whether this server examines messages, or sends for a provider."""
        return self.holds(PUSH_LEASE + name)

    def schedule(self, message_id: int) -> None:
        """Schedule the examination of a stored message, or of new reactions (0)."""
        if self.notifier is not None:
            self.notifier.schedule(message_id)

    def device_registered(self) -> None:
        """Record that a device was registered."""
        if self.notifier is not None:
            self.notifier.device_registered()

    def wake(self) -> None:
        """Check the queues of all providers for notifications to be sent."""
        for lane in self._lanes.values():
            lane.wake()

    async def start(self) -> None:
        """Begin to examine messages, and to send notifications that an earlier process left."""
        if self.notifier is not None:
            self.notifier.is_mine = partial(self.is_mine, NOTIFIER_LEASE)
            await self.notifier.start()
            self.wake()

    async def close(self) -> None:
        """Stop. Queued notifications are kept."""
        if self.notifier is not None:
            await self.notifier.close()
        for lane in self._lanes.values():
            await lane.close()


class PushAssembly:
    """Makes the parts of push notifications, in the order in which a server is assembled."""

    def __init__(self, settings: Settings, store: AnyStore, world: World, metrics: Metrics) -> None:
        self._settings = settings
        self._store = store
        self._world = world
        self._metrics = metrics
        self._targets = Targets(settings.push_targets, "push_targets")
        self._providers: list[PushProvider] = []
        self._web_key = ""
        self.push = Push(None, {})
        lifetime = int(settings.push_lifetime)
        self._content = NotificationContent(store, world, settings.push_content, lifetime)

    async def open(self) -> Self:
        """Read the keys of the providers that are set up, and return this object.

        Raises:
            OSError: if a key cannot be used.
        """
        s, run = self._settings, asyncio.get_running_loop().run_in_executor
        if s.push_contact:
            key = vapid_private_key(await run(None, sealing_key, s.data))
            web = WebPush(key, s.push_contact, self._world, await run(None, self._make_transport))
            self._web_key = web.public_key
            self._providers.append(web)
        if s.fcm_credentials:
            account, tls = await run(None, service_account, s.fcm_credentials), await run(None, _make_tls_context)
            self._providers.append(Fcm(account, s.fcm_url, self._world, tls))
        if s.apns_key:
            self._providers.append(await run(None, self._make_apns))
        return self

    def _make_transport(self) -> Any:
        return CheckedTransport(self._targets.allows, "push_targets", lookups=MAX_LOOKUPS, known_for=KNOWN_SECONDS)

    def _make_apns(self) -> PushProvider:
        try:
            import h2  # noqa: F401 - only to see whether it is installed
        except ModuleNotFoundError as e:
            raise OSError("apns_key: h2 is missing; install it with pip install 'tailwire[push]'") from e
        from tailwire.server.push.apns import Apns

        s = self._settings
        key = apns_key(s.apns_key)
        return Apns(key, s.apns_key_id, s.apns_team_id, s.apns_topic, s.apns_url, self._world, _make_tls_context())

    def make_actions(self, authorizer: Authorizer) -> Notifications:
        """Return the actions of users and administrators."""
        setup = PushSetup(
            providers=frozenset(provider.name for provider in self._providers), web_key=self._web_key,
            targets=self._targets, plain_http=bool(self._settings.push_targets.strip(" ,")),
            max_tokens=self._settings.max_push_tokens,
        )  # fmt: skip
        return Notifications(
            self._store,
            self._world,
            authorizer,
            setup,
            self._content,
            lambda: self.push.device_registered(),
            lambda: self.push.wake(),
        )

    def finish(self, hub: Hub, presence: AnyPresence, delivery: Delivery) -> Push:
        """Return the part that runs in the background, after connecting it with the deliveries that it observes."""
        if not self._providers:
            return self.push
        lifetime = int(self._settings.push_lifetime)
        lanes: dict[str, PushLane] = {}
        notifier = Notifier(
            self._store, self._world, delay=self._settings.push_delay, lifetime=lifetime,
            is_foreground=presence.is_foreground, left_within=hub.left.left_within, queued=lambda: self.push.wake(),
            polls=not isinstance(self._store, SqliteStore),
        )  # fmt: skip
        self.push = Push(notifier, lanes)
        delivery.stored = self.push.schedule
        for provider in self._providers:
            lanes[provider.name] = PushLane(
                provider, self._content, self._store, self._world, self._metrics, lifetime,
                partial(self.push.is_mine, provider.name),
            )  # fmt: skip
        self.push.leases = [PUSH_LEASE + name for name in (NOTIFIER_LEASE, *lanes)]
        return self.push


def _make_tls_context() -> Any:
    # Reads the certificates of all authorities: not on the event loop.
    import httpx2

    return httpx2.create_ssl_context()
