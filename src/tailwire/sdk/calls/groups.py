"""Make, change, join and leave groups."""

from __future__ import annotations

from collections.abc import Sequence

from tailwire.sdk.calls.access import Access, OnError, OnSuccess, decoded, quoted, settle, text_of
from tailwire.sdk.calls.members import MemberCalls, add_body
from tailwire.sdk.exceptions import failure
from tailwire.sdk.listeners.own import ConversationGone, ConversationTouched, GroupSaid
from tailwire.wire.codec import group_from_wire, message_from_wire
from tailwire.wire.constants import GroupType
from tailwire.wire.encoding import group_to_wire
from tailwire.wire.entities import Action, Group, GroupMember


class GroupCalls(MemberCalls, Access):
    """The part of a client that deals with groups."""

    async def create_group(
        self, group: Group, *, on_success: OnSuccess[Group] = None, on_error: OnError = None
    ) -> Group:
        """Make a group; the user owns it and is its first admin.

        Raises:
            CometChatException: as the server refused it.
        """

        async def create() -> Group:
            return decoded(group_from_wire, await self._ask("POST", "/groups", body=group_to_wire(group)))

        return await settle(create(), on_success, on_error)

    async def get_group(self, guid: str, *, on_success: OnSuccess[Group] = None, on_error: OnError = None) -> Group:
        """A group."""

        async def get() -> Group:
            return decoded(group_from_wire, await self._ask("GET", f"/groups/{quoted(guid)}"))

        return await settle(get(), on_success, on_error)

    async def join_group(
        self,
        guid: str,
        group_type: str = GroupType.PUBLIC,
        password: str = "",
        *,
        on_success: OnSuccess[Group] = None,
        on_error: OnError = None,
    ) -> Group:
        """Join a public group, or one with a password.

        Returns:
            The group, with `has_joined`.

        Raises:
            CometChatException: as the server refused it (`ERR_ALREADY_JOINED`, `ERR_WRONG_GROUP_PASS` …).
        """

        async def join() -> Group:
            if group_type == GroupType.PASSWORD and not password:
                raise failure("ERR_EMPTY_GROUP_PASS")
            body = {"password": password} if password else {}
            path = f"/groups/{quoted(guid)}/members"
            action = decoded(message_from_wire, await self._ask("POST", path, body=body))
            self._message_sent(action)
            if not isinstance(action, Action) or not isinstance(action.action_for, Group):
                raise failure("ERR_BAD_ERROR_RESPONSE", "The server's answer names no group.")
            action.action_for.has_joined = True
            return action.action_for

        return await settle(join(), on_success, on_error)

    async def leave_group(self, guid: str, *, on_success: OnSuccess[str] = None, on_error: OnError = None) -> str:
        """Leave a group.

        Raises:
            CometChatException: as the server refused it (`ERR_NOT_A_MEMBER`, `ERR_OWNER_EXIT_FORBIDDEN` …).
        """

        async def leave() -> str:
            answer = await self._ask("DELETE", f"/groups/{quoted(guid)}/members")
            self._message_sent(decoded(message_from_wire, answer))
            return f"{guid} left successfully"

        return await settle(leave(), on_success, on_error)

    async def create_group_with_members(
        self,
        group: Group,
        members: Sequence[GroupMember],
        banned: Sequence[str] = (),
        *,
        on_success: OnSuccess[tuple[Group, dict[str, str]]] = None,
        on_error: OnError = None,
    ) -> tuple[Group, dict[str, str]]:
        """Make a group with members.

        Args:
            members: with `uid` and `scope`; at most 25, with the banned.
            banned: uids that may not join.

        Returns:
            The group, and by uid why a member could not be added.
        """

        async def create() -> tuple[Group, dict[str, str]]:
            body = {**group_to_wire(group), "members": add_body(members, banned)}
            answer = await self._ask("POST", "/groups", body=body)
            outcome = self._outcome(answer.get("members") if isinstance(answer, dict) else None)
            failed = {uid: text for uid, text in outcome.items() if text != "success"}
            return decoded(group_from_wire, answer), failed

        return await settle(create(), on_success, on_error)

    async def update_group(
        self, group: Group, *, on_success: OnSuccess[Group] = None, on_error: OnError = None
    ) -> Group:
        """Change a group's name, icon, description, metadata and tags. Its guid, type and password stay.

        Raises:
            CometChatException: as the server refused it (`ERR_GROUP_NO_MODERATOR_SCOPE` …).
        """

        async def update() -> Group:
            fixed = ("guid", "type", "password")
            body = {k: v for k, v in group_to_wire(group).items() if k not in fixed}
            said = await self._fetch(group_from_wire, "PUT", f"/groups/{quoted(group.guid)}", body=body)
            self._done_here(GroupSaid(said))
            return said

        return await settle(update(), on_success, on_error)

    async def delete_group(self, guid: str, *, on_success: OnSuccess[str] = None, on_error: OnError = None) -> str:
        """Delete a group with all that was said in it; its admins and owner may."""

        async def delete() -> str:
            answer = text_of(await self._ask("DELETE", f"/groups/{quoted(guid)}"))
            self._done_here(ConversationGone("group", guid))
            return answer

        return await settle(delete(), on_success, on_error)

    async def transfer_group_ownership(
        self, guid: str, uid: str, *, on_success: OnSuccess[str] = None, on_error: OnError = None
    ) -> str:
        """Give a group to one of its members; only its owner may."""

        async def transfer() -> str:
            answer = text_of(await self._ask("PATCH", f"/groups/{quoted(guid)}/owner", body={"owner": uid}))
            self._done_here(ConversationTouched("group", guid))
            return answer

        return await settle(transfer(), on_success, on_error)
