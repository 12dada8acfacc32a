"""Tables for upkeep: files and references to them, chores, webhooks and their deliveries."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, Table, Text, text

from tailwire.server.store.sql.metadata import Id, metadata, short_text

files = Table(
    "files",
    metadata,
    Column("name", short_text(100), primary_key=True),
    Column("uid", short_text(100), nullable=False),
    Column("file_name", short_text(255), nullable=False),
    Column("mime_type", short_text(100), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("width", Integer),
    Column("height", Integer),
    Column("thumbnail", short_text(100)),
    # `used` is `NEVER_USED`, `USED`, `CONDEMNED` or `REMOVED` of `files`; of a removed file only the name is kept.
    # `unused_since` is the time since which nothing refers to the file, or at which it was removed.
    Column("used", Integer, nullable=False, server_default="0"),
    Column("unused_since", BigInteger),
    Index("files_by_uid", "uid", "created_at", "size"),
    Index("files_by_age", "created_at"),
    Index(
        "files_unused",
        "used",
        "unused_since",
        sqlite_where=text("unused_since IS NOT NULL"),
        postgresql_where=text("unused_since IS NOT NULL"),
    ),
)

# Forms for uploads to the bucket. `open` is 0 after the uploaded file was refused. A form whose file was accepted does
# not count as open either: then the file is in `files`.
issued_forms = Table(
    "issued_forms",
    metadata,
    Column("name", short_text(100), primary_key=True),
    Column("uid", short_text(100), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("issued_at", BigInteger, nullable=False),
    Column("open", Integer, nullable=False, server_default="1"),
    Index("issued_forms_by_uid", "uid", "issued_at"),
    Index("issued_forms_by_age", "issued_at"),
)

# References of messages, users and groups to files: `place` is `message`, `user` or `group`.
file_uses = Table(
    "file_uses",
    metadata,
    Column("place", short_text(10), primary_key=True),
    Column("key", short_text(100), primary_key=True),
    Column("name", short_text(100), primary_key=True),
    Index("file_uses_by_name", "name"),
)

# Cleanup that is due after deletions, and its progress.
chores = Table(
    "chores",
    metadata,
    Column("kind", short_text(10), primary_key=True),
    Column("key", short_text(100), primary_key=True),
    Column("done_id", Id, nullable=False),
    Column("up_to", Id, nullable=False),
    Column("due_at", BigInteger, nullable=False),
)

webhooks = Table(
    "webhooks",
    metadata,
    Column("id", short_text(100), primary_key=True),
    Column("name", short_text(100), nullable=False),
    Column("url", Text, nullable=False),
    Column("triggers", Text, nullable=False),
    Column("username", short_text(100)),
    Column("password", Text),  # encrypted, like the secret; the key is not in the database
    Column("retry", Integer, nullable=False),
    Column("enabled", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("secret", Text),
)

webhook_states = Table(
    "webhook_states",
    metadata,
    Column("webhook", short_text(100), primary_key=True),
    Column("last_success_at", BigInteger),
    Column("last_failure_at", BigInteger),
    Column("last_failure", Text),
    Column("failing_since", BigInteger),
)

_waiting, _given_up = text("failed_at IS NULL"), text("failed_at IS NOT NULL")

# The queue, written in the transaction of the change that is reported. Deliveries with `failed_at` were given up.
deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Id, primary_key=True),
    Column("webhook", short_text(100), nullable=False),
    Column("trigger", short_text(100), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("due_at", BigInteger, nullable=False),
    Column("queued_at", BigInteger, nullable=False, server_default="0"),
    Column("first_try_at", BigInteger),
    Column("last_try_at", BigInteger),
    Column("failed_at", BigInteger),
    Column("problem", Text),
    Index("deliveries_due", "webhook", "due_at", sqlite_where=_waiting, postgresql_where=_waiting),
    Index("deliveries_waiting", "webhook", "id", sqlite_where=_waiting, postgresql_where=_waiting),
    Index("deliveries_failed", "webhook", "failed_at", "id", sqlite_where=_given_up, postgresql_where=_given_up),
    sqlite_autoincrement=True,
)
