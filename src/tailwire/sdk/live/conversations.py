"""The live list of conversations. It applies the client's events, and requests what does not follow from them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tailwire.sdk.calls.checks import checked_limit, decoded
from tailwire.sdk.calls.conversations import conversation_path
from tailwire.sdk.calls.pages import numbered_page, readable
from tailwire.sdk.calls.user_requests import UserRequests
from tailwire.sdk.connection.state import ConnectionStatus
from tailwire.sdk.exceptions import CometChatException
from tailwire.sdk.listeners import events as e
from tailwire.sdk.listeners import own
from tailwire.sdk.live.conversation_list import ConversationList, LiveConversation, key_of, key_of_conversation
from tailwire.sdk.live.live_list import LiveList, OpenLists, check_open
from tailwire.wire.entities import Conversation
from tailwire.wire.social import conversation_from_wire

PAGE_SIZE = 50
_NOT_FOUND_CODES = frozenset(
    {
        "ERR_CONVERSATION_NOT_ACCESSIBLE",
        "ERR_CONVERSATION_NOT_FOUND",
        "ERR_NOT_A_MEMBER",
        "ERR_GUID_NOT_FOUND",
        "ERR_UID_NOT_FOUND",
    }
)


class LiveConversations(LiveList[LiveConversation]):
    """The user's conversations: pinned ones first, then the most recent. Created by `ChatClient.live_conversations`.

    Each item has `key`, `conversation` (a `Conversation`) and `typing` (the users who are typing there).
    """

    def __init__(
        self, requests: UserRequests, lists: OpenLists, uid: str, *, kind: str, page_size: int, most: int
    ) -> None:
        super().__init__(lists, uid, requests.chance)
        self._requests = requests
        self._kind = kind
        self._page_size = page_size
        self._most = most
        self._state = ConversationList(uid, kind, most)

    @property
    def complete(self) -> bool:
        """Whether the list contains all conversations of the user, so that `more()` finds no further ones."""
        return self._state.complete

    async def more(self, count: int = 0) -> int:
        """Request the conversations that follow the last one in the list, and append them.

        Args:
            count: the number of conversations to add, 1 to 50; 0 for as many as the list began with (`page_size` of
                `live_conversations`).

        Returns:
            The number of conversations added; 0 if there are no further ones, or the list holds its maximum.

        Raises:
            CometChatException: `LIVE_LIST_CLOSED` if the list is closed; `ERROR_NON_POSITIVE_LIMIT` or
                `ERROR_LIMIT_EXCEEDED` if `count` is out of range; or another code of the server.
        """
        check_open(self)
        before = len(self._state)
        wanted = min(checked_limit(count, PAGE_SIZE) if count else self._page_size, self._most - before)
        if self.complete or wanted <= 0:
            return 0
        await self._request(lambda: self._read_more(wanted))
        return max(0, len(self._state) - before)

    async def _read_more(self, count: int) -> Callable[[], None]:
        # The server's pages are numbered: start with the page that contains the next conversation.
        there = len(self._state)
        number, found, complete = there // count + 1, list[Conversation](), False
        while not complete and (number - 1) * count < there + count:
            page, complete = await self._request_page(number, count)
            found, number = found + page, number + 1
        return lambda: self._state.append(found, complete=complete)

    async def _request_page(self, number: int, size: int) -> tuple[list[Conversation], bool]:
        query: dict[str, Any] = {"withTags": 1, "withBlockedInfo": 1}
        if self._kind:
            query["conversationType"] = self._kind
        listed = await numbered_page(
            lambda parameters: self._requests.ask_for_list("/conversations", parameters), query, size, number
        )
        return readable(conversation_from_wire, listed, "a conversation"), len(listed) < size

    async def _read_all(self) -> Callable[[], None]:
        wanted, number, complete = max(len(self._state), self._page_size), 1, False
        size = min(wanted, PAGE_SIZE)
        found: dict[str, Conversation] = {}
        while not complete and (number - 1) * size < wanted:
            page, complete = await self._request_page(number, size)
            found |= {f"{c.conversation_type}/{c.conversation_id}": c for c in page}
            number += 1
        listed = list(found.values())
        complete = complete and len(listed) <= wanted
        return lambda: self._state.fill(listed[:wanted], complete=complete)

    async def _read_needed(self) -> Callable[[], None]:
        stale = list(self._state.stale | self._state.doubtful)
        if len(stale) != 1 or self._state.lost:
            return await self._read_all()
        kind, _, other = stale[0].partition("/")
        reached = max((i.conversation.latest_message_id for i in self._state.items() if i.key == stale[0]), default=0)
        try:
            answer = await self._requests.ask("GET", conversation_path(other, kind))
        except CometChatException as error:
            if error.code not in _NOT_FOUND_CODES:
                raise
            return lambda: self._state.drop(stale[0])
        conversation = decoded(conversation_from_wire, answer)

        def take() -> None:
            for wanted in (self._state.stale, self._state.doubtful):
                wanted.pop(stale[0], None)  # the answer may name the conversation differently, as in lower case
            self._state.put(conversation, reached=reached)

        return take

    def _needs_request(self) -> bool:
        return bool(self._state.stale) or self._state.lost

    def _is_doubtful(self) -> bool:
        return bool(self._state.doubtful)

    def _give_up(self, error: CometChatException) -> None:
        super()._give_up(error)
        self._state.stale.clear()
        self._state.doubtful.clear()
        self._state.lost = False

    def _contents(self) -> tuple[tuple[LiveConversation, ...], Any]:
        return self._state.items(), self._state.complete

    def _apply(self, event: object, *, unsure: bool) -> None:
        state = self._state
        state.unsure = unsure
        if isinstance(event, e.MessageReceived | own.MessageStored):
            state.apply_message(event.message)
        elif isinstance(event, e.MessageEdited | e.MessageDeleted | e.GroupChanged):
            state.apply_message(event.action)
        elif isinstance(event, e.ReceiptReceived):
            state.apply_receipt(event.receipt)
        elif isinstance(event, e.TypingChanged):
            state.record_typing(event.indicator)
        elif isinstance(event, e.PresenceChanged):
            state.record_presence(event.user)
        elif isinstance(event, e.ReactionChanged):
            r = event.event.reaction
            state.record_reaction(r.message_id, r.reaction, added=event.added, by_me=r.uid == self.uid)
        elif isinstance(event, own.Reacted):
            state.record_reaction(event.message_id, event.reaction, added=event.added, by_me=True)
        elif isinstance(event, e.MessagePinned):
            state.record_flags(event.message, saved=False)
        elif isinstance(event, e.MessageSaved):
            state.record_flags(event.message, saved=True)
        else:
            self._apply_rest(event)

    def _apply_rest(self, event: object) -> None:
        state = self._state
        if isinstance(event, own.Marked):
            key = key_of(event.kind, event.other)
            state.record_own_receipt(key, event.message_id, event.at, read=event.read, here=True)
        elif isinstance(event, own.ConversationUpdated | e.ConversationPinned):
            if isinstance(event, own.ConversationUpdated) and event.unread:
                state.reads.doubt(key_of_conversation(event.conversation))
            state.put(event.conversation)
        elif isinstance(event, own.ConversationOutdated):
            self._mark_stale(event.kind, event.other)
        elif isinstance(event, own.ConversationRemoved):
            state.drop(key_of(event.kind, event.other))
        elif isinstance(event, e.ConversationListChanged):
            self._apply_list_change(event)
        elif isinstance(event, own.GroupUpdated):
            state.apply_group(event.group)
        elif isinstance(event, e.HistoryGap | own.RelationsChanged):
            self._want_all()
        elif isinstance(event, e.ConnectionChanged) and event.status is ConnectionStatus.CONNECTED:
            self._want_all()  # changes while disconnected are not all reported by events

    def _mark_stale(self, kind: str, other: str) -> None:
        if self._kind in ("", kind):
            self._state.stale[key_of(kind, other)] = None

    def _apply_list_change(self, event: e.ConversationListChanged) -> None:
        kind, other = event.conversation_type, event.conversation_with
        if event.change == "changed":
            self._state.reads.doubt(key_of(kind, other))  # it may have been marked as unread
            self._mark_stale(kind, other)
        elif event.change in ("removed", "groupRemoved"):
            self._state.drop(key_of(kind, other))
        elif event.change == "blocks":
            self._want_all()
        elif event.group is not None:
            self._state.apply_group(event.group, by_me=False)
