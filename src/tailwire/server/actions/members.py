"""Joins and leaves groups; adds, kicks and bans members. An action message in the group reports each change."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace

from tailwire.server.actions.caller import Caller
from tailwire.server.actions.delivery import for_sender
from tailwire.server.actions.member_actions import MemberAction, MemberActions, MemberLists
from tailwire.server.actions.receipts import Receipts
from tailwire.server.actions.roles import Roles
from tailwire.server.actions.services import Services
from tailwire.server.actions.views import BanView, MemberView, UserView
from tailwire.server.auth.passwords import Passwords
from tailwire.server.limits.guess_limiter import GuessLimiter
from tailwire.server.ports.filters import MemberFilter, Position
from tailwire.server.ports.records import GroupRow, MemberRow, Scope, Stored
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.standing import GroupAct, GroupStanding
from tailwire.server.rules import groups as rules
from tailwire.server.rules.names import identifier
from tailwire.server.rules.permissions import (
    GRANT,
    REMOVAL,
    SCOPE_CHANGE,
    GroupOperation,
    MemberRole,
    check_group,
    group_role,
    member_role,
)

Outcome = bytes | None | Refused
"""The result for one user of a list: the encoded action message; None for a ban that succeeded; or the refusal."""


class Members:
    """Actions on the members of groups.

    Args:
        guesses: limits how often a user may try wrong passwords of a group.
        max_members: how many members a group may have.
        max_groups: how many groups a user may be a member of.
    """

    def __init__(
        self,
        services: Services,
        roles: Roles,
        passwords: Passwords,
        guesses: GuessLimiter,
        receipts: Receipts,
        *,
        max_members: int,
        max_groups: int,
    ) -> None:
        self._store = services.store
        self._directory = services.directory
        self._action = MemberActions(services.directory)
        self._authorizer = services.authorizer
        self._delivery = services.delivery
        self._world = services.world
        self._lengths = services.lengths
        self._roles = roles
        self._passwords = passwords
        self._guesses = guesses
        self._receipts = receipts
        self._max_members = max_members
        self._max_groups = max_groups

    # Lists.

    async def list_page(self, caller: Caller, criteria: MemberFilter) -> tuple[list[MemberView], int]:
        """Return a page of the members of a group that match a filter, sorted by uid, and how many match in total.

        Raises:
            Refused: ERR_GUID_NOT_FOUND, ERR_NOT_A_MEMBER.
        """
        criteria = await self._permitted_filter(caller, criteria, "list_members")
        rows, total = await self._store.members.find(criteria)
        return [MemberView(member, await self._view(caller, member.uid)) for member in rows], total

    async def list_after(self, caller: Caller, criteria: MemberFilter, position: Position) -> list[MemberView]:
        """Return members as in `list_page`, but after a position: `(uid,)` of the last member that was read, or ().

        Raises:
            Refused: ERR_GUID_NOT_FOUND, ERR_NOT_A_MEMBER.
        """
        criteria = await self._permitted_filter(caller, criteria, "list_members")
        rows = await self._store.members.list_after(criteria, position)
        return [MemberView(member, await self._view(caller, member.uid)) for member in rows]

    async def _permitted_filter(self, caller: Caller, criteria: MemberFilter, act: GroupOperation) -> MemberFilter:
        found, _ = await self._authorizer.group(caller, criteria.guid, act)
        online = await self._directory.online_to(caller.reader) if criteria.online is not None else ()
        return replace(criteria, guid=found.guid, online_uids=online)

    async def list_banned(self, caller: Caller, criteria: MemberFilter) -> tuple[list[BanView], int]:
        """Return a page of the banned users who match a filter, sorted by uid, and how many match in total.

        Raises:
            Refused: ERR_GUID_NOT_FOUND, or the code in the permission table.
        """
        criteria = await self._permitted_filter(caller, criteria, "list_banned")
        rows, total = await self._store.members.bans(criteria)
        return [BanView(ban, await self._view(caller, ban.uid)) for ban in rows], total

    async def _view(self, caller: Caller, uid: str) -> UserView | None:
        row = await self._store.users.get(uid)
        return await self._directory.view(row, caller.reader) if row is not None else None

    # Joining and leaving.

    async def join(self, caller: Caller, guid: str, password: str | None = None) -> bytes:
        """Make the caller a member of a group. Return the action message.

        Raises:
            Refused: ERR_GUID_NOT_FOUND, or the code in the permission table; as in `rules.groups.check_join`;
                ERR_LIMIT_EXCEEDED: the caller is in as many groups as they may; ERR_TOO_MANY_REQUESTS: the caller has
                tried too many wrong passwords, or too many passwords wait to be checked.
        """
        found, _ = await self._authorizer.group(caller, guid, "join")
        matching_hash = ""  # the stored hash that the given password matches
        if found.password_hash and password and await self._is_password(caller, found, password):
            matching_hash = found.password_hash

        def check(standing: GroupStanding) -> None:
            matches = bool(matching_hash) and matching_hash == standing.group.password_hash
            rules.check_join(standing.group, password=password, matches=matches, max_members=self._max_members)

        act = self._entry(caller, found.guid, "join", caller.uid, check)
        stored = await self._enter(caller, act, "participant", "joined")
        return self._publish(caller, stored)

    async def _is_password(self, caller: Caller, found: GroupRow, password: str) -> bool:
        # The attempt is counted before the first await, so that concurrent attempts do not exceed the limit.
        guess = f"{caller.uid}\0{found.guid}"
        wait = self._guesses.count_attempt(guess)
        if wait:
            advice = "Too many wrong passwords. Wait, then try again."
            raise Refused("ERR_TOO_MANY_REQUESTS", advice, retry_after=wait, limit="wrong_passwords_per_minute")
        bounded = password[: self._lengths.password + 1]
        try:
            matches = await self._passwords.matches(caller.reader, bounded, found.password_hash or "")
        except Refused:
            self._guesses.give_back(guess)  # the password was not checked
            raise
        if matches:
            self._guesses.give_back(guess)
        return matches

    def _entry(
        self,
        caller: Caller,
        guid: str,
        operation: GroupOperation,
        uid: str,
        also: Callable[[GroupStanding], None],
    ) -> GroupAct:
        def check(standing: GroupStanding) -> None:
            also(standing)
            if standing.group.members_count >= self._max_members:
                raise Refused("ERR_NO_VACANCY", limit="max_group_members")
            if standing.subject_groups >= self._max_groups:
                raise Refused(
                    "ERR_LIMIT_EXCEEDED",
                    {"groups": f"A user may be in {self._max_groups} groups."},
                    limit="max_groups_per_user",
                )

        return self._authorizer.group_act(caller, guid, operation, uid, check)

    async def _enter(self, caller: Caller, act: GroupAct, scope: Scope, action: MemberAction) -> Stored:
        await self._store.standings.group(act)
        now = self._world.seconds()
        extras = {"scope": {"new": scope}} if action == "added" else None
        draft = await self._action.drafter(caller, action, act.subject, now, lambda _: extras)
        stored = await self._store.members.add(act, scope, now, draft)
        self._delivery.change_subscription(act.subject, act.guid, joined=True, message_id=stored.message.id)
        return stored

    async def leave(self, caller: Caller, guid: str) -> bytes:
        """End the caller's membership in a group. Return the action message.

        Raises:
            Refused: ERR_GUID_NOT_FOUND; ERR_NOT_A_MEMBER; ERR_OWNER_EXIT_FORBIDDEN: the owner has to transfer the group
                first.
        """
        act = self._authorizer.group_act(caller, guid, "leave", caller.uid)
        return await self._remove(caller, act, "left")

    async def _remove(self, caller: Caller, act: GroupAct, action: MemberAction) -> bytes:
        await self._store.standings.group(act)
        now = self._world.seconds()
        draft = await self._action.drafter(caller, action, act.subject, now)
        banned_at = now if action == "banned" else None
        stored, before = await self._store.members.remove(
            act, draft, banned_at=banned_at, receipt_members=self._receipts.max_members
        )
        was_member = before.subject is not None
        json = self._publish(caller, stored, "" if was_member else act.subject)
        if was_member:
            self._delivery.change_subscription(act.subject, act.guid, joined=False, message_id=stored.message.id)
        await self._receipts.notify_without(stored, act.subject, now)
        return json

    # Acting on others.

    async def add(self, caller: Caller, guid: str, new: MemberLists) -> Mapping[str, Mapping[str, Outcome]]:
        """Add members to a group, and ban users from it. A refusal for one of them does not affect the others.

        Returns:
            The outcomes by uid, in four mappings with the keys `admins`, `moderators`, `participants` and
            `usersToBan`, even if empty: without one the JavaScript SDK never completes its call. A uid that is in
            several of the first three lists is added only once, with the scope of the first.

        Raises:
            Refused: ERR_GUID_NOT_FOUND, or the code in the permission table; ERR_FEATURE_RESTRICTED: the caller's role
                may not add, or ban; ERR_BAD_REQUEST: the lists name too many users.
        """
        found, member = await self._authorizer.group(caller, guid, "add_member")
        by_scope: dict[Scope, list[str]]
        by_scope = {"admin": new.admins, "moderator": new.moderators, "participant": new.participants}
        count = sum(len(uids) for uids in (*by_scope.values(), new.banned))
        self._lengths.check_count(count, "members", "members", least=0)
        await self.check_features(caller, new)
        if not caller.system:
            role = group_role(found, member, knows=caller.key)
            for scope, uids in by_scope.items():
                if uids:
                    check_group(GRANT[scope], role)
        added: dict[Scope, dict[str, Outcome]] = {scope: {} for scope in by_scope}
        seen: set[str] = set()
        for scope, uids in by_scope.items():
            for uid in uids:
                if uid.lower() not in seen:
                    seen.add(uid.lower())
                    added[scope][uid] = await _outcome(self._add(caller, found.guid, uid, scope))
        banned: dict[str, Outcome] = {}
        for uid in new.banned:
            outcome = await _outcome(self.ban(caller, found.guid, uid))
            banned[uid] = outcome if isinstance(outcome, Refused) else None
        return {
            "admins": added["admin"],
            "moderators": added["moderator"],
            "participants": added["participant"],
            "usersToBan": banned,
        }

    async def check_features(self, caller: Caller, new: MemberLists) -> None:
        """Check that the caller's role may add members, if the lists name some, and ban users, if they name some.

        Raises:
            Refused: ERR_FEATURE_RESTRICTED.
        """
        if new.admins or new.moderators or new.participants:
            await self._roles.check_feature(caller, "addMember")
        if new.banned:
            await self._roles.check_feature(caller, "ban")

    async def _add(self, caller: Caller, guid: str, uid: str, scope: Scope) -> bytes:
        user = await self._directory.user(identifier(uid, "uid"))
        await self._roles.check_receiver(caller, user.uid)
        if user.uid != caller.uid:
            await self._authorizer.user(caller, user.uid, "write")  # a block applies in groups, too

        def check(standing: GroupStanding) -> None:
            self._authorizer.check_in_group(caller, standing, GRANT[scope])
            if standing.subject is not None:
                raise Refused("ERR_ALREADY_JOINED")
            if standing.subject_ban is not None:
                raise Refused("ERR_BANNED_GROUPMEMBER")

        act = self._entry(caller, guid, "add_member", user.uid, check)
        return self._publish(caller, await self._enter(caller, act, scope, "added"))

    async def kick(self, caller: Caller, guid: str, uid: str) -> bytes:
        """Remove a member, who may join again. Return the action message.

        Raises:
            Refused: ERR_GUID_NOT_FOUND, or the code in the permission table; ERR_NOT_A_MEMBER: they are not a member.
        """

        def check_member(standing: GroupStanding) -> None:
            if standing.subject is None:
                raise Refused("ERR_NOT_A_MEMBER")

        return await self._remove(caller, self._act_on(caller, guid, uid, REMOVAL, check_member), "kicked")

    def _act_on(
        self,
        caller: Caller,
        guid: str,
        uid: str,
        operations: Mapping[MemberRole, GroupOperation],
        also: Callable[[GroupStanding], None],
    ) -> GroupAct:
        # The operation, and so the permission, depends on the role of the user who is acted on.
        uid = identifier(uid, "uid")

        def check(standing: GroupStanding) -> None:
            on = standing.subject
            if not caller.system:
                role: MemberRole = "participant" if on is None else member_role(on, standing.group.owner)
                self._authorizer.check_in_group(caller, standing, operations[role])
                if uid == caller.uid:
                    raise Refused("ERR_GROUP_NO_SELF_ACTION")
            elif on is not None and standing.group.owner == on.uid and operations is REMOVAL:
                raise Refused("ERR_GROUP_NO_CLEARANCE", "Give the group to another member first.")
            also(standing)

        return self._authorizer.group_act(caller, guid, "see", uid, check)

    async def ban(self, caller: Caller, guid: str, uid: str) -> bytes:
        """Ban a user from a group, and remove them if they are a member. Return the action message.

        Raises:
            Refused: ERR_GUID_NOT_FOUND, or the code in the permission table; ERR_UID_NOT_FOUND: the user does not
                exist; ERR_ALREADY_BANNED: they are banned already.
        """

        def check_not_banned(standing: GroupStanding) -> None:
            if standing.subject is None and standing.subject_ban is not None:
                raise Refused("ERR_ALREADY_BANNED")

        act = self._act_on(caller, guid, uid, REMOVAL, check_not_banned)
        await self._store.standings.group(act)
        if await self._store.users.get(act.subject) is None:
            raise Refused("ERR_UID_NOT_FOUND", {"uid": act.subject})
        return await self._remove(caller, act, "banned")

    async def unban(self, caller: Caller, guid: str, uid: str) -> bytes:
        """Lift the ban of a user from a group. Return the action message.

        Raises:
            Refused: ERR_GUID_NOT_FOUND, or the code in the permission table; ERR_NOT_A_BANNED_USER: there is no ban.
        """

        def check_banned(standing: GroupStanding) -> None:
            if standing.subject_ban is None:
                raise Refused("ERR_NOT_A_BANNED_USER")

        act = self._authorizer.group_act(caller, guid, "unban", identifier(uid, "uid"), check_banned)
        await self._store.standings.group(act)
        draft = await self._action.drafter(caller, "unbanned", act.subject, self._world.seconds())
        return self._publish(caller, await self._store.members.unban(act, draft))

    async def change_scope(self, caller: Caller, guid: str, uid: str, scope: str) -> tuple[bytes, MemberRow]:
        """Change the scope of a member. Return the action message, and the membership with the new scope.

        Raises:
            Refused: ERR_GUID_NOT_FOUND, or the code in the permission table; ERR_NOT_A_MEMBER: the user is not a
                member; ERR_SAME_SCOPE: they have the scope already; ERR_BAD_REQUEST: there is no such scope.
        """
        new = rules.check_scope(scope)

        def check(standing: GroupStanding) -> None:
            if standing.subject is None:
                raise Refused("ERR_NOT_A_MEMBER", "Cannot change scope for a user who is not a member of the group.")
            self._authorizer.check_in_group(caller, standing, GRANT[new])
            if standing.subject.scope == new:
                raise Refused("ERR_SAME_SCOPE")

        act = self._act_on(caller, guid, uid, SCOPE_CHANGE, check)
        standing = await self._store.standings.group(act)
        draft = await self._action.drafter(
            caller, "scopeChanged", act.subject, self._world.seconds(),
            lambda s: {"scope": {"new": new, "old": s.subject.scope if s.subject else ""}},
        )  # fmt: skip
        stored = await self._store.members.change_scope(act, new, draft)
        member = standing.subject or MemberRow(act.guid, act.subject, new, 0, 0)
        return self._publish(caller, stored), replace(member, scope=new)

    async def online_counts(self, caller: Caller, guids: Sequence[str]) -> dict[str, int]:
        """Return how many members of each group are online, by guid.

        Raises:
            Refused: ERR_BAD_REQUEST: there are no guids, or too many; ERR_GUID_NOT_FOUND, ERR_NOT_A_MEMBER: the caller
                may not know of one of the groups, or see its members.
        """
        self._lengths.check_count(len(guids), "groups", "groups")
        counts = {}
        online = list(self._directory.online_uids())
        for guid in guids:
            found, _ = await self._authorizer.group(caller, guid, "list_members")
            counts[found.guid] = len(await self._store.members.members_among(found.guid, online))
        return counts

    def _publish(self, caller: Caller, stored: Stored, also: str = "") -> bytes:
        json = stored.message.json()
        self._delivery.publish_message(stored, json, caller.device, also)
        return for_sender(caller, json, stored)


async def _outcome(work: Awaitable[bytes]) -> Outcome:
    try:
        return await work
    except Refused as e:
        return e
