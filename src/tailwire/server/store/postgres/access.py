"""Writes that depend on rows that were read: read, decide, write; and start over if the rows changed meanwhile.

All parts of the store (`users`, `groups`, `messages` …) write in this way.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
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
from tailwire.server.store.postgres.unit import Answer, Unit, Value
from tailwire.server.store.sql import removed_names
from tailwire.server.store.sql.connection import Connection

T = TypeVar("T")
MAX_ATTEMPTS = 20
"""How often `DatabaseAccess.decide` tries before it gives up. Decisions of one process about the same object take
turns, so only other processes and sent messages can change it between its reading and its writing."""


class OvertakenError(Exception):
    """The rows on which a decision was based changed before it was written. Nothing was written."""


class Turns:
    """A lock for each key, granted in the order of the calls. Keys without a holder take no memory."""

    def __init__(self) -> None:
        self._locks: dict[object, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def hold(self, key: object) -> AsyncIterator[None]:
        """Wait for the lock of a key, and hold it within the context."""
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
    """What the parts of the store share: reads, and writes that depend on what was read.

    Attributes:
        reads: the connections for reads.
        lane: the queue of writes; sends them in batches.
        world: the clock.
        accompaniment: adds the audit log entry of the current request to a unit.
        numbers: checks and stores the number of the current request.
        feed: notified of the cached rows that a unit has changed (`Unit.invalidate`), before `carry_out` returns or
            raises. Other processes read the same in the log.
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
        """Write a unit, together with the current request's number and audit log entry if no write has stored them.

        Args:
            draft: the message that announces the change, stored only if the unit is carried out to its end; None for
                none.
            events: the draft's events for webhooks, as `Webhooks.wanted_events` returns them.

        Returns:
            The answer to the steps that the caller added. A unit that ended early raises nothing: see `Answer.ended`.

        Raises:
            OvertakenError: a `require_unchanged` condition of the unit no longer holds. Nothing was written.
            Refused: ERR_REQUEST_OUTDATED, the number of the request is not higher than the stored one; ERR_UNAVAILABLE,
                the database cannot write, or too many writes wait; for a unit with a message the refusals of
                `check_names`, if a later write of the same batch removed the group or user: the unit was carried out
                before, and what it changed was removed.
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
        if draft is not None and answer.ended is None and not answer.message_id:
            await self.check_names(draft)
            raise OvertakenError  # another one has its name by now
        return answer if number is None else without_step(answer, place)

    async def check_names(self, draft: Draft) -> None:
        """Check that neither the sender nor the receiver of a message was removed lately.

        Raises:
            Refused: ERR_UID_NOT_FOUND, ERR_GUID_NOT_FOUND: one of them was.
        """
        removed = await self.reads.first_row(removed_names.REMOVED_SQL, removed_names.names_of(draft))
        if removed is not None:
            raise removed_names.refusal(*removed)

    async def decide(self, key: object, attempt: Callable[[], Awaitable[T]]) -> T:
        """Call `attempt`, again after each `OvertakenError`, and return its result.

        Args:
            key: identifies the object that is changed, such as `("group", guid)`. Calls of this process with the same
                key run one after the other.
            attempt: reads, decides, and writes with `carry_out`.

        Raises:
            Refused: raised by `attempt`; ERR_UNAVAILABLE, `attempt` was overtaken `MAX_ATTEMPTS` times.
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
    """Return the stored message of a unit that was carried out to its end.

    Args:
        draft: the message, as it was passed to `DatabaseAccess.carry_out`.
        answer: the unit's answer, which has the ids.
    """
    return Stored(new_row(draft, answer.message_id), new=True, predecessor_id=answer.predecessor_id)


def new_row(d: Draft, message_id: int) -> MessageRow:
    """Return the row of a draft that was just stored under an id, without reading it."""
    return MessageRow(
        message_id, d.conversation_id, d.sender, d.receiver, d.receiver_type, d.category, d.type,
        d.sent_at, d.sent_at, None, None, None, None, None, None, d.body,
        d.parent_id, 0, None, None, d.quoted_id, d.traits,
    )  # fmt: skip


