"""The state of a live list of conversations.

Each kind of event or response is applied by one method, which returns nothing. If the new state does not follow from an
event, the caller has to request it: `stale` names single conversations, `lost` means all of them.

Messages may arrive in any order and repeatedly, but each is counted once: a response of the server includes everything
up to the latest message id of a conversation, and the higher ids that were applied are remembered. Each change discards
the tuple of shown items (`_shown`), which `items()` makes again. This module uses no client and no clock.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tailwire.sdk.live import merging
from tailwire.sdk.live.own_reads import OwnReads
from tailwire.wire.entities import Action, BaseMessage, Conversation, Group, MessageReceipt, TypingIndicator, User
from tailwire.wire.participants import message_between_participants

MAX_UNREAD_MESSAGES = 1000
"""The highest number of unread messages that the server reports; a list counts no further, either."""
MAX_REMEMBERED_IDS = 500
_LEAVING_ACTIONS = ("left", "kicked", "banned")
_JOINING_ACTIONS = ("joined", "added")


@dataclass(frozen=True, slots=True, eq=False)
class LiveConversation:
    """A conversation in a live list.

    Two are equal if an app would show them alike: reactions to the last message are compared, too.

    Attributes:
        key: identifies the conversation in the list: its type and the uid or guid, such as `user/alice`.
        conversation: the current `Conversation`.
        typing: the users who are typing in it.
    """

    key: str
    conversation: Conversation
    typing: tuple[User, ...] = ()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, LiveConversation):
            return NotImplemented
        one, two = self.conversation, other.conversation
        same = (self.key, one, self.typing) == (other.key, two, other.typing)
        return same and merging.reads_alike(one.last_message, two.last_message)

    def __hash__(self) -> int:
        return hash(self.key)


@dataclass(slots=True)
class _Row:
    item: LiveConversation
    included_id: int  # the last response includes everything up to this id
    counted: int = 0  # the highest id that was counted as unread since then

    def rank(self) -> tuple[bool, int, int]:
        c = self.item.conversation
        return c.pinned_at == 0, -c.updated_at, -c.latest_message_id


def key_of(kind: str, other: str) -> str:
    """Return the key of a conversation. `kind` is `user` or `group`, and `other` the uid or guid."""
    return f"{kind}/{other}"


class ConversationList:
    """The first conversations of a user in the order of the server: pinned ones first, then the most recent.

    Args:
        me: the user's uid.
        kind: only conversations with a `user`, or of a `group`; "" for both.
        most: the maximum number of conversations to keep; those further down are dropped.

    Attributes:
        reads: what this device has read, while the server may not know it yet.
        complete: whether the list contains all conversations of the user, down to the last.
        stale: keys of conversations whose state must be requested, because it does not follow from the events.
        doubtful: keys of conversations in which a reaction may have been counted twice; they should be requested, but
            this is not urgent.
        lost: whether the whole list must be requested.
        unsure: set before each event: whether the last response may have included that event already.
    """

    def __init__(self, me: str, kind: str, most: int) -> None:
        self._me = me
        self._kind = kind
        self._most = most
        self._rows: dict[str, _Row] = {}
        self._applied: dict[str, dict[int, None]] = {}  # by conversation: applied ids that are not in the last response
        self._shown: tuple[LiveConversation, ...] | None = None
        self.reads: OwnReads = OwnReads()
        self.complete: bool = False
        self.stale: dict[str, None] = {}
        self.doubtful: dict[str, None] = {}
        self.lost: bool = False
        self.unsure: bool = False

    def items(self) -> tuple[LiveConversation, ...]:
        """Return the conversations in order. The tuple is the same object until something changes."""
        if self._shown is None:
            self._shown = tuple(row.item for row in sorted(self._rows.values(), key=_Row.rank))
        return self._shown

    def __len__(self) -> int:
        return len(self._rows)

    # Responses.

    def fill(self, page: Sequence[Conversation], *, complete: bool) -> None:
        """Replace the list with the first conversations from the server, sorted as there. Typing indicators stay.

        Args:
            complete: whether these are all conversations.
        """
        typing = {key: row.item.typing for key, row in self._rows.items()}
        self._rows, self._applied, self.stale, self.doubtful, self.lost = {}, {}, {}, {}, False
        self._shown = None
        for conversation in page:
            self._put(conversation, typing.get(key_of_conversation(conversation), ()))
        self.complete = complete
        self._trim()

    def append(self, page: Sequence[Conversation], *, complete: bool) -> None:
        """Append the conversations that follow in the server's order. Those that are in the list already are ignored.

        Args:
            complete: whether no further conversations follow these.
        """
        for conversation in page:
            if key_of_conversation(conversation) not in self._rows:
                self._put(conversation)
        self.complete = complete
        self._trim()

    def put(self, conversation: Conversation, *, reached: int | None = None) -> None:
        """Insert a conversation, or replace it with its new state from the server. Mark it as stale if that is older.

        Args:
            reached: for a response after which the events since its request are applied again: the id up to which the
                list contained the conversation when it was requested. None: up to its last message now.
        """
        key = key_of_conversation(conversation)
        if reached is not None:  # otherwise it may be older than what has marked the conversation
            self.stale.pop(key, None)
            self.doubtful.pop(key, None)
        if self._kind in ("", conversation.conversation_type):
            before = self._rows.get(key)
            self._applied.pop(key, None)
            if before is not None:
                known = before.item.conversation
                if (known.latest_message_id if reached is None else reached) > conversation.latest_message_id:
                    self.stale[key] = None
                conversation = merging.with_blocks(conversation, known)
            self._put(conversation, before.item.typing if before else ())
            self._sort(key, before.rank() if before else None)

    def drop(self, key: str) -> None:
        """Remove a conversation, if it is in the list, and everything that is remembered about it."""
        self.stale.pop(key, None)
        self.doubtful.pop(key, None)
        self._rows.pop(key, None)
        self._shown = None
        self._applied.pop(key, None)
        self.reads.forget(key)

    def _put(self, conversation: Conversation, typing: tuple[User, ...] = ()) -> None:
        key = key_of_conversation(conversation)
        known = conversation.latest_message_id
        conversation, again = self.reads.correct(key, conversation)
        if again:
            self.stale[key] = None
        self._rows[key] = _Row(LiveConversation(key, conversation, typing), known)
        self._shown = None

    def _trim(self) -> None:
        if len(self._rows) > self._most:
            self.complete = False
            for row in sorted(self._rows.values(), key=_Row.rank)[self._most :]:
                self.drop(row.item.key)

    def _sort(self, key: str, before: tuple[bool, int, int] | None) -> None:
        # Drop a changed conversation that is now last, unless the list is complete: conversations that are not in the
        # list may come before it. `before` is its former rank; None if it is new.
        row = self._rows[key]
        down = before is None or row.rank() > before
        others = [other for other in self._rows.values() if other is not row]
        if down and not self.complete and others and max(other.rank() for other in others) < row.rank():
            self.drop(key)
            return
        self._trim()

    def _change(self, key: str, **changes: object) -> None:
        row = self._rows[key]
        before = row.rank()
        _replace_item(self, row, conversation=replace(row.item.conversation, **changes))  # type: ignore[arg-type]
        self._sort(key, before)

    def _mark_applied(self, key: str, number: int) -> bool:
        # Mark an id as applied. Return whether it is new.
        row, applied = self._rows[key], self._applied.setdefault(key, {})
        if number <= row.included_id or number in applied:
            return False
        applied[number] = None
        if len(applied) > MAX_REMEMBERED_IDS:
            row.included_id = sorted(applied)[MAX_REMEMBERED_IDS // 2]
            self._applied[key] = {n: None for n in applied if n > row.included_id}
        return True

    # Events.

    def apply_message(self, message: BaseMessage) -> None:
        """Apply a new message, or an action message: one that reports an edit, a deletion or a change of members."""
        key = _key_of_message(message, self._me)
        if self._kind not in ("", str(message.receiver_type)):
            return
        if isinstance(message, Action) and message.type == "groupMember" and self._apply_own_membership(message, key):
            return
        if key not in self._rows:
            self.stale[key] = None
            return
        if not self._mark_applied(key, message.id):
            return
        c = self._rows[key].item.conversation
        changes: dict[str, object] = {}
        if message.id > c.latest_message_id:
            changes = {"latest_message_id": message.id, "updated_at": message.sent_at}
            changes["conversation_with"] = merging.other_as_in(message, c.conversation_with, self._me)
        changes |= self._count_fields(key, c, message) | merging.last_message_fields(c, message)
        self._stop_typing(key, message.sender.uid)
        self._change(key, **changes)

    def _apply_own_membership(self, action: Action, key: str) -> bool:
        # Remove the conversation if the user themself has left the group, and request it if they have joined. Return
        # whether they did either.
        on = action.action_on if isinstance(action.action_on, User) else action.action_by
        if on is None or on.uid != self._me or action.action not in (*_LEAVING_ACTIONS, *_JOINING_ACTIONS):
            return False
        self.drop(key)
        if action.action in _JOINING_ACTIONS:
            self.stale[key] = None
        return True

    def _count_fields(self, key: str, c: Conversation, message: BaseMessage) -> dict[str, object]:
        row = self._rows[key]
        if merging.reports_a_change(message):
            on = message.action_on if isinstance(message, Action) else None
            if (
                isinstance(on, BaseMessage)
                and merging.is_unread(c, on, self._me)
                and (on.deleted_at or on.mentions(self._me) or c.unread_mentions_count)
            ):
                self.stale[key] = None  # the remaining count is unknown
            return {}
        if not merging.is_unread(c, message, self._me):
            return {}
        row.counted = max(row.counted, message.id)
        return {
            "unread_message_count": min(c.unread_message_count + 1, MAX_UNREAD_MESSAGES),
            "unread_mentions_count": c.unread_mentions_count + message.mentions(self._me),
        }

    def apply_receipt(self, receipt: MessageReceipt) -> None:
        """Apply a receipt of this user to the unread count, or a receipt of others to the user's own last message."""
        kind, reader, at = str(receipt.receiver_type), receipt.sender.uid, receipt.timestamp
        read = receipt.receipt_type in ("read", "readByAll")
        of_all = receipt.receipt_type in ("deliveredToAll", "readByAll")
        if reader == self._me and not of_all:
            self.record_own_receipt(key_of(kind, receipt.receiver_id), receipt.message_id, at, read=read)
            return
        key = key_of(kind, receipt.receiver_id if kind == "group" else reader)
        row = self._rows.get(key)
        last = row.item.conversation.last_message if row is not None else None
        if last is None or last.sender.uid != self._me or last.id > receipt.message_id or (kind == "group") != of_all:
            return
        self._change(key, last_message=merging.with_receipt(last, at, read=read))

    def record_own_receipt(self, key: str, up_to: int, at: int, *, read: bool, here: bool = False) -> None:
        """Record that the user has received, or read, a conversation up to a message.

        Args:
            key: the key of the conversation.
            up_to: the id of the last message that they received or read.
            at: when, in seconds since 1970.
            read: True if they read it, False if they received it.
            here: whether this happened on this device. Then the next responses of the server may not include it yet,
                and are corrected.
        """
        row = self._rows.get(key)
        if row is None:
            return
        c, last = row.item.conversation, row.item.conversation.last_message
        if last is not None and last.id <= up_to and last.sender.uid != self._me and key.startswith("user/"):
            c = replace(c, last_message=merging.with_receipt(last, at, read=read))
        if read and up_to > c.last_read_message_id:
            if here:
                self.reads.record(key, up_to)
            c = self._after_read(key, c, up_to)
        if c is not row.item.conversation:
            _replace_item(self, row, conversation=c)

    def _after_read(self, key: str, c: Conversation, up_to: int) -> Conversation:
        row, last = self._rows[key], c.last_message
        if c.unread_message_count and up_to < max(row.included_id, row.counted):
            self.stale[key] = None  # the number of unread messages after it is unknown
            if up_to < max(last.id if last is not None else 0, row.counted):
                return c
        return merging.as_read(c, up_to)

    def record_reaction(self, message_id: int, reaction: str, *, added: bool, by_me: bool) -> None:
        """Record that a reaction was added to or removed from a message. Only last messages are affected."""
        key = self._change_last(
            message_id, lambda last: merging.with_reaction(last, reaction, added=added, by_me=by_me)
        )
        if key and self.unsure and not by_me:
            self.doubtful[key] = None

    def record_flags(self, message: BaseMessage, *, saved: bool) -> None:
        """Record that a message was pinned, unpinned, saved or unsaved. Only last messages are affected.

        Args:
            message: its current copy.
            saved: True if it was saved or unsaved, False if it was pinned or unpinned.
        """
        change = merging.with_save if saved else merging.with_pin
        self._change_last(message.id, lambda last: change(last, message))

    def _change_last(self, message_id: int, change: Callable[[BaseMessage], BaseMessage]) -> str:
        # Change a last message. Return the key of its conversation; "" if it is not a last message.
        for key, row in self._rows.items():
            last = row.item.conversation.last_message
            if last is not None and last.id == message_id:
                self._change(key, last_message=change(last))
                return key
        return ""

    def record_presence(self, user: User) -> None:
        """Record the new presence of a user: online, away or offline."""
        key = key_of("user", user.uid)
        row = self._rows.get(key)
        if row is not None and isinstance(row.item.conversation.conversation_with, User):
            other = row.item.conversation.conversation_with
            last_active_at = max(other.last_active_at, user.last_active_at)
            self._change(key, conversation_with=replace(other, status=user.status, last_active_at=last_active_at))

    def record_typing(self, indicator: TypingIndicator) -> None:
        """Record that a user started or stopped typing."""
        uid, kind = indicator.sender.uid, str(indicator.receiver_type)
        if uid == self._me:
            return
        key = key_of(kind, indicator.receiver_id if kind == "group" else uid)
        self._stop_typing(key, uid)
        row = self._rows.get(key)
        if row is not None and indicator.typing_status == "started":
            _replace_item(self, row, typing=(*row.item.typing, indicator.sender))

    def _stop_typing(self, key: str, uid: str) -> None:
        row = self._rows.get(key)
        if row is not None and any(user.uid == uid for user in row.item.typing):
            _replace_item(self, row, typing=tuple(user for user in row.item.typing if user.uid != uid))

    def apply_group(self, group: Group, *, by_me: bool = True) -> None:
        """Apply the new state of a group.

        Args:
            by_me: whether this user changed the group. If not, `group` does not describe this user's membership, and
                the known membership is kept.
        """
        row = self._rows.get(key_of("group", group.guid))
        if row is not None:
            known = row.item.conversation.conversation_with
            self._change(row.item.key, conversation_with=group if by_me else merging.changed_group(group, known))


def _replace_item(live: ConversationList, row: _Row, **changes: Any) -> None:
    row.item = replace(row.item, **changes)
    live._shown = None


def _key_of_message(message: BaseMessage, me: str) -> str:
    kind = str(message.receiver_type)
    if kind == "group":
        return key_of(kind, message.receiver)
    sent = message_between_participants(message)
    return key_of(kind, sent.receiver if sent.sender.uid == me else sent.sender.uid)


def key_of_conversation(c: Conversation) -> str:
    """Return the key of a conversation."""
    other = c.conversation_with
    return key_of(str(c.conversation_type), other.guid if isinstance(other, Group) else other.uid)
