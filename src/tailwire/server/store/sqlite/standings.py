"""Reads the facts on which a permission is decided (`ports.standing`), and decides.

This is done before a write, and again in the transaction of the write.
"""

from __future__ import annotations

import sqlite3

from tailwire.server.ports.records import BanRow, GroupRow, MemberRow, MessageRow
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.standing import GroupAct, GroupStanding, MessageAct, MessageStanding
from tailwire.server.store.sql.members import BAN_SQL
from tailwire.server.store.sql.relations import BETWEEN_SQL
from tailwire.server.store.sql.statements import GROUP_SQL, MEMBER_SQL, MESSAGE_SQL
from tailwire.server.store.sqlite.database import Database


def check_group_act(c: sqlite3.Connection, act: GroupAct) -> GroupStanding:
    """Check an act in a group, and return the standing on which it was allowed.

    Args:
        c: the connection to read with; within an operation of the writer, the writer's.
        act: the act.

    Raises:
        Refused: ERR_GUID_NOT_FOUND, there is no such group; or raised by `act.allowed`.
    """
    row = c.execute(GROUP_SQL, {"key": act.guid}).fetchone()
    if row is None:
        raise Refused("ERR_GUID_NOT_FOUND")
    actor, actor_ban = _membership(c, act.guid, act.actor)
    subject, subject_ban = None, None
    if act.subject:
        is_actor = act.subject == act.actor
        subject, subject_ban = (actor, actor_ban) if is_actor else _membership(c, act.guid, act.subject)
    count = c.execute("SELECT count(*) FROM members WHERE uid = ?", (act.subject,)).fetchone()[0] if act.subject else 0
    standing = GroupStanding(GroupRow(*row), actor, actor_ban, subject, subject_ban, count)
    act.allowed(standing)
    return standing


def _membership(c: sqlite3.Connection, guid: str, uid: str) -> tuple[MemberRow | None, BanRow | None]:
    member = c.execute(MEMBER_SQL, {"of": guid, "who": uid}).fetchone()
    ban = c.execute(BAN_SQL, (guid, uid)).fetchone()
    return MemberRow(*member) if member else None, BanRow(*ban) if ban else None


def check_message_act(c: sqlite3.Connection, act: MessageAct) -> MessageStanding:
    """Check an act on a message, and return the standing on which it was allowed.

    Args:
        c: the connection to read with; within an operation of the writer, the writer's.
        act: the act.

    Raises:
        Refused: ERR_MESSAGE_ID_NOT_FOUND, there is no such message; or raised by `act.allowed`.
    """
    row = c.execute(MESSAGE_SQL, {"key": act.message_id}).fetchone()
    if row is None:
        raise Refused("ERR_MESSAGE_ID_NOT_FOUND", {"id": str(act.message_id)})
    message = MessageRow._make(row)
    if message.receiver_type == "user":
        block = c.execute(BETWEEN_SQL, {"one": message.sender, "other": message.receiver, "by": act.actor}).fetchone()
        standing = MessageStanding(message, blocked_by=block[0] if block else "")
    else:
        member = c.execute(MEMBER_SQL, {"of": message.receiver, "who": act.actor}).fetchone()
        group = c.execute("SELECT owner FROM groups WHERE guid = ?", (message.receiver,)).fetchone()
        standing = MessageStanding(message, MemberRow(*member) if member else None, group[0] if group else None)
    act.allowed(standing)
    return standing


class Standings:
    """`ports.store.Standings` on SQLite."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def group(self, act: GroupAct) -> GroupStanding:
        return check_group_act(self._db.reader, act)

    async def message(self, act: MessageAct) -> MessageStanding:
        return check_message_act(self._db.reader, act)
