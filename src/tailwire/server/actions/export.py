"""All that is kept about one user, for themselves or for whoever has to answer for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import asdict, replace
from typing import Any

import msgspec

from tailwire.server.actions.present import encode, group, user, without_none
from tailwire.server.ports.filters import MessageFilter
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.store import Store
from tailwire.server.rules.names import identifier

AT_ONCE = 100


class Export:
    """Gives what is kept about a user, in lines of JSON: `{"kind": …, "data": …}`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def begin(self, uid: str) -> AsyncIterator[bytes]:
        """Begin to export a user.

        Returns:
            Lines, each with its line feed: `user`, `token`, `group`, `file`, then each `message` that they wrote
            or got from another user, oldest first. Never a key, a token or the content of a file.

        Raises:
            Refused: ERR_UID_NOT_FOUND.
        """
        row = await self._store.users.get(identifier(uid, "uid"))
        if row is None:
            raise Refused("ERR_UID_NOT_FOUND", {"uid": uid[:100]})
        return self._lines(row.uid, user(row, online=False))

    async def _lines(self, uid: str, shown: dict[str, Any]) -> AsyncIterator[bytes]:
        yield _line("user", shown)
        offset = 0
        while rows := (await self._store.tokens.of_user(uid, limit=AT_ONCE, offset=offset))[0]:
            for token in rows:
                yield _line("token", without_none({**asdict(token), "token_hash": None, "uid": None}))
            offset += len(rows)
        for guid in await self._store.members.groups_of(uid):
            found = await self._store.groups.get(guid)
            if found is not None:
                yield _line("group", group(found, await self._store.members.get(guid, uid)))
        for file in await self._store.files.of_user(uid):
            yield _line("file", without_none(asdict(file)))
        wanted = MessageFilter(reader=uid, newer=True, cursor=0, limit=AT_ONCE)
        while listed := await self._store.messages.find(wanted):
            whole = await self._store.messages.by_ids(message.id for message in listed)
            for message in whole.values():
                if message.sender == uid or message.receiver_type == "user":
                    yield _line("message", msgspec.Raw(message.json()))
            wanted = replace(wanted, cursor=listed[-1].id)


def _line(kind: str, data: Any) -> bytes:
    return encode({"kind": kind, "data": data}) + b"\n"
