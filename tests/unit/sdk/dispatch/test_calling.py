"""Exceptions of the app's code are logged; a cancellation of the caller passes through."""

from __future__ import annotations

import asyncio

import pytest

from tailwire.sdk.dispatch.calling import call_listener


async def test_exceptions_are_logged_with_the_name_of_the_callback(caplog):
    async def broken(word):
        raise ValueError(word)

    await call_listener(broken, ("no",), "callback")
    assert "callback test_exceptions" in caplog.text
    assert "ValueError: no" in caplog.text


async def test_cancellation_that_a_callback_raises_is_logged(caplog):
    async def waits_for_a_cancelled_task():
        task = asyncio.create_task(asyncio.sleep(60))
        task.cancel()
        await task

    await call_listener(waits_for_a_cancelled_task, ())
    assert "waited for something that was cancelled" in caplog.text


async def test_cancellation_of_the_caller_passes_through(caplog):
    begun = asyncio.Event()

    async def endless():
        begun.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(call_listener(endless, ()))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert caplog.text == ""


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_errors_that_end_the_program_pass_through(error):
    def ends():
        raise error

    coroutine = call_listener(ends, ())
    with pytest.raises(error):
        coroutine.send(None)
