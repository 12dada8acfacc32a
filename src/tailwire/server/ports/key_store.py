"""API keys and auth tokens, by their hashes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from tailwire.server.ports.filters import Position
from tailwire.server.ports.key_records import KeyRow, TokenOwner, TokenRow


class KeyStore(Protocol):
    """API keys. They are stored as hashes."""

    async def scope(self, key_hash: str, now: int) -> str | None:
        """Return the scope of an API key, or None if there is no such key, or it has ended at the time `now`."""

    async def record_use(self, key_hash: str, now: int) -> None:
        """Store that an API key was used."""

    async def end_others(self, kept: Sequence[str], at: int, now: int) -> int:
        """End all API keys except some at a given time, unless they end earlier, and remove those that have ended.

        Args:
            kept: the hashes of the keys that stay as they are.
            at: when the others end, in seconds since 1970.
            now: the present time, in seconds since 1970: keys that have ended by then are removed.

        Returns:
            The number of keys whose end was set.
        """

    async def get(self, key_hash: str) -> KeyRow | None:
        """Return an API key, or None."""

    async def find(self, scope: str, search: str, *, limit: int, offset: int) -> tuple[list[KeyRow], int]:
        """Return a page of the API keys, oldest first, and how many match.

        Args:
            scope: only keys of this scope; "" for all.
            search: only keys whose name contains this; "" for all.
            limit, offset: the page.
        """

    async def list_after(self, scope: str, search: str, position: Position, limit: int) -> list[KeyRow]:
        """Return API keys after a position, oldest first, by their time of creation and hash.

        Args:
            scope, search: as in `find`.
            position: the time of creation and the hash of the last key that was read; empty to begin.
            limit: how many keys to return at most.
        """

    async def keys_with_id(self, key_id: str) -> list[KeyRow]:
        """Return the API keys with an id, that is, whose hash begins with it."""

    async def end(self, key_hash: str, at: int) -> None:
        """End an API key at a given time, unless it ends earlier."""

    async def add(self, key: KeyRow) -> None:
        """Store a new API key."""

    async def change(self, key_hash: str, name: str, scope: str) -> bool:
        """Change the name and scope of an API key. Return False if there is no such key."""

    async def remove(self, key_hash: str) -> None:
        """Remove an API key."""


class TokenStore(Protocol):
    """Auth tokens of users. They are stored as hashes."""

    async def owner(self, token_hash: str) -> TokenOwner | None:
        """Return the owner of an auth token, or None. One that has ended by itself may still be found."""

    async def get(self, token_hash: str) -> TokenRow | None:
        """Return an auth token, or None."""

    async def of_user(self, uid: str, *, limit: int, offset: int) -> tuple[list[TokenRow], int]:
        """Return a page of a user's auth tokens, newest first, and how many they have."""

    async def add(self, token: TokenRow, limit: int) -> list[str]:
        """Store an auth token of a user who may log in, and revoke their oldest tokens beyond `limit`.

        A token that ends by itself (`expires_at`) may be stored already. If so, nothing changes.

        Returns:
            The hashes of the revoked tokens.

        Raises:
            Refused: ERR_UID_NOT_FOUND, if there is no such user, or they are deactivated;
                AUTH_ERR_AUTH_TOKEN_NOT_FOUND, if the token ends by itself and was revoked before.
        """

    async def change_device(self, token: TokenRow) -> None:
        """Store the details of the device that uses an auth token: its platform, user agent and app."""

    async def remove(self, token_hash: str) -> None:
        """Revoke an auth token."""

    async def remove_all(self, uid: str) -> list[str]:
        """Revoke all auth tokens of a user, and return their hashes."""
