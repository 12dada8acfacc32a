"""API keys and the auth tokens of users, as a REST key administers them.

Both are stored as hashes: a list names them by their last characters; whole, a secret is shown once, when it is made.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec

from tailwire.server.actions.delivery import Delivery
from tailwire.server.actions.directory import Directory
from tailwire.server.actions.present import absent, page, stored, without_none
from tailwire.server.actions.sessions import AUTH_ONLY, FULL_ACCESS
from tailwire.server.auth.secrets import fingerprint
from tailwire.server.ports.records import KeyRow, TokenRow
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.store import Store
from tailwire.server.ports.world import World
from tailwire.server.rules.lengths import Lengths
from tailwire.server.rules.names import identifier

MAX_KEYS = 25


class NewKey(msgspec.Struct):
    """An API key as somebody with a REST key sends it."""

    name: str = ""
    scope: str = AUTH_ONLY


class TokenChange(msgspec.Struct, rename="camel"):
    """What is to be known of the device of an auth token."""

    platform: str | None = None
    user_agent: str | None = None
    app_info: msgspec.Raw = msgspec.field(default_factory=absent)


class Keys:
    """What can be done with keys and tokens."""

    def __init__(self, store: Store, directory: Directory, delivery: Delivery, world: World, lengths: Lengths) -> None:
        self._store = store
        self._directory = directory
        self._delivery = delivery
        self._world = world
        self._lengths = lengths

    # API keys.

    async def create(self, new: NewKey) -> dict[str, Any]:
        """Make an API key: the only time that it is shown.

        Raises:
            Refused: ERR_BAD_REQUEST, ERR_LIMIT_EXCEEDED.
        """
        _, total = await self._store.keys.find("", "", limit=1, offset=0)
        if total >= MAX_KEYS:
            raise Refused("ERR_LIMIT_EXCEEDED", {"apikeys": f"An app has at most {MAX_KEYS} keys."})
        key = self._world.secret(20)
        row = KeyRow(
            fingerprint(key), self._lengths.check_name(new.name), _scope(new.scope), self._world.seconds(), key[-4:]
        )
        await self._store.keys.add(row)
        return {**_present_key(row), "apiKey": key}

    async def listed(self, *, scope: str, search: str, limit: int, number: int) -> dict[str, Any]:
        """A page of the API keys."""
        rows, total = await self._store.keys.find(scope, search, limit=limit, offset=(number - 1) * limit)
        return page([_present_key(row) for row in rows], total=total, limit=limit, number=number)

    async def get(self, key: str) -> dict[str, Any]:
        """An API key.

        Raises:
            Refused: ERR_APIKEY_NOT_FOUND.
        """
        return {**_present_key(await self._find(key)), "apiKey": key}

    async def _find(self, key: str) -> KeyRow:
        row = await self._store.keys.get(fingerprint(key))
        if row is None:
            raise Refused("ERR_APIKEY_NOT_FOUND")
        return row

    async def update(self, key: str, change: NewKey, used: str) -> dict[str, Any]:
        """Change the name or scope of an API key.

        Args:
            used: the key that asks: it cannot change itself.

        Raises:
            Refused: ERR_APIKEY_NOT_FOUND, ERR_APIKEY_NO_SELF_ACTION, ERR_BAD_REQUEST.
        """
        row = await self._find(key)
        if key == used:
            raise Refused("ERR_APIKEY_NO_SELF_ACTION")
        row = replace(row, name=self._lengths.check_name(change.name or row.name), scope=_scope(change.scope))
        if not await self._store.keys.change(row.key_hash, row.name, row.scope):
            raise Refused("ERR_APIKEY_NOT_FOUND")
        return {**_present_key(row), "apiKey": key}

    async def delete(self, key: str, used: str) -> dict[str, Any]:
        """Delete an API key.

        Raises:
            Refused: ERR_APIKEY_NOT_FOUND, ERR_APIKEY_NO_SELF_ACTION.
        """
        row = await self._find(key)
        if key == used:
            raise Refused("ERR_APIKEY_NO_SELF_ACTION")
        await self._store.keys.remove(row.key_hash)
        return {"success": True, "message": f"The Api Key {key} has been deleted successfully."}

    # Auth tokens.

    async def tokens(self, uid: str, *, limit: int, number: int) -> dict[str, Any]:
        """A page of a user's auth tokens.

        Raises:
            Refused: ERR_UID_NOT_FOUND.
        """
        row = await self._directory.user(identifier(uid, "uid"))
        rows, total = await self._store.tokens.of_user(row.uid, limit=limit, offset=(number - 1) * limit)
        return page([_present_token(t, f"…{t.hint}") for t in rows], total=total, limit=limit, number=number)

    async def token(self, uid: str, token: str) -> dict[str, Any]:
        """An auth token.

        Raises:
            Refused: ERR_AUTH_TOKEN_NOT_FOUND.
        """
        return _present_token(await self._token(uid, token), token)

    async def _token(self, uid: str, token: str) -> TokenRow:
        await self._directory.user(identifier(uid, "uid"))
        row = await self._store.tokens.get(fingerprint(token))
        if row is None or row.uid != identifier(uid, "uid"):
            raise Refused("ERR_AUTH_TOKEN_NOT_FOUND")
        return row

    async def change_token(self, uid: str, token: str, change: TokenChange) -> dict[str, Any]:
        """Keep what is known of the device of an auth token.

        Raises:
            Refused: ERR_AUTH_TOKEN_NOT_FOUND.
        """
        row = device_of(change, await self._token(uid, token))
        await self._store.tokens.change(row)
        return _present_token(row, token)

    async def delete_token(self, uid: str, token: str) -> dict[str, Any]:
        """Take an auth token back; the sockets that it opened end.

        Raises:
            Refused: ERR_AUTH_TOKEN_NOT_FOUND.
        """
        row = await self._token(uid, token)
        await self._store.tokens.remove(row.token_hash)
        self._delivery.token_gone(row.uid, row.token_hash)
        return {"success": True, "message": f"The auth token of the user {row.uid} has been deleted successfully."}

    async def delete_tokens(self, uid: str) -> dict[str, Any]:
        """Take all auth tokens of a user back.

        Raises:
            Refused: ERR_UID_NOT_FOUND.
        """
        row = await self._directory.user(identifier(uid, "uid"))
        for token in await self._store.tokens.remove_all(row.uid):
            self._delivery.token_gone(row.uid, token)
        return {"success": True, "message": f"Cleared Auth Tokens successfully for uid {row.uid}."}


def device_of(change: TokenChange, row: TokenRow) -> TokenRow:
    """An auth token with what is known of its device."""
    info = bytes(change.app_info)
    if info != b"null" and (not info.startswith(b"{") or len(info) > 4096):
        raise Refused("ERR_BAD_REQUEST", {"appInfo": "Send an object of at most 4096 bytes."})
    for name, value, most in (("platform", change.platform, 100), ("userAgent", change.user_agent, 1000)):
        if value is not None and len(value) > most:
            raise Refused("ERR_BAD_REQUEST", {name: f"Use at most {most} characters."})
    return replace(
        row,
        platform=change.platform or row.platform,
        user_agent=change.user_agent or row.user_agent,
        app_info=info.decode() if info != b"null" else row.app_info,
    )


def _scope(scope: str) -> str:
    if scope not in (AUTH_ONLY, FULL_ACCESS):
        raise Refused("ERR_BAD_REQUEST", {"scope": f"Use {AUTH_ONLY} or {FULL_ACCESS}."})
    return scope


def _present_key(row: KeyRow) -> dict[str, Any]:
    return {"apiKey": f"…{row.hint}", "name": row.name, "scope": row.scope, "createdAt": row.created_at}


def _present_token(row: TokenRow, shown: str) -> dict[str, Any]:
    return without_none(
        {
            "uid": row.uid,
            "authToken": shown,
            "createdAt": row.created_at,
            "platform": row.platform,
            "userAgent": row.user_agent,
            "appInfo": stored(row.app_info),
        }
    )
