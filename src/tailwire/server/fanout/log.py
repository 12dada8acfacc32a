"""The log before the hub: with several processes, frames of stored messages reach sockets in the order of their ids.

The store is the truth; a broker makes it fast. A process passes an id when it knows that everything below has been
passed: its own commits and the records of others tell what is complete. What they do not tell is read from the store.
So a lost publication, a broken connection or a process that dies between commit and publication costs milliseconds,
and nothing is doubled or out of order.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable
from typing import Protocol

from tailwire.server.fanout.order import Order
from tailwire.server.ports.broker import (
    FramePublication,
    Listener,
    MembershipChange,
    Publication,
    Record,
    RemoteBroker,
    TokenRevoked,
    conversation_subjects,
    group_subject,
    user_subject,
)
from tailwire.server.ports.changes import Change, ChangeFeed
from tailwire.server.ports.log import Batch, LoggedChange, LoggedMessage, LogPage, LogReader, Look
from tailwire.server.ports.refusal import Refused
from tailwire.server.telemetry.logs import log
from tailwire.server.telemetry.metrics import Metrics

GAP_SECONDS = 0.1
LOOK_SECONDS = 1.0
LOOK_SECONDS_DISCONNECTED = 0.05
LONGEST_RETRY_SECONDS = 1.0
UNHEARD_SECONDS = 1800.0  # well below the hour for which changes are kept
MAX_HELD = 10_000
HELD_SECONDS = 1.0

Item = tuple[str, Publication] | LoggedMessage | LoggedChange


class Sockets(Protocol):
    """The sockets of this process, as the log asks about them (see `Hub`)."""

    def in_group(self, uid: str, guid: str) -> bool:
        """Return whether a user has a socket that receives a group."""

    def leave_group(self, guid: str) -> None:
        """Unsubscribe all sockets from a group that was removed."""


class MessageLog:
    """`Broker` of a process that shares its store with others.

    Args:
        remote: reaches the other processes.
        reader: reads the log from the store.
        feed: is told of the changes of other processes; the store tells it of those of this one.
    """

    def __init__(
        self,
        remote: RemoteBroker,
        reader: LogReader,
        feed: ChangeFeed,
        metrics: Metrics,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._remote = remote
        self._reader = reader
        self._feed = feed
        self._metrics = metrics
        self._loop = loop
        self._order: Order[Item] = Order(0)
        self._subjects: set[str] = set()
        self._early: set[str] = set()  # groups that are subscribed before a user joins them
        self._listener: Listener = _no_listener
        self._frame: Callable[[LoggedMessage], FramePublication] = _no_frame
        self._sockets: Sockets | None = None
        # Of the commit that is being published, for the others.
        self._batch: list[tuple[str, Publication]] = []
        self._changes: tuple[Change, ...] = ()
        self._publishing = False
        self._recorded = 0  # the highest id that others have recorded
        self._read_now = False
        self._gap_since = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._reading: asyncio.Task[None] | None = None
        self._looking: asyncio.Task[None] | None = None
        self._looks: deque[tuple[int, float]] = deque()  # highest ids that are not passed yet, and when they were seen
        # Frames without an id that were sent behind messages which have not been passed: until which id, and when.
        self._held: deque[tuple[int, float, str, Publication]] = deque()
        self._closed = False

    def attach(self, sockets: Sockets, frame: Callable[[LoggedMessage], FramePublication]) -> None:
        """Set the sockets of this process, and what makes frames of messages that were read."""
        self._sockets, self._frame = sockets, frame

    async def start(self) -> None:
        """Connect to the other processes. What is stored from now on reaches the sockets of this process.

        Raises:
            Refused: the store does not answer.
        """
        await self._remote.start(self)
        try:
            look = await self._reader.look()
        except BaseException:
            await self._remote.close()
            raise
        self._order = Order(look.highest)
        self._looked(look, self._loop.time())
        self._looking = self._loop.create_task(self._look_again(), name="tailwire log")

    async def close(self) -> None:
        """Stop reading, and disconnect from the other processes."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        tasks = [task for task in (self._looking, self._reading) if task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await self._remote.close()

    # `Broker`.

    def listen(self, listener: Listener) -> None:
        """Set the function that receives each publication of a subscribed subject."""
        self._listener = listener

    def subscribe(self, subject: str) -> None:
        """Start receiving the publications of a subject."""
        self._subjects.add(subject)
        self._remote.subscribe(subject)

    def unsubscribe(self, subject: str) -> None:
        """Stop receiving the publications of a subject."""
        self._subjects.discard(subject)
        self._remote.unsubscribe(subject)

    async def confirmed(self) -> None:
        """Return when what is published from now on to the subscribed subjects is received."""
        await self._remote.confirmed()

    def publish(self, subject: str, publication: Publication) -> None:
        """Deliver a publication of this process to its sockets and to the other processes."""
        number = 0 if isinstance(publication, TokenRevoked) else publication.id
        if number:
            if self._remote.carries_messages and self._publishing and isinstance(publication, FramePublication):
                self._batch.append((subject, publication))
            if self._order.passes(number, (subject, publication)):
                self._deliver(subject, publication)
            elif not self._publishing:
                self._advance()
            return
        self._deliver_or_hold(subject, publication)
        if not isinstance(publication, MembershipChange):  # which other processes learn from the log
            self._remote.publish(subject, publication)

    # `BatchObserver`: the commits of this process.

    def committed(self, batch: Batch) -> None:
        """Take notice of a commit, before those who wait for it go on."""
        self._settle()
        self._publishing = True
        self._order.begin(batch)
        self._changes = batch.changes

    def answered(self) -> None:
        """Take notice that those who waited for the commit go on in this turn of the event loop."""
        self._loop.call_soon(self._settle)

    def _settle(self) -> None:
        # Everybody who waited for the commit has gone on. What they have not published is read from the store: by this
        # process at once, and by others because no record covers it.
        if not self._publishing:
            return
        self._publishing = False
        publications, self._batch = self._batch, []
        parts = self._order.finish()
        self._read_now |= len(parts) != 1
        for first, last in parts:
            part = [entry for entry in publications if first <= _number(entry[1]) <= last]
            changes = tuple(change for change in self._changes if first <= change.id <= last)
            self._remote.record(Record(first, last, changes), part)
        self._advance()

    # `Receiver`: news of other processes.

    def received(self, subject: str, publication: Publication) -> None:
        """Take a publication of another process."""
        number = publication.id if isinstance(publication, FramePublication) else 0
        if number:
            self._order.add(number, (subject, publication))
        else:
            self._deliver_or_hold(subject, publication)

    def recorded(self, record: Record) -> None:
        """Take the record of a batch of another process. Its publications have been received before."""
        if record.last <= self._order.end:
            return
        self._feed.tell(record.changes)
        self._recorded = max(self._recorded, record.last)
        if self._remote.carries_messages:
            if any(self._concerns_sockets(change) for change in record.changes):
                self._order.doubt(record.first, record.last)
            self._order.complete(record.first, record.last)
        else:
            self._order.see(record.last)
        self._advance()

    def _concerns_sockets(self, change: Change) -> bool:
        # Whether a change has consequences here that only the store knows exactly.
        kind, key = change.kind, change.key
        if kind == "member":
            return user_subject(key.partition("/")[2]) in self._subjects
        if kind == "group":
            return group_subject(key) in self._subjects
        return False

    def connection_changed(self) -> None:
        """Take notice that the connection to the broker was lost, or made again."""
        self._metrics.broker_connected = int(self._remote.connected)
        self._read_now = True
        if self._remote.carries_messages:
            self._order.doubt(self._order.end + 1)
        self._look_soon()
        self._advance()

    # The look at the highest id.

    def _look_soon(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
            self._looking = self._loop.create_task(self._look_again(now=True), name="tailwire log")

    async def _look_again(self, *, now: bool = False) -> None:
        while True:
            if not now:
                await asyncio.sleep(LOOK_SECONDS if self._remote.connected else LOOK_SECONDS_DISCONNECTED)
            now = False
            asked_at = self._loop.time()
            try:
                look = await self._reader.look()
            except (Refused, OSError) as e:
                log.debug("the log is looked at later: %s", e)
                await asyncio.sleep(LOOK_SECONDS_DISCONNECTED)
                continue
            self._looked(look, asked_at)

    def _looked(self, look: Look, asked_at: float) -> None:
        order = self._order
        missed_changes = order.end < look.oldest_change - 1 and look.highest > order.end
        if missed_changes or asked_at - self._feed.complete_at > UNHEARD_SECONDS:
            self._feed.tell(None)
        self._remote.alone = look.processes <= 1
        order.see(look.highest)
        self._looks.append((look.highest, asked_at))
        if not self._remote.connected:
            self._read_now = True
        self._advance()

    # Passing ids.

    def _advance(self) -> None:
        for item in self._order.release():
            self._deliver_item(item)
        self._after_passing()

    def _after_passing(self) -> None:
        # Releases what was held back, and decides whether to read, or when.
        order = self._order
        end = order.end
        while self._looks and self._looks[0][0] <= end:
            self._feed.complete_at = self._looks.popleft()[1]
        self._release_held(end)
        self._metrics.log_behind = order.highest - end
        if not (order.behind or order.doubtful):
            self._gap_since = 0.0
            self._read_now = False
            return
        if self._reading is not None or self._closed or self._publishing:
            return
        now = self._loop.time()
        self._gap_since = self._gap_since or now
        unread = self._recorded > end and not self._remote.carries_messages
        if self._read_now or unread or order.doubtful or now >= self._gap_since + GAP_SECONDS:
            self._reading = self._loop.create_task(self._read(), name="tailwire log reader")
        elif self._timer is None:
            self._timer = self._loop.call_at(self._gap_since + GAP_SECONDS, self._gap_is_old)

    def _gap_is_old(self) -> None:
        self._timer = None
        if self._order.behind and self._reading is None and self._gap_since:
            if self._loop.time() >= self._gap_since + GAP_SECONDS:
                self._metrics.log_gaps += 1
            self._after_passing()

    async def _read(self) -> None:
        # Reads what is known to be stored, a page at a time. If the store does not answer, it is asked again.
        pause = GAP_SECONDS
        goal = self._order.highest
        while self._order.end < goal or self._order.doubtful:
            try:
                if self._order.unconfirmed:
                    await self._believe()
                goal = max(goal, self._order.highest)
                page = await self._reader.read(self._order.end, goal)
                if self._subscribe_early(page):
                    continue
            except (Refused, OSError) as e:
                log.debug("the log is read later: %s", e)
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_RETRY_SECONDS)
                continue
            self._take(page)
            await asyncio.sleep(0)  # others have their turn between pages
        self._reading = None
        self._read_now = False
        self._gap_since = 0.0
        self._after_passing()

    async def _believe(self) -> None:
        # Publications count from the confirmation of their subscription; what was stored until then is read.
        await self._remote.confirmed()
        self._order.see((await self._reader.look()).highest)
        self._order.believe()

    def _subscribe_early(self, page: LogPage) -> bool:
        # Before users of this process join groups, it subscribes to them, so that nothing is missed from then on.
        if not self._remote.carries_messages:
            return False
        wanted = {
            group_subject(guid)
            for entry in page.changes
            if entry.change.kind == "member" and entry.holds
            for guid, _, uid in [entry.change.key.partition("/")]
            if user_subject(uid) in self._subjects
        } - self._subjects
        wanted -= self._early
        for subject in wanted:
            self._remote.subscribe(subject)
        self._early |= wanted
        if wanted:
            self._order.doubt(self._order.end + 1)
        return bool(wanted)

    def _take(self, page: LogPage) -> None:
        self._metrics.log_entries_read += len(page.messages) + len(page.changes)
        self._feed.tell([entry.change for entry in page.changes])
        items: defaultdict[int, list[Item]] = defaultdict(list)
        for change in page.changes:
            if change.holds:
                items[change.change.id].append(change)
        for message in page.messages:
            items[message.row.id].append(message)
        for change in page.changes:
            if not change.holds:  # a user who has left receives the message that says so
                items[change.change.id].append(change)
        for item in self._order.fill(page.up_to, items):
            self._deliver_item(item)
        for subject in self._early - self._subjects:
            self._remote.unsubscribe(subject)
        self._early.clear()
        self._after_passing()

    # Delivery to the sockets of this process.

    def _deliver(self, subject: str, publication: Publication) -> None:
        if subject in self._subjects:
            self._listener(subject, publication)

    def _deliver_item(self, item: Item) -> None:
        if isinstance(item, LoggedMessage):
            self._deliver_message(item)
        elif isinstance(item, LoggedChange):
            self._apply(item)
        else:
            self._deliver(*item)

    def _deliver_message(self, message: LoggedMessage) -> None:
        row = message.row
        subjects = [
            subject
            for subject in conversation_subjects(row.sender, row.receiver, row.receiver_type)
            if subject in self._subjects
        ]
        told = user_subject(message.told) if message.told else ""
        if told in self._subjects and self._sockets and not self._sockets.in_group(message.told, row.receiver):
            subjects.append(told)
        if subjects:
            publication = self._frame(message)
            for subject in subjects:
                self._listener(subject, publication)

    def _apply(self, entry: LoggedChange) -> None:
        kind, key = entry.change.kind, entry.change.key
        if kind == "member":
            guid, _, uid = key.partition("/")
            self._deliver(user_subject(uid), MembershipChange(guid, entry.holds))
        elif kind == "group" and not entry.holds and self._sockets is not None:
            self._sockets.leave_group(key)

    # Frames without an id keep their place behind messages.

    def _deliver_or_hold(self, subject: str, publication: Publication) -> None:
        order = self._order
        if (
            isinstance(publication, FramePublication)
            and not publication.droppable
            and (self._held or order.behind)
            and subject in self._subjects
        ):
            until = self._loop.time() + HELD_SECONDS
            self._held.append((order.highest, until, subject, publication))
            if len(self._held) == 1:
                self._loop.call_at(until, self._held_too_long)
            elif len(self._held) > MAX_HELD:
                self._deliver(*self._held.popleft()[2:])
            return
        self._deliver(subject, publication)

    def _release_held(self, end: int) -> None:
        while self._held and self._held[0][0] <= end:
            self._deliver(*self._held.popleft()[2:])

    def _held_too_long(self) -> None:
        now = self._loop.time()
        while self._held and self._held[0][1] <= now:
            self._deliver(*self._held.popleft()[2:])
        if self._held and not self._closed:
            self._loop.call_at(self._held[0][1], self._held_too_long)


def _number(publication: Publication) -> int:
    return publication.id if isinstance(publication, FramePublication) else 0


def _no_listener(subject: str, publication: Publication) -> None:
    raise RuntimeError("a publication came before the log was given a listener")


def _no_frame(message: LoggedMessage) -> FramePublication:
    raise RuntimeError("a message was read before the log was attached to the sockets")
