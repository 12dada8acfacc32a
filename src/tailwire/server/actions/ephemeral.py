"""Events that are not stored: typing, transient messages, presence."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from tailwire.server.actions.caller import Caller
from tailwire.server.actions.payloads import user_payload
from tailwire.server.actions.raw_json import empty, encode
from tailwire.server.actions.roles import Roles
from tailwire.server.actions.services import Services
from tailwire.server.fanout.overload import Level, Overload
from tailwire.server.ports.presence import Presence, State
from tailwire.server.ports.records import Event, UserRow
from tailwire.server.ports.refusal import Refused
from tailwire.server.telemetry.logs import log

MAX_DATA_BYTES = 10 * 1024
MAX_SKIPPED_USERS = 10_000
PUBLISH_BATCH_SIZE = 50
"""How many presence updates are published before other tasks of the event loop get a turn."""


class Ephemeral:
    """Publishes typing indicators, transient messages and presence.

    Args:
        overload: decides which frames are left out under load.
        max_typing: in groups with more members than this, typing indicators are not published.
        publishes_presence: returns whether presence is published now; it is not while too many users are online.
        presence: knows who is online at any process.
    """

    def __init__(
        self,
        services: Services,
        roles: Roles,
        overload: Overload,
        max_typing: int,
        publishes_presence: Callable[[], bool],
        presence: Presence,
    ) -> None:
        self._store = services.store
        self._directory = services.directory
        self._authorizer = services.authorizer
        self._roles = roles
        self._delivery = services.delivery
        self._world = services.world
        self._overload = overload
        self._skipped: dict[str, None] = {}  # users whose presence updates were shed, oldest first
        self._platforms: dict[str, str] = {}  # platforms of the users who are online, by uid
        self._max_typing = max_typing
        self._publishes_presence = publishes_presence
        self._everywhere = presence

    async def publish_typing(
        self, caller: Caller, receiver: str, receiver_type: str, action: str, metadata: msgspec.Raw
    ) -> None:
        """Publish that the caller started or stopped typing. Do nothing under load, or in a group above the limit.

        Args:
            caller: the user.
            receiver, receiver_type: a uid or guid, and `user` or `group`.
            action: `started` or `ended`.
            metadata: an encoded JSON object for the receivers, or `null` for none.

        Raises:
            Refused: the caller may not write to the receiver, or an argument is invalid.
        """
        if action not in ("started", "ended"):
            raise Refused("ERR_BAD_REQUEST", {"body.action": "Use started or ended."})
        if bytes(metadata) == b"null":
            metadata = empty()
        _check_object(metadata, "body.metadata")
        if self._overload.sheds(Level.TYPING):
            return
        receiver, size = await self._addressee(caller, receiver, receiver_type)
        if size > self._max_typing:
            return
        user = await self._directory.user_entity(caller.uid)
        body = {"action": action, "user": user, "metadata": metadata}
        self._delivery.publish_typing(caller, receiver, receiver_type, body)

    async def publish_transient(self, caller: Caller, receiver: str, receiver_type: str, data: msgspec.Raw) -> None:
        """Publish a message to the sockets that are open now, without storing it.

        Args:
            caller: the user.
            receiver, receiver_type: a uid or guid, and `user` or `group`.
            data: an encoded JSON object.

        Raises:
            Refused: the caller may not write to the receiver, or an argument is invalid.
        """
        _check_object(data, "body.data")
        receiver, _ = await self._addressee(caller, receiver, receiver_type)
        user = await self._directory.user_entity(caller.uid)
        self._delivery.publish_transient(caller, receiver, receiver_type, {"user": user, "data": data})

    async def _addressee(self, caller: Caller, receiver: str, receiver_type: str) -> tuple[str, int]:
        # The uid or guid, and the number of members of a group.
        if receiver_type not in ("user", "group"):
            raise Refused("ERR_INVALID_RECEIVER_TYPE")
        await self._roles.check_feature(caller, "createMessage")
        if receiver_type == "user":
            uid = await self._authorizer.user(caller, receiver, "type")
            await self._roles.check_receiver(caller, uid)
            return uid, 0
        found, _ = await self._authorizer.group(caller, receiver, "write")
        return found.guid, found.members_count

    async def user_came_online(self, uid: str, platform: str = "") -> None:
        """Record that a user's first socket at this process has opened, and publish that they are online.

        It is not published if they were online at another process already, unless they were away: all their apps there
        were in the background.

        Args:
            uid: the user.
            platform: the platform of the app, as the client names it; "" if it does not.
        """
        self._platforms[uid] = platform
        before, after = await self._everywhere.record_change(uid)
        if before is State.OFFLINE is not after:
            await self._announce_presence(uid, "online", platform=platform)
        elif before is State.AWAY and after is State.ONLINE:
            await self._announce_presence(uid, "online", "appState")

    async def user_went_offline(self, uid: str) -> None:
        """Record that a user's last socket at this process has closed, and when, and publish their new state.

        The state is `offline` if they have no socket at another process, `away` if all their apps there are in the
        background. If one is in the foreground, they are still online, and nothing is published. If the time cannot be
        stored, that is only logged.
        """
        await self._store_last_online(uid, self._world.seconds())
        before, after = await self._everywhere.record_change(uid)
        platform = "" if self._directory.is_online(uid) else self._platforms.pop(uid, "")
        if before is not State.OFFLINE is after:
            await self._announce_presence(uid, "offline", platform=platform)
        elif before is State.ONLINE and after is State.AWAY:
            await self._announce_presence(uid, "away", "appState")

    async def publish_away(self, uid: str) -> None:
        """Publish that a user is away (all their apps are in the background) or online again, whichever is the case.

        Nothing is published if this has not changed. Only sockets with the feature `appState` receive it.
        """
        before, after = await self._everywhere.record_change(uid)
        if before is not after and State.OFFLINE not in (before, after):
            await self._announce_presence(uid, "away" if after is State.AWAY else "online", "appState")

    async def publish_offline(self, uids: Sequence[str], at: int) -> None:
        """Publish that users are offline because the process that had their sockets has ended.

        Users who have a socket at another process are left out. What is refused for one of them is only logged.

        Args:
            uids: the users.
            at: when they were last online, in seconds since 1970.
        """
        for number, uid in enumerate(uids):
            if not self._directory.is_online(uid):
                await self._store_last_online(uid, at)
                await self._announce_or_log(uid, "offline")
            if number % PUBLISH_BATCH_SIZE == 0:
                await asyncio.sleep(0)

    async def publish_online_again(self, uids: Sequence[str]) -> None:
        """Publish that users are online whom another process reported as offline while this process was paused.

        Users who are no longer online are left out. What is refused for one of them is only logged.
        """
        for number, uid in enumerate(uids):
            if self._directory.is_online(uid):
                await self._announce_or_log(uid, "online", platform=self._platforms.get(uid, ""))
            if number % PUBLISH_BATCH_SIZE == 0:
                await asyncio.sleep(0)

    async def _store_last_online(self, uid: str, at: int) -> None:
        # Whatever happens here, the caller must go on: otherwise other processes would take the user for online.
        try:
            await self._store.users.store_last_online(uid, at)
        except Refused as e:
            log.warning("when %s was last online could not be stored: %s", uid, e)
        except Exception:  # noqa: BLE001 - logged
            log.exception("storing when %s was last online failed", uid)

    async def _announce_or_log(self, uid: str, action: str, platform: str = "") -> None:
        # One of many users: the others are announced although the store refuses what is read for this one.
        try:
            await self._announce_presence(uid, action, platform=platform)
        except Refused as e:
            log.warning("%s could not be reported as %s: %s", uid, action, e)

    async def _announce_presence(self, uid: str, action: str, feature: str = "", platform: str = "") -> None:
        # A user who returns while the store is read is announced as online, which must not be followed by "offline".
        self._directory.forget(uid)
        row = await self._store.users.get(uid)
        if row is None:
            return  # the user was deleted meanwhile
        user = user_payload(self._directory.public_view(row))
        if action == "away":
            user = {**user, "status": "away"}
        if self._overload.sheds(Level.PRESENCE):
            if len(self._skipped) < MAX_SKIPPED_USERS:
                self._skipped[uid] = None
        elif self._publishes_presence():
            await self._publish_presence(row, action, user, feature)
        if self._store.webhooks.any_enabled and not feature and not self._has_returned(uid, action):
            await self._store.webhooks.add_events([self._connection_event(user, action, platform)])

    async def _publish_presence(self, row: UserRow, action: str, user: dict[str, Any], feature: str = "") -> None:
        body = {"action": action, "timestamp": self._world.seconds(), "user": user}
        friends = await self._store.friends.of_user(row.uid)
        blocked = await self._store.blocks.blocked_or_blocking(row.uid)
        if not self._has_returned(row.uid, action):
            self._delivery.publish_presence(row.uid, row.role, body, friends, blocked, feature)

    def _has_returned(self, uid: str, action: str) -> bool:
        return action == "offline" and self._directory.is_online(uid)

    async def publish_skipped(self) -> None:
        """Publish the presence of users for whom updates were left out under load, while the load is low enough.

        The state that they have now is published.
        """
        while self._skipped and self._overload.level < Level.PRESENCE:
            for uid in list(self._skipped)[:PUBLISH_BATCH_SIZE]:
                del self._skipped[uid]
                row = await self._store.users.get(uid)
                if row is not None and self._publishes_presence():
                    action = "online" if self._directory.is_online(uid) else "offline"
                    user = user_payload(self._directory.public_view(row))
                    await self._publish_presence(row, action, user)
            await asyncio.sleep(0)

    def _connection_event(self, user: dict[str, Any], action: str, platform: str) -> Event:
        now = self._world.milliseconds()
        connection: dict[str, Any] = {
            "action": "connected" if action == "online" else "disconnected",
            "connectedAt": now,
        }
        if platform:
            connection["platform"] = platform
        data = {
            "timestamp": now,
            "user": user,
            "status": action,
            "currentConnection": connection,
            "userPresenceChanged": True,
        }
        return Event("user_connection_status_changed", encode(data))


def _check_object(sent: msgspec.Raw, field: str) -> None:
    if not bytes(sent).startswith(b"{") or len(bytes(sent)) > MAX_DATA_BYTES:
        raise Refused("ERR_BAD_REQUEST", {field: f"Send an object of at most {MAX_DATA_BYTES} bytes."})
