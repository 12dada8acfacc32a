"""The tables, as SQLAlchemy Core knows them. `migrations/` brings a file to this shape; a test holds both together."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, String, Table, Text, text

metadata = MetaData()
_Id = BigInteger().with_variant(Integer, "sqlite")

app = Table(
    "app",
    metadata,
    Column("app_id", String(64), primary_key=True),
    Column("store_name", String(64), nullable=False),
    Column("secret", String(128), nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("key_hash", String(64), primary_key=True),
    Column("name", String(100), nullable=False),
    Column("scope", String(20), nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

users = Table(
    "users",
    metadata,
    Column("uid", String(100), primary_key=True),
    Column("name", String(100), nullable=False),
    Column("avatar", Text),
    Column("link", Text),
    Column("role", String(100), nullable=False),
    Column("status_message", Text),
    Column("metadata", Text),
    Column("tags", Text),
    Column("last_active_at", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)

auth_tokens = Table(
    "auth_tokens",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("uid", String(100), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("number", _Id, nullable=False),
    Index("auth_tokens_by_uid", "uid", "number"),
)

groups = Table(
    "groups",
    metadata,
    Column("guid", String(100), primary_key=True),
    Column("name", String(100), nullable=False),
    Column("type", String(20), nullable=False),
    Column("password_hash", String(200)),
    Column("icon", Text),
    Column("description", String(255)),
    Column("owner", String(100)),
    Column("metadata", Text),
    Column("tags", Text),
    Column("members_count", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)

members = Table(
    "members",
    metadata,
    Column("guid", String(100), primary_key=True),
    Column("uid", String(100), primary_key=True),
    Column("scope", String(20), nullable=False),
    Column("joined_at", BigInteger, nullable=False),
    Column("joined_after_id", _Id, nullable=False),
    Index("members_by_uid", "uid"),
)

messages = Table(
    "messages",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=False),
    Column("conversation_id", String(210), nullable=False),
    Column("sender", String(100), nullable=False),
    Column("receiver", String(100), nullable=False),
    Column("receiver_type", String(10), nullable=False),
    Column("category", String(20), nullable=False),
    Column("type", String(100), nullable=False),
    Column("muid", String(200)),
    Column("parent_id", _Id),
    Column("sent_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("delivered_at", BigInteger),
    Column("read_at", BigInteger),
    Column("edited_at", BigInteger),
    Column("edited_by", String(100)),
    Column("deleted_at", BigInteger),
    Column("deleted_by", String(100)),
    Column("body", LargeBinary, nullable=False),
    Index("messages_by_conversation", "conversation_id", "id"),
    # Only of messages that were changed after they were sent: a new one pays nothing for it.
    Index(
        "messages_by_update",
        "conversation_id",
        "updated_at",
        sqlite_where=text("updated_at > sent_at"),
        postgresql_where=text("updated_at > sent_at"),
    ),
    Index(
        "messages_by_muid",
        "sender",
        "muid",
        unique=True,
        sqlite_where=text("muid IS NOT NULL"),
        postgresql_where=text("muid IS NOT NULL"),
    ),
)

conversations = Table(
    "conversations",
    metadata,
    Column("conversation_id", String(210), primary_key=True),
    Column("last_message_id", _Id, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)

# Who takes part in conversations between two users; for groups `members` says it.
participants = Table(
    "participants",
    metadata,
    Column("uid", String(100), primary_key=True),
    Column("conversation_id", String(210), primary_key=True),
)

# How far somebody has received and read a conversation.
marks = Table(
    "marks",
    metadata,
    Column("conversation_id", String(210), primary_key=True),
    Column("uid", String(100), primary_key=True),
    Column("delivered_id", _Id, nullable=False),
    Column("read_id", _Id, nullable=False),
)
