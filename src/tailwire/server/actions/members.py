"""Who is in a group: joining, leaving, adding, kicking, banning, scopes. Each leaves an action message."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec

from tailwire.server.actions.caller import Caller
from tailwire.server.actions.delivery import Delivery, as_told
from tailwire.server.actions.directory import Directory
from tailwire.server.actions.doors import Doors
from tailwire.server.actions.present import encode, entity, group, page
from tailwire.server.auth.secrets import same_password
from tailwire.server.limits.guesses import Guesses
from tailwire.server.ports.filters import MemberFilter
from tailwire.server.ports.records import BanRow, Draft, Event, GroupRow, MemberRow, Stored
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.store import Store
from tailwire.server.ports.world import World
from tailwire.server.rules import groups as rules
from tailwire.server.rules.lengths import Lengths
from tailwire.server.rules.names import identifier
from tailwire.server.rules.permissions import check_group, group_role


class Join(msgspec.Struct):
    """What a client sends to join."""

    password: str | None = None


class NewMembers(msgspec.Struct, rename="camel"):
    """Whom somebody adds to a group, by scope, and whom she bans from it."""

    admins: list[str] = []
    moderators: list[str] = []
    participants: list[str] = []
    users_to_ban: list[str] = []


class NewScope(msgspec.Struct):
    """What a member may do from now on."""

    scope: str = "participant"


_EVENTS = {
    "joined": "group_member_joined",
    "left": "group_member_left",
    "added": "group_member_added",
    "kicked": "group_member_kicked",
    "banned": "group_member_banned",
    "unbanned": "group_member_unbanned",
    "scopeChanged": "group_member_scope_changed",
}
_CHANGES = {"joined": 1, "added": 1, "left": -1, "kicked": -1, "banned": -1}


class Members:
    """What can be done with members."""

    def __init__(
        self,
        store: Store,
        directory: Directory,
        doors: Doors,
        delivery: Delivery,
        world: World,
        lengths: Lengths,
        passwords: Guesses,
        *,
        most_members: int,
        most_groups: int,
    ) -> None:
        self._store = store
        self._directory = directory
        self._doors = doors
        self._delivery = delivery
        self._world = world
        self._lengths = lengths
        self._passwords = passwords
        self._most_members = most_members
        self._most_groups = most_groups

    # Lists.

    async def listed(self, caller: Caller, wanted: MemberFilter, *, number: int) -> dict[str, Any]:
        """A page of a group's members.

        Raises:
            Refused: ERR_GUID_NOT_FOUND, ERR_NOT_A_MEMBER.
        """
        found, _ = await self._doors.group(caller, wanted.guid, "list_members")
        online = self._directory.online_uids() if wanted.online is not None else ()
        rows, total = await self._store.members(replace(wanted, guid=found.guid, status_of=online))
        listed = [{**await self._shown(m.uid), "scope": m.scope, "joinedAt": m.joined_at} for m in rows]
        return page(listed, total=total, limit=wanted.limit, number=number)

    async def banned(self, caller: Caller, wanted: MemberFilter, *, number: int) -> dict[str, Any]:
        """A page of those who are banned from a group.

        Raises:
            Refused: ERR_GUID_NOT_FOUND, or as the table says.
        """
        found, _ = await self._doors.group(caller, wanted.guid, "list_banned")
        rows, total = await self._store.bans(replace(wanted, guid=found.guid))
        listed = [{**await self._shown(b.uid), "scope": b.scope, "bannedAt": b.banned_at} for b in rows]
        return page(listed, total=total, limit=wanted.limit, number=number)

    async def _shown(self, uid: str) -> dict[str, Any]:
        row = await self._store.user(uid)
        return self._directory.present(row) if row is not None else {"uid": uid, "name": uid}

    # Coming and going by oneself.

    async def join(self, caller: Caller, guid: str, join: Join) -> bytes:
        """Join a group. The answer is the action message that says so.

        Raises:
            Refused: ERR_GUID_NOT_FOUND, ERR_ALREADY_JOINED, and as `rules.groups.check_join`.
        """
        found, _ = await self._doors.group(caller, guid, "join")
        right, guess = False, f"{caller.uid}\0{found.guid}"
        if found.password_hash and join.password:
            wait = self._passwords.wait(guess, join.password)
            if wait:
                raise Refused(
                    "ERR_TOO_MANY_REQUESTS", "Too many wrong passwords. Wait, then try again.", retry_after=wait
                )
            given = join.password[: self._lengths.password + 1]
            right = await asyncio.get_running_loop().run_in_executor(None, same_password, given, found.password_hash)
            if not right:
                self._passwords.wrong(guess)
        rules.check_join(found, password=join.password, right=right, most=self._most_members)
        stored = await self._enter(caller, found, caller.uid, "participant", "joined")
        return self._publish(caller, stored)

    async def _enter(self, caller: Caller, found: GroupRow, uid: str, scope: str, action: str) -> Stored:
        if found.members_count >= self._most_members:
            raise Refused("ERR_NO_VACANCY")
        if len(await self._store.groups_of(uid)) >= self._most_groups:
            raise Refused("ERR_LIMIT_EXCEEDED", {"groups": f"A user may be in {self._most_groups} groups."})
        now = self._world.seconds()
        member = MemberRow(found.guid, uid, scope, now, 0)
        extras = {"scope": {"new": scope}} if action == "added" else None
        stored = await self._store.add_member(member, await self._told(caller, found, action, uid, now, extras))
        if stored is None:
            raise Refused("ERR_ALREADY_JOINED")
        self._delivery.membership(uid, found.guid, joined=True)
        return stored

    async def leave(self, caller: Caller, guid: str) -> bytes:
        """Leave a group. The answer is the action message that says so.

        Raises:
            Refused: ERR_GUID_NOT_FOUND, ERR_NOT_A_MEMBER, ERR_OWNER_EXIT_FORBIDDEN.
        """
        found, _ = await self._doors.group(caller, guid, "leave")
        action = await self._told(caller, found, "left", caller.uid, self._world.seconds())
        stored = await self._store.remove_member(found.guid, caller.uid, action)
        if stored is None:
            raise Refused("ERR_NOT_A_MEMBER")
        json = self._publish(caller, stored)
        self._delivery.membership(caller.uid, found.guid, joined=False)
        return json

    # What is done to others.

    async def add(self, caller: Caller, guid: str, new: NewMembers) -> dict[str, Any]:
        """Add members, and ban others: what became of each, by list and uid.

        Raises:
            Refused: ERR_GUID_NOT_FOUND, as the table says, ERR_BAD_REQUEST when there are too many at once.
        """
        found, member = await self._doors.group(caller, guid, "add_member")
        lists = {"admins": new.admins, "moderators": new.moderators, "participants": new.participants}
        count = sum(len(uids) for uids in (*lists.values(), new.users_to_ban))
        self._lengths.check_count(count, "members", "members", least=0)
        if not caller.system:
            role = group_role(found, member, knows=caller.key)
            for name, uids in lists.items():
                if uids:
                    check_group(f"make_{name[:-1]}", role)
        # All four lists stand in the answer: without them the JavaScript SDK waits for ever.
        outcome: dict[str, dict[str, Any]] = {name: {} for name in (*lists, "usersToBan")}
        seen: set[str] = set()
        for name, uids in lists.items():
            for uid in uids:
                if uid.lower() not in seen:
                    seen.add(uid.lower())
                    outcome[name][uid] = await self._one(self._add(caller, found.guid, uid, name[:-1]))
        for uid in new.users_to_ban:
            outcome["usersToBan"][uid] = await self._one(self._ban_quietly(caller, found.guid, uid))
        return outcome

    async def _one(self, work: Any) -> dict[str, Any]:
        try:
            stored = await work
        except Refused as e:
            return {"success": False, "error": e.told()}
        return {"success": True, **({"data": msgspec.Raw(stored)} if stored else {})}

    async def _add(self, caller: Caller, guid: str, uid: str, scope: str) -> bytes:
        user = await self._directory.user(identifier(uid, "uid"))
        found = await self._store.group(guid)
        if found is None:
            raise Refused("ERR_GUID_NOT_FOUND")
        if await self._store.ban_of(guid, user.uid) is not None:
            raise Refused("ERR_BANNED_GROUPMEMBER")
        stored = await self._enter(caller, found, user.uid, scope, "added")
        return self._publish(caller, stored)

    async def _ban_quietly(self, caller: Caller, guid: str, uid: str) -> None:
        await self.ban(caller, guid, uid)

    async def kick(self, caller: Caller, guid: str, uid: str) -> bytes:
        """Put a member out; she may come back. The answer is the action message that says so.

        Raises:
            Refused: ERR_GUID_NOT_FOUND, as the table says, ERR_NOT_A_MEMBER.
        """
        found, target = await self._target(caller, guid, uid, "remove")
        if target is None:
            raise Refused("ERR_NOT_A_MEMBER")
        action = await self._told(caller, found, "kicked", target.uid, self._world.seconds())
        stored = await self._store.remove_member(found.guid, target.uid, action)
        if stored is None:
            raise Refused("ERR_NOT_A_MEMBER")
        json = self._publish(caller, stored)
        self._delivery.membership(target.uid, found.guid, joined=False)
        return json

    async def _target(self, caller: Caller, guid: str, uid: str, what: str) -> tuple[GroupRow, MemberRow | None]:
        # Whether the caller may do it depends on what the other may do.
        found, member = await self._doors.group(caller, guid, "see")
        uid = identifier(uid, "uid")
        target = await self._store.member(found.guid, uid)
        if not caller.system:
            theirs = "participant" if target is None else group_role(found, target)
            role = group_role(found, member, None, knows=caller.key)
            check_group(f"{what}_{theirs}", role)
            if uid == caller.uid:
                raise Refused("ERR_GROUP_NO_SELF_ACTION")
        elif target is not None and found.owner == target.uid and what == "remove":
            raise Refused("ERR_GROUP_NO_CLEARANCE", "Give the group to another member first.")
        return found, target

    async def ban(self, caller: Caller, guid: str, uid: str) -> bytes:
        """Put somebody out for good. The answer is the action message that says so.

        Raises:
            Refused: ERR_GUID_NOT_FOUND, ERR_UID_NOT_FOUND, as the table says, ERR_ALREADY_BANNED.
        """
        found, target = await self._target(caller, guid, uid, "remove")
        user = await self._directory.user(identifier(uid, "uid"))
        now = self._world.seconds()
        ban = BanRow(found.guid, user.uid, target.scope if target else "participant", now, caller.uid)
        action = await self._told(caller, found, "banned", user.uid, now, gone=target is not None)
        stored = await self._store.remove_member(found.guid, user.uid, action, ban)
        if stored is None:
            raise Refused("ERR_ALREADY_BANNED")
        json = self._publish(caller, stored, "" if target is not None else user.uid)
        if target is not None:
            self._delivery.membership(user.uid, found.guid, joined=False)
        return json

    async def unban(self, caller: Caller, guid: str, uid: str) -> bytes:
        """Let somebody come back. The answer is the action message that says so.

        Raises:
            Refused: ERR_GUID_NOT_FOUND, as the table says, ERR_NOT_A_BANNED_USER.
        """
        found, _ = await self._doors.group(caller, guid, "unban")
        who = identifier(uid, "uid")
        if await self._store.ban_of(found.guid, who) is None:
            raise Refused("ERR_NOT_A_BANNED_USER")
        action = await self._told(caller, found, "unbanned", who, self._world.seconds())
        stored = await self._store.unban(found.guid, who, action)
        if stored is None:
            raise Refused("ERR_NOT_A_BANNED_USER")
        return self._publish(caller, stored)

    async def change_scope(self, caller: Caller, guid: str, uid: str, scope: str) -> tuple[bytes, MemberRow]:
        """Change what a member may do. The answer is the action message that says so, and the membership.

        Raises:
            Refused: ERR_GUID_NOT_FOUND, as the table says, ERR_NOT_A_MEMBER, ERR_SAME_SCOPE, ERR_BAD_REQUEST.
        """
        rules.check_scope(scope)
        found, target = await self._target(caller, guid, uid, "change")
        if target is None:
            raise Refused("ERR_NOT_A_MEMBER", "Cannot change scope for a user who is not a member of the group.")
        if not caller.system:
            member = await self._store.member(found.guid, caller.uid)
            check_group(f"make_{scope}", group_role(found, member, knows=caller.key))
        if target.scope == scope:
            raise Refused("ERR_SAME_SCOPE")
        extras = {"scope": {"new": scope, "old": target.scope}}
        action = await self._told(caller, found, "scopeChanged", target.uid, self._world.seconds(), extras)
        stored = await self._store.change_scope(found.guid, target.uid, scope, action)
        if stored is None:
            raise Refused("ERR_NOT_A_MEMBER")
        return self._publish(caller, stored), replace(target, scope=scope)

    async def online_counts(self, caller: Caller, guids: Sequence[str]) -> dict[str, int]:
        """How many members of some groups are online."""
        self._lengths.check_count(len(guids), "groups", "groups")
        counts = {}
        online = list(self._directory.online_uids())
        for guid in guids:
            found, _ = await self._doors.group(caller, guid, "list_members")
            counts[found.guid] = len(await self._store.members_among(found.guid, online))
        return counts

    # Action messages.

    async def _told(
        self,
        caller: Caller,
        found: GroupRow,
        action: str,
        uid: str,
        now: int,
        extras: dict[str, Any] | None = None,
        *,
        gone: bool = True,
    ) -> Draft:
        by = await self._directory.stored_entity(caller.uid)
        on = await self._directory.stored_entity(uid) if uid != caller.uid else by
        change = _CHANGES.get(action, 0) if gone else 0
        after = {**group(found, None), "membersCount": found.members_count + change}
        data: dict[str, Any] = {
            "action": action,
            "entities": {"by": entity(by, "user"), "on": entity(on, "user"), "for": entity(after, "group")},
            "resource": caller.device,
        }
        if extras:
            data["extras"] = extras
        fields = {
            "conversationId": f"group_{found.guid}",
            "sender": caller.uid,
            "receiverType": "group",
            "receiver": found.guid,
            "category": "action",
            "type": "groupMember",
            "data": data,
            "sentAt": now,
        }
        event = Event(_EVENTS[action], encode({"group": after, "members": {uid: on}, "by": by, **(extras or {})}))
        return Draft(
            f"group_{found.guid}", caller.uid, found.guid, "group", "action", "groupMember", encode(fields), now,
            events=(event,),
        )  # fmt: skip

    def _publish(self, caller: Caller, stored: Stored, also: str = "") -> bytes:
        json = stored.message.json()
        self._delivery.message(stored.message, json, caller.device, also, before=stored.before)
        return as_told(caller, json, stored.before)
