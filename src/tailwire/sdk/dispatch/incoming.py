"""Run catch-up for one client: take frames and pages of history, and fill the event queue in order.

The functions of `sdk.continuity` decide what is handed over, held or fetched; this module carries that out.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, assert_never

from tailwire.sdk.connection.state import ConnectionStatus
from tailwire.sdk.continuity import catch_up, chain, changes, updates
from tailwire.sdk.continuity.commands import Command, FetchAfter, FetchLatest, HandOver, ReportContinuity, ReportGap
from tailwire.sdk.continuity.state import CatchUp, Continuity, Position
from tailwire.sdk.dispatch import history, missed, receipts
from tailwire.sdk.dispatch.callbacks import event_of
from tailwire.sdk.dispatch.dispatcher import Positioned
from tailwire.sdk.dispatch.drafts import Drafts
from tailwire.sdk.dispatch.frame_decoder import FrameDecoder
from tailwire.sdk.dispatch.queue import EventQueue
from tailwire.sdk.dispatch.typists import Typists
from tailwire.sdk.exceptions import CometChatException, failure
from tailwire.sdk.io import answers
from tailwire.sdk.io.answers import until_of
from tailwire.sdk.io.link import Granted
from tailwire.sdk.listeners import events as e
from tailwire.wire.entities import Action, BaseMessage, MessageReceipt, User

log = logging.getLogger("tailwire")


def _predecessor_of(message: BaseMessage | history.Unreadable, frame: Mapping[str, Any], uid: str) -> int:
    # Return the id of the predecessor that the frame names; 0 without one. For a user who has just joined a group, the
    # predecessor is the end of their last membership: they never received the message that came before for the members.
    name = "before"
    if isinstance(message, Action) and message.action in ("joined", "added"):
        member = message.action_on
        if isinstance(member, User) and member.uid == uid:
            name = "ended"
    value = frame.get(name)
    return value if isinstance(value, int) else 0


def _event_of(message: BaseMessage | history.Unreadable, drafts: Drafts) -> e.Event:
    if isinstance(message, history.Unreadable):
        return e.HistoryGap(message.id - 1, message.id)
    if message.metadata:  # the draft ends before the message that it became is handed over
        drafts.end_with_message(message)
    return event_of(message)


class Incoming:
    """Handles one client's incoming frames and pages of history, and fills the event queue.

    Args:
        queue: gets the events, in the order in which the app is to receive them.
        fetch: sends `GET /messages` with a query; returns the messages as the server sent them.
        device: this client's resource; messages and events that this client caused are not handed over (S27).
        machine: the state of catch-up; its `limit` and `enabled` are kept when another session begins.
        chance: returns a random number in [0, 1), for the jitter of the waits.
        pong, throttled, token_answered: as for `FrameDecoder`.

    Attributes:
        frame_came: to be called with each frame of the socket; this is `FrameDecoder.handle`.
        put: queues an event.
    """

    def __init__(
        self,
        queue: EventQueue,
        fetch: history.Fetch,
        device: str,
        machine: CatchUp,
        chance: Callable[[], float],
        *,
        pong: Callable[[], None],
        throttled: Callable[[bool], None],
        token_answered: Callable[[Granted | None], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._queue = queue
        self._fetch = fetch
        self._device = device
        self._chance = chance
        self._machine = machine
        self._store = self._mark = self._uid = ""
        self._reader: asyncio.Task[None] | None = None
        self._typists = Typists(queue.put)
        self._drafts = Drafts(queue.put)
        self._frames = FrameDecoder(
            self, device, self._typists, self._drafts, pong=pong, throttled=throttled, token_answered=token_answered
        )
        self.frame_came: Callable[[str | bytes], float | None] = self._frames.handle
        self.put: Callable[[object], None] = queue.put
        self._wait_timer: asyncio.TimerHandle | None = None
        self._updater: asyncio.Task[None] | None = None
        self._connected = self._has_change_log = False

    @property
    def machine(self) -> CatchUp:
        """The state of the catch-up."""
        return self._machine

    @property
    def uid(self) -> str:
        """The uid of the logged-in user; "" without a session."""
        return self._uid

    @property
    def receipts_blocked(self) -> bool:
        """Whether the server has turned receipts off because of its load."""
        return self._frames.receipts_blocked

    def begin_session(self, uid: str, position: Position | None) -> None:
        """Begin the session of a user, and end the previous one.

        Args:
            uid: the user; "" only ends the previous session.
            position: the position in the saved session of this user, from which catch-up continues; None without one.
        """
        self.link_ended()
        self._typists.clear()
        self._drafts.clear()
        self._uid = self._frames.uid = uid
        m = self._machine
        self._machine = CatchUp(position=position, limit=m.limit, enabled=m.enabled)

    # The socket.

    def link_opened(self, granted: Granted) -> None:
        """Begin a catch-up, because a socket is authenticated. Live messages are held until it ends.

        If catch-up is disabled, live messages are handed over at once.

        Args:
            granted: what the server granted when it accepted the authentication.
        """
        self._stop_reading()  # polling may be in progress; the catch-up continues after what it handed over
        self._connected = True
        self._store, self._mark = granted.store, granted.mark
        if granted.shed:
            self._frames.record_shed(granted.shed)
        self._carry_out(catch_up.on_connected(self._machine, granted.store, granted.mark))

    def link_ended(self) -> None:
        """End the catch-up, because the socket is gone."""
        self._connected = self._frames.receipts_blocked = False
        catch_up.on_disconnected(self._machine)
        self._stop_reading()

    def poll(self) -> None:
        """Begin to read new messages and receipts from history, in a task, because there is no socket.

        Does nothing while a socket is open, while history is being read, or without a session. Each page is handed over
        as it comes. If a socket opens meanwhile, its catch-up continues after the messages handed over so far.
        """
        if self._uid and not self._connected and self._reader is None and self._updater is None:
            self._carry_out(catch_up.poll(self._machine))

    def _stop_unless_connected(self) -> None:
        # Without a socket, a failed request is not repeated: the connection machine decides when to poll again.
        if not self._connected:
            raise history.Abandoned

    def _stop_reading(self) -> None:
        for running in (self._reader, self._updater, self._wait_timer):
            if running is not None:
                running.cancel()
        self._reader = self._updater = self._wait_timer = None

    def record_sent(self, message: BaseMessage) -> None:
        """Record a message that this client sent, so that it is not handed over.

        Args:
            message: the message as the server returned it, which may name the id of the message before it.
        """
        catch_up.record_sent(self._machine, message.id)
        predecessor_id = _predecessor_of(message, message.raw, self._uid)
        if self._connected and predecessor_id and chain.is_broken(self._machine, predecessor_id):
            self._carry_out(chain.on_missing(self._machine, predecessor_id))
        else:
            self._carry_out(chain.release_if_mended(self._machine))
        self._record_server_time(message.updated_at)

    def _record_server_time(self, updated_at: int) -> None:
        # Receipts may still be missing, so a time counts only on a connection that has caught up.
        position = self._machine.position
        if position is None or updated_at <= position.updated_at:
            return
        # Receipts concern the user's own messages, so none can be missing before the first of them.
        if position.updated_at == 0 or (self._connected and self._updater is None):
            updates.record_time(self._machine, updated_at)

    def _carry_out(self, commands: Sequence[Command | chain.Wait]) -> None:
        for command in commands:
            match command:
                case HandOver():
                    self._hand_over(command)
                case ReportContinuity():
                    self._report_continuity(command.continuity)
                case ReportGap():
                    self._queue.put(e.HistoryGap(command.from_id, command.to_id, command.only_changes))
                case chain.Wait():
                    if self._wait_timer is not None:
                        self._wait_timer.cancel()
                    self._wait_timer = self._loop.call_later(command.seconds, self._on_wait_over)
                case FetchAfter() | FetchLatest():
                    self._reader = self._loop.create_task(self._read_history(command), name="tailwire catch-up")
                case _:
                    assert_never(command)

    def _hand_over(self, command: HandOver) -> None:
        # Each entry has the position that the app has then reached: up to the next message that it has not received.
        position = self._machine.position
        if position is None:
            return
        for item, served in changes.positions_after_each(command, position):
            event = item.event if isinstance(item, changes.Change) else _event_of(item, self._drafts)
            self._queue.put(Positioned(event, served))

    def _report_continuity(self, continuity: Continuity) -> None:
        log.info("caught up (%s): %d missed messages are handed over", continuity.kind, continuity.missed)
        if self._connected:
            self._queue.put(e.ConnectionChanged(ConnectionStatus.CONNECTED, continuity))
        self._request_updates()

    def _request_updates(self) -> None:
        begin = updates.request_since(self._machine)
        if begin is not None and self._updater is None and not self._has_change_log:
            work = self._read_updates(begin)
            self._updater = self._loop.create_task(work, name="tailwire catch-up of receipts")

    def _on_wait_over(self) -> None:
        self._wait_timer = None
        self._carry_out(chain.on_wait_over(self._machine))

    async def _read_history(self, command: FetchAfter | FetchLatest) -> None:
        def request_less() -> None:
            nonlocal command
            self._stop_unless_connected()
            command = catch_up.on_page_failed(self._machine, command)

        await history.wait_for_capacity(self._queue)
        try:
            commands = await history.retry_until_answered(
                lambda: self._request_page(command), self._chance, request_less
            )
        except history.Abandoned:
            commands = []
            catch_up.on_disconnected(self._machine)
        self._reader = None
        self._carry_out(commands)
        if commands and self._reader is None and not self._connected:  # polling has reached the end
            self._request_updates()

    async def _read_updates(self, begin: int) -> None:
        try:
            newest = await receipts.fetch_missed(
                self._fetch, self._queue, self._machine, self._uid, begin, self._chance, self._stop_unless_connected
            )
        except history.Abandoned:
            newest = 0
        self._updater = None
        updates.record_time(self._machine, newest)  # even without a socket: all changes up to this time have been read

    async def _request_page(self, command: FetchAfter | FetchLatest) -> list[Command]:
        if isinstance(command, FetchLatest):
            query = {"per_page": 1, "affix": "prepend", "mark": history.NO_MARK, "changes": history.NO_MARK}
            newest = await self._fetch(query)
            listed_changes = missed.changes_in(newest)
            known = listed_changes.known if listed_changes is not None else None
            last_id = max([*map(history.id_of, newest), until_of(newest)])
            mark = history.checked_mark(newest, self._mark if self._connected else "")
            return catch_up.on_latest(self._machine, last_id, self._store, mark, known)
        begun = self._loop.time()
        position = self._machine.position
        mark = (position.mark if position is not None else "") or history.NO_MARK
        query = {
            "per_page": command.limit, "affix": "append", "id": command.after_id, "mark": mark,
            **missed.history_parameters(position, command.at_most),
        }  # fmt: skip
        try:
            listed = await self._fetch(query)
        except CometChatException as error:
            if error.code != "ERR_POSITION_UNKNOWN":
                raise
            return catch_up.on_unknown_position(self._machine, history.known_id(error.details, command.after_id))
        took = self._loop.time() - begun
        messages = history.messages_with_ids(listed)
        ids = [number for number in map(history.id_of, listed) if number]
        end = max(ids, default=0)
        if len(listed) > command.limit or min(ids, default=command.after_id + 1) <= command.after_id:
            raise failure("ERR_BAD_ERROR_RESPONSE", "The page of history is not the one that was requested.")
        whole = len(listed) >= command.limit and end > command.after_id
        mine = {n for n, m in messages if self._is_own(m)}
        free = [n for n, m in messages if isinstance(m, Action) and m.action in ("edited", "deleted")]
        gone = [n for n, m in messages if isinstance(m, BaseMessage) and m.deleted_at and not isinstance(m, Action)]
        changed = missed.changes_in(listed)
        self._has_change_log = changed is not None and position is not None and position.changes is not None
        mark = history.checked_mark(listed, self._mark if self._connected else "")
        return catch_up.on_page(
            self._machine,
            messages,
            whole=whole,
            ours=mine,
            end=end,
            took=took,
            mark=mark,
            free=free,
            gone=gone,
            listed=changed,
            pruned=answers.pruned_of(listed),
        )

    def _is_own(self, message: Any) -> bool:
        # The name of the device is chosen by the sender, and everybody sees it: another user may use it as well.
        data = message.raw.get("data")
        return (
            isinstance(data, dict) and data.get("resource") == self._device and message.raw.get("sender") == self._uid
        )

    # Frames.

    def take_message(self, message: BaseMessage | history.Unreadable, frame: Mapping[str, Any]) -> None:
        """Hand a live message over, or hold it until the messages before it have been read from history.

        A message that was handed over before is dropped.

        Args:
            frame: its frame, which may name the id of the message before it in its conversation.
        """
        predecessor_id = _predecessor_of(message, frame, self._uid)
        if predecessor_id and chain.is_broken(self._machine, predecessor_id):
            self._carry_out(chain.hold(self._machine, predecessor_id, message.id, message))
        elif catch_up.record_live(self._machine, message.id):
            self._record_server_time(message.updated_at)
            self._queue.put(Positioned(_event_of(message, self._drafts), self._machine.position))
        else:
            self._carry_out(catch_up.on_live_message(self._machine, message.id, message, predecessor_id=predecessor_id))
            self._carry_out(chain.release_if_mended(self._machine))

    def take_change(self, event: e.Event, number: object, settled: object = None) -> None:
        """Hand over an event that is not a message, or hold it until the messages before it have been read.

        A change that was handed over before is dropped. An event without a number is handed over at once.

        Args:
            number: the number of the change in the server's log, if the frame names one.
            settled: the number up to which the server has sent all changes, if the frame names one.

        Values of another type are taken as missing.
        """
        if not isinstance(number, int) or number <= 0:
            self._queue.put(event)
        elif not changes.is_known(self._machine, number) and not changes.hold_if_busy(self._machine, number, event):
            changes.record(self._machine, number)
            if isinstance(settled, int):
                changes.on_settled(self._machine, settled)
            self._queue.put(Positioned(event, self._machine.position))
            if changes.has_many_unsettled(self._machine):
                self._carry_out(catch_up.poll(self._machine))

    def take_receipt(self, receipt: MessageReceipt, number: object, settled: object = None) -> None:
        """Hand a receipt over as `take_change` does, and remember it, so that it is not handed over again when fetched.

        Args:
            number, settled: as for `take_change`.
        """
        what, message_id = receipt.receipt_type, receipt.message_id
        if what in ("delivered", "read"):
            updates.record_receipt(self._machine, receipt.receiver_id, receipt.sender.uid, what, message_id)
        else:
            updates.record_receipt(self._machine, self._uid, f"group {receipt.receiver_id}", what, message_id)
        self._record_server_time(receipt.timestamp)
        self.take_change(e.ReceiptReceived(receipt), number, settled)

    async def close(self) -> None:
        """Stop reading history, drop typing indicators and drafts, and wait until the tasks have ended."""
        tasks = [t for t in (self._reader, self._updater) if t is not None and t is not asyncio.current_task()]
        self.link_ended()
        self._typists.clear()
        self._drafts.clear()
        if tasks:
            await asyncio.wait(tasks)
