"""PostgreSQL: the whole schema of this version. Nothing changes on SQLite."""

from __future__ import annotations

from pathlib import Path

from alembic import op

from tailwire.server.store.migrations.scripts import run_script

revision = "0008"
down_revision = "0007"

_HERE = Path(__file__)
_POSTGRES = _HERE.parents[2] / "postgres"


def upgrade() -> None:
    """Create the tables, indexes and functions."""
    if op.get_bind().dialect.name == "postgresql":
        run_script(op.get_bind(), _HERE.with_suffix(".sql").read_text(encoding="utf-8"))
        for script in ("writer_1.sql", "starts_1.sql", "receipts_1.sql"):
            run_script(op.get_bind(), (_POSTGRES / script).read_text(encoding="utf-8"))
