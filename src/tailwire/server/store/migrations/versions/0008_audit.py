"""The audit log."""

from __future__ import annotations

from alembic import op

from tailwire.server.store.audit_table import audit

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add the table."""
    audit.create(op.get_bind())
