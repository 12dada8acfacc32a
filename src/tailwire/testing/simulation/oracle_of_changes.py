"""The events that devices must have received besides new messages, even if they happened while a device was away.

If something changed several times, its last change must have arrived last.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from tailwire.server.ports.change_log import ChangeKind
from tailwire.server.ports.conversations import ConversationKey, other_in
from tailwire.testing.simulation.device import Device

Membership = tuple[int, int | None]
IsExpected = Callable[[Device, dict[str, Any]], bool]
"""Whether a device must have received a message, given its row."""

_FLAGS = {
    ChangeKind.REACTION_ADDED: True, ChangeKind.REACTION_REMOVED: False, ChangeKind.PINNED: True,
    ChangeKind.UNPINNED: False, ChangeKind.SAVED: True, ChangeKind.UNSAVED: False,
}  # fmt: skip
_RECEIPTS = (ChangeKind.DELIVERED, ChangeKind.READ)
_OF_ALL = (ChangeKind.DELIVERED_TO_ALL, ChangeKind.READ_BY_ALL)
_LISTS = {
    ChangeKind.CONVERSATION_PINNED: True, ChangeKind.CONVERSATION_UNPINNED: False, ChangeKind.LIST_CHANGED: True,
}  # fmt: skip
_ROW = "number, after_id, subject, kind, uid, device, to_uid, message_id, detail"


class Owed(NamedTuple):
    """Something that a device must have received: what changed, and its last value."""

    key: tuple[Any, ...]
    value: Any
    rule: str


def missing(
    reader: sqlite3.Connection, device: Device, memberships: list[Membership], is_expected: IsExpected, group: str
) -> Owed | None:
    """Return an event that a device should have received and did not, or None.

    Args:
        reader: reads the server's database.
        memberships: the memberships of the device's user in the group, as ids of actions.
    """
    last = dict(device.changes)  # later values replace earlier ones
    owed = [*_actions(reader, device, is_expected), *_changes(reader, device, memberships, group)]
    return next((one for one in owed if last.get(one.key) != one.value), None)


def received_again(device: Device, marked_unread: Mapping[str, int]) -> list[tuple[Any, ...]]:
    """Return what a device received again during one start of its app, although it happened only once.

    Args:
        marked_unread: how often each user has marked messages as unread. They may have read them again as often.
    """
    once = ("member", *_RECEIPTS)
    again = {key: marked_unread.get(key[2], 0) for _, key in device.times if key[0] == "read"}
    return [key for (_, key), count in device.times.items() if key[0] in once and count > 1 + again.get(key, 0)]


def _actions(reader: sqlite3.Connection, device: Device, is_expected: IsExpected) -> Iterator[Owed]:
    columns = ("id", "sender", "receiver", "receiver_type", "conversation_id", "type", "body")
    sql = f"SELECT {', '.join(columns)} FROM messages WHERE category = 'action' ORDER BY id"
    for found in reader.execute(sql).fetchall():
        row = dict(zip(columns, found, strict=True))
        data = json.loads(row["body"])["data"]
        if data.get("resource") in device.resources or not is_expected(device, row):
            continue
        if row["type"] == "groupMember":
            yield Owed(("member", row["id"]), data["action"], "member")
            continue
        message = data["entities"]["on"]["entity"]
        number = int(message["id"])
        if data["action"] == "deleted":
            yield Owed(("deleted", number), True, "deleted")
        elif data["action"] == "edited":
            yield Owed(("edited", number), message["data"].get("text", ""), "edited")


def _changes(reader: sqlite3.Connection, device: Device, memberships: list[Membership], group: str) -> Iterator[Owed]:
    if not device.expected or device.expected[-1].until is not None or device.expected[-1].changes is None:
        return
    since = device.expected[-1].changes
    sql = f"SELECT {_ROW} FROM change_log WHERE number > ? ORDER BY number"
    for found in reader.execute(sql, (since,)).fetchall():
        row = dict(zip(_ROW.split(", "), found, strict=True))
        if row["device"] in device.resources or not _concerns(row, device.uid, memberships, group):
            continue
        if row["to_uid"] not in ("", device.uid) and not (row["uid"] == device.uid and row["kind"] in _RECEIPTS):
            continue
        if row["kind"] in _LISTS:
            yield _of_list(row, device.uid)
            continue
        there = reader.execute("SELECT deleted_at FROM messages WHERE id = ?", (row["message_id"],)).fetchone()
        if there is not None and (there[0] is None or row["kind"] not in _FLAGS):
            yield from _owed(row)


def _of_list(row: dict[str, Any], uid: str) -> Owed:
    # Plans do this with conversations of two users only.
    other, kind = other_in(ConversationKey(row["detail"]), uid), row["kind"]
    key = ("conversation", "changed", other) if kind == ChangeKind.LIST_CHANGED else ("conversation pin", other)
    return Owed(key, _LISTS[kind], "conversation")


def _owed(row: dict[str, Any]) -> Iterator[Owed]:
    kind, number = row["kind"], row["message_id"]
    if kind in (ChangeKind.REACTION_ADDED, ChangeKind.REACTION_REMOVED):
        text = row["detail"].split(" ", 2)[2]
        yield Owed(("reaction", number, text, row["uid"]), _FLAGS[ChangeKind(kind)], "reaction")
    elif kind in _FLAGS:
        yield Owed(("pin" if kind.endswith("pinned") else "save", number), _FLAGS[ChangeKind(kind)], kind)
    elif kind in _RECEIPTS:
        yield Owed((kind, number, row["uid"]), True, "receipt")
    elif kind in _OF_ALL:
        yield Owed((kind, number), True, "receipt")


def _concerns(row: dict[str, Any], uid: str, memberships: list[Membership], group: str) -> bool:
    subject = str(row["subject"])
    if subject == f"g/{group}":
        return any(begin <= row["after_id"] and (end is None or row["after_id"] < end) for begin, end in memberships)
    return uid in subject.split("/")[1:]
