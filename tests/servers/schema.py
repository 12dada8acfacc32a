"""Brings an empty PostgreSQL database to the schema of this version."""

from __future__ import annotations

import asyncio

import asyncpg
from sqlalchemy.dialects.postgresql import dialect
from sqlalchemy.schema import CreateIndex, CreateTable

from tailwire.server.store.postgres import writer_sql
from tailwire.server.store.sql.schema import metadata


def prepare(url: str) -> None:
    """Create all tables, indexes and functions."""
    asyncio.run(_prepare(url))


async def _prepare(url: str) -> None:
    connection = await asyncpg.connect(url)
    for table in metadata.sorted_tables:
        await connection.execute(str(CreateTable(table).compile(dialect=dialect())))
        for index in table.indexes:
            await connection.execute(str(CreateIndex(index).compile(dialect=dialect())))
    await connection.execute(writer_sql.text())
    await connection.close()
