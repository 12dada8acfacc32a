"""API keys: what apps in development and backends ask with."""

from __future__ import annotations

from typing import Literal

from tailwire.admin.asking import Asking
from tailwire.admin.listing import Listing
from tailwire.admin.records import ApiKey, key_from_wire
from tailwire.sdk.calls.checks import quoted

KeyScope = Literal["authOnly", "fullAccess"]


class Keys:
    """The API keys of the app (`admin.keys`)."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    async def create(self, name: str, *, scope: KeyScope = "authOnly") -> ApiKey:
        """Create an API key. Keep the answer: the key is never shown whole again.

        Args:
            name: for people.
            scope: `authOnly` makes users and auth tokens; `fullAccess` may do everything.

        Raises:
            CometChatException: `ERR_BAD_REQUEST`.
        """
        return await self._asking.fetch(key_from_wire, "POST", "/apikeys", body={"name": name, "scope": scope})

    async def get(self, key: str) -> ApiKey:
        """Return what is known of an API key.

        Raises:
            CometChatException: `ERR_APIKEY_NOT_FOUND`.
        """
        return await self._asking.fetch(key_from_wire, "GET", f"/apikeys/{quoted(key)}")

    async def update(self, key: str, *, name: str, scope: KeyScope) -> ApiKey:
        """Change the name and the scope of an API key.

        Raises:
            CometChatException: `ERR_APIKEY_NOT_FOUND`, `ERR_BAD_REQUEST`.
        """
        body = {"name": name, "scope": scope}
        return await self._asking.fetch(key_from_wire, "PUT", f"/apikeys/{quoted(key)}", body=body)

    async def delete(self, key: str) -> None:
        """Delete an API key; from then on nobody can ask with it.

        Raises:
            CometChatException: `ERR_APIKEY_NOT_FOUND`; `ERR_BAD_REQUEST` for the key that asks.
        """
        await self._asking.ask("DELETE", f"/apikeys/{quoted(key)}")

    def list(self, *, scope: KeyScope | None = None, search: str = "") -> Listing[ApiKey]:
        """Return the API keys, each by its last characters."""
        return self._asking.listing("/apikeys", key_from_wire, "API key", scope=scope, searchKey=search)
