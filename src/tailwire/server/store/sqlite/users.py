"""Writes users. Writes of one statement are in `store.sql.users`."""

from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import Mapping, Sequence

from tailwire.server.ports.file_names import named_files
from tailwire.server.ports.records import UserRow
from tailwire.server.store.sql.statements import USER_SQL
from tailwire.server.store.sql.users import CHANGEABLE, COLUMN_NAMES, COLUMNS, UserRows
from tailwire.server.store.sqlite.database import Database
from tailwire.server.store.sqlite.files import Files
from tailwire.server.store.sqlite.tokens import Tokens

_PLACEHOLDERS = ", ".join("?" for _ in COLUMN_NAMES)


class Users(UserRows):
    """`UserStore` on SQLite.

    Args:
        tokens: revokes the tokens of deactivated users.
        files: records which files the avatar, link and metadata of users refer to.
    """

    def __init__(self, database: Database, tokens: Tokens, files: Files) -> None:
        super().__init__(database)
        self._db: Database = database
        self._tokens = tokens
        self._files = files

    async def add(self, user: UserRow) -> bool:
        def add(c: sqlite3.Connection) -> bool:
            sql = f"INSERT INTO users ({COLUMNS}) VALUES ({_PLACEHOLDERS}) ON CONFLICT DO NOTHING"
            if c.execute(sql, dataclasses.astuple(user)).rowcount != 1:
                return False
            if names := named_files(user.avatar, user.link, user.metadata):
                self._files.use(c, "user", user.uid, names)
            return True

        return await self._db.write(add)

    async def change(self, uid: str, columns: Mapping[str, object]) -> UserRow | None:
        if not columns.keys() <= CHANGEABLE:
            raise ValueError(f"these columns of a user cannot be changed: {columns.keys() - CHANGEABLE}")

        def change(c: sqlite3.Connection) -> UserRow | None:
            assignments = ", ".join(f"{name} = ?" for name in columns)
            c.execute(f"UPDATE users SET {assignments} WHERE uid = ?", [*columns.values(), uid])
            row = c.execute(USER_SQL, {"key": uid}).fetchone()
            if row is None:
                return None
            user = UserRow(*row)
            self._files.use(c, "user", uid, named_files(user.avatar, user.link, user.metadata))
            return user

        return await self._db.write(change)

    async def deactivate(self, uids: Sequence[str], at: int | None) -> tuple[list[str], list[tuple[str, str]]]:
        def change(c: sqlite3.Connection) -> tuple[list[str], list[tuple[str, str]]]:
            done, tokens = [], []
            for uid in uids:
                was = "IS NULL" if at is not None else "IS NOT NULL"
                sql = f"UPDATE users SET deactivated_at = ? WHERE uid = ? AND deactivated_at {was}"
                if c.execute(sql, (at, uid)).rowcount:
                    done.append(uid)
                if at is not None:
                    tokens += [(uid, token) for token in self._tokens.end(c, "uid = ?", (uid,))]
            return done, sorted(tokens)

        return await self._db.write(change)
