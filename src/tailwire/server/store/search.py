"""The full-text index. Built behind the messages, when the writer has nothing else to do, and before a search."""

from __future__ import annotations

import asyncio
import sqlite3

import msgspec

from tailwire.server.ports.conversations import ConversationKey
from tailwire.server.ports.records import Trait
from tailwire.server.store.erasure import WORDS, Erasure, add_chore
from tailwire.server.store.listing import place
from tailwire.wire.bounds import harmless

IDLE = 0.25
AT_ONCE = 200
TROUBLED = 2.0
WORDS_AFTER = 3600  # deletions of an hour are done together: each is a walk through the index


class _Data(msgspec.Struct):
    text: str = ""


class _Body(msgspec.Struct):
    data: _Data = msgspec.field(default_factory=_Data)


_decode = msgspec.json.Decoder(_Body).decode


def text_of(body: bytes) -> str:
    """The words of a stored message."""
    try:
        return _decode(harmless(body)).data.text
    except msgspec.ValidationError:
        return ""


def _see(done: asyncio.Future[None]) -> None:
    done.exception()  # a file that cannot be written is told of by the writer; it is tried again


class Search(Erasure):
    """Words of messages, by conversation."""

    _indexed_id: int
    _written_at: float = 0.0
    _index_timer: asyncio.TimerHandle | None = None

    def _index_soon(self) -> None:
        # Called after a write of messages: the index follows when there was none for a while.
        loop = asyncio.get_running_loop()
        self._written_at = loop.time()
        if self._index_timer is None and not self._writer.closed:
            self._index_timer = loop.call_later(IDLE, self._index_when_idle)

    def _index_when_idle(self) -> None:
        self._index_timer = None
        if self._writer.closed or self._indexed_id >= self._last_id:
            return
        loop = asyncio.get_running_loop()
        wait = self._written_at + IDLE - loop.time()
        if wait <= 0.001 and not self._writer.busy:
            self._writer.submit(self._index_some).add_done_callback(_see)
            wait = 0.0
        if self._writer.trouble.now:
            wait = TROUBLED
        self._index_timer = loop.call_later(max(wait, 0.01), self._index_when_idle)

    def _stop_indexing(self) -> None:
        if self._index_timer is not None:
            self._index_timer.cancel()
            self._index_timer = None

    async def _index_all(self) -> None:
        while self._indexed_id < self._last_id:
            await self._writer.submit(self._index_some)

    def _index_some(self, c: sqlite3.Connection) -> None:
        begin = self._indexed_id
        rows = c.execute(
            "SELECT id, conversation_id, body, traits, deleted_at FROM messages WHERE id > ? ORDER BY id LIMIT ?",
            (begin, AT_ONCE),
        ).fetchall()
        if not rows:
            self._indexed_id = self._last_id
            return
        c.executemany(
            "INSERT INTO messages_fts (rowid, text, place) VALUES (?, ?, ?)",
            [
                (number, text_of(body), place(conversation))
                for number, conversation, body, traits, deleted in rows
                if traits & Trait.SEARCHABLE and not deleted
            ],
        )
        self._indexed_id = rows[-1][0]

    def _reindex(
        self, c: sqlite3.Connection, number: int, conversation: ConversationKey, before: bytes, after: bytes | None
    ) -> None:
        # A message that the index knows was changed (after), or deleted (None).
        if number > self._indexed_id:
            return
        words, where = text_of(before), place(conversation)
        if words:
            sql = "INSERT INTO messages_fts (messages_fts, rowid, text, place) VALUES ('delete', ?, ?, ?)"
            c.execute(sql, (number, words, where))
            add_chore(c, WORDS, "", 0, self._world.seconds() + WORDS_AFTER)
            self._left_over()
        if after is not None and text_of(after):
            sql = "INSERT INTO messages_fts (rowid, text, place) VALUES (?, ?, ?)"
            c.execute(sql, (number, text_of(after), where))

    @staticmethod
    def _read_indexed_id(c: sqlite3.Connection) -> int:
        return int(c.execute("SELECT coalesce(max(id), 0) FROM messages_fts_docsize").fetchone()[0])
