"""Makes, shows, changes and deletes groups."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec

from tailwire.server.actions.caller import Caller
from tailwire.server.actions.delivery import Delivery
from tailwire.server.actions.directory import Directory
from tailwire.server.actions.doors import Doors
from tailwire.server.actions.members import Members, NewMembers
from tailwire.server.actions.present import absent, encode, group, page
from tailwire.server.auth.passwords import Passwords
from tailwire.server.ports.filters import GroupFilter
from tailwire.server.ports.records import Event, GroupRow, MemberRow
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.standing import GroupStanding
from tailwire.server.ports.store import Store
from tailwire.server.ports.world import World
from tailwire.server.rules import groups as rules
from tailwire.server.rules import names
from tailwire.server.rules.lengths import Lengths


class NewGroup(msgspec.Struct, rename="camel"):
    """A group as a client sends it."""

    guid: str = ""
    name: str = ""
    type: str = "public"
    password: str | None = None
    icon: str | None = None
    description: str | None = None
    metadata: msgspec.Raw = msgspec.field(default_factory=absent)
    owner: str | None = None
    tags: list[str] | None = None
    members: NewMembers | None = None


class GroupChange(msgspec.Struct, rename="camel"):
    """What of a group somebody wants to change."""

    name: str | None = None
    type: str | None = None
    password: str | None = None
    icon: str | None = None
    description: str | None = None
    metadata: msgspec.Raw = msgspec.field(default_factory=absent)
    owner: str | None = None
    tags: list[str] | None = None
    unset: list[str] | None = None


class NewOwner(msgspec.Struct):
    """To whom a group is given."""

    owner: str = ""


UNSETTABLE = ("icon", "description", "metadata")


class Groups:
    """What can be done with groups."""

    def __init__(
        self,
        store: Store,
        directory: Directory,
        doors: Doors,
        members: Members,
        delivery: Delivery,
        world: World,
        lengths: Lengths,
        passwords: Passwords,
        most_groups: int,
    ) -> None:
        self._store = store
        self._directory = directory
        self._doors = doors
        self._members = members
        self._delivery = delivery
        self._world = world
        self._lengths = lengths
        self._passwords = passwords
        self._most_groups = most_groups

    async def create(self, caller: Caller, new: NewGroup) -> dict[str, Any]:
        """Make a group; the caller owns it and is its first admin.

        Raises:
            Refused: ERR_BAD_REQUEST, ERR_EMPTY_GROUP_PASS, ERR_GUID_ALREADY_EXISTS, ERR_LIMIT_EXCEEDED.
        """
        rules.check_new(new.type, new.password)
        self._lengths.check_group(new.password, new.description)
        if new.members is not None:
            await self._members.check_features(caller, new.members)
        now = self._world.seconds()
        owner = caller.uid
        if caller.system and new.owner:
            owner = (await self._directory.user(names.identifier(new.owner, "owner"))).uid
        if len(await self._store.members.groups_of(owner)) >= self._most_groups:
            raise Refused("ERR_LIMIT_EXCEEDED", {"groups": f"A user may be in {self._most_groups} groups."})
        secret = new.password if new.type == "password" else None
        a_user = owner != names.SYSTEM_USER
        row = GroupRow(
            guid=names.identifier(new.guid, "guid"),
            name=self._lengths.check_name(new.name),
            type=new.type,
            password_hash=await self._passwords.hash(caller.reader, secret) if secret else None,
            icon=self._lengths.check_url(new.icon, "icon"),
            description=new.description or None,
            owner=owner,
            metadata=self._lengths.check_metadata(bytes(new.metadata)),
            tags=encode(self._lengths.check_tags(new.tags)).decode() if new.tags else None,
            members_count=1 if a_user else 0,
            created_at=now,
        )
        events = []
        if self._store.webhooks.enabled:
            members = {owner: await self._directory.user_entity(owner)}
            events.append(Event("group_created", encode({"group": group(row, None), "members": members})))
        if not await self._store.groups.add(row, owner_is_member=a_user, events=events):
            raise Refused("ERR_GUID_ALREADY_EXISTS", {"guid": row.guid})
        if a_user:
            self._delivery.membership(owner, row.guid, joined=True)
        shown = group(row, await self._store.members.get(row.guid, caller.uid))
        if new.members is not None:
            shown["members"] = await self._members.add(caller, row.guid, new.members)
            fresh = await self._store.groups.get(row.guid)
            shown["membersCount"] = fresh.members_count if fresh else row.members_count
        return shown

    async def get(self, caller: Caller, guid: str) -> dict[str, Any]:
        """A group that the caller may see.

        Raises:
            Refused: ERR_GUID_NOT_FOUND.
        """
        found, member = await self._doors.group(caller, guid, "see")
        shown = group(found, member)
        if (
            member is None
            and not caller.system
            and await self._store.members.ban_of(found.guid, caller.uid) is not None
        ):
            shown["isBanned"] = True
        return shown

    async def listed(self, caller: Caller, wanted: GroupFilter, *, number: int) -> dict[str, Any]:
        """A page of the groups that the caller may see."""
        rows, total = await self._store.groups.find(wanted)
        mine = await self._store.members.in_groups([row.guid for row in rows], caller.uid)
        listed = [group(row, mine.get(row.guid)) for row in rows]
        return page(listed, total=total, limit=wanted.limit, number=number)

    async def update(self, caller: Caller, guid: str, change: GroupChange) -> dict[str, Any]:
        """Change a group: its moderators, admins and owner may.

        Raises:
            Refused: ERR_GUID_NOT_FOUND, as the table says, ERR_BAD_REQUEST, ERR_EMPTY_GROUP_PASS.
        """
        act = self._doors.group_act(caller, guid, "update")
        before = await self._store.standings.group(act)
        self._lengths.check_group(change.password, change.description)
        columns = self._columns(caller, change)
        if change.type:
            columns["type"] = rules.check_type(change.type)
        hashed = None
        if change.password and (change.type or before.group.type) == "password":
            hashed = await self._passwords.hash(caller.reader, change.password)
        member: MemberRow | None = None

        def decide(standing: GroupStanding) -> dict[str, object]:
            nonlocal member
            member, kind = standing.by, change.type or standing.group.type
            if kind != "password":
                return {**columns, "password_hash": None}
            if hashed is not None:
                return {**columns, "password_hash": hashed}
            if not standing.group.password_hash:
                raise Refused("ERR_EMPTY_GROUP_PASS")
            return columns

        def told(changed: GroupRow) -> tuple[Event, ...]:
            return (Event("group_updated", encode({"group": group(changed, member)})),)

        row = await self._store.groups.change(act, decide, told)
        if change.owner and caller.system:
            await self.transfer(caller, guid, change.owner)
            row = (await self._store.groups.get(row.guid)) or row
        return group(row, member)

    def _columns(self, caller: Caller, change: GroupChange) -> dict[str, object]:
        # Only of what is named: nothing else is written over what somebody else has changed meanwhile.
        columns: dict[str, object] = {"updated_at": self._world.seconds(), "updated_by": caller.uid}
        if change.name is not None:
            columns["name"] = self._lengths.check_name(change.name)
        if change.icon is not None:
            columns["icon"] = self._lengths.check_url(change.icon, "icon")
        if change.description is not None:
            columns["description"] = change.description
        metadata = self._lengths.check_metadata(bytes(change.metadata))
        if metadata is not None:
            columns["metadata"] = metadata
        if change.tags is not None:
            columns["tags"] = encode(self._lengths.check_tags(change.tags)).decode()
        return columns | dict.fromkeys(n for n in change.unset or () if n in UNSETTABLE)

    async def delete(self, caller: Caller, guid: str) -> dict[str, Any]:
        """Delete a group and what was said in it: its admins and owner may.

        Raises:
            Refused: ERR_GUID_NOT_FOUND, or as the table says.
        """
        act = self._doors.group_act(caller, guid, "delete")
        await self._store.standings.group(act)

        def told(standing: GroupStanding) -> tuple[Event, ...]:
            return (Event("group_deleted", encode({"group": group(standing.group, None)})),)

        for uid in await self._store.removal.remove_group(act, told):
            self._delivery.membership(uid, act.guid, joined=False)
        return {"success": True, "message": f"Group with guid {act.guid} has been deleted successfully."}

    async def transfer(self, caller: Caller, guid: str, to: str) -> dict[str, Any]:
        """Give a group to one of its members: its owner may.

        Raises:
            Refused: ERR_GUID_NOT_FOUND, as the table says, ERR_NOT_A_MEMBER.
        """

        def is_member(standing: GroupStanding) -> None:
            if standing.on is None:
                raise Refused("ERR_NOT_A_MEMBER", {"owner": "Name a member of the group."})

        uid = names.identifier(to, "owner")
        act = self._doors.group_act(caller, guid, "transfer", uid, is_member)
        await self._store.standings.group(act)

        def told(standing: GroupStanding) -> tuple[Event, ...]:
            shown = {**group(replace(standing.group, owner=uid), None), "oldOwner": standing.group.owner}
            return (Event("group_owner_transferred", encode({"group": shown})),)

        await self._store.groups.transfer_ownership(act, self._world.seconds(), told)
        return {
            "success": True,
            "message": f"The ownership of the group {act.guid} is transferred to the user {uid}.",
        }
