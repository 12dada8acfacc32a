"""How many reads a send makes before it writes: on PostgreSQL a read costs about as much as the write."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tailwire.server.actions.caller import Caller
from tailwire.server.actions.drafting import Outgoing
from tailwire.server.app.running import Running, running_server
from tailwire.server.auth.secrets import fingerprint
from tailwire.server.config import Settings
from tailwire.server.ports.records import GroupRow


def watched(server: Running) -> list[str]:
    """Return the list to which each read of this task is added."""
    database: Any = server.parts.store.database
    task = asyncio.current_task()
    seen: list[str] = []

    def watch(method: Any) -> Any:
        async def read(sql: str, *values: Any) -> Any:
            if asyncio.current_task() is task:
                seen.append(sql)
            return await method(sql, *values)

        return read

    for name in ("first_row", "rows", "first_rows", "long_rows", "page"):
        setattr(database, name, watch(getattr(database, name)))
    return seen


@pytest.mark.parametrize(("kind", "receiver", "most"), [("user", "bob", 0), ("group", "g", 1)])
async def test_send_reads_at_most_once_before_it_writes(
    tmp_path: Path, postgres_url: str, kind: str, receiver: str, most: int
):
    """A send to a user reads nothing once both are known; one to a group reads group, membership and ban at once."""
    settings = Settings(data=str(tmp_path), database=postgres_url, port=0, demo_users=True)
    message = Outgoing(receiver, kind, "message", "text", msgspec.Raw(b'{"text":"hello"}'))
    async with running_server(settings) as server:
        actions = server.parts.actions
        await server.parts.store.groups.add(GroupRow("g", "G", "public", owner="alice", members_count=1, created_at=1))
        token = (await actions.sessions.create_token("alice")).token

        async def send() -> None:
            caller: Caller = await actions.sessions.caller(token, "device")
            await actions.messages.send(caller, message)

        await send()
        seen = watched(server)
        for _ in range(5):
            seen.clear()
            await send()
            assert len(seen) <= most, seen
        seen.clear()
        assert await server.parts.store.tokens.get(fingerprint(token)) is not None
        assert seen, "the reads are not watched"
