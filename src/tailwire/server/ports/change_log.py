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
    """The kind of a change.

    `LIST_CHANGED` and `LIST_REMOVED` concern a conversation in a user's list. `MEMBERSHIP_ENDED` is only stored, and
    reported to nobody.
    """

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
    """Return the `NewChange.subject` of changes that concern one user only."""
    return f"{_OWN}{uid}"


class NewChange(NamedTuple):
    """A change, before it is stored.

    Attributes:
        subject: the key of the conversation to whose participants the change is reported; or `own_subject(uid)` if
            only that user receives it.
        key: identifies what changed within the subject. A later change with the same key replaces this one.
        uid: who caused it.
        device: the device that caused it, which does not receive it; "" if all devices do.
        to_uid: the only participant of the conversation who receives it; "" for all. Receipts (`DELIVERED`, `READ`)
            also go to the other devices of `uid`.
        message_id: the message concerned; 0 for none.
        detail: for a reaction its id, its time and its text, separated by spaces; for changes of a conversation in a
            user's list its key; for changes of a group and ended memberships the guid; "" for other kinds.
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
        after_id: the highest id of any message when the change was made.
        at: when the change was made, in seconds since 1970.
        until_id: if the change happened in a group that the reader has left since, the id of the last message that
            they may receive there; else None.
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
    """Return who receives the frame of a change when it happens.

    Returns:
        A guid and () if all members of that group receive it; otherwise "" and the uids of the receivers.
    """
    if row.subject.startswith(_OWN):
        return "", (row.subject.removeprefix(_OWN),)
    if row.to_uid:
        own_devices = row.kind in (ChangeKind.DELIVERED, ChangeKind.READ)
        return "", tuple(dict.fromkeys((row.to_uid, row.uid))) if own_devices else (row.to_uid,)
    guid = group_in(ConversationKey(row.subject))
    return guid, () if guid else participants_of(ConversationKey(row.subject))


class EndedMembership(NamedTuple):
    """A user's membership of the group `guid` that has ended.

    They may receive its messages with ids in (`since_id`, `until_id`]. The last of these announces the end. For a user
    who was banned without being a member, it is the only one.
    """

    guid: str
    since_id: int
    until_id: int


class ForgottenEntries(NamedTuple):
    """Tells which entries were removed because they were too old or too many: all up to `number`.

    Attributes:
        number: the highest number of a removed entry; 0 if none was removed.
        after_id: the highest `ChangeRow.after_id` of a removed entry; 0 if none was removed.
    """

    number: int
    after_id: int


def reaction(conversation: ConversationKey, row: ReactionRow, device: str, *, added: bool) -> NewChange:
    """Return the change for a reaction that a user added or removed on a device."""
    kind = ChangeKind.REACTION_ADDED if added else ChangeKind.REACTION_REMOVED
    key = f"reaction {row.message_id} {row.uid} {row.reaction}"
    detail = f"{row.id} {row.reacted_at} {row.reaction}"
    return NewChange(conversation, key, kind, row.uid, device, message_id=row.message_id, detail=detail)


def pin(conversation: ConversationKey, message_id: int, uid: str, device: str, *, pinned: bool) -> NewChange:
    """Return the change for a message that a user pinned or unpinned in a conversation, on a device."""
    kind = ChangeKind.PINNED if pinned else ChangeKind.UNPINNED
    return NewChange(conversation, f"pin {message_id}", kind, uid, device, message_id=message_id)


def receipt(
    conversation: ConversationKey, message_id: int, uid: str, device: str, sender: str, *, read: bool
) -> NewChange:
    """Return the change that reports to a sender that a user has received or read their messages.

    Args:
        message_id: the newest message that the user has received or read.
        uid: the user.
        device: the device on which they did.
        sender: the uid of the sender.
        read: whether they have read the messages, and not only received them.
    """
    kind = ChangeKind.READ if read else ChangeKind.DELIVERED
    return NewChange(conversation, f"{kind} {sender} {uid}", kind, uid, device, sender, message_id)


def receipt_of_all(conversation: ConversationKey, message_id: int, uid: str, sender: str, *, read: bool) -> NewChange:
    """Return the change that reports to a sender that all other members have received or read their messages.

    Args:
        message_id: the sender's newest message that all others have received or read.
        uid: the last member who did.
        sender: the uid of the sender.
        read: whether they have read it, and not only received it.
    """
    kind = ChangeKind.READ_BY_ALL if read else ChangeKind.DELIVERED_TO_ALL
    return NewChange(conversation, f"{kind} {sender}", kind, uid, "", sender, message_id)


def own_change(kind: ChangeKind, uid: str, device: str, *, message_id: int = 0, detail: str = "") -> NewChange:
    """Return a change that only the other devices of the user who made it receive.

    Args:
        kind: saved or unsaved messages, pins and changes of the conversation list, blocks.
        device: the device that made it; "" to report it to all devices of the user.
        message_id: the message concerned; 0 for none.
        detail: as in `NewChange`.
    """
    what = {
        ChangeKind.SAVED: "saved", ChangeKind.UNSAVED: "saved",
        ChangeKind.CONVERSATION_PINNED: "pin", ChangeKind.CONVERSATION_UNPINNED: "pin",
    }.get(kind, "list")  # fmt: skip
    return NewChange(own_subject(uid), f"{what} {message_id} {detail}", kind, uid, device, "", message_id, detail)


def conversation_removed(conversation: ConversationKey, uid: str, device: str) -> dict[str, NewChange]:
    """Return the changes that report to all participants that a user removed a conversation with its messages.

    Returns:
        For a conversation of two users, one change for each of them, by uid; for a group, one change for all members,
        under "".
    """
    change = own_change(ChangeKind.LIST_REMOVED, uid, device, detail=conversation)
    if group_in(conversation):
        return {"": change._replace(subject=conversation)}
    return {one: change._replace(subject=own_subject(one)) for one in participants_of(conversation)}


def group_changed(guid: str, uid: str, device: str) -> NewChange:
    """Return the change that reports to the members of a group that its properties or its owner have changed.

    Args:
        uid: the user who made the change.
        device: the device with which they did.
    """
    return NewChange(key_of("", guid, "group"), "group", ChangeKind.GROUP, uid, device, detail=guid)


def group_removed(guid: str, uid: str, device: str, *, newest: int = 0) -> NewChange:
    """Return the change for a group that was deleted.

    Args:
        guid: the group.
        uid: who deleted it.
        device: the device with which they did.
        newest: the highest number in the log so far. It becomes part of the key, so that the change does not replace
            that of an earlier group with the same guid. 0 if the code that stores the change fills it in.
    """
    conversation = key_of("", guid, "group")
    return NewChange(conversation, f"group removed {newest}", ChangeKind.GROUP_REMOVED, uid, device, detail=guid)


def membership_ended(guid: str, uid: str, *, until_id: int = 0) -> NewChange:
    """Return the entry for a membership that ended.

    Nobody receives it. It is stored so that a former member can catch up on what happened until they left.

    Args:
        guid: the group.
        uid: the former member; "" as a template for the entries of all members, if the group was deleted.
        until_id: the last message that they may receive; 0 if the code that stores the entry fills it in.
    """
    kind = ChangeKind.MEMBERSHIP_ENDED
    return NewChange(own_subject(uid), f"ended {until_id} {guid}", kind, uid, message_id=until_id, detail=guid)


class ChangeLog(Protocol):
    """Reads the change log. Its entries are stored by the writes that they report, in the same transaction.

    The numbers of entries increase in the order of commits.
    """

    async def newest_number(self) -> int:
        """Return the highest number that any entry has or had, including removed entries; 0 if there was none."""

    async def find(
        self, reader: str, device: str, after: int, newest: int, heard: Sequence[int], limit: int
    ) -> list[ChangeRow]:
        """Return the entries that a device of a user would have received, had it been connected all the time.

        They are in the order of their numbers.

        Args:
            reader: the uid of the user.
            device: the device. What it caused itself is left out.
            after: only entries with a higher number.
            newest: only entries up to this number.
            heard: numbers of entries to leave out, because the device has received them.
            limit: how many entries to return at most: the first ones.
        """

    async def forgotten_entries(self) -> ForgottenEntries:
        """Return which entries were removed because they were too old or too many."""

    async def left_after(self, guid: str, uids: Sequence[str], number: int) -> list[str]:
        """Return which of the given users were members of a group when a change was made, and have left it since.

        Args:
            guid: the group.
            uids: the users.
            number: the number of the change in the change log.
        """

    async def ended_memberships(self, reader: str, after_id: int, limit: int) -> list[EndedMembership]:
        """Return the memberships of a user that ended with a message whose id is above `after_id`.

        They are in the order in which they ended; at most the first `limit`.
        """

    async def last_edit(self, message_id: int) -> int:
        """Return the id of the action message that announced the last edit of a message; 0 if it was not edited."""
