"""A copy of a SQLite database, with which the rows that have changed in the database since then are found.

Each row of each table is compared with the copy, because neither ids nor the change log reveal every changed row: an
edited profile and a deleted row get no new id, and the log is bounded and does not cover all tables. SQLite does the
comparison, in a fraction of the time that PostgreSQL needs to store the rows.
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
    """Return all tables of the store in the order in which their rows must be written.

    `removed_sends` comes first, then each table after those that it refers to: PostgreSQL stores no message whose muid
    (the client's own id of a message) is in `removed_sends`. `removed_names` comes last: PostgreSQL stores no further
    message of the users in it, and their earlier ones may have been kept.
    """
    places = {"removed_sends": -1, "removed_names": 1}
    return sorted(metadata.sorted_tables, key=lambda table: places.get(table.name, 0))


class SourceCopy:
    """A copy of a SQLite database, in a temporary file next to it. Creating the object makes the copy, which blocks.

    The database is only read, and others may write to it meanwhile. The copy is consistent: all rows are of one moment.

    Args:
        database: the file to copy, with the schema of this version.

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
        """Return the rows of a table in the copy, with the values of `table.columns` in their order."""
        return self._db.execute(f'SELECT {columns_of(table)} FROM main."{table.name}"')

    def count(self, table: Table) -> int:
        """Return the number of rows of a table in the copy."""
        return self._counts[table.name]

    def catch_up(self) -> dict[str, int]:
        """Update the copy to the present state of the database. `changed_rows` and `outdated_keys` tell the difference.

        Returns:
            By the name of a table, how many of its rows were new, changed or deleted; tables without such rows are
            left out.
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
        """Return the rows of a table that the last `catch_up` found new or changed, as they are now in the copy."""
        return self._db.execute(f'SELECT * FROM main."changed {table.name}"')

    def outdated_keys(self, table: Table) -> Iterator[Row]:
        """Return the primary keys of the rows of a table that the last `catch_up` found new, changed or deleted."""
        both = " UNION ALL ".join(
            f'SELECT {_key_columns(table)} FROM main."{kind} {table.name}"' for kind in ("changed", "gone")
        )
        return self._db.execute(both)

    def close(self) -> None:
        """Close and delete the copy."""
        self._db.close()
        self._path.unlink(missing_ok=True)


def columns_of(table: Table, prefix: str = "") -> str:
    """Return the quoted names of a table's columns for SQL, each after `prefix`, separated by commas."""
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
