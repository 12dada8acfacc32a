"""The table of the change log."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Table, Text

from tailwire.server.store.sql.metadata import Id, metadata, short_text

change_log = Table(
    "change_log",
    metadata,
    Column("number", Id, primary_key=True),
    # The conversation, or `o/` and the uid of the only user concerned.
    Column("subject", short_text(210), nullable=False),
    # A later change with the same key replaces the entry.
    Column("key", Text, nullable=False),
    # The highest message id when it happened: it comes after that message, and before the next one.
    Column("after_id", Id, nullable=False),
    Column("kind", short_text(20), nullable=False),
    Column("uid", short_text(100), nullable=False),
    Column("device", short_text(100), nullable=False),
    # In a conversation, the only other user who receives it; "" for all.
    Column("to_uid", short_text(100), nullable=False),
    Column("message_id", Id, nullable=False),
    # For the end of a membership: the id after which the membership began.
    Column("since_id", Id, nullable=False),
    Column("detail", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Index("change_log_once", "subject", "key", unique=True),
    Index("change_log_by_subject", "subject", "number"),
)

# One row. Entries up to `number` were removed because they were too old or too many; `after_id` is the highest
# `after_id` among them. `highest` is the highest number that was given out when entries were last removed for another
# reason.
forgotten_changes = Table(
    "forgotten_changes",
    metadata,
    Column("one", Id, primary_key=True, autoincrement=False),
    Column("number", Id, nullable=False),
    Column("after_id", Id, nullable=False),
    Column("highest", Id, nullable=False),
)
