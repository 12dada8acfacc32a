"""Users, their auth tokens, blocks and friends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from tailwire.admin.listing import Listing
from tailwire.admin.records import AuthToken, token_from_wire
from tailwire.admin.requester import Requester, changed_fields, filter_values, name_list
from tailwire.sdk.calls.checks import quoted
from tailwire.wire.codec import user_from_wire
from tailwire.wire.entities import User


class Users:
    """The users of the app (`admin.users`)."""

    def __init__(self, requester: Requester) -> None:
        self._requester = requester

    async def create(
        self,
        uid: str,
        *,
        name: str,
        avatar: str | None = None,
        link: str | None = None,
        role: str | None = None,
        status_message: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        tags: Sequence[str] | None = None,
    ) -> User:
        """Create a user.

        Args:
            uid: 1 to 100 characters of `a-z`, `0-9`, `_` and `-`; stored in lower case.
            name: at most 100 characters.
            avatar: a URL, at most 3,000 characters.
            link: a URL of the user's profile, at most 3,000 characters.
            role: id of a role; `default` if not given.
            status_message: at most 500 characters.
            metadata: custom data of the app, at most 5 KiB of JSON.
            tags: at most 25 of 100 characters each.

        Raises:
            CometChatException: `ERR_UID_ALREADY_EXISTS` if the uid is taken; `ERR_BAD_REQUEST` if the server finds an
                argument invalid; `ERR_ROLE_NOT_FOUND` if there is no such role; `ERR_INVALID_ARGUMENT` if `tags` is not
                a list of strings.
        """
        fields = _fields(name, avatar, link, role, status_message, metadata, tags)
        return await self._requester.fetch(user_from_wire, "POST", "/users", body={"uid": uid, **fields})

    async def get(self, uid: str) -> User:
        """Return a user.

        Args:
            uid: the uid of the user.

        Raises:
            CometChatException: `ERR_UID_NOT_FOUND`.
        """
        return await self._requester.fetch(user_from_wire, "GET", f"/users/{quoted(uid)}")

    async def update(
        self,
        uid: str,
        *,
        name: str | None = None,
        avatar: str | None = None,
        link: str | None = None,
        role: str | None = None,
        status_message: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        tags: Sequence[str] | None = None,
        unset: Sequence[str] | None = None,
    ) -> User:
        """Change the given fields of a user, and return the user.

        Args:
            uid: the user.
            name: the new name. All fields have the limits that `create` names.
            avatar: a URL.
            link: a URL.
            role: id of a role.
            status_message: replaces the old one.
            metadata: replaces the old metadata.
            tags: replace the old tags.
            unset: names of fields to remove, as in the REST API: `avatar`, `link`, `metadata`, …

        Raises:
            CometChatException: `ERR_UID_NOT_FOUND` if there is no such user; `ERR_BAD_REQUEST` if the server finds an
                argument invalid; `ERR_ROLE_NOT_FOUND` if there is no such role; `ERR_INVALID_ARGUMENT` if `tags` or
                `unset` is not a list of strings.
        """
        body = _fields(name, avatar, link, role, status_message, metadata, tags)
        body |= changed_fields(unset=name_list(unset, "unset") if unset is not None else None)
        return await self._requester.fetch(user_from_wire, "PUT", f"/users/{quoted(uid)}", body=body)

    async def delete(self, uid: str, *, messages: Literal["keep", "remove", "anonymous"] = "keep") -> None:
        """Delete a user. Their auth tokens become invalid, and their WebSockets are closed.

        Args:
            uid: the user.
            messages: what happens to their messages: `keep` leaves them as they are, `remove` deletes them and their
                files, `anonymous` keeps them without the user's name and avatar. The uid stays on messages that are
                kept.

        Raises:
            CometChatException: `ERR_UID_NOT_FOUND`.
            ValueError: `messages` has another value.
        """
        if messages not in ("keep", "remove", "anonymous"):
            raise ValueError(f'messages={messages!r}: give "keep", "remove" or "anonymous"')
        body = {"permanent": messages == "remove", "anonymous": messages == "anonymous"}
        await self._requester.ask("DELETE", f"/users/{quoted(uid)}", body=body)

    async def deactivate(self, uids: Sequence[str]) -> None:
        """Deactivate users: they cannot log in and are not listed until they are reactivated. Their data is kept.

        Args:
            uids: the users. Unknown uids are ignored.

        Raises:
            CometChatException: `ERR_BAD_REQUEST` if the server finds an argument invalid; `ERR_INVALID_ARGUMENT` if
                `uids` is not a list of strings.
        """
        await self._requester.ask("DELETE", "/users", body={"uidsToDeactivate": name_list(uids, "uids")})

    async def reactivate(self, uids: Sequence[str]) -> None:
        """Reactivate deactivated users.

        Args:
            uids: the users. Unknown uids are ignored.

        Raises:
            CometChatException: `ERR_BAD_REQUEST` if the server finds an argument invalid; `ERR_INVALID_ARGUMENT` if
                `uids` is not a list of strings.
        """
        await self._requester.ask("PUT", "/users", body={"uidsToActivate": name_list(uids, "uids")})

    def list(
        self,
        *,
        search: str = "",
        roles: Sequence[str] | None = None,
        tags: Sequence[str] | None = None,
        uids: Sequence[str] | None = None,
        status: Literal["", "online", "offline"] = "",
        deactivated: Literal["without", "with", "only"] = "without",
    ) -> Listing[User]:
        """Return the users that match all given filters, ordered by name.

        Args:
            search: only users whose uid or name begins with this text.
            roles: only users with one of these roles. Give only one of `roles`, `tags` and `uids`. An empty list
                matches nothing.
            tags: only users with one of these tags.
            uids: only users with one of these uids, at most 25.
            status: only users who are `online` or `offline`; "" for both.
            deactivated: whether to return users `without` deactivated ones, `with` them, or `only` deactivated ones.

        Raises:
            CometChatException: `ERR_INVALID_ARGUMENT` if a filter is not a list of strings, or one of them has a comma.
            ValueError: `status` or `deactivated` has another value.
        """
        if status not in ("", "online", "offline"):
            raise ValueError(f'status={status!r}: give "online", "offline" or nothing')
        if deactivated not in ("without", "with", "only"):
            raise ValueError(f'deactivated={deactivated!r}: give "without", "with" or "only"')
        return self._requester.listing(
            "/users",
            user_from_wire,
            "user",
            searchKey=search,
            roles=filter_values(roles, "roles"),
            tags=filter_values(tags, "tags"),
            uids=filter_values(uids, "uids"),
            status="available" if status == "online" else status,
            withDeactivated=deactivated == "with",
            onlyDeactivated=deactivated == "only",
        )

    async def befriend(self, uid: str, friends: Sequence[str]) -> None:
        """Make users friends of a user.

        Users who cannot be added are skipped without an error: those who do not exist, are friends already or have too
        many friends, and the user `uid`.

        Args:
            uid: the user.
            friends: uids, at most 25.

        Raises:
            CometChatException: `ERR_UID_NOT_FOUND` if there is no such user; `ERR_BAD_REQUEST` if the server finds an
                argument invalid; `ERR_INVALID_ARGUMENT` if `friends` is not a list of strings.
        """
        body = {"accepted": name_list(friends, "friends")}
        await self._requester.ask("POST", f"/users/{quoted(uid)}/friends", body=body)

    async def unfriend(self, uid: str, friends: Sequence[str]) -> None:
        """Remove users from the friends of a user.

        Args:
            uid: the user.
            friends: uids, at most 25.

        Raises:
            CometChatException: `ERR_UID_NOT_FOUND` if there is no such user; `ERR_BAD_REQUEST` if the server finds an
                argument invalid; `ERR_NOT_A_FRIEND` if none of them was a friend; `ERR_INVALID_ARGUMENT` if `friends`
                is not a list of strings.
        """
        body = {"friends": name_list(friends, "friends")}
        await self._requester.ask("DELETE", f"/users/{quoted(uid)}/friends", body=body)

    def friends(self, uid: str) -> Listing[User]:
        """Return the friends of a user, ordered by uid.

        Args:
            uid: the uid of the user.
        """
        return self._requester.listing(f"/users/{quoted(uid)}/friends", user_from_wire, "user")

    async def block(self, uid: str, blocked: Sequence[str]) -> None:
        """Block users on behalf of a user. Users who do not exist, and the user `uid`, are skipped without an error.

        Args:
            uid: the user who blocks.
            blocked: uids, at most 25.

        Raises:
            CometChatException: `ERR_UID_NOT_FOUND` if there is no such user; `ERR_BAD_REQUEST` if the server finds an
                argument invalid; `ERR_INVALID_ARGUMENT` if `blocked` is not a list of strings.
        """
        await self._requester.ask(
            "POST", f"/users/{quoted(uid)}/blockedusers", body={"blockedUids": name_list(blocked, "blocked")}
        )

    async def unblock(self, uid: str, blocked: Sequence[str]) -> None:
        """Unblock users on behalf of a user.

        Args:
            uid: the user who blocked.
            blocked: uids, at most 25.

        Raises:
            CometChatException: `ERR_UID_NOT_FOUND` if there is no such user; `ERR_BAD_REQUEST` if the server finds an
                argument invalid; `ERR_INVALID_ARGUMENT` if `blocked` is not a list of strings.
        """
        await self._requester.ask(
            "DELETE", f"/users/{quoted(uid)}/blockedusers", body={"blockedUids": name_list(blocked, "blocked")}
        )

    def blocked(self, uid: str) -> Listing[User]:
        """Return the users whom a user has blocked, ordered by uid.

        Args:
            uid: the uid of the user.
        """
        path = f"/users/{quoted(uid)}/blockedusers"
        return self._requester.listing(path, user_from_wire, "user", direction="blockedByMe")


class Tokens:
    """The auth tokens of users (`admin.tokens`), with which clients log in."""

    def __init__(self, requester: Requester) -> None:
        self._requester = requester

    async def create(
        self, uid: str, *, platform: str | None = None, app_info: Mapping[str, Any] | None = None
    ) -> AuthToken:
        """Create an auth token for a user. Give it to that user's client only.

        Args:
            uid: the user.
            platform: the platform of the device, for lists of tokens; at most 100 characters.
            app_info: further information about the device; at most 4,096 bytes of JSON.

        Raises:
            CometChatException: `ERR_UID_NOT_FOUND` if there is no such user; `ERR_TOO_MANY_REQUESTS` if too many tokens
                of the user were created within a minute; `ERR_BAD_REQUEST` if the server finds an argument invalid.
        """
        body = changed_fields(platform=platform, appInfo=app_info)
        return await self._requester.fetch(token_from_wire, "POST", _tokens(uid), body=body)

    def list(self, uid: str) -> Listing[AuthToken]:
        """Return the auth tokens of a user, newest first. Of each token, only the last characters are contained.

        Args:
            uid: the uid of the user.
        """
        return self._requester.listing(_tokens(uid), token_from_wire, "auth token")

    async def revoke(self, uid: str, token: str) -> None:
        """Revoke an auth token. Later requests with it are refused, and WebSockets that use it are closed.

        Args:
            uid: the user.
            token: the full token.

        Raises:
            CometChatException: `ERR_UID_NOT_FOUND` if there is no such user; `ERR_AUTH_TOKEN_NOT_FOUND` if the user has
                no such token.
        """
        await self._requester.ask("DELETE", f"{_tokens(uid)}/{quoted(token)}")

    async def revoke_all(self, uid: str) -> None:
        """Revoke all auth tokens of a user.

        Args:
            uid: the uid of the user.

        Raises:
            CometChatException: `ERR_UID_NOT_FOUND`.
        """
        await self._requester.ask("DELETE", _tokens(uid))


def _tokens(uid: str) -> str:
    return f"/users/{quoted(uid)}/auth_tokens"


def _fields(
    name: str | None,
    avatar: str | None,
    link: str | None,
    role: str | None,
    status_message: str | None,
    metadata: Mapping[str, Any] | None,
    tags: Sequence[str] | None,
) -> dict[str, Any]:
    return changed_fields(
        name=name,
        avatar=avatar,
        link=link,
        role=role,
        statusMessage=status_message,
        metadata=dict(metadata) if metadata is not None else None,
        tags=name_list(tags, "tags") if tags is not None else None,
    )
