"""Reads how things stand, and asks whether an act may be done: before it, and again in the transaction that does it."""

from __future__ import annotations

import sqlite3

from tailwire.server.ports.records import BanRow, GroupRow, MemberRow, MessageRow
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.standing import GroupAct, GroupStanding, MessageAct, MessageStanding
from tailwire.server.store.access import Access
from tailwire.server.store.statements import GROUP, MEMBER, MESSAGE

_BAN = "SELECT * FROM bans WHERE guid = ? AND uid = ?"
_BLOCK = (
    "SELECT uid FROM blocks WHERE (uid = :one AND blocked = :other) OR (uid = :other AND blocked = :one)"
    " ORDER BY uid <> :by LIMIT 1"
)


def may_act(c: sqlite3.Connection, act: GroupAct) -> GroupStanding:
    """Return how things stand in a group for somebody who acts there.

    Raises:
        Refused: ERR_GUID_NOT_FOUND, or what the act's condition says.
    """
    row = c.execute(GROUP, {"key": act.guid}).fetchone()
    if row is None:
        raise Refused("ERR_GUID_NOT_FOUND")
    by, by_ban = _person(c, act.guid, act.by)
    on, on_ban = (by, by_ban) if act.on == act.by else _person(c, act.guid, act.on) if act.on else (None, None)
    count = c.execute("SELECT count(*) FROM members WHERE uid = ?", (act.on,)).fetchone()[0] if act.on else 0
    standing = GroupStanding(GroupRow(*row), by, by_ban, on, on_ban, count)
    act.allowed(standing)
    return standing


def _person(c: sqlite3.Connection, guid: str, uid: str) -> tuple[MemberRow | None, BanRow | None]:
    member = c.execute(MEMBER, {"of": guid, "who": uid}).fetchone()
    ban = c.execute(_BAN, (guid, uid)).fetchone()
    return MemberRow(*member) if member else None, BanRow(*ban) if ban else None


def may_change(c: sqlite3.Connection, act: MessageAct) -> MessageStanding:
    """Return how things stand with a message for somebody who does something to it.

    Raises:
        Refused: ERR_MESSAGE_ID_NOT_FOUND, or what the act's condition says.
    """
    row = c.execute(MESSAGE, {"key": act.message_id}).fetchone()
    if row is None:
        raise Refused("ERR_MESSAGE_ID_NOT_FOUND", {"id": str(act.message_id)})
    message = MessageRow._make(row)
    if message.receiver_type == "user":
        block = c.execute(_BLOCK, {"one": message.sender, "other": message.receiver, "by": act.by}).fetchone()
        standing = MessageStanding(message, blocked_by=block[0] if block else "")
    else:
        member = c.execute(MEMBER, {"of": message.receiver, "who": act.by}).fetchone()
        group = c.execute("SELECT owner FROM groups WHERE guid = ?", (message.receiver,)).fetchone()
        standing = MessageStanding(message, MemberRow(*member) if member else None, group[0] if group else None)
    act.allowed(standing)
    return standing


class Look(Access):
    """How things stand now: an act that is refused already is not handed to the writer."""

    async def look(self, act: GroupAct) -> GroupStanding:
        """Return how things stand for an act.

        Raises:
            Refused: ERR_GUID_NOT_FOUND, or what the act's condition says.
        """
        return may_act(self._reader, act)

    async def look_at(self, act: MessageAct) -> MessageStanding:
        """Return how things stand for an act.

        Raises:
            Refused: ERR_MESSAGE_ID_NOT_FOUND, or what the act's condition says.
        """
        return may_change(self._reader, act)
