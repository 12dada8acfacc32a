"""The change log: events that are not messages, kept so that clients that were away can catch up on them.

An entry names what changed and whom it concerns, not its content: that is read when a client asks for it. A later
change of the same thing replaces the entry. The log is bounded by age and number.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol

from tailwire.server.ports.conversations import ConversationKey, group_in, key_of, participants_of
from tailwire.server.ports.records import ReactionRow

MAX_ENTRIES = 200_000
MAX_AGE_SECONDS = 14 * 86_400


class ChangeKind(StrEnum):
    """The kind of a change."""

    REACTION_ADDED = "reaction added"
    REACTION_REMOVED = "reaction removed"
    PINNED = "pinned"
    UNPINNED = "unpinned"
    SAVED = "saved"
    UNSAVED = "unsaved"
    DELIVERED = "delivered"
    READ = "read"
    DELIVERED_TO_ALL = "delivered to all"
    READ_BY_ALL = "read by all"
    CONVERSATION_PINNED = "list pinned"
    CONVERSATION_UNPINNED = "list unpinned"
    LIST_CHANGED = "list changed"
    LIST_REMOVED = "list removed"
    BLOCKS = "blocks"
    GROUP = "group"
    GROUP_REMOVED = "group removed"
    MEMBERSHIP_ENDED = "membership ended"


LIST_KINDS = frozenset({
    ChangeKind.LIST_CHANGED, ChangeKind.LIST_REMOVED, ChangeKind.BLOCKS, ChangeKind.GROUP, ChangeKind.GROUP_REMOVED,
})  # fmt: skip
"""Kinds whose frames only clients with the feature `lists` receive."""
_OWN = "o/"


def own_subject(uid: str) -> str:
    """Return the subject of changes that concern one user only."""
    return f"{_OWN}{uid}"


class NewChange(NamedTuple):
    """A change, before it is stored.

    Attributes:
        subject: a conversation key, or an `own_subject`.
        key: identifies what changed within the subject. A later change with the same key replaces this one.
        uid: who caused it.
        device: the device that caused it, which does not receive it; "" if all devices do.
        to_uid: in a conversation, the only user who receives it besides the other devices of `uid`; "" for all.
        message_id: the message concerned; 0 for none.
        detail: id, time and text of the reaction; the conversation key; or the guid; "" for other kinds.
    """

    subject: str
    key: str
    kind: ChangeKind
    uid: str
    device: str = ""
    to_uid: str = ""
    message_id: int = 0
    detail: str = ""


class ChangeRow(NamedTuple):
    """An entry of the log, as one reader sees it. The attributes that are not listed are those of `NewChange`.

    Attributes:
        number: its number in the log.
        after_id: the id of the last message before the change.
        at: when the change was made, in seconds since 1970.
        until_id: the end of the reader's membership, if the change happened in a group that they have left; else None.
    """

    number: int
    after_id: int
    subject: str
    kind: str
    uid: str
    device: str
    to_uid: str
    message_id: int
    detail: str
    at: int
    until_id: int | None = None


def receivers_of(row: ChangeRow) -> tuple[str, Sequence[str]]:
    """Return who receives an entry live: the guid of a group if all its members do, otherwise "" and the uids."""
    if row.subject.startswith(_OWN):
        return "", (row.subject.removeprefix(_OWN),)
    if row.to_uid:
        own_devices = row.kind in (ChangeKind.DELIVERED, ChangeKind.READ)
        return "", tuple(dict.fromkeys((row.to_uid, row.uid))) if own_devices else (row.to_uid,)
    guid = group_in(ConversationKey(row.subject))
    return guid, () if guid else participants_of(ConversationKey(row.subject))


class EndedMembership(NamedTuple):
    """A membership that has ended: the reader was a member for messages with ids in (`since_id`, `until_id`].

    For a user who was banned without being a member, that is only the message that announces the ban.
    """

    guid: str
    since_id: int
    until_id: int


class ForgottenEntries(NamedTuple):
    """The entries that are no longer in the log: those up to `number`, which happened up to the message `after_id`."""

    number: int
    after_id: int


def reaction(conversation: ConversationKey, row: ReactionRow, device: str, *, added: bool) -> NewChange:
    """Return the change for a reaction that a user added or removed."""
    kind = ChangeKind.REACTION_ADDED if added else ChangeKind.REACTION_REMOVED
    key = f"reaction {row.message_id} {row.uid} {row.reaction}"
    detail = f"{row.id} {row.reacted_at} {row.reaction}"
    return NewChange(conversation, key, kind, row.uid, device, message_id=row.message_id, detail=detail)


def pin(conversation: ConversationKey, message_id: int, uid: str, device: str, *, pinned: bool) -> NewChange:
    """Return the change for a message that was pinned or unpinned."""
    kind = ChangeKind.PINNED if pinned else ChangeKind.UNPINNED
    return NewChange(conversation, f"pin {message_id}", kind, uid, device, message_id=message_id)


def receipt(
    conversation: ConversationKey, message_id: int, uid: str, device: str, sender: str, *, read: bool
) -> NewChange:
    """Return the change for messages of a sender that a user received or read."""
    kind = ChangeKind.READ if read else ChangeKind.DELIVERED
    return NewChange(conversation, f"{kind} {sender} {uid}", kind, uid, device, sender, message_id)


def receipt_of_all(conversation: ConversationKey, message_id: int, uid: str, sender: str, *, read: bool) -> NewChange:
    """Return the change for a message that all members have received or read; `uid` was the last of them."""
    kind = ChangeKind.READ_BY_ALL if read else ChangeKind.DELIVERED_TO_ALL
    return NewChange(conversation, f"{kind} {sender}", kind, uid, "", sender, message_id)


def own_change(kind: ChangeKind, uid: str, device: str, *, message_id: int = 0, detail: str = "") -> NewChange:
    """Return a change that concerns the other devices of the user who made it."""
    what = {
        ChangeKind.SAVED: "saved", ChangeKind.UNSAVED: "saved",
        ChangeKind.CONVERSATION_PINNED: "pin", ChangeKind.CONVERSATION_UNPINNED: "pin",
    }.get(kind, "list")  # fmt: skip
    return NewChange(own_subject(uid), f"{what} {message_id} {detail}", kind, uid, device, "", message_id, detail)


def conversation_removed(conversation: ConversationKey, uid: str, device: str) -> dict[str, NewChange]:
    """Return the changes for a conversation that a user removed with its messages, for all participants.

    Returns:
        The change for each of the two users, by uid; for a group the one that all members receive, under "".
    """
    change = own_change(ChangeKind.LIST_REMOVED, uid, device, detail=conversation)
    if group_in(conversation):
        return {"": change._replace(subject=conversation)}
    return {one: change._replace(subject=own_subject(one)) for one in participants_of(conversation)}


def group_changed(guid: str, uid: str, device: str) -> NewChange:
    """Return the change for a group that has new properties, or another owner."""
    return NewChange(key_of("", guid, "group"), "group", ChangeKind.GROUP, uid, device, detail=guid)


def group_removed(guid: str, uid: str, device: str, *, newest: int = 0) -> NewChange:
    """Return the change for a group that was deleted.

    Args:
        guid: the group.
        uid: who deleted it.
        device: the device with which they did.
        newest: the highest number in the log so far, by which the change does not replace that for an earlier group
            with the same guid; 0 if the transaction that stores it sets it.
    """
    conversation = key_of("", guid, "group")
    return NewChange(conversation, f"group removed {newest}", ChangeKind.GROUP_REMOVED, uid, device, detail=guid)


def membership_ended(guid: str, uid: str, *, until_id: int = 0) -> NewChange:
    """Return the entry for a membership that ended. It serves to find what a former member may receive.

    Args:
        guid: the group.
        uid: the former member; "" for all members, of a group that was deleted.
        until_id: the last message that they may receive; 0 if the transaction that stores the entry sets it.
    """
    kind = ChangeKind.MEMBERSHIP_ENDED
    return NewChange(own_subject(uid), f"ended {until_id} {guid}", kind, uid, message_id=until_id, detail=guid)


class ChangeLog(Protocol):
    """The change log, whose entries the writes of the other nouns store. Numbers increase in the order of commits."""

    async def newest_number(self) -> int:
        """Return the highest number that an entry has, or had before it was forgotten."""

    async def find(
        self, reader: str, device: str, after: int, newest: int, heard: Sequence[int], limit: int
    ) -> list[ChangeRow]:
        """Return, in their order, the entries that a device of a user received live, or would have received.

        Args:
            reader: the user.
            device: the device. What it caused itself is left out.
            after: only entries with a higher number.
            newest: only entries up to this number.
            heard: numbers of entries to leave out.
            limit: how many entries to return at most.
        """

    async def forgotten_entries(self) -> ForgottenEntries:
        """Return which entries are no longer in the log."""

    async def left_after(self, guid: str, uids: Sequence[str], number: int) -> list[str]:
        """Return which of the given users were members of a group at a change, and no longer are.

        Users who joined only after the change are not among them.
        """

    async def ended_memberships(self, reader: str, after_id: int, limit: int) -> list[EndedMembership]:
        """Return the memberships of a user that ended after a message, at most `limit`, in the order of their ends."""

    async def last_edit(self, message_id: int) -> int:
        """Return the id of the action message that announced the last edit of a message; 0 if it was not edited."""
