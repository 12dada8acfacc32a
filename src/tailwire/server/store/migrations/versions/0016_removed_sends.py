"""The muids of removed messages, so that a repeated send does not store such a message again."""

from __future__ import annotations

from pathlib import Path

from alembic import op

from tailwire.server.store.migrations.scripts import run_script
from tailwire.server.store.sql.removed_sends_table import removed_sends

revision = "0016"
down_revision = "0015"

_HERE = Path(__file__)


def upgrade() -> None:
    """Add the table, and on PostgreSQL a trigger that does not store a message if its muid is in the table.

    On SQLite the code that inserts messages looks it up.
    """
    removed_sends.create(op.get_bind())
    if op.get_bind().dialect.name == "postgresql":
        run_script(op.get_bind(), _HERE.with_suffix(".sql").read_text(encoding="utf-8"))
