"""Auth tokens of users: adding and revoking."""

from __future__ import annotations

import dataclasses

from tailwire.server.ports.records import TokenRow
from tailwire.server.ports.refusal import Refused
from tailwire.server.store.postgres.unit import Unit
from tailwire.server.store.postgres.work import Work, as_row
from tailwire.server.store.sql.tokens import COLUMNS, TokenRows

_ADD = f"""INSERT INTO auth_tokens ({COLUMNS}, number) SELECT {COLUMNS},
(SELECT coalesce(max(number), 0) + 1 FROM auth_tokens t WHERE t.uid = :uid)
FROM jsonb_populate_record(NULL::auth_tokens, :row::jsonb)"""
_TRIM = """DELETE FROM auth_tokens WHERE uid = :uid
AND (SELECT count(*) FROM auth_tokens t WHERE t.uid = :uid) > :most::bigint
AND number <= (SELECT max(number) FROM auth_tokens t WHERE t.uid = :uid) - :most::bigint RETURNING token_hash"""


class Tokens(TokenRows):
    """`TokenStore` on PostgreSQL."""

    def __init__(self, work: Work) -> None:
        super().__init__(work.reads)
        self._work = work

    async def add(self, token: TokenRow, limit: int) -> list[str]:
        unit = Unit()
        unit.until("NOT EXISTS (SELECT FROM users WHERE uid = :uid AND deactivated_at IS NULL)", uid=token.uid)
        unit.do(_ADD, uid=token.uid, row=as_row(dataclasses.asdict(token)))
        unit.rows(_TRIM, uid=token.uid, most=limit)
        unit.tell("tokens", token.uid)
        answer = await self._work.carry_out(unit)
        if answer.ended is not None:
            raise Refused("ERR_UID_NOT_FOUND", {"uid": token.uid})
        return [row["token_hash"] for row in answer.results[1]]

    async def remove(self, token_hash: str) -> None:
        await self._remove("token_hash = :key", token_hash, "token")

    async def remove_all(self, uid: str) -> list[str]:
        return await self._remove("uid = :key", uid, "tokens")

    async def _remove(self, which: str, key: str, kind: str) -> list[str]:
        unit = Unit()
        unit.rows(f"DELETE FROM auth_tokens WHERE {which} RETURNING token_hash", key=key)
        unit.tell(kind, key)
        return [row["token_hash"] for row in (await self._work.carry_out(unit)).results[0]]
