"""The live list of a conversation's messages. It applies the client's events, and requests what they do not contain."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tailwire.sdk.calls.checks import checked_limit
from tailwire.sdk.calls.pages import readable
from tailwire.sdk.calls.user_requests import UserRequests
from tailwire.sdk.connection.state import ConnectionStatus
from tailwire.sdk.continuity.state import ContinuityKind
from tailwire.sdk.dispatch.history import id_of
from tailwire.sdk.exceptions import CometChatException
from tailwire.sdk.listeners import events as e
from tailwire.sdk.listeners import own
from tailwire.sdk.live.live_list import LiveList, OpenLists, check_open
from tailwire.sdk.live.message_list import LiveMessage, MessageList, MessageState
from tailwire.sdk.outbox import OutboxEntry, OutboxStatus
from tailwire.wire.codec import message_from_wire
from tailwire.wire.entities import BaseMessage, User

PAGE_SIZE = 100
MAX_REREAD_MESSAGES = 2 * PAGE_SIZE
MAX_REQUESTS = 5
"""The maximum number of pages that one read requests, once it has found a message that the list shows.

Pages may consist mostly of messages that the list does not show, such as those that report edits.
"""
MAX_FRUITLESS_REQUESTS = 50
"""The maximum number of pages that one read requests if it finds no such message. `older()` continues after them."""
_CONTENT_CATEGORIES = "message,custom,interactive,call"
_STATES = {OutboxStatus.PENDING: MessageState.PENDING, OutboxStatus.FAILED: MessageState.FAILED}
_NOT_A_MEMBER_CODES = frozenset({"ERR_NOT_A_MEMBER", "ERR_GUID_NOT_FOUND"})


class LiveMessages(LiveList[LiveMessage]):
    """The messages of a conversation or thread, oldest first. Created by `ChatClient.live_messages`.

    Each item has `key`, `message` and `state` (`sent`, `pending` or `failed`); a queued one also has `entry` and
    `error`.
    """

    def __init__(
        self,
        requests: UserRequests,
        lists: OpenLists,
        uid: str,
        state: MessageList,
        place: dict[str, Any],
        page_size: int,
    ) -> None:
        super().__init__(lists, uid, requests.chance)
        self._requests = requests
        self._state = state
        self._place = place
        self._page_size = page_size
        self._gap: int | None = None  # messages after this id may be missing; None if none can be
        self._sure = 0  # while disconnected: the newest id when the connection was lost, up to which nothing is missing

    @property
    def complete(self) -> bool:
        """Whether the list contains the first message of the conversation or thread."""
        return self._state.complete

    @property
    def typing(self) -> tuple[User, ...]:
        """The users who are typing here. A typing indicator expires after 15 seconds."""
        return self._state.typing()

    @property
    def gone(self) -> bool:
        """Whether the user is no longer a member of the group, or the group was deleted.

        The items stay in the list, unless an event has reported that the group was deleted: then it is empty.
        """
        return self._state.gone

    async def older(self, count: int = 0) -> int:
        """Request the messages before the oldest one in the list, and prepend them.

        Args:
            count: the number of messages to add, 1 to 100; 0 for as many as the list began with (`page_size` of
                `live_messages`).

        Returns:
            The number of messages added. It is 0 if there are no older messages, or the list holds its maximum. It may
            be 0 while `complete` is False, if the next older messages were followed by thousands of edits and
            deletions: the next call continues where this one ended.

        Raises:
            CometChatException: `LIVE_LIST_CLOSED` if the list is closed; `ERROR_NON_POSITIVE_LIMIT` or
                `ERROR_LIMIT_EXCEEDED` if `count` is out of range; or another code of the server.
        """
        check_open(self)
        before = len(self._state)
        wanted = min(checked_limit(count, PAGE_SIZE) if count else self._page_size, self._state.capacity())
        if self.complete or wanted <= 0:
            return 0
        await self._request(lambda: self._read_older(wanted))
        return max(0, len(self._state) - before)

    async def _read_older(self, count: int) -> Callable[[], None]:
        reached = self._state.reached
        found, first, complete = await self._read(reached, count, count)

        def take() -> None:
            if self._state.reached == reached:  # otherwise older messages were dropped meanwhile
                self._state.prepend(found, first, complete=complete)

        return take

    async def _read(self, before: int, count: int, size: int) -> tuple[list[BaseMessage], int, bool]:
        # Request up to `count` messages that the list shows, before an id (0 for the newest); the first page has `size`
        # messages. Return them, the id from which on they are all there are, and whether there are no older ones.
        found: list[BaseMessage] = []
        complete = False
        for number in range(1, MAX_FRUITLESS_REQUESTS + 1):
            query = {"per_page": size, "affix": "prepend", **self._filters()}
            if before:
                query["id"] = before
            listed = await self._requests.list_messages(query, **self._place)
            page = [m for m in readable(message_from_wire, listed, "a message") if self._state.is_shown(m)]
            found, before = page + found, id_of(listed[0]) if listed else before
            complete = len(listed) < size
            if complete or len(found) >= count or (found and number >= MAX_REQUESTS):
                break
            size = PAGE_SIZE  # most of the page consists of messages that report edits and deletions
        if len(found) > count:
            found = found[-count:]
            before, complete = found[0].id, False
        return found, before, complete

    def _filters(self) -> dict[str, Any]:
        filters: dict[str, Any] = {}
        if "guid" not in self._place and "thread" not in self._place:
            filters["categories"] = _CONTENT_CATEGORIES  # between two users all actions are about messages
        if self._state.hides_replies:
            filters["hideReplies"] = 1
        return filters

    async def _read_all(self) -> Callable[[], None]:
        wanted = min(max(len(self._state), self._page_size), MAX_REREAD_MESSAGES)
        before = self._state.applied.copy()
        found, first, complete = await self._read(0, wanted, min(wanted, PAGE_SIZE))

        def take() -> None:
            joins = self._gap is None or first <= self._gap + 1
            self._state.fill(found, first, complete=complete, joins=joins, before=before)
            self._gap = None

        return take

    async def _read_needed(self) -> Callable[[], None]:
        return await self._read_all()

    def _needs_request(self) -> bool:
        return self._state.lost and not self._state.gone

    def _is_doubtful(self) -> bool:
        return self._state.doubtful and not self._state.gone

    def _give_up(self, error: CometChatException) -> None:
        super()._give_up(error)
        self._state.lost = self._state.doubtful = False
        if error.code in _NOT_A_MEMBER_CODES:
            self._state.gone = True

    def _contents(self) -> tuple[tuple[LiveMessage, ...], Any]:
        return self._state.items(), (self._state.complete, self._state.typing(), self._state.gone)

    def _apply(self, event: object, *, unsure: bool) -> None:
        state = self._state
        state.unsure = unsure
        if isinstance(event, e.MessageReceived | own.MessageStored):
            state.apply_message(event.message)
        elif isinstance(event, e.MessageEdited | e.MessageDeleted | e.GroupChanged):
            state.apply_message(event.action)
        elif isinstance(event, e.ReceiptReceived):
            state.apply_receipt(event.receipt)
        elif isinstance(event, own.Marked):
            if event.kind == "user" and state.is_of(event.kind, event.other):
                state.record_receipt(event.other, event.message_id, event.at, read=event.read)
        elif isinstance(event, e.TypingChanged):
            state.record_typing(event.indicator)
        elif isinstance(event, e.ReactionChanged):
            r = event.event.reaction
            state.record_reaction(r.message_id, r.reaction, added=event.added, by_me=r.uid == self.uid)
        elif isinstance(event, own.Reacted):
            state.record_reaction(event.message_id, event.reaction, added=event.added, by_me=True)
        elif isinstance(event, e.MessagePinned):
            state.record_flags(event.message, saved=False)
        elif isinstance(event, e.MessageSaved):
            state.record_flags(event.message, saved=True)
        elif isinstance(event, e.OutboxChanged):
            self._update_queued(event.entry)
        else:
            self._apply_rest(event)

    def _update_queued(self, entry: OutboxEntry) -> None:
        """Show, update or remove a queued message according to the current state of its entry in the outbox."""
        self._state.record_queued(entry.muid, entry.message, _STATES.get(entry.status), entry, entry.error)

    def _apply_rest(self, event: object) -> None:
        if isinstance(event, e.HistoryGap):
            self._mark_missing(0 if event.only_changes else event.from_id)
        elif isinstance(event, own.ConversationOutdated):
            self._state.lost = self._state.lost or self._state.is_of(event.kind, event.other)
        elif isinstance(event, own.ConversationRemoved):
            if self._state.is_of(event.kind, event.other):
                self._state.clear()
        elif isinstance(event, e.ConversationListChanged):
            if self._state.is_of(event.conversation_type, event.conversation_with):
                if event.change in ("removed", "groupRemoved"):
                    self._state.clear()
                self._state.gone = self._state.gone or event.change == "groupRemoved"
        elif isinstance(event, e.ConnectionChanged):
            if event.status is ConnectionStatus.FEATURE_THROTTLED:
                return
            if event.status is not ConnectionStatus.CONNECTED:
                self._sure = self._sure or self._state.end_ids()[1]
                return
            if event.continuity is None or event.continuity.kind is not ContinuityKind.EXACT:
                self._mark_missing(self._sure)
            self._sure = 0
            self._want_all()

    def _mark_missing(self, after_id: int) -> None:
        self._gap = after_id if self._gap is None else min(self._gap, after_id)
        self._want_all()
