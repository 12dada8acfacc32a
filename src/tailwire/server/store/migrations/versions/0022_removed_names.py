"""The users and groups that were removed lately, so that a message that waited meanwhile is not stored."""

from __future__ import annotations

from pathlib import Path

from alembic import op

from tailwire.server.store.migrations.scripts import run_script
from tailwire.server.store.sql.removed_names_table import removed_names

revision = "0022"
down_revision = "0021"

_HERE = Path(__file__)


def upgrade() -> None:
    """Add the table, and on PostgreSQL let the trigger of 0016 look it up.

    On SQLite the code that inserts messages looks it up. Servers of the previous version may run alongside this one.
    """
    removed_names.create(op.get_bind())
    if op.get_bind().dialect.name == "postgresql":
        run_script(op.get_bind(), _HERE.with_suffix(".sql").read_text(encoding="utf-8"))
