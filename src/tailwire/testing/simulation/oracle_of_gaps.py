"""Check that there was a reason for each gap that was reported to an app, and that its bounds are right.

The reasons are: more messages were missed than catch-up hands over at once; the missed messages were removed from the
database, or may no longer be shown to the user; or a backup without them was restored.
"""

from __future__ import annotations

import sqlite3

from tailwire.testing.simulation.backup import Backup
from tailwire.testing.simulation.commits import Commits, StoredMessage
from tailwire.testing.simulation.device import Device

Membership = tuple[int, int | None]
_EDITED_AFTER_SQL = """SELECT 1 FROM messages WHERE id > ? AND category = 'action' AND type = 'message'
AND json_extract(CAST(body AS TEXT), '$.data.action') = 'edited'
AND CAST(json_extract(CAST(body AS TEXT), '$.data.entities.on.entity.id') AS INTEGER) = ? LIMIT 1"""


def unfounded_gap(
    reader: sqlite3.Connection, commits: Commits, backup: Backup, device: Device, memberships: list[Membership]
) -> str:
    """Return a description of a gap that was reported to a device without reason or with wrong bounds; "" if none was.

    Args:
        reader: reads the server's database.
        commits: the record of all messages that were stored.
        backup: the backup of the run.
        device: the device.
        memberships: the memberships of the device's user in the group (see `oracle.Membership`).
    """
    if device.change_gaps and not backup.restored:
        return f"{device.name} was notified that changes are missing, though the log has all: {device.change_gaps}"
    for (begin, end), (life, at) in zip(device.gaps, device.gaps_at, strict=True):
        if backup.has_lost(begin, end) or cannot_be_shown(reader, commits, device, memberships, begin, end):
            continue
        received = {one.id for one in device.received if one.at < at and one.life == life}
        missing = [one.id for one in _theirs(commits, device, begin, at) if one.id <= end and one.id not in received]
        later = sum(one.id not in received and not one.is_change for one in _theirs(commits, device, end, at))
        # Messages that were lost when a backup was restored may have been received, and lie in a gap nevertheless.
        inside = [
            one.id
            for one in device.received
            if one.life == life and begin < one.id <= end and not backup.has_removed(one.id)
        ]
        if inside:
            return f"{device.name} received a gap ({begin}, {end}] at {at} around {inside}, which it also received"
        if not missing or later < device.catch_up_limit:
            return (
                f"{device.name} received a gap ({begin}, {end}] at {at} in which it misses {missing}; there are "
                f"{later} after it, and {device.catch_up_limit} may be handed over at once"
            )
    return ""


def cannot_be_shown(
    reader: sqlite3.Connection,
    commits: Commits,
    device: Device,
    memberships: list[Membership],
    begin: int,
    end: int,
) -> bool:
    """Return whether all messages that a user missed in the gap (`begin`, `end`] can no longer be shown to them.

    That is so for a message that was removed from the database, or that was edited after the user had left its group.
    False if the user missed no message there.
    """
    missed = [one.id for one in _theirs(commits, device, begin) if one.id <= end]
    return bool(missed) and all(
        number in commits.removed or _is_edited_without(reader, number, memberships) for number in missed
    )


def _theirs(commits: Commits, device: Device, begin: int, latest_at: float = float("inf")) -> list[StoredMessage]:
    return [
        one
        for one in commits.messages.values()
        if one.id > begin and one.at <= latest_at and device.uid in one.receivers
    ]


def _is_edited_without(reader: sqlite3.Connection, number: int, memberships: list[Membership]) -> bool:
    # Return whether a message of the group was edited after the user had left: they may not see the edit, and the
    # earlier text is gone. The order is that of ids, because the server's clock may go back.
    row = reader.execute("SELECT receiver_type FROM messages WHERE id = ?", (number,)).fetchone()
    for begin, end in memberships:
        if row is not None and row[0] == "group" and end is not None and begin <= number <= end:
            return reader.execute(_EDITED_AFTER_SQL, (end, number)).fetchone() is not None
    return False
