"""Messages, and what users attach to single messages. `ports.store` tells what all methods can raise."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from tailwire.server.ports.filters import MessageFilter, Position
from tailwire.server.ports.records import (
    Draft,
    EditedContent,
    Event,
    ListedRow,
    MessageRow,
    ReactionRow,
    ReportRow,
    Stored,
)
from tailwire.server.ports.standing import GroupAct, MessageAct


class MessageStore(Protocol):
    """Messages. Ids increase in the order of commits. `Removal` removes them permanently."""

    async def add(self, draft: Draft, act: GroupAct | None = None) -> Stored:
        """Store a message, or return the stored one if its sender has used the muid (the client's own id) before.

        Args:
            draft: the message.
            act: given if the sender must be a member of the group, which is checked in the transaction. If they are not
                a member, `act.allowed` is called to raise the reason.

        Raises:
            Refused: ERR_MESSAGE_REMOVED: the sender's message with this muid was removed. ERR_UID_NOT_FOUND,
                ERR_GUID_NOT_FOUND: the sender or the receiver was removed meanwhile. If the sender is not a member
                and the message is not stored: ERR_GUID_NOT_FOUND, what `act.allowed` raises, or ERR_NOT_A_MEMBER.
        """

    async def get(self, message_id: int) -> MessageRow | None:
        """Return a message, or None."""

    async def by_muid(self, sender: str, muid: str) -> MessageRow | None:
        """Return the message that a sender sent under a muid, or None."""

    async def by_ids(self, ids: Iterable[int]) -> dict[int, MessageRow]:
        """Return the messages with the given ids, by id. Ids without a message are left out."""

    async def mentioned_in(self, message_id: int) -> tuple[str, ...]:
        """Return the uids that a message mentions, sorted; () if there is no such message."""

    async def find(self, criteria: MessageFilter) -> list[ListedRow]:
        """Return the first messages that match a filter, in the order and at most the number that the filter gives."""

    async def missed_boundary(self, reader: str, device: str, after: int, most: int) -> int:
        """Return the id after which a reader has missed exactly `most` messages, so that catch-up can begin there.

        Action messages of edits and deletions do not count, nor do messages that the reader has sent from `device`.

        Args:
            after: the id up to which the reader has received everything.
            most: how many of the newest messages may be caught up on.

        Returns:
            The id; 0 if the reader has missed at most `most` messages after `after`.
        """

    async def edit(
        self,
        act: MessageAct,
        now: int,
        change: Callable[[MessageRow], EditedContent],
        announce: Callable[[MessageRow], Draft],
    ) -> Stored:
        """Change a message, and store the action message that announces this.

        The action message of an earlier edit of the same message is deleted.

        Args:
            act: who edits which message. Its condition is checked in the transaction of the change.
            now: the time, in seconds since 1970.
            change: returns the new content, given the stored message.
            announce: returns the action message, given the changed message.

        Returns:
            The stored action message.

        Raises:
            Refused: raised by `act.allowed`; or ERR_MESSAGE_ID_NOT_FOUND: there is no such message.
        """

    async def delete(
        self, act: MessageAct, now: int, empty: Callable[[MessageRow], bytes], announce: Callable[[MessageRow], Draft]
    ) -> Stored:
        """Mark a message as deleted, erase its content, and store the action message that announces this.

        Its pin, mentions, reactions, saves, and the action message of its last edit are deleted.

        Args:
            act: who deletes which message. Its condition is checked in the transaction of the change.
            now: the time, in seconds since 1970.
            empty: returns the body without its content, given the stored message.
            announce: returns the action message, given the changed message.

        Returns:
            The stored action message.

        Raises:
            Refused: raised by `act.allowed`; or ERR_MESSAGE_ID_NOT_FOUND: there is no such message.
        """


class ReactionStore(Protocol):
    """Reactions to messages.

    A write takes an act: who acts on which message. `Refused` is raised if the act's condition, which is checked in the
    transaction of the write, does not hold, or with ERR_MESSAGE_ID_NOT_FOUND if there is no such message.
    """

    async def add(
        self,
        act: MessageAct,
        reaction: str,
        now: int,
        limit: int,
        events: Callable[[ReactionRow], Sequence[Event]] | None = None,
    ) -> ReactionRow | None:
        """Store a reaction of the acting user.

        Args:
            act: who reacts to which message.
            reaction: its text, such as an emoji.
            now: the time, in seconds since 1970.
            limit: how many different reactions a message may have.
            events: returns the webhook events to queue, given the stored reaction; None for none.

        Returns:
            The stored reaction; None, without any effect, if the user has reacted with this text already, or the
            message has `limit` other reactions.

        Raises:
            Refused: raised by `act.allowed`; or ERR_MESSAGE_ID_NOT_FOUND: there is no such message.
        """

    async def remove(
        self,
        act: MessageAct,
        reaction: str,
        now: int,
        events: Callable[[ReactionRow], Sequence[Event]] | None = None,
    ) -> ReactionRow | None:
        """Remove a reaction of the acting user. Return it; None, without any effect, if it does not exist.

        Args:
            act: who removes their reaction to which message.
            reaction: its text.
            now: the time, in seconds since 1970.
            events: returns the webhook events to queue, given the removed reaction; None for none.

        Raises:
            Refused: raised by `act.allowed`; or ERR_MESSAGE_ID_NOT_FOUND: there is no such message.
        """

    async def find(
        self, message_id: int, reaction: str = "", *, newer: bool = True, cursor: int | None = None, limit: int = 100
    ) -> list[ReactionRow]:
        """Return reactions to a message, oldest first.

        Args:
            message_id: the message.
            reaction: only this reaction; "" for all.
            newer: True for the oldest reactions after the cursor; False for the newest ones before it.
            cursor: the id of a reaction; None to begin with the oldest, or without `newer` with the newest one.
            limit: how many to return at most.
        """

    async def counts(self, ids: Sequence[int], reader: str) -> dict[int, list[tuple[str, int, bool]]]:
        """Return how often each reaction was used on messages, by message id.

        Returns:
            For each message with reactions, in the order of their first use: the text of the reaction, how many users
            have used it, and whether the reader is one of them. Messages without reactions are left out.
        """


class AnnotationStore(Protocol):
    """Pins, saves, followed threads, reports and interactions: what users attach to messages besides reactions.

    A write that takes an act raises `Refused` as in `ReactionStore`.
    """

    async def pin(self, act: MessageAct, now: int, limit: int, *, pinned: bool) -> int:
        """Pin a message in its conversation, or unpin it. Return the number of the change in the change log.

        Returns 0, and changes nothing, if `limit` other messages of the conversation are pinned already.

        Args:
            act: who does this with which message.
            now: the time, in seconds since 1970.
            limit: how many messages of the conversation may be pinned.
            pinned: False to unpin the message.

        Raises:
            Refused: raised by `act.allowed`; or ERR_MESSAGE_ID_NOT_FOUND: there is no such message.
        """

    async def save(self, act: MessageAct, now: int, limit: int) -> int:
        """Save a message for the acting user. Return the number of the change in the change log.

        Returns 0, and changes nothing, if they have saved `limit` other messages already. Those that are not in their
        list of saved messages do not count (of groups that they have left, or deleted for themselves), unless they have
        saved ten times as many as `limit` in all.

        Raises:
            Refused: raised by `act.allowed`; or ERR_MESSAGE_ID_NOT_FOUND: there is no such message.
        """

    async def unsave(self, message_id: int, uid: str, device: str = "") -> int:
        """Remove a message from those that a user saved. Return the number of the change in the change log.

        Returns 0 if they had not saved it.
        """

    async def saved_at(self, first: int, last: int, uid: str) -> dict[int, int]:
        """Return the messages with ids in [first, last] that a user has saved: the time of each save, by message id."""

    async def subscribe(self, act: MessageAct, *, following: bool) -> None:
        """Store that the acting user follows the thread that a message began, or no longer does.

        Raises:
            Refused: raised by `act.allowed`; or ERR_MESSAGE_ID_NOT_FOUND: there is no such message.
        """

    async def followed_between(self, first: int, last: int, uid: str) -> set[int]:
        """Return the ids in [first, last] of the messages whose threads a user follows."""

    async def followed_threads(self, uid: str, *, limit: int, offset: int) -> tuple[list[int], int]:
        """Return a page of the threads that a user follows and may read, and how many there are in all.

        A thread is given by the id of the message that began it. The highest ids come first.
        """

    async def add_report(self, act: MessageAct, reason_id: str, remark: str | None, now: int) -> None:
        """Store the acting user's report of a message. It replaces their earlier report of the same message.

        Args:
            act: who reports which message.
            reason_id: the id of the reason that they chose.
            remark: what they wrote about it, or None.
            now: the time, in seconds since 1970.

        Raises:
            Refused: raised by `act.allowed`; or ERR_MESSAGE_ID_NOT_FOUND: there is no such message.
        """

    async def list_reports(self, *, limit: int, offset: int) -> tuple[list[ReportRow], int]:
        """Return a page of the reports, newest first, and how many there are in all."""

    async def reports_after(self, position: Position, limit: int) -> list[ReportRow]:
        """Return reports after a position, newest first: by time, message id and uid, all descending.

        Args:
            position: the time, message id and uid of the last report that was read; () to begin.
            limit: how many reports to return at most.
        """

    async def add_interactions(self, act: MessageAct, elements: Sequence[str], now: int) -> None:
        """Store which elements of an interactive message the acting user has used. Only the first use of each is kept.

        Args:
            act: who has used elements, and in which message.
            elements: the ids of the elements, such as buttons.
            now: the time, in seconds since 1970.

        Raises:
            Refused: raised by `act.allowed`; or ERR_MESSAGE_ID_NOT_FOUND: there is no such message.
        """

    async def interactions(self, ids: Sequence[int], uid: str) -> dict[int, list[tuple[str, int]]]:
        """Return which elements of interactive messages a user has used, by message id.

        Each list contains the id of an element and the time of its first use, in seconds since 1970, earliest first.
        Messages whose elements the user has not used are left out.
        """
