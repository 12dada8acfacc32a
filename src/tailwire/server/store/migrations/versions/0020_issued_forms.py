"""The forms with which users may upload to the bucket, in a table, so that all servers count them together."""

from __future__ import annotations

from alembic import op

from tailwire.server.store.sql.upkeep_tables import issued_forms

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    """Add the table. Servers of the previous version may run alongside this one."""
    issued_forms.create(op.get_bind())
