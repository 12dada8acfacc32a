"""The numbers that clients give to requests, by which a repeated request is recognised."""

from __future__ import annotations

from alembic import op

from tailwire.server.store.sql.request_number_table import request_numbers

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Add the table."""
    request_numbers.create(op.get_bind())
