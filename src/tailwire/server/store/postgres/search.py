"""Full-text search with an index of the words of messages, and a scan of the newest messages, which are not in it yet.

Messages are indexed in the background, by one process at a time, so that sends do not wait for it. The table
`words_until` has the id up to which all are indexed. A search uses the index up to that id, and reads the messages
after it. If these are too many, it indexes them first.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Sequence
from dataclasses import replace

from tailwire.server.ports.conversations import ConversationKey
from tailwire.server.ports.filters import MessageFilter
from tailwire.server.ports.records import ListedRow, MessageRow, Trait
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.world import World
from tailwire.server.store.postgres.connecting import UNUSABLE, Connection, connect_reader
from tailwire.server.store.postgres.database import Database
from tailwire.server.store.postgres.unit import Unit
from tailwire.server.store.sql.listing import filter_parameters, list_messages
from tailwire.server.store.sql.words import conversation_word, text_of, words_of
from tailwire.server.telemetry.logs import log

MESSAGES_PER_STEP = 500
MAX_UNINDEXED_MESSAGES = 2_000  # messages that a search scans
IDLE_SECONDS = 1.0
LOOK_SECONDS = 1.0
RETRY_SECONDS = 5.0
STEP_SECONDS = 10.0
_LOCK = 7308897  # held by the process that indexes
_SEARCHED_WORD = re.compile(r"\w+")

_INDEXED_UNTIL_SQL = "SELECT id FROM words_until"
_NEXT_SQL = """SELECT m.id, m.conversation_id, m.body, m.traits, m.deleted_at FROM messages m
WHERE m.id > ? ORDER BY m.id LIMIT ?"""
_LEFT_SQL = "SELECT count(*) FROM (SELECT 1 FROM messages m WHERE m.id > (SELECT id FROM words_until) LIMIT ?) AS n"
# If another process has indexed these messages meanwhile, nothing is stored. Words that an edit or a deletion has
# stored remain.
_INDEX_SQL = """
WITH step AS (UPDATE words_until SET id = :last WHERE id = :begun RETURNING id)
INSERT INTO words (message_id, words)
SELECT w.id, array_to_tsvector(string_to_array(w.words, ' '))
FROM step, unnest(CAST(:ids AS BIGINT[]), CAST(:words AS TEXT[])) AS w (id, words) ORDER BY w.id
ON CONFLICT (message_id) DO NOTHING
"""
_STORE_WORDS_SQL = """
INSERT INTO words (message_id, words) VALUES (:id::bigint, array_to_tsvector(string_to_array(:words, ' ')))
ON CONFLICT (message_id) DO UPDATE SET words = excluded.words
"""


def lexemes(conversation: ConversationKey, text: str) -> str:
    """Return what is indexed for a message: the word of its conversation and those of its text, separated by spaces."""
    return " ".join([_word_of(conversation), *words_of(text)])


def _word_of(conversation: ConversationKey) -> str:
    return "/" + conversation_word(conversation)  # no word of a text begins with a slash


def index_query(words: Sequence[str], conversations: Sequence[ConversationKey]) -> str:
    """Return a PostgreSQL `tsquery` for messages that have all words.

    Args:
        words: words from `typed_words`, at least one. The last one matches as a prefix.
        conversations: the conversations to search; empty for all.
    """
    expression = " & ".join([*(f"'{word}'" for word in words[:-1]), f"'{words[-1]}':*"])
    if conversations:
        expression += " & (" + " | ".join(f"'{_word_of(one)}'" for one in conversations) + ")"
    return expression


def typed_words(search: str) -> list[str]:
    """Return the words that a user has typed into a search, in order and in the form in which words are indexed."""
    return [word for typed in _SEARCHED_WORD.findall(search) for word in words_of(typed)]


def has_words(text: str, words: Sequence[str]) -> bool:
    """Return whether a text has all words, as `index_query` would find it.

    Args:
        words: words from `typed_words`, at least one. The last one matches as a prefix.
    """
    found = words_of(text)
    return set(words[:-1]) <= set(found) and any(word.startswith(words[-1]) for word in found)


class SearchIndex:
    """Searches messages, and indexes them in the background if no other process does."""

    def __init__(self, database: Database, world: World) -> None:
        self._db = database
        self._world = world
        self._wanted = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._lock: Connection | None = None
        self._stopped = False

    def update_soon(self) -> None:
        """Have new messages indexed soon, in the background. Call this after storing a searchable message."""
        self._wanted.set()
        if self._task is None and not self._stopped:
            self._task = asyncio.get_running_loop().create_task(self._run(), name="tailwire search index")

    def replace(self, unit: Unit, before: MessageRow, after: bytes | None) -> None:
        """Add to the unit that edits or deletes a message the step that replaces its indexed words.

        The new words are stored even if the message was not indexed yet: then a process that is just indexing it cannot
        store the words of the earlier text afterwards.

        Args:
            before: the message as it was read.
            after: its new body; None for a deletion.
        """
        text = text_of(after) if after is not None else ""
        words = lexemes(before.conversation_id, text) if text else ""
        unit.run(_STORE_WORDS_SQL, id=before.id, words=words)

    async def indexed_until(self) -> int:
        """Return the id up to which all messages are indexed."""
        return int((await self._db.first_row(_INDEXED_UNTIL_SQL))[0])

    async def update(self, max_unindexed: int = 0) -> None:
        """Index messages now, until at most `max_unindexed` are left that are not indexed."""
        while True:
            (waiting,) = await self._db.first_row(_LEFT_SQL, (max_unindexed + 1,))
            if waiting <= max_unindexed or not await self._step():
                return

    async def _step(self) -> bool:
        # Return whether there was anything to index.
        begun = await self.indexed_until()
        rows = await self._db.rows(_NEXT_SQL, (begun, MESSAGES_PER_STEP))
        if not rows:
            return False
        found = [
            (number, lexemes(conversation, text_of(body)))
            for number, conversation, body, traits, deleted_at in rows
            if traits & Trait.SEARCHABLE and deleted_at is None
        ]
        ids, words = [number for number, _ in found], [words for _, words in found]
        await self._db.run(_INDEX_SQL, {"begun": begun, "last": rows[-1][0], "ids": ids, "words": words})
        return True

    async def _run(self) -> None:
        while True:
            try:
                if await self._is_mine():
                    with contextlib.suppress(TimeoutError):  # then look for messages of other processes
                        async with asyncio.timeout(LOOK_SECONDS):  # `wait_for` of Python 3.11 may ignore `stop`
                            await self._wanted.wait()
                    self._wanted.clear()
                    await self.update()
                    await asyncio.sleep(IDLE_SECONDS)  # messages that come together are indexed together
                    continue
            except (*UNUSABLE, Refused) as e:
                log.warning("messages are not indexed for the search at the moment: %s", e)
            await asyncio.sleep(RETRY_SECONDS)

    async def _is_mine(self) -> bool:
        # Return whether this process is the one that indexes: the lock lasts as long as its connection.
        if self._lock is not None and not self._lock.is_closed():
            return True
        connection = await connect_reader(self._db.url, STEP_SECONDS)
        try:
            if await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK, timeout=STEP_SECONDS):
                self._lock = connection
                return True
        finally:
            if self._lock is not connection:
                connection.terminate()
        return False

    def stop(self) -> None:
        """Stop indexing in the background for good, so that another process takes over. Searches still work."""
        self._stopped = True
        if self._task is not None:
            self._task.cancel()
        if self._lock is not None:
            self._lock.terminate()
            self._lock = None

    async def search(self, criteria: MessageFilter, conversations: Sequence[ConversationKey]) -> list[ListedRow]:
        """Return the messages that match a filter with a search text, including its order, offset and limit.

        Args:
            criteria: the filter. `criteria.search` must match as in `index_query`; without a word nothing is found.
            conversations: restricts the lookup in the index to these conversations; empty for no restriction. They
                must include all conversations that the filter can match.

        Raises:
            Refused: as for `Connection.long_rows`.
        """
        words = typed_words(criteria.search)
        if not words:
            return []
        in_order_of_ids = not (criteria.pinned or criteria.saved)
        await self.update(MAX_UNINDEXED_MESSAGES if in_order_of_ids else 0)
        until = await self.indexed_until()
        indexed = await self._indexed(criteria, index_query(words, conversations), until)
        tail = await self._unindexed_matches(criteria, words, until) if in_order_of_ids else []
        found = indexed + tail if criteria.newer else tail + indexed
        return found[criteria.offset : criteria.offset + criteria.limit]

    async def _indexed(self, criteria: MessageFilter, expression: str, indexed_until: int) -> list[ListedRow]:
        # The first matches up to an id, without the offset.
        first = replace(criteria, offset=0, limit=criteria.offset + criteria.limit)
        shape = first.shape()
        values = filter_parameters(first, shape) | {"search": expression, "indexed": indexed_until}
        rows = await self._db.long_rows(list_messages(shape, "postgresql", "indexed"), values)
        return list(map(ListedRow._make, rows))

    async def _unindexed_matches(
        self, criteria: MessageFilter, words: Sequence[str], indexed_until: int
    ) -> list[ListedRow]:
        unindexed = replace(
            criteria, search="", offset=0, limit=2 * MAX_UNINDEXED_MESSAGES, traits=criteria.traits | Trait.SEARCHABLE
        )
        shape = unindexed.shape()
        values = filter_parameters(unindexed, shape) | {"indexed": indexed_until}
        rows = await self._db.long_rows(list_messages(shape, "postgresql", "tail"), values)
        return [row for row in map(ListedRow._make, rows) if has_words(text_of(row.body), words)]
