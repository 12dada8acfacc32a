"""Users in the JSON form that messages and lists contain, encoded once and cached."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import msgspec

from tailwire.server.actions.payloads import missing_user_payload, user_payload
from tailwire.server.actions.raw_json import decode_object, encode
from tailwire.server.actions.views import UserView
from tailwire.server.ports.changes import SEEN, Change
from tailwire.server.ports.read_cache import ReadCache
from tailwire.server.ports.records import UserRow
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.store import Store
from tailwire.server.rules.names import SYSTEM_USER
from tailwire.wire.bounds import parseable

PRIVATE_KEY = "@private"
"""The key in a user's metadata whose value, such as an e-mail address, other users do not see."""
MAX_CACHED_USERS = 20_000
SYSTEM_USER_ROW = UserRow(SYSTEM_USER, "System")


class Directory:
    """Finds users, and tells who is online at any process of the server.

    Args:
        online: returns whether the user with a uid is online.
        everyone_online: returns the uids of all users who are online.
    """

    def __init__(
        self, store: Store, online: Callable[[str], bool], everyone_online: Callable[[], Iterable[str]]
    ) -> None:
        self._store = store
        self._online = online
        self._everyone_online = everyone_online
        self._encoded: ReadCache[msgspec.Raw] = ReadCache(store.feed, MAX_CACHED_USERS)  # see `_key`
        store.feed.listen(self._changed)

    def _changed(self, changes: Sequence[Change] | None) -> None:
        if changes is None or any(kind == "role" for _, kind, _ in changes):
            self.forget_all()
            return
        for _, kind, key in changes:
            if kind in ("user", SEEN):
                self.forget(key)

    async def user(self, uid: str) -> UserRow:
        """Return a user.

        Raises:
            Refused: ERR_UID_NOT_FOUND: the user does not exist, or is deactivated.
        """
        found = await self._store.users.get(uid)
        if found is None or found.deactivated_at:
            raise Refused("ERR_UID_NOT_FOUND", {"uid": uid})
        return found

    async def user_entity(self, uid: str) -> msgspec.Raw:
        """Return a user as JSON, as every other user may see them. The app itself counts as one, `app_system`.

        Raises:
            Refused: ERR_UID_NOT_FOUND: the user does not exist, or is deactivated.
        """
        return await self._entity(uid, with_metadata=True)

    async def stored_entity(self, uid: str) -> msgspec.Raw:
        """Return a user as JSON for a message to be stored: without metadata, which would not be updated there.

        Raises:
            Refused: ERR_UID_NOT_FOUND: the user does not exist, or is deactivated.
        """
        return await self._entity(uid, with_metadata=False)

    async def stored_entity_even_if_absent(self, uid: str) -> msgspec.Raw:
        """Return a user as `stored_entity` does, or as `absent_entity` does if they were deactivated or deleted.

        It is for messages that report what is done to members who are there already, or to existing messages.
        """
        try:
            return await self.stored_entity(uid)
        except Refused as e:
            if e.code != "ERR_UID_NOT_FOUND":
                raise
        return await self.absent_entity(uid)

    async def absent_entity(self, uid: str) -> msgspec.Raw:
        """Return a deactivated or deleted user as JSON, without metadata. Of a deleted one, only the uid is known."""
        row = await self._store.users.get(uid)
        known = user_payload(UserView(replace(row, metadata=None, deactivated_at=None))) if row is not None else None
        return msgspec.Raw(encode(known or missing_user_payload(uid)))

    async def _entity(self, uid: str, *, with_metadata: bool) -> msgspec.Raw:
        online = self._online(uid)
        key = _key(uid, online, with_metadata)
        known = self._encoded.peek(key)
        return known if known is not None else await self._encoded_entity(uid, online, with_metadata, key)

    async def _encoded_entity(self, uid: str, online: bool, with_metadata: bool, key: str) -> msgspec.Raw:
        async def encoded() -> msgspec.Raw:
            row = SYSTEM_USER_ROW if uid == SYSTEM_USER else await self.user(uid)
            row = without_private(row) if with_metadata else replace(row, metadata=None)
            return msgspec.Raw(encode(user_payload(UserView(row, online))))

        return await self._encoded.get(key, encoded)

    def is_online(self, uid: str) -> bool:
        """Return whether a user is online."""
        return self._online(uid)

    def forget(self, uid: str) -> None:
        """Drop a user from the cache, because the user has changed."""
        for online in (True, False):
            for with_metadata in (True, False):
                self._encoded.forget(_key(uid, online, with_metadata))

    def forget_all(self) -> None:
        """Clear the cache, because many users may have changed."""
        self._encoded.clear()

    def online_uids(self) -> tuple[str, ...]:
        """Return the uids of all users who are online."""
        return tuple(self._everyone_online())

    async def online_to(self, reader: str) -> tuple[str, ...]:
        """Return the uids of the users who are online, without those whom a block separates from the reader.

        The block may be by the reader or by the other user.

        Args:
            reader: the uid of the reader; "" for the app itself, which sees everyone.
        """
        hidden = await self._store.blocks.blocked_or_blocking(reader) if reader else frozenset()
        return tuple(uid for uid in self._everyone_online() if uid not in hidden)

    async def view(self, row: UserRow, reader: str) -> UserView:
        """Return a user as a reader sees them.

        Other users do not see what is private in the metadata. If one of them has blocked the other, the user appears
        offline, without the time when they were last active.

        Args:
            row: the user.
            reader: the uid of the reader; "" to show everything: for the app itself, or for the user themselves.
        """
        if reader and reader != row.uid:
            row = without_private(row)
        if await self._is_hidden(row.uid, reader):
            return UserView(replace(row, last_active_at=0))
        return UserView(row, self._online(row.uid))

    def public_view(self, row: UserRow) -> UserView:
        """Return a user as every other user may see them, unless there is a block between the two."""
        return UserView(without_private(row), self._online(row.uid))

    async def entity_for(self, uid: str, reader: str) -> msgspec.Raw:
        """Return a user as JSON, as `view` shows them to a reader, but never with what is private in the metadata.

        Raises:
            Refused: ERR_UID_NOT_FOUND: the user does not exist, or is deactivated.
        """
        if await self._is_hidden(uid, reader):
            return msgspec.Raw(encode(user_payload(await self.view(await self.user(uid), reader))))
        return await self.user_entity(uid)

    async def entity_if_there(self, uid: str, reader: str) -> msgspec.Raw | None:
        """Return a user as `entity_for` does; None if they do not exist or were deactivated."""
        try:
            return await self.entity_for(uid, reader)
        except Refused as e:
            if e.code != "ERR_UID_NOT_FOUND":
                raise
            return None

    async def _is_hidden(self, uid: str, reader: str) -> bool:
        return bool(reader) and reader != uid and bool(await self._store.blocks.blocker_between(reader, uid))


def without_private(row: UserRow) -> UserRow:
    """Return a user without the key `PRIVATE_KEY` of their metadata."""
    text = row.metadata
    if not text or (PRIVATE_KEY not in text and "\\u" not in text):  # an escape may be a part of the key
        return row
    metadata = decode_object(parseable(text.encode()))
    if metadata.pop(PRIVATE_KEY, None) is None:
        return row
    return replace(row, metadata=encode(metadata).decode())


def _key(uid: str, online: bool, with_metadata: bool) -> str:
    return f"{uid} {online:d}{with_metadata:d}"
