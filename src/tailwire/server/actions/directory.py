"""Users and groups as messages carry them, encoded once and remembered."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import msgspec

from tailwire.server.actions import present
from tailwire.server.ports.records import UserRow
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.store import Store
from tailwire.server.rules.names import SYSTEM_USER

MAX_REMEMBERED = 20_000
SYSTEM = UserRow(SYSTEM_USER, "System")


class Directory:
    """Looks users up for those who build messages.

    Args:
        online: whether a user has a socket.
        everyone_online: the uids of those who have.
    """

    def __init__(
        self, store: Store, online: Callable[[str], bool], everyone_online: Callable[[], Iterable[str]]
    ) -> None:
        self._store = store
        self._online = online
        self._everyone_online = everyone_online
        self._encoded: dict[tuple[str, bool, bool], msgspec.Raw] = {}

    async def user(self, uid: str) -> UserRow:
        """A user.

        Raises:
            Refused: ERR_UID_NOT_FOUND.
        """
        found = await self._store.users.get(uid)
        if found is None or found.deactivated_at:
            raise Refused("ERR_UID_NOT_FOUND", {"uid": uid})
        return found

    async def user_entity(self, uid: str) -> msgspec.Raw:
        """A user, encoded.

        Raises:
            Refused: ERR_UID_NOT_FOUND.
        """
        return await self._entity(uid, whole=True)

    async def stored_entity(self, uid: str) -> msgspec.Raw:
        """A user as stored messages carry them: without metadata, which may hold what must be corrected, or forgotten.

        Raises:
            Refused: ERR_UID_NOT_FOUND.
        """
        return await self._entity(uid, whole=False)

    async def _entity(self, uid: str, *, whole: bool) -> msgspec.Raw:
        key = (uid, self._online(uid), whole)
        known = self._encoded.get(key)
        if known is None:
            row = SYSTEM if uid == SYSTEM_USER else await self.user(uid)
            if len(self._encoded) >= MAX_REMEMBERED:
                self._encoded.clear()
            if not whole:
                row = replace(row, metadata=None)
            known = self._encoded[key] = msgspec.Raw(present.encode(present.user(row, online=key[1])))
        return known

    def is_online(self, uid: str) -> bool:
        """Whether a user has a socket."""
        return self._online(uid)

    def forget(self, uid: str) -> None:
        """A user has changed."""
        for online in (True, False):
            for whole in (True, False):
                self._encoded.pop((uid, online, whole), None)

    def forget_all(self) -> None:
        """Many users may have changed."""
        self._encoded.clear()

    def online_uids(self) -> tuple[str, ...]:
        """Everybody who has a socket here."""
        return tuple(self._everyone_online())

    async def online_to(self, reader: str) -> tuple[str, ...]:
        """Everybody who is online as far as a reader may know: where there is a block, they are not told."""
        hidden = await self._store.blocks.everyone(reader) if reader else frozenset()
        return tuple(uid for uid in self._everyone_online() if uid not in hidden)

    async def present(self, row: UserRow, reader: str) -> dict[str, object]:
        """Return a user as REST gives them; without their presence where there is a block.

        Args:
            reader: who is shown them; "" for the app itself, or for the user alone.
        """
        if await self._is_hidden(row.uid, reader):
            return present.user(replace(row, last_active_at=0), online=False)
        return present.user(row, online=self._online(row.uid))

    async def entity_for(self, uid: str, reader: str) -> msgspec.Raw:
        """Return a user, encoded, as `present` shows them to a reader.

        Raises:
            Refused: ERR_UID_NOT_FOUND.
        """
        if await self._is_hidden(uid, reader):
            return msgspec.Raw(present.encode(await self.present(await self.user(uid), reader)))
        return await self.user_entity(uid)

    async def _is_hidden(self, uid: str, reader: str) -> bool:
        return bool(reader) and reader != uid and bool(await self._store.blocks.between(reader, uid))
