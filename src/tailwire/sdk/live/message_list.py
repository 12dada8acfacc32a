"""The state of a live list of messages.

Each kind of event or response is applied by one method, which returns nothing. Messages that the server has stored are
ordered by id; queued ones follow in the order of the queue. If an event may be included in the last response already,
so that it may be counted twice, `doubtful` is set, and the caller requests the messages again. Each change discards the
tuple of shown items (`_shown`), which `items()` makes again. This module uses no client and no clock.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from tailwire.sdk.live import merging
from tailwire.sdk.live.applied import AppliedChanges
from tailwire.wire.entities import Action, BaseMessage, MessageReceipt, TypingIndicator, User
from tailwire.wire.identifiers import stored_id


class MessageState(StrEnum):
    """The state of a message in a live list."""

    SENT = "sent"
    PENDING = "pending"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, eq=False)
class LiveMessage:
    """A message in a live list.

    Two are equal if an app would show them alike: reactions, pin and quoted message are compared, too.

    Attributes:
        key: identifies the message in the list. A queued message keeps its key when it is sent.
        message: the current message. A deleted one has `deleted_at` and no content.
        state: `sent`; for the user's own queued messages `pending` or `failed`.
        entry: the `OutboxEntry` of a queued message, with `retry()` and `cancel()`; None for a sent one.
        error: of a queued message, why the last attempt to send it failed; else None.
    """

    key: str
    message: BaseMessage
    state: MessageState = MessageState.SENT
    entry: Any = None
    error: Exception | None = None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, LiveMessage):
            return NotImplemented
        return (self.key, self.state, self.error) == (other.key, other.state, other.error) and merging.reads_alike(
            self.message, other.message
        )

    def __hash__(self) -> int:
        return hash(self.key)


class MessageList:
    """The newest messages of a conversation or thread, as far back as they were read.

    Args:
        me: the user's uid.
        kind: `user` or `group`.
        other: the uid of the other user, or the guid of the group.
        parent: the id of the parent message of the thread; 0 for the conversation itself.
        replies: whether a list of a conversation includes the replies in threads.
        most: the maximum number of stored messages to keep; older ones are dropped. Queued ones do not count.

    Attributes:
        complete: whether the list contains the first message of the conversation or thread.
        hides_replies: whether replies in threads are left out.
        applied: the edits, deletions and replies that were applied.
        lost: whether messages may be missing, so that the list must be requested again.
        doubtful: whether a reaction or reply may have been counted twice, so that the list should be requested again.
        reached: the list contains every message from this id on; older ones may be missing.
        unsure: set before each event: whether the last response may have included that event already.
        gone: whether the user is no longer in the group, or the group was deleted.
    """

    def __init__(self, me: str, kind: str, other: str, *, parent: int, replies: bool, most: int) -> None:
        self._me, self._kind, self._other = me, kind, other
        self._parent, self._replies, self._most = parent, replies, most
        self.hides_replies: bool = not parent and not replies
        self._ids: list[int] = []
        self._items: dict[int, LiveMessage] = {}
        self._queued: dict[str, LiveMessage] = {}
        self._keys: dict[int, str] = {}  # keys of messages that were queued before
        self._typing: dict[str, User] = {}
        self._shown: tuple[LiveMessage, ...] | None = None
        self.applied: AppliedChanges = AppliedChanges()
        self.reached: int = 0
        self.complete: bool = False
        self.lost: bool = False
        self.doubtful: bool = False
        self.unsure: bool = False
        self.gone: bool = False

    def items(self) -> tuple[LiveMessage, ...]:
        """Return the messages, oldest first. The tuple is the same object until something changes."""
        if self._shown is None:
            self._shown = (*(self._items[n] for n in self._ids), *self._queued.values())
        return self._shown

    def typing(self) -> tuple[User, ...]:
        """Return the users who are typing."""
        return tuple(self._typing.values())

    def end_ids(self) -> tuple[int, int]:
        """Return the ids of the oldest and the newest stored message; (0, 0) if there is none."""
        return (self._ids[0], self._ids[-1]) if self._ids else (0, 0)

    def capacity(self) -> int:
        """Return how many further stored messages fit into the list."""
        return self._most - len(self._ids)

    def __len__(self) -> int:
        return len(self._ids)

    def is_of(self, kind: str, other: str) -> bool:
        """Return whether this list is of the given conversation. `kind` is `user` or `group`, `other` a uid or guid."""
        return (self._kind, self._other) == (kind, other)

    def is_shown(self, message: BaseMessage) -> bool:
        """Return whether the list shows a message of its conversation.

        It does not show action messages that report an edit or a deletion, messages outside of its thread, or, if they
        are left out, replies in threads.
        """
        if merging.reports_a_change(message):
            return False
        if self._parent:
            return message.parent_message_id == self._parent
        return self._replies or not message.parent_message_id

    def belongs(self, message: BaseMessage) -> bool:
        """Return whether a message belongs to the conversation."""
        if str(message.receiver_type) != self._kind:
            return False
        if self._kind == "group":
            return message.receiver == self._other
        return {message.sender.uid, message.receiver} == {self._me, self._other}

    # Responses.

    def fill(
        self,
        page: Sequence[BaseMessage],
        first: int,
        *,
        complete: bool,
        joins: bool = True,
        before: AppliedChanges | None = None,
    ) -> None:
        """Replace the newest messages with those from the server.

        The page may lack what was applied since it was requested. That has to be applied again.

        Args:
            page: all shown messages with an id from `first` on.
            first: the id where the page begins. Older messages in the list are kept if `joins` is true and `complete`
                is not.
            complete: whether the page contains the first message of the conversation or thread.
            joins: False if messages before `first` may be missing in the list, for example after a long time without a
                connection.
            before: a copy of `applied` from the time of the request, which the page includes; None for nothing.
        """
        for number in list(self._items):
            if number >= first or complete or not joins:
                del self._items[number]
        self._ids, self._shown = sorted(self._items), None
        self.reached = min(self.reached, first) if joins and self.reached else first
        for message in page:
            self._insert(message)
        self._keys = {n: key for n, key in self._keys.items() if n in self._items}
        self.applied.revert(before or AppliedChanges(), first)
        self.applied.acts = {n: act for n, act in self.applied.acts.items() if n in self._items}
        self.complete = complete or (self.complete and joins)
        self.lost = self.doubtful = self.gone = False
        self._trim()

    def prepend(self, page: Sequence[BaseMessage], first: int, *, complete: bool) -> None:
        """Prepend older messages.

        Args:
            page: all shown messages with an id from `first` on, up to the oldest one in the list.
            first: the id where the page begins.
            complete: whether the page contains the first message of the conversation or thread.
        """
        self.reached = first
        for message in page:
            if message.id not in self._items:
                self._insert(message)
        self.complete = complete

    def clear(self) -> None:
        """Remove all stored messages, because the user's conversation or the group was deleted."""
        self._ids, self._items, self._keys, self._shown = [], {}, {}, None
        self.applied.acts.clear()
        self.complete = True

    def _insert(self, message: BaseMessage) -> None:
        if not self.is_shown(message):
            return
        if message.muid and message.sender.uid == self._me and self._queued.pop(message.muid, None) is not None:
            self._keys[message.id] = _queued_key(message.muid)
        if message.id not in self._items:
            insort(self._ids, message.id)
        key = self._keys.get(message.id, f"message/{message.id}")
        self._items[message.id], self._shown = LiveMessage(key, message), None

    def _trim(self) -> None:
        while len(self._ids) > self._most:
            number = self._ids.pop(0)
            del self._items[number]
            self.applied.acts.pop(number, None)
            self._keys.pop(number, None)
            self.reached, self.complete, self._shown = self._ids[0], False, None

    # Events.

    def apply_message(self, message: BaseMessage) -> None:
        """Apply a new message, or an action message: one that reports an edit, a deletion or a change of members.

        Messages of other conversations are ignored.
        """
        if isinstance(message, Action) and merging.reports_a_change(message):
            if isinstance(message.action_on, BaseMessage) and self.belongs(message.action_on):
                self._apply_action(message.action_on, message.id, deleted=message.action == "deleted")
            return
        if not self.belongs(message):
            return
        self._typing.pop(message.sender.uid, None)
        if isinstance(message, Action):
            self._apply_membership(message)
        if message.parent_message_id in self._items:
            self._count_reply(message)
        known = message.id in self._items
        if not known and self.is_shown(message) and (self.complete or message.id >= self.reached):
            self._insert(message)
            self._trim()

    def _apply_membership(self, action: Action) -> None:
        on = action.action_on if isinstance(action.action_on, User) else action.action_by
        if on is not None and on.uid == self._me and action.action in ("left", "kicked", "banned", "joined", "added"):
            self.gone = action.action not in ("joined", "added")
            self.lost = not self.gone  # messages from the time of absence are missing

    def _count_reply(self, message: BaseMessage) -> None:
        counted = self.applied.replies
        if message.id in counted:
            return
        counted[message.id] = message.parent_message_id
        if len(counted) > self._most:
            del counted[next(iter(counted))]
        self.doubtful = self.doubtful or self.unsure
        self._change(message.parent_message_id, merging.with_reply)

    def _apply_action(self, on: BaseMessage, action_id: int, *, deleted: bool) -> None:
        for number, item in list(self._items.items()):
            if item.message.quoted_message_id == on.id:
                self._change(number, lambda m: merging.with_quoted(m, on))
        changed = self._items.get(on.id)
        if changed is None or self.applied.acts.get(on.id, 0) >= action_id:
            return
        self.applied.acts[on.id] = action_id
        known = changed.message
        if known.deleted_at or (known.updated_at > on.updated_at and not deleted):
            return  # a page has brought a newer version
        self._change(on.id, lambda m: merging.after_deletion(m, on) if deleted else merging.after_edit(m, on))

    def _change(self, number: int, change: Any) -> None:
        item = self._items.get(number)
        if item is None:
            return
        message = change(item.message)
        if message is not item.message:
            self._items[number] = LiveMessage(item.key, message, item.state, item.entry, item.error)
            self._shown = None

    def apply_receipt(self, receipt: MessageReceipt) -> None:
        """Apply a receipt of either user, or of all members of the group. Receipts of single members are ignored."""
        kind, of_all = receipt.receipt_type, receipt.receipt_type in ("deliveredToAll", "readByAll")
        if str(receipt.receiver_type) != self._kind or (self._kind == "group") is not of_all:
            return
        reader, read = receipt.sender.uid, kind in ("read", "readByAll")
        if of_all:
            concerned = receipt.receiver_id == self._other
            by = self._me
        else:
            concerned = {reader, receipt.receiver_id} == {self._me, self._other}
            by = self._other if reader == self._me else self._me
        if concerned:
            self.record_receipt(by, receipt.message_id, receipt.timestamp, read=read)

    def record_receipt(self, by: str, up_to: int, at: int, *, read: bool) -> None:
        """Record that the messages of one sender were delivered, or read.

        Args:
            by: the uid of the sender.
            up_to: the id of the last of these messages.
            at: when, in seconds since 1970.
            read: True if they were read, False if they were delivered.
        """
        for number in self._ids:
            message = self._items[number].message
            if number > up_to:
                return
            # Go on after a message that has the receipt already: an edit may have given it to a newer message first.
            if message.sender.uid == by and message.category != "action":
                self._change(number, lambda m: merging.with_receipt(m, at, read=read))

    def record_reaction(self, message_id: int, reaction: str, *, added: bool, by_me: bool) -> None:
        """Record that a reaction was added to or removed from a message. Do nothing if it is not in the list.

        Args:
            by_me: whether it is this user's own reaction. That is counted once, even if it is reported twice.
        """
        if message_id not in self._items:
            return
        self.doubtful = self.doubtful or (self.unsure and not by_me)
        self._change(message_id, lambda m: merging.with_reaction(m, reaction, added=added, by_me=by_me))

    def record_flags(self, message: BaseMessage, *, saved: bool) -> None:
        """Record that a message was pinned, unpinned, saved or unsaved. Do nothing if it is not in the list.

        Args:
            message: its current copy.
            saved: True if it was saved or unsaved, False if it was pinned or unpinned.
        """
        change = merging.with_save if saved else merging.with_pin
        self._change(message.id, lambda m: change(m, message))

    def record_typing(self, indicator: TypingIndicator) -> None:
        """Record that another user started or stopped typing. Indicators of other conversations are ignored."""
        uid, to = indicator.sender.uid, indicator.receiver_id
        here = to == self._other if self._kind == "group" else (uid, to) == (self._other, self._me)
        if uid == self._me or not here or str(indicator.receiver_type) != self._kind:
            return
        self._typing.pop(uid, None)
        if indicator.typing_status == "started":
            self._typing[uid] = indicator.sender

    def record_queued(
        self, muid: str, message: BaseMessage, state: MessageState | None, entry: Any, error: Exception | None
    ) -> None:
        """Apply the state of a message in the outbox. Messages to other receivers are ignored.

        Args:
            muid: the client's id of the message.
            message: the message.
            state: `pending` or `failed`; None if it is no longer queued, because it was sent or cancelled. A failed
                message that is pending again moves to the end.
            entry: its `OutboxEntry`.
            error: why the last attempt to send it failed; None if it did not.
        """
        known = self._queued.get(muid)
        if state is None:
            if known is not None:
                del self._queued[muid]
                self._shown = None
            return
        to = self._other == stored_id(message.receiver) and self._kind == str(message.receiver_type)
        if not to or not self.is_shown(message):
            return
        if known is not None and known.state is MessageState.FAILED and state is MessageState.PENDING:
            del self._queued[muid]
        self._queued[muid], self._shown = LiveMessage(_queued_key(muid), message, state, entry, error), None


def _queued_key(muid: str) -> str:
    return f"queued/{muid}"  # apps may choose the muid, so it must not collide with a message id
