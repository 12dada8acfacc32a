"""Long reads in threads leave the event loop time for others."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from itertools import pairwise

from tailwire.server.ports.current_caller import current_caller
from tailwire.server.store.sqlite import readers as module
from tailwire.server.store.sqlite.readers import Readers

HANDLING_SECONDS = 0.006


async def test_next_read_waits_as_long_as_the_previous_list_took_to_handle(monkeypatch):
    loop, spent, began = asyncio.get_running_loop(), 0.0, []
    monkeypatch.setattr(loop, "time", lambda: time.monotonic() + spent)
    readers = Readers(lambda: sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False), 100.0)

    def job(c: sqlite3.Connection) -> int:
        began.append(loop.time())
        return c.execute("SELECT 1").fetchone()[0]

    async def list_page(uid: str) -> None:
        nonlocal spent
        current_caller.set(uid)
        assert await readers.read(job) == 1
        spent += HANDLING_SECONDS  # as work without an await would

    await asyncio.gather(*(asyncio.create_task(list_page(f"u{n}")) for n in range(12)))
    between = [later - earlier for earlier, later in pairwise(began)]
    assert len(between) == 11
    # The last read begins without a pause, because no other user waits any longer.
    assert min(between[:-1]) > 1.8 * HANDLING_SECONDS
    await readers.close()
    assert await asyncio.wait_for(asyncio.sleep(0, "done"), 10) == "done"


async def test_waiting_reads_end_when_the_readers_are_closed():
    readers = Readers(lambda: sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False), 100.0)

    async def list_page(uid: str) -> object:
        current_caller.set(uid)
        return await readers.read(lambda c: c.execute("SELECT 1").fetchone()[0])

    tasks = [asyncio.create_task(list_page(f"u{n}")) for n in range(5)]
    await asyncio.sleep(0)
    await readers.close()
    results = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 30)
    refused = [result for result in results if getattr(result, "code", "") == "ERR_UNAVAILABLE"]
    assert refused
    assert [result for result in results if result not in refused] == [1] * (5 - len(refused))


async def test_long_read_yields_the_processor_repeatedly(monkeypatch):
    given_back = []
    monkeypatch.setattr(module, "_yield_processor", lambda: given_back.append(True))
    readers = Readers(lambda: sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False), 100.0)
    counted = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000) SELECT count(*) FROM n"
    assert await readers.read(lambda c: c.execute(counted).fetchone()[0]) == 50_000
    await readers.close()
    assert len(given_back) > 50  # several hundred thousand instructions of SQLite, and at most 5,000 at a stretch
