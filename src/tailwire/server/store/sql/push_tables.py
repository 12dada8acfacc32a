"""Tables of push notifications: tokens, preferences, muted conversations, the queue and its progress."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, Table, Text, text

from tailwire.server.store.sql.metadata import Id, metadata, short_text

# Tokens by their hashes: a token belongs to one user and one auth token, whose hash is `auth_token`.
push_tokens = Table(
    "push_tokens",
    metadata,
    Column("token_hash", short_text(64), primary_key=True),
    Column("uid", short_text(100), nullable=False),
    Column("auth_token", short_text(64), nullable=False),
    Column("platform", short_text(40), nullable=False),
    Column("provider", short_text(10), nullable=False),  # web, apns or fcm
    Column("provider_id", short_text(100), nullable=False, server_default=""),
    Column("token", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Index("push_tokens_by_uid", "uid", "updated_at"),
    Index("push_tokens_by_auth_token", "auth_token"),
    Index("push_tokens_by_update", "updated_at", "token_hash"),
)

push_preferences = Table(
    "push_preferences",
    metadata,
    Column("uid", short_text(100), primary_key=True),
    Column("preferences", Text, nullable=False, server_default="{}"),
    Column("timezone", short_text(64), nullable=False, server_default=""),
)

# Conversations that a user has muted, until a time in milliseconds since 1970.
push_mutes = Table(
    "push_mutes",
    metadata,
    Column("uid", short_text(100), primary_key=True),
    Column("conversation_id", short_text(210), primary_key=True),
    Column("until", BigInteger, nullable=False),
)

_waiting = text("sent_at IS NULL AND failed_at IS NULL")
_given_up = text("failed_at IS NOT NULL")
_sent = text("sent_at IS NOT NULL")

# One row for each message (or reaction to it) and token. A sent one is kept for a while, because an edit replaces what
# a device shows, and a deletion withdraws it. The content is read from the message when it is sent.
notifications = Table(
    "notifications",
    metadata,
    Column("id", Id, primary_key=True),
    Column("message_id", Id, nullable=False),
    Column("reaction_id", Id, nullable=False, server_default="0"),
    Column("token_hash", short_text(64), nullable=False),
    Column("uid", short_text(100), nullable=False),
    Column("provider", short_text(10), nullable=False),
    Column("queued_at", BigInteger, nullable=False),
    Column("due_at", BigInteger, nullable=False),
    Column("attempt", Integer, nullable=False, server_default="0"),
    Column("shown", Integer, nullable=False, server_default="0"),  # whether the device has received it before
    Column("first_try_at", BigInteger),
    Column("last_try_at", BigInteger),
    Column("sent_at", BigInteger),
    Column("failed_at", BigInteger),
    Column("problem", Text),
    Index("notifications_once", "message_id", "reaction_id", "token_hash", unique=True),
    Index("notifications_due", "provider", "due_at", sqlite_where=_waiting, postgresql_where=_waiting),
    Index("notifications_waiting", "queued_at", "id", sqlite_where=_waiting, postgresql_where=_waiting),
    Index("notifications_sent", "sent_at", "id", sqlite_where=_sent, postgresql_where=_sent),
    Index("notifications_failed", "failed_at", "id", sqlite_where=_given_up, postgresql_where=_given_up),
    Index("notifications_by_token", "token_hash"),
    Index("notifications_by_uid", "uid"),
    sqlite_autoincrement=True,
)

# Up to which message and reaction notifications were queued; and up to which receiver for the message with the next id.
push_progress = Table(
    "push_progress",
    metadata,
    Column("one", Integer, primary_key=True, autoincrement=False),
    Column("message_id", Id, nullable=False),
    Column("after_uid", short_text(100), nullable=False),
    Column("reaction_id", Id, nullable=False),
)
