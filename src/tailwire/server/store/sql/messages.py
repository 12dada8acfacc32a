"""Reads messages. Each database has a full-text index of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, cast

from tailwire.server.ports.conversations import GROUP_KEY, ConversationKey
from tailwire.server.ports.filters import MessageFilter, is_common
from tailwire.server.ports.records import ListedRow, MessageRow
from tailwire.server.store.sql.connection import Connection
from tailwire.server.store.sql.listing import LATEST_OF_USER_SQL, filter_parameters, list_messages, missed_boundary
from tailwire.server.store.sql.statements import MESSAGE_BY_MUID_SQL, MESSAGE_SQL

MAX_SEARCHED_CONVERSATIONS = 200
BOUNDARY_STEP = 8
IDS_PER_STATEMENT = 100
MAX_SHORT_PAGE_SIZE = 100  # messages of a page that is nearly always a short range of an index
_MESSAGES_SQL = MESSAGE_SQL.partition("WHERE")[0]
_listed_row = cast("Callable[[Iterable[Any]], ListedRow]", partial(tuple.__new__, ListedRow))
"""`ListedRow._make` without its check of the length, because it is called for each message of each page."""
_NEWEST_SHAPE = MessageFilter("any").shape()
_CONVERSATIONS_OF_SQL = (
    "SELECT conversation_id FROM participants WHERE uid = :reader UNION ALL"
    f" SELECT '{GROUP_KEY}' || guid FROM members WHERE uid = :reader LIMIT :limit"
)


class MessageRows:
    """`MessageStore`, without its writes and the full-text search."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    async def get(self, message_id: int) -> MessageRow | None:
        row = await self._db.first_row(MESSAGE_SQL, {"key": message_id})
        return MessageRow._make(row) if row else None

    async def by_muid(self, sender: str, muid: str) -> MessageRow | None:
        row = await self._db.first_row(MESSAGE_BY_MUID_SQL, {"who": sender, "key": muid})
        return MessageRow._make(row) if row else None

    async def by_ids(self, ids: Iterable[int]) -> dict[int, MessageRow]:
        # Not one statement for each id: each releases the GIL, and then waits for it while reads run in threads.
        found: dict[int, MessageRow] = {}
        left = sorted(set(ids))
        while left:
            some, left = left[:IDS_PER_STATEMENT], left[IDS_PER_STATEMENT:]
            values: list[Any] = []
            sql = f"{_MESSAGES_SQL} WHERE {self._db.dialect.any_of('messages.id', some, values)} ORDER BY messages.id"
            found |= {row[0]: MessageRow._make(row) for row in await self._db.rows(sql, values)}
        return found

    async def mentioned_in(self, message_id: int) -> tuple[str, ...]:
        rows = await self._db.rows("SELECT uid FROM mentions WHERE message_id = ? ORDER BY uid", (message_id,))
        return tuple(row[0] for row in rows)

    async def find(self, criteria: MessageFilter) -> list[ListedRow]:
        if criteria.search:
            return await self._search(criteria)
        shape = criteria.shape()
        if criteria.limit == 1 and criteria.reader and shape == _NEWEST_SHAPE:
            # The newest message that a reader may see, without a walk through other people's messages.
            ((latest,),) = await self._db.rows(LATEST_OF_USER_SQL, {"reader": criteria.reader})
            newest = await self.get(latest)
            return [ListedRow(*[getattr(newest, name) for name in ListedRow._fields])] if newest is not None else []
        read = self._db.rows if criteria.limit <= MAX_SHORT_PAGE_SIZE and is_common(shape) else self._db.long_rows
        rows = await read(list_messages(shape, self._db.dialect.name), filter_parameters(criteria, shape))
        return list(map(_listed_row, rows))

    async def missed_boundary(self, reader: str, device: str, after: int, most: int) -> int:
        # Looks back from the newest message in growing steps: what was missed may be much more than `most`.
        sql, width = missed_boundary(self._db.dialect.name), BOUNDARY_STEP * most
        newest = (await self._db.first_row("SELECT coalesce(max(id), 0) FROM messages"))[0]
        while True:
            begin = max(after, newest - width)
            values = {"reader": reader, "device": device, "cursor": begin, "most": most}
            rows = await self._db.long_rows(sql, values)
            if rows or begin == after:
                return int(rows[0][0]) if rows else 0
            width *= BOUNDARY_STEP

    async def _search(self, criteria: MessageFilter) -> list[ListedRow]:
        raise NotImplementedError

    async def _searched(self, criteria: MessageFilter) -> list[ConversationKey]:
        # Return the conversations to search: the index looks them up together with the words. With too many of them,
        # only the words are looked up, and access is checked for each message.
        if criteria.conversation_id is not None:
            return [criteria.conversation_id]
        if not criteria.reader:
            return []
        values = {"reader": criteria.reader, "limit": MAX_SEARCHED_CONVERSATIONS + 1}
        rows = await self._db.rows(_CONVERSATIONS_OF_SQL, values)
        return [row[0] for row in rows] if len(rows) <= MAX_SEARCHED_CONVERSATIONS else []
