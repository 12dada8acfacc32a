"""The queue of receipts. They are written apart from messages, without the lock that `Lane` takes, so that they never
delay messages.

Receipts that come while a batch is written form the next batch. Of the receipts of one reader in one conversation, only
the highest is written. After a large batch there is a pause, so that more receipts can be merged. Batches have negative
numbers. If the answer to one is lost, the same batch is sent again under the same number; if it was already committed,
the database only returns the answer again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from tailwire.server.ports.conversations import ConversationKey
from tailwire.server.ports.records import ReadStateChange
from tailwire.server.ports.refusal import Refused
from tailwire.server.store.postgres.connecting import Connection
from tailwire.server.store.postgres.drafts import QueuedEvent
from tailwire.server.store.postgres.failures import Failure, classify
from tailwire.server.store.postgres.lane import (
    CALL_SECONDS,
    FIRST_RETRY_SECONDS,
    LONGEST_RETRY_SECONDS,
    UNREACHABLE_SECONDS,
    LaneClosed,
)
from tailwire.server.store.sql.write_errors import WriteErrors

MANY_RECEIPTS, PAUSE_SECONDS = 32, 0.1  # after a batch of that many, receipts are collected for that long
MAX_BATCH_RECEIPTS = 500
MAX_WAITING_RECEIPTS = 20_000
MAX_ATTEMPTS_FOR_ROWS = 200
"""How often a batch is sent again because another write had locked the row of a message."""
_ARGUMENT_COUNT = 17
CALL_SQL = f"SELECT answers FROM tailwire_receipts_1({', '.join(f'${n}' for n in range(1, _ARGUMENT_COUNT + 1))})"


class _Key(NamedTuple):
    # Receipts with the same key are merged. They are written in the order of their keys.
    conversation: ConversationKey
    reader: str
    read: bool
    group: str
    log: bool


@dataclass(slots=True)
class _Receipt:
    # The merged receipts of one key: the highest id and time. `waiting` has the id, sender and future of each call of
    # `submit`. `notes` are for the change log: for each sender, the reader's device and the highest id.
    key: _Key
    up_to: int
    now: int
    waiting: list[tuple[int, str, asyncio.Future[ReadStateChange | None]]]
    events: list[QueuedEvent]
    notes: dict[str, tuple[str, int]]


class ReceiptLane:
    """Sends batches of receipts, one after the other, over a connection of its own.

    Args:
        connect: makes a connection.
        process: returns the id of this process in the database.
        errors: records whether the database can be written to; shared with `Lane`.

    Attributes:
        tries: how often batches were sent, repetitions included.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[Connection]],
        process: Callable[[], int],
        errors: WriteErrors,
    ) -> None:
        self._connect = connect
        self._process = process
        self._errors = errors
        self._connection: Connection | None = None
        self._waiting: dict[_Key, _Receipt] = {}
        self._number = 0
        self.tries = 0
        self._task: asyncio.Task[None] | None = None
        self._closed = False
        self._in_a_hurry = asyncio.Event()

    def submit(
        self,
        key: tuple[ConversationKey, str, bool, str, bool],
        up_to: int,
        now: int,
        events: Sequence[QueuedEvent],
        sender: str = "",
        device: str = "",
    ) -> asyncio.Future[ReadStateChange | None]:
        """Submit a receipt to the next batch, and return a future for its result, which is set after the commit.

        The result is None if the reader had already received or read these messages. If nothing was written, the future
        has an exception: `Refused` with ERR_UNAVAILABLE if the database cannot write, or a database error if this
        receipt is invalid.

        Args:
            key: the conversation; the reader's uid; True for read, False for delivered; the guid, or "" in a
                conversation of two users; and whether a receipt in a group is kept for each member, and logged.
            up_to: the id up to which the reader has received or read the messages.
            now: seconds since 1970.
            events: the receipt's events for webhooks, which are queued if it is stored.
            sender: the sender of the message `up_to`, for the change log.
            device: the device of the reader, for the change log.

        Raises:
            Refused: ERR_UNAVAILABLE, too many receipts wait already.
            LaneClosed: the store is closed.
        """
        if self._closed:
            raise LaneClosed("the store is closed")
        if len(self._waiting) >= MAX_WAITING_RECEIPTS:
            raise Refused("ERR_UNAVAILABLE", "Too many writes wait. Nothing was stored; try again.", retry_after=1.0)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[ReadStateChange | None] = loop.create_future()
        whole = _Key(*key)
        receipt = self._waiting.get(whole)
        if receipt is None:
            receipt = self._waiting[whole] = _Receipt(whole, up_to, now, [], [], {})
        receipt.up_to, receipt.now = max(receipt.up_to, up_to), max(receipt.now, now)
        receipt.waiting.append((up_to, sender, future))
        if (whole.log or not whole.group) and up_to > receipt.notes.get(sender, ("", 0))[1]:
            receipt.notes[sender] = device, up_to
        receipt.events += events
        if self._task is None:
            self._task = loop.create_task(self._run(), name="tailwire receipts")
        return future

    async def _run(self) -> None:
        while self._waiting:
            keys = sorted(self._waiting)[:MAX_BATCH_RECEIPTS]
            await self._write([self._waiting.pop(key) for key in keys])
            if len(keys) >= MANY_RECEIPTS and not self._closed:
                try:
                    async with asyncio.timeout(PAUSE_SECONDS):
                        await self._in_a_hurry.wait()
                except TimeoutError:
                    continue
        self._task = None

    async def _write(self, batch: list[_Receipt]) -> None:
        try:
            answers = await self._call(batch)
        except Refused as refusal:
            for receipt in batch:
                _fail(receipt, refusal)
        except Exception as e:  # noqa: BLE001 - the result of the receipt that is at fault
            if len(batch) == 1:
                _fail(batch[0], e)
                return
            half = len(batch) // 2  # one receipt is at fault: only that one may fail
            await self._write(batch[:half])
            await self._write(batch[half:])
        else:
            self._errors.record_success()
            numbers = iter(answers["numbers"])
            for receipt, answer in zip(batch, answers["receipts"], strict=True):
                _answer(receipt, answer, numbers)

    async def _call(self, batch: list[_Receipt]) -> dict[str, Any]:
        clock = asyncio.get_running_loop().time
        self._number -= 1
        arguments = [self._process(), self._number, *_columns(batch)]
        given_up_at = clock() + (0 if self._errors.current else UNREACHABLE_SECONDS)
        pause = FIRST_RETRY_SECONDS
        locked = 0
        while True:
            try:
                if self._connection is None or self._connection.is_closed():
                    self._connection = await self._connect()
                self.tries += 1
                found = await self._connection.fetchval(CALL_SQL, *arguments, timeout=CALL_SECONDS)
                return dict(msgspec.json.decode(found))
            except Exception as e:
                failure = classify(e)
                if failure is Failure.ENTRY:
                    raise
                if failure is not Failure.BUSY:
                    self._throw_away()
                if failure is Failure.UNABLE:
                    raise self._errors.record_failure(e) from e
                if failure is Failure.BUSY and locked < MAX_ATTEMPTS_FOR_ROWS:
                    locked += 1
                    pause = FIRST_RETRY_SECONDS
                elif clock() >= given_up_at:
                    raise self._errors.record_failure(e) from e
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_RETRY_SECONDS)

    def _throw_away(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def close(self) -> None:
        """Refuse new receipts, wait for those that were submitted, and close the connection."""
        self._closed = True
        self._in_a_hurry.set()
        while self._task is not None:
            await asyncio.wait([self._task])
        self._throw_away()

    def abandon(self) -> None:
        """Stop at once and without waiting, as if the process had been killed."""
        self._closed = True
        if self._task is not None:
            self._task.cancel()
        self._throw_away()


def _columns(batch: list[_Receipt]) -> list[list[Any] | None]:
    keys = [receipt.key for receipt in batch]
    events = [
        (number, event.webhook, event.trigger, event.body or b'{"message":null}')
        for number, receipt in enumerate(batch, 1)
        for event in receipt.events
    ]
    notes = [
        (number, sender, device, up_to)
        for number, receipt in enumerate(batch, 1)
        for sender, (device, up_to) in receipt.notes.items()
    ]
    return [
        [key.conversation for key in keys], [key.reader for key in keys], [receipt.up_to for receipt in batch],
        [receipt.now for receipt in batch],
        [key.read for key in keys], [key.group for key in keys], [key.log for key in keys],
        *([list(column) for column in zip(*notes, strict=True)] if notes else [None] * 4),
        *([list(column) for column in zip(*events, strict=True)] if events else [None] * 4),
    ]  # fmt: skip


def _fail(receipt: _Receipt, error: Exception) -> None:
    for _, _, future in receipt.waiting:
        if not future.cancelled():
            future.set_exception(error)


def _answer(receipt: _Receipt, answer: dict[str, Any], numbers: Iterator[int]) -> None:
    # The results are as if the receipts had been written one after the other: only those that moved the mark report a
    # change, and only the highest one reports what all members have received.
    before = answer["before"]
    numbers_of, by_all = dict[tuple[str, int], int](), tuple[tuple[str, int, bool, int], ...]()
    if before is not None:
        for sender, (_, up_to) in receipt.notes.items():
            if up_to > before:
                numbers_of[sender, up_to] = next(numbers)
        by_all = tuple((sender, number, read, next(numbers)) for sender, number, read in answer["all"])
    for up_to, sender, future in receipt.waiting:
        moved = before is not None and up_to > before
        before = up_to if moved else before
        if future.cancelled():
            continue
        number = numbers_of.get((sender, up_to), 0)
        future.set_result(ReadStateChange(by_all if up_to == receipt.up_to else (), number) if moved else None)
