"""Exports all data about one user."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import asdict, replace
from typing import Any

import msgspec

from tailwire.server.actions.payloads import group_payload, user_payload, without_none
from tailwire.server.actions.raw_json import encode
from tailwire.server.actions.views import GroupView, UserView
from tailwire.server.ports.filters import MessageFilter
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.store import Store
from tailwire.server.rules.names import identifier

PAGE_SIZE = 100


class Export:
    """Exports a user's data as lines of JSON, one object each: `{"kind": …, "data": …}`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def begin(self, uid: str) -> AsyncIterator[bytes]:
        """Check that a user exists, also a deactivated one, and return their data as an iterator of lines.

        The data is read while the lines are iterated.

        Returns:
            Encoded lines, each with a line feed. Their `kind` is, in this order: `user` (once), `token`, `group`,
            `file`, and `message`, oldest first. The messages are those that the user has sent, and those that they
            have received and can still read: without messages that they have deleted for themselves, or of groups that
            they have left. Secrets and the content of files are not included.

        Raises:
            Refused: ERR_BAD_REQUEST: the uid is malformed; ERR_UID_NOT_FOUND: there is no such user.
        """
        row = await self._store.users.get(identifier(uid, "uid"))
        if row is None:
            raise Refused("ERR_UID_NOT_FOUND", {"uid": uid[:100]})
        return self._lines(row.uid, user_payload(UserView(row)))

    async def _lines(self, uid: str, profile: dict[str, Any]) -> AsyncIterator[bytes]:
        yield _line("user", profile)
        offset = 0
        while rows := (await self._store.tokens.of_user(uid, limit=PAGE_SIZE, offset=offset))[0]:
            for token in rows:
                yield _line("token", without_none({**asdict(token), "token_hash": None, "uid": None}))
            offset += len(rows)
        for guid in await self._store.members.groups_of(uid):
            found = await self._store.groups.get(guid)
            if found is not None:
                yield _line("group", group_payload(GroupView(found, await self._store.members.get(guid, uid))))
        for file in await self._store.files.of_user(uid):
            yield _line("file", without_none(asdict(file)))
        criteria = MessageFilter(reader=uid, newer=True, cursor=0, before_joining=True, limit=PAGE_SIZE)
        while listed := await self._store.messages.find(criteria):
            whole = await self._store.messages.by_ids(message.id for message in listed)
            for message in whole.values():
                if message.sender == uid or message.receiver_type == "user":
                    yield _line("message", msgspec.Raw(message.json()))
            criteria = replace(criteria, cursor=listed[-1].id)


def _line(kind: str, data: Any) -> bytes:
    return encode({"kind": kind, "data": data}) + b"\n"
