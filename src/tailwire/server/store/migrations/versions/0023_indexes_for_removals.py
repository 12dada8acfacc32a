"""Indexes with which the rows of a removed message or conversation are found.

And, on PostgreSQL, the function of receipts and the trigger of 0022 as they are now: a database may have earlier ones,
because their files were changed later than the migrations that install them.
"""

from __future__ import annotations

from pathlib import Path

from alembic import op

from tailwire.server.store.migrations.scripts import run_script
from tailwire.server.store.sql.schema import participants, saves, subscriptions

revision = "0023"
down_revision = "0022"
_HERE = Path(__file__)
_CHANGED = (_HERE.parents[2] / "postgres" / "receipts_1.sql", _HERE.with_name("0022_removed_names.sql"))
_NEW = {
    "saves_by_message": saves, "subscriptions_by_message": subscriptions, "participants_by_conversation": participants,
}  # fmt: skip


def upgrade() -> None:
    """Replace the functions, and add the indexes that are missing: an operator may have made them before.

    On PostgreSQL, writes of servers of the previous version wait for the app's lock meanwhile: a write that held one of
    these tables and waited for another could be in a deadlock with this. `CREATE INDEX CONCURRENTLY` would be in one
    with each server that starts now, which waits for the migration in a transaction of its own.
    """
    bind = op.get_bind()
    if bind.dialect.name == "postgresql":
        op.execute("SELECT pg_advisory_xact_lock(7308895)")
        for script in _CHANGED:
            run_script(bind, script.read_text(encoding="utf-8"))
    for name, table in _NEW.items():
        next(index for index in table.indexes if index.name == name).create(bind, checkfirst=True)
