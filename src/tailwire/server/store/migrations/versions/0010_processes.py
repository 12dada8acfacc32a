"""PostgreSQL: tables of leases and of presence, and columns of `processes`, for several servers on one database.

Nothing changes on SQLite.
"""

from __future__ import annotations

from pathlib import Path

from alembic import op

from tailwire.server.store.migrations.scripts import run_script

revision = "0010"
down_revision = "0009"

_HERE = Path(__file__)


def upgrade() -> None:
    """Create the tables and columns."""
    if op.get_bind().dialect.name == "postgresql":
        run_script(op.get_bind(), _HERE.with_suffix(".sql").read_text(encoding="utf-8"))
