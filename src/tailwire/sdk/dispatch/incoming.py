"""Takes frames, runs the continuity machine, and fills the queue in the order that the machine says."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tailwire.sdk.connection.state import Status
from tailwire.sdk.continuity import catch_up, chain, updates
from tailwire.sdk.continuity.state import Continuity, Kind, Machine, Position
from tailwire.sdk.dispatch import history, receipts, social
from tailwire.sdk.dispatch.callbacks import event_of
from tailwire.sdk.dispatch.drafts import Drafts
from tailwire.sdk.dispatch.queue import Queue
from tailwire.sdk.dispatch.typists import Typists
from tailwire.sdk.exceptions import CometChatException, failure
from tailwire.sdk.io.link import Granted, granted
from tailwire.sdk.io.reading import read_frame
from tailwire.sdk.listeners import events as e
from tailwire.wire.codec import UNREADABLE, user_from_wire
from tailwire.wire.entities import Action, BaseMessage, User
from tailwire.wire.social import receipt_from_frame, typing_from_frame

log = logging.getLogger("tailwire")


def _before(message: BaseMessage | history.Unreadable, said: object, uid: str) -> int:
    # The one before it, as the server says. Who has just come to a group has not heard what came before them.
    if isinstance(message, Action) and message.action in ("joined", "added"):
        came = message.action_on
        if isinstance(came, User) and came.uid == uid:
            return 0
    return said if isinstance(said, int) else 0


def _event_of(message: BaseMessage | history.Unreadable, drafts: Drafts) -> e.Event:
    # The end of a draft is told before the message that it has become.
    if isinstance(message, history.Unreadable):
        return e.HistoryGap(message.id - 1, message.id)
    drafts.message_came(message)
    return event_of(message)


class Incoming:
    """One client's stream of what comes in.

    Args:
        queue: called in order.
        fetch: `GET /messages` with a query; gives the messages as the server sent them.
        device: this client's resource: what it caused itself is not handed over (S27).
        chance: a random number in [0, 1), for the jitter of the waits.
        pong, throttled, token_answered: told to the connection.
    """

    def __init__(
        self,
        queue: Queue,
        fetch: history.Fetch,
        device: str,
        machine: Machine,
        chance: Callable[[], float],
        *,
        pong: Callable[[], None],
        throttled: Callable[[bool], None],
        token_answered: Callable[[Granted | None], None],
    ) -> None:
        self._queue = queue
        self._fetch = fetch
        self._device = device
        self._chance = chance
        self._machine = machine
        self._pong = pong
        self._throttled = throttled
        self._token_answered = token_answered
        self._store = self._mark = self._uid = ""
        self._reader: asyncio.Task[None] | None = None
        self._typists = Typists(queue.put)
        self._drafts = Drafts(queue.put)
        self._waiting: asyncio.TimerHandle | None = None
        self._updater: asyncio.Task[None] | None = None
        self._connected = False
        self.receipts_blocked = False  # the server has no time for them

    @property
    def machine(self) -> Machine:
        """The continuity machine."""
        return self._machine

    @property
    def uid(self) -> str:
        """The user whose session it is; "" when nobody is logged in."""
        return self._uid

    def begin_session(self, uid: str, position: Position | None) -> None:
        """Another user, or the same from the saved session."""
        self.link_ended()
        self._typists.forget()
        self._drafts.forget()
        self._uid = uid
        m = self._machine
        self._machine = Machine(position=position, limit=m.limit, enabled=m.enabled)

    # The socket's coming and going.

    def link_opened(self, granted: Granted) -> None:
        """The socket is authenticated: read what was missed before anything live passes."""
        self._stop_reading()  # polling, perhaps: what it has handed over stays so
        self._connected = True
        self._store, self._mark = granted.store, granted.mark
        if granted.shed:
            self._server_says({"body": {"action": "throttled", "shed": granted.shed}})
        self._carry_out(catch_up.connected(self._machine, granted.store, granted.mark))

    def link_ended(self) -> None:
        """The socket is gone."""
        self._connected = self.receipts_blocked = False
        catch_up.disconnected(self._machine)
        self._stop_reading()

    def poll(self) -> None:
        """Read what is new from history, receipts too, without a socket (where there is one, nothing happens).

        It is handed over page by page. Call this again whenever it is time to look: a call while history is being read
        does nothing, and a socket that opens meanwhile goes on from what has been handed over.
        """
        if self._uid and not self._connected and self._reader is None and self._updater is None:
            self._carry_out(catch_up.poll(self._machine))

    def _polling_ends_here(self) -> None:
        # Without a socket a request that fails is not asked for again: the connection machine says when to look next.
        if not self._connected:
            raise history.GivenUp

    def _stop_reading(self) -> None:
        for running in (self._reader, self._updater, self._waiting):
            if running is not None:
                running.cancel()
        self._reader = self._updater = self._waiting = None

    def sent(self, message: BaseMessage) -> None:
        """This client sent a message. With a connection that has caught up, its time is one that was heard of."""
        catch_up.sent(self._machine, message.id)
        before = _before(message, message.raw.get("before"), self._uid)
        if self._connected and before and chain.broken(self._machine, before):
            self._carry_out(chain.missing(self._machine, before))
        else:
            self._carry_out(chain.mended(self._machine))
        self._heard(message.updated_at)

    def _heard(self, updated_at: int) -> None:
        # What is still missing must not be taken for heard: nothing counts without a socket that has caught up.
        position = self._machine.position
        if position is None or updated_at <= position.updated_at:
            return
        # Before the first that was heard of there is nothing: one's own first message is where receipts begin.
        if position.updated_at == 0 or (self._connected and self._updater is None):
            updates.heard(self._machine, updated_at)

    def _carry_out(self, commands: Sequence[catch_up.Command | chain.Wait]) -> None:
        for command in commands:
            if isinstance(command, catch_up.HandOver):
                self._hand_over(command)
            elif isinstance(command, catch_up.TellContinuity):
                self._tell(command.continuity)
            elif isinstance(command, chain.Wait):
                if self._waiting is not None:
                    self._waiting.cancel()
                self._waiting = asyncio.get_running_loop().call_later(command.seconds, self._waited)
            else:
                self._reader = asyncio.get_running_loop().create_task(self._read(command), name="tailwire catch-up")

    def _hand_over(self, command: catch_up.HandOver) -> None:
        # With each goes how far the app has been served behind it: up to the next one that it has not been given.
        position = self._machine.position
        if position is None:
            return
        messages = command.messages
        following = [message.id - 1 for message in messages[1:]]
        for message, end in zip(messages, [*following, position.last_id], strict=True):
            served = position
            if end < position.last_id:
                own = tuple(n for n in command.own if n > end)
                done = tuple(r for r in command.done if r[1] > end)
                served = position._replace(last_id=end, own=(*own, *position.own), done=done)
            self._queue.put((_event_of(message, self._drafts), served))

    def _tell(self, continuity: Continuity) -> None:
        log.info("caught up (%s): %d missed messages were handed over", continuity.kind, continuity.missed)
        if self._connected:
            self._queue.put(e.ConnectionChanged(Status.CONNECTED, continuity))
        if continuity.kind is Kind.GAP or continuity.to_id:
            self._queue.put(e.HistoryGap(continuity.from_id, continuity.to_id))
        self._look_for_updates()

    def _look_for_updates(self) -> None:
        begin = updates.since(self._machine)
        if begin is not None and self._updater is None:
            work = self._read_updates(begin)
            self._updater = asyncio.get_running_loop().create_task(work, name="tailwire catch-up of receipts")

    def _waited(self) -> None:
        self._waiting = None
        self._carry_out(chain.waited(self._machine))

    async def _read(self, command: catch_up.FetchAfter | catch_up.FetchLatest) -> None:
        def smaller() -> None:
            nonlocal command
            self._polling_ends_here()
            command = catch_up.failed(self._machine, command)

        await history.wait_for_room(self._queue)
        try:
            commands = await history.until_it_comes(lambda: self._page(command), self._chance, smaller)
        except history.GivenUp:
            commands = []
            catch_up.disconnected(self._machine)
        self._reader = None
        self._carry_out(commands)
        if commands and self._reader is None and not self._connected:  # polled to the end
            self._look_for_updates()

    async def _read_updates(self, begin: int) -> None:
        try:
            newest = await receipts.read(
                self._fetch, self._queue, self._machine, self._uid, begin, self._chance, self._polling_ends_here
            )
        except history.GivenUp:
            newest = 0
        self._updater = None
        updates.heard(self._machine, newest)  # also without a socket: all that changed until then has been read

    async def _page(self, command: catch_up.FetchAfter | catch_up.FetchLatest) -> list[catch_up.Command]:
        if isinstance(command, catch_up.FetchLatest):
            newest = await self._fetch({"per_page": 1, "affix": "prepend", "mark": history.NO_MARK})
            last_id = max(map(history.id_of, newest), default=0)
            mark = history.mark_of(newest, self._mark if self._connected else "")
            return catch_up.latest(self._machine, last_id, self._store, mark)
        begun = asyncio.get_running_loop().time()
        position = self._machine.position
        mark = (position.mark if position is not None else "") or history.NO_MARK
        query = {"per_page": command.limit, "affix": "append", "id": command.after_id, "mark": mark}
        try:
            listed = await self._fetch(query)
        except CometChatException as error:
            if error.code != "ERR_POSITION_UNKNOWN":
                raise
            return catch_up.went_back(self._machine, history.known_id(error.details, command.after_id))
        took = asyncio.get_running_loop().time() - begun
        messages = history.known(listed)
        ids = [number for number in map(history.id_of, listed) if number]
        end = max(ids, default=0)
        if len(listed) > command.limit or min(ids, default=command.after_id + 1) <= command.after_id:
            raise failure("ERR_BAD_ERROR_RESPONSE", "The page of history is not the one that was asked for.")
        whole = len(listed) >= command.limit and end > command.after_id
        mine = {n for n, m in messages if self._is_own(m)}
        edits = [n for n, m in messages if isinstance(m, Action) and m.action == "edited"]
        mark = history.mark_of(listed, self._mark if self._connected else "")
        return catch_up.page(
            self._machine, messages, whole=whole, ours=mine, end=end, took=took, mark=mark, edits=edits
        )

    def _is_own(self, message: Any) -> bool:
        data = message.raw.get("data")
        return isinstance(data, dict) and data.get("resource") == self._device

    # Frames.

    def frame_came(self, text: str | bytes) -> float | None:
        """A frame came; answers the window of an announced restart, in seconds, where it is one."""
        try:
            frame = read_frame(text)
            kind = frame.get("type")
            if kind == "message":
                if frame.get("deviceId") != self._device:
                    message = history.read(frame.get("body"))
                    if message is not None:
                        self._message(message, _before(message, frame.get("before"), self._uid))
            elif kind is None:
                if frame.get("action") == "pong":
                    self._pong()
            elif kind == "server":
                return self._server_says(frame)
            elif kind == "auth":
                body = frame["body"]
                self._token_answered(granted(body.get("tailwire")) if body.get("status") == "OK" else None)
            elif frame.get("deviceId") != self._device or not frame.get("deviceId"):
                self._others(kind, frame)
        except UNREADABLE as error:
            log.warning("a frame cannot be read: %s", error)
        return None

    def _message(self, message: BaseMessage | history.Unreadable, before: int) -> None:
        if before and chain.broken(self._machine, before):
            self._carry_out(chain.hold(self._machine, before, message.id, message))
        elif catch_up.passes(self._machine, message.id):
            self._heard(message.updated_at)
            self._queue.put((_event_of(message, self._drafts), self._machine.position))
        else:
            self._carry_out(catch_up.live(self._machine, message.id, message, before=before))
            self._carry_out(chain.mended(self._machine))

    def _others(self, kind: str, frame: Mapping[str, Any]) -> None:
        if kind == "receipts":
            receipt = receipt_from_frame(frame)
            reader = receipt.sender.uid
            what, number = receipt.receipt_type, receipt.message_id
            if what in ("delivered", "read"):
                updates.told(self._machine, receipt.receiver_id, reader, what, number)
            else:
                updates.told(self._machine, self._uid, f"group {receipt.receiver_id}", what, number)
            self._heard(receipt.timestamp)
            self._queue.put(e.ReceiptReceived(receipt))
        elif kind == "typing_indicator":
            self._typists.heard(typing_from_frame(frame))
        elif kind == "presence":
            user = user_from_wire(frame["body"]["user"])
            action = frame["body"].get("action")
            user.status = action if action in ("online", "away") else "offline"
            if user.status == "offline":
                self._typists.went_offline(user.uid)
                self._drafts.went_offline(user.uid)
            self._queue.put(e.PresenceChanged(user))
        else:
            rare = social.event_of_frame(kind, frame)
            if isinstance(rare, e.TransientReceived) and self._drafts.heard(rare.message):
                return
            if rare is not None:
                self._queue.put(rare)

    def _server_says(self, frame: Mapping[str, Any]) -> float | None:
        body = frame["body"]
        if body.get("action") == "restarting":
            return float(body.get("within", 0.0))
        if body.get("action") == "throttled":
            shed = body.get("shed")  # a server that does not say what it leaves out leaves receipts out, as documented
            self.receipts_blocked = not isinstance(shed, list | tuple) or "receipts" in shed
            self._throttled(True)
        elif body.get("action") == "throttledNoMore":
            self.receipts_blocked = False
            self._throttled(False)
        elif body.get("action") == "error":
            log.warning("the server did not take a frame: %s", body.get("error"))
        return None

    async def close(self) -> None:
        """Stop reading history; wait until it has stopped."""
        tasks = [t for t in (self._reader, self._updater) if t is not None and t is not asyncio.current_task()]
        self.link_ended()
        self._typists.forget()
        self._drafts.forget()
        if tasks:
            await asyncio.wait(tasks)
