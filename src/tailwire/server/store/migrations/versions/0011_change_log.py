"""The change log, from which clients catch up with what is not a message."""

from __future__ import annotations

from alembic import op

from tailwire.server.store.sql.change_log_table import change_log, forgotten_changes

revision = "0011"
down_revision = "0009"


def upgrade() -> None:
    """Add the tables."""
    change_log.create(op.get_bind())
    forgotten_changes.create(op.get_bind())
    op.execute("INSERT INTO forgotten_changes (one, number, after_id, highest) VALUES (1, 0, 0, 0)")
