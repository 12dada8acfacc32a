"""The broker for several processes on one store: it delivers messages to sockets in the order of their ids, each once.

Messages and changes of memberships get ids from one sequence in the store; the log is the list of these items. A
process passes an id when it has delivered everything up to this id to its own sockets, and will deliver nothing more
with an id up to it. It knows that a range of ids is complete if it has committed them itself, or if another process has
sent the record of its batch after the batch's publications. If that is missing, because a publication was lost, a
connection broke or a process died between commit and publication, the process reads the items from the store. That
costs milliseconds, and nothing arrives twice or out of order.
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
"""How soon after a subscription the newest change in the store is read, so that earlier ones are not awaited."""
UNHEARD_SECONDS = 1800.0  # after this time with an incomplete log, kept data is dropped (changes are kept for 1 h)


class MessageLog:
    """Implements `Broker` for a process that shares its store with others, and `BatchObserver` and `NewsReceiver`.

    Args:
        remote: carries publications and records to and from the other processes.
        reader: reads the log from the store.
        feed: receives the changes of rows by other processes, so that data kept in memory is renewed.

    Attributes:
        settled: all changes up to this number in the change log have been written to the sockets concerned; 0 if that
            is not known.
        passed: a coroutine function that takes a committed id, and returns when everything up to it has been delivered
            (see `IdWaiters.wait_for`).
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
        self._doubts = 0  # how often it became uncertain whether publications arrive
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
        """Connect to the other processes, if the broker can be reached, and deliver what is committed from now on.

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
        """Stop delivering and polling, drop held frames, and disconnect from the other processes."""
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
        """Wait until subscriptions are in effect: what is published to their subjects after the return is received.

        If the broker does not confirm this within `CONFIRM_SECONDS`, return: the log is then read from the store.
        """
        if not await _is_confirmed(self._remote):
            self._doubt()
            self._advance()

    def publish(self, subject: str, publication: Publication) -> None:
        """Deliver a publication of this process to its own sockets, and send it to the other processes. Do not wait.

        A message waits for messages with lower ids, and is sent to other processes together with the record of its
        batch. Changes of memberships are not sent: other processes read them from the store.
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
        """Begin to collect the publications of a commit of this process. Called before the waiting callers continue."""
        self._settle()
        self._batch = batch
        self._order.begin_commit(batch)

    def answered(self) -> None:
        """Schedule the end of the last commit, which comes after its callers have continued and published."""
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
        """Handle a publication of another process: deliver it, or keep it until everything before it was delivered."""
        if not isinstance(publication, FramePublication):
            self._local.deliver(subject, publication)
        elif publication.id:
            self._order.add(publication.id, (subject, publication))
        elif self._changes.record_live(subject, publication):
            self._hold(subject, publication)

    def recorded(self, record: Record) -> None:
        """Handle the record of another process's batch, whose publications (if any) have been received before."""
        if record.last <= self._order.end:
            return
        self._feed.report(record.changes)
        self._recorded = max(self._recorded, record.last)
        self._reader.record_given_out(record.last)
        if self._remote.carries_messages:
            if any(self._local.concerns_sockets(change) for change in record.changes):
                self._order.doubt(record.first, record.last)
            self._order.record_complete(record.first, record.last)
        else:
            self._order.record_highest(record.last)
        self._advance()

    def connection_changed(self) -> None:
        """Read the log from the store now, because the connection to the broker was lost or restored."""
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
        # From here on records may come without their messages, so only the store counts, until `_believe`.
        self._doubts += 1
        self._order.doubt(self._order.end + 1)

    async def _believe(self) -> None:
        # Once the broker confirms all subscriptions, only what was committed until then is read from the store.
        doubts = self._doubts
        confirmed = await _is_confirmed(self._remote)
        self._order.record_highest((await self._reader.look()).highest)
        if confirmed and doubts == self._doubts:  # else the connection has changed again meanwhile
            self._order.believe()

    def _subscribe_early(self, groups: set[str]) -> bool:
        # Subscribes to groups that have no socket here yet, before users of this process join them. Until that is in
        # effect, records come without the groups' messages, so these are read from the store. Returns whether any group
        # is new: then a page that was read must be read again.
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
