"""Helpers for the tests of `tailwire migrate`."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import asyncpg

from harness import LiveStage
from servers.prepared import run
from tailwire.server.store.sql.schema import metadata


async def command(live: LiveStage, *arguments: str) -> tuple[int, str]:
    """Run a command on the server's folder. Return its exit code and output."""
    return await run(*arguments, "--data", str(live.server.data))


async def check_same_rows(file: Path, url: str) -> None:
    """Check that each table has the same rows in both databases."""
    there = await asyncpg.connect(url)
    try:
        with closing(sqlite3.connect(file)) as here:
            for table in metadata.sorted_tables:
                columns = ", ".join(f'"{column.name}"' for column in table.columns)
                copied = [tuple(row) for row in await there.fetch(f'SELECT {columns} FROM "{table.name}"')]
                rows = here.execute(f'SELECT {columns} FROM "{table.name}"').fetchall()
                assert sorted(copied, key=repr) == sorted(rows, key=repr), table.name
    finally:
        await there.close()
