"""Messages, and what users attach to single messages."""

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
        """Store a message, or return the stored one if its sender has used the muid before.

        Args:
            draft: the message.
            act: given if the sender must be a member of the group, which is checked in the transaction. Only if they
                are not, `act.allowed` is called, so that it can say why.

        Raises:
            Refused: the sender is not a member: as `act.allowed` raises, or ERR_GUID_NOT_FOUND or ERR_NOT_A_MEMBER;
                or ERR_MESSAGE_REMOVED: the muid is that of a message that was removed.
        """

    async def get(self, message_id: int) -> MessageRow | None:
        """Return a message, or None."""

    async def by_muid(self, sender: str, muid: str) -> MessageRow | None:
        """Return the message that a sender sent under a muid, or None."""

    async def by_ids(self, ids: Iterable[int]) -> dict[int, MessageRow]:
        """Return the messages with the given ids, by id, as far as they exist."""

    async def mentioned_in(self, message_id: int) -> tuple[str, ...]:
        """Return the uids that a message mentions, in order."""

    async def find(self, criteria: MessageFilter) -> list[ListedRow]:
        """Return the first messages that match a filter, in its order and at most its `limit`."""

    async def missed_boundary(self, reader: str, device: str, after: int, most: int) -> int:
        """Return an id after which a reader has missed only `most` messages, the newest ones.

        Edits and deletions do not count, nor does what the reader has sent from `device`. 0 if at most `most` messages
        were missed after the id `after`.
        """

    async def edit(
        self,
        act: MessageAct,
        now: int,
        change: Callable[[MessageRow], EditedContent],
        announce: Callable[[MessageRow], Draft],
    ) -> Stored:
        """Change a message, and store the action message that announces it, which replaces that of an earlier edit.

        Args:
            act: the act, whose condition is checked in the transaction of the change.
            now: the time, in seconds since 1970.
            change: makes the new content from the stored message.
            announce: makes the action message from the changed message.

        Returns:
            The action message.

        Raises:
            Refused: the act is refused, or ERR_MESSAGE_ID_NOT_FOUND: there is no such message.
        """

    async def delete(
        self, act: MessageAct, now: int, empty: Callable[[MessageRow], bytes], announce: Callable[[MessageRow], Draft]
    ) -> Stored:
        """Mark a message as deleted, erase its content, and store the action message that announces it.

        Args:
            act: the act, whose condition is checked in the transaction of the change.
            now: the time, in seconds since 1970.
            empty: makes the body without its content.
            announce: makes the action message from the changed message.

        Returns:
            The action message.

        Raises:
            Refused: the act is refused, or ERR_MESSAGE_ID_NOT_FOUND: there is no such message.
        """


class ReactionStore(Protocol):
    """Reactions to messages. An act on a message that does not exist is refused with ERR_MESSAGE_ID_NOT_FOUND."""

    async def add(
        self,
        act: MessageAct,
        reaction: str,
        now: int,
        limit: int,
        events: Callable[[ReactionRow], Sequence[Event]] | None = None,
    ) -> ReactionRow | None:
        """Store a reaction of the acting user, and return it.

        Args:
            act: the act, whose condition is checked in the transaction of the change.
            reaction: its text, such as an emoji.
            now: the time, in seconds since 1970.
            limit: how many different reactions a message may have.
            events: makes the webhook events; None for none.

        Returns:
            None if the user has reacted so already, or the message has `limit` other reactions.

        Raises:
            Refused: the act is refused.
        """

    async def remove(
        self,
        act: MessageAct,
        reaction: str,
        now: int,
        events: Callable[[ReactionRow], Sequence[Event]] | None = None,
    ) -> ReactionRow | None:
        """Remove a reaction of the acting user, and return it, or None if it does not exist.

        Raises:
            Refused: the act is refused.
        """

    async def find(
        self, message_id: int, reaction: str = "", *, newer: bool = True, cursor: int | None = None, limit: int = 100
    ) -> list[ReactionRow]:
        """Return reactions to a message, oldest first.

        Args:
            message_id: the message.
            reaction: only this reaction; "" for all.
            newer: the first reactions after the cursor; otherwise the last ones before it.
            cursor: the id of a reaction; None for none.
            limit: how many to return at most.
        """

    async def counts(self, ids: Sequence[int], reader: str) -> dict[int, list[tuple[str, int, bool]]]:
        """Return the reactions to messages, by message id, in the order of first use.

        Each comes with its count, and whether the reader used it. Messages without reactions are left out.
        """


class AnnotationStore(Protocol):
    """Pins, saves, followed threads, reports and interactions: what users attach to messages besides reactions.

    An act on a message that does not exist is refused with ERR_MESSAGE_ID_NOT_FOUND.
    """

    async def pin(self, act: MessageAct, now: int, limit: int, *, pinned: bool) -> int:
        """Pin a message in its conversation, or unpin it. Return the number of the change in the change log.

        Returns 0, and changes nothing, if `limit` other messages of the conversation are pinned already.

        Raises:
            Refused: the act is refused.
        """

    async def save(self, act: MessageAct, now: int, limit: int) -> int:
        """Save a message for the acting user. Return the number of the change in the change log.

        Returns 0, and changes nothing, if they have saved `limit` other messages already.

        Raises:
            Refused: the act is refused.
        """

    async def unsave(self, message_id: int, uid: str, device: str = "") -> int:
        """Remove a message from those that a user saved. Return the number of the change in the change log.

        Returns 0 if they had not saved it.
        """

    async def saved_at(self, first: int, last: int, uid: str) -> dict[int, int]:
        """Return when a user saved messages with ids in [first, last], by id."""

    async def subscribe(self, act: MessageAct, *, following: bool) -> None:
        """Store that the acting user follows the thread of a message, or no longer does.

        Raises:
            Refused: the act is refused.
        """

    async def followed_between(self, first: int, last: int, uid: str) -> set[int]:
        """Return the ids in [first, last] of the messages whose threads a user follows."""

    async def followed_threads(self, uid: str, *, limit: int, offset: int) -> tuple[list[int], int]:
        """Return a page of the threads that a user follows and may read, newest first, and how many there are.

        A thread is given by the id of the message that began it.
        """

    async def add_report(self, act: MessageAct, reason_id: str, remark: str | None, now: int) -> None:
        """Store the acting user's report of a message, which replaces an earlier one.

        Raises:
            Refused: the act is refused.
        """

    async def list_reports(self, *, limit: int, offset: int) -> tuple[list[ReportRow], int]:
        """Return a page of the reports, newest first, and how many there are."""

    async def reports_after(self, position: Position, limit: int) -> list[ReportRow]:
        """Return the reports after a position, newest first.

        Args:
            position: the time, message id and uid of the last report that was read; empty to begin.
            limit: how many reports to return at most.
        """

    async def add_interactions(self, act: MessageAct, elements: Sequence[str], now: int) -> None:
        """Store which elements of an interactive message the acting user has used. Only the first use of each counts.

        Raises:
            Refused: the act is refused.
        """

    async def interactions(self, ids: Sequence[int], uid: str) -> dict[int, list[tuple[str, int]]]:
        """Return which elements of interactive messages a user has used, and when, by message id."""
