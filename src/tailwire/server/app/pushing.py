"""Assembles push notifications: who is notified, what is sent, and through which providers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, Self

from tailwire.extras import how_to_install
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
"""The lease of the one server that decides for each message who is notified. For sending, each provider has a lease.

The names are used after `PUSH_LEASE`."""
MAX_LOOKUPS = 2
"""How many host names of Web Push services are resolved at the same time. Users choose these names, and their slow
lookups must leave threads for webhooks.
"""
KNOWN_SECONDS = 30.0


class Push:
    """The background work for push notifications; does nothing if no provider is set up.

    Of several servers on a database, the one with the lease for it examines messages, and the one with the lease of a
    provider sends for that provider.

    Args:
        notifier: examines new messages and queues notifications; None without a provider.
        lanes: the senders by the name of their provider. Each sends the notifications that are queued for its provider.

    Attributes:
        notifier: the argument of this name.
        leases: the full names of all these leases; empty without a provider.
        holds: returns whether this server has the lease with a full name. By default it always does.
    """

    def __init__(self, notifier: Notifier | None, lanes: dict[str, PushLane]) -> None:
        self.notifier = notifier
        self._lanes = lanes
        self.leases = [PUSH_LEASE + name for name in (NOTIFIER_LEASE, *lanes)] if lanes else []
        self.holds: Callable[[str], bool] = lambda lease: True

    def is_mine(self, name: str) -> bool:
        """Return whether this server has a lease: `NOTIFIER_LEASE`, or the name of a provider."""
        return self.holds(PUSH_LEASE + name)

    def schedule(self, message_id: int) -> None:
        """Schedule the examination of new messages and reactions for recipients to notify. Returns at once.

        Args:
            message_id: the id of a message that was just stored; 0 if reactions were added.
        """
        if self.notifier is not None:
            self.notifier.schedule(message_id)

    def device_registered(self) -> None:
        """Tell the notifier that a device was registered: without any device, it examines no messages."""
        if self.notifier is not None:
            self.notifier.device_registered()

    def wake(self) -> None:
        """Have the lanes of all providers check the queues in the store for notifications to send. Returns at once."""
        for lane in self._lanes.values():
            lane.wake()

    async def start(self) -> None:
        """Begin to examine messages, and to send notifications, including those that an earlier process has queued."""
        if self.notifier is not None:
            self.notifier.is_mine = partial(self.is_mine, NOTIFIER_LEASE)
            await self.notifier.start()
            self.wake()

    async def close(self) -> None:
        """Stop. Notifications that are queued stay in the store, and are sent after the next start."""
        if self.notifier is not None:
            await self.notifier.close()
        for lane in self._lanes.values():
            await lane.close()


class PushAssembly:
    """Creates the parts of push notifications. Call `open`, `make_actions` and `finish`, in this order.

    Attributes:
        push: the background work; does nothing before `finish`.
    """

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
        """Read the keys of the push services that the settings name, and return this object.

        Raises:
            OSError: if a key cannot be used, or a package is missing.
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
            raise OSError(f"apns_key: h2 is missing; run {how_to_install('push')}") from e
        from tailwire.server.push.apns import Apns

        s = self._settings
        key = apns_key(s.apns_key)
        return Apns(key, s.apns_key_id, s.apns_team_id, s.apns_topic, s.apns_url, self._world, _make_tls_context())

    def make_actions(self, authorizer: Authorizer) -> Notifications:
        """Return the actions with which users register devices for notifications and set their preferences."""
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
        """Create and return the background work, and have `delivery` report each stored message to it.

        Args:
            hub: knows who has left the foreground lately, and so has seen recent messages.
            presence: knows whose app is in the foreground, so that they are not notified.
            delivery: its attribute `stored` is set.
        """
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
