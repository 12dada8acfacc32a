"""The webhooks of the simulated database and their queued deliveries: SQLite executes the store's own statements.

Statements that read are the same for PostgreSQL and SQLite; only their parameters are renamed. Statements that write
are steps of units (writes that depend on what was read), and are translated from PostgreSQL's notation.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import Any

from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateTable

from tailwire.server.store.sql.upkeep_tables import deliveries, webhook_states, webhooks
from tailwire.testing.simulation import servers_push_rows

WEBHOOK = "hook"
TRIGGER = "message_sent"
_VALUE = re.compile(r"\(\$1 ->> '(\w+)'\)(?:::\w+)?")


@cache
def _tables() -> list[str]:
    dialect = sqlite.dialect()
    return [str(CreateTable(table).compile(dialect=dialect)) for table in (webhooks, webhook_states, deliveries)]


@lru_cache(maxsize=256)
def _numbered(text: str) -> str:
    return re.sub(r"\$(\d+)", r"?\1", text)


@lru_cache(maxsize=256)
def _named(statement: str) -> str:
    text = _VALUE.sub(r":\1", statement).replace("SELECT FROM", "SELECT 1 FROM")
    # In RETURNING, SQLite 3.40 evaluates `IS NULL` to false for a NULL of a deleted row.
    return text.replace("RETURNING failed_at IS NULL", "RETURNING coalesce(failed_at, 0) = 0")


class WebhookQueue:
    """An SQLite database in memory, with one webhook, its deliveries, and the push notifications."""

    def __init__(self) -> None:
        self._db = sqlite3.connect(":memory:", isolation_level=None)
        for table in _tables():
            self._db.execute(table)
        # Statements run one after the other here, so every lock is free.
        self._db.create_function("pg_advisory_xact_lock", 1, lambda key: None)
        servers_push_rows.add_tables(self._db)
        self._db.execute(
            "INSERT INTO webhooks (id, name, url, triggers, retry, enabled, created_at) VALUES (?, '', '', ?, 1, 1, 1)",
            (WEBHOOK, TRIGGER),
        )

    def execute(self, text: str, values: Sequence[Any]) -> list[Any]:
        """Execute a statement with parameters `$1`, `$2` …, and return its rows."""
        return servers_push_rows.execute(self._db, _numbered(text), values)

    def step(self, kind: str, statement: str, values: Mapping[str, Any]) -> Any:
        """Execute a step of a unit.

        Args:
            kind: the kind of the step (see `tailwire.server.store.postgres.unit`).
            statement: its statement, or its condition.
            values: the values of its parameters, by name.

        Returns:
            For the kinds `seen` and `until`, whether the condition holds; for `rows`, the rows as dicts; for any other
            kind, the number of changed rows.
        """
        text = _named(statement)
        if kind in ("seen", "until"):
            return bool(self._db.execute(f"SELECT {text}", values).fetchone()[0])
        cursor = self._db.execute(text, values)
        if kind == "rows":
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        return cursor.rowcount if cursor.description is None else len(cursor.fetchall())

    def add(self, webhook: str, trigger: str, body: bytes, now: int) -> None:
        """Queue a delivery.

        Args:
            webhook: the id of the webhook.
            trigger: the event that it reports.
            body: the JSON body to send.
            now: the time, as the store measures it.
        """
        self._db.execute(
            "INSERT INTO deliveries (webhook, trigger, body, attempt, due_at, queued_at) VALUES (?, ?, ?, 0, 0, ?)",
            (webhook, trigger, body, now),
        )

    @property
    def waiting(self) -> list[int]:
        """The ids of the queued deliveries that have not failed for good, in order."""
        return [row[0] for row in self._db.execute("SELECT id FROM deliveries WHERE failed_at IS NULL ORDER BY id")]

    def close(self) -> None:
        """Close the database, whose contents are lost."""
        self._db.close()
