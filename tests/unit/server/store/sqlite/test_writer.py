"""The writer: functions that a change registers run after its commit, and never after a rollback."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tailwire.server.ports.refusal import Refused
from tailwire.server.store.sqlite.writer import Writer


@pytest.fixture
def connection(tmp_path):
    c = sqlite3.connect(tmp_path / "w.db", isolation_level=None, check_same_thread=False)
    c.execute("PRAGMA journal_mode = WAL")
    c.execute("CREATE TABLE t (n INTEGER)")
    yield c
    c.close()


async def test_after_commit_functions_run_in_the_loop_before_the_result_is_set(tmp_path, connection):
    executor = ThreadPoolExecutor(1)
    writer = Writer(connection, executor, lambda: None)
    reader = sqlite3.connect(tmp_path / "w.db")
    calls: list[object] = []

    def add(c: sqlite3.Connection) -> str:
        c.execute("INSERT INTO t VALUES (1)")
        writer.after_commit(lambda: calls.append((reader.execute("SELECT count(*) FROM t").fetchone()[0], here())))
        return "result"

    def here() -> bool:
        return threading.current_thread() is threading.main_thread()

    assert await writer.submit(add) == "result"
    assert calls == [(1, True)]
    await writer.close()
    executor.shutdown()
    reader.close()


@pytest.mark.parametrize("writes", [False, True])
async def test_after_commit_functions_are_dropped_by_a_rollback(connection, writes):
    executor = ThreadPoolExecutor(1)
    writer = Writer(connection, executor, lambda: None)
    calls: list[str] = []

    def operation(name: str, fails: bool):
        def run(c: sqlite3.Connection) -> None:
            if writes or not fails:
                c.execute("INSERT INTO t VALUES (1)")
            writer.after_commit(lambda: calls.append(name))
            if fails:
                raise ValueError(name)

        return run

    submitted = [writer.submit(operation(name, name == "b")) for name in "abc"]
    results = await asyncio.gather(*submitted, return_exceptions=True)
    assert [str(r) for r in results] == ["None", "b", "None"]
    assert calls == ["a", "c"]
    await writer.close()
    executor.shutdown()


async def test_operations_that_are_retried_one_by_one_report_success_only_if_stored(connection):
    executor = ThreadPoolExecutor(1)
    writer = Writer(connection, executor, lambda: None)

    def good(c: sqlite3.Connection) -> str:
        c.execute("INSERT INTO t VALUES (1)")
        return "stored"

    def file_error(c: sqlite3.Connection) -> None:
        c.execute("INSERT INTO t VALUES (2)")
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise error

    def own(c: sqlite3.Connection) -> None:
        c.execute("INSERT INTO t VALUES (3)")
        raise ValueError("own")

    futures = [writer.submit(operation) for operation in (good, own, file_error)]
    answers = await asyncio.gather(*futures, return_exceptions=True)
    rows = [n for (n,) in connection.execute("SELECT n FROM t")]
    assert (answers[0] == "stored") is (rows == [1])
    assert (isinstance(answers[0], Refused)) is (rows == [])
    assert isinstance(answers[1], ValueError | Refused)
    assert isinstance(answers[2], Refused)
    assert writer.errors.current
    await writer.close()
    executor.shutdown()
