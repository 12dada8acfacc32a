"""Group commit on PostgreSQL: everything that was submitted since the last batch becomes the next one.

A batch is one call of the function `tailwire_batch_1`, hence one transaction that ends within the database: it takes
the app's lock, gives the ids, writes and commits, and never waits for this process. So ids rise in the order of the
commits over all processes, and a process that is stopped in the middle of a batch holds nothing up.

Batches are numbered. When the answer to one is lost, the same batch is sent again under its number, and is answered
with what it has done if it was committed already. So nothing is stored twice, with or without a muid.
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
"""An answer that takes longer counts as lost. The database gives up on the lock before that."""
UNREACHABLE_SECONDS = 5.0
"""How long writes wait for a database that does not answer, before they are refused."""
FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS = 0.02, 0.5
LEASE_SECONDS = 10
_HAS_USERS_CONDITION = "EXISTS (SELECT FROM presence p WHERE p.process = $1)"
LEASE_SQL = f"""INSERT INTO processes (name, serving, keys, until)
VALUES ($1, $2, $3, clock_timestamp() + interval '{LEASE_SECONDS} seconds') RETURNING id"""

# If users of the process are still stored, its row is kept for the grace period. Then other processes take the process
# for dead, and report the users who are not back.
LEAVE_SQL = f"""WITH free AS (DELETE FROM leases WHERE process = $1),
kept AS (UPDATE processes SET serving = false, keys = '', until = clock_timestamp() + make_interval(secs => $2)
WHERE id = $1 AND {_HAS_USERS_CONDITION}) DELETE FROM processes WHERE id = $1 AND NOT {_HAS_USERS_CONDITION}"""


class LaneClosed(RuntimeError):
    """The store is closed and accepts no writes."""


class Placement(NamedTuple):
    """Where a draft was stored.

    Attributes:
        id: its id; that of the earlier message if its sender has used its muid before; 0 if it was not stored, because
            its sender is not a member of the group, or its unit was not carried out to its end.
        new: whether it was stored now.
        predecessor_id: the id of the message before it in its conversation; 0 if there is none, or `new` is False.
    """

    id: int
    new: bool
    predecessor_id: int


class _Pending(NamedTuple):
    entry: Entry
    future: asyncio.Future[Any]


class Lane:
    """Sends batches, one after the other, over a connection of its own.

    Args:
        connect: makes a connection.
        name: of this process, for administrators.
        serving: whether this process is a server.

    Attributes:
        errors: records whether the database can be written to.
        process: this process's id in the database; a new one after others have declared it dead.
        starts: the starts of the store, which each new connection is checked against.
        keys: a hash of the keys that all servers share; "" if it is not known yet.
        grace: how long the users of this process count as online after it has ended, in seconds.
        on_batch: called with the seconds that each batch took until it was answered.
        observer: notified of each batch that has taken ids, before and after its futures are set; None for nobody.
        backend: the id of the database's process that carries out the batches, of the last one if the connection was
            lost; 0 before the first connection.
        renewed_at: when this process asked for its lease, or for the last renewal that was granted, by the clock of the
            event loop. The lease lasts at least `LEASE_SECONDS` from then, whenever the answer arrives.
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
        """Call a function after others have declared this process dead: what it keeps in memory may be outdated."""
        self._on_new_identity.append(call)

    def submit(self, entry: Entry) -> asyncio.Future[Any]:
        """Write an entry in the next batch, and return a future for its result.

        After the commit the future has a `Placement`, or the `Answer` of the unit if the entry has one. Otherwise it
        raises `Refused` with ERR_UNAVAILABLE if the database did not write, or the error of the entry that is at fault.

        Raises:
            Refused: ERR_UNAVAILABLE, because too much waits already.
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
            if row["ids"]:
                self.starts.highest = max(self.starts.highest, *row["ids"])
            if self.observer is None or row["last"] < row["first"]:
                _answer(batch, row)
                return
            self.observer.committed(_batch_of(batch, row))
            _answer(batch, row)
            self.observer.answered()

    async def _call(self, entries: list[Entry]) -> Any:
        # Returns the row of the function, once it is known what has become of the batch.
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
        """Check again which start the database is at, with a write that does nothing.

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
        # The refused batch was not carried out, and never will be under the old identity. Returns whether there is one.
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
        """Refuse new writes, finish what was submitted, and unregister this process.

        Its row stays for `grace` seconds if users are still stored as online there.
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
        """End at once, as the end of the process would."""
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
        changes += [Change(ids[position - 1], kind, key) for kind, key in unit.with_message]
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
