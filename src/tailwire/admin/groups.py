"""Groups and their members."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from tailwire.admin.listing import Listing
from tailwire.admin.requester import Requester, changed_fields, filter_values, name_list
from tailwire.sdk.calls.checks import decoded, quoted
from tailwire.sdk.calls.members import add_body, outcome_of
from tailwire.wire.codec import group_from_wire, user_from_wire
from tailwire.wire.constants import GroupType
from tailwire.wire.encoding import group_to_wire
from tailwire.wire.entities import Group, GroupMember, User
from tailwire.wire.social import member_from_wire

MemberScope = Literal["admin", "moderator", "participant"]
GroupTypeName = Literal["public", "private", "password"]


class Groups:
    """The groups of the app (`admin.groups`)."""

    def __init__(self, requester: Requester) -> None:
        self._requester = requester

    async def create(self, group: Group, *, owner: str | None = None, members: Sequence[GroupMember] = ()) -> Group:
        """Create a group.

        Args:
            group: its `guid` (1 to 100 characters of `a-z`, `0-9`, `_` and `-`), `name`, `type` (`public`, `private` or
                `password`), and any other fields.
            owner: uid of the owner; by default the group belongs to the app itself.
            members: the first members, at most 25; `uid` and `scope` of each are used. Users who cannot be added are
                skipped without an error.

        Raises:
            CometChatException: `ERR_GUID_ALREADY_EXISTS` if the guid is taken; `ERR_UID_NOT_FOUND` if there is no such
                user; `ERR_EMPTY_GROUP_PASS` if a group of type `password` has no password; `ERR_LIMIT_EXCEEDED` if the
                owner is in too many groups; `ERR_BAD_REQUEST` if the server finds an argument invalid;
                `INVALID_SCOPE_VALUE` if the scope of a member is invalid.
        """
        body = group_to_wire(group) | changed_fields(owner=owner)
        if members:
            body["members"] = add_body(members)
        answer = await self._requester.ask("POST", "/groups", body=body)
        if isinstance(answer, dict) and isinstance(answer.get("group"), dict):
            answer = answer["group"]
        return decoded(group_from_wire, answer)

    async def get(self, guid: str) -> Group:
        """Return a group.

        Args:
            guid: the guid of the group.

        Raises:
            CometChatException: `ERR_GUID_NOT_FOUND`.
        """
        return await self._requester.fetch(group_from_wire, "GET", _path(guid))

    async def update(
        self,
        guid: str,
        *,
        name: str | None = None,
        type: GroupType | GroupTypeName | None = None,
        password: str | None = None,
        icon: str | None = None,
        description: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        tags: Sequence[str] | None = None,
        unset: Sequence[str] | None = None,
    ) -> Group:
        """Change the given fields of a group, and return the group.

        Args:
            guid: the group.
            name: at most 100 characters.
            type: `public`, `private` or `password`.
            password: at most 100 characters; only for the type `password`.
            icon: a URL, at most 3,000 characters.
            description: at most 255 characters.
            metadata: replaces the old metadata; at most 5 KiB of JSON.
            tags: replace the old tags; at most 25 of 100 characters each.
            unset: fields to remove: `icon`, `description`, `metadata`.

        Raises:
            CometChatException: `ERR_GUID_NOT_FOUND` if there is no such group; `ERR_EMPTY_GROUP_PASS` if the group gets
                the type `password` and has no password; `ERR_BAD_REQUEST` if the server finds an argument invalid;
                `ERR_INVALID_ARGUMENT` if `tags` or `unset` is not a list of strings.
        """
        body = changed_fields(
            name=name,
            type=type,
            password=password,
            icon=icon,
            description=description,
            metadata=dict(metadata) if metadata is not None else None,
            tags=name_list(tags, "tags") if tags is not None else None,
            unset=name_list(unset, "unset") if unset is not None else None,
        )
        return await self._requester.fetch(group_from_wire, "PUT", _path(guid), body=body)

    async def delete(self, guid: str) -> None:
        """Delete a group and its messages.

        Args:
            guid: the guid of the group.

        Raises:
            CometChatException: `ERR_GUID_NOT_FOUND`.
        """
        await self._requester.ask("DELETE", _path(guid))

    async def transfer(self, guid: str, owner: str) -> None:
        """Make a member the owner of a group.

        Args:
            guid: the group.
            owner: uid of the member.

        Raises:
            CometChatException: `ERR_GUID_NOT_FOUND` if there is no such group; `ERR_NOT_A_MEMBER` if the user is not a
                member.
        """
        await self._requester.ask("PATCH", f"{_path(guid)}/owner", body={"owner": owner})

    def list(
        self,
        *,
        search: str = "",
        types: Sequence[GroupType | GroupTypeName] | None = None,
        tags: Sequence[str] | None = None,
    ) -> Listing[Group]:
        """Return the groups that match all given filters, ordered by name, including private ones.

        Args:
            search: only groups whose guid or name begins with this text.
            types: only groups of these types.
            tags: only groups with one of these tags. An empty list matches nothing.

        Raises:
            CometChatException: `ERR_INVALID_ARGUMENT` if a filter is not a list of strings, or one of them has a comma.
        """
        return self._requester.listing(
            "/groups",
            group_from_wire,
            "group",
            searchKey=search,
            types=filter_values(types, "types"),
            tags=filter_values(tags, "tags"),
        )

    def members(
        self, guid: str, *, search: str = "", scopes: Sequence[MemberScope] | None = None
    ) -> Listing[GroupMember]:
        """Return the members of a group, ordered by uid.

        Args:
            guid: the group.
            search: only members whose uid or name begins with this text.
            scopes: only members with one of these scopes.

        Raises:
            CometChatException: `ERR_INVALID_ARGUMENT` if a filter is not a list of strings, or one of them has a comma.
        """
        return self._requester.listing(
            f"{_path(guid)}/members",
            member_from_wire,
            "member",
            searchKey=search,
            scopes=filter_values(scopes, "scopes"),
        )

    async def add_members(self, guid: str, members: Sequence[GroupMember]) -> dict[str, str]:
        """Add users to a group.

        Args:
            guid: the group.
            members: at most 25; `uid` and `scope` of each are used.

        Returns:
            The outcome for each uid: `success`, or the reason why the user was not added.

        Raises:
            CometChatException: `ERR_GUID_NOT_FOUND` if there is no such group; `ERR_BAD_REQUEST` for more than 25
                members; `INVALID_SCOPE_VALUE` if the scope of a member is invalid.
        """
        answer = await self._requester.ask("POST", f"{_path(guid)}/members", body=add_body(members))
        return decoded(outcome_of, answer)

    async def kick(self, guid: str, uid: str) -> None:
        """Remove a member from a group. They may join again.

        Args:
            guid: the guid of the group.
            uid: the uid of the member.

        Raises:
            CometChatException: `ERR_GUID_NOT_FOUND` if there is no such group; `ERR_NOT_A_MEMBER` if the user is not a
                member; `ERR_GROUP_NO_CLEARANCE` for the owner.
        """
        await self._requester.ask("DELETE", f"{_path(guid)}/members/{quoted(uid)}")

    async def ban(self, guid: str, uid: str) -> None:
        """Remove a user from a group, and keep them out until `unban`.

        Args:
            guid: the guid of the group.
            uid: the uid of the user.

        Raises:
            CometChatException: `ERR_GUID_NOT_FOUND` if there is no such group; `ERR_UID_NOT_FOUND` if there is no such
                user; `ERR_ALREADY_BANNED` if the user is banned already; `ERR_GROUP_NO_CLEARANCE` for the owner.
        """
        await self._requester.ask("POST", f"{_path(guid)}/bannedusers/{quoted(uid)}")

    async def unban(self, guid: str, uid: str) -> None:
        """Allow a banned user to join the group again.

        Args:
            guid: the guid of the group.
            uid: the uid of the banned user.

        Raises:
            CometChatException: `ERR_GUID_NOT_FOUND` if there is no such group; `ERR_NOT_A_BANNED_USER` if the user is
                not banned.
        """
        await self._requester.ask("DELETE", f"{_path(guid)}/bannedusers/{quoted(uid)}")

    def banned(self, guid: str) -> Listing[User]:
        """Return the users who are banned from a group, ordered by uid.

        Args:
            guid: the guid of the group.
        """
        return self._requester.listing(f"{_path(guid)}/bannedusers", user_from_wire, "user")

    async def change_scope(self, guid: str, uid: str, scope: MemberScope) -> None:
        """Change the scope of a member.

        Args:
            guid: the group.
            uid: the member.
            scope: `admin`, `moderator` or `participant`.

        Raises:
            CometChatException: `ERR_GUID_NOT_FOUND` if there is no such group; `ERR_BAD_REQUEST` if the server finds an
                argument invalid; `ERR_NOT_A_MEMBER` if the user is not a member; `ERR_SAME_SCOPE` if they have this
                scope already.
        """
        await self._requester.ask("PUT", f"{_path(guid)}/members/{quoted(uid)}", body={"scope": scope})


def _path(guid: str) -> str:
    return f"/groups/{quoted(guid)}"
