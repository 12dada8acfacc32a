"""PostgreSQL: a statement on who is online changes nothing once a later one was stored. Nothing changes on SQLite."""

from __future__ import annotations

from pathlib import Path

from alembic import op

from tailwire.server.store.migrations.scripts import run_script

revision = "0019"
down_revision = "0018"

_HERE = Path(__file__)


def upgrade() -> None:
    """Create the function, which calls that of 0010. Servers of the previous version may run alongside this one."""
    if op.get_bind().dialect.name == "postgresql":
        run_script(op.get_bind(), _HERE.with_suffix(".sql").read_text(encoding="utf-8"))
