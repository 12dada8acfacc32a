"""The tables for push notifications in the simulated database, in SQLite. Each user has one registered device."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from tailwire.server.store.sql import schema
from tailwire.testing.simulation.servers_store import USERS

_TABLES = (
    schema.notifications, schema.push_tokens, schema.push_progress, schema.push_preferences, schema.push_mutes,
    schema.auth_tokens, schema.users, schema.members, schema.marks, schema.blocks, schema.mentions, schema.reactions,
)  # fmt: skip
# For both databases: what is in the tables before a run begins.
ROWS = (
    *(
        "INSERT INTO users (uid, name, role, last_active_at, created_at, updated_at)"
        f" VALUES ('{uid}', '', 'default', 0, 0, 0)"
        for uid in USERS
    ),
    *(
        f"INSERT INTO auth_tokens (token_hash, uid, created_at, number) VALUES ('{uid}', '{uid}', 0, 1)"
        for uid in USERS
    ),
    *(
        "INSERT INTO push_tokens (token_hash, uid, auth_token, platform, provider, token, created_at, updated_at)"
        f" VALUES ('{uid}', '{uid}', '{uid}', 'web', 'web', '{uid}', 0, 0)"
        for uid in USERS
    ),
)
_ANY = re.compile(r"= ANY\(\?(\d+)\)")


@cache
def _statements() -> list[str]:
    dialect = sqlite.dialect()
    tables = [str(CreateTable(table).compile(dialect=dialect)) for table in _TABLES]
    indexes = [str(CreateIndex(index).compile(dialect=dialect)) for table in _TABLES for index in table.indexes]
    begin = "INSERT INTO push_progress (one, message_id, after_uid, reaction_id) VALUES (1, 0, '', 0)"
    return [*tables, *indexes, begin, *ROWS]


def add_tables(db: sqlite3.Connection) -> None:
    """Create the tables in an SQLite database, with the rows for `USERS` and their devices."""
    for statement in _statements():
        db.execute(statement)


def execute(db: sqlite3.Connection, text: str, values: Sequence[Any]) -> list[Any]:
    """Execute a statement on an SQLite database, and return its rows.

    Args:
        db: the database.
        text: a statement with parameters `?1`, `?2` …; `= ANY(?1)` is allowed for a list.
        values: the values of the parameters.
    """
    encoded = [json.dumps(value) if isinstance(value, list) else value for value in values]
    return db.execute(_ANY.sub(r"IN (SELECT value FROM json_each(?\1))", text), encoded).fetchall()
