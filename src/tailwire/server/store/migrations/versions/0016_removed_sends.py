"""The muids of removed messages: none of them is stored again."""

from __future__ import annotations

from pathlib import Path

from alembic import op

from tailwire.server.store.migrations.scripts import run_script
from tailwire.server.store.sql.removed_sends_table import removed_sends

revision = "0016"
down_revision = "0015"

_HERE = Path(__file__)


def upgrade() -> None:
    """Add the table, and on PostgreSQL the trigger that asks it. On SQLite the insertion asks it."""
    removed_sends.create(op.get_bind())
    if op.get_bind().dialect.name == "postgresql":
        run_script(op.get_bind(), _HERE.with_suffix(".sql").read_text(encoding="utf-8"))
