"""Add, kick and ban members of groups, and change their scopes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from tailwire.sdk.calls.checks import decoded, quoted
from tailwire.sdk.calls.parts import Parts
from tailwire.sdk.calls.users import fetch_online_counts
from tailwire.sdk.exceptions import failure
from tailwire.wire.codec import message_from_wire
from tailwire.wire.constants import MemberScope
from tailwire.wire.entities import GroupMember
from tailwire.wire.identifiers import stored_id

_LIST_FIELDS = {
    MemberScope.ADMIN: "admins",
    MemberScope.MODERATOR: "moderators",
    MemberScope.PARTICIPANT: "participants",
}


def add_body(members: Sequence[GroupMember], banned: Sequence[str] = ()) -> dict[str, list[str]]:
    """Return the body of the request that adds members to a group, or bans users from it.

    It contains lists of uids: `admins`, `moderators`, `participants` and `usersToBan`. Empty lists are left out.

    Raises:
        CometChatException: `INVALID_SCOPE_VALUE` unless each scope is `admin`, `moderator` or `participant`.
    """
    body: dict[str, list[str]] = {}
    for member in members:
        if member.scope not in tuple(_LIST_FIELDS):
            raise failure("INVALID_SCOPE_VALUE")
        body.setdefault(_LIST_FIELDS[MemberScope(member.scope)], []).append(member.uid)
    if banned:
        body["usersToBan"] = list(banned)
    return body


def outcome_of(answer: Any) -> dict[str, str]:
    """Return a dict from the uid of each user to add or ban to `success`, or to the text of the error.

    Args:
        answer: the server's answer: by list of the request (such as `admins`), a dict from uid to result.
    """
    outcome: dict[str, str] = {}
    for listed in answer.values() if isinstance(answer, dict) else ():
        for uid, one in listed.items() if isinstance(listed, dict) else ():
            outcome[str(uid)] = (
                "success" if one.get("success") else str((one.get("error") or {}).get("message") or "failed")
            )
    return outcome


def record_outcome(parts: Parts, answer: Any, by: str) -> dict[str, str]:
    """Return what `outcome_of` returns for the server's answer to a request that adds members.

    Also record the action messages in the answer as stored by this client, so that they do not arrive as missed ones.

    Args:
        by: as for `OwnChanges`.

    Raises:
        CometChatException: `ERR_BAD_ERROR_RESPONSE` when the answer cannot be decoded.
    """
    outcome = decoded(outcome_of, answer)
    for listed in answer.values() if isinstance(answer, dict) else ():
        for one in listed.values() if isinstance(listed, dict) else ():
            if one.get("success") and one.get("data"):
                parts.own.record_stored(decoded(message_from_wire, one["data"]), by)
    return outcome


class MemberCalls:
    """The calls that change the members of groups. Each change leaves an action message in the group's history."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def add_members_to_group(
        self, guid: str, members: Sequence[GroupMember], banned: Sequence[str] = ()
    ) -> dict[str, str]:
        """Add members to a group.

        Args:
            guid: the guid of the group.
            members: with `uid` and `scope`; at most 25 including `banned`.
            banned: the uids of users to ban from the group.

        Returns:
            A dict from the uid of each user to `success`, or to the text of the error.

        Raises:
            CometChatException: `INVALID_SCOPE_VALUE` unless each scope is `admin`, `moderator` or `participant`; for
                the whole request `ERR_GUID_NOT_FOUND` when there is no such group, `ERR_NOT_A_MEMBER` when the
                logged-in user is not a member, or another code of the server.
        """
        body = add_body(members, banned)
        me = self._parts.sessions.uid
        answer = await self._parts.requests.ask("PUT", f"/groups/{quoted(guid)}/members", body=body)
        return record_outcome(self._parts, answer, me)

    async def kick_group_member(self, guid: str, uid: str) -> str:
        """Remove a member from a group. They may join again.

        Participants can be removed by moderators, admins and the owner; moderators by admins and the owner; admins
        only by the owner.

        Args:
            guid: the guid of the group.
            uid: the uid of the member.

        Returns:
            A human-readable text, which may change: do not compare it.

        Raises:
            CometChatException: `ERR_GUID_NOT_FOUND` when there is no such group; `ERR_NOT_A_MEMBER` when one of the two
                is not a member; `ERR_GROUP_NO_MODERATOR_SCOPE` when the logged-in user is only a participant,
                `ERR_GROUP_NO_SCOPE_CLEARANCE` when the member's scope is too high for them; or another code of the
                server.
        """
        path = f"/groups/{quoted(guid)}/members/{quoted(uid)}"
        return await self._change("DELETE", path, f"{uid} kicked successfully")

    async def ban_group_member(self, guid: str, uid: str) -> str:
        """Ban a user from a group: a member is removed, and nobody who is banned can join until they are unbanned.

        Participants, and users who are not members, can be banned by moderators, admins and the owner; moderators by
        admins and the owner; admins only by the owner.

        Args:
            guid: the guid of the group.
            uid: the uid of the user.

        Returns:
            A human-readable text, which may change: do not compare it.

        Raises:
            CometChatException: `ERR_GUID_NOT_FOUND`, `ERR_UID_NOT_FOUND` when there is no such group or user;
                `ERR_NOT_A_MEMBER` when the logged-in user is not a member, `ERR_GROUP_NO_MODERATOR_SCOPE` when they are
                only a participant, `ERR_GROUP_NO_SCOPE_CLEARANCE` when the other's scope is too high for them;
                `ERR_ALREADY_BANNED` when the user is banned; or another code of the server.
        """
        path = f"/groups/{quoted(guid)}/bannedusers/{quoted(uid)}"
        return await self._change("POST", path, f"{uid} banned successfully")

    async def unban_group_member(self, guid: str, uid: str) -> str:
        """Lift the ban of a user. This does not make them a member. Moderators, admins and the owner may do so.

        Args:
            guid: the guid of the group.
            uid: the uid of the banned user.

        Returns:
            A human-readable text, which may change: do not compare it.

        Raises:
            CometChatException: `ERR_GUID_NOT_FOUND` when there is no such group; `ERR_NOT_A_MEMBER` when the logged-in
                user is not a member, `ERR_GROUP_NO_MODERATOR_SCOPE` when they are only a participant;
                `ERR_NOT_A_BANNED_USER` when the user is not banned; or another code of the server.
        """
        path = f"/groups/{quoted(guid)}/bannedusers/{quoted(uid)}"
        return await self._change("DELETE", path, f"{uid} unbanned successfully")

    async def update_group_member_scope(
        self, guid: str, uid: str, scope: MemberScope | Literal["admin", "moderator", "participant"]
    ) -> str:
        """Change the scope of a member.

        Moderators, admins and the owner may change participants; admins and the owner may change moderators; only the
        owner may change admins. Moderators may not make a member an admin.

        Args:
            guid: the guid of the group.
            uid: the uid of the member.
            scope: the new scope: `admin`, `moderator` or `participant`.

        Returns:
            A human-readable text, which may change: do not compare it.

        Raises:
            CometChatException: `INVALID_SCOPE_VALUE` for another scope; `ERR_SAME_SCOPE` when the member has it;
                `ERR_GROUP_NO_SCOPE_CLEARANCE` when the member's scope or the new one is too high for the logged-in
                user; and as for `kick_group_member`.
        """
        if scope not in tuple(_LIST_FIELDS):
            raise failure("INVALID_SCOPE_VALUE")
        path = f"/groups/{quoted(guid)}/members/{quoted(uid)}"
        return await self._change("PUT", path, f"{guid} scope changed successfully", {"scope": str(scope)})

    async def _change(self, method: str, path: str, success: str, body: dict[str, Any] | None = None) -> str:
        me = self._parts.sessions.uid
        action = await self._parts.requests.fetch(message_from_wire, method, path, body=body)
        self._parts.own.record_stored(action, me)
        return success

    async def get_online_group_member_count(self, guids: Sequence[str]) -> dict[str, int]:
        """Return a dict from the guid of each group to the number of its members who are online.

        Args:
            guids: the guids of groups that have the logged-in user as a member.

        Raises:
            CometChatException: `NO_WEBSOCKET_CONNECTION` before the first connection; `ERR_GUID_NOT_FOUND` when a
                group does not exist; `ERR_NOT_A_MEMBER` when the logged-in user is not a member of one; or another
                code of the server.
        """
        answer = await fetch_online_counts(self._parts, {"groups": list(guids)})
        spellings = {stored_id(guid): guid for guid in guids}
        counts = decoded(lambda answered: {str(g): int(n) for g, n in (answered.get("groups") or {}).items()}, answer)
        return {spellings.get(guid, guid): count for guid, count in counts.items()}