def insert(table: str, columns: Iterable[str]) -> str:
    """Return the statement that inserts one row, for `Unit.run` with `row=as_row(…)`.

    Args:
        columns: the columns to set; `:row` must have a value for each.
    """
    names = ", ".join(columns)
    return f"INSERT INTO {table} ({names}) SELECT {names} FROM jsonb_populate_record(NULL::{table}, :row::jsonb)"


def update(table: str, columns: Iterable[str], where: str) -> str:
    """Return the statement that updates rows, for `Unit.run` with `row=as_row(…)`.

    Args:
        columns: the columns to set; `:row` must have a value for each.
        where: the condition on the rows, in SQL.
    """
    names = ", ".join(columns)
    source = f"SELECT {names} FROM jsonb_populate_record(NULL::{table}, :row::jsonb)"
    return f"UPDATE {table} SET ({names}) = ({source}) WHERE {where}"


def as_row(columns: Mapping[str, object]) -> str:
    """Return column values as JSON, for the value `:row` of `insert` and `update`."""
    return msgspec.json.encode(columns).decode()


def texts_of(name: str) -> str:
    """Return a subquery for use after `IN` or `FROM`, with a row for each string of the JSON array `:name`."""
    return f"(SELECT jsonb_array_elements_text(:{name}::jsonb))"


@dataclass(frozen=True, slots=True)
class DrawnId:
    """An id that a step of a unit draws from a sequence, so that ids are in the order of the commits.

    The process does not know it when it describes the steps that follow. In their texts a number stands for it.

    Attributes:
        placeholder: the number, which does not occur in these texts otherwise.
        sequence: the name of the sequence.
    """

    placeholder: int
    sequence: str

    @property
    def values(self) -> dict[str, Value]:
        """The values that a statement with `replaced` needs."""
        return {"placeholder": str(self.placeholder), "sequence": self.sequence}

    @staticmethod
    def replaced(text: str) -> str:
        """Return the SQL of a text in which the id is put in place of the number.

        Args:
            text: the SQL of the text.
        """
        return f"replace({text}, :placeholder, currval(:sequence::regclass)::text)"


def queue_events(unit: Unit, events: Sequence[QueuedEvent], now: int, drawn: DrawnId | None = None) -> None:
    """Add steps to a unit that queue events for webhooks, of a change without a message.

    Events of a message are passed to `DatabaseAccess.carry_out` instead.

    Args:
        now: seconds since 1970.
        drawn: an id in the events that an earlier step of the unit draws; None if they have none.
    """
    body, more = ":body::bytea", dict[str, Value]()
    if drawn is not None:
        text = drawn.replaced(f"convert_from({body}, 'UTF8')")
        body = f"convert_to({text}, 'UTF8')"
        more = drawn.values
    for event in events:
        unit.run(
            "INSERT INTO deliveries (webhook, trigger, body, attempt, due_at, queued_at)"
            f" VALUES (:webhook, :trigger, {body}, 0, 0, :now::bigint)",
            webhook=event.webhook, trigger=event.trigger, body=event.body or b'{"message":null}', now=now, **more,
        )  # fmt: skip


def use_files(unit: Unit, place: str, key: str | int, names: Iterable[str], now: int) -> None:
    """Add steps to a unit that store which uploaded files an object refers to: these and no others.

    Files that lose their last reference count as unused from now on. Names without a record are ignored.

    Args:
        place: the kind of the object: `message`, `user` or `group`.
        key: the id of the message, the uid or the guid.
        names: the names of the files; empty for none.
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
    # Both parts of the statement see the same snapshot: for the second, the deleted rows are still there.
    unit.run(
        "WITH gone AS (DELETE FROM file_uses WHERE place = :place AND key = :key"
        f" AND name NOT IN {texts_of('names')} RETURNING name)"
        " UPDATE files f SET unused_since = :now::bigint FROM gone WHERE f.name = gone.name AND f.used < 2"
        " AND NOT EXISTS (SELECT FROM file_uses u WHERE u.name = f.name AND NOT (u.place = :place AND u.key = :key))",
        **values,
    )
