"""Whether reported gaps are due: more was missed than the limit, or the missed messages may no longer be shown."""

from __future__ import annotations

import sqlite3
from typing import Any

from tailwire.testing.simulation.device import Device

Membership = tuple[int, int | None]
_COLUMNS = ("id", "sender", "receiver", "receiver_type", "edited_at")
_AFTER = f"SELECT {', '.join(_COLUMNS)} FROM messages WHERE id > ? ORDER BY id"


def unfounded(reader: sqlite3.Connection, device: Device, memberships: list[Membership]) -> str:
    """Return what is wrong with the gaps that a device received; "" if nothing is.

    Args:
        reader: reads the server's database, which was never restored.
        memberships: the memberships of the device's user in the group, as ids of actions.
    """
    if device.change_gaps:
        return f"{device.name} was notified that changes are missing, though the log has all: {device.change_gaps}"
    for begin, end in device.gaps:
        if cannot_be_shown(reader, device, memberships, begin, end):
            continue
        theirs = _theirs(reader, device, memberships, begin)
        missing = sum(row["id"] <= end for row in theirs)
        if not missing or len(theirs) <= device.catch_up_limit:
            return (
                f"{device.name} received a gap ({begin}, {end}] in which it misses {missing} messages; there are "
                f"{len(theirs)} after {begin}, and {device.catch_up_limit} may be handed over at once"
            )
    return ""


def cannot_be_shown(
    reader: sqlite3.Connection, device: Device, memberships: list[Membership], begin: int, end: int
) -> bool:
    """Return whether a gap stands for messages of a group that were edited after the user had left it."""
    missed = [row for row in _theirs(reader, device, memberships, begin) if row["id"] <= end]
    return bool(missed) and all(_edited_without(reader, row, memberships) for row in missed)


def _theirs(
    reader: sqlite3.Connection, device: Device, memberships: list[Membership], begin: int
) -> list[dict[str, Any]]:
    rows = [dict(zip(_COLUMNS, row, strict=True)) for row in reader.execute(_AFTER, (begin,)).fetchall()]
    return [row for row in rows if _concerns(row, device.uid, memberships)]


def _concerns(row: dict[str, Any], uid: str, memberships: list[Membership]) -> bool:
    if row["receiver_type"] == "user":
        return uid in (row["sender"], row["receiver"])
    return any(begin <= row["id"] and (end is None or row["id"] <= end) for begin, end in memberships)


def _edited_without(reader: sqlite3.Connection, row: dict[str, Any], memberships: list[Membership]) -> bool:
    # Whether a message of the group was edited after the user had left: they may not see the edit, and the earlier
    # text is gone.
    for begin, end in memberships:
        if row["receiver_type"] == "group" and end is not None and begin <= row["id"] <= end:
            (left_at,) = reader.execute("SELECT sent_at FROM messages WHERE id = ?", (end,)).fetchone()
            return row["edited_at"] is not None and row["edited_at"] >= left_at
    return False
