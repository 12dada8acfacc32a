"""Blocks and friendships between users."""

from __future__ import annotations

from typing import Any

import msgspec

from tailwire.server.actions.caller import Caller
from tailwire.server.actions.directory import Directory
from tailwire.server.actions.doors import Doors
from tailwire.server.actions.present import encode, page, without_none
from tailwire.server.ports.filters import UserFilter
from tailwire.server.ports.records import Event
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.store import Store
from tailwire.server.ports.world import World
from tailwire.server.rules.lengths import Lengths
from tailwire.server.rules.names import identifier

DIRECTIONS = ("blockedByMe", "hasBlockedMe", "both")


class Blocked(msgspec.Struct, rename="camel"):
    """Whom somebody blocks, or unblocks."""

    blocked_uids: list[str] = []


class NewFriends(msgspec.Struct, rename="camel"):
    """With whom somebody becomes friends."""

    accepted: list[str] = []
    add_to_conversations: bool = False


class Unfriended(msgspec.Struct):
    """With whom somebody ceases to be friends."""

    friends: list[str] = []


class Relations:
    """What can be between two users.

    Args:
        most_friends: of one user.
    """

    def __init__(
        self, store: Store, directory: Directory, doors: Doors, world: World, lengths: Lengths, most_friends: int
    ) -> None:
        self._store = store
        self._directory = directory
        self._doors = doors
        self._world = world
        self._lengths = lengths
        self._most_friends = most_friends

    # Blocks.

    async def block(self, caller: Caller, sent: Blocked, *, take_back: bool = False) -> dict[str, Any]:
        """Block users, or unblock them: what became of each.

        Raises:
            Refused: ERR_BAD_REQUEST.
        """
        uids = self._some(sent.blocked_uids, "blockedUids")
        outcome: dict[str, Any] = {}
        done = {}
        for uid in uids:
            try:
                other = await self._doors.user(caller, uid, "block")
            except Refused as e:
                outcome[uid] = {"success": False, "error": e.as_error()}
                continue
            done[other] = await self._directory.user_entity(other)
            what = "unblocked" if take_back else "blocked"
            text = f"The user with UID {caller.uid} has {what} user with UID {other} successfully."
            outcome[uid] = {"success": True, "message": text}
        if done:
            trigger = "user_unblocked" if take_back else "user_blocked"
            event = Event(trigger, encode({"users": done, "by": await self._directory.user_entity(caller.uid)}))
            if take_back:
                await self._store.blocks.remove(caller.uid, list(done), [event])
            else:
                await self._store.blocks.add(caller.uid, list(done), self._world.seconds(), [event])
        return outcome

    async def blocked(self, caller: Caller, *, direction: str, search: str, limit: int, number: int) -> dict[str, Any]:
        """A page of the users whom the caller has blocked, or who have blocked them.

        Raises:
            Refused: ERR_BAD_REQUEST.
        """
        if direction not in DIRECTIONS:
            raise Refused("ERR_BAD_REQUEST", {"direction": f"Use {', '.join(DIRECTIONS)}."})
        rows, total = await self._store.blocks.find(
            caller.uid, direction, search=search, limit=limit, offset=(number - 1) * limit
        )
        listed = []
        for uid, mine, theirs in rows:
            row = await self._store.users.get(uid)
            if row is not None:
                at = {"blockedAt": theirs or mine}
                listed.append({**await self._directory.present(row, caller.reader), **block_flags(mine, theirs), **at})
        return page(listed, total=total, limit=limit, number=number)

    # Friends.

    async def befriend(self, caller: Caller, sent: NewFriends) -> dict[str, Any]:
        """Make the caller friends with others: what became of each.

        Raises:
            Refused: ERR_BAD_REQUEST.
        """
        outcome: dict[str, Any] = {}
        now = self._world.seconds()
        for uid in self._some(sent.accepted, "accepted"):
            try:
                other = await self._doors.user(caller, uid, "befriend")
                problem = await self._store.friends.add(caller.uid, other, now, self._most_friends)
                if problem:
                    raise Refused("ERR_ALREADY_FRIEND" if problem == "known" else "ERR_FAILED_TO_ADD_FRIEND")
            except Refused as e:
                outcome[uid] = {"success": False, "error": e.as_error()}
                continue
            if sent.add_to_conversations:
                await self._store.conversations.start(caller.uid, other, now)
            outcome[uid] = {"success": True, "message": "Created relationship with status accepted."}
        return {"accepted": outcome}

    async def friends(self, caller: Caller, *, search: str, limit: int, number: int) -> dict[str, Any]:
        """A page of the caller's friends."""
        wanted = UserFilter(caller.uid, search=search, friends_only=True, limit=limit, offset=(number - 1) * limit)
        rows, total = await self._store.users.find(wanted)
        return page(
            [await self._directory.present(r, caller.reader) for r in rows], total=total, limit=limit, number=number
        )

    async def unfriend(self, caller: Caller, sent: Unfriended) -> dict[str, Any]:
        """End friendships of the caller.

        Raises:
            Refused: ERR_BAD_REQUEST, ERR_NOT_A_FRIEND.
        """
        uids = [identifier(uid, "friends") for uid in self._some(sent.friends, "friends")]
        gone = [await self._store.friends.remove(caller.uid, uid) for uid in uids]
        if not any(gone):
            raise Refused("ERR_NOT_A_FRIEND")
        return {"success": True, "message": f"The friends have been removed successfully for the user {caller.uid}."}

    def _some(self, uids: list[str], name: str) -> list[str]:
        self._lengths.check_count(len(uids), name, "uids")
        return list(dict.fromkeys(uids))


def block_flags(mine: int | None, theirs: int | None) -> dict[str, Any]:
    """What a user entity says of blocks between them and the reader."""
    return without_none(
        {
            "blockedByMe": True if mine else None,
            "blockedByMeAt": mine,
            "hasBlockedMe": True if theirs else None,
            "blockedAt": theirs,
        }
    )
