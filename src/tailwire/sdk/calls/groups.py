"""Create, change, join, leave and delete groups."""

from __future__ import annotations

from collections.abc import Sequence

from tailwire.sdk.calls.checks import decoded, quoted, text_of
from tailwire.sdk.calls.members import add_body, record_outcome
from tailwire.sdk.calls.parts import Parts
from tailwire.sdk.exceptions import failure
from tailwire.sdk.listeners.own import ConversationOutdated, ConversationRemoved, GroupUpdated
from tailwire.wire.codec import group_from_wire, message_from_wire
from tailwire.wire.constants import GroupType
from tailwire.wire.encoding import group_to_wire
from tailwire.wire.entities import Action, Group, GroupMember
from tailwire.wire.identifiers import stored_id


class GroupCalls:
    """The calls that create, change, join, leave and delete groups."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def create_group(self, group: Group) -> Group:
        """Create a group. The logged-in user becomes its owner and first admin.

        Args:
            group: with `guid`, `name` and `type` (`public`, `password` or `private`); with `password` if the type is
                `password`.

        Returns:
            The group as the server stored it.

        Raises:
            CometChatException: `ERR_GUID_ALREADY_EXISTS` when another group has the guid; or another code of the
                server.
        """
        return await self._parts.requests.fetch(group_from_wire, "POST", "/groups", body=group_to_wire(group))

    async def get_group(self, guid: str) -> Group:
        """Return a group.

        Args:
            guid: the guid of the group.

        Raises:
            CometChatException: `ERR_GUID_NOT_FOUND` when there is no such group; or another code of the server.
        """
        return await self._parts.requests.fetch(group_from_wire, "GET", f"/groups/{quoted(guid)}")

    async def join_group(self, guid: str, group_type: str = GroupType.PUBLIC, password: str = "") -> Group:
        """Join a public group, or one with a password.

        Args:
            guid: the guid of the group.
            group_type: `public` or `password`. It is not sent: with `password`, a call without a password fails before
                any request; any other value has no effect.
            password: the password of the group; "" for a public group.

        Returns:
            The group, with `has_joined` set.

        Raises:
            CometChatException: `ERR_GUID_NOT_FOUND` when there is no such group; `ERR_EMPTY_GROUP_PASS` when it needs a
                password and none was given, `ERR_WRONG_GROUP_PASS` when the password is wrong; `ERR_ALREADY_JOINED`
                when the logged-in user is a member already; `ERR_BAD_ERROR_RESPONSE` when the response names no group;
                or another code of the server.
        """
        if group_type == GroupType.PASSWORD and not password:
            raise failure("ERR_EMPTY_GROUP_PASS")
        body = {"password": password} if password else {}
        path = f"/groups/{quoted(guid)}/members"
        me = self._parts.sessions.uid
        action = await self._parts.requests.fetch(message_from_wire, "POST", path, body=body)
        self._parts.own.record_stored(action, me)
        if not isinstance(action, Action) or not isinstance(action.action_for, Group):
            raise failure("ERR_BAD_ERROR_RESPONSE", "The server's answer names no group.")
        action.action_for.has_joined = True
        return action.action_for

    async def leave_group(self, guid: str) -> str:
        """Leave a group.

        Args:
            guid: the guid of the group.

        Returns:
            A human-readable text, which may change: do not compare it.

        Raises:
            CometChatException: `ERR_GUID_NOT_FOUND` when there is no such group; `ERR_NOT_A_MEMBER` when the logged-in
                user is not a member; `ERR_OWNER_EXIT_FORBIDDEN` when they own it: transfer it first; or another code
                of the server.
        """
        me = self._parts.sessions.uid
        action = await self._parts.requests.fetch(message_from_wire, "DELETE", f"/groups/{quoted(guid)}/members")
        self._parts.own.record_stored(action, me)
        return f"{guid} left successfully"

    async def create_group_with_members(
        self, group: Group, members: Sequence[GroupMember], banned: Sequence[str] = ()
    ) -> tuple[Group, dict[str, str]]:
        """Create a group with members.

        Args:
            group: as for `create_group`.
            members: with `uid` and `scope`; at most 25 including `banned`.
            banned: the uids of users who may not join.

        Returns:
            The group; and a dict with an entry for each user who could not be added or banned: from their uid to the
            text of the error.

        Raises:
            CometChatException: `INVALID_SCOPE_VALUE` when a member's scope is not `admin`, `moderator` or
                `participant`; and as for `create_group`.
        """
        body = {**group_to_wire(group), "members": add_body(members, banned)}
        me = self._parts.sessions.uid
        answer = await self._parts.requests.ask("POST", "/groups", body=body)
        outcome = record_outcome(self._parts, answer.get("members") if isinstance(answer, dict) else None, me)
        errors = {uid: text for uid, text in outcome.items() if text != "success"}
        return decoded(group_from_wire, answer), errors

    async def update_group(self, group: Group) -> Group:
        """Change the name, icon, description, metadata and tags of a group. Its guid, type and password stay.

        Args:
            group: with `guid` and the new values. An empty `name`, an `icon` or `description` that is None, and empty
                `metadata` or `tags` stay as they are.

        Returns:
            The changed group.

        Raises:
            CometChatException: `ERR_GUID_NOT_FOUND` when there is no such group; `ERR_NOT_A_MEMBER` when the logged-in
                user is not a member, `ERR_GROUP_NO_MODERATOR_SCOPE` when they are only a participant; or another code
                of the server.
        """
        unchanged = ("guid", "type", "password") if group.name else ("guid", "type", "password", "name")
        body = {k: v for k, v in group_to_wire(group).items() if k not in unchanged}
        path = f"/groups/{quoted(group.guid)}"
        me = self._parts.sessions.uid
        changed = await self._parts.requests.fetch(group_from_wire, "PUT", path, body=body)
        self._parts.own.notify(GroupUpdated(changed), me)
        return changed

    async def delete_group(self, guid: str) -> str:
        """Delete a group with all its messages. Its owner and admins may do so.

        Args:
            guid: the guid of the group.

        Returns:
            A human-readable text, which may change: do not compare it.

        Raises:
            CometChatException: `ERR_GUID_NOT_FOUND` when there is no such group; `ERR_NOT_A_MEMBER` when the logged-in
                user is not a member, `ERR_GROUP_NO_ADMIN_SCOPE` when they are neither admin nor owner; or another code
                of the server.
        """
        me = self._parts.sessions.uid
        answer = text_of(await self._parts.requests.ask("DELETE", f"/groups/{quoted(guid)}"))
        self._parts.own.notify(ConversationRemoved("group", stored_id(guid)), me)
        return answer

    async def transfer_group_ownership(self, guid: str, uid: str) -> str:
        """Make a member the owner of a group. Only its owner may do so; they stay in the group as a member.

        Args:
            guid: the guid of the group.
            uid: the uid of the member who becomes its owner.

        Returns:
            A human-readable text, which may change: do not compare it.

        Raises:
            CometChatException: `ERR_GUID_NOT_FOUND` when there is no such group; `ERR_NOT_A_MEMBER` when one of the two
                is not a member; or another code of the server.
        """
        me, body = self._parts.sessions.uid, {"owner": uid}
        answer = text_of(await self._parts.requests.ask("PATCH", f"/groups/{quoted(guid)}/owner", body=body))
        self._parts.own.notify(ConversationOutdated("group", stored_id(guid)), me)
        return answer
