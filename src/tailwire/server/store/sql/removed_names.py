"""Remembers the uids of removed users and the guids of removed groups for a while.

A send is checked before it waits for its turn to be stored. Meanwhile its sender or receiver may have been removed;
then the transaction that stores messages refuses it. A receipt of a removed user is not stored either.
"""

from __future__ import annotations

from tailwire.server.ports.records import Draft
from tailwire.server.ports.refusal import Refused

KEPT_SECONDS = 3600
"""How long a name is kept: longer than any send waits."""
REMEMBER_SQL = """INSERT INTO removed_names (kind, name, at) VALUES (:kind, :name, {now})
ON CONFLICT (kind, name) DO UPDATE SET at = excluded.at"""
FORGET_SQL = "DELETE FROM removed_names WHERE at <= {since}"
OLDEST_SQL = "SELECT at FROM removed_names ORDER BY at LIMIT 1"
"""When the oldest of the names was kept. Mostly none is, and this takes a fifth of the time of `REMOVED_SQL`."""
IS_REMOVED_SQL = """SELECT 1 FROM removed_names r WHERE r.kind = 'user' AND r.name = ?
AND NOT EXISTS (SELECT 1 FROM users u WHERE u.uid = r.name)"""
"""Whether a uid belongs to a removed user, and to nobody since."""
REMOVED_SQL = """SELECT r.kind, r.name FROM removed_names r WHERE r.kind = 'user' AND r.name IN (:sender, :to_user)
AND NOT EXISTS (SELECT 1 FROM users u WHERE u.uid = r.name)
UNION ALL SELECT r.kind, r.name FROM removed_names r WHERE r.kind = 'group' AND r.name = :to_group
AND NOT EXISTS (SELECT 1 FROM groups g WHERE g.guid = r.name)"""
"""The names of a message, given by `names_of`, that belong to a removed user or group, and to nobody since."""


def names_of(d: Draft) -> dict[str, str]:
    """Return the values of `REMOVED_SQL` for a message.

    The sender of a message that reports a change of a membership does not matter: the change is made, and must be
    announced to the members. Nor does the receiver of one that reports an edit or a deletion: what was written to a
    user who was deleted since can still be changed.
    """
    reports_member = d.category == "action" and d.type == "groupMember"
    reports_change = d.category == "action" and d.type == "message"
    to_group = d.receiver_type == "group"
    return {
        "sender": "" if reports_member else d.sender,
        "to_user": "" if to_group or reports_change else d.receiver,
        "to_group": d.receiver if to_group else "",
    }


def refusal(kind: str, name: str) -> Refused:
    """Return the refusal of a message of a removed user or group.

    Args:
        kind, name: a row of `REMOVED_SQL`.
    """
    return Refused("ERR_UID_NOT_FOUND", {"uid": name}) if kind == "user" else Refused("ERR_GUID_NOT_FOUND")
