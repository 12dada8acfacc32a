"""Writes for all nouns: decisions about rows that were read, made again when another write was faster."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import msgspec

from tailwire.server.ports.changes import Change, ChangeFeed
from tailwire.server.ports.records import Draft, MessageRow, Stored
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.world import World
from tailwire.server.store.postgres.accompanying import Accompaniment
from tailwire.server.store.postgres.drafts import Entry, QueuedEvent
from tailwire.server.store.postgres.lane import Lane
from tailwire.server.store.postgres.request_numbers import RequestNumbers, without_step
from tailwire.server.store.postgres.unit import Answer, Unit
from tailwire.server.store.sql.connection import Connection

T = TypeVar("T")
MAX_ATTEMPTS = 20
"""How often a decision is made at most. Within one process decisions about the same thing take turns, so that only
other processes and sends can be faster."""


class OvertakenError(Exception):
    """The data on which a decision was based changed before the decision was written. Nothing was written."""


class Turns:
    """Lets decisions about the same thing take turns, in the order in which they came."""

    def __init__(self) -> None:
        self._locks: dict[object, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def hold(self, key: object) -> AsyncIterator[None]:
        """Wait for the turn of a key, and hold it within the context."""
        lock, users = self._locks.get(key) or (asyncio.Lock(), 0)
        self._locks[key] = lock, users + 1
        try:
            async with lock:
                yield
        finally:
            lock, users = self._locks[key]
            if users == 1:
                del self._locks[key]
            else:
                self._locks[key] = lock, users - 1


class DatabaseAccess:
    """What the nouns need to read, and to make writes that depend on what they read.

    Attributes:
        reads: the connections for reads.
        lane: carries the writes.
        world: the clock.
        accompaniment: gives a unit the audit log's entry for its request.
        numbers: checks and stores the numbers of requests.
        feed: receives what a unit has changed, before its write is acknowledged; other processes read it in the log.
    """

    def __init__(
        self,
        reads: Connection,
        lane: Lane,
        world: World,
        accompaniment: Accompaniment,
        numbers: RequestNumbers,
        feed: ChangeFeed,
    ) -> None:
        self.reads = reads
        self.lane = lane
        self.world = world
        self.accompaniment = accompaniment
        self.numbers = numbers
        self.feed = feed
        self._turns = Turns()

    async def carry_out(self, unit: Unit, draft: Draft | None = None, events: tuple[QueuedEvent, ...] = ()) -> Answer:
        """Write a unit.

        Args:
            draft: the message that announces the change; None for none.
            events: those of the draft that webhooks want.

        Raises:
            OvertakenError: what was read for the unit has changed. Nothing was written.
            Refused: ERR_REQUEST_OUTDATED, the number of the request is not new; ERR_UNAVAILABLE, the database cannot
                write, or too many writes wait.
            tailwire.server.store.postgres.lane.LaneClosed: the store is closed.
        """
        number = self.numbers.take()
        place = self.numbers.add_first_step(unit, number) if number is not None else 0
        entry = self.accompaniment.take()
        if entry is not None:
            self.accompaniment.add_last_step(unit, entry)
        done = False
        try:
            answer: Answer = await self.lane.submit(Entry(draft, unit, events=events))
            done = not answer.again and answer.ended is None
        finally:
            # Also if the answer was lost: the unit may have been carried out.
            self.feed.report([Change(0, kind, key) for kind, key in unit.changes])
            if entry is not None and not done:
                entry.taken = False
        if answer.again:
            if number is not None:
                number.taken = False
            raise OvertakenError
        return answer if number is None else without_step(answer, place)

    async def decide(self, key: object, attempt: Callable[[], Awaitable[T]]) -> T:
        """Return the result of an attempt that reads, decides and writes, made again while others are faster.

        Args:
            key: what the decision is about; decisions of this process about it take turns.

        Raises:
            Refused: raised by `attempt`; ERR_UNAVAILABLE if others were faster `MAX_ATTEMPTS` times.
        """
        async with self._turns.hold(key):
            for _ in range(MAX_ATTEMPTS):
                try:
                    return await attempt()
                except OvertakenError:
                    continue
        raise Refused(
            "ERR_UNAVAILABLE", "Others change the same thing. Nothing was stored; try again.", retry_after=1.0
        )


def stored_result(draft: Draft, answer: Answer) -> Stored:
    """Return what was stored for the message of a unit, from the unit's answer."""
    return Stored(new_row(draft, answer.message_id), new=True, predecessor_id=answer.predecessor_id)


