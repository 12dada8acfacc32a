"""Creates, shows, changes and deletes groups."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from tailwire.server.actions.caller import Caller
from tailwire.server.actions.member_actions import MemberLists
from tailwire.server.actions.members import Members
from tailwire.server.actions.payloads import group_payload
from tailwire.server.actions.raw_json import encode
from tailwire.server.actions.services import Services
from tailwire.server.actions.views import GroupView
from tailwire.server.auth.passwords import Passwords
from tailwire.server.ports.filters import GroupFilter, Position
from tailwire.server.ports.records import Event, GroupRow, MemberRow
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.standing import GroupStanding
from tailwire.server.rules import groups as rules
from tailwire.server.rules import names

UNSETTABLE_FIELDS = ("icon", "description", "metadata")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewGroup:
    """A group to create.

    Attributes:
        password: not stored unless the type is `password`.
        metadata: an encoded JSON object, or `null`.
        owner: the uid of the owner if the caller is the app itself; other callers own the groups that they create.
        members: users whom the caller will add with `Members.add`. `Groups.create` does not add them: it only checks
            that the caller's role permits it.
    """

    guid: str = ""
    name: str = ""
    type: str = "public"
    password: str | None = None
    icon: str | None = None
    description: str | None = None
    metadata: bytes = b"null"
    owner: str | None = None
    tags: list[str] | None = None
    members: MemberLists | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupChange:
    """The fields of a group to change; None keeps a field, as does "" for type, password and owner.

    Attributes:
        metadata: an encoded JSON object; `null` keeps the present one.
        owner: the uid of the new owner. Only the app itself can change it so; for other callers it is ignored.
        unset: names of fields to clear: those in `UNSETTABLE_FIELDS`; other names are ignored.
    """

    name: str | None = None
    type: str | None = None
    password: str | None = None
    icon: str | None = None
    description: str | None = None
    metadata: bytes = b"null"
    owner: str | None = None
    tags: list[str] | None = None
    unset: tuple[str, ...] = ()


class Groups:
    """Actions on groups.

    Args:
        max_groups: how many groups a user may be a member of.
    """

    def __init__(self, services: Services, members: Members, passwords: Passwords, max_groups: int) -> None:
        self._store = services.store
        self._directory = services.directory
        self._authorizer = services.authorizer
        self._members = members
        self._delivery = services.delivery
        self._world = services.world
        self._lengths = services.lengths
        self._passwords = passwords
        self._max_groups = max_groups

    async def create(self, caller: Caller, new: NewGroup) -> GroupView:
        """Create a group with its owner as its only member, and return it.

        The owner is the caller. If the caller is the app itself, the owner is `new.owner`; without one, the group is
        owned by the system user and has no member. `new.members` are not added: call `Members.add` afterwards.

        Raises:
            Refused: ERR_BAD_REQUEST: a field is invalid; ERR_EMPTY_GROUP_PASS: its type needs a password;
                ERR_GUID_ALREADY_EXISTS; ERR_LIMIT_EXCEEDED: the owner is in as many groups as they may;
                ERR_FEATURE_RESTRICTED: the caller's role may not add or ban members; ERR_UID_NOT_FOUND: the owner does
                not exist; ERR_TOO_MANY_REQUESTS: too many passwords wait to be hashed.
        """
        rules.check_new(new.type, new.password)
        self._lengths.check_group(new.password, new.description)
        if new.members is not None:
            await self._members.check_features(caller, new.members)
        now = self._world.seconds()
        owner = caller.uid
        if caller.system and new.owner:
            owner = (await self._directory.user(names.identifier(new.owner, "owner"))).uid
        if len(await self._store.members.groups_of(owner)) >= self._max_groups:
            raise Refused(
                "ERR_LIMIT_EXCEEDED",
                {"groups": f"A user may be in {self._max_groups} groups."},
                limit="max_groups_per_user",
            )
        password = new.password if new.type == "password" else None
        owner_is_member = owner != names.SYSTEM_USER
        row = GroupRow(
            guid=names.identifier(new.guid, "guid"),
            name=self._lengths.check_name(new.name),
            type=new.type,
            password_hash=await self._passwords.hash(caller.reader, password) if password else None,
            icon=self._lengths.check_url(new.icon, "icon"),
            description=new.description or None,
            owner=owner,
            metadata=self._lengths.check_metadata(new.metadata),
            tags=encode(self._lengths.check_tags(new.tags)).decode() if new.tags else None,
            members_count=1 if owner_is_member else 0,
            created_at=now,
        )
        events = []
        if self._store.webhooks.any_enabled:
            members = {owner: await self._directory.user_entity(owner)}
            events.append(Event("group_created", encode({"group": group_payload(GroupView(row)), "members": members})))
        if not await self._store.groups.add(row, owner_is_member=owner_is_member, events=events):
            raise Refused("ERR_GUID_ALREADY_EXISTS", {"guid": row.guid})
        if owner_is_member:
            self._delivery.change_subscription(owner, row.guid, joined=True)
        return GroupView(row, await self._store.members.get(row.guid, caller.uid))

    async def members_count(self, guid: str) -> int | None:
        """Return how many members a group has, or None if it does not exist."""
        row = await self._store.groups.get(guid)
        return row.members_count if row is not None else None

    async def get(self, caller: Caller, guid: str) -> GroupView:
        """Return a group, with the caller's membership, or for a user who is not a member, whether they are banned.

        Raises:
            Refused: ERR_GUID_NOT_FOUND, also for a private group that the caller may not see.
        """
        found, member = await self._authorizer.group(caller, guid, "see")
        may_be_banned = member is None and not caller.system
        banned = may_be_banned and await self._store.members.ban_of(found.guid, caller.uid) is not None
        return GroupView(found, member, banned)

    async def list_page(self, caller: Caller, criteria: GroupFilter) -> tuple[list[GroupView], int]:
        """Return a page of the groups that match a filter, each as in `get`, and how many match in total.

        Private groups match only if the filter's `reader` is a member. The page and its order are those of the filter.
        """
        rows, total = await self._store.groups.find(criteria)
        return await self._views(caller, rows), total

    async def list_after(self, caller: Caller, criteria: GroupFilter, position: Position) -> list[GroupView]:
        """Return the groups that match a filter, as in `list_page`, but after a position instead of an offset.

        Args:
            caller: whose membership, or ban, is added to each group.
            criteria: the filter. At most its `limit` are returned, in its order, and by guid where that is equal.
            position: the values of the last group that was read by which they are ordered; () to begin.
        """
        return await self._views(caller, await self._store.groups.list_after(criteria, position))

    async def _views(self, caller: Caller, rows: list[GroupRow]) -> list[GroupView]:
        mine = await self._store.members.in_groups([row.guid for row in rows], caller.uid)
        others = [row.guid for row in rows if row.guid not in mine]
        banned = set() if caller.system else await self._store.members.banned_in(others, caller.uid)
        return [GroupView(row, mine.get(row.guid), row.guid in banned) for row in rows]

    async def update(self, caller: Caller, guid: str, change: GroupChange) -> GroupView:
        """Change a group, and return it.

        Raises:
            Refused: ERR_GUID_NOT_FOUND, or the code in the permission table; ERR_BAD_REQUEST: a field is invalid;
                ERR_EMPTY_GROUP_PASS: its type is or becomes `password`, and it has no password; ERR_NOT_A_MEMBER: the
                new owner is not a member; ERR_TOO_MANY_REQUESTS: too many passwords wait to be hashed.
        """
        owner = names.identifier(change.owner, "owner") if change.owner and caller.system else ""
        act = self._authorizer.group_act(caller, guid, "update", owner, _check_new_owner if owner else None)
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
            member, kind = standing.actor, change.type or standing.group.type
            if kind != "password":
                return {**columns, "password_hash": None}
            if hashed is not None:
                return {**columns, "password_hash": hashed}
            if not standing.group.password_hash:
                raise Refused("ERR_EMPTY_GROUP_PASS")
            return columns

        def events(changed: GroupRow) -> tuple[Event, ...]:
            return (Event("group_updated", encode({"group": group_payload(GroupView(changed, member))})),)

        row, number = await self._store.groups.change(act, decide, events)
        self._publish(caller, row, number)
        if owner:
            await self.transfer(caller, guid, owner)
            row = (await self._store.groups.get(row.guid)) or row
        return GroupView(row, member)

    def _columns(self, caller: Caller, change: GroupChange) -> dict[str, object]:
        # Only the given fields, so that concurrent changes of other fields are not overwritten.
        columns: dict[str, object] = {"updated_at": self._world.seconds(), "updated_by": caller.uid}
        if change.name is not None:
            columns["name"] = self._lengths.check_name(change.name)
        if change.icon is not None:
            columns["icon"] = self._lengths.check_url(change.icon, "icon")
        if change.description is not None:
            columns["description"] = change.description
        metadata = self._lengths.check_metadata(change.metadata)
        if metadata is not None:
            columns["metadata"] = metadata
        if change.tags is not None:
            columns["tags"] = encode(self._lengths.check_tags(change.tags)).decode()
        return columns | dict.fromkeys(n for n in change.unset if n in UNSETTABLE_FIELDS)

    async def delete(self, caller: Caller, guid: str) -> str:
        """Delete a group with its messages, and return its guid.

        Raises:
            Refused: ERR_GUID_NOT_FOUND, or the code in the permission table.
        """
        act = self._authorizer.group_act(caller, guid, "delete")
        await self._store.standings.group(act)

        def events(standing: GroupStanding) -> tuple[Event, ...]:
            return (Event("group_deleted", encode({"group": group_payload(GroupView(standing.group))})),)

        members, number = await self._store.removal.remove_group(act, events)
        self._notify_members(caller, act.guid, "groupRemoved", None, number)
        for uid in members:
            self._delivery.change_subscription(uid, act.guid, joined=False)
        return act.guid

    async def transfer(self, caller: Caller, guid: str, to: str) -> tuple[str, str]:
        """Make a member the owner of a group.

        Args:
            caller: who does it.
            guid: the group.
            to: the uid of the member.

        Returns:
            The guid, and the uid of the new owner.

        Raises:
            Refused: ERR_GUID_NOT_FOUND, or the code in the permission table; ERR_NOT_A_MEMBER: the new owner is not a
                member.
        """
        uid = names.identifier(to, "owner")
        act = self._authorizer.group_act(caller, guid, "transfer", uid, _check_new_owner)
        before = (await self._store.standings.group(act)).group

        def events(standing: GroupStanding) -> tuple[Event, ...]:
            payload = {**group_payload(GroupView(replace(standing.group, owner=uid))), "oldOwner": standing.group.owner}
            return (Event("group_owner_transferred", encode({"group": payload})),)

        number = await self._store.groups.transfer_ownership(act, self._world.seconds(), events)
        try:
            row = await self._store.groups.get(act.guid)
        except Refused:
            row = replace(before, owner=uid)  # the transfer is stored, and must be announced
        if row is not None:
            self._publish(caller, row, number)
        return act.guid, uid

    def _publish(self, caller: Caller, row: GroupRow, number: int) -> None:
        self._notify_members(caller, row.guid, "group", group_payload(GroupView(row)), number)

    def _notify_members(
        self, caller: Caller, guid: str, action: str, group: dict[str, Any] | None, number: int
    ) -> None:
        frame = self._delivery.frames.list_change(caller, action, "group", guid, group=group)
        self._delivery.to_members(caller, guid, frame, number, feature="lists")


def _check_new_owner(standing: GroupStanding) -> None:
    if standing.subject is None:
        raise Refused("ERR_NOT_A_MEMBER", {"owner": "Name a member of the group."})
