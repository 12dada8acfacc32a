"""Work that has many pieces takes turns."""

import asyncio

from tailwire.server.limits.turns import Turns


async def test_one_caller_passes_in_each_turn_of_the_loop_in_the_order_of_arrival():
    turns, loop, passed = Turns(), asyncio.get_running_loop(), []
    now = 0

    def count():
        nonlocal now
        now += 1
        if len(passed) < 30:
            loop.call_soon(count)

    async def work(name):
        for _ in range(10):
            await turns.wait()
            passed.append((now, name))

    loop.call_soon(count)
    await asyncio.gather(work("a"), work("b"), work("c"))
    at = [turn for turn, _ in passed]
    assert len(set(at)) == len(at) == 30
    # The first caller passes at once, and arrives again before the others begin.
    assert [name for _, name in passed[:7]] == ["a", "a", "b", "c", "a", "b", "c"]


async def test_single_caller_passes_without_waiting_once_its_turn_is_over():
    turns = Turns()
    for _ in range(3):
        waiting = turns.wait()
        try:
            waiting.send(None)
        except StopIteration:
            pass
        else:
            raise AssertionError("it waited")
        await asyncio.sleep(0)


async def test_cancelled_caller_gives_its_turn_to_the_next():
    turns = Turns()
    first, gone, last = (asyncio.create_task(turns.wait()) for _ in range(3))
    asyncio.get_running_loop().call_soon(gone.cancel)  # as soon as it waits
    await asyncio.wait_for(asyncio.gather(first, last), 1)
    assert gone.cancelled()
    await asyncio.wait_for(turns.wait(), 1)
