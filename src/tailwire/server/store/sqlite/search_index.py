"""The full-text index. New messages are added to it when the writer is idle, and before a search."""

from __future__ import annotations

import asyncio
import re
import sqlite3

from tailwire.server.ports.conversations import ConversationKey
from tailwire.server.ports.records import Trait
from tailwire.server.ports.world import World
from tailwire.server.store.sql.words import conversation_word, text_of
from tailwire.server.store.sqlite.chores import REMOVED_WORDS, Chores, add_chore
from tailwire.server.store.sqlite.database import Database

_WORD = re.compile(r"\w+")
IDLE_SECONDS = 0.25
MESSAGES_PER_STEP = 200
RETRY_AFTER_SECONDS = 2.0
ERASE_WORDS_AFTER_SECONDS = 3600  # an erasure walks through the whole index: one an hour is enough


def _retrieve(done: asyncio.Future[None]) -> None:
    done.exception()  # the writer reports failures, and the index retries


class SearchIndex:
    """Adds messages to the full-text index (the table `messages_fts`), with their words and their conversation."""

    def __init__(self, database: Database, chores: Chores, world: World) -> None:
        self._db = database
        self._chores = chores
        self._world = world
        self._indexed_id = 0
        self._written_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._reload(database.reader)
        database.on_rollback(self._reload)

    def update_soon(self) -> None:
        """Have new messages indexed in the background, once this was not called for `IDLE_SECONDS`.

        Call this after storing a searchable message.
        """
        loop = asyncio.get_running_loop()
        self._written_at = loop.time()
        if self._timer is None and not self._db.writer.closed:
            self._timer = loop.call_later(IDLE_SECONDS, self._update_when_idle)

    def _update_when_idle(self) -> None:
        self._timer = None
        if self._db.writer.closed or self._indexed_id >= self._db.last_id:
            return
        loop = asyncio.get_running_loop()
        wait = self._written_at + IDLE_SECONDS - loop.time()
        if wait <= 0.001 and not self._db.writer.busy:
            self._db.write(self._index_batch).add_done_callback(_retrieve)
            wait = 0.0
        if self._db.writer.errors.current:
            wait = RETRY_AFTER_SECONDS
        self._timer = loop.call_later(max(wait, 0.01), self._update_when_idle)

    def stop(self) -> None:
        """Cancel indexing in the background until the next `update_soon`."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def update_all(self) -> None:
        """Index all messages that are not indexed yet, and wait for that."""
        while self._indexed_id < self._db.last_id:
            await self._db.write(self._index_batch)

    def _index_batch(self, c: sqlite3.Connection) -> None:
        begin = self._indexed_id
        rows = c.execute(
            "SELECT id, conversation_id, body, traits, deleted_at FROM messages WHERE id > ? ORDER BY id LIMIT ?",
            (begin, MESSAGES_PER_STEP),
        ).fetchall()
        if not rows:
            self._indexed_id = self._db.last_id
            return
        c.executemany(
            "INSERT INTO messages_fts (rowid, text, place) VALUES (?, ?, ?)",
            [
                (number, text_of(body), conversation_word(conversation))
                for number, conversation, body, traits, deleted in rows
                if traits & Trait.SEARCHABLE and not deleted
            ],
        )
        self._indexed_id = rows[-1][0]

    def update(
        self, c: sqlite3.Connection, number: int, conversation: ConversationKey, before: bytes, after: bytes | None
    ) -> None:
        """Replace the words of a message in the index. For use in the operation that edits or deletes the message.

        Does nothing if the message is not indexed yet: it will be indexed later, with its new text.

        Args:
            c: the writer's connection.
            number: the id of the message.
            before: its body as it is indexed.
            after: its new body; None for a deletion.
        """
        if number > self._indexed_id:
            return
        words, where = text_of(before), conversation_word(conversation)
        if words:
            sql = "INSERT INTO messages_fts (messages_fts, rowid, text, place) VALUES ('delete', ?, ?, ?)"
            c.execute(sql, (number, words, where))
            add_chore(c, REMOVED_WORDS, "", 0, self._world.seconds() + ERASE_WORDS_AFTER_SECONDS)
            self._chores.report_added()
        if after is not None and text_of(after):
            sql = "INSERT INTO messages_fts (rowid, text, place) VALUES (?, ?, ?)"
            c.execute(sql, (number, text_of(after), where))

    def _reload(self, c: sqlite3.Connection) -> None:
        self._indexed_id = int(c.execute("SELECT coalesce(max(id), 0) FROM messages_fts_docsize").fetchone()[0])


def match_query(words: str, conversations: list[ConversationKey]) -> str:
    """Return an FTS5 query for messages that have all words of a search. The last word matches as a prefix.

    Args:
        words: what the user has typed.
        conversations: the conversations to search; empty for all.

    Returns:
        The query; "" if `words` contains no word.
    """
    found = _WORD.findall(words)
    if not found:
        return ""
    expression = "text : (" + " AND ".join(f'"{w}"' for w in found) + "*)"
    if conversations:
        expression += " AND place : (" + " OR ".join(f'"{conversation_word(c)}"' for c in conversations) + ")"
    return expression
