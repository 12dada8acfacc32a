"""The table of the audit log."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Table, Text

from tailwire.server.store.sql.metadata import Id, metadata, short_text

audit = Table(
    "audit",
    metadata,
    Column("id", Id, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("kind", short_text(10), nullable=False),
    Column("actor", short_text(100), nullable=False),
    Column("key_name", short_text(100), nullable=False),
    Column("on_behalf_of", short_text(100), nullable=False),
    Column("action", short_text(200), nullable=False),
    Column("target", Text, nullable=False),
    Column("details", Text, nullable=False),
    Column("address", short_text(100), nullable=False),
    Column("request_id", short_text(100), nullable=False),
    Index("audit_by_kind", "kind", "id"),
    Index("audit_by_actor", "actor", "id"),
    Index("audit_by_action", "action", "id"),
    Index("audit_by_time", "at"),
    sqlite_autoincrement=True,
)
