"""Writes users. Writes of one statement are in `store.sql.users`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from tailwire.server.ports.changes import SEEN, Change
from tailwire.server.ports.file_names import named_files
from tailwire.server.ports.read_cache import ReadCache
from tailwire.server.ports.records import UserRow
from tailwire.server.store.postgres.access import DatabaseAccess, as_row, insert, texts_of, update, use_files
from tailwire.server.store.postgres.chores import Chores
from tailwire.server.store.postgres.tokens import end_tokens
from tailwire.server.store.postgres.unit import Unit
from tailwire.server.store.sql.users import CHANGEABLE, COLUMN_NAMES, COLUMNS, UserRows

MAX_CACHED_USERS = 20_000


class Users(UserRows):
    """`UserStore` on PostgreSQL. Users are cached, because nearly every request needs some."""

    def __init__(self, access: DatabaseAccess, chores: Chores) -> None:
        super().__init__(access.reads)
        self._access = access
        self._chores = chores
        self._users: ReadCache[UserRow | None] = ReadCache(access.feed, MAX_CACHED_USERS)
        access.feed.listen(self._changed)

    def _changed(self, changes: Sequence[Change] | None) -> None:
        if changes is None:
            self._users.clear()
            return
        for _, kind, key in changes:
            if kind in ("user", SEEN):
                self._users.forget(key)
            elif kind == "role":  # the users of a role that is removed get the default role
                self._users.clear()

    async def get(self, uid: str) -> UserRow | None:
        read = super().get
        return await self._users.get(uid, lambda: read(uid))

    async def store_last_online(self, uid: str, now: int) -> None:
        # Other processes are notified with the user's presence. It is not in the log, because it changes too often.
        await super().store_last_online(uid, now)
        self._access.feed.report([Change(0, SEEN, uid)])

    async def add(self, user: UserRow) -> bool:
        unit = Unit()
        unit.run_required(
            f"{insert('users', COLUMN_NAMES)} ON CONFLICT DO NOTHING", row=as_row(dataclasses.asdict(user))
        )
        if names := named_files(user.avatar, user.link, user.metadata):
            use_files(unit, "user", user.uid, names, self._access.world.seconds())
        unit.invalidate("user", user.uid)
        return (await self._access.carry_out(unit)).ended is None

    async def change(self, uid: str, columns: Mapping[str, object]) -> UserRow | None:
        if not columns.keys() <= CHANGEABLE:
            raise ValueError(f"these columns of a user cannot be changed: {columns.keys() - CHANGEABLE}")
        changes: dict[str, Any] = dict(columns)

        async def attempt() -> UserRow | None:
            row = await self._db.first_row(
                f"SELECT CAST(xmin AS text), {COLUMNS} FROM users WHERE uid = :uid", {"uid": uid}
            )
            if row is None:
                return None
            user = dataclasses.replace(UserRow(*row[1:]), **changes)
            unit = Unit()
            unit.require_unchanged("(SELECT xmin::text FROM users WHERE uid = :uid) = :seen", uid=uid, seen=row[0])
            if changes:
                unit.run(update("users", changes, "uid = :uid"), row=as_row(changes), uid=uid)
            names = named_files(user.avatar, user.link, user.metadata)
            use_files(unit, "user", uid, names, self._access.world.seconds())
            unit.invalidate("user", uid)
            await self._access.carry_out(unit)
            self._chores.report_added()
            return user

        return await self._access.decide(("user", uid), attempt)

    async def deactivate(self, uids: Sequence[str], at: int | None) -> tuple[list[str], list[tuple[str, str]]]:
        unit = Unit()
        was = "IS NULL" if at is not None else "IS NOT NULL"
        unit.run_returning(
            f"UPDATE users SET deactivated_at = :at::bigint WHERE deactivated_at {was} AND uid IN {texts_of('uids')}"
            " RETURNING uid",
            at=at, uids=list(uids),
        )  # fmt: skip
        if at is not None:
            end_tokens(unit, f"uid IN {texts_of('uids')}", uids=list(uids))
        for uid in uids:
            unit.invalidate("user", uid)
        results = (await self._access.carry_out(unit)).results
        done = {row["uid"] for row in results[0]}
        tokens = sorted((row["uid"], row["token_hash"]) for row in results[2]) if at is not None else []
        return [uid for uid in dict.fromkeys(uids) if uid in done], tokens
