"""Conversations, and each user's read state in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from tailwire.server.ports.conversations import ConversationKey
from tailwire.server.ports.filters import ConversationFilter
from tailwire.server.ports.records import ConversationRow, Event, MessageRow, ReadStateChange, ReadStateRow


class ConversationStore(Protocol):
    """Conversations as their participants see them."""

    async def get(self, conversation_id: ConversationKey, uid: str, kind: str) -> ConversationRow | None:
        """Return one conversation as a user sees it, or None.

        Args:
            kind: `user` or `group`.
        """

    async def find(self, criteria: ConversationFilter) -> tuple[list[ConversationRow], int]:
        """Return a page of the conversations that match a filter, in the order of the filter, and how many match."""

    async def start(self, one: str, other: str, now: int) -> None:
        """Create an empty conversation of two users, if they have none."""

    async def last_from_others(self, conversation_id: ConversationKey, uid: str, up_to: int | None) -> int:
        """Return the id of the last message that others sent to a conversation, at most `up_to`; 0 if there is none."""

    async def last_message_id(self, conversation_id: ConversationKey) -> int:
        """Return the id of the last message of a conversation; 0 if it has none."""

    async def unread_counts(
        self, uid: str, kind: str = "", of: ConversationKey | None = None, not_from_blocked: bool = False
    ) -> list[tuple[ConversationKey, int]]:
        """Return a user's conversations with unread messages, and how many each has, counted up to 1000.

        Args:
            uid: the user.
            kind: `user`, `group`, or "" for both.
            of: only this conversation.
            not_from_blocked: count no messages of users whom the user has blocked.
        """


class ReadStateStore(Protocol):
    """A user's side of each conversation: delivered and read ids, tags, pin, and what they deleted for themselves.

    A write that is announced to the user's other devices takes `device`, the one that made the change. Each method says
    what it returns.
    """

    async def get(self, conversation_id: ConversationKey, uid: str) -> ReadStateRow:
        """Return a user's side of a conversation."""

    async def cleared_until(self, conversation_id: ConversationKey, uid: str) -> int:
        """Return the id up to which a user has deleted a conversation for themselves; 0 if they have not."""

    async def mark_up_to(
        self,
        conversation_id: ConversationKey,
        reader: str,
        up_to: int,
        now: int,
        *,
        read: bool,
        group: str = "",
        log: bool = True,
        sender: str = "",
        device: str = "",
        events: Sequence[Event] = (),
    ) -> ReadStateChange | None:
        """Store that a reader has received or read a conversation up to a message. Return None if nothing changed.

        Args:
            group: the guid of a group's conversation.
            log: in a group, store receipts for single messages, and find those that all members received or read.
            sender: the sender of the message, who receives the receipt.
            device: the device on which the reader received or read it.
            events: webhook events.
        """

    async def mark_unread_after(
        self, conversation_id: ConversationKey, reader: str, after: int, device: str = ""
    ) -> int:
        """Mark a conversation as unread after a message. What was unread before stays so.

        Returns:
            The number of the change in the change log; 0 if nothing changed.
        """

    async def clear(self, conversation_id: ConversationKey, uid: str, up_to: int, device: str = "") -> int:
        """Delete a conversation for one user: they see only messages after `up_to`, and never earlier ones again.

        Returns:
            The number of the change in the change log; 0 if nothing changed.
        """

    async def tag(self, conversation_id: ConversationKey, uid: str, tags: str | None, device: str = "") -> int | None:
        """Set a user's tags of a conversation, as encoded JSON. Return None if the conversation is not in their list.

        That is decided in the transaction of the change, as for `pin`.
        """

    async def pin(
        self, conversation_id: ConversationKey, uid: str, at: int | None, most: int, device: str = ""
    ) -> int | None:
        """Pin a conversation for one user, or unpin it. Return None if it is not in their list, or too many are pinned.

        Args:
            at: the time of the pin; None to unpin.
            most: how many conversations the user may pin.
        """

    async def pinned_count(self, uid: str) -> int:
        """Return how many conversations a user has pinned."""

    async def receipts(self, row: MessageRow) -> list[tuple[str, int | None, int | None]]:
        """Return who has received and read a message, and when: uid, time of delivery, time of reading."""
