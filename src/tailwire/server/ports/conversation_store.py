"""Conversations, and each user's read state in them. `ports.store` tells what all methods can raise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from tailwire.server.ports.conversations import ConversationKey
from tailwire.server.ports.filters import ConversationFilter
from tailwire.server.ports.records import ConversationRow, Event, MessageRow, ReadStateChange, ReadStateRow


class ConversationStore(Protocol):
    """Conversations as their participants see them."""

    async def get(self, conversation_id: ConversationKey, uid: str, kind: str) -> ConversationRow | None:
        """Return a conversation as a user sees it; None if they have no such conversation, or have deleted all of it.

        Args:
            conversation_id: its key.
            uid: the user.
            kind: `user` or `group`.
        """

    async def find(self, criteria: ConversationFilter) -> tuple[list[ConversationRow], int]:
        """Return a page of the conversations that match a filter, and how many match in all.

        The page begins at `offset` and has at most `limit` conversations, in the order that `ConversationFilter` names.
        """

    async def start(self, one: str, other: str, now: int) -> None:
        """Create an empty conversation of two users at the time `now`, if they have none."""

    async def last_from_others(self, conversation_id: ConversationKey, uid: str, up_to: int | None) -> int:
        """Return the id of the newest message of a conversation that a user did not send; 0 if there is none.

        Args:
            conversation_id: its key.
            uid: the user whose own messages do not count.
            up_to: only messages up to this id; None for all.
        """

    async def last_message_id(self, conversation_id: ConversationKey) -> int:
        """Return the id of the newest message of a conversation, even if it is a reply; 0 if it has none."""

    async def unread_counts(
        self, uid: str, kind: str = "", of: ConversationKey | None = None, not_from_blocked: bool = False
    ) -> list[tuple[ConversationKey, int]]:
        """Return a user's conversations with unread messages, each with the number of these.

        A number of 1000 means 1000 or more. The order is that of `find`; at most 100,000 conversations are returned.

        Args:
            uid: the user.
            kind: only conversations of this kind, `user` or `group`; "" for both.
            of: only this conversation; None for all.
            not_from_blocked: count no messages of users whom the user has blocked.
        """


class ReadStateStore(Protocol):
    """A user's side of each conversation: delivered and read ids, tags, pin, and what they deleted for themselves.

    Writes also store a change in the change log, which is reported to the user's other devices. The argument `device`
    is the device that made the change, to which it is not reported; "" to report it to all devices.
    """

    async def get(self, conversation_id: ConversationKey, uid: str) -> ReadStateRow:
        """Return a user's side of a conversation; one with the default values if nothing is stored."""

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
        """Store that a reader has received or read all messages of a conversation up to a given one.

        Args:
            conversation_id: its key.
            reader: the uid of the reader.
            up_to: the id of that message.
            now: the time, in seconds since 1970.
            read: whether the reader has read the messages (and so received them), or only received them.
            group: the guid if it is the conversation of a group; "" otherwise.
            log: whether, in a group, to store when the reader received or read the messages, and to find the messages
                that all members have received or read now. Both are also added to the change log. False in a group that
                is too large for this: only the reader's ids are stored. No effect in a conversation of two users.
            sender: the uid of the sender of that message, to whom the change is reported.
            device: the device on which the reader received or read the messages.
            events: webhook events to queue in the same transaction, if anything changes.

        Returns:
            The changes that follow; None, without any effect, if that message or a later one is stored as received or
            read already, or the reader was removed.
        """

    async def mark_unread_after(
        self, conversation_id: ConversationKey, reader: str, after: int, device: str = ""
    ) -> int:
        """Mark the messages of a conversation with ids above `after` as unread. Earlier unread ones stay unread.

        Returns:
            The number of the change in the change log; 0 if nothing changed.
        """

    async def clear(self, conversation_id: ConversationKey, uid: str, up_to: int, device: str = "") -> int:
        """Delete a conversation for one user, who from then on sees only its messages with ids above `up_to`.

        Nothing changes if they have deleted as much already.

        Returns:
            The number of the change in the change log; 0 if nothing changed.
        """

    async def tag(self, conversation_id: ConversationKey, uid: str, tags: str | None, device: str = "") -> int | None:
        """Set the tags that a user gives to a conversation.

        Args:
            conversation_id: its key.
            uid: the user.
            tags: a JSON array of texts; None to remove the tags.
            device: the device that made the change.

        Returns:
            The number of the change in the change log; 0 if the tags were the same; None, without any effect, if the
            user has no such conversation or has deleted all of it.
        """

    async def pin(
        self, conversation_id: ConversationKey, uid: str, at: int | None, most: int, device: str = ""
    ) -> int | None:
        """Pin a conversation for one user, or unpin it.

        Args:
            conversation_id: its key.
            uid: the user.
            at: the time of the pin, in seconds since 1970; None to unpin.
            most: how many conversations in their list the user may have pinned at the same time.
            device: the device that made the change.

        Returns:
            The number of the change in the change log; 0 if nothing changed; None, without any effect, if a
            conversation is to be pinned and the user has no such conversation or has deleted all of it, or has pinned
            `most` others. Both are checked in the transaction of the change.
        """

    async def pinned_count(self, uid: str) -> int:
        """Return how many conversations in their list a user has pinned."""

    async def receipts(self, row: MessageRow) -> list[tuple[str, int | None, int | None]]:
        """Return who has received or read a message, by uid, without its sender.

        Returns:
            For each of these users the uid, the time of the delivery, and the time of reading or None, in seconds since
            1970. In groups only as far as receipts were stored (see `mark_up_to`).
        """
