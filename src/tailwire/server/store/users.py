"""Users and roles."""

from __future__ import annotations

import dataclasses
import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from tailwire.server.ports.file_names import named_files
from tailwire.server.ports.filters import UserFilter
from tailwire.server.ports.records import RoleRow, UserRow
from tailwire.server.store.files import Files
from tailwire.server.store.keys import Keys
from tailwire.server.store.statements import USER

_COLUMNS = ", ".join(f.name for f in dataclasses.fields(UserRow))
_MARKS = ", ".join("?" for _ in dataclasses.fields(UserRow))
_ROLE = ", ".join(f.name for f in dataclasses.fields(RoleRow))
_CHANGEABLE = {f.name for f in dataclasses.fields(UserRow)} - {"uid", "last_active_at", "created_at", "deactivated_at"}
_SORTS = {"name": "name", "uid": "uid", "createdAt": "created_at", "status": "last_active_at"}


def begins(columns: Sequence[str], word: str, values: list[Any]) -> str:
    """A condition: one of some columns begins with a word, in whatever case."""
    values += [word.lower()] * (2 * len(columns))
    return "(" + " OR ".join(f"substr(lower({c}), 1, length(?)) = ?" for c in columns) + ")"


def one_of(column: str, wanted: Sequence[str], values: list[Any]) -> str:
    """A condition: a column has one of some values, however many."""
    values.append(json.dumps(list(wanted)))
    return f"{column} IN (SELECT value FROM json_each(?))"


def tagged(column: str, wanted: Sequence[str], values: list[Any]) -> str:
    """A condition: a column with a list of tags has one of some."""
    return f"EXISTS (SELECT 1 FROM json_each({column}) WHERE {one_of('value', wanted, values)})"


class Users(Files, Keys):
    """Users and roles."""

    async def user(self, uid: str) -> UserRow | None:
        """A user, or None."""
        row = self._one(USER, {"key": uid})
        return UserRow(*row) if row else None

    async def users(self, wanted: UserFilter) -> tuple[list[UserRow], int]:
        """Users as a filter wants them, and how many there are."""
        values: list[Any] = []
        where = ["1"]
        if wanted.deactivated is not None:
            where.append(f"deactivated_at IS {'NOT ' if wanted.deactivated else ''}NULL")
        if wanted.search:
            where.append(begins(wanted.search_in, wanted.search, values))
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
        rows, total = await self._page(count, sql, values, page)
        return [UserRow(*row) for row in rows], total

    async def add_user(self, user: UserRow) -> bool:
        """Keep a new user. False when the uid is taken."""

        def add(c: sqlite3.Connection) -> bool:
            sql = f"INSERT INTO users ({_COLUMNS}) VALUES ({_MARKS}) ON CONFLICT DO NOTHING"
            if c.execute(sql, dataclasses.astuple(user)).rowcount != 1:
                return False
            if names := named_files(user.avatar, user.link, user.metadata):
                self._use_files(c, "user", user.uid, names)
            return True

        return await self._writer.submit(add)

    async def change_user(self, uid: str, columns: Mapping[str, object]) -> UserRow | None:
        """Change columns of a user, and no others. Answers the user as they are now; None when there is none."""
        if not columns.keys() <= _CHANGEABLE:
            raise ValueError(f"columns of a user that are not changed like this: {columns.keys() - _CHANGEABLE}")

        def change(c: sqlite3.Connection) -> UserRow | None:
            marks = ", ".join(f"{name} = ?" for name in columns)
            c.execute(f"UPDATE users SET {marks} WHERE uid = ?", [*columns.values(), uid])
            row = c.execute(USER, {"key": uid}).fetchone()
            if row is None:
                return None
            user = UserRow(*row)
            self._use_files(c, "user", uid, named_files(user.avatar, user.link, user.metadata))
            return user

        return await self._writer.submit(change)

    async def seen(self, uid: str, now: int) -> None:
        """Note when a user was last online."""

        def note(c: sqlite3.Connection) -> None:
            c.execute("UPDATE users SET last_active_at = ? WHERE uid = ?", (now, uid))

        await self._writer.submit(note)

    async def deactivate(self, uids: Sequence[str], at: int | None) -> tuple[list[str], list[tuple[str, str]]]:
        """Deactivate users (or bring them back: None). Their auth tokens go.

        Returns:
            Whom there was to do it to, and of each token that went the uid and the hash.
        """

        def change(c: sqlite3.Connection) -> tuple[list[str], list[tuple[str, str]]]:
            done, tokens = [], []
            for uid in uids:
                was = "IS NULL" if at is not None else "IS NOT NULL"
                sql = f"UPDATE users SET deactivated_at = ? WHERE uid = ? AND deactivated_at {was}"
                if c.execute(sql, (at, uid)).rowcount:
                    done.append(uid)
                if at is not None:
                    gone = c.execute("DELETE FROM auth_tokens WHERE uid = ? RETURNING token_hash", (uid,)).fetchall()
                    tokens += [(uid, token) for token in self._gone(gone)]
            return done, tokens

        return await self._writer.submit(change)

    # Roles.

    async def role(self, role: str) -> RoleRow | None:
        """A role, or None."""
        row = self._one(f"SELECT {_ROLE} FROM roles WHERE role = ?", (role,))
        return RoleRow(*row) if row else None

    async def roles(self, *, limit: int, offset: int) -> tuple[list[RoleRow], int]:
        """Roles by name, and how many there are."""
        sql = f"SELECT {_ROLE} FROM roles ORDER BY role LIMIT ? OFFSET ?"
        rows, total = await self._page("SELECT count(*) FROM roles", sql, (), (limit, offset))
        return [RoleRow(*row) for row in rows], total

    async def put_role(self, role: RoleRow, *, new: bool) -> bool:
        """Keep a role, new or changed. False when a new one's name is taken."""

        def put(c: sqlite3.Connection) -> bool:
            how = "INSERT INTO" if new else "INSERT OR REPLACE INTO"
            marks = ", ".join("?" for _ in dataclasses.fields(RoleRow))
            conflict = " ON CONFLICT DO NOTHING" if new else ""
            return (
                c.execute(f"{how} roles ({_ROLE}) VALUES ({marks}){conflict}", dataclasses.astuple(role)).rowcount == 1
            )

        return await self._writer.submit(put)

    async def remove_role(self, role: str) -> None:
        """Forget a role; its users get the default one."""

        def remove(c: sqlite3.Connection) -> None:
            c.execute("UPDATE users SET role = 'default' WHERE role = ?", (role,))
            c.execute("DELETE FROM roles WHERE role = ?", (role,))
            c.execute("DELETE FROM restrictions WHERE role = ?", (role,))

        await self._writer.submit(remove)

    async def restrict(self, role: str, features: Sequence[str], now: int) -> None:
        """Keep that a role may not use some features."""
        sql = "INSERT INTO restrictions VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
        rows = [(role, feature, now) for feature in features]
        await self._writer.submit(lambda c: c.executemany(sql, rows).rowcount)

    async def allow(self, role: str, features: Sequence[str]) -> None:
        """Let a role use features again."""
        sql = "DELETE FROM restrictions WHERE role = ? AND feature = ?"
        await self._writer.submit(lambda c: c.executemany(sql, [(role, f) for f in features]).rowcount)

    async def restrictions(self, role: str) -> dict[str, int]:
        """The features that a role may not use, and since when."""
        sql = "SELECT feature, created_at FROM restrictions WHERE role = ? ORDER BY feature"
        return dict(await self._rows(sql, (role,)))
