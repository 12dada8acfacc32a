"""Watches that run a task on their client's event loop."""

from __future__ import annotations

import asyncio
import logging
import threading

import pytest

from recording_clients import RecordingLoopClient, RecordingThreadClient
from tailwire import CometChatException
from tailwire.adapters.loops import LoopWatch, wait_closed
from tailwire.sdk.exceptions import failure


@pytest.fixture
def threaded():
    chat = RecordingThreadClient()
    yield chat
    if not chat.event_loop().is_closed():
        chat.close()


async def test_closing_a_watch_ends_its_task():
    watch, ended = LoopWatch(RecordingLoopClient(), "sleep"), asyncio.Event()

    async def work():
        try:
            watch.settle("sleep")
            await asyncio.Event().wait()
        finally:
            ended.set()

    watch.run(work())
    assert await watch.settled() == {"sleep"}
    watch.close()
    await ended.wait()
    await asyncio.sleep(0)
    assert await watch.settled() == watch.knows == frozenset()


async def test_call_of_settled_returns_when_the_watch_is_closed():
    watch = LoopWatch(RecordingLoopClient(), "sleep")
    watch.run(asyncio.Event().wait())
    waiting = asyncio.ensure_future(watch.settled())
    given_up = asyncio.ensure_future(watch.settled())
    await asyncio.sleep(0)
    given_up.cancel()
    watch.close()
    assert await waiting == frozenset()


async def test_errors_of_the_task_are_logged(caplog):
    watch = LoopWatch(RecordingLoopClient(), "sleep")

    async def fails():
        raise ValueError("not foreseen")

    watch.run(fails())
    assert await watch.settled() == frozenset()
    assert "not foreseen" in caplog.text
    watch.close()


async def test_task_does_not_start_after_close():
    watch = LoopWatch(RecordingLoopClient(), "sleep")
    watch.close()
    began = []

    async def work():
        began.append(True)

    watch.run(work())
    await asyncio.sleep(0)
    assert began == []


def test_task_runs_in_the_clients_thread(threaded):
    names = []
    watch = LoopWatch(threaded, "sleep")

    async def work():
        names.append(threading.current_thread().name)
        watch.settle("sleep")
        try:
            await asyncio.Event().wait()
        finally:
            names.append(threading.current_thread().name)
            threaded.set_network("online")

    watch.run(work())
    assert asyncio.run(watch.settled()) == {"sleep"}
    watch.close()
    threaded.until("online")
    assert names == ["a client's loop"] * 2


def test_task_is_not_started_when_the_clients_loop_has_ended(threaded):
    began = []

    async def work():
        began.append(True)

    watch = LoopWatch(threaded, "sleep")
    threaded.close()
    watch.run(work())
    watch.close()
    assert began == []


async def test_wait_closed_logs_a_socket_that_is_still_open_after_its_timeout(caplog):
    chat = RecordingLoopClient(closes=False)
    with caplog.at_level(logging.DEBUG, "tailwire"):
        await wait_closed(chat, 0.01)
    assert "still open" in caplog.text


async def test_wait_closed_waits_until_the_socket_is_closed():
    chat = RecordingLoopClient(closes=False)
    waiting = asyncio.ensure_future(wait_closed(chat, 20))
    await asyncio.sleep(0)
    assert not waiting.done()
    chat.closed_event.set()
    await waiting


def failing_client(code):
    chat = RecordingLoopClient()

    async def wait_disconnected():
        raise failure(code)

    chat.wait_disconnected = wait_disconnected
    return chat


async def test_wait_closed_returns_for_a_closed_client():
    await wait_closed(failing_client("ERR_CLIENT_CLOSED"), 1)


async def test_wait_closed_raises_other_errors_of_the_client():
    with pytest.raises(CometChatException) as caught:
        await wait_closed(failing_client("ERR_WRONG_EVENT_LOOP"), 1)
    assert caught.value.code == "ERR_WRONG_EVENT_LOOP"


@pytest.mark.parametrize("what", [None, "chat", object(), RecordingLoopClient])
async def test_invalid_client_is_refused(what):
    with pytest.raises(TypeError, match="not a client"):
        LoopWatch(what, "sleep")
