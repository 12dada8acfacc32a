"""Programs that run until they end or receive a signal. With real processes: tests/examples."""

from __future__ import annotations

import asyncio
import os
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from tailwire import run


def test_result_of_the_coroutine_is_returned_and_its_error_is_raised():
    async def result() -> int:
        return 7

    async def error() -> None:
        raise KeyError("x")

    async def cancelled() -> None:
        raise asyncio.CancelledError

    assert run(result()) == 7
    with pytest.raises(KeyError):
        run(error())
    with pytest.raises(asyncio.CancelledError):
        run(cancelled())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_the_program_quietly(number: signal.Signals):
    steps: list[str] = []

    async def main() -> str:
        try:
            os.kill(os.getpid(), number)
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0)
            steps.append("closed")
        return "not reached"

    handlers = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
    assert run(main()) is None
    assert steps == ["closed"]
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == handlers


def test_coroutine_runs_in_a_thread_that_receives_no_signals():
    async def result() -> int:
        return 7

    with ThreadPoolExecutor(1) as executor:
        assert executor.submit(lambda: run(result())).result() == 7


def test_error_during_shutdown_is_raised():
    async def main() -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.sleep(60)
        finally:
            raise ValueError("while closing")

    with pytest.raises(ValueError, match="while closing"):
        run(main())
