"""Users (facts-sdk.md, section 8)."""

from __future__ import annotations

from urllib.parse import quote

from tailwire.sdk.calls.access import Access, OnError, OnSuccess, decoded, settle
from tailwire.wire.codec import user_from_wire
from tailwire.wire.entities import User


class UserCalls(Access):
    """The part of a client that deals with users."""

    async def get_user(self, uid: str, *, on_success: OnSuccess[User] = None, on_error: OnError = None) -> User:
        """A user, with her status.

        Raises:
            CometChatException: `ERR_UID_NOT_FOUND`.
        """

        async def get() -> User:
            return decoded(user_from_wire, await self._ask("GET", f"/users/{quote(uid, safe='')}"))

        return await settle(get(), on_success, on_error)

    async def create_user(
        self, user: User, auth_key: str, *, on_success: OnSuccess[User] = None, on_error: OnError = None
    ) -> User:
        """Make a user (development; in production your backend does so). Needs no login.

        Args:
            user: with `uid` and `name`.

        Raises:
            CometChatException: as the server refused it (`ERR_UID_ALREADY_EXISTS` …).
        """

        async def create() -> User:
            pairs = {
                "uid": user.uid,
                "name": user.name,
                "avatar": user.avatar,
                "link": user.link,
                "metadata": user.metadata or None,
                "tags": user.tags or None,
            }
            body = {k: v for k, v in pairs.items() if v is not None}
            return decoded(user_from_wire, await self._reached().ask("POST", "/users", key=auth_key, body=body))

        return await settle(create(), on_success, on_error)