def new_row(d: Draft, message_id: int) -> MessageRow:
    """Return the row of a draft that was stored just now."""
    return MessageRow(
        message_id, d.conversation_id, d.sender, d.receiver, d.receiver_type, d.category, d.type,
        d.sent_at, d.sent_at, None, None, None, None, None, None, d.body,
        d.parent_id, 0, None, None, d.quoted_id, d.traits,
    )  # fmt: skip


def insert(table: str, columns: Iterable[str]) -> str:
    """Return the statement that inserts `:row`, made by `as_row`."""
    names = ", ".join(columns)
    return f"INSERT INTO {table} ({names}) SELECT {names} FROM jsonb_populate_record(NULL::{table}, :row::jsonb)"


def update(table: str, columns: Iterable[str], where: str) -> str:
    """Return the statement that sets columns to those of `:row`, made by `as_row`."""
    names = ", ".join(columns)
    source = f"SELECT {names} FROM jsonb_populate_record(NULL::{table}, :row::jsonb)"
    return f"UPDATE {table} SET ({names}) = ({source}) WHERE {where}"


def as_row(columns: Mapping[str, object]) -> str:
    """Return the values of columns as the value `:row` of `insert` and `update`."""
    return msgspec.json.encode(columns).decode()


def texts_of(name: str) -> str:
    """Return a subquery for use after `IN` or `FROM`, with a row for each string of the JSON array `:name`."""
    return f"(SELECT jsonb_array_elements_text(:{name}::jsonb))"


def queue_events(unit: Unit, events: Sequence[QueuedEvent], now: int) -> None:
    """Queue events in the unit of the change that they report. The change has no message.

    Args:
        now: seconds since 1970.
    """
    for event in events:
        unit.run(
            "INSERT INTO deliveries (webhook, trigger, body, attempt, due_at, queued_at)"
            " VALUES (:webhook, :trigger, :body::bytea, 0, 0, :now::bigint)",
            webhook=event.webhook, trigger=event.trigger, body=event.body or b'{"message":null}', now=now,
        )  # fmt: skip


def use_files(unit: Unit, place: str, key: str | int, names: Iterable[str], now: int) -> None:
    """Store in a unit that a message, user or group refers to these files and to no others.

    Args:
        place: `message`, `user` or `group`.
        key: the id, uid or guid.
        now: seconds since 1970.
    """
    values: dict[str, Any] = {"place": place, "key": str(key), "names": sorted(set(names)), "now": now}
    if values["names"]:
        unit.run(
            f"UPDATE files SET used = 1, unused_since = NULL WHERE used < 2 AND name IN {texts_of('names')}"
            " AND NOT EXISTS (SELECT FROM file_uses u WHERE u.place = :place AND u.key = :key AND u.name = files.name)",
            **values,
        )
        unit.run(
            "INSERT INTO file_uses (place, key, name) SELECT :place, :key, f.name FROM files f"
            f" WHERE f.used < 2 AND f.name IN {texts_of('names')} ON CONFLICT DO NOTHING",
            **values,
        )
    # The uses that the statement deletes are still there for its other part.
    unit.run(
        "WITH gone AS (DELETE FROM file_uses WHERE place = :place AND key = :key"
        f" AND name NOT IN {texts_of('names')} RETURNING name)"
        " UPDATE files f SET unused_since = :now::bigint FROM gone WHERE f.name = gone.name AND f.used < 2"
        " AND NOT EXISTS (SELECT FROM file_uses u WHERE u.name = f.name AND NOT (u.place = :place AND u.key = :key))",
        **values,
    )
