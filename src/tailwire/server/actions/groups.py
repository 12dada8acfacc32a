"""Makes, shows, joins and leaves groups."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from tailwire.server.actions.caller import Caller
from tailwire.server.actions.delivery import Delivery
from tailwire.server.actions.directory import Directory
from tailwire.server.actions.present import encode, entity, group, page
from tailwire.server.auth.secrets import hash_password, same_password
from tailwire.server.ports.records import Draft, GroupRow, MemberRow, Stored
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.store import Store
from tailwire.server.ports.world import World
from tailwire.server.rules import groups as rules
from tailwire.server.rules import names


class NewGroup(msgspec.Struct, rename="camel"):
    """A group as a client sends it."""

    guid: str = ""
    name: str = ""
    type: str = "public"
    password: str | None = None
    icon: str | None = None
    description: str | None = None
    metadata: msgspec.Raw = msgspec.Raw(b"null")
    tags: list[str] | None = None


class Join(msgspec.Struct):
    """What a client sends to join."""

    password: str | None = None


class Groups:
    """What can be done with groups."""

    def __init__(self, store: Store, directory: Directory, delivery: Delivery, world: World, most_members: int) -> None:
        self._store = store
        self._directory = directory
        self._delivery = delivery
        self._world = world
        self._most_members = most_members

    async def create(self, caller: Caller, new: NewGroup) -> dict[str, Any]:
        """Make a group; the caller owns it and is its first admin.

        Raises:
            Refused: ERR_BAD_REQUEST, ERR_EMPTY_GROUP_PASS, ERR_GUID_ALREADY_EXISTS.
        """
        rules.check_new(new.type, new.password, new.description)
        now = self._world.seconds()
        hashed = None
        if new.type == "password" and new.password:
            hashed = await asyncio.get_running_loop().run_in_executor(None, hash_password, new.password, self._world)
        row = GroupRow(
            guid=names.identifier(new.guid, "guid"),
            name=names.display_name(new.name),
            type=new.type,
            password_hash=hashed,
            icon=names.url(new.icon, "icon"),
            description=new.description or None,
            owner=caller.uid,
            metadata=names.metadata(bytes(new.metadata)),
            tags=encode(names.tags(new.tags)).decode() if new.tags else None,
            members_count=1,
            created_at=now,
        )
        if not await self._store.add_group(row):
            raise Refused("ERR_GUID_ALREADY_EXISTS", {"guid": row.guid})
        self._delivery.membership(caller.uid, row.guid, joined=True)
        return group(row, await self._store.member(row.guid, caller.uid))

    async def get(self, caller: Caller, guid: str) -> dict[str, Any]:
        """A group that the caller may see.

        Raises:
            Refused: ERR_GUID_NOT_FOUND.
        """
        found, member = await self._find(caller, guid)
        return group(found, member)

    async def list(self, caller: Caller, *, joined: bool, search: str, limit: int, number: int) -> dict[str, Any]:
        """A page of the groups that the caller may see."""
        rows, total = await self._store.groups(
            caller.uid, joined=joined, search=search, limit=limit, offset=(number - 1) * limit
        )
        listed = [group(r, await self._store.member(r.guid, caller.uid)) for r in rows]
        return page(listed, total=total, limit=limit, number=number)

    async def members(self, caller: Caller, guid: str, *, limit: int, number: int) -> dict[str, Any]:
        """A page of a group's members.

        Raises:
            Refused: ERR_GUID_NOT_FOUND, ERR_NOT_A_MEMBER.
        """
        found, member = await self._find(caller, guid)
        if member is None:
            raise Refused("ERR_NOT_A_MEMBER")
        rows, total = await self._store.members(found.guid, limit=limit, offset=(number - 1) * limit)
        listed = [
            {**self._directory.present(await self._directory.user(m.uid)), "scope": m.scope, "joinedAt": m.joined_at}
            for m in rows
        ]
        return page(listed, total=total, limit=limit, number=number)

    async def join(self, caller: Caller, guid: str, join: Join) -> bytes:
        """Join a group. The answer is the action message that says so.

        Raises:
            Refused: ERR_GUID_NOT_FOUND, ERR_ALREADY_JOINED, and as `rules.groups.check_join`.
        """
        found, member = await self._find(caller, guid)
        if member is not None:
            raise Refused("ERR_ALREADY_JOINED")
        right = False
        if found.password_hash and join.password:
            given = join.password[: rules.MOST_PASSWORD + 1]
            right = await asyncio.get_running_loop().run_in_executor(None, same_password, given, found.password_hash)
        rules.check_join(found, password=join.password, right=right, most=self._most_members)
        now = self._world.seconds()
        member = MemberRow(found.guid, caller.uid, "participant", now, 0)
        stored = await self._store.add_member(member, await self._told(caller, found, "joined", now))
        if stored is None:
            raise Refused("ERR_ALREADY_JOINED")
        self._delivery.membership(caller.uid, found.guid, joined=True)
        return self._publish(caller, stored)

    async def leave(self, caller: Caller, guid: str) -> bytes:
        """Leave a group. The answer is the action message that says so.

        Raises:
            Refused: ERR_GUID_NOT_FOUND, ERR_NOT_A_MEMBER, ERR_OWNER_EXIT_FORBIDDEN.
        """
        found, member = await self._find(caller, guid)
        rules.check_leave(found, member)
        now = self._world.seconds()
        stored = await self._store.remove_member(found.guid, caller.uid, await self._told(caller, found, "left", now))
        if stored is None:
            raise Refused("ERR_NOT_A_MEMBER")
        json = self._publish(caller, stored)
        self._delivery.membership(caller.uid, found.guid, joined=False)
        return json

    async def _find(self, caller: Caller, guid: str) -> tuple[GroupRow, MemberRow | None]:
        guid = names.identifier(guid, "guid")
        member = await self._store.member(guid, caller.uid)
        return rules.check_visible(await self._store.group(guid), member), member

    async def _told(self, caller: Caller, found: GroupRow, action: str, now: int) -> Draft:
        by = await self._directory.user_entity(caller.uid)
        change = 1 if action == "joined" else -1
        after = {**group(found, None), "membersCount": found.members_count + change}
        fields = {
            "conversationId": f"group_{found.guid}",
            "sender": caller.uid,
            "receiverType": "group",
            "receiver": found.guid,
            "category": "action",
            "type": "groupMember",
            "data": {
                "action": action,
                "entities": {"by": entity(by, "user"), "on": entity(by, "user"), "for": entity(after, "group")},
                "resource": caller.device,
            },
            "sentAt": now,
        }
        return Draft(
            f"group_{found.guid}", caller.uid, found.guid, "group", "action", "groupMember", encode(fields), now
        )

    def _publish(self, caller: Caller, stored: Stored) -> bytes:
        json = stored.message.json()
        self._delivery.message(stored.message, json, caller.device)
        return json
