"""What comes over a socket and is not kept: typing, transient messages, and coming and going."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from tailwire.server.actions.caller import Caller
from tailwire.server.actions.delivery import Delivery
from tailwire.server.actions.directory import Directory
from tailwire.server.actions.doors import Doors
from tailwire.server.actions.present import empty, encode
from tailwire.server.actions.roles import Roles
from tailwire.server.fanout.overload import Level, Overload
from tailwire.server.ports.records import Event, UserRow
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.store import Store
from tailwire.server.ports.world import World

MAX_DATA = 10 * 1024
MAX_UNTOLD = 10_000
TOLD_AT_ONCE = 50


class Live:
    """Typing, transient messages, presence.

    Args:
        overload: whether there is time for this.
        most_typing: members of a group up to which it is told who types.
        presence: whether so few users are online that it is told who comes and goes.
    """

    def __init__(
        self,
        store: Store,
        directory: Directory,
        doors: Doors,
        roles: Roles,
        delivery: Delivery,
        world: World,
        overload: Overload,
        most_typing: int,
        presence: Callable[[], bool],
    ) -> None:
        self._store = store
        self._directory = directory
        self._doors = doors
        self._roles = roles
        self._delivery = delivery
        self._world = world
        self._overload = overload
        self._untold: dict[str, None] = {}  # users of whose coming and going there was no time to tell
        self._platforms: dict[str, str] = {}  # of those who are online
        self._most_typing = most_typing
        self._tells_presence = presence

    async def typing(
        self, caller: Caller, receiver: str, receiver_type: str, action: str, metadata: msgspec.Raw
    ) -> None:
        """Tell those concerned that the caller began (`started`) or stopped (`ended`) typing.

        Raises:
            Refused: when they may not write there, or the frame is not valid.
        """
        if action not in ("started", "ended"):
            raise Refused("ERR_BAD_REQUEST", {"body.action": "Use started or ended."})
        if bytes(metadata) == b"null":
            metadata = empty()
        _check_object(metadata, "body.metadata")
        if self._overload.sheds(Level.TYPING):
            return
        receiver, size = await self._addressee(caller, receiver, receiver_type)
        if size > self._most_typing:
            return
        user = await self._directory.user_entity(caller.uid)
        body = {"action": action, "user": user, "metadata": metadata}
        self._delivery.typing(caller, receiver, receiver_type, body)

    async def transient(self, caller: Caller, receiver: str, receiver_type: str, data: msgspec.Raw) -> None:
        """Hand a message on to those who listen now; it is not kept.

        Raises:
            Refused: when they may not write there, or the frame is not valid.
        """
        _check_object(data, "body.data")
        receiver, _ = await self._addressee(caller, receiver, receiver_type)
        user = await self._directory.user_entity(caller.uid)
        self._delivery.transient(caller, receiver, receiver_type, {"user": user, "data": data})

    async def _addressee(self, caller: Caller, receiver: str, receiver_type: str) -> tuple[str, int]:
        # The uid or guid, and of a group how many are in it.
        if receiver_type not in ("user", "group"):
            raise Refused("ERR_INVALID_RECEIVER_TYPE")
        await self._roles.check_feature(caller, "createMessage")
        if receiver_type == "user":
            uid = await self._doors.user(caller, receiver, "type")
            await self._roles.check_receiver(caller, uid)
            return uid, 0
        found, _ = await self._doors.group(caller, receiver, "write")
        return found.guid, found.members_count

    async def came(self, uid: str, platform: str = "") -> None:
        """The first socket of a user opened, on a platform as the client calls it."""
        self._platforms[uid] = platform
        await self._presence(uid, "online", platform=platform)

    async def went(self, uid: str) -> None:
        """The last socket of a user ended."""
        await self._store.users.seen(uid, self._world.seconds())
        if not self._directory.is_online(uid):  # they may be back already: then offline would be the last word
            await self._presence(uid, "offline", platform=self._platforms.pop(uid, ""))

    async def away(self, uid: str, *, away: bool) -> None:
        """All the user's apps are in the background (the user has a window of some seconds), or one is back."""
        if self._directory.is_online(uid):
            await self._presence(uid, "away" if away else "online", "appState")

    async def _presence(self, uid: str, action: str, feature: str = "", platform: str = "") -> None:
        self._directory.forget(uid)
        row = await self._store.users.get(uid)
        if row is None:
            return  # deleted meanwhile
        shown = await self._directory.present(row, "")
        if action == "away":
            shown = {**shown, "status": "away"}
        if self._overload.sheds(Level.PRESENCE):
            if len(self._untold) < MAX_UNTOLD:
                self._untold[uid] = None
        elif self._tells_presence():
            await self._tell_presence(row, action, shown, feature)
        if self._store.webhooks.enabled and not feature:
            await self._store.webhooks.add_events([self._connection(shown, action, platform)])

    async def _tell_presence(self, row: UserRow, action: str, shown: dict[str, Any], feature: str = "") -> None:
        body = {"action": action, "timestamp": self._world.seconds(), "user": shown}
        friends = await self._store.friends.of_user(row.uid)
        blocked = await self._store.blocks.everyone(row.uid)
        self._delivery.presence(row.uid, row.role, body, friends, blocked, feature)

    async def tell_untold(self) -> None:
        """There is time again: tell where those are now of whom nothing was told."""
        while self._untold and self._overload.level < Level.PRESENCE:
            for uid in list(self._untold)[:TOLD_AT_ONCE]:
                del self._untold[uid]
                row = await self._store.users.get(uid)
                if row is not None and self._tells_presence():
                    action = "online" if self._directory.is_online(uid) else "offline"
                    await self._tell_presence(row, action, await self._directory.present(row, ""))
            await asyncio.sleep(0)

    def _connection(self, shown: dict[str, Any], action: str, platform: str) -> Event:
        now = self._world.milliseconds()
        connection: dict[str, Any] = {
            "action": "connected" if action == "online" else "disconnected",
            "connectedAt": now,
        }
        if platform:
            connection["platform"] = platform
        data = {
            "timestamp": now,
            "user": shown,
            "status": action,
            "currentConnection": connection,
            "userPresenceChanged": True,
        }
        return Event("user_connection_status_changed", encode(data))


def _check_object(sent: msgspec.Raw, place: str) -> None:
    if not bytes(sent).startswith(b"{") or len(bytes(sent)) > MAX_DATA:
        raise Refused("ERR_BAD_REQUEST", {place: f"Send an object of at most {MAX_DATA} bytes."})
