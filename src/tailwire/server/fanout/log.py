"""The log in front of the hub: with several processes, frames of messages reach sockets in the order of their ids.

The store is the truth; a broker makes it fast. A process passes an id when it knows that everything below has been
passed: its own commits and the records of others tell what is complete. The rest is read from the store.
So a lost publication, a broken connection or a process that dies between commit and publication costs milliseconds,
and nothing arrives twice or out of order.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections import defaultdict, deque
from collections.abc import Callable

from tailwire.server.fanout.change_healing import ChangeFrame, ChangeHealing
from tailwire.server.fanout.held import HeldFrames
from tailwire.server.fanout.local import Item, LocalDelivery, Sockets
from tailwire.server.fanout.looking import LogPoller
from tailwire.server.fanout.order import Order
from tailwire.server.fanout.passing import IdWaiters
from tailwire.server.ports.broker import (
    FramePublication,
    Listener,
    MembershipChange,
    Publication,
    Record,
    RemoteBroker,
)
from tailwire.server.ports.changes import ChangeFeed
from tailwire.server.ports.log import Batch, LoggedMessage, LogPage, LogReader, Look
from tailwire.server.ports.refusal import Refused
from tailwire.server.telemetry.logs import log
from tailwire.server.telemetry.metrics import Metrics

GAP_SECONDS = 0.1
CONFIRM_SECONDS = 0.25
LONGEST_RETRY_SECONDS = 1.0
SUBSCRIBED_SECONDS = 0.1
"""How soon after a subscription the store is asked which changes came before it."""
UNHEARD_SECONDS = 1800.0  # well below the hour for which changes are kept


class MessageLog:
    """The `Broker` of a process that shares its store with others.

    Args:
        remote: reaches the other processes.
        reader: reads the log from the store.
        feed: receives the changes of other processes; the store reports this process's own changes to it.

    Attributes:
        settled: all changes up to this number have been written to their sockets; 0 if that is not known.
        passed: a coroutine function that returns when everything up to a committed id has been delivered.
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
        self._local = LocalDelivery(loop)
        self._held = HeldFrames(self._local, loop)
        self._hold: Callable[[str, FramePublication | MembershipChange], None] = lambda subject, publication: (
            self._held.deliver_or_hold(self._order, subject, publication)
        )
        self._changes = ChangeHealing(
            reader, self._local.subjects.__contains__, self._hold, self._held.numbers, metrics, loop
        )

        def want(number: int) -> None:
            self._order.record_highest(number)
            self._read_now = True
            self._advance()

        self._waiters = IdWaiters(lambda: self._order.end, want)
        self.passed = self._waiters.wait_for
        self._poller = LogPoller(reader, lambda: remote.connected, self._on_look, loop)
        self._looks: deque[tuple[int, float]] = deque()  # highest ids that are not passed yet, and when they were seen
        self.settled = 0
        self._order: Order[Item] = Order(sys.maxsize)  # until `start` every id counts as passed
        self._early: set[str] = set()  # groups that are subscribed before a user joins them
        self._batch: Batch | None = None  # a commit of this process, while its publications come
        self._published: list[tuple[str, Publication]] = []  # the publications of `_batch`, for the other processes
        self._recorded = 0  # the highest id that others have recorded
        self._doubts = 0
        self._read_now = False
        self._gap_since = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._reading: asyncio.Task[None] | None = None
        self._closed = False

    def attach(
        self, sockets: Sockets, frame: Callable[[LoggedMessage], FramePublication], change_frame: ChangeFrame
    ) -> None:
        """Set the sockets of this process, and the functions that make frames of what was read from the store."""
        self._local.attach(sockets, frame)
        self._changes.attach(sockets, change_frame)

    async def start(self) -> None:
        """Connect to the other processes. What is stored from now on reaches the sockets of this process.

        Raises:
            Refused: the store does not answer.
        """
        await self._remote.start(self)
        try:
            doubts = self._doubts if await _is_confirmed(self._remote) else -1
            began = self._loop.time()
            look = await self._reader.look()
        except BaseException:
            await self._remote.close()
            raise
        self._order = Order(look.highest)
        self._changes.start(look.newest_change)
        if doubts != self._doubts:  # not confirmed, or the connection has changed meanwhile
            self._doubt()
        self._on_look(look, began)
        self._poller.start()

    async def close(self) -> None:
        """Stop reading, and disconnect from the other processes."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        self._held.close()
        self._local.close()
        await self._poller.close()
        await self._changes.close()
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])
        await self._remote.close()

    # `Broker`.

    def listen(self, listener: Listener) -> None:
        """Set the function that receives each publication of a subscribed subject."""
        self._local.listener = listener

    def subscribe(self, subject: str) -> None:
        """Start receiving the publications of a subject."""
        self._local.subjects.add(subject)
        self._changes.subscribe(subject)
        self._poller.look_within(SUBSCRIBED_SECONDS)
        self._remote.subscribe(subject)

    def unsubscribe(self, subject: str) -> None:
        """Stop receiving the publications of a subject."""
        self._local.subjects.discard(subject)
        self._changes.numbers.unsubscribe(subject)
        self._remote.unsubscribe(subject)

    async def wait_confirmed(self) -> None:
        """Wait until whatever is published to the subscribed subjects after the return is received.

        If the broker does not confirm this, what it may have lost is read from the log of the store.
        """
        if not await _is_confirmed(self._remote):
            self._doubt()
            self._advance()

    def publish(self, subject: str, publication: Publication) -> None:
        """Deliver a publication of this process to its sockets, and send it to the other processes.

        Those are sent messages together with the record of their batch, and read changes of memberships from the log.
        """
        if isinstance(publication, FramePublication):
            if publication.id:
                if self._batch is not None and self._remote.carries_messages:
                    self._published.append((subject, publication))
                self._pass(publication.id, subject, publication)
                return
            if self._changes.record_live(subject, publication):
                self._hold(subject, publication)
        elif isinstance(publication, MembershipChange):  # which other processes learn from the log
            if publication.id:
                self._subscribe_early(self._local.group_to_join(subject, publication))
                self._pass(publication.id, subject, publication)
            else:  # of a removed group: its members first receive the frame that reports the removal
                self._hold(subject, publication)
            return
        else:
            self._local.deliver(subject, publication)
        self._remote.publish(subject, publication)

    def _pass(self, number: int, subject: str, publication: Publication) -> None:
        if self._order.pass_or_keep(number, (subject, publication)):
            self._local.deliver(subject, publication)
        elif self._batch is None:
            self._advance()

    # `BatchObserver`: the commits of this process.

    def committed(self, batch: Batch) -> None:
        """Record a commit, before its callers continue."""
        self._settle()
        self._batch = batch
        self._order.begin_commit(batch)

    def answered(self) -> None:
        """Record that the callers of a commit continue in this turn of the event loop."""
        self._loop.call_soon(self._settle)

    def _settle(self) -> None:
        # Everybody who waited for the commit has continued. What they have not published is read from the store: by
        # this process at once, and by others because no record covers it.
        batch, self._batch = self._batch, None
        if batch is None:
            return
        published, self._published = self._published, []
        parts = self._order.finish_commit()
        self._read_now |= len(parts) != 1
        for first, last in parts:
            part = [entry for entry in published if first <= getattr(entry[1], "id", 0) <= last]
            changes = tuple(change for change in batch.changes if first <= change.id <= last)
            self._remote.record(Record(first, last, changes), part)
        self._advance()

    # `NewsReceiver`: news from other processes.

    def received(self, subject: str, publication: Publication) -> None:
        """Handle a publication of another process."""
        if not isinstance(publication, FramePublication):
            self._local.deliver(subject, publication)
        elif publication.id:
            self._order.add(publication.id, (subject, publication))
        elif self._changes.record_live(subject, publication):
            self._hold(subject, publication)

    def recorded(self, record: Record) -> None:
        """Handle the record of another process's batch, whose publications have been received before."""
        if record.last <= self._order.end:
            return
        self._feed.report(record.changes)
        self._recorded = max(self._recorded, record.last)
        if self._remote.carries_messages:
            if any(self._local.concerns_sockets(change) for change in record.changes):
                self._order.doubt(record.first, record.last)
            self._order.record_complete(record.first, record.last)
        else:
            self._order.record_highest(record.last)
        self._advance()

    def connection_changed(self) -> None:
        """Record that the connection to the broker was lost or restored."""
        self._read_now = True
        if self._remote.carries_messages:
            self._doubt()
        self._poller.connection_changed()
        self._advance()

    def _on_look(self, look: Look, began: float) -> None:
        order = self._order
        missed_changes = look.highest > order.end and look.oldest_change > order.end + 1
        if missed_changes or began - self._feed.complete_at > UNHEARD_SECONDS:
            self._feed.report(None)
        self._remote.record_look(alone=look.processes <= 1, began=began)
        self._changes.record_look(look, began, order.end, held=self._held.has_frames)
        self.settled = self._changes.settled
        order.record_highest(look.highest)
        self._looks.append((look.highest, began))
        if self._poller.polls_often:
            self._read_now = True
        self._advance()

    # Passing ids.

    def _advance(self) -> None:
        for item in self._order.release():
            self._local.deliver_item(item)
        self._release_and_plan_read()

    def _release_and_plan_read(self) -> None:
        # Releases what was held, and decides whether to read, or when.
        order = self._order
        end = order.end
        while self._looks and self._looks[0][0] <= end:
            self._feed.complete_at = self._looks.popleft()[1]
        self._held.release(end)
        self._waiters.wake_passed()
        self._metrics.log_behind = order.highest - end
        if not (order.behind or order.doubtful):
            self._gap_since = 0.0
            self._read_now = False
            return
        if self._reading is not None or self._closed or self._batch is not None:
            return
        now = self._loop.time()
        self._gap_since = self._gap_since or now
        unread = self._recorded > end and not self._remote.carries_messages
        if self._read_now or unread or order.doubtful or now >= self._gap_since + GAP_SECONDS:
            self._reading = self._loop.create_task(self._read(), name="tailwire log reader")
        elif self._timer is None:
            self._timer = self._loop.call_at(self._gap_since + GAP_SECONDS, self._read_old_gap)

    def _read_old_gap(self) -> None:
        self._timer = None
        if self._order.behind and self._reading is None and self._gap_since:
            if self._loop.time() >= self._gap_since + GAP_SECONDS:
                self._metrics.log_gaps += 1
            self._release_and_plan_read()

    # Reading.

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
            except Exception as e:  # noqa: BLE001 - logged; the log must go on
                log.log(logging.DEBUG if isinstance(e, Refused) else logging.ERROR, "the log cannot be read now: %r", e)
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_RETRY_SECONDS)
                continue
            if not self._subscribe_early(self._local.groups_to_join(page)):
                self._process_page(page)
                await asyncio.sleep(0)  # others have their turn between pages
        self._reading = None
        self._read_now = False
        self._gap_since = 0.0
        self._release_and_plan_read()

    def _doubt(self) -> None:
        # From here on records may come without their messages, because subscriptions are not in effect yet.
        self._doubts += 1
        self._order.doubt(self._order.end + 1)

    async def _believe(self) -> None:
        # Publications count from the confirmation of their subscription; what was stored until then is read.
        doubts = self._doubts
        confirmed = await _is_confirmed(self._remote)
        self._order.record_highest((await self._reader.look()).highest)
        if confirmed and doubts == self._doubts:  # else the connection has changed again meanwhile
            self._order.believe()

    def _subscribe_early(self, groups: set[str]) -> bool:
        # Before users of this process join groups that have no socket here, it subscribes to them. Until that is in
        # effect, records come without their messages: these are read, and what was read is read again.
        new_groups = groups - self._early if self._remote.carries_messages else set()
        for subject in new_groups:
            self._remote.subscribe(subject)
        self._early |= new_groups
        if new_groups:
            self._doubt()
        return bool(new_groups)

    def _process_page(self, page: LogPage) -> None:
        self._metrics.log_entries_read += len(page.messages) + len(page.changes)
        self._feed.report([entry.change for entry in page.changes])
        items: defaultdict[int, list[Item]] = defaultdict(list)
        for change in page.changes:
            if change.holds:
                items[change.change.id].append(change)
        for message in page.messages:
            items[message.row.id].append(message)
        for change in page.changes:
            if not change.holds:  # a user who has left receives the message that announces it
                items[change.change.id].append(change)
        if any(self._local.concerns_sockets(entry.change) for entry in page.changes):
            # Records that came before these users had sockets here, or before a subscription, left out what concerns
            # them: that they have left again, or messages.
            self._order.doubt(self._order.end + 1, self._order.highest)
        for item in self._order.pass_up_to(page.up_to, items):
            self._local.deliver_item(item)
        for subject in self._early - self._local.subjects:
            self._remote.unsubscribe(subject)
        self._early.clear()
        self._release_and_plan_read()


async def _is_confirmed(remote: RemoteBroker) -> bool:
    # A broker that does not answer must not hold up anything: what it may not deliver is read from the store.
    try:
        async with asyncio.timeout(CONFIRM_SECONDS):
            await remote.wait_confirmed()
    except TimeoutError:
        return False
    return True
