"""An index for the list of reports, which is read by cursor."""

from __future__ import annotations

from alembic import op

from tailwire.server.store.sql.schema import flags

revision = "0018"
down_revision = "0017"
_NAME = "flags_by_time"


def upgrade() -> None:
    """Add the index."""
    op.drop_index(_NAME, "flags", if_exists=True)  # a new file has the table of 0002 already, as it is now
    next(index for index in flags.indexes if index.name == _NAME).create(op.get_bind())
