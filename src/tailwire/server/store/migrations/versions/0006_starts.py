"""Starts of the server on this database, and the action message of the last edit of each message."""

from __future__ import annotations

from alembic import op

from tailwire.server.store.sql.schema import edits, starts

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the tables."""
    starts.create(op.get_bind())
    edits.create(op.get_bind())
