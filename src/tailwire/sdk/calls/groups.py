"""Make, join and leave groups (facts-sdk.md, section 9)."""

from __future__ import annotations

from urllib.parse import quote

from tailwire.sdk.calls.access import Access, OnError, OnSuccess, decoded, settle
from tailwire.sdk.exceptions import failure
from tailwire.wire.codec import group_from_wire, group_to_wire, message_from_wire
from tailwire.wire.constants import GroupType
from tailwire.wire.entities import Action, Group


class GroupCalls(Access):
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
            return decoded(group_from_wire, await self._ask("GET", f"/groups/{quote(guid, safe='')}"))

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
            path = f"/groups/{quote(guid, safe='')}/members"
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
            answer = await self._ask("DELETE", f"/groups/{quote(guid, safe='')}/members")
            self._message_sent(decoded(message_from_wire, answer))
            return f"{guid} left successfully"

        return await settle(leave(), on_success, on_error)
