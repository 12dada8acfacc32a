"""The starts of the server on this database, each with a mark and the id after which it began."""

from __future__ import annotations

from alembic import op

from tailwire.server.store.schema import starts

revision = "0006"
down_revision = "0002"


def upgrade() -> None:
    """Add the table."""
    starts.create(op.get_bind())
