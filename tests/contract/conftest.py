"""Runs the contract on each store."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tailwire.server.ports.world import World
from tailwire.server.store.postgres.store import PostgresStore
from tailwire.server.store.sqlite import SqliteStore
from tailwire.testing.new_database import put_new_database

OpenStore = Callable[..., Awaitable[Any]]
"""Opens a store on the test's database: a new one, and the same again once it is closed."""


@pytest.fixture(params=["sqlite", "postgres"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> OpenStore:
    """For each kind of store, return a function that opens one."""
    if request.param == "sqlite":
        put_new_database(tmp_path / "store.db")
        return lambda world=None, **options: SqliteStore.open(tmp_path / "store.db", world or World(), **options)
    url = request.getfixturevalue("postgres_url")
    return lambda world=None, **options: PostgresStore.open(url, world or World(), **options)
