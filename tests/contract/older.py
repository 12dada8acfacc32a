"""Downgrades a database to an earlier revision of its schema, step by step."""

from __future__ import annotations

import sqlite3

REMOVED_NAMES = ("DROP TABLE removed_names",)
ISSUED_FORMS = ("DROP TABLE issued_forms",)
REPORTS_BY_CURSOR = ("DROP INDEX flags_by_time",)
ONE_INDEX_OF_CONVERSATIONS = (
    "DROP INDEX messages_of_conversation",
    "CREATE INDEX messages_by_conversation ON messages (conversation_id, id)",
    "CREATE INDEX messages_unread ON messages (conversation_id, id, sender, category, deleted_at)"
    " WHERE category <> 'action' AND deleted_at IS NULL",
)
REMOVED_SENDS = ("DROP TABLE removed_sends",)
REQUEST_NUMBERS = ("DROP TABLE request_numbers",)
LISTS_BY_CURSOR = tuple(
    f"DROP INDEX {name}"
    for name in ("users_by_name", "users_by_creation", "groups_by_name", "groups_by_creation", "push_tokens_by_update")
)
PUSH = tuple(
    f"DROP TABLE {name}" for name in ("push_tokens", "push_preferences", "push_mutes", "notifications", "push_progress")
)
CHANGE_LOG = ("DROP TABLE change_log", "DROP TABLE forgotten_changes")
LIFECYCLE = (
    "DROP TABLE ended_tokens",
    "DROP INDEX files_by_age",
    *(
        f"ALTER TABLE {table} DROP COLUMN {column}"
        for table, column in (
            ("auth_tokens", "expires_at"), ("api_keys", "expires_at"), ("api_keys", "used_at"), ("app", "pruned_id"),
            ("conversations", "pruned_id"),
        )
    ),
)  # fmt: skip
AUDIT = ("DROP TABLE audit",)
WEBHOOK_DELIVERIES = (
    "DROP TABLE webhook_states",
    "ALTER TABLE webhooks DROP COLUMN secret",
    *(f"DROP INDEX deliveries_{name}" for name in ("due", "waiting", "failed")),
    *(
        f"ALTER TABLE deliveries DROP COLUMN {name}"
        for name in ("queued_at", "first_try_at", "last_try_at", "failed_at", "problem")
    ),
    "CREATE INDEX deliveries_by_time ON deliveries (due_at)",
)
FILES_IN_USE = (
    "DROP TABLE file_uses",
    "DROP TABLE chores",
    "DROP INDEX files_unused",
    "DROP INDEX files_by_uid",
    "ALTER TABLE files DROP COLUMN used",
    "ALTER TABLE files DROP COLUMN unused_since",
    "ALTER TABLE app ADD COLUMN secret TEXT NOT NULL DEFAULT 'the key'",
)
STARTS = ("DROP TABLE starts", "DROP TABLE edits")


def undo(c: sqlite3.Connection, *steps: tuple[str, ...], revision: str) -> None:
    """Downgrade by some steps, newest first, and store the earlier revision."""
    for step in steps:
        for statement in step:
            c.execute(statement)
    c.execute("UPDATE alembic_version SET version_num = ?", (revision,))
