"""The starts of the server on this database; which action message tells of the last edit of a message."""

from __future__ import annotations

from alembic import op

from tailwire.server.store.schema import edits, starts

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the tables."""
    starts.create(op.get_bind())
    edits.create(op.get_bind())
