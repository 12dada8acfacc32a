"""Push notifications: tokens, preferences, muted conversations, the queue of notifications."""

from __future__ import annotations

from alembic import op

from tailwire.server.store.sql.push_tables import (
    notifications,
    push_mutes,
    push_preferences,
    push_progress,
    push_tokens,
)

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Add the tables."""
    for table in (push_tokens, push_preferences, push_mutes, notifications, push_progress):
        table.create(op.get_bind())
    op.execute("INSERT INTO push_progress (one, message_id, after_uid, reaction_id) VALUES (1, 0, '', 0)")
