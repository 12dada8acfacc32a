"""Check that devices received all events besides new messages, even those that happened while they were disconnected.

If something changed several times, the last value must have arrived, and no other value after it.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from tailwire.server.ports.change_log import ChangeKind
from tailwire.server.ports.conversations import ConversationKey, other_in
from tailwire.testing.simulation.commits import Commits
from tailwire.testing.simulation.device import Device
from tailwire.testing.simulation.records import ReceivedChange

Membership = tuple[int, int | None]
IsExpected = Callable[[Device, dict[str, Any]], bool]
"""Returns whether a device must have received a message, given the message's columns by name."""

_FLAGS = {
    ChangeKind.REACTION_ADDED: True, ChangeKind.REACTION_REMOVED: False, ChangeKind.PINNED: True,
    ChangeKind.UNPINNED: False, ChangeKind.SAVED: True, ChangeKind.UNSAVED: False,
}  # fmt: skip
_RECEIPTS = (ChangeKind.DELIVERED, ChangeKind.READ)
_OF_ALL = (ChangeKind.DELIVERED_TO_ALL, ChangeKind.READ_BY_ALL)
_LISTS = {
    ChangeKind.CONVERSATION_PINNED: True, ChangeKind.CONVERSATION_UNPINNED: False, ChangeKind.LIST_CHANGED: True,
    ChangeKind.LIST_REMOVED: True, ChangeKind.BLOCKS: True,
}  # fmt: skip
_LIST_EVENTS = {
    ChangeKind.LIST_CHANGED: "changed", ChangeKind.LIST_REMOVED: "removed", ChangeKind.BLOCKS: "blocks",
}  # fmt: skip
_PINS = (ChangeKind.CONVERSATION_PINNED, ChangeKind.CONVERSATION_UNPINNED)
_OF_GROUPS = (ChangeKind.GROUP, ChangeKind.GROUP_REMOVED, ChangeKind.MEMBERSHIP_ENDED)
_ROW = "number, after_id, subject, kind, uid, device, to_uid, message_id, detail"


class ExpectedChange(NamedTuple):
    """A change that a device must have received.

    Attributes:
        key, value: what changed, and its last value, as in `ReceivedChange`.
        rule: the name of the rule that is broken if the device has not received it.
        since: the virtual time of the change; the device must have received it then or later.
    """

    key: tuple[Any, ...]
    value: Any
    rule: str
    since: float = 0.0


def missing_event(
    reader: sqlite3.Connection,
    commits: Commits,
    device: Device,
    memberships: list[Membership],
    is_expected: IsExpected,
    group: str,
) -> ExpectedChange | None:
    """Return the first change that a device should have received and did not; None if it received all.

    Args:
        reader: reads the server's database.
        commits: the record of the changes, with the times of their commits.
        device: the device.
        memberships: the memberships of the device's user in the group (see `oracle.Membership`).
        is_expected: returns whether the device must have received a message.
        group: the guid of the group.
    """
    last = {received.key: received for received in device.changes}  # later values replace earlier ones
    owed = [*_actions(reader, device, is_expected), *_changes(reader, commits, device, memberships, group)]
    return next((one for one in owed if not _is_received(last.get(one.key), one)), None)


def _is_received(received: ReceivedChange | None, owed: ExpectedChange) -> bool:
    return received is not None and received.value == owed.value and received.at >= owed.since


def cleared_by(reader: sqlite3.Connection, uid: str) -> dict[str, int]:
    """Return for each conversation of a user, by its key, the id up to which they deleted it for themselves, or 0."""
    return dict(reader.execute("SELECT conversation_id, cleared_id FROM marks WHERE uid = ?", (uid,)).fetchall())


def received_again(device: Device, marked_unread: Mapping[str, int]) -> list[tuple[Any, ...]]:
    """Return the keys of membership changes and receipts that a device received more than once in one life of its app.

    Args:
        device: the device.
        marked_unread: how often each user has marked messages as unread, by uid. They may have read a message again
            that often, so as many repeated read receipts are allowed.
    """
    once = ("member", *_RECEIPTS)
    times = Counter((received.life, received.key) for received in device.changes)
    again = {key: marked_unread.get(key[2], 0) for _, key in times if key[0] == "read"}
    return [key for (_, key), count in times.items() if key[0] in once and count > 1 + again.get(key, 0)]


def _actions(reader: sqlite3.Connection, device: Device, is_expected: IsExpected) -> Iterator[ExpectedChange]:
    columns = ("id", "sender", "receiver", "receiver_type", "conversation_id", "type", "body")
    sql = f"SELECT {', '.join(columns)} FROM messages WHERE category = 'action' ORDER BY id"
    for found in reader.execute(sql).fetchall():
        row = dict(zip(columns, found, strict=True))
        data = json.loads(row["body"])["data"]
        if data.get("resource") in device.resources or not is_expected(device, row):
            continue
        if row["type"] == "groupMember":
            yield ExpectedChange(("member", row["id"]), data["action"], "member")
            continue
        message = data["entities"]["on"]["entity"]
        number = int(message["id"])
        if data["action"] == "deleted":
            yield ExpectedChange(("deleted", number), True, "deleted")
        elif data["action"] == "edited":
            yield ExpectedChange(("edited", number), message["data"].get("text", ""), "edited")


