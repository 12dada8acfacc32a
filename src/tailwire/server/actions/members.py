"""Who is in a group: joining, leaving, adding, kicking, banning, scopes. Each leaves an action message."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from tailwire.server.actions.caller import Caller
from tailwire.server.actions.delivery import Delivery, as_told
from tailwire.server.actions.directory import Directory
from tailwire.server.actions.doors import Doors
from tailwire.server.actions.member_actions import MemberActions
from tailwire.server.actions.present import page
from tailwire.server.actions.roles import Roles
from tailwire.server.auth.passwords import Passwords
from tailwire.server.limits.guesses import Guesses
from tailwire.server.ports.filters import MemberFilter
from tailwire.server.ports.records import GroupRow, MemberRow, Stored
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.standing import GroupAct, GroupStanding
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
    """Whom somebody adds to a group, by scope, and whom they ban from it."""

    admins: list[str] = []
    moderators: list[str] = []
    participants: list[str] = []
    users_to_ban: list[str] = []


class NewScope(msgspec.Struct):
    """What a member may do from now on."""

    scope: str = "participant"


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
        roles: Roles,
        passwords: Passwords,
        guesses: Guesses,
        *,
        most_members: int,
        most_groups: int,
    ) -> None:
        self._store = store
        self._directory = directory
        self._action = MemberActions(directory)
        self._doors = doors
        self._delivery = delivery
        self._world = world
        self._lengths = lengths
        self._roles = roles
        self._passwords = passwords
        self._guesses = guesses
        self._most_members = most_members
        self._most_groups = most_groups

    # Lists.

    async def listed(self, caller: Caller, wanted: MemberFilter, *, number: int) -> dict[str, Any]:
        """A page of a group's members.

        Raises:
            Refused: ERR_GUID_NOT_FOUND, ERR_NOT_A_MEMBER.
        """
        found, _ = await self._doors.group(caller, wanted.guid, "list_members")
        online = await self._directory.online_to(caller.reader) if wanted.online is not None else ()
        rows, total = await self._store.members.find(replace(wanted, guid=found.guid, status_of=online))
        listed = [{**await self._shown(caller, m.uid), "scope": m.scope, "joinedAt": m.joined_at} for m in rows]
        return page(listed, total=total, limit=wanted.limit, number=number)

    async def banned(self, caller: Caller, wanted: MemberFilter, *, number: int) -> dict[str, Any]:
        """A page of those who are banned from a group.

        Raises:
            Refused: ERR_GUID_NOT_FOUND, or as the table says.
        """
        found, _ = await self._doors.group(caller, wanted.guid, "list_banned")
        rows, total = await self._store.members.bans(replace(wanted, guid=found.guid))
        listed = [{**await self._shown(caller, b.uid), "scope": b.scope, "bannedAt": b.banned_at} for b in rows]
        return page(listed, total=total, limit=wanted.limit, number=number)

    async def _shown(self, caller: Caller, uid: str) -> dict[str, Any]:
        row = await self._store.users.get(uid)
        return await self._directory.present(row, caller.reader) if row is not None else {"uid": uid, "name": uid}

    # Coming and going by oneself.

    async def join(self, caller: Caller, guid: str, join: Join) -> bytes:
        """Join a group. The answer is the action message that says so.

        Raises:
            Refused: ERR_GUID_NOT_FOUND, ERR_ALREADY_JOINED, ERR_TOO_MANY_REQUESTS, and as `rules.groups.check_join`.
        """
        found, _ = await self._doors.group(caller, guid, "join")
        opened = ""  # the stored password that the given one is
        if found.password_hash and join.password and await self._is_password(caller, found, join.password):
            opened = found.password_hash

        def check(standing: GroupStanding) -> None:
            right = bool(opened) and opened == standing.group.password_hash
            rules.check_join(standing.group, password=join.password, right=right, most=self._most_members)

        act = self._entry(caller, found.guid, "join", caller.uid, check)
        stored = await self._enter(caller, act, "participant", "joined")
        return self._publish(caller, stored)

    async def _is_password(self, caller: Caller, found: GroupRow, password: str) -> bool:
        # The try counts from here on, before anything is awaited: many at once are no more than one after the other.
        guess = f"{caller.uid}\0{found.guid}"
        wait = self._guesses.begin(guess)
        if wait:
            raise Refused("ERR_TOO_MANY_REQUESTS", "Too many wrong passwords. Wait, then try again.", retry_after=wait)
        given = password[: self._lengths.password + 1]
        try:
            right = await self._passwords.same(caller.reader, given, found.password_hash or "")
        except Refused:
            self._guesses.give_back(guess)  # it was not looked at
            raise
        if right:
            self._guesses.give_back(guess)
        return right

    def _entry(
        self,
        caller: Caller,
        guid: str,
        operation: str,
        uid: str,
        also: Callable[[GroupStanding], None],
    ) -> GroupAct:
        def allowed(standing: GroupStanding) -> None:
            also(standing)
            if standing.group.members_count >= self._most_members:
                raise Refused("ERR_NO_VACANCY")
            if standing.on_groups >= self._most_groups:
                raise Refused("ERR_LIMIT_EXCEEDED", {"groups": f"A user may be in {self._most_groups} groups."})

        return self._doors.group_act(caller, guid, operation, uid, allowed)

    async def _enter(self, caller: Caller, act: GroupAct, scope: str, action: str) -> Stored:
        await self._store.standings.group(act)
        now = self._world.seconds()
        extras = {"scope": {"new": scope}} if action == "added" else None
        told = await self._action.of(caller, action, act.on, now, lambda _: extras)
        stored = await self._store.members.add(act, scope, now, told)
        self._delivery.membership(act.on, act.guid, joined=True)
        return stored

    async def leave(self, caller: Caller, guid: str) -> bytes:
        """Leave a group. The answer is the action message that says so.

        Raises:
            Refused: ERR_GUID_NOT_FOUND, ERR_NOT_A_MEMBER, ERR_OWNER_EXIT_FORBIDDEN.
        """
        act = self._doors.group_act(caller, guid, "leave", caller.uid)
        return await self._put_out(caller, act, "left")

    async def _put_out(self, caller: Caller, act: GroupAct, action: str) -> bytes:
        await self._store.standings.group(act)
        now = self._world.seconds()
        told = await self._action.of(caller, action, act.on, now)
        banned_at = now if action == "banned" else None
        stored, before = await self._store.members.remove(act, told, banned_at=banned_at)
        was_member = before.on is not None
        json = self._publish(caller, stored, "" if was_member else act.on)
        if was_member:
            self._delivery.membership(act.on, act.guid, joined=False)
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
        await self.check_features(caller, new)
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

    async def check_features(self, caller: Caller, new: NewMembers) -> None:
        """Whether the caller's role may add whom they name, and ban whom they name.

        Raises:
            Refused: ERR_FEATURE_RESTRICTED.
        """
        if new.admins or new.moderators or new.participants:
            await self._roles.check_feature(caller, "addMember")
        if new.users_to_ban:
            await self._roles.check_feature(caller, "ban")

    async def _one(self, work: Any) -> dict[str, Any]:
        try:
            stored = await work
        except Refused as e:
            return {"success": False, "error": e.as_error()}
        return {"success": True, **({"data": msgspec.Raw(stored)} if stored else {})}

    async def _add(self, caller: Caller, guid: str, uid: str, scope: str) -> bytes:
        user = await self._directory.user(identifier(uid, "uid"))
        await self._roles.check_receiver(caller, user.uid)
        if user.uid != caller.uid:
            await self._doors.user(caller, user.uid, "write")  # a group is no way round a block

        def check(standing: GroupStanding) -> None:
            if not caller.system:
                check_group(f"make_{scope}", group_role(standing.group, standing.by, standing.by_ban, knows=caller.key))
            if standing.on is not None:
                raise Refused("ERR_ALREADY_JOINED")
            if standing.on_ban is not None:
                raise Refused("ERR_BANNED_GROUPMEMBER")

        act = self._entry(caller, guid, "add_member", user.uid, check)
        return self._publish(caller, await self._enter(caller, act, scope, "added"))

    async def _ban_quietly(self, caller: Caller, guid: str, uid: str) -> None:
        await self.ban(caller, guid, uid)

    async def kick(self, caller: Caller, guid: str, uid: str) -> bytes:
        """Put a member out; they may come back. The answer is the action message that says so.

        Raises:
            Refused: ERR_GUID_NOT_FOUND, as the table says, ERR_NOT_A_MEMBER.
        """

        def is_member(standing: GroupStanding) -> None:
            if standing.on is None:
                raise Refused("ERR_NOT_A_MEMBER")

        return await self._put_out(caller, self._deed(caller, guid, uid, "remove", is_member), "kicked")

    def _deed(self, caller: Caller, guid: str, uid: str, what: str, also: Callable[[GroupStanding], None]) -> GroupAct:
        # Whether the caller may do it depends on what the other may do.
        uid = identifier(uid, "uid")

        def allowed(standing: GroupStanding) -> None:
            on = standing.on
            if not caller.system:
                theirs = "participant" if on is None else group_role(standing.group, on)
                role = group_role(standing.group, standing.by, None, knows=caller.key)
                check_group(f"{what}_{theirs}", role)
                if uid == caller.uid:
                    raise Refused("ERR_GROUP_NO_SELF_ACTION")
            elif on is not None and standing.group.owner == on.uid and what == "remove":
                raise Refused("ERR_GROUP_NO_CLEARANCE", "Give the group to another member first.")
            also(standing)

        return self._doors.group_act(caller, guid, "see", uid, allowed)

    async def ban(self, caller: Caller, guid: str, uid: str) -> bytes:
        """Put somebody out for good. The answer is the action message that says so.

        Raises:
            Refused: ERR_GUID_NOT_FOUND, ERR_UID_NOT_FOUND, as the table says, ERR_ALREADY_BANNED.
        """

        def is_not_banned(standing: GroupStanding) -> None:
            if standing.on is None and standing.on_ban is not None:
                raise Refused("ERR_ALREADY_BANNED")

        act = self._deed(caller, guid, uid, "remove", is_not_banned)
        await self._store.standings.group(act)
        await self._directory.user(act.on)
        return await self._put_out(caller, act, "banned")

    async def unban(self, caller: Caller, guid: str, uid: str) -> bytes:
        """Let somebody come back. The answer is the action message that says so.

        Raises:
            Refused: ERR_GUID_NOT_FOUND, as the table says, ERR_NOT_A_BANNED_USER.
        """

        def is_banned(standing: GroupStanding) -> None:
            if standing.on_ban is None:
                raise Refused("ERR_NOT_A_BANNED_USER")

        act = self._doors.group_act(caller, guid, "unban", identifier(uid, "uid"), is_banned)
        await self._store.standings.group(act)
        told = await self._action.of(caller, "unbanned", act.on, self._world.seconds())
        return self._publish(caller, await self._store.members.unban(act, told))

    async def change_scope(self, caller: Caller, guid: str, uid: str, scope: str) -> tuple[bytes, MemberRow]:
        """Change what a member may do. The answer is the action message that says so, and the membership.

        Raises:
            Refused: ERR_GUID_NOT_FOUND, as the table says, ERR_NOT_A_MEMBER, ERR_SAME_SCOPE, ERR_BAD_REQUEST.
        """
        rules.check_scope(scope)

        def check(standing: GroupStanding) -> None:
            if standing.on is None:
                raise Refused("ERR_NOT_A_MEMBER", "Cannot change scope for a user who is not a member of the group.")
            if not caller.system:
                check_group(f"make_{scope}", group_role(standing.group, standing.by, None, knows=caller.key))
            if standing.on.scope == scope:
                raise Refused("ERR_SAME_SCOPE")

        act = self._deed(caller, guid, uid, "change", check)
        standing = await self._store.standings.group(act)
        told = await self._action.of(
            caller, "scopeChanged", act.on, self._world.seconds(),
            lambda s: {"scope": {"new": scope, "old": s.on.scope if s.on else ""}},
        )  # fmt: skip
        stored = await self._store.members.change_scope(act, scope, told)
        member = standing.on or MemberRow(act.guid, act.on, scope, 0, 0)
        return self._publish(caller, stored), replace(member, scope=scope)

    async def online_counts(self, caller: Caller, guids: Sequence[str]) -> dict[str, int]:
        """How many members of some groups are online."""
        self._lengths.check_count(len(guids), "groups", "groups")
        counts = {}
        online = list(self._directory.online_uids())
        for guid in guids:
            found, _ = await self._doors.group(caller, guid, "list_members")
            counts[found.guid] = len(await self._store.members.among(found.guid, online))
        return counts

    def _publish(self, caller: Caller, stored: Stored, also: str = "") -> bytes:
        json = stored.message.json()
        self._delivery.message(stored.message, json, caller.device, also, before=stored.before)
        return as_told(caller, json, stored.before)
