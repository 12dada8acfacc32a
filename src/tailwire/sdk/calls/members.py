"""Add, kick and ban members of groups, and change what they may do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tailwire.sdk.calls.access import Access, OnError, OnSuccess, decoded, quoted, settle
from tailwire.sdk.exceptions import failure
from tailwire.wire.codec import message_from_wire
from tailwire.wire.constants import MemberScope
from tailwire.wire.entities import GroupMember

_LISTS = {MemberScope.ADMIN: "admins", MemberScope.MODERATOR: "moderators", MemberScope.PARTICIPANT: "participants"}


def add_body(members: Sequence[GroupMember], banned: Sequence[str] = ()) -> dict[str, list[str]]:
    """The body that adds members to a group.

    Raises:
        CometChatException: `INVALID_SCOPE_VALUE`.
    """
    body: dict[str, list[str]] = {}
    for member in members:
        if member.scope not in tuple(_LISTS):
            raise failure("INVALID_SCOPE_VALUE")
        body.setdefault(_LISTS[MemberScope(member.scope)], []).append(member.uid)
    if banned:
        body["usersToBan"] = list(banned)
    return body


def outcome_of(answer: Any) -> dict[str, str]:
    """Return what became of each of those who were to be added, by uid: `success`, or why not."""
    outcome: dict[str, str] = {}
    for listed in answer.values() if isinstance(answer, dict) else ():
        for uid, one in listed.items() if isinstance(listed, dict) else ():
            good = bool(one.get("success"))
            outcome[uid] = "success" if good else str((one.get("error") or {}).get("message") or "failed")
    return outcome


class MemberCalls(Access):
    """The part of a client that deals with members. Each call leaves an action message in the group's history."""

    async def add_members_to_group(
        self,
        guid: str,
        members: Sequence[GroupMember],
        banned: Sequence[str] = (),
        *,
        on_success: OnSuccess[dict[str, str]] = None,
        on_error: OnError = None,
    ) -> dict[str, str]:
        """Add members to a group.

        Args:
            members: with `uid` and `scope`; at most 25, with the banned.
            banned: uids to ban from the group.

        Returns:
            By uid `success`, or why not.

        Raises:
            CometChatException: `INVALID_SCOPE_VALUE`, or as the server refused all (`ERR_GUID_NOT_FOUND` …).
        """

        async def add() -> dict[str, str]:
            body = add_body(members, banned)
            return self._outcome(await self._ask("PUT", f"/groups/{quoted(guid)}/members", body=body))

        return await settle(add(), on_success, on_error)

    def _outcome(self, answer: Any) -> dict[str, str]:
        for listed in answer.values() if isinstance(answer, dict) else ():
            for one in listed.values() if isinstance(listed, dict) else ():
                if one.get("success") and one.get("data"):
                    self._message_sent(decoded(message_from_wire, one["data"]))
        return outcome_of(answer)

    async def kick_group_member(
        self, guid: str, uid: str, *, on_success: OnSuccess[str] = None, on_error: OnError = None
    ) -> str:
        """Put a member out of a group; they may come back."""
        path = f"/groups/{quoted(guid)}/members/{quoted(uid)}"
        return await settle(self._change("DELETE", path, f"{uid} kicked successfully"), on_success, on_error)

    async def ban_group_member(
        self, guid: str, uid: str, *, on_success: OnSuccess[str] = None, on_error: OnError = None
    ) -> str:
        """Put a member out of a group; they may not come back until they are unbanned."""
        path = f"/groups/{quoted(guid)}/bannedusers/{quoted(uid)}"
        return await settle(self._change("POST", path, f"{uid} banned successfully"), on_success, on_error)

    async def unban_group_member(
        self, guid: str, uid: str, *, on_success: OnSuccess[str] = None, on_error: OnError = None
    ) -> str:
        """Lift a ban."""
        path = f"/groups/{quoted(guid)}/bannedusers/{quoted(uid)}"
        return await settle(self._change("DELETE", path, f"{uid} unbanned successfully"), on_success, on_error)

    async def update_group_member_scope(
        self, guid: str, uid: str, scope: str, *, on_success: OnSuccess[str] = None, on_error: OnError = None
    ) -> str:
        """Change what a member may do.

        Args:
            scope: `admin`, `moderator` or `participant`.

        Raises:
            CometChatException: `INVALID_SCOPE_VALUE`, `ERR_NOT_A_MEMBER`, or as the server refused it.
        """

        async def update() -> str:
            if scope not in tuple(_LISTS):
                raise failure("INVALID_SCOPE_VALUE")
            path = f"/groups/{quoted(guid)}/members/{quoted(uid)}"
            return await self._change("PUT", path, f"{guid} scope changed successfully", {"scope": str(scope)})

        return await settle(update(), on_success, on_error)

    async def _change(self, method: str, path: str, success: str, body: dict[str, Any] | None = None) -> str:
        self._message_sent(decoded(message_from_wire, await self._ask(method, path, body=body)))
        return success

    async def get_online_group_member_count(
        self, guids: Sequence[str], *, on_success: OnSuccess[dict[str, int]] = None, on_error: OnError = None
    ) -> dict[str, int]:
        """How many members of some of the user's groups are online, by guid."""

        async def count() -> dict[str, int]:
            answer = await self._online({"groups": list(guids)})
            return {str(guid): int(n) for guid, n in (answer.get("groups") or {}).items()}

        return await settle(count(), on_success, on_error)
