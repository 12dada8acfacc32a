"""Webhooks: signatures, retries over hours, failed deliveries, and the state of each webhook."""

from __future__ import annotations

import time

import sqlalchemy as sa
from alembic import op

from tailwire.server.store.sql.schema import webhook_states

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add columns, indexes and the table of states. Waiting deliveries stay in the queue."""
    webhook_states.create(op.get_bind())
    with op.batch_alter_table("webhooks") as webhooks:
        webhooks.alter_column("password", type_=sa.Text, existing_type=sa.String(200))
        webhooks.add_column(sa.Column("secret", sa.Text))
    op.drop_index("deliveries_by_time", "deliveries")
    op.add_column("deliveries", sa.Column("queued_at", sa.BigInteger, nullable=False, server_default="0"))
    for name in ("first_try_at", "last_try_at", "failed_at"):
        op.add_column("deliveries", sa.Column(name, sa.BigInteger))
    op.add_column("deliveries", sa.Column("problem", sa.Text))
    op.execute(sa.text("UPDATE deliveries SET queued_at = :now").bindparams(now=int(time.time())))
    for name, columns, where in (
        ("deliveries_due", ["webhook", "due_at"], "failed_at IS NULL"),
        ("deliveries_waiting", ["webhook", "id"], "failed_at IS NULL"),
        ("deliveries_failed", ["webhook", "failed_at"], "failed_at IS NOT NULL"),
    ):
        op.create_index(name, "deliveries", columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
