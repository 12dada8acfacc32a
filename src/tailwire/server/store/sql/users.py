"""Users: what the stores share (see `store.sql`)."""

from __future__ import annotations

import dataclasses
from typing import Any

from tailwire.server.ports.filters import Position, UserFilter
from tailwire.server.ports.records import UserRow
from tailwire.server.store.sql.conditions import any_tag_condition, page_clause, prefix_condition
from tailwire.server.store.sql.connection import Connection
from tailwire.server.store.sql.statements import USER_SQL

COLUMN_NAMES = tuple(f.name for f in dataclasses.fields(UserRow))
COLUMNS = ", ".join(COLUMN_NAMES)
CHANGEABLE = frozenset(COLUMN_NAMES) - {"uid", "last_active_at", "created_at", "deactivated_at"}
_SORTS = {"name": "name", "uid": "uid", "createdAt": "created_at", "status": "last_active_at"}

TABLES_OF_USER = (
    "users", "members", "bans", "saves", "subscriptions", "push_tokens", "push_preferences", "push_mutes",
    "notifications", "removed_sends", "issued_forms",
)  # fmt: skip
"""Tables whose rows belong to the user in their column `uid`, and are deleted with the user."""
LEAVE_GROUPS_SQL = (
    "UPDATE groups SET members_count = members_count - 1, owner = nullif(owner, {uid})"
    " WHERE guid IN (SELECT guid FROM members WHERE uid = {uid})"
)
FORGET_READ_STATE_SQL = (
    "DELETE FROM receipts WHERE uid = {uid}"
    " AND conversation_id IN (SELECT conversation_id FROM marks WHERE uid = {uid})",
    "DELETE FROM marks WHERE uid = {uid}",
    "INSERT INTO marks (conversation_id, uid, delivered_id, read_id, cleared_id)"
    " SELECT c.conversation_id, p.uid, c.last_message_id, c.last_message_id, c.last_message_id FROM participants p"
    " JOIN conversations c ON c.conversation_id = p.conversation_id WHERE p.uid = {uid} AND c.last_message_id > 0"
    " ON CONFLICT (conversation_id, uid) DO UPDATE SET delivered_id = excluded.delivered_id,"
    " read_id = excluded.read_id, cleared_id = excluded.cleared_id, tags = NULL, pinned_at = NULL",
)
"""Delete what a user had received and read, their pins and tags: of it all, another user with this uid has nothing.

Their conversations with one other user remain for that one. For another user with this uid they are empty, as if that
one had deleted them for themselves.
"""


class UserRows:
    """`UserStore`, without the writes of several statements."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    async def get(self, uid: str) -> UserRow | None:
        row = await self._db.first_row(USER_SQL, {"key": uid})
        return UserRow(*row) if row else None

    async def find(self, criteria: UserFilter) -> tuple[list[UserRow], int]:
        values: list[Any] = []
        condition = self._condition(criteria, values)
        order = f"{_SORTS[criteria.sort_by]} {'DESC' if criteria.descending else 'ASC'}, uid"
        sql = f"SELECT {COLUMNS} FROM users WHERE {condition} ORDER BY {order} LIMIT ? OFFSET ?"
        count, page = f"SELECT count(*) FROM users WHERE {condition}", [*values, criteria.limit, criteria.offset]
        rows, total = await self._db.page(count, sql, values, page)
        return [UserRow(*row) for row in rows], total

    async def list_after(self, criteria: UserFilter, position: Position) -> list[UserRow]:
        values: list[Any] = []
        condition = self._condition(criteria, values)
        columns = list(dict.fromkeys((_SORTS[criteria.sort_by], "uid")))
        end = page_clause(condition, columns, position, criteria.limit, values, descending=criteria.descending)
        return [UserRow(*row) for row in await self._db.long_rows(f"SELECT {COLUMNS} FROM users {end}", values)]

    def _condition(self, criteria: UserFilter, values: list[Any]) -> str:
        dialect = self._db.dialect
        where = ["TRUE"]
        if criteria.deactivated is not None:
            where.append(f"deactivated_at IS {'NOT ' if criteria.deactivated else ''}NULL")
        if criteria.search:
            where.append(prefix_condition(dialect, criteria.search_in, criteria.search, values))
        if criteria.uids:
            where.append(dialect.any_of("uid", criteria.uids, values))
        if criteria.roles:
            where.append(dialect.any_of("role", criteria.roles, values))
        if criteria.tags:
            where.append(any_tag_condition(dialect, "tags", criteria.tags, values))
        if criteria.friends_only:
            where.append("uid IN (SELECT friend FROM friends WHERE uid = ?)")
            values.append(criteria.reader)
        if criteria.hide_blocked:
            where.append(
                "uid NOT IN (SELECT blocked FROM blocks WHERE uid = ? UNION SELECT uid FROM blocks WHERE blocked = ?)"
            )
            values += [criteria.reader, criteria.reader]
        if criteria.online is not None:
            found = dialect.any_of("uid", criteria.online_uids, values)
            where.append(found if criteria.online else f"NOT ({found})")
        return " AND ".join(where)

    async def store_last_online(self, uid: str, now: int) -> None:
        await self._db.run("UPDATE users SET last_active_at = ? WHERE uid = ?", (now, uid))
