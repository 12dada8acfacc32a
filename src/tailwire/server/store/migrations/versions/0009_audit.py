"""The audit log."""

from __future__ import annotations

from alembic import op

from tailwire.server.store.sql.audit_table import audit

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add the table."""
    audit.create(op.get_bind())
