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
        """Return one conversation as a user sees it, or None if it is not in their list.

        Args:
            conversation_id: its key.
            uid: the user.
            kind: `user` or `group`.
        """

    async def find(self, criteria: ConversationFilter) -> tuple[list[ConversationRow], int]:
        """Return a page of the conversations that match a filter, in the order of the filter, and how many match."""

    async def start(self, one: str, other: str, now: int) -> None:
        """Create an empty conversation of two users at the time `now`, if they have none."""

    async def last_from_others(self, conversation_id: ConversationKey, uid: str, up_to: int | None) -> int:
        """Return the id of the last message that others sent to a conversation; 0 if there is none.

        Args:
            conversation_id: its key.
            uid: the user whose own messages do not count.
            up_to: the highest id that counts; None for all.
        """

    async def last_message_id(self, conversation_id: ConversationKey) -> int:
        """Return the id of the last message of a conversation; 0 if it has none."""

    async def unread_counts(
        self, uid: str, kind: str = "", of: ConversationKey | None = None, not_from_blocked: bool = False
    ) -> list[tuple[ConversationKey, int]]:
        """Return a user's conversations with unread messages, and how many each has, counted up to 1000.

        Args:
            uid: the user.
            kind: `user`, `group`, or "" for both.
            of: only this conversation; None for all.
            not_from_blocked: count no messages of users whom the user has blocked.
        """


class ReadStateStore(Protocol):
    """A user's side of each conversation: delivered and read ids, tags, pin, and what they deleted for themselves.

    A write that is announced to the user's other devices takes `device`: the one that made the change, to which it is
    not announced; "" to announce it to all.
    """

    async def get(self, conversation_id: ConversationKey, uid: str) -> ReadStateRow:
        """Return a user's side of a conversation; the defaults if nothing is stored."""

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
        """Store that a reader has received or read a conversation up to a message.

        Args:
            conversation_id: its key.
            reader: the uid of the reader.
            up_to: the id of the message.
            now: the time, in seconds since 1970.
            read: whether they have read it, and not only received it.
            group: the guid if it is the conversation of a group; "" otherwise.
            log: in a group, whether to store who has received or read a message, to find the messages that all members
                now have, and to add both to the change log. In a conversation of two users this is always done.
            sender: the sender of the message, who receives the receipt.
            device: the device on which the reader received or read it.
            events: the webhook events of the change.

        Returns:
            What follows from it; None if the reader had received or read the message already.
        """

    async def mark_unread_after(
        self, conversation_id: ConversationKey, reader: str, after: int, device: str = ""
    ) -> int:
        """Mark the messages of a conversation after a given one as unread. What was unread before stays unread.

        Returns:
            The number of the change in the change log; 0 if nothing changed.
        """

    async def clear(self, conversation_id: ConversationKey, uid: str, up_to: int, device: str = "") -> int:
        """Delete a conversation for one user: they see only messages after `up_to`, and never earlier ones again.

        Returns:
            The number of the change in the change log; 0 if nothing changed.
        """

    async def tag(self, conversation_id: ConversationKey, uid: str, tags: str | None, device: str = "") -> int | None:
        """Set a user's tags of a conversation.

        Args:
            conversation_id: its key.
            uid: the user.
            tags: encoded JSON; None to remove them.
            device: the device that made the change.

        Returns:
            The number of the change in the change log; 0 if nothing changed; None if the conversation is not in the
            user's list, which is decided in the transaction of the change.
        """

    async def pin(
        self, conversation_id: ConversationKey, uid: str, at: int | None, most: int, device: str = ""
    ) -> int | None:
        """Pin a conversation for one user, or unpin it.

        Args:
            conversation_id: its key.
            uid: the user.
            at: the time of the pin, in seconds since 1970; None to unpin.
            most: how many conversations the user may pin.
            device: the device that made the change.

        Returns:
            The number of the change in the change log; 0 if nothing changed; None if the conversation is not in the
            user's list, or they have pinned `most` others. That is decided in the transaction of the change.
        """

    async def pinned_count(self, uid: str) -> int:
        """Return how many conversations a user has pinned."""

    async def receipts(self, row: MessageRow) -> list[tuple[str, int | None, int | None]]:
        """Return who has received or read a message, and when: uid, time of delivery, time of reading or None."""
