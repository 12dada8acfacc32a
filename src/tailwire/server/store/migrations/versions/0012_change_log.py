"""The change log, with which clients catch up on everything that is not a message."""

from __future__ import annotations

from pathlib import Path

from alembic import op

from tailwire.server.store.migrations.scripts import run_script
from tailwire.server.store.sql.change_log_table import change_log, forgotten_changes

revision = "0012"
down_revision = "0011"

_HERE = Path(__file__)


def upgrade() -> None:
    """Add the tables, and on PostgreSQL a trigger that makes numbers increase in the order of commits."""
    change_log.create(op.get_bind())
    forgotten_changes.create(op.get_bind())
    op.execute("INSERT INTO forgotten_changes (one, number, after_id, highest) VALUES (1, 0, 0, 0)")
    if op.get_bind().dialect.name == "postgresql":
        run_script(op.get_bind(), _HERE.with_suffix(".sql").read_text(encoding="utf-8"))
