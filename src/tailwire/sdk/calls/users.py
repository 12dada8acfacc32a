"""Users and blocking."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tailwire.sdk.calls.access import Access, OnError, OnSuccess, decoded, quoted, settle
from tailwire.sdk.exceptions import failure
from tailwire.sdk.listeners.own import RelationsChanged
from tailwire.wire.codec import user_from_wire
from tailwire.wire.encoding import user_to_wire
from tailwire.wire.entities import User


class UserCalls(Access):
    """The part of a client that deals with users."""

    async def get_user(self, uid: str, *, on_success: OnSuccess[User] = None, on_error: OnError = None) -> User:
        """Return a user, with their status.

        Raises:
            CometChatException: `ERR_UID_NOT_FOUND`.
        """
        return await settle(self._fetch(user_from_wire, "GET", f"/users/{quoted(uid)}"), on_success, on_error)

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
            answer = await self._reached().ask("POST", "/users", key=auth_key, body=user_to_wire(user))
            return decoded(user_from_wire, answer)

        return await settle(create(), on_success, on_error)

    async def update_user(
        self, user: User, auth_key: str, *, on_success: OnSuccess[User] = None, on_error: OnError = None
    ) -> User:
        """Change a user with a REST API key (not in apps that you give away). Needs no login.

        Raises:
            CometChatException: as the server refused it (`AUTH_ERR_NO_ACCESS` with an auth key).
        """

        async def update() -> User:
            body = {k: v for k, v in user_to_wire(user).items() if k != "uid"}
            answer = await self._reached().ask("PUT", f"/users/{quoted(user.uid)}", key=auth_key, body=body)
            return decoded(user_from_wire, answer)

        return await settle(update(), on_success, on_error)

    async def update_current_user_details(
        self, user: User, *, on_success: OnSuccess[User] = None, on_error: OnError = None
    ) -> User:
        """Change the logged-in user: name, avatar, link, status message, metadata, tags. Their uid and role stay."""

        async def update() -> User:
            body = {k: v for k, v in user_to_wire(user).items() if k not in ("uid", "role")}
            return await self._fetch(user_from_wire, "PUT", "/me", body=body)

        return await settle(update(), on_success, on_error)

    async def get_online_user_count(self, *, on_success: OnSuccess[int] = None, on_error: OnError = None) -> int:
        """How many users are online."""

        async def count() -> int:
            answer = await self._online({})
            return int(answer.get("onlineUsersCount") or 0)

        return await settle(count(), on_success, on_error)

    async def _online(self, body: Mapping[str, Any]) -> dict[str, Any]:
        me = await self._ask("PUT", "/me", body={})
        signed = str(me.get("jwt") or "") if isinstance(me, dict) else ""
        url = f"{self._chat_url()}/api/v3.0/online-members"
        answer = await self._reached().ask("POST", url, body=body, authorization=signed)
        if not isinstance(answer, dict):
            raise failure("ERR_BAD_ERROR_RESPONSE", "The server's counts cannot be read.")
        return answer

    # Blocking.

    async def block_users(
        self, uids: Sequence[str], *, on_success: OnSuccess[dict[str, str]] = None, on_error: OnError = None
    ) -> dict[str, str]:
        """Block users: neither writes to the other any more.

        Returns:
            By uid `success` or `fail`.

        Raises:
            CometChatException: `EMPTY_USERS_LIST`.
        """
        return await settle(self._block("POST", uids), on_success, on_error)

    async def unblock_users(
        self, uids: Sequence[str], *, on_success: OnSuccess[dict[str, str]] = None, on_error: OnError = None
    ) -> dict[str, str]:
        """Unblock users. Result and errors as `block_users`."""
        return await settle(self._block("DELETE", uids), on_success, on_error)

    async def _block(self, method: str, uids: Sequence[str]) -> dict[str, str]:
        if not uids:
            raise failure("EMPTY_USERS_LIST")
        answer = await self._ask(method, "/blockedusers", body={"blockedUids": list(uids)})
        if not isinstance(answer, dict):
            raise failure("ERR_BAD_ERROR_RESPONSE", "The server's answer names no users.")
        self._done_here(RelationsChanged())
        return {uid: "success" if (answer.get(uid) or {}).get("success") else "fail" for uid in uids}
