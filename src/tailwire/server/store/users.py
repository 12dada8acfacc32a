"""Users."""

from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import Sequence

from tailwire.server.ports.records import UserRow
from tailwire.server.store.access import Access
from tailwire.server.store.statements import USER

_COLUMNS = ", ".join(f.name for f in dataclasses.fields(UserRow))
_MARKS = ", ".join("?" for _ in dataclasses.fields(UserRow))


class Users(Access):
    """Users."""

    async def user(self, uid: str) -> UserRow | None:
        """A user, or None."""
        row = self._one(USER, {"key": uid})
        return UserRow(*row) if row else None

    async def users(
        self, *, search: str = "", uids: Sequence[str] = (), limit: int = 30, offset: int = 0
    ) -> tuple[list[UserRow], int]:
        """Users by name, and how many there are.

        Args:
            search: the beginning of the name or uid.
            uids: only these, when any are named.
        """
        where, values = "1", []
        if search:
            where += " AND (substr(lower(name), 1, ?) = ? OR substr(uid, 1, ?) = ?)"
            values += [len(search), search.lower(), len(search), search.lower()]
        if uids:
            where += f" AND uid IN ({', '.join('?' for _ in uids)})"
            values += list(uids)
        total = self._one(f"SELECT count(*) FROM users WHERE {where}", values)[0]
        rows = self._all(
            f"SELECT {_COLUMNS} FROM users WHERE {where} ORDER BY name, uid LIMIT ? OFFSET ?", [*values, limit, offset]
        )
        return [UserRow(*row) for row in rows], total

    async def add_user(self, user: UserRow) -> bool:
        """Keep a new user. False when the uid is taken."""

        def add(c: sqlite3.Connection) -> bool:
            sql = f"INSERT INTO users ({_COLUMNS}) VALUES ({_MARKS}) ON CONFLICT DO NOTHING"
            return c.execute(sql, dataclasses.astuple(user)).rowcount == 1

        return await self._writer.submit(add)

    async def seen(self, uid: str, now: int) -> None:
        """Note when a user was last online."""

        def note(c: sqlite3.Connection) -> None:
            c.execute("UPDATE users SET last_active_at = ? WHERE uid = ?", (now, uid))

        await self._writer.submit(note)
