"""Indexes with which the rows of a removed message or conversation are found."""

from __future__ import annotations

from alembic import op

from tailwire.server.store.sql.schema import participants, saves, subscriptions

revision = "0023"
down_revision = "0022"
_NEW = {
    "saves_by_message": saves, "subscriptions_by_message": subscriptions, "participants_by_conversation": participants,
}  # fmt: skip


def upgrade() -> None:
    """Add the indexes that are missing: an operator may have made them before, without blocking writes.

    On PostgreSQL, writes of servers of the previous version wait for the app's lock meanwhile: a write that held one of
    these tables and waited for another could be in a deadlock with this. `CREATE INDEX CONCURRENTLY` would be in one
    with each server that starts now, which waits for the migration in a transaction of its own.
    """
    bind = op.get_bind()
    if bind.dialect.name == "postgresql":
        op.execute("SELECT pg_advisory_xact_lock(7308895)")
    for name, table in _NEW.items():
        next(index for index in table.indexes if index.name == name).create(bind, checkfirst=True)