def _changes(
    reader: sqlite3.Connection, commits: Commits, device: Device, memberships: list[Membership], group: str
) -> Iterator[ExpectedChange]:
    if not device.expected or device.expected[-1].until is not None or device.expected[-1].changes is None:
        return
    since, at = device.expected[-1].changes, {change.number: change.at for change in commits.changes}
    cleared = cleared_by(reader, device.uid)
    sql = f"SELECT {_ROW} FROM change_log WHERE number > ? ORDER BY number"
    for found in reader.execute(sql, (since,)).fetchall():
        row = dict(zip(_ROW.split(", "), found, strict=True))
        if row["device"] in device.resources or not _concerns(row, device.uid, memberships, group):
            continue
        if row["kind"] in _OF_GROUPS:
            continue  # see `oracle_of_groups`
        if row["to_uid"] not in ("", device.uid) and not (row["uid"] == device.uid and row["kind"] in _RECEIPTS):
            continue
        if row["kind"] in _LISTS:
            if row["kind"] not in _PINS or not (_is_removed_later(commits, row) or _is_unlisted(reader, cleared, row)):
                yield _of_list(row, device.uid)._replace(since=at[row["number"]])
            continue
        sql = "SELECT deleted_at, conversation_id FROM messages WHERE id = ?"
        there = reader.execute(sql, (row["message_id"],)).fetchone()
        if there is None or row["message_id"] <= cleared.get(there[1], 0):
            continue  # removed, or in a conversation that the user has deleted for themselves
        if row["kind"] == ChangeKind.UNSAVED and there[1] == f"g/{group}" and not _is_within(row, memberships):
            continue  # the user could no longer read the message, which no device shows
        if there[0] is None or row["kind"] not in _FLAGS:
            yield from (owed._replace(since=at[row["number"]]) for owed in _owed(row))


def _is_removed_later(commits: Commits, row: dict[str, Any]) -> bool:
    # Return whether the user has deleted the conversation after it was pinned: a device that connects later is then not
    # notified of the pin.
    return any(
        (one.kind, one.uid, one.detail) == (ChangeKind.LIST_REMOVED, row["uid"], row["detail"])
        and one.number > row["number"]
        for one in commits.changes
    )


def _is_unlisted(reader: sqlite3.Connection, cleared: dict[str, int], row: dict[str, Any]) -> bool:
    # Return whether the user had deleted the conversation before they unpinned it, and it had no new message then.
    sql = "SELECT 1 FROM messages WHERE conversation_id = ? AND id > ? AND id <= ?"
    since = cleared.get(row["detail"], 0)
    return bool(since) and reader.execute(sql, (row["detail"], since, row["after_id"])).fetchone() is None


def _is_within(row: dict[str, Any], memberships: list[Membership]) -> bool:
    # Return whether something happened while the user was a member of the group.
    return any(begin <= row["after_id"] and (end is None or row["after_id"] < end) for begin, end in memberships)


def _of_list(row: dict[str, Any], uid: str) -> ExpectedChange:
    # Return the expected change for an entry about a conversation of two users; plans have no others.
    other, kind = other_in(ConversationKey(row["detail"]), uid), row["kind"]
    key = ("conversation pin", other) if kind in _PINS else ("conversation", _LIST_EVENTS[kind], other)
    return ExpectedChange(key, _LISTS[kind], "conversation")


def _owed(row: dict[str, Any]) -> Iterator[ExpectedChange]:
    kind, number = row["kind"], row["message_id"]
    if kind in (ChangeKind.REACTION_ADDED, ChangeKind.REACTION_REMOVED):
        text = row["detail"].split(" ", 2)[2]
        yield ExpectedChange(("reaction", number, text, row["uid"]), _FLAGS[ChangeKind(kind)], "reaction")
    elif kind in _FLAGS:
        yield ExpectedChange(("pin" if kind.endswith("pinned") else "save", number), _FLAGS[ChangeKind(kind)], kind)
    elif kind in _RECEIPTS:
        yield ExpectedChange((kind, number, row["uid"]), True, "receipt")
    elif kind in _OF_ALL:
        yield ExpectedChange((kind, number), True, "receipt")


def _concerns(row: dict[str, Any], uid: str, memberships: list[Membership], group: str) -> bool:
    subject = str(row["subject"])
    if subject == f"g/{group}":
        return _is_within(row, memberships)
    return uid in subject.split("/")[1:]
