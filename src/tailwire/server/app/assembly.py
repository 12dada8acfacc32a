"""Assembles the actions of the server on a store and a hub. `running` adds HTTP, WebSockets and webhooks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from tailwire.server.actions.authorization import Authorizer
from tailwire.server.actions.catch_up import CatchUp
from tailwire.server.actions.changes import ChangeFrames
from tailwire.server.actions.cleanup import Cleanup
from tailwire.server.actions.conversations import Conversations
from tailwire.server.actions.delivery import Delivery
from tailwire.server.actions.directory import Directory
from tailwire.server.actions.ephemeral import Ephemeral
from tailwire.server.actions.groups import Groups
from tailwire.server.actions.keys import Keys
from tailwire.server.actions.members import Members
from tailwire.server.actions.messages import Messages
from tailwire.server.actions.notifications import Notifications
from tailwire.server.actions.reactions import Reactions
from tailwire.server.actions.receipts import Receipts
from tailwire.server.actions.relations import Relations
from tailwire.server.actions.rendering import Renderer
from tailwire.server.actions.retention import Retention
from tailwire.server.actions.roles import Roles
from tailwire.server.actions.services import Services
from tailwire.server.actions.sessions import Sessions
from tailwire.server.actions.sign_in import IdentityProvider, SignIn, identity_provider
from tailwire.server.actions.uploads import Files
from tailwire.server.actions.users import Users
from tailwire.server.actions.webhooks import WebhookAdministration
from tailwire.server.app.opening import AnyStore
from tailwire.server.app.pushing import PushAssembly
from tailwire.server.app.several import AnyPresence, Limit
from tailwire.server.app.uploads import open_uploads
from tailwire.server.auth.passwords import Passwords
from tailwire.server.auth.sealing import Sealer
from tailwire.server.auth.secrets import signing_key
from tailwire.server.config import Settings
from tailwire.server.fanout.hub import Hub
from tailwire.server.fanout.overload import Overload
from tailwire.server.fanout.presence import SingleProcessPresence
from tailwire.server.limits.buckets import Buckets
from tailwire.server.limits.guess_limiter import GuessLimiter
from tailwire.server.limits.rates import per_minute
from tailwire.server.limits.targets import LOOPBACK_NETWORKS, Targets
from tailwire.server.limits.upload_quota import UploadQuota
from tailwire.server.ports.uploads import Uploads
from tailwire.server.ports.world import World
from tailwire.server.rest.addresses import Addresses
from tailwire.server.rules.lengths import Lengths
from tailwire.server.telemetry.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Actions:
    """The actions of the server (its use cases), and the parts that start and stop with them."""

    messages: Messages
    reactions: Reactions
    receipts: Receipts
    conversations: Conversations
    groups: Groups
    members: Members
    users: Users
    relations: Relations
    sessions: Sessions
    keys: Keys
    roles: Roles
    webhooks: WebhookAdministration
    files: Files
    ephemeral: Ephemeral
    renderer: Renderer
    uploads: Uploads
    cleanup: Cleanup
    passwords: Passwords
    shared_limits: tuple[Limit, ...]
    delivery: Delivery
    identity: IdentityProvider | None
    retention: Retention
    catch_up: CatchUp
    notifications: Notifications

    def start(self) -> None:
        """Start the background work: cleaning up files, applying retention, fetching keys of the identity provider."""
        self.cleanup.wake()
        self.retention.start()
        if self.identity is not None:
            self.identity.start()

    def close_functions(self) -> list[Callable[[], Awaitable[None]]]:
        """Return the coroutine functions that stop the background work, to be awaited when the server stops."""
        identity = [self.identity.keys.close] if self.identity is not None else []
        return [self.cleanup.close, self.retention.close, self.passwords.close, *identity]


def fixed_base(settings: Settings) -> str:
    """Return the base URL of the server's links in frames and webhooks, where no request says how it was reached.

    This is derived from `public_url` if that is set, otherwise from the host, port and TLS settings.
    """
    if settings.public_url:
        return Addresses(public_url=settings.public_url, app_id="", region="", offers={}).base({})
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    secure = bool(settings.tls_cert) or settings.tls_self_signed
    return f"{'https' if secure else 'http'}://{host}:{settings.port}"


def webhook_targets(settings: Settings) -> Targets:
    """Return the filter of IP addresses to which webhooks may be sent.

    It allows public addresses, those of the setting `webhook_targets`, and loopback addresses if `is_local`.
    """
    return Targets(f"{settings.webhook_targets},{LOOPBACK_NETWORKS if is_local(settings) else ''}")


def is_local(settings: Settings) -> bool:
    """Return whether only this machine can reach the server, according to its settings.

    It is so if the server listens on a loopback address, and no public URL or trusted proxy is set.
    """
    try:
        local = settings.host == "localhost" or ip_address(settings.host).is_loopback
    except ValueError:
        local = False
    return local and not (settings.public_url or settings.trusted_proxies)


async def build(
    settings: Settings, store: AnyStore, hub: Hub, world: World, metrics: Metrics, overload: Overload,
    sealer: Sealer, wake_webhooks: Callable[[], None], presence: AnyPresence, pushing: PushAssembly, secret: str = "",
) -> Actions:  # fmt: skip
    """Return a server's actions, not started (`Actions.start`). `secret` signs; by default, the data folder's key."""
    s, loop = settings, asyncio.get_running_loop()
    lengths, secret = _lengths(s), secret or signing_key(Path(s.data), world)
    directory = Directory(store, _online_in(hub, presence), lambda: {*hub.online_users(), *presence.online_elsewhere()})
    services = Services(
        store=store, directory=directory, authorizer=Authorizer(store, directory),
        delivery=Delivery(hub.broker, store.app_id, fixed_base(s)), world=world, lengths=lengths,
    )  # fmt: skip
    renderer = Renderer(store)
    roles = Roles(store, directory, world, lengths)
    await roles.load()
    uploads, files, cleanup = _make_files(settings, store, services, secret)

    def count_message() -> None:
        metrics.messages_stored += 1

    passwords = Passwords(world)
    guesses, logins = GuessLimiter(s.wrong_passwords_per_minute, loop.time), per_minute(s.logins_per_minute, loop.time)
    receipts = Receipts(services, overload, loop.call_later, s.receipt_delay, s.max_receipt_members)
    members = Members(services, roles, passwords, guesses, receipts,
                      max_members=s.max_group_members, max_groups=s.max_groups_per_user)  # fmt: skip
    users, identity = Users(services, roles, s.max_receipt_members), identity_provider(s, world)
    messages = Messages(services, roles, renderer, files, s.max_data, count_message)
    conversations = Conversations(services, renderer, s.max_pinned_conversations)
    return Actions(
        messages=messages,
        reactions=Reactions(services, renderer, max_pins=s.max_pinned_messages, max_saves=s.max_saved_messages),
        receipts=receipts,
        conversations=conversations,
        groups=Groups(services, members, passwords, s.max_groups_per_user),
        members=members,
        users=users,
        relations=Relations(services, s.max_friends),
        sessions=Sessions(
            services, logins, pass_lifetime=s.jwt_lifetime, token_lifetime=s.token_lifetime, max_tokens=s.max_tokens,
            secret=secret, sign_in=_make_sign_in(s, services, users, identity, logins),
        ),
        keys=Keys(services),
        roles=roles,
        webhooks=WebhookAdministration(store, world, lengths, webhook_targets(s), sealer, wake_webhooks),
        files=files,
        ephemeral=Ephemeral(
            services, roles, overload, s.max_typing_members,
            lambda: hub.users_online + len(presence.online_elsewhere()) <= s.max_presence_users, presence,
        ),
        renderer=renderer,
        uploads=uploads,
        cleanup=cleanup,
        passwords=passwords,
        identity=identity,
        shared_limits=(logins, guesses),
        delivery=services.delivery,
        retention=Retention(store, world, messages_days=s.retain_messages, files_days=s.retain_files),
        catch_up=CatchUp(services, messages, renderer, ChangeFrames(services, renderer, conversations)),
        notifications=pushing.make_actions(services.authorizer),
    )  # fmt: skip


def _make_sign_in(
    s: Settings, services: Services, users: Users, identity: IdentityProvider | None, logins: Buckets
) -> SignIn | None:
    if identity is None:
        return None
    return SignIn(
        services, users, identity.verifier, logins,
        create_users=s.auth_jwt_create_users, max_tokens=s.max_tokens,
    )  # fmt: skip


def _online_in(hub: Hub, presence: AnyPresence) -> Callable[[str], bool]:
    if isinstance(presence, SingleProcessPresence):
        return hub.is_online
    return lambda uid: hub.is_online(uid) or presence.is_online_elsewhere(uid)


def _lengths(s: Settings) -> Lengths:
    return Lengths(
        name=s.max_name, url=s.max_url, metadata=s.max_metadata, tags=s.max_tags, tag=s.max_tag,
        password=s.max_group_password, description=s.max_group_description, at_once=s.max_at_once,
    )  # fmt: skip


def _make_files(s: Settings, store: AnyStore, services: Services, secret: str) -> tuple[Uploads, Files, Cleanup]:
    uploads = open_uploads(s, services.world)
    files = Files(
        services, uploads, max_size=s.max_file, max_count=s.max_files, secret=secret,
        room=UploadQuota(s.uploads_per_day, s.min_free_disk, uploads.free_bytes),
        direct=s.uploads_direct,
    )  # fmt: skip
    cleanup = Cleanup(
        store, uploads, services.world, asyncio.get_running_loop().call_later,
        deleted_after=s.deleted_files_after, unused_after=s.unused_files_after,
    )  # fmt: skip
    store.chores.on_added(cleanup.wake)
    return uploads, files, cleanup
