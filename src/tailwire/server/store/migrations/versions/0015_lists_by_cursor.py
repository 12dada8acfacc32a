"""Indexes for lists that are read by cursor."""

from __future__ import annotations

from alembic import op

from tailwire.server.store.sql.schema import deliveries, groups, notifications, push_tokens, users

revision = "0015"
down_revision = "0014"
_NEW = {
    "users_by_name": users, "users_by_creation": users, "groups_by_name": groups, "groups_by_creation": groups,
    "deliveries_failed": deliveries, "notifications_waiting": notifications, "notifications_sent": notifications,
    "notifications_failed": notifications, "push_tokens_by_update": push_tokens,
}  # fmt: skip


def upgrade() -> None:
    """Create the indexes. Those that exist already are created again, as some have a further column now."""
    bind = op.get_bind()
    for name, table in _NEW.items():
        op.drop_index(name, table.name, if_exists=True)  # a new file has those of 0014 already, as they are now
        next(index for index in table.indexes if index.name == name).create(bind)
