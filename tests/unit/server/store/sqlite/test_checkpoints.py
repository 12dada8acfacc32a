"""Checkpoints: the write-ahead log is copied alongside the writer, and stays bounded if that is too slow."""

from __future__ import annotations

import asyncio
import logging
import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tailwire.server.store.sqlite import checkpoints
from tailwire.server.store.sqlite.database import Database
from tailwire.testing.new_database import put_new_database

ROWS = "INSERT INTO settings_of_a_test VALUES (?, ?)"
PAGE_BYTES = 4096


@asynccontextmanager
async def open_database(folder: Path) -> AsyncIterator[Database]:
    path = folder / "tailwire.db"
    put_new_database(path)
    database = Database(path, 5.0)
    await database.run("CREATE TABLE settings_of_a_test (n INTEGER PRIMARY KEY, text TEXT)")
    try:
        yield database
    finally:
        await database.close()


async def finished(database: Database) -> None:
    """Wait until no checkpoint is running."""
    while (task := database._checkpoints._task) is not None:
        await asyncio.wait([task])


def rows_without_the_log(folder: Path) -> int:
    """Return how many rows the database file has by itself."""
    copy = folder / "copy.db"
    shutil.copyfile(folder / "tailwire.db", copy)
    c = sqlite3.connect(copy)
    try:
        return int(c.execute("SELECT count(*) FROM settings_of_a_test").fetchone()[0])
    finally:
        c.close()


async def test_write_ahead_log_is_copied_into_the_database_after_the_set_number_of_changes(tmp_path: Path):
    async with open_database(tmp_path) as database:
        await database.run_many(ROWS, [(n, "x") for n in range(checkpoints.MIN_CHANGES)])
        await finished(database)
        assert rows_without_the_log(tmp_path) == checkpoints.MIN_CHANGES
        await database.run(ROWS, (checkpoints.MIN_CHANGES, "x"))
        await finished(database)
        assert rows_without_the_log(tmp_path) == checkpoints.MIN_CHANGES


async def test_write_ahead_log_stays_bounded_although_no_checkpoint_runs_alongside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(checkpoints, "MIN_CHANGES", 10**9)
    monkeypatch.setattr(checkpoints, "MAX_LOG_PAGES", 50)
    async with open_database(tmp_path) as database:
        for n in range(200):
            await database.run(ROWS, (n, "x" * PAGE_BYTES))  # two pages or more
        assert (tmp_path / "tailwire.db-wal").stat().st_size < 2 * 50 * PAGE_BYTES


async def test_checkpoint_that_fails_is_logged_and_writes_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    def refused() -> sqlite3.Connection:
        raise sqlite3.OperationalError("disk I/O error")

    async with open_database(tmp_path) as database:
        monkeypatch.setattr(database._checkpoints, "_connect", refused)
        with caplog.at_level(logging.WARNING, "tailwire.server"):
            await database.run_many(ROWS, [(n, "x") for n in range(checkpoints.MIN_CHANGES)])
            await finished(database)
        assert "the write-ahead log could not be copied" in caplog.text
        await database.run(ROWS, (checkpoints.MIN_CHANGES, "x"))
        (count,) = await database.first_row("SELECT count(*) FROM settings_of_a_test")
        assert count == checkpoints.MIN_CHANGES + 1


async def test_store_is_closed_after_a_running_checkpoint(tmp_path: Path):
    async with open_database(tmp_path) as database:
        await database.run_many(ROWS, [(n, "x" * 100) for n in range(5 * checkpoints.MIN_CHANGES)])
        assert database._checkpoints._task is not None
    assert not (tmp_path / "tailwire.db-wal").exists()
    assert rows_without_the_log(tmp_path) == 5 * checkpoints.MIN_CHANGES
