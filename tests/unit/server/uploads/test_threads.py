"""Thread pools with a bounded queue."""

from __future__ import annotations

import asyncio
import threading

import pytest

from tailwire.server.uploads.threads import QueueFull, Threads


@pytest.fixture
def gate():
    gate = threading.Event()
    yield gate
    gate.set()


async def test_full_queue_refuses_until_a_call_ends(gate):
    threads = Threads("test", 1, 2)
    first, second = (asyncio.ensure_future(threads.run(gate.wait)) for _ in range(2))
    await asyncio.sleep(0)
    with pytest.raises(QueueFull):
        await threads.run(gate.wait)
    gate.set()
    assert await first
    assert await second
    assert await threads.run(lambda: 7) == 7
    threads.close()


async def test_cancelled_call_counts_until_it_ends(gate):
    threads = Threads("test", 1, 1)
    work = asyncio.ensure_future(threads.run(gate.wait))
    await asyncio.sleep(0)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    with pytest.raises(QueueFull):
        await threads.run(gate.wait)
    threads.close()


async def test_pools_do_not_wait_for_each_other(gate):
    slow, quick = Threads("slow", 1), Threads("quick", 1)
    waiting = [asyncio.ensure_future(slow.run(gate.wait)) for _ in range(20)]
    assert await quick.run(lambda: "done") == "done"
    assert not any(w.done() for w in waiting)
    gate.set()
    await asyncio.gather(*waiting)
    for threads in (slow, quick):
        threads.close()


async def test_exceptions_of_a_thread_are_raised():
    threads = Threads("test", 1)
    with pytest.raises(ZeroDivisionError):
        await threads.run(lambda: 1 // 0)
    threads.close()
