"""Threads for one kind of work."""

from __future__ import annotations

import asyncio
import threading

import pytest

from tailwire.server.uploads.threads import Full, Threads


@pytest.fixture
def gate():
    gate = threading.Event()
    yield gate
    gate.set()


async def test_more_than_may_wait_is_refused_until_something_is_done(gate):
    threads = Threads("test", 1, 2)
    first, second = (asyncio.ensure_future(threads.run(gate.wait)) for _ in range(2))
    await asyncio.sleep(0)
    with pytest.raises(Full):
        await threads.run(gate.wait)
    gate.set()
    assert await first
    assert await second
    assert await threads.run(lambda: 7) == 7
    threads.close()


async def test_work_that_nobody_waits_for_any_more_still_counts(gate):
    threads = Threads("test", 1, 1)
    work = asyncio.ensure_future(threads.run(gate.wait))
    await asyncio.sleep(0)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    with pytest.raises(Full):
        await threads.run(gate.wait)
    threads.close()


async def test_one_kind_of_work_does_not_wait_for_another(gate):
    slow, quick = Threads("slow", 1), Threads("quick", 1)
    waiting = [asyncio.ensure_future(slow.run(gate.wait)) for _ in range(20)]
    assert await quick.run(lambda: "done") == "done"
    assert not any(w.done() for w in waiting)
    gate.set()
    await asyncio.gather(*waiting)
    for threads in (slow, quick):
        threads.close()


async def test_what_goes_wrong_in_a_thread_is_told():
    threads = Threads("test", 1, low_priority=True)
    with pytest.raises(ZeroDivisionError):
        await threads.run(lambda: 1 // 0)
    threads.close()
