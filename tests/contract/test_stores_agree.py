"""Both stores give the same answers, in the same order, after the same operations."""

from __future__ import annotations

import asyncio
import inspect
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from contract.operations import CHANGES, GUIDS, QUESTIONS, UIDS, Side
from servers.schema import prepare
from tailwire.server.ports.records import GroupRow, UserRow
from tailwire.server.ports.world import World
from tailwire.server.store.postgres.store import PostgresStore
from tailwire.server.store.sqlite import SqliteStore


class Clock(World):
    """A clock that stands still."""

    def seconds(self) -> int:
        return 7

    def milliseconds(self) -> int:
        return 7000


def described(call: Any) -> str:
    """Return a description of a call: its names, and the values that it was made with."""
    found = inspect.getclosurevars(call)
    values = [described(one) if callable(one) else repr(one) for one in found.nonlocals.values()]
    return f"{'.'.join(sorted(found.unbound))}({', '.join(values)})"


async def compare(folder: Path, url: str, calls: list) -> None:
    """Do the same on both stores, and compare the answers."""
    world = Clock()
    sides = [Side(await SqliteStore.open(folder / "store.db", world)), Side(await PostgresStore.open(url, world))]
    try:
        for side in sides:
            for uid in UIDS[:4]:
                await side.store.users.add(UserRow(uid, uid.title(), created_at=1))
            for guid, kind in zip(GUIDS[:2], ("public", "private"), strict=True):
                await side.store.groups.add(GroupRow(guid, guid, kind, owner="alice", members_count=1, created_at=1))
        for call in calls:
            try:
                first, second = [await side.ask(call) for side in sides]
            except Exception as e:
                e.add_note(described(call))
                raise
            assert first == second, f"{described(call)}: {first} != {second}"
    finally:
        for side in sides:
            await side.store.close()


@pytest.mark.slow
# Not shrunk: each example takes a second. The failure names the call that was answered differently.
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)
@given(calls=st.lists(CHANGES | QUESTIONS, min_size=30, max_size=150))
def test_sqlite_and_postgresql_give_the_same_answers_in_the_same_order(postgres, calls):
    url = postgres.create_database(prepare)
    try:
        with tempfile.TemporaryDirectory() as folder:
            asyncio.run(compare(Path(folder), url, calls))
    finally:
        postgres.drop_database(url)
