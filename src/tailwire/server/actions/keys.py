"""API keys and the auth tokens of users, as a REST key administers them.

Both are stored as hashes. Lists show their last characters. The whole secret is shown only when it is created.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from tailwire.server.actions.services import Services
from tailwire.server.actions.sessions import AUTH_ONLY, FULL_ACCESS
from tailwire.server.auth.secrets import KEY_ID_CHARACTERS, fingerprint
from tailwire.server.auth.token_fingerprints import token_fingerprint
from tailwire.server.ports.filters import Position
from tailwire.server.ports.key_records import KeyRow, TokenRow
from tailwire.server.ports.refusal import Refused
from tailwire.server.rules.names import identifier

MAX_KEYS = 25
MAX_GRACE_SECONDS = 30 * 86_400
MAX_APP_INFO_BYTES = 4096
REVOKED_REASON = "revoked token"


@dataclass(frozen=True, slots=True)
class Device:
    """The device that an auth token is used on. Attributes that are not known are None.

    Attributes:
        app_info: what the app says about itself, as an encoded JSON object.
    """

    platform: str | None = None
    user_agent: str | None = None
    app_info: bytes | None = None


class Keys:
    """Administers API keys and auth tokens."""

    def __init__(self, services: Services) -> None:
        self._store = services.store
        self._directory = services.directory
        self._delivery = services.delivery
        self._world = services.world
        self._lengths = services.lengths

    # API keys.

    async def create(self, name: str, scope: str) -> tuple[KeyRow, str]:
        """Create an API key. Return it with its secret, which cannot be read again.

        Raises:
            Refused: ERR_BAD_REQUEST: the name or the scope is invalid; ERR_LIMIT_EXCEEDED: the app has `MAX_KEYS` keys.
        """
        _, total = await self._store.keys.find("", "", limit=1, offset=0)
        if total >= MAX_KEYS:
            raise Refused("ERR_LIMIT_EXCEEDED", {"apikeys": f"An app has at most {MAX_KEYS} keys."})
        key = self._world.secret(20)
        row = KeyRow(
            fingerprint(key), self._lengths.check_name(name), _check_scope(scope), self._world.seconds(), key[-4:]
        )
        await self._store.keys.add(row)
        return row, key

    async def list_page(self, *, scope: str, search: str, limit: int, offset: int) -> tuple[list[KeyRow], int]:
        """Return a page of the API keys, oldest first, and how many match in total.

        Args:
            scope: only keys of this scope; "" for all.
            search: only keys whose name contains this; "" for all.
            limit, offset: the page.
        """
        return await self._store.keys.find(scope, search, limit=limit, offset=offset)

    async def list_after(self, *, scope: str, search: str, position: Position, limit: int) -> list[KeyRow]:
        """Return API keys as in `list_page`, but after a position instead of an offset.

        Args:
            scope, search: as in `list_page`.
            position: the time of creation and the hash of the last key that was read; () to begin.
            limit: how many to return at most.
        """
        return await self._store.keys.list_after(scope, search, position, limit)

    async def get(self, key: str) -> KeyRow:
        """Return an API key.

        Args:
            key: the key, or its id.

        Raises:
            Refused: ERR_APIKEY_NOT_FOUND: there is no such key, or several have the id.
        """
        row = await self._store.keys.get(fingerprint(key))
        if row is None and len(key) == KEY_ID_CHARACTERS:
            named = await self._store.keys.keys_with_id(key)
            row = named[0] if len(named) == 1 else None
        if row is None:
            raise Refused("ERR_APIKEY_NOT_FOUND")
        return row

    async def update(self, key: str, name: str, scope: str, used: str) -> KeyRow:
        """Change the name and scope of an API key, and return the key.

        Args:
            key: the key, or its id.
            name: the new name; "" keeps the name.
            scope: the new scope, required.
            used: the key with which the request was made.

        Raises:
            Refused: ERR_APIKEY_NOT_FOUND; ERR_APIKEY_NO_SELF_ACTION: `key` is `used`; ERR_BAD_REQUEST: the name or the
                scope is invalid.
        """
        row = await self._other_key(key, used)
        row = replace(row, name=self._lengths.check_name(name or row.name), scope=_check_scope(scope))
        if not await self._store.keys.change(row.key_hash, row.name, row.scope):
            raise Refused("ERR_APIKEY_NOT_FOUND")
        return row

    async def delete(self, key: str, used: str, grace: int = 0) -> KeyRow | None:
        """Delete an API key, now or after a time.

        Args:
            key: the key, or its id.
            used: the key with which the request was made.
            grace: seconds for which the key remains valid, unless it ends earlier anyway; 0 to delete it now.

        Returns:
            The key with the time of its end; None if it has been deleted.

        Raises:
            Refused: ERR_APIKEY_NOT_FOUND; ERR_APIKEY_NO_SELF_ACTION: `key` is `used`; ERR_BAD_REQUEST: `grace` is
                negative, or more than `MAX_GRACE_SECONDS`.
        """
        if not 0 <= grace <= MAX_GRACE_SECONDS:
            raise Refused("ERR_BAD_REQUEST", {"grace": f"Use 0 to {MAX_GRACE_SECONDS} seconds."})
        row = await self._other_key(key, used)
        if not grace:
            await self._store.keys.remove(row.key_hash)
            return None
        await self._store.keys.end(row.key_hash, self._world.seconds() + grace)
        return await self._store.keys.get(row.key_hash)

    async def _other_key(self, key: str, used: str) -> KeyRow:
        row = await self.get(key)
        if row.key_hash == fingerprint(used):
            raise Refused("ERR_APIKEY_NO_SELF_ACTION")
        return row

    # Auth tokens.

    async def tokens(self, uid: str, *, limit: int, offset: int) -> tuple[list[TokenRow], int]:
        """Return a page of a user's auth tokens, newest first, and how many there are.

        Raises:
            Refused: ERR_UID_NOT_FOUND.
        """
        row = await self._directory.user(identifier(uid, "uid"))
        return await self._store.tokens.of_user(row.uid, limit=limit, offset=offset)

    async def token(self, uid: str, token: str) -> TokenRow:
        """Return the record of an auth token: its user, its device, and when it was created and used.

        Args:
            uid: the user to whom it belongs.
            token: the token itself.

        Raises:
            Refused: ERR_UID_NOT_FOUND: the user does not exist, or is deactivated; ERR_AUTH_TOKEN_NOT_FOUND: the user
                has no such token.
        """
        await self._directory.user(identifier(uid, "uid"))
        row = await self._store.tokens.get(token_fingerprint(token))
        if row is None or row.uid != identifier(uid, "uid"):
            raise Refused("ERR_AUTH_TOKEN_NOT_FOUND")
        return row

    async def change_token(self, uid: str, token: str, device: Device) -> TokenRow:
        """Store what is known about the device of an auth token, and return the token's record.

        Attributes of `device` that are None do not change the stored ones.

        Raises:
            Refused: as in `token`; ERR_BAD_REQUEST: an attribute of `device` is invalid or too long.
        """
        row = with_device(await self.token(uid, token), device)
        await self._store.tokens.change_device(row)
        return row

    async def delete_token(self, uid: str, token: str) -> str:
        """Revoke an auth token and close the sockets that it opened. Return the user's uid.

        Raises:
            Refused: as in `token`.
        """
        row = await self.token(uid, token)
        await self._store.tokens.remove(row.token_hash)
        self._delivery.close_revoked(row.uid, row.token_hash, REVOKED_REASON)
        return row.uid

    async def delete_tokens(self, uid: str) -> str:
        """Revoke all auth tokens of a user and close the sockets that they opened. Return the user's uid.

        Raises:
            Refused: ERR_UID_NOT_FOUND.
        """
        row = await self._directory.user(identifier(uid, "uid"))
        for token in await self._store.tokens.remove_all(row.uid):
            self._delivery.close_revoked(row.uid, token, REVOKED_REASON)
        return row.uid


def with_device(row: TokenRow, device: Device) -> TokenRow:
    """Return the record of an auth token with another device.

    An attribute of the device that is None, and an empty platform or user agent, leave the record's one as it is.

    Raises:
        Refused: ERR_BAD_REQUEST: an attribute of `device` is invalid or too long.
    """
    info = device.app_info
    if info is not None and (not info.startswith(b"{") or len(info) > MAX_APP_INFO_BYTES):
        raise Refused("ERR_BAD_REQUEST", {"appInfo": f"Send an object of at most {MAX_APP_INFO_BYTES} bytes."})
    for name, value, longest in (("platform", device.platform, 100), ("userAgent", device.user_agent, 1000)):
        if value is not None and len(value) > longest:
            raise Refused("ERR_BAD_REQUEST", {name: f"Use at most {longest} characters."})
    return replace(
        row,
        platform=device.platform or row.platform,
        user_agent=device.user_agent or row.user_agent,
        app_info=info.decode() if info is not None else row.app_info,
    )


def _check_scope(scope: str) -> str:
    if scope not in (AUTH_ONLY, FULL_ACCESS):
        raise Refused("ERR_BAD_REQUEST", {"scope": f"Use {AUTH_ONLY} or {FULL_ACCESS}."})
    return scope
