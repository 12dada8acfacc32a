"""API keys and auth tokens, by their hashes. `ports.store` tells what all methods can raise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from tailwire.server.ports.filters import Position
from tailwire.server.ports.key_records import KeyRow, TokenOwner, TokenRow


class KeyStore(Protocol):
    """API keys. They are stored as hashes."""

    async def scope(self, key_hash: str, now: int) -> str | None:
        """Return the scope of an API key; None if there is no such key, or its end is not after the time `now`."""

    async def record_use(self, key_hash: str, now: int) -> None:
        """Store that an API key was used at the time `now`, in seconds since 1970."""

    async def end_others(self, kept: Sequence[str], at: int, now: int) -> int:
        """Set the end of all API keys except some, and remove the keys that have ended.

        A key that ends earlier keeps its end.

        Args:
            kept: the hashes of the keys whose end does not change; at least one.
            at: when the others end, in seconds since 1970.
            now: the present time, in seconds since 1970. Keys whose end is not after it are removed.

        Returns:
            The number of keys whose end was set.
        """

    async def get(self, key_hash: str) -> KeyRow | None:
        """Return an API key, or None."""

    async def find(self, scope: str, search: str, *, limit: int, offset: int) -> tuple[list[KeyRow], int]:
        """Return a page of the API keys that match, oldest first, and how many match in all.

        Args:
            scope: only keys of this scope; "" for all.
            search: only keys whose name contains this, ignoring case; "" for all.
            limit, offset: leave out the first `offset` keys, and return at most `limit`.
        """

    async def list_after(self, scope: str, search: str, position: Position, limit: int) -> list[KeyRow]:
        """Return API keys that match, ordered by their time of creation and then by hash.

        Args:
            scope, search: as in `find`.
            position: the time of creation and the hash of the last key that was read; () to begin.
            limit: how many keys to return at most.
        """

    async def keys_with_id(self, key_id: str) -> list[KeyRow]:
        """Return the API keys whose hash begins with `key_id`, usually only one."""

    async def end(self, key_hash: str, at: int) -> None:
        """Set the end of an API key to `at`, in seconds since 1970, unless it ends earlier."""

    async def add(self, key: KeyRow) -> None:
        """Store a new API key."""

    async def change(self, key_hash: str, name: str, scope: str) -> bool:
        """Change the name and scope of an API key. Return False if there is no such key."""

    async def remove(self, key_hash: str) -> None:
        """Remove an API key."""


class TokenStore(Protocol):
    """Auth tokens of users. They are stored as hashes."""

    async def owner(self, token_hash: str) -> TokenOwner | None:
        """Return the owner of an auth token; None if there is no such token.

        A token that has ended by itself may still be found, so the caller has to check `TokenOwner.expires_at`.
        """

    async def get(self, token_hash: str) -> TokenRow | None:
        """Return an auth token, or None."""

    async def of_user(self, uid: str, *, limit: int, offset: int) -> tuple[list[TokenRow], int]:
        """Return a page of a user's auth tokens, newest first, and how many they have in all."""

    async def add(self, token: TokenRow, limit: int) -> list[str]:
        """Store an auth token, and revoke the oldest tokens of its user if they then have more than `limit`.

        If the token ends by itself (`expires_at`) and is stored already, nothing changes.

        Returns:
            The hashes of the tokens that were revoked, so that sockets that use them can be closed.

        Raises:
            Refused: ERR_UID_NOT_FOUND: there is no such user, or they are deactivated; or
                AUTH_ERR_AUTH_TOKEN_NOT_FOUND: the token ends by itself and was revoked before.
        """

    async def has_ended(self, token_hash: str) -> bool:
        """Return whether an auth token that ends by itself was revoked, and is remembered as such (see `add`)."""

    async def change_device(self, token: TokenRow) -> None:
        """Store the `platform`, `user_agent` and `app_info` of the stored token with the same hash, if it exists."""

    async def remove(self, token_hash: str) -> None:
        """Revoke an auth token: delete it, and do not store it again if it ends by itself (see `add`)."""

    async def remove_all(self, uid: str) -> list[str]:
        """Revoke all auth tokens of a user, and return their hashes."""
