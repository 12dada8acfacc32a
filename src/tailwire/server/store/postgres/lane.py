"""The lane: the queue of writes. What was submitted while a batch was written forms the next batch (group commit).

A batch is one call of the SQL function `tailwire_batch_1`, so it is one transaction that ends within the database: it
takes a lock that all processes share, assigns the message ids, writes and commits, and never waits for this process. So
ids rise in the order of the commits of all processes, and a process that stops in the middle of a batch blocks no
other.

Batches are numbered. If the answer to one is lost, the same batch is sent again under the same number. If it was
committed before, the database only returns the answer again. So nothing is stored twice, with or without a muid.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import msgspec

from tailwire.server.ports.changes import Change
from tailwire.server.ports.log import Batch, BatchObserver
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.world import World
from tailwire.server.store.postgres.connecting import UNUSABLE, Connection
from tailwire.server.store.postgres.drafts import CALL_BATCH_SQL, Entry, encode
from tailwire.server.store.postgres.failures import Failure, classify
from tailwire.server.store.postgres.starts import Starts
from tailwire.server.store.postgres.unit import Answer, Unit
from tailwire.server.store.sql.write_errors import WriteErrors
from tailwire.server.telemetry.logs import log

MAX_BATCH_WRITES = 500
MAX_WAITING_WRITES = 5_000
MAX_WAITING_BYTES = 32 * 1024 * 1024
CALL_SECONDS = 5.0
"""How long an answer may take; then it counts as lost. Before that the database gives up waiting for the lock."""
UNREACHABLE_SECONDS = 5.0
"""How long writes are retried while the database does not answer, before they are refused."""
FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS = 0.02, 0.5
LEASE_SECONDS = 10
_HAS_USERS_CONDITION = "EXISTS (SELECT FROM presence p WHERE p.process = $1)"
LEASE_SQL = f"""INSERT INTO processes (name, serving, keys, until)
VALUES ($1, $2, $3, clock_timestamp() + interval '{LEASE_SECONDS} seconds') RETURNING id"""

# If users are still stored as online at the process, its row is kept for the grace period. Then another process
# declares it dead, and reports these users as offline unless they are online elsewhere.
LEAVE_SQL = f"""WITH free AS (DELETE FROM leases WHERE process = $1),
kept AS (UPDATE processes SET serving = false, keys = '', until = clock_timestamp() + make_interval(secs => $2)
WHERE id = $1 AND {_HAS_USERS_CONDITION}) DELETE FROM processes WHERE id = $1 AND NOT {_HAS_USERS_CONDITION}"""


class LaneClosed(RuntimeError):
    """The store is closed and accepts no writes."""


class Placement(NamedTuple):
    """The result of storing a draft.

    Attributes:
        id: the id of the message; that of the earlier message if the sender has used the muid before; 0 if nothing was
            stored, because the sender is not a member of the group, the sender, the receiver or the message with this
            muid was removed, or the unit of the draft was not carried out to its end.
        new: True if the draft was stored now.
        predecessor_id: the id of the previous message of the conversation; 0 if there is none, or `new` is False.
    """

    id: int
    new: bool
    predecessor_id: int


class _Pending(NamedTuple):
    entry: Entry
    future: asyncio.Future[Any]


class Lane:
    """Sends batches of writes, one after the other, over a connection of its own.

    Args:
        connect: makes a connection.
        name: the name of this process, for administrators.
        serving: True if this process is a server; False for a command.

    Attributes:
        errors: records whether the database can be written to.
        process: the id of this process in the database; it changes after others have declared the process dead.
        starts: the starts of the store (see `starts`); each new connection is checked against them.
        keys: a hash of the secret keys that all servers of the database share; "" if it is not known yet.
        grace: seconds for which the users of this process still count as online after it has ended.
        on_batch: called after each batch with the seconds that it took until it was answered.
        observer: notified of each batch that has taken ids, before and after its futures are set; None for nobody.
        backend: the process id of the PostgreSQL backend that carries out the batches; the last one if the connection
            was lost; 0 before the first connection.
        renewed_at: when this process sent its last successful request for its lease (see `processes`), on the clock of
            the event loop. The lease lasts at least `LEASE_SECONDS` from then.
    """

    def __init__(
        self, connect: Callable[[], Awaitable[Connection]], world: World, name: str, *, serving: bool = False
    ) -> None:
        self._connect = connect
        self._world = world
        self._name = name
        self._serving = serving
        self._connection: Connection | None = None
        self._waiting: deque[_Pending] = deque()
        self._waiting_bytes = 0
        self._task: asyncio.Task[None] | None = None
        self._closed = False
        self._number = 0
        self._on_new_identity: list[Callable[[], None]] = []
        self.process = 0
        self.renewed_at = 0.0
        self._distrusted = False
        self.starts = Starts(world)
        self.keys = ""
        self.grace = 0.0
        self.errors = WriteErrors()
        self.on_batch: Callable[[float], None] = lambda seconds: None
        self.observer: BatchObserver | None = None
        self.backend = 0

    async def open(self) -> None:
        """Connect, and register this process.

        Raises:
            One of `connecting.UNUSABLE`: the database cannot be used.
        """
        connection = await self._checked_connection()
        self.process = await self._register(connection)

    async def _register(self, connection: Connection) -> int:
        requested_at = asyncio.get_running_loop().time()
        number = int(await connection.fetchval(LEASE_SQL, self._name, self._serving, self.keys, timeout=CALL_SECONDS))
        self.renewed_at = requested_at
        return number

    def on_new_identity(self, call: Callable[[], None]) -> None:
        """Register a function that is called after others have declared this process dead and it has registered again.

        What the process keeps in memory may be outdated then, and its leases are lost.
        """
        self._on_new_identity.append(call)

    def submit(self, entry: Entry) -> asyncio.Future[Any]:
        """Submit an entry to the next batch, and return a future for its result, which is set after the commit.

        The result is an `Answer` if the entry has a unit, otherwise a `Placement`. If nothing was written, the future
        has an exception instead: `Refused` with ERR_UNAVAILABLE if the database cannot write, or a database error if
        this entry is invalid.

        Raises:
            Refused: ERR_UNAVAILABLE, too many writes wait already.
            LaneClosed: the store is closed.
        """
        if self._closed:
            raise LaneClosed("the store is closed")
        if len(self._waiting) >= MAX_WAITING_WRITES or self._waiting_bytes + entry.size > MAX_WAITING_BYTES:
            raise Refused("ERR_UNAVAILABLE", "Too many writes wait. Nothing was stored; try again.", retry_after=1.0)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self._waiting.append(_Pending(entry, future))
        self._waiting_bytes += entry.size
        if self._task is None:
            self._task = loop.create_task(self._run(), name="tailwire store lane")
        return future

    async def _run(self) -> None:
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(MAX_BATCH_WRITES, len(self._waiting)))]
            self._waiting_bytes -= sum(pending.entry.size for pending in batch)
            await self._write([pending for pending in batch if not pending.future.cancelled()])
        self._task = None

    async def _write(self, batch: list[_Pending]) -> None:
        if not batch:
            return
        began = time.perf_counter()
        try:
            row = await self._call([pending.entry for pending in batch])
        except Refused as refusal:
            for pending in batch:
                _fail(pending.future, refusal)
        except Exception as e:  # noqa: BLE001 - the result of the entry that is at fault
            if len(batch) == 1:
                _fail(batch[0].future, e)
                return
            half = len(batch) // 2  # one entry is at fault: only that one may fail
            await self._write(batch[:half])
            await self._write(batch[half:])
        else:
            self.errors.record_success()
            self.on_batch(time.perf_counter() - began)
            has_ids = row["last"] >= row["first"]
            if has_ids:
                self.starts.record_given_out(row["last"])
            if self.observer is None or not has_ids:
                _answer(batch, row)
                return
            self.observer.committed(_batch_of(batch, row))
            _answer(batch, row)
            self.observer.answered()

    async def _call(self, entries: list[Entry]) -> Any:
        # Returns the row of the function. Repeats the batch until it is answered, refused, or given up.
        clock = asyncio.get_running_loop().time
        self._number += 1
        arguments = encode(self._head(), self._world.seconds(), entries)
        given_up_at = clock() + (0 if self.errors.current else UNREACHABLE_SECONDS)
        pause = FIRST_RETRY_SECONDS
        looked = unknown = False  # unknown: whether the batch was sent, and its answer was lost
        while True:
            sent = False
            try:
                connection = await self._checked_connection()
                arguments[: len(self._head())] = self._head()
                sent = True
                return await connection.fetchrow(CALL_BATCH_SQL, *arguments, timeout=CALL_SECONDS)
            except Exception as e:
                failure = classify(e)
                if failure is Failure.ENTRY:
                    raise
                unknown = (unknown and failure is not Failure.DEAD) or (sent and failure is Failure.LOST)
                if failure in (Failure.LOST, Failure.UNABLE):
                    self._throw_away()  # an unable server may have become a standby: another one may be found
                if failure is Failure.UNABLE:
                    raise self.errors.record_failure(e, unknown=unknown) from e
                if failure is Failure.DEAD and await self._take_new_identity():
                    continue  # however long ago it was submitted: while this process was paused, nothing was tried
                if failure is Failure.ANOTHER and not looked:
                    looked = self._distrusted = True
                    continue
                if clock() >= given_up_at:
                    raise self.errors.record_failure(e, unknown=unknown) from e
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_RETRY_SECONDS)

    async def _checked_connection(self) -> Connection:
        if self._connection is None or self._connection.is_closed():
            self._connection = await self._connect()
            self.backend = self._connection.get_server_pid()
            self._distrusted = True
        if self._distrusted:
            await self.starts.check(self._connection)
            self._distrusted = False
        return self._connection

    def recheck_start(self) -> None:
        """Check again, in the background, whether the database has another start than the one that is known.

        Submits an empty write, before which the check is made, and returns at once.

        Raises:
            Refused, LaneClosed: as for `submit`.
        """
        self._distrusted = True
        self.submit(Entry(unit=Unit())).add_done_callback(_report)

    def _head(self) -> tuple[int, int, str, int]:
        return self.process, self._number, self.starts.mark, self.starts.highest

    def _throw_away(self) -> None:
        # The driver may be left in the middle of an exchange, so the connection is not used again.
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def _take_new_identity(self) -> bool:
        # The refused batch was not carried out, and never will be under the old identity. Returns False if this process
        # could not be registered again.
        log.warning("other servers have declared this one dead: it continues under a new identity")
        try:
            self.process = await self._register(await self._checked_connection())
        except UNUSABLE as e:
            log.warning("no new identity yet: %s", e)
            self._throw_away()
            return False
        for call in self._on_new_identity:
            call()
        return True

    @property
    def busy(self) -> bool:
        """Whether a write is in progress or waiting."""
        return self._task is not None

    async def close(self) -> None:
        """Refuse new writes, wait for those that were submitted, and unregister this process.

        If users are still stored as online at this process, its row stays for `grace` seconds. Then another process
        reports them as offline.
        """
        self._closed = True
        while self._task is not None:
            await asyncio.wait([self._task])
        if self._connection is not None:
            with contextlib.suppress(*UNUSABLE):
                await self._connection.execute(LEAVE_SQL, self.process, self.grace, timeout=1)
                await self._connection.close(timeout=1)
        self._throw_away()

    def abandon(self) -> None:
        """Stop at once and without waiting, as if the process had been killed."""
        self._closed = True
        if self._task is not None:
            self._task.cancel()
        self._throw_away()


def _fail(future: asyncio.Future[Any], error: Exception) -> None:
    if not future.cancelled():
        future.set_exception(error)


def _report(done: asyncio.Future[object]) -> None:
    if not done.cancelled() and done.exception() is not None:
        log.warning("it is not known yet whether the database was replaced: %s", done.exception())


def _batch_of(batch: list[_Pending], row: Any) -> Batch:
    # The changes of units that were carried out have the ids after those of the drafts, in the order of the units.
    ids, answers = row["ids"], iter(msgspec.json.decode(row["answers"]) if row["answers"] else ())
    next_id, position = row["first"] + len(ids), 0
    changes: list[Change] = []
    for entry, _ in batch:
        position += entry.draft is not None
        unit = entry.unit
        if unit is None or next(answers).get("ended", 0) is not None:
            continue
        # The id of a unit's message is known even if the message was refused, as its group was removed in the batch.
        changes += [Change(row["first"] + position - 1, kind, key) for kind, key in unit.with_message]
        for kind, key in unit.changes:
            changes.append(Change(next_id, kind, key))
            next_id += 1
    new = [number for number in ids if number > 0]
    return Batch(row["first"], row["last"], new, tuple(sorted(changes)))


def _answer(batch: list[_Pending], row: Any) -> None:
    # Sets the results in the order of the ids.
    ids, befores = row["ids"], row["befores"]
    answers = iter(msgspec.json.decode(row["answers"]) if row["answers"] else ())
    position = 0
    for entry, future in batch:
        placed = Placement(0, new=False, predecessor_id=0)
        if entry.draft is not None:
            number = ids[position]
            placed = Placement(abs(number), new=number > 0, predecessor_id=befores[position] if number > 0 else 0)
            position += 1
        result: Placement | Answer = placed
        if entry.unit is not None:
            answer = next(answers)
            result = Answer(
                answer.get("again", False), tuple(answer.get("results", ())), answer.get("ended"), placed.id,
                placed.predecessor_id,
            )  # fmt: skip
        if not future.cancelled():
            future.set_result(result)
