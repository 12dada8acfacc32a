"""Auth tokens of users: adding and revoking."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from tailwire.server.ports.changes import Change
from tailwire.server.ports.key_records import TokenOwner, TokenRow
from tailwire.server.ports.read_cache import ReadCache
from tailwire.server.ports.refusal import Refused
from tailwire.server.store.postgres.access import DatabaseAccess, as_row
from tailwire.server.store.postgres.unit import Unit, Value
from tailwire.server.store.sql.tokens import COLUMNS, KEEP_ENDED_SQL, OLDEST_CONDITION, TokenRows

_ADD_SQL = f"""INSERT INTO auth_tokens ({COLUMNS}, number) SELECT {COLUMNS},
(SELECT coalesce(max(number), 0) + 1 FROM auth_tokens t WHERE t.uid = :uid)
FROM jsonb_populate_record(NULL::auth_tokens, :row::jsonb)"""
_SURPLUS_CONDITION = OLDEST_CONDITION.format(uid=":uid", most=":most::bigint")
_USER_ACTIVE_CONDITION = "EXISTS (SELECT FROM users WHERE uid = :uid AND deactivated_at IS NULL)"
_TOKEN_ENDED_CONDITION = "EXISTS (SELECT FROM ended_tokens WHERE token_hash = :hash AND expires_at > :now::bigint)"
_TOKEN_KNOWN_CONDITION = """EXISTS (SELECT FROM auth_tokens WHERE token_hash = :hash
AND (uid <> :uid OR expires_at IS NULL OR expires_at > :now::bigint))"""
NO_USER, ENDED = 1, 2  # the steps of a unit


def end_tokens(unit: Unit, which: str, **values: Value) -> None:
    """Add to a unit the steps that delete tokens.

    They add two results to the answer: the number of tokens whose hashes are kept until they expire, because they would
    be accepted again otherwise; and the rows (`uid`, `token_hash`) of all deleted tokens.

    Args:
        which: the condition on the tokens, in SQL with `:name` for each of `values`.
    """
    unit.run(KEEP_ENDED_SQL.format(which=which), **values)
    unit.run_returning(f"DELETE FROM auth_tokens WHERE {which} RETURNING uid, token_hash", **values)


_TOKEN_COUNT = "(SELECT count(*) FROM auth_tokens WHERE uid = :uid)"
MAX_CACHED_OWNERS = 50_000


class Tokens(TokenRows):
    """`TokenStore` on PostgreSQL. The owners of tokens are cached, because every request needs the one of its token."""

    def __init__(self, access: DatabaseAccess) -> None:
        super().__init__(access.reads)
        self._access = access
        self._owners: ReadCache[TokenOwner | None] = ReadCache(access.feed, MAX_CACHED_OWNERS)
        access.feed.listen(self._changed)

    def _changed(self, changes: Sequence[Change] | None) -> None:
        if changes is None:
            self._owners.clear()
            return
        for _, kind, key in changes:
            if kind == "token":
                self._owners.forget(key.rpartition("/")[2])
            elif kind in ("tokens", "user"):
                self._owners.forget_group(key)

    async def owner(self, token_hash: str) -> TokenOwner | None:
        read = super().owner
        return await self._owners.get(token_hash, lambda: read(token_hash), lambda owner: (owner.uid,) if owner else ())

    async def add(self, token: TokenRow, limit: int) -> list[str]:
        async def attempt() -> list[str]:
            # Older tokens are revoked only if there are too many, so that most logins change nothing for others.
            (count,) = await self._db.first_row(f"SELECT {_TOKEN_COUNT}", {"uid": token.uid})
            unit = Unit()
            full = "" if count >= limit else "NOT "
            unit.require_unchanged(f"{full}{_TOKEN_COUNT} >= :most::bigint", uid=token.uid, most=limit)
            unit.end_if(f"NOT {_USER_ACTIVE_CONDITION}", uid=token.uid)
            if token.expires_at is not None:
                now = token.created_at
                unit.end_if(_TOKEN_ENDED_CONDITION, hash=token.token_hash, now=now)
                unit.end_if(_TOKEN_KNOWN_CONDITION, hash=token.token_hash, now=now, uid=token.uid)
                unit.run("DELETE FROM ended_tokens WHERE expires_at <= :now::bigint", now=now)
                unit.run(
                    "DELETE FROM auth_tokens WHERE uid = :uid AND expires_at <= :now::bigint", uid=token.uid, now=now
                )
            unit.run(_ADD_SQL, uid=token.uid, row=as_row(dataclasses.asdict(token)))
            end_tokens(unit, _SURPLUS_CONDITION, uid=token.uid, most=limit)
            if count >= limit or token.expires_at is not None:
                unit.invalidate("tokens", token.uid)
            answer = await self._access.carry_out(unit)
            if answer.ended == NO_USER:
                raise Refused("ERR_UID_NOT_FOUND", {"uid": token.uid})
            if answer.ended == ENDED:
                raise Refused("AUTH_ERR_AUTH_TOKEN_NOT_FOUND")
            (ended,) = (rows for rows in answer.results if isinstance(rows, list)) if answer.ended is None else ([],)
            return [row["token_hash"] for row in ended]

        return await self._access.decide(("tokens", token.uid), attempt)

    async def remove(self, token_hash: str) -> None:
        owner = await super().owner(token_hash)
        if owner is not None:
            await self._remove("token_hash = :key", token_hash, "token", f"{owner.uid}/{token_hash}")

    async def remove_all(self, uid: str) -> list[str]:
        return await self._remove("uid = :key", uid, "tokens", uid)

    async def _remove(self, which: str, key: str, kind: str, changed: str) -> list[str]:
        unit = Unit()
        end_tokens(unit, which, key=key)
        unit.invalidate(kind, changed)
        return [row["token_hash"] for row in (await self._access.carry_out(unit)).results[1]]
