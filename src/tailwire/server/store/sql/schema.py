"""The tables in SQLAlchemy Core. `migrations/` upgrades a database to this schema; a test compares the two."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, Table, Text, text

from tailwire.server.store.sql.audit_table import audit
from tailwire.server.store.sql.change_log_table import change_log, forgotten_changes
from tailwire.server.store.sql.metadata import Id, metadata, short_text
from tailwire.server.store.sql.push_tables import (
    notifications,
    push_mutes,
    push_preferences,
    push_progress,
    push_tokens,
)
from tailwire.server.store.sql.removed_names_table import removed_names
from tailwire.server.store.sql.removed_sends_table import removed_sends
from tailwire.server.store.sql.request_number_table import request_numbers
from tailwire.server.store.sql.upkeep_tables import (
    chores,
    deliveries,
    file_uses,
    files,
    issued_forms,
    webhook_states,
    webhooks,
)

app = Table(
    "app",
    metadata,
    Column("app_id", short_text(64), primary_key=True),
    Column("store_name", short_text(64), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    # The highest id given out when messages were last removed permanently. Ids are not reused.
    Column("last_id", Id, nullable=False, server_default="0"),
    # The highest id of the messages that were removed because of their age.
    Column("pruned_id", Id, nullable=False, server_default="0"),
)

# The action message of the last edit of a message; those of earlier edits are deleted.
edits = Table(
    "edits",
    metadata,
    Column("message_id", Id, primary_key=True, autoincrement=False),
    Column("action_id", Id, nullable=False),
)

# The starts of the server on this database: each has a mark, and the id after which it gave out ids (see `starts`).
starts = Table(
    "starts",
    metadata,
    Column("number", Id, primary_key=True),
    Column("mark", short_text(64), nullable=False, unique=True),
    Column("after_id", Id, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    sqlite_autoincrement=True,
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("key_hash", short_text(64), primary_key=True),
    Column("name", short_text(100), nullable=False),
    Column("scope", short_text(20), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("hint", short_text(8), nullable=False, server_default=""),
    Column("expires_at", BigInteger),
    Column("used_at", BigInteger),
)

users = Table(
    "users",
    metadata,
    Column("uid", short_text(100), primary_key=True),
    Column("name", short_text(100), nullable=False),
    Column("avatar", Text),
    Column("link", Text),
    Column("role", short_text(100), nullable=False),
    Column("status_message", Text),
    Column("metadata", Text),
    Column("tags", Text),
    Column("last_active_at", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("deactivated_at", BigInteger),
    Index("users_by_name", "name", "uid"),
    Index("users_by_creation", "created_at", "uid"),
)

auth_tokens = Table(
    "auth_tokens",
    metadata,
    Column("token_hash", short_text(64), primary_key=True),
    Column("uid", short_text(100), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("number", Id, nullable=False),
    Column("hint", short_text(8), nullable=False, server_default=""),
    Column("platform", short_text(100)),
    Column("user_agent", Text),
    Column("app_info", Text),
    # When the token ends by itself, as a JWT does, which is its own auth token. None if it lasts until it is revoked.
    Column("expires_at", BigInteger),
    Index("auth_tokens_by_uid", "uid", "number"),
)

# JWTs that were revoked before their end, until then. Without them, a revoked JWT would log its user in again.
ended_tokens = Table(
    "ended_tokens",
    metadata,
    Column("token_hash", short_text(64), primary_key=True),
    Column("expires_at", BigInteger, nullable=False),
    Index("ended_tokens_by_end", "expires_at"),
)

groups = Table(
    "groups",
    metadata,
    Column("guid", short_text(100), primary_key=True),
    Column("name", short_text(100), nullable=False),
    Column("type", short_text(20), nullable=False),
    Column("password_hash", short_text(200)),
    Column("icon", Text),
    Column("description", short_text(255)),
    Column("owner", short_text(100)),
    Column("metadata", Text),
    Column("tags", Text),
    Column("members_count", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("updated_by", short_text(100)),
    Index("groups_by_name", "name", "guid"),
    Index("groups_by_creation", "created_at", "guid"),
)

members = Table(
    "members",
    metadata,
    Column("guid", short_text(100), primary_key=True),
    Column("uid", short_text(100), primary_key=True),
    Column("scope", short_text(20), nullable=False),
    Column("joined_at", BigInteger, nullable=False),
    Column("joined_after_id", Id, nullable=False),
    Index("members_by_uid", "uid"),
)

messages = Table(
    "messages",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("conversation_id", short_text(210), nullable=False),
    Column("sender", short_text(100), nullable=False),
    Column("receiver", short_text(100), nullable=False),
    Column("receiver_type", short_text(10), nullable=False),
    Column("category", short_text(20), nullable=False),
    Column("type", short_text(100), nullable=False),
    Column("muid", short_text(200)),
    Column("parent_id", Id),
    Column("sent_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("delivered_at", BigInteger),
    Column("read_at", BigInteger),
    Column("edited_at", BigInteger),
    Column("edited_by", short_text(100)),
    Column("deleted_at", BigInteger),
    Column("deleted_by", short_text(100)),
    Column("body", LargeBinary, nullable=False),
    Column("reply_count", Integer, nullable=False, server_default="0"),
    Column("pinned_at", BigInteger),
    Column("pinned_by", short_text(100)),
    Column("quoted_id", Id),
    # Bits of `records.Trait`, so that filters and views need not parse the body.
    Column("traits", Integer, nullable=False, server_default="0"),
    # For lists, and for counting unread messages without reading the messages themselves. On SQLite it is one index:
    # each index that a send changes is one more page to write, which nearly doubled what a send writes.
    Index(
        "messages_of_conversation",
        "conversation_id",
        "id",
        "sender",
        "category",
        "deleted_at",
        info={"only": "sqlite"},
    ).ddl_if(dialect="sqlite"),
    Index("messages_by_conversation", "conversation_id", "id", info={"only": "postgresql"}).ddl_if(
        dialect="postgresql"
    ),
    Index(
        "messages_by_parent",
        "parent_id",
        "id",
        sqlite_where=text("parent_id IS NOT NULL"),
        postgresql_where=text("parent_id IS NOT NULL"),
    ),
    Index(
        "messages_pinned",
        "conversation_id",
        "pinned_at",
        sqlite_where=text("pinned_at IS NOT NULL"),
        postgresql_where=text("pinned_at IS NOT NULL"),
    ),
    # Only messages that changed after they were sent, so that an insert does not touch this index.
    Index(
        "messages_by_update",
        "conversation_id",
        "updated_at",
        sqlite_where=text("updated_at > sent_at"),
        postgresql_where=text("updated_at > sent_at"),
    ),
    Index(
        "messages_unread",
        "conversation_id",
        "id",
        "sender",
        "category",
        "deleted_at",
        postgresql_where=text("category <> 'action' AND deleted_at IS NULL"),
        info={"only": "postgresql"},
    ).ddl_if(dialect="postgresql"),
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
    Column("conversation_id", short_text(210), primary_key=True),
    Column("last_message_id", Id, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    # The message that a list of conversations shows: not an edit, not a reply in a thread.
    Column("shown_message_id", Id, nullable=False, server_default="0"),
    Column("created_at", BigInteger, nullable=False, server_default="0"),
    # The highest id of its messages that were removed because of their age.
    Column("pruned_id", Id, nullable=False, server_default="0"),
)

# Participants of conversations of two users; those of groups are in `members`.
participants = Table(
    "participants",
    metadata,
    Column("uid", short_text(100), primary_key=True),
    Column("conversation_id", short_text(210), primary_key=True),
    Index("participants_by_conversation", "conversation_id"),
)

# A user's read state in a conversation: delivered and read ids, the last message that they deleted for themselves
# (`cleared_id`), their tags and their pin.
marks = Table(
    "marks",
    metadata,
    Column("conversation_id", short_text(210), primary_key=True),
    Column("uid", short_text(100), primary_key=True),
    Column("delivered_id", Id, nullable=False),
    Column("read_id", Id, nullable=False),
    Column("cleared_id", Id, nullable=False, server_default="0"),
    Column("tags", Text),
    Column("pinned_at", BigInteger),
    Index("marks_by_uid", "uid"),
)

# When members of a group received and read its messages, and up to which one. The receipts of a message are derived
# from this.
receipts = Table(
    "receipts",
    metadata,
    Column("conversation_id", short_text(210), primary_key=True),
    Column("uid", short_text(100), primary_key=True),
    Column("read", Integer, primary_key=True),
    Column("up_to", Id, primary_key=True),
    Column("at", BigInteger, nullable=False),
)

bans = Table(
    "bans",
    metadata,
    Column("guid", short_text(100), primary_key=True),
    Column("uid", short_text(100), primary_key=True),
    Column("scope", short_text(20), nullable=False),
    Column("banned_at", BigInteger, nullable=False),
    Column("banned_by", short_text(100), nullable=False),
)

blocks = Table(
    "blocks",
    metadata,
    Column("uid", short_text(100), primary_key=True),
    Column("blocked", short_text(100), primary_key=True),
    Column("at", BigInteger, nullable=False),
    Index("blocks_by_blocked", "blocked"),
)

# Both directions are stored, so that the friends of a user are one range.
friends = Table(
    "friends",
    metadata,
    Column("uid", short_text(100), primary_key=True),
    Column("friend", short_text(100), primary_key=True),
    Column("at", BigInteger, nullable=False),
)

reactions = Table(
    "reactions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("message_id", Id, nullable=False),
    Column("reaction", short_text(100), nullable=False),
    Column("uid", short_text(100), nullable=False),
    Column("reacted_at", BigInteger, nullable=False),
    Index("reactions_once", "message_id", "reaction", "uid", unique=True),
    sqlite_autoincrement=True,
)

saves = Table(
    "saves",
    metadata,
    Column("uid", short_text(100), primary_key=True),
    Column("message_id", Id, primary_key=True),
    Column("saved_at", BigInteger, nullable=False),
    Index("saves_by_message", "message_id"),
)

subscriptions = Table(
    "subscriptions",
    metadata,
    Column("uid", short_text(100), primary_key=True),
    Column("message_id", Id, primary_key=True),
    Index("subscriptions_by_message", "message_id"),
)

mentions = Table(
    "mentions",
    metadata,
    Column("message_id", Id, primary_key=True),
    Column("uid", short_text(100), primary_key=True),
    Column("conversation_id", short_text(210), nullable=False, server_default=""),
    Index("mentions_by_conversation", "uid", "conversation_id", "message_id"),
)

interactions = Table(
    "interactions",
    metadata,
    Column("message_id", Id, primary_key=True),
    Column("uid", short_text(100), primary_key=True),
    Column("element_id", short_text(100), primary_key=True),
    Column("at", BigInteger, nullable=False),
)

flags = Table(
    "flags",
    metadata,
    Column("message_id", Id, primary_key=True),
    Column("uid", short_text(100), primary_key=True),
    Column("reason_id", short_text(100), nullable=False),
    Column("remark", Text),
    Column("at", BigInteger, nullable=False),
    Index("flags_by_time", "at", "message_id", "uid"),
)

roles = Table(
    "roles",
    metadata,
    Column("role", short_text(100), primary_key=True),
    Column("name", short_text(100), nullable=False),
    Column("description", Text),
    Column("metadata", Text),
    Column("settings", Text),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)

restrictions = Table(
    "restrictions",
    metadata,
    Column("role", short_text(100), primary_key=True),
    Column("feature", short_text(100), primary_key=True),
    Column("created_at", BigInteger, nullable=False),
)

# The tables of the modules `…_table` and `upkeep_tables` belong to the same schema and are exported here too.
__all__ = [
    "api_keys", "app", "audit", "auth_tokens", "bans", "blocks", "change_log", "chores", "conversations", "deliveries",
    "edits", "ended_tokens", "file_uses", "files", "flags", "forgotten_changes", "friends", "groups", "interactions",
    "issued_forms", "marks", "members", "mentions", "messages", "metadata", "notifications", "participants",
    "push_mutes", "push_preferences", "push_progress", "push_tokens", "reactions", "receipts", "removed_names",
    "removed_sends", "request_numbers", "restrictions", "roles", "saves", "starts", "subscriptions", "users",
    "webhook_states", "webhooks",
]  # fmt: skip
