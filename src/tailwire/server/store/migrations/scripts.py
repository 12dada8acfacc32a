"""Runs SQL scripts of several statements on PostgreSQL."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, text


def run_script(bind: Connection, script: str) -> None:
    """Run all statements of a script on PostgreSQL, within the transaction of the migration."""
    bind.execute(text("SELECT 1"))  # begins the transaction, if none has begun
    adapted: Any = bind.connection.dbapi_connection
    adapted.run_async(lambda driver: driver.execute(script))
