"""PostgreSQL: a late call that stores who is online changes nothing if a later one was stored. Nothing for SQLite."""

from __future__ import annotations

from pathlib import Path

from alembic import op

from tailwire.server.store.migrations.scripts import run_script

revision = "0019"
down_revision = "0018"

_HERE = Path(__file__)


def upgrade() -> None:
    """Create the function, which calls the one of 0010.

    Servers of the previous version, which call that one themselves, may run alongside this one.
    """
    if op.get_bind().dialect.name == "postgresql":
        run_script(op.get_bind(), _HERE.with_suffix(".sql").read_text(encoding="utf-8"))
