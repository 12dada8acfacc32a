"""Users, their auth tokens, blocks and friends, as a backend manages them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from tailwire.admin.asking import Asking, changes, filtered, listed
from tailwire.admin.listing import Listing
from tailwire.admin.records import AuthToken, token_from_wire
from tailwire.sdk.calls.checks import quoted
from tailwire.wire.codec import user_from_wire
from tailwire.wire.entities import User


class Users:
    """The users of the app (`admin.users`)."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

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

        Raises:
            CometChatException: `ERR_UID_ALREADY_EXISTS`, `ERR_BAD_REQUEST`.
        """
        fields = _fields(name, avatar, link, role, status_message, metadata, tags)
        return await self._asking.fetch(user_from_wire, "POST", "/users", body={"uid": uid, **fields})

    async def get(self, uid: str) -> User:
        """Return a user.

        Raises:
            CometChatException: `ERR_UID_NOT_FOUND`.
        """
        return await self._asking.fetch(user_from_wire, "GET", f"/users/{quoted(uid)}")

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
        """Change what is given of a user, and return the user.

        Args:
            unset: what is taken away, by its name on the wire: `avatar`, `link`, `metadata`, …

        Raises:
            CometChatException: `ERR_UID_NOT_FOUND`, `ERR_BAD_REQUEST`.
        """
        body = _fields(name, avatar, link, role, status_message, metadata, tags)
        body |= changes(unset=listed(unset, "unset") if unset is not None else None)
        return await self._asking.fetch(user_from_wire, "PUT", f"/users/{quoted(uid)}", body=body)

    async def delete(self, uid: str, *, messages: Literal["keep", "remove", "anonymous"] = "keep") -> None:
        """Delete a user; their auth tokens and sockets end.

        Args:
            messages: what becomes of what they wrote: it stays as it is (`keep`), it goes with them and their files
                (`remove`), or it stays without their name and avatar (`anonymous`). The uid stays with what stays.

        Raises:
            CometChatException: `ERR_UID_NOT_FOUND`.
            ValueError: `messages` is none of the three.
        """
        if messages not in ("keep", "remove", "anonymous"):
            raise ValueError(f'messages={messages!r}: give "keep", "remove" or "anonymous"')
        body = {"permanent": messages == "remove", "anonymous": messages == "anonymous"}
        await self._asking.ask("DELETE", f"/users/{quoted(uid)}", body=body)

    async def deactivate(self, uids: Sequence[str]) -> None:
        """Keep users out until they are reactivated; nothing of theirs is lost."""
        await self._asking.ask("DELETE", "/users", body={"uidsToDeactivate": listed(uids, "uids")})

    async def reactivate(self, uids: Sequence[str]) -> None:
        """Let deactivated users in again."""
        await self._asking.ask("PUT", "/users", body={"uidsToActivate": listed(uids, "uids")})

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
        """Return the users that fit, by name.

        Args:
            search: what stands in the uid or the name.
            roles, tags, uids: one of these; at most 25 uids. An empty list fits nobody.
            status: who is online, or who is not.
            deactivated: whether deactivated users are among them.

        Raises:
            ValueError: `status` or `deactivated` is none of its words.
        """
        if status not in ("", "online", "offline"):
            raise ValueError(f'status={status!r}: give "online", "offline" or nothing')
        if deactivated not in ("without", "with", "only"):
            raise ValueError(f'deactivated={deactivated!r}: give "without", "with" or "only"')
        return self._asking.listing(
            "/users",
            user_from_wire,
            "user",
            searchKey=search,
            roles=filtered(roles, "roles"),
            tags=filtered(tags, "tags"),
            uids=filtered(uids, "uids"),
            status="available" if status == "online" else status,
            withDeactivated=deactivated == "with",
            onlyDeactivated=deactivated == "only",
        )

    async def befriend(self, uid: str, friends: Sequence[str]) -> None:
        """Make users friends of a user."""
        await self._asking.ask("POST", f"/users/{quoted(uid)}/friends", body={"accepted": listed(friends, "friends")})

    async def unfriend(self, uid: str, friends: Sequence[str]) -> None:
        """End friendships of a user."""
        await self._asking.ask("DELETE", f"/users/{quoted(uid)}/friends", body={"friends": listed(friends, "friends")})

    def friends(self, uid: str) -> Listing[User]:
        """Return the friends of a user."""
        return self._asking.listing(f"/users/{quoted(uid)}/friends", user_from_wire, "user")

    async def block(self, uid: str, blocked: Sequence[str]) -> None:
        """Block users for a user."""
        await self._asking.ask(
            "POST", f"/users/{quoted(uid)}/blockedusers", body={"blockedUids": listed(blocked, "blocked")}
        )

    async def unblock(self, uid: str, blocked: Sequence[str]) -> None:
        """Unblock users for a user."""
        await self._asking.ask(
            "DELETE", f"/users/{quoted(uid)}/blockedusers", body={"blockedUids": listed(blocked, "blocked")}
        )

    def blocked(self, uid: str) -> Listing[User]:
        """Return whom a user has blocked."""
        path = f"/users/{quoted(uid)}/blockedusers"
        return self._asking.listing(path, user_from_wire, "user", direction="blockedByMe")


class Tokens:
    """The auth tokens of users (`admin.tokens`): what a client logs in with."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    async def create(
        self, uid: str, *, platform: str | None = None, app_info: Mapping[str, Any] | None = None
    ) -> AuthToken:
        """Create an auth token for a user; hand it to their client, and to nobody else.

        Args:
            platform, app_info: for which device it is, to be seen in lists.

        Raises:
            CometChatException: `ERR_UID_NOT_FOUND`.
        """
        body = changes(platform=platform, appInfo=app_info)
        return await self._asking.fetch(token_from_wire, "POST", _tokens(uid), body=body)

    def list(self, uid: str) -> Listing[AuthToken]:
        """Return the auth tokens of a user, each by its last characters."""
        return self._asking.listing(_tokens(uid), token_from_wire, "auth token")

    async def revoke(self, uid: str, token: str) -> None:
        """Take an auth token back: requests with it fail, its sockets end.

        Raises:
            CometChatException: `ERR_AUTH_TOKEN_NOT_FOUND`.
        """
        await self._asking.ask("DELETE", f"{_tokens(uid)}/{quoted(token)}")

    async def revoke_all(self, uid: str) -> None:
        """Take all auth tokens of a user back."""
        await self._asking.ask("DELETE", _tokens(uid))


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
    return changes(
        name=name,
        avatar=avatar,
        link=link,
        role=role,
        statusMessage=status_message,
        metadata=dict(metadata) if metadata is not None else None,
        tags=listed(tags, "tags") if tags is not None else None,
    )
