"""The table of the users and groups that were removed lately, so that no message of theirs is stored any longer."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Table

from tailwire.server.store.sql.metadata import metadata, short_text

removed_names = Table(
    "removed_names",
    metadata,
    Column("kind", short_text(10), primary_key=True),
    Column("name", short_text(100), primary_key=True),
    Column("at", BigInteger, nullable=False),
    Index("removed_names_by_time", "at"),
)
