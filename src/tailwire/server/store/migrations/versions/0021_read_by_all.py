"""PostgreSQL: what all have read is marked however many younger messages are unread. Nothing changes on SQLite."""

from __future__ import annotations

from pathlib import Path

from alembic import op

from tailwire.server.store.migrations.scripts import run_script

revision = "0021"
down_revision = "0020"

_POSTGRES = Path(__file__).parents[2] / "postgres"


def upgrade() -> None:
    """Replace the function of receipts.

    It has the same arguments and answers as before: servers of the previous version may run alongside this one, and
    call it too.
    """
    if op.get_bind().dialect.name == "postgresql":
        run_script(op.get_bind(), (_POSTGRES / "receipts_1.sql").read_text(encoding="utf-8"))
