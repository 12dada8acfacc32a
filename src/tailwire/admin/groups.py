"""Groups and their members, as a backend manages them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from tailwire.admin.asking import Asking, changes, filtered, listed
from tailwire.admin.listing import Listing
from tailwire.sdk.calls.checks import decoded, quoted
from tailwire.sdk.calls.members import add_body, outcome_of
from tailwire.wire.codec import group_from_wire, user_from_wire
from tailwire.wire.encoding import group_to_wire
from tailwire.wire.entities import Group, GroupMember, User
from tailwire.wire.social import member_from_wire

Scope = Literal["admin", "moderator", "participant"]


class Groups:
    """The groups of the app (`admin.groups`)."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    async def create(self, group: Group, *, owner: str | None = None, members: Sequence[GroupMember] = ()) -> Group:
        """Create a group.

        Args:
            group: `guid`, `name`, `type` (`public`, `private`, `password`), and what else it has.
            owner: uid; the app itself by default.
            members: who is in it from the start; `uid` and `scope` of each count.

        Raises:
            CometChatException: `ERR_GUID_ALREADY_EXISTS`, `ERR_UID_NOT_FOUND`, `ERR_BAD_REQUEST`.
        """
        body = group_to_wire(group) | changes(owner=owner)
        if members:
            body["members"] = add_body(members)
        answer = await self._asking.ask("POST", "/groups", body=body)
        if isinstance(answer, dict) and isinstance(answer.get("group"), dict):
            answer = answer["group"]
        return decoded(group_from_wire, answer)

    async def get(self, guid: str) -> Group:
        """Return a group.

        Raises:
            CometChatException: `ERR_GUID_NOT_FOUND`.
        """
        return await self._asking.fetch(group_from_wire, "GET", _path(guid))

    async def update(
        self,
        guid: str,
        *,
        name: str | None = None,
        type: str | None = None,
        password: str | None = None,
        icon: str | None = None,
        description: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        tags: Sequence[str] | None = None,
        unset: Sequence[str] | None = None,
    ) -> Group:
        """Change what is given of a group, and return the group.

        Args:
            unset: what is taken away: `icon`, `description`, `metadata`.

        Raises:
            CometChatException: `ERR_GUID_NOT_FOUND`, `ERR_BAD_REQUEST`.
        """
        body = changes(
            name=name,
            type=type,
            password=password,
            icon=icon,
            description=description,
            metadata=dict(metadata) if metadata is not None else None,
            tags=listed(tags, "tags") if tags is not None else None,
            unset=listed(unset, "unset") if unset is not None else None,
        )
        return await self._asking.fetch(group_from_wire, "PUT", _path(guid), body=body)

    async def delete(self, guid: str) -> None:
        """Delete a group with its messages.

        Raises:
            CometChatException: `ERR_GUID_NOT_FOUND`.
        """
        await self._asking.ask("DELETE", _path(guid))

    async def transfer(self, guid: str, owner: str) -> None:
        """Give a group to one of its members.

        Raises:
            CometChatException: `ERR_GUID_NOT_FOUND`; `ERR_GROUP_NOT_JOINED` when they are no member.
        """
        await self._asking.ask("PATCH", f"{_path(guid)}/owner", body={"owner": owner})

    def list(
        self, *, search: str = "", types: Sequence[str] | None = None, tags: Sequence[str] | None = None
    ) -> Listing[Group]:
        """Return the groups that fit, by name; private ones too."""
        return self._asking.listing(
            "/groups",
            group_from_wire,
            "group",
            searchKey=search,
            types=filtered(types, "types"),
            tags=filtered(tags, "tags"),
        )

    def members(self, guid: str, *, search: str = "", scopes: Sequence[Scope] | None = None) -> Listing[GroupMember]:
        """Return the members of a group."""
        return self._asking.listing(
            f"{_path(guid)}/members", member_from_wire, "member", searchKey=search, scopes=filtered(scopes, "scopes")
        )

    async def add_members(self, guid: str, members: Sequence[GroupMember]) -> dict[str, str]:
        """Add users to a group.

        Args:
            members: `uid` and `scope` of each count; at most 25.

        Returns:
            By uid: `success`, or why not.

        Raises:
            CometChatException: `ERR_GUID_NOT_FOUND`, `INVALID_SCOPE_VALUE`.
        """
        return outcome_of(await self._asking.ask("POST", f"{_path(guid)}/members", body=add_body(members)))

    async def kick(self, guid: str, uid: str) -> None:
        """Put a member out of a group.

        Raises:
            CometChatException: `ERR_GUID_NOT_FOUND`, `ERR_GROUP_NOT_JOINED`.
        """
        await self._asking.ask("DELETE", f"{_path(guid)}/members/{quoted(uid)}")

    async def ban(self, guid: str, uid: str) -> None:
        """Put a user out of a group, for good.

        Raises:
            CometChatException: `ERR_GUID_NOT_FOUND`, `ERR_UID_NOT_FOUND`.
        """
        await self._asking.ask("POST", f"{_path(guid)}/bannedusers/{quoted(uid)}")

    async def unban(self, guid: str, uid: str) -> None:
        """Lift a ban.

        Raises:
            CometChatException: `ERR_GUID_NOT_FOUND`.
        """
        await self._asking.ask("DELETE", f"{_path(guid)}/bannedusers/{quoted(uid)}")

    def banned(self, guid: str) -> Listing[User]:
        """Return who is banned from a group."""
        return self._asking.listing(f"{_path(guid)}/bannedusers", user_from_wire, "user")

    async def change_scope(self, guid: str, uid: str, scope: Scope) -> None:
        """Change what a member may do.

        Raises:
            CometChatException: `ERR_GUID_NOT_FOUND`, `ERR_GROUP_NOT_JOINED`.
        """
        await self._asking.ask("PUT", f"{_path(guid)}/members/{quoted(uid)}", body={"scope": scope})


def _path(guid: str) -> str:
    return f"/groups/{quoted(guid)}"
