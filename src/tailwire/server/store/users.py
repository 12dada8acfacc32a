"""Users."""

from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from tailwire.server.ports.file_names import named_files
from tailwire.server.ports.filters import UserFilter
from tailwire.server.ports.records import UserRow
from tailwire.server.store.conditions import one_of, starts_with, tagged
from tailwire.server.store.database import Database
from tailwire.server.store.files import Files
from tailwire.server.store.statements import USER
from tailwire.server.store.tokens import Tokens

_COLUMNS = ", ".join(f.name for f in dataclasses.fields(UserRow))
_PLACEHOLDERS = ", ".join("?" for _ in dataclasses.fields(UserRow))
_CHANGEABLE = {f.name for f in dataclasses.fields(UserRow)} - {"uid", "last_active_at", "created_at", "deactivated_at"}
_SORTS = {"name": "name", "uid": "uid", "createdAt": "created_at", "status": "last_active_at"}


class Users:
    """`UserStore` on SQLite.

    Args:
        tokens: those of a deactivated user are revoked.
        files: a user's avatar, link and metadata refer to files.
    """

    def __init__(self, database: Database, tokens: Tokens, files: Files) -> None:
        self._db = database
        self._tokens = tokens
        self._files = files

    async def get(self, uid: str) -> UserRow | None:
        row = await self._db.one(USER, {"key": uid})
        return UserRow(*row) if row else None

    async def find(self, wanted: UserFilter) -> tuple[list[UserRow], int]:
        values: list[Any] = []
        where = ["1"]
        if wanted.deactivated is not None:
            where.append(f"deactivated_at IS {'NOT ' if wanted.deactivated else ''}NULL")
        if wanted.search:
            where.append(starts_with(wanted.search_in, wanted.search, values))
        if wanted.uids:
            where.append(one_of("uid", wanted.uids, values))
        if wanted.roles:
            where.append(one_of("role", wanted.roles, values))
        if wanted.tags:
            where.append(tagged("tags", wanted.tags, values))
        if wanted.friends_only:
            where.append("uid IN (SELECT friend FROM friends WHERE uid = ?)")
            values.append(wanted.reader)
        if wanted.hide_blocked:
            where.append(
                "uid NOT IN (SELECT blocked FROM blocks WHERE uid = ? UNION SELECT uid FROM blocks WHERE blocked = ?)"
            )
            values += [wanted.reader, wanted.reader]
        if wanted.online is not None:
            found = one_of("uid", wanted.status_of, values)
            where.append(found if wanted.online else f"NOT {found}")
        condition = " AND ".join(where)
        order = f"{_SORTS.get(wanted.sort_by, 'name')} {'DESC' if wanted.descending else 'ASC'}, uid"
        sql = f"SELECT {_COLUMNS} FROM users WHERE {condition} ORDER BY {order} LIMIT ? OFFSET ?"
        count, page = f"SELECT count(*) FROM users WHERE {condition}", [*values, wanted.limit, wanted.offset]
        rows, total = await self._db.page(count, sql, values, page)
        return [UserRow(*row) for row in rows], total

    async def add(self, user: UserRow) -> bool:
        def add(c: sqlite3.Connection) -> bool:
            sql = f"INSERT INTO users ({_COLUMNS}) VALUES ({_PLACEHOLDERS}) ON CONFLICT DO NOTHING"
            if c.execute(sql, dataclasses.astuple(user)).rowcount != 1:
                return False
            if names := named_files(user.avatar, user.link, user.metadata):
                self._files.use(c, "user", user.uid, names)
            return True

        return await self._db.write(add)

    async def change(self, uid: str, columns: Mapping[str, object]) -> UserRow | None:
        if not columns.keys() <= _CHANGEABLE:
            raise ValueError(f"these columns of a user cannot be changed: {columns.keys() - _CHANGEABLE}")

        def change(c: sqlite3.Connection) -> UserRow | None:
            assignments = ", ".join(f"{name} = ?" for name in columns)
            c.execute(f"UPDATE users SET {assignments} WHERE uid = ?", [*columns.values(), uid])
            row = c.execute(USER, {"key": uid}).fetchone()
            if row is None:
                return None
            user = UserRow(*row)
            self._files.use(c, "user", uid, named_files(user.avatar, user.link, user.metadata))
            return user

        return await self._db.write(change)

    async def seen(self, uid: str, now: int) -> None:
        await self._db.run("UPDATE users SET last_active_at = ? WHERE uid = ?", (now, uid))

    async def deactivate(self, uids: Sequence[str], at: int | None) -> tuple[list[str], list[tuple[str, str]]]:
        def change(c: sqlite3.Connection) -> tuple[list[str], list[tuple[str, str]]]:
            done, tokens = [], []
            for uid in uids:
                was = "IS NULL" if at is not None else "IS NOT NULL"
                sql = f"UPDATE users SET deactivated_at = ? WHERE uid = ? AND deactivated_at {was}"
                if c.execute(sql, (at, uid)).rowcount:
                    done.append(uid)
                if at is not None:
                    gone = c.execute("DELETE FROM auth_tokens WHERE uid = ? RETURNING token_hash", (uid,)).fetchall()
                    tokens += [(uid, token) for token in self._tokens.revoked(gone)]
            return done, tokens

        return await self._db.write(change)
