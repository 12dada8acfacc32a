"""A copy of a SQLite database, and the rows by which the database differs from it later.

The change log and the ids do not reveal every changed row: a profile is edited and a row is deleted without a new id,
and the log is bounded and does not cover all tables. So each row of each table is compared with the copy. SQLite does
that itself, in a fraction of the time that PostgreSQL needs to store the rows.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateTable

from tailwire.server import private_files
from tailwire.server.store.sql.schema import metadata

Row = tuple[Any, ...]


def ordered_tables() -> list[Table]:
    """Return the tables in the order in which they are written.

    The muids of removed messages come first: PostgreSQL stores no message whose muid is among them.
    """
    return sorted(metadata.sorted_tables, key=lambda table: table.name != "removed_sends")


class SourceCopy:
    """A copy of a SQLite database, in a file next to it that is removed with this object.

    The database may be written to meanwhile; it is only read here. The rows of all tables are those of one moment.

    Args:
        database: the file, with the schema of this version.

    Raises:
        OSError: the copy cannot be created.
        sqlite3.Error: the database cannot be read, or the copy cannot be written.
    """

    def __init__(self, database: Path) -> None:
        self._path = database.with_name(f"{database.name}.{os.getpid()}.copy")
        self._path.unlink(missing_ok=True)  # of a process that was killed
        private_files.create(self._path)
        self._db = sqlite3.connect(self._path, isolation_level=None, uri=True, timeout=30)
        with suppress(PermissionError):  # Windows removes no file that is open
            self._path.unlink()  # nothing is left behind, whatever ends this process
        self._db.execute("PRAGMA journal_mode = OFF")  # a copy that could not be written is thrown away
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.execute("ATTACH ? AS live", (f"{database.absolute().as_uri()}?mode=ro",))
        self._counts: dict[str, int] = {}
        self._db.execute("BEGIN")
        for table in ordered_tables():
            self._db.execute(str(CreateTable(table).compile(dialect=sqlite.dialect())))
            insert = f'INSERT INTO main."{table.name}" SELECT {columns_of(table)} FROM live."{table.name}"'
            self._counts[table.name] = self._db.execute(insert).rowcount
        self._db.execute("COMMIT")

    def rows(self, table: Table) -> Iterator[Row]:
        """Return the rows of a table in the copy."""
        return self._db.execute(f'SELECT {columns_of(table)} FROM main."{table.name}"')

    def count(self, table: Table) -> int:
        """Return the number of rows of a table in the copy."""
        return self._counts[table.name]

    def catch_up(self) -> dict[str, int]:
        """Bring the copy up to the database as it is now.

        Returns:
            The number of rows that are new, different or gone, of each table that has any. `changed_rows` and
            `outdated_keys` return these rows and their keys until the next call.
        """
        found: dict[str, int] = {}
        self._db.execute("BEGIN")
        for table in ordered_tables():
            self._db.execute(f'DROP TABLE IF EXISTS main."changed {table.name}"')
            self._db.execute(f'DROP TABLE IF EXISTS main."gone {table.name}"')
            self._db.execute(f'CREATE TABLE main."changed {table.name}" AS {_changed_sql(table)}')
            new = self._single_number(_count_of_new_sql(table))
            live_count = self._single_number(f'SELECT count(*) FROM live."{table.name}"')
            # Looking for rows that are gone takes nearly as long as comparing them all.
            may_be_gone = self._counts[table.name] + new > live_count
            self._db.execute(
                f'CREATE TABLE main."gone {table.name}" AS {_gone_sql(table)}{"" if may_be_gone else " LIMIT 0"}'
            )
            self._counts[table.name] = live_count
            number = sum(
                self._single_number(f'SELECT count(*) FROM main."{kind} {table.name}"') for kind in ("changed", "gone")
            )
            if number:
                found[table.name] = number
        for table in ordered_tables():
            if table.name in found:
                for kind in ("gone", "changed"):
                    keys = f'SELECT {_key_columns(table)} FROM main."{kind} {table.name}"'
                    self._db.execute(f'DELETE FROM main."{table.name}" WHERE ({_key_columns(table)}) IN ({keys})')
                self._db.execute(f'INSERT INTO main."{table.name}" SELECT * FROM main."changed {table.name}"')
        self._db.execute("COMMIT")
        return found

    def _single_number(self, sql: str) -> int:
        return int(self._db.execute(sql).fetchone()[0])

    def changed_rows(self, table: Table) -> Iterator[Row]:
        """Return the rows of a table that were new or different at the last `catch_up`."""
        return self._db.execute(f'SELECT * FROM main."changed {table.name}"')

    def outdated_keys(self, table: Table) -> Iterator[Row]:
        """Return the keys of the rows of a table that were new, different or gone at the last `catch_up`."""
        both = " UNION ALL ".join(
            f'SELECT {_key_columns(table)} FROM main."{kind} {table.name}"' for kind in ("changed", "gone")
        )
        return self._db.execute(both)

    def close(self) -> None:
        """Remove the copy."""
        self._db.close()
        self._path.unlink(missing_ok=True)


def columns_of(table: Table, prefix: str = "") -> str:
    """Return the quoted names of a table's columns, each with a prefix, separated by commas."""
    return ", ".join(f'{prefix}"{column.name}"' for column in table.columns)


def _key_columns(table: Table, prefix: str = "") -> str:
    return ", ".join(f'{prefix}"{column.name}"' for column in table.primary_key.columns)


def _same_key_sql(table: Table) -> str:
    return " AND ".join(f'l."{column.name}" = c."{column.name}"' for column in table.primary_key.columns)


def _changed_sql(table: Table) -> str:
    key = next(iter(table.primary_key.columns)).name
    same = " AND ".join(f'l."{column.name}" IS c."{column.name}"' for column in table.columns)
    return (
        f'SELECT {columns_of(table, "l.")} FROM live."{table.name}" l LEFT JOIN main."{table.name}" c'
        f' ON {_same_key_sql(table)} WHERE c."{key}" IS NULL OR NOT ({same})'
    )


def _count_of_new_sql(table: Table) -> str:
    return (
        f'SELECT count(*) FROM main."changed {table.name}" l WHERE NOT EXISTS'
        f' (SELECT 1 FROM main."{table.name}" c WHERE {_same_key_sql(table)})'
    )


def _gone_sql(table: Table) -> str:
    return (
        f'SELECT {_key_columns(table, "c.")} FROM main."{table.name}" c WHERE NOT EXISTS'
        f' (SELECT 1 FROM live."{table.name}" l WHERE {_same_key_sql(table)})'
    )
