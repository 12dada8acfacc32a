"""Puts the actions together: what the server does, on a store and a hub. `app` puts the doors before them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from tailwire.server.actions.conversations import Conversations
from tailwire.server.actions.delivery import Delivery
from tailwire.server.actions.directory import Directory
from tailwire.server.actions.doors import Doors
from tailwire.server.actions.groups import Groups
from tailwire.server.actions.keys import Keys
from tailwire.server.actions.leftovers import Leftovers
from tailwire.server.actions.live import Live
from tailwire.server.actions.members import Members
from tailwire.server.actions.messages import Messages
from tailwire.server.actions.reactions import Reactions
from tailwire.server.actions.receipts import Receipts
from tailwire.server.actions.relations import Relations
from tailwire.server.actions.roles import Roles
from tailwire.server.actions.sessions import Sessions
from tailwire.server.actions.uploads import Files
from tailwire.server.actions.users import Users
from tailwire.server.actions.views import Views
from tailwire.server.actions.webhooks import WebhookAdministration
from tailwire.server.auth.passwords import Passwords
from tailwire.server.auth.sealing import Sealer
from tailwire.server.auth.secrets import signing_key
from tailwire.server.config import Settings
from tailwire.server.fanout.hub import Hub
from tailwire.server.fanout.overload import Overload
from tailwire.server.limits.guesses import Guesses
from tailwire.server.limits.rates import per_minute
from tailwire.server.limits.room import Room
from tailwire.server.limits.targets import LOOPBACK, Targets
from tailwire.server.ports.world import World
from tailwire.server.rest.addresses import Addresses
from tailwire.server.rules.lengths import Lengths
from tailwire.server.store.sqlite import SqliteStore
from tailwire.server.telemetry.metrics import Metrics
from tailwire.server.uploads.folder import FolderUploads


@dataclass(frozen=True, slots=True)
class Actions:
    """All that the server does."""

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
    live: Live
    views: Views
    uploads: FolderUploads
    leftovers: Leftovers
    passwords: Passwords


def database_path(settings: Settings) -> Path:
    """The SQLite file."""
    if settings.database:
        return Path(settings.database.removeprefix("sqlite:///"))
    return Path(settings.data) / "tailwire.db"


def fixed_base(settings: Settings) -> str:
    """The server's URL for those who did not reach it themselves."""
    if settings.public_url:
        return Addresses(public_url=settings.public_url, app_id="", region="", offers={}).base({})
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    secure = bool(settings.tls_cert) or settings.tls_self_signed
    return f"{'https' if secure else 'http'}://{host}:{settings.port}"


def webhook_targets(settings: Settings) -> Targets:
    """Which addresses webhooks may reach: on a machine of its own, where nobody else comes, loopback ones too."""
    try:
        alone = settings.host == "localhost" or ip_address(settings.host).is_loopback
    except ValueError:
        alone = False
    alone = alone and not (settings.public_url or settings.trusted_proxies)
    return Targets(f"{settings.webhook_targets},{LOOPBACK if alone else ''}")


async def build(
    settings: Settings, store: SqliteStore, hub: Hub, world: World, metrics: Metrics, overload: Overload,
    sealer: Sealer, tell_webhooks: Callable[[], None],
) -> Actions:  # fmt: skip
    """The actions."""
    s, loop = settings, asyncio.get_running_loop()
    lengths, secret = _lengths(s), signing_key(Path(s.data), world)
    directory = Directory(store, hub.is_online, hub.everyone_online)
    delivery = Delivery(hub.broker, store.app_id, fixed_base(s))
    doors = Doors(store, directory)
    views = Views(store)
    roles = Roles(store, directory, world, lengths)
    await roles.load()
    uploads, files, leftovers = _files(settings, store, doors, world, secret)

    def count_message() -> None:
        metrics.messages_stored += 1

    passwords = Passwords(world)
    members = Members(
        store, directory, doors, delivery, world, lengths, roles, passwords,
        Guesses(s.wrong_passwords_per_minute, loop.time),
        most_members=s.max_group_members, most_groups=s.max_groups_per_user,
    )  # fmt: skip
    return Actions(
        messages=Messages(
            store, directory, doors, roles, views, files, delivery, world, lengths, s.max_data, count_message
        ),
        reactions=Reactions(
            store, directory, doors, views, delivery, world,
            most_pins=s.max_pinned_messages, most_saves=s.max_saved_messages,
        ),
        receipts=Receipts(
            store, directory, doors, delivery, world, overload, loop.call_later, s.receipt_delay, s.max_receipt_members
        ),
        conversations=Conversations(
            store, directory, doors, views, delivery, world, lengths, s.max_pinned_conversations
        ),
        groups=Groups(store, directory, doors, members, delivery, world, lengths, passwords, s.max_groups_per_user),
        members=members,
        users=Users(store, directory, roles, delivery, world, lengths),
        relations=Relations(store, directory, doors, world, lengths, s.max_friends),
        sessions=Sessions(store, directory, delivery, world, per_minute(s.logins_per_minute, loop.time),
                          s.jwt_lifetime, s.token_lifetime, s.max_tokens, secret),
        keys=Keys(store, directory, delivery, world, lengths),
        roles=roles,
        webhooks=WebhookAdministration(store, world, lengths, webhook_targets(s), sealer, tell_webhooks),
        files=files,
        live=Live(
            store, directory, doors, roles, delivery, world, overload, s.max_typing_members,
            lambda: hub.users_online <= s.max_presence_users,
        ),
        views=views,
        uploads=uploads,
        leftovers=leftovers,
        passwords=passwords,
    )  # fmt: skip


def _lengths(s: Settings) -> Lengths:
    return Lengths(
        name=s.max_name, url=s.max_url, metadata=s.max_metadata, tags=s.max_tags, tag=s.max_tag,
        password=s.max_group_password, description=s.max_group_description, at_once=s.max_at_once,
    )  # fmt: skip


def _files(
    s: Settings, store: SqliteStore, doors: Doors, world: World, secret: str
) -> tuple[FolderUploads, Files, Leftovers]:
    uploads = FolderUploads(Path(s.data) / "uploads")
    files = Files(
        store, uploads, doors, world, most_size=s.max_file, most_count=s.max_files, secret=secret,
        room=Room(s.uploads_per_day, s.min_free_disk, uploads.free),
    )  # fmt: skip
    leftovers = Leftovers(
        store, uploads, world, asyncio.get_running_loop().call_later,
        deleted_after=s.deleted_files_after, unused_after=s.unused_files_after,
    )  # fmt: skip
    store.chores.on_added(leftovers.wake)
    return uploads, files, leftovers
