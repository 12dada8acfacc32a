"""API keys, for backends and for apps in development."""

from __future__ import annotations

from typing import Literal

from tailwire.admin.listing import Listing
from tailwire.admin.records import ApiKey, key_from_wire
from tailwire.admin.requester import Requester
from tailwire.sdk.calls.checks import quoted

KeyScope = Literal["authOnly", "fullAccess"]


class Keys:
    """The API keys of the app (`admin.keys`); at most 25."""

    def __init__(self, requester: Requester) -> None:
        self._requester = requester

    async def create(self, name: str, *, scope: KeyScope = "authOnly") -> ApiKey:
        """Create an API key. Keep the result, because the full key cannot be read later.

        Args:
            name: a name that tells people what the key is for, at most 100 characters.
            scope: `authOnly` may create users and auth tokens; `fullAccess` may do everything.

        Raises:
            CometChatException: `ERR_BAD_REQUEST` if the server finds an argument invalid; `ERR_LIMIT_EXCEEDED` if there
                are 25 keys.
        """
        return await self._requester.fetch(key_from_wire, "POST", "/apikeys", body={"name": name, "scope": scope})

    async def get(self, key: str) -> ApiKey:
        """Return an API key.

        Args:
            key: the full key, or its id, which `tailwire keys --list` prints.

        Raises:
            CometChatException: `ERR_APIKEY_NOT_FOUND`.
        """
        return await self._requester.fetch(key_from_wire, "GET", f"/apikeys/{quoted(key)}")

    async def update(self, key: str, *, name: str, scope: KeyScope) -> ApiKey:
        """Change the name and the scope of an API key, and return the key.

        Args:
            key: the full key, or its id, which `tailwire keys --list` prints.
            name: the new name, as for `create`; "" keeps the old one.
            scope: the new scope, as for `create`.

        Raises:
            CometChatException: `ERR_APIKEY_NOT_FOUND` if the key does not exist; `ERR_APIKEY_NO_SELF_ACTION` for the
                key of this client; `ERR_BAD_REQUEST` if the server finds an argument invalid.
        """
        body = {"name": name, "scope": scope}
        return await self._requester.fetch(key_from_wire, "PUT", f"/apikeys/{quoted(key)}", body=body)

    async def delete(self, key: str) -> None:
        """Delete an API key; it is refused from then on.

        Args:
            key: the full key, or its id, which `tailwire keys --list` prints.

        Raises:
            CometChatException: `ERR_APIKEY_NOT_FOUND` if the key does not exist; `ERR_APIKEY_NO_SELF_ACTION` for the
                key of this client.
        """
        await self._requester.ask("DELETE", f"/apikeys/{quoted(key)}")

    def list(self, *, scope: KeyScope | None = None, search: str = "") -> Listing[ApiKey]:
        """Return the API keys, oldest first. Of each key, only the last characters are contained.

        Args:
            scope: only keys of this scope.
            search: only keys whose name contains this text.
        """
        return self._requester.listing("/apikeys", key_from_wire, "API key", scope=scope, searchKey=search)
