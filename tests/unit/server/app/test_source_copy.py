"""The copy of a SQLite database finds each row that is new, different or gone."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import LargeBinary, String, Table, create_engine

from sizes import size
from tailwire.server.app.source_copy import SourceCopy, columns_of, ordered_tables
from tailwire.server.store.sql.schema import metadata

SEEDS = range(size(4, 12))
FDS = Path("/proc/self/fd")


@pytest.fixture(scope="module")
def empty_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with the tables of this version, to be copied."""
    path = tmp_path_factory.mktemp("source_copy") / "tailwire.db"
    engine = create_engine(f"sqlite:///{path}")
    metadata.create_all(engine)
    engine.dispose()
    with closing(sqlite3.connect(path)) as c:
        c.execute("PRAGMA journal_mode = WAL")
    return path


@pytest.fixture
def file(empty_file: Path, tmp_path: Path) -> Path:
    """A database with the tables of this version."""
    return Path(shutil.copy(empty_file, tmp_path))


def some_row(table: Table, chance: random.Random) -> tuple[Any, ...]:
    """Return a row of a table; keys are few, so that rows collide."""

    def value(column: Any) -> Any:
        if column.nullable and chance.random() < 0.5:
            return None
        number = chance.randrange(4 if column.primary_key else 40)
        if isinstance(column.type, LargeBinary):
            return bytes([number])
        return f"é\0{number}" if isinstance(column.type, String) else number

    return tuple(map(value, table.columns))


def write(c: sqlite3.Connection, table: Table, chance: random.Random) -> None:
    """Write or remove a row. A row with the same unique columns as another one replaces it."""
    if chance.random() < 0.3:
        key = next(iter(table.primary_key.columns)).name
        c.execute(f'DELETE FROM "{table.name}" WHERE "{key}" = (SELECT min("{key}") FROM "{table.name}")')
        return
    marks = ", ".join("?" * len(table.columns))
    c.execute(f'INSERT OR REPLACE INTO "{table.name}" VALUES ({marks})', some_row(table, chance))


@pytest.mark.thorough
@pytest.mark.parametrize("seed", SEEDS)
def test_target_with_all_found_differences_applied_equals_the_live_database(file: Path, seed: int):
    chance = random.Random(seed)
    with closing(sqlite3.connect(file, isolation_level=None)) as live:
        for table in ordered_tables():
            for _ in range(5):
                write(live, table, chance)
        with closing(SourceCopy(file)) as copy:
            target = {table.name: {key_of(table, row): row for row in copy.rows(table)} for table in ordered_tables()}
            for _ in range(4):
                for table in chance.sample(ordered_tables(), 20):
                    write(live, table, chance)
                found = copy.catch_up()
                for table in ordered_tables():
                    there = target[table.name]
                    outdated = list(copy.outdated_keys(table))
                    assert (len(outdated) > 0) == (table.name in found)
                    for key in outdated:
                        there.pop(key, None)
                    for row in copy.changed_rows(table):
                        assert key_of(table, row) not in there
                        there[key_of(table, row)] = row
                    rows = live.execute(f'SELECT {columns_of(table)} FROM "{table.name}"').fetchall()
                    assert sorted(there.values(), key=repr) == sorted(rows, key=repr), table.name
                    assert sorted(copy.rows(table), key=repr) == sorted(rows, key=repr), table.name
            assert copy.catch_up() == {}


def key_of(table: Table, row: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the key of a row."""
    return tuple(row[n] for n, column in enumerate(table.columns) if column.primary_key)


def test_column_that_becomes_null_is_a_difference(file: Path):
    with closing(sqlite3.connect(file, isolation_level=None)) as live:
        live.execute("INSERT INTO roles (role, name, created_at, updated_at, metadata) VALUES ('r', 'n', 1, 1, 'x')")
        with closing(SourceCopy(file)) as copy:
            live.execute("UPDATE roles SET metadata = NULL")
            assert copy.catch_up() == {"roles": 1}
            live.execute("UPDATE roles SET metadata = ''")
            assert copy.catch_up() == {"roles": 1}
            assert copy.catch_up() == {}


def test_copy_is_private_and_removed_when_it_is_closed(file: Path):
    before = set(file.parent.iterdir())
    copy = SourceCopy(file)
    left = {path for path in set(file.parent.iterdir()) - before if path.suffix == ".copy"}
    if FDS.is_dir():  # the copy has no name any longer, and is only an open file
        found = [FDS / name for name in os.listdir(FDS)]
        left = {link for link in found if link.is_symlink() and ".copy" in os.readlink(link)}
        assert left
    assert all(path.stat().st_mode & 0o077 == 0 for path in left)
    copy.close()
    assert not [path for path in file.parent.iterdir() if path.suffix == ".copy"]
    with closing(sqlite3.connect(file, isolation_level=None, timeout=0)) as live:
        live.execute("BEGIN EXCLUSIVE")  # nothing holds the file any longer


def test_messages_are_copied_after_the_removed_sends_and_before_the_removed_names():
    names = [table.name for table in ordered_tables()]
    assert names.index("removed_sends") < names.index("messages") < names.index("removed_names")
    assert sorted(names) == sorted(metadata.tables)
