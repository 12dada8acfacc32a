"""Work that has many pieces takes turns."""

import asyncio
import time
from itertools import pairwise

import pytest

from tailwire.server.limits.turns import Turns


async def test_at_most_one_caller_passes_in_each_turn_of_the_loop_in_the_order_of_arrival():
    turns, loop, passed = Turns(), asyncio.get_running_loop(), []
    now = 0

    def count():
        nonlocal now
        now += 1
        if len(passed) < 30:
            loop.call_soon(count)

    async def work(name):
        for _ in range(10):
            await turns.wait("a")
            passed.append((now, name))

    loop.call_soon(count)
    await asyncio.gather(work("a"), work("b"), work("c"))
    at = [turn for turn, _ in passed]
    assert len(set(at)) == len(at) == 30
    # The first caller passes at once, and arrives again before the others begin.
    assert [name for _, name in passed[:7]] == ["a", "a", "b", "c", "a", "b", "c"]


async def test_users_take_turns_however_many_callers_each_has():
    turns, passed = Turns(), []

    async def work(user, count):
        for _ in range(count):
            await turns.wait(user)
            passed.append(user)

    many = [work("a", 3) for _ in range(10)]
    await asyncio.gather(*many, work("b", 5), work("c", 5))
    assert [passed[1:16].count(user) for user in "abc"] == [5, 5, 5]
    assert passed.count("a") == 30


@pytest.mark.virtual
async def test_single_caller_passes_without_waiting_once_in_each_turn_of_the_loop():
    turns = Turns()
    for _ in range(3):
        waiting = turns.wait("a")
        try:
            waiting.send(None)
        except StopIteration:
            pass
        else:
            raise AssertionError("it waited")
        await asyncio.sleep(0)


async def test_cancelled_caller_gives_its_turn_to_the_next():
    turns = Turns()
    first, gone, last = (asyncio.create_task(turns.wait("a")) for _ in range(3))
    asyncio.get_running_loop().call_soon(gone.cancel)  # as soon as it waits
    await asyncio.wait_for(asyncio.gather(first, last), 1)
    assert gone.cancelled()
    await asyncio.wait_for(turns.wait("a"), 1)


WORK_SECONDS = 0.005


@pytest.fixture
def work(monkeypatch):
    """Return a function that advances the clock of the event loop, as work without an await would."""
    spent = 0.0

    def do(seconds: float = WORK_SECONDS) -> None:
        nonlocal spent
        spent += seconds

    def start() -> asyncio.AbstractEventLoop:
        loop = asyncio.get_running_loop()
        monkeypatch.setattr(loop, "time", lambda: time.monotonic() + spent)
        return loop

    do.start = start
    return do


@pytest.mark.parametrize("rest", [1, 2, 3])
async def test_pause_between_waiting_callers_is_at_least_the_set_multiple_of_the_work_of_each(work, rest):
    turns, loop, began = Turns(rest), work.start(), []

    async def upload():
        for _ in range(5):
            await turns.wait("a")
            began.append(loop.time())
            work(WORK_SECONDS / rest)

    await asyncio.gather(upload(), upload(), upload())
    between = [later - earlier for earlier, later in pairwise(began)]
    assert len(between) == 14
    assert min(between) > 0.9 * WORK_SECONDS / rest + 0.9 * WORK_SECONDS


@pytest.mark.parametrize("rest", [1, 2])
async def test_single_caller_that_returns_at_once_leaves_at_least_the_set_share_of_the_time_to_others(work, rest):
    turns, loop, began = Turns(rest), work.start(), []
    for _ in range(10):
        await turns.wait("a")
        began.append(loop.time())
        work()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert min(later - earlier for earlier, later in pairwise(began)) > 0.9 * (1 + rest) * WORK_SECONDS


async def test_caller_that_returns_after_a_pause_does_not_wait(work):
    turns, loop = Turns(), work.start()
    await turns.wait("a")
    work()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    work(1.0)  # of others
    before = loop.time()
    waiting = turns.wait("a")
    with pytest.raises(StopIteration):
        waiting.send(None)
    assert loop.time() - before < 1.0


async def test_caller_does_not_pause_if_it_was_idle_for_at_least_as_long_as_the_pause(work):
    turns, loop = Turns(2), work.start()
    for idle, pause in ((WORK_SECONDS, WORK_SECONDS), (2 * WORK_SECONDS, 0.0)):
        await turns.wait("a")
        work()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        work(idle)  # of others
        before, others = loop.time(), []
        loop.call_soon(others.append, "ran")
        await turns.wait("a")
        assert loop.time() - before >= 0.8 * pause
        assert others == (["ran"] if pause else [])
        work(1.0)  # so that the next round owes nothing


async def test_pause_between_callers_is_bounded(work):
    turns, loop = Turns(), work.start()

    async def upload():
        await turns.wait("a")
        work(100.0)  # the process was stopped meanwhile

    before = time.monotonic()
    await asyncio.wait_for(asyncio.gather(upload(), upload()), 1000)
    assert time.monotonic() - before < 50
    assert loop.time() > 200
