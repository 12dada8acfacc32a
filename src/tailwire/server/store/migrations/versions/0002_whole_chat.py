"""Tables for reactions, pins, blocks, bans, roles, files, webhooks and full-text search."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from tailwire.server.store.sql.schema import (
    bans,
    blocks,
    files,
    flags,
    friends,
    interactions,
    mentions,
    reactions,
    receipts,
    restrictions,
    roles,
    saves,
    subscriptions,
)

revision = "0002"
down_revision = "0001"

_id = sa.BigInteger().with_variant(sa.Integer, "sqlite")

# `webhooks` and `deliveries` as this version has them: 0007 changes both.
_then = sa.MetaData()
webhooks = sa.Table(
    "webhooks",
    _then,
    sa.Column("id", sa.String(100), primary_key=True),
    sa.Column("name", sa.String(100), nullable=False),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("triggers", sa.Text, nullable=False),
    sa.Column("username", sa.String(100)),
    sa.Column("password", sa.String(200)),
    sa.Column("retry", sa.Integer, nullable=False),
    sa.Column("enabled", sa.Integer, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
)
deliveries = sa.Table(
    "deliveries",
    _then,
    sa.Column("id", _id, primary_key=True),
    sa.Column("webhook", sa.String(100), nullable=False),
    sa.Column("trigger", sa.String(100), nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("due_at", sa.BigInteger, nullable=False),
    sa.Index("deliveries_by_time", "due_at"),
    sqlite_autoincrement=True,
)


def upgrade() -> None:
    """Add columns and tables."""
    _add_columns()
    made = (receipts, bans, blocks, friends, reactions, saves, subscriptions, mentions, interactions, flags)
    for table in (*made, roles, restrictions, files, webhooks, deliveries):
        table.create(op.get_bind())
    op.create_index("marks_by_uid", "marks", ["uid"])
    for name, columns, where in (
        ("messages_by_parent", ["parent_id", "id"], "parent_id IS NOT NULL"),
        ("messages_pinned", ["conversation_id", "pinned_at"], "pinned_at IS NOT NULL"),
    ):
        op.create_index(name, "messages", columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
    op.execute("UPDATE conversations SET shown_message_id = last_message_id")
    if op.get_bind().dialect.name == "sqlite":
        # Contentless: the text is in the message. `place` is the conversation as one word.
        op.execute("CREATE VIRTUAL TABLE messages_fts USING fts5(text, place, content='', tokenize='unicode61')")


def _add_columns() -> None:
    op.add_column("app", sa.Column("last_id", _id, nullable=False, server_default="0"))
    op.add_column("api_keys", sa.Column("hint", sa.String(8), nullable=False, server_default=""))
    op.add_column("users", sa.Column("deactivated_at", sa.BigInteger))
    op.add_column("auth_tokens", sa.Column("hint", sa.String(8), nullable=False, server_default=""))
    op.add_column("auth_tokens", sa.Column("platform", sa.String(100)))
    op.add_column("auth_tokens", sa.Column("user_agent", sa.Text))
    op.add_column("auth_tokens", sa.Column("app_info", sa.Text))
    op.add_column("groups", sa.Column("updated_by", sa.String(100)))
    op.add_column("messages", sa.Column("reply_count", sa.Integer, nullable=False, server_default="0"))
    op.add_column("messages", sa.Column("pinned_at", sa.BigInteger))
    op.add_column("messages", sa.Column("pinned_by", sa.String(100)))
    op.add_column("messages", sa.Column("quoted_id", _id))
    op.add_column("messages", sa.Column("traits", sa.Integer, nullable=False, server_default="0"))
    op.add_column("conversations", sa.Column("shown_message_id", _id, nullable=False, server_default="0"))
    op.add_column("conversations", sa.Column("created_at", sa.BigInteger, nullable=False, server_default="0"))
    op.add_column("marks", sa.Column("cleared_id", _id, nullable=False, server_default="0"))
    op.add_column("marks", sa.Column("tags", sa.Text))
    op.add_column("marks", sa.Column("pinned_at", sa.BigInteger))
