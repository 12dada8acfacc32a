"""Indexes for counting unread messages and mentions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add an index of messages, and the conversation to mentions."""
    counted = sa.text("category <> 'action' AND deleted_at IS NULL")
    columns = ["conversation_id", "id", "sender", "category", "deleted_at"]
    op.create_index("messages_unread", "messages", columns, sqlite_where=counted, postgresql_where=counted)
    known = {column["name"] for column in sa.inspect(op.get_bind()).get_columns("mentions")}
    if "conversation_id" not in known:  # in a new database an earlier revision has created the column
        op.add_column("mentions", sa.Column("conversation_id", sa.String(210), nullable=False, server_default=""))
        conversation = "(SELECT m.conversation_id FROM messages m WHERE m.id = mentions.message_id)"
        op.execute(f"UPDATE mentions SET conversation_id = coalesce({conversation}, '')")
        op.drop_index("mentions_by_uid", "mentions")
        op.create_index("mentions_by_conversation", "mentions", ["uid", "conversation_id", "message_id"])
