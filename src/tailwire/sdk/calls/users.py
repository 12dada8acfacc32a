"""Read, create, change and block users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tailwire.sdk.calls.checks import check_secret, decoded, quoted
from tailwire.sdk.calls.parts import Parts
from tailwire.sdk.exceptions import failure
from tailwire.sdk.listeners.own import RelationsChanged
from tailwire.sdk.retry import is_safe, numbered, repeat
from tailwire.wire.codec import user_from_wire
from tailwire.wire.encoding import user_to_wire
from tailwire.wire.entities import User


async def fetch_online_counts(parts: Parts, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answer of the chat host, the host of the WebSockets, to the question how many users are online.

    Args:
        parts: the parts of the client.
        body: empty for the number of users, `{"groups": [guid, …]}` for the numbers of members.

    Returns:
        `{"onlineUsersCount": number}`, or `{"groups": {guid: number, …}}`.

    Raises:
        CometChatException: `NO_WEBSOCKET_CONNECTION` before the first connection, because the chat host is not known
            yet; `ERR_BAD_ERROR_RESPONSE` when the answer is not an object; or another code of the server.
    """
    me = await parts.requests.ask("PUT", "/me", body={})
    signed_pass = str(me.get("jwt") or "") if isinstance(me, dict) else ""
    address = parts.connector.chat_address
    if not address:
        raise failure("NO_WEBSOCKET_CONNECTION")
    scheme = parts.http.base_url.partition("://")[0]
    url = f"{scheme}://{address}/api/v3.0/online-members"
    async with parts.http.progress_timeout() as limit:
        answer = await repeat(
            lambda: parts.http.ask("POST", url, body=body, authorization=signed_pass, time_limit=limit, repeated=True),
            parts.world.chance,
            safe=True,
        )
    if not isinstance(answer, dict):
        raise failure("ERR_BAD_ERROR_RESPONSE", "The server's counts cannot be read.")
    return answer


class UserCalls:
    """The calls that read, create, change and block users."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def get_user(self, uid: str) -> User:
        """Return a user, with their status.

        Args:
            uid: the uid of the user.

        Raises:
            CometChatException: `ERR_UID_NOT_FOUND` when there is no such user; or another code of the server.
        """
        return await self._parts.requests.fetch(user_from_wire, "GET", f"/users/{quoted(uid)}")

    async def create_user(self, user: User, auth_key: str) -> User:
        """Create a user. For development: in production your backend does so. Needs no login.

        Args:
            user: with `uid` and `name`.
            auth_key: the app's auth key.

        Returns:
            The user as the server stored them.

        Raises:
            CometChatException: `AUTH_ERR_APIKEY_NOT_FOUND` when the key is wrong; `ERR_UID_ALREADY_EXISTS` when another
                user has the uid; or another code of the server.
        """
        return await self._change_with_key("POST", "/users", auth_key, user_to_wire(user))

    async def update_user(self, user: User, auth_key: str) -> User:
        """Change a user with a REST API key, which must not be part of an app that you ship. Needs no login.

        Args:
            user: with `uid` and the new values. Fields that are None, and empty `name`, `metadata` or `tags`, stay as
                they are, and so does the role if it is `default`.
            auth_key: a REST API key, in spite of the name: an auth key may not change users.

        Returns:
            The changed user.

        Raises:
            CometChatException: `AUTH_ERR_APIKEY_NOT_FOUND` when the key is wrong, `AUTH_ERR_NO_ACCESS` when it is an
                auth key; `ERR_UID_NOT_FOUND` when there is no such user; or another code of the server.
        """
        body = {k: v for k, v in user_to_wire(user).items() if k != "uid"}
        return await self._change_with_key("PUT", f"/users/{quoted(user.uid)}", auth_key, body)

    async def _change_with_key(self, method: str, path: str, key: str, body: Mapping[str, Any]) -> User:
        check_secret("auth_key", key)
        http, chance, safe = self._parts.http, self._parts.world.chance, is_safe(method, path)
        async with http.progress_timeout() as limit:

            async def attempt(number: str) -> Any:
                return await http.ask(method, path, key=key, body=body, time_limit=limit, repeated=safe, number=number)

            answer = await repeat(numbered(attempt, self._parts.world.unique()), chance, safe=safe)
        return decoded(user_from_wire, answer)

    async def update_current_user_details(self, user: User) -> User:
        """Change the logged-in user: name, avatar, link, status message, metadata and tags.

        Args:
            user: the new values. Fields that are None, and empty `name`, `metadata` or `tags`, stay as they are. The
                uid and the role are ignored.

        Returns:
            The changed user.

        Raises:
            CometChatException: `USER_NOT_LOGGED_IN`, or another code of the server.
        """
        body = {k: v for k, v in user_to_wire(user).items() if k not in ("uid", "role")}
        return await self._parts.requests.fetch(user_from_wire, "PUT", "/me", body=body)

    async def get_online_user_count(self) -> int:
        """Return the number of users who are online.

        Raises:
            CometChatException: `NO_WEBSOCKET_CONNECTION` before the first connection, or another code of the server.
        """
        answer = await fetch_online_counts(self._parts, {})
        return decoded(lambda counts: int(counts.get("onlineUsersCount") or 0), answer)

    async def block_users(self, uids: Sequence[str]) -> dict[str, str]:
        """Block users: the logged-in user and each of them can no longer send messages to each other.

        Args:
            uids: the uids of the users.

        Returns:
            A dict from each uid to `success`, or to `fail`, for example when there is no such user.

        Raises:
            CometChatException: `EMPTY_USERS_LIST` without a uid; `ERR_BAD_ERROR_RESPONSE` when the response cannot be
                read; or another code of the server.
        """
        return await self._change_blocks("POST", uids)

    async def unblock_users(self, uids: Sequence[str]) -> dict[str, str]:
        """Unblock users.

        Args:
            uids: the uids of the users.

        Returns:
            A dict from each uid to `success`, or to `fail`, for example when there is no such user.

        Raises:
            CometChatException: `EMPTY_USERS_LIST` without a uid; `ERR_BAD_ERROR_RESPONSE` when the response cannot be
                read; or another code of the server.
        """
        return await self._change_blocks("DELETE", uids)

    async def _change_blocks(self, method: str, uids: Sequence[str]) -> dict[str, str]:
        if not uids:
            raise failure("EMPTY_USERS_LIST")
        me = self._parts.sessions.uid
        answer = await self._parts.requests.ask(method, "/blockedusers", body={"blockedUids": list(uids)})
        if not isinstance(answer, dict):
            raise failure("ERR_BAD_ERROR_RESPONSE", "The server's answer names no users.")
        self._parts.own.notify(RelationsChanged(), me)
        return decoded(lambda by: {u: "success" if (by.get(u) or {}).get("success") else "fail" for u in uids}, answer)
