"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_id = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_time = sa.BigInteger


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "app",
        sa.Column("app_id", sa.String(64), primary_key=True),
        sa.Column("store_name", sa.String(64), nullable=False),
        sa.Column("secret", sa.String(128), nullable=False),
        sa.Column("created_at", _time, nullable=False),
    )
    op.create_table(
        "api_keys",
        sa.Column("key_hash", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("scope", sa.String(20), nullable=False),
        sa.Column("created_at", _time, nullable=False),
    )
    op.create_table(
        "users",
        sa.Column("uid", sa.String(100), primary_key=True),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("avatar", sa.Text),
        sa.Column("link", sa.Text),
        sa.Column("role", sa.String(100), nullable=False),
        sa.Column("status_message", sa.Text),
        sa.Column("metadata", sa.Text),
        sa.Column("tags", sa.Text),
        sa.Column("last_active_at", _time, nullable=False),
        sa.Column("created_at", _time, nullable=False),
        sa.Column("updated_at", _time, nullable=False),
    )
    op.create_table(
        "auth_tokens",
        sa.Column("token_hash", sa.String(64), primary_key=True),
        sa.Column("uid", sa.String(100), nullable=False),
        sa.Column("created_at", _time, nullable=False),
        sa.Column("number", _id, nullable=False),
    )
    op.create_index("auth_tokens_by_uid", "auth_tokens", ["uid", "number"])
    op.create_table(
        "groups",
        sa.Column("guid", sa.String(100), primary_key=True),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("type", sa.String(20), nullable=False),
        sa.Column("password_hash", sa.String(200)),
        sa.Column("icon", sa.Text),
        sa.Column("description", sa.String(255)),
        sa.Column("owner", sa.String(100)),
        sa.Column("metadata", sa.Text),
        sa.Column("tags", sa.Text),
        sa.Column("members_count", sa.Integer, nullable=False),
        sa.Column("created_at", _time, nullable=False),
        sa.Column("updated_at", _time, nullable=False),
    )
    op.create_table(
        "members",
        sa.Column("guid", sa.String(100), primary_key=True),
        sa.Column("uid", sa.String(100), primary_key=True),
        sa.Column("scope", sa.String(20), nullable=False),
        sa.Column("joined_at", _time, nullable=False),
        sa.Column("joined_after_id", _id, nullable=False),
    )
    op.create_index("members_by_uid", "members", ["uid"])
    op.create_table(
        "messages",
        sa.Column("id", _id, primary_key=True, autoincrement=False),
        sa.Column("conversation_id", sa.String(210), nullable=False),
        sa.Column("sender", sa.String(100), nullable=False),
        sa.Column("receiver", sa.String(100), nullable=False),
        sa.Column("receiver_type", sa.String(10), nullable=False),
        sa.Column("category", sa.String(20), nullable=False),
        sa.Column("type", sa.String(100), nullable=False),
        sa.Column("muid", sa.String(200)),
        sa.Column("parent_id", _id),
        sa.Column("sent_at", _time, nullable=False),
        sa.Column("updated_at", _time, nullable=False),
        sa.Column("delivered_at", _time),
        sa.Column("read_at", _time),
        sa.Column("edited_at", _time),
        sa.Column("edited_by", sa.String(100)),
        sa.Column("deleted_at", _time),
        sa.Column("deleted_by", sa.String(100)),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_index("messages_by_conversation", "messages", ["conversation_id", "id"])
    changed = sa.text("updated_at > sent_at")
    op.create_index(
        "messages_by_update",
        "messages",
        ["conversation_id", "updated_at"],
        sqlite_where=changed,
        postgresql_where=changed,
    )
    where = sa.text("muid IS NOT NULL")
    op.create_index(
        "messages_by_muid", "messages", ["sender", "muid"], unique=True, sqlite_where=where, postgresql_where=where
    )
    op.create_table(
        "conversations",
        sa.Column("conversation_id", sa.String(210), primary_key=True),
        sa.Column("last_message_id", _id, nullable=False),
        sa.Column("updated_at", _time, nullable=False),
    )
    op.create_table(
        "participants",
        sa.Column("uid", sa.String(100), primary_key=True),
        sa.Column("conversation_id", sa.String(210), primary_key=True),
    )
    op.create_table(
        "marks",
        sa.Column("conversation_id", sa.String(210), primary_key=True),
        sa.Column("uid", sa.String(100), primary_key=True),
        sa.Column("delivered_id", _id, nullable=False),
        sa.Column("read_id", _id, nullable=False),
    )
