"""Processes on a virtual loop that are stopped and continued."""

from __future__ import annotations

import asyncio
from contextvars import Context, copy_context

from tailwire.testing.virtual.loop import virtual_run
from tailwire.testing.virtual.network import current_process
from tailwire.testing.virtual.stopping import StoppingLoop


def process(name: str) -> Context:
    context = copy_context()
    context.run(current_process.set, name)
    return context


def loop() -> StoppingLoop:
    running = asyncio.get_running_loop()
    assert isinstance(running, StoppingLoop)
    return running


def test_stopped_process_does_nothing_while_another_one_runs():
    async def main() -> None:
        ticks: list[tuple[str, float]] = []

        async def tick(name: str) -> None:
            while True:
                await asyncio.sleep(1)
                ticks.append((name, loop().time() - begin))

        begin = loop().time()
        for name in ("a", "b"):
            loop().create_task(tick(name), context=process(name))
        await asyncio.sleep(1.5)
        loop().stop_process("a")
        loop().stop_process("a")  # once more changes nothing
        assert loop().is_stopped("a")
        assert not loop().is_stopped("b")
        await asyncio.sleep(2)
        assert ticks == [("a", 1), ("b", 1), ("b", 2), ("b", 3)]
        loop().continue_process("a")
        await asyncio.sleep(0.1)
        assert ticks[4:] == [("a", 3.5)], "the timer that was due at 2 fires once, when the process continues"
        await asyncio.sleep(1)
        assert ticks[5:] == [("b", 4), ("a", 4.5)]

    virtual_run(main(), StoppingLoop)


def test_callbacks_made_ready_while_stopped_run_later_and_before_overdue_timers():
    async def main() -> None:
        came: list[str] = []
        answer: asyncio.Future[None] = loop().create_future()
        context = process("a")

        async def wait() -> None:
            await answer
            came.append("answer")

        loop().create_task(wait(), context=context)
        await asyncio.sleep(0)
        loop().call_later(1, came.append, "timer", context=context)
        loop().stop_process("a")
        loop().call_later(2, came.append, "timer set meanwhile", context=context)
        loop().call_soon(came.append, "call", context=context)
        loop().call_later(3, answer.set_result, None)
        await asyncio.sleep(5)
        assert came == []
        loop().continue_process("a")
        await asyncio.sleep(0.1)
        assert came == ["call", "answer", "timer", "timer set meanwhile"]

    virtual_run(main(), StoppingLoop)


def test_callbacks_that_are_cancelled_while_their_process_is_stopped_do_not_run():
    async def main() -> None:
        came: list[str] = []
        context = process("a")
        timers = [loop().call_later(1, came.append, "timer", context=context) for _ in range(3)]
        call = loop().call_soon(came.append, "call", context=context)
        loop().stop_process("a")
        timers[0].cancel()
        call.cancel()
        loop().continue_all()
        timers[1].cancel()
        await asyncio.sleep(2)
        assert came == ["timer"]
        loop().continue_process("a")  # a running one is left alone

    virtual_run(main(), StoppingLoop)


def test_stopping_a_process_does_not_delay_callbacks_of_others_in_the_same_turn():
    async def main() -> None:
        came: list[str] = []
        for name in ("a", "b", "a", "c"):
            loop().call_soon(came.append, name, context=process(name))
        loop().call_soon(came.append, "last")
        loop().stop_process("a")
        await asyncio.sleep(0)
        assert came == ["b", "c", "last"]
        loop().continue_all()
        await asyncio.sleep(0)
        assert came == ["b", "c", "last", "a", "a"]

    virtual_run(main(), StoppingLoop)
