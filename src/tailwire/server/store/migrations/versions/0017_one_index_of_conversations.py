"""SQLite: one index of the messages of a conversation, for lists and for counting unread messages, instead of two."""

from __future__ import annotations

from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Replace the two indexes on SQLite, which writes a whole page of an index to its log for each change.

    PostgreSQL, which logs only the change, keeps both.
    """
    if op.get_bind().dialect.name != "sqlite":
        return
    op.drop_index("messages_unread", "messages")
    op.drop_index("messages_by_conversation", "messages")
    columns = ["conversation_id", "id", "sender", "category", "deleted_at"]
    op.create_index("messages_of_conversation", "messages", columns)
