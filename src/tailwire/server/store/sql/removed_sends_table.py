"""The table of the muids of removed messages, so that none of them is stored again."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Table, Text

from tailwire.server.store.sql.metadata import metadata, short_text

removed_sends = Table(
    "removed_sends",
    metadata,
    Column("uid", short_text(100), primary_key=True),
    Column("muid", Text, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Index("removed_sends_by_time", "at"),
)
