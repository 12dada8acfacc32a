"""The table of request numbers."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Table

from tailwire.server.store.sql.metadata import metadata, short_text

request_numbers = Table(
    "request_numbers",
    metadata,
    Column("key", short_text(64), primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Index("request_numbers_by_time", "at"),
)
