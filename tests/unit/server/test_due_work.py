"""Work is done when it is due, on virtual time."""

from __future__ import annotations

import asyncio
from contextvars import copy_context

import pytest

from tailwire.server.due_work import ERROR_RETRY_SECONDS, MIN_WAIT_SECONDS, STORE_RETRY_SECONDS, DueWork
from tailwire.server.ports.current_caller import current_caller
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.world import World

pytestmark = pytest.mark.virtual


class Clock(World):
    """A world with the time of the virtual loop."""

    def seconds(self) -> int:
        return int(asyncio.get_running_loop().time())


class Queue:
    """Work that is due at the given seconds. A pass does two pieces of it."""

    def __init__(self, *due: float, takes: float = 0.0) -> None:
        self.takes, self.mine = takes, True
        self.fails = 0
        self.error: Exception = Refused("ERR_UNAVAILABLE")
        self.done: list[float] = []
        self.begin = asyncio.get_running_loop().time()
        self.due = sorted(due)
        self.work = DueWork("tailwire work", Clock(), self.do_due, self.next_due, lambda: self.mine)

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time() - self.begin

    async def do_due(self) -> bool:
        if self.fails:
            self.fails -= 1
            raise self.error
        now = [at for at in self.due if at <= self.now][:2]
        for at in now:
            await asyncio.sleep(self.takes)
            self.due.remove(at)
            self.done.append(round(self.now, 3))
        return bool(now)

    async def next_due(self) -> int | None:
        await asyncio.sleep(0)
        return int(self.begin + self.due[0]) if self.due else None


async def test_everything_that_is_due_is_done_at_once_and_the_rest_when_it_is_due():
    queue = Queue(0, 0, 0, 30, 60)
    queue.work.wake()
    await asyncio.sleep(20)
    assert queue.done == [0, 0, 0]
    await asyncio.sleep(100)
    assert queue.done[3:] == pytest.approx([30, 60], abs=1)
    assert queue.work.idle


async def test_nothing_is_done_before_it_is_woken():
    queue = Queue(0)
    await asyncio.sleep(100)
    assert queue.done == []
    assert queue.work.idle


async def test_wake_up_during_work_or_a_check_of_the_queue_is_not_lost():
    queue = Queue(0, takes=5.0)
    queue.work.wake()
    for after in (1.0, 4.0, 0.0):  # amid the work; when it ends; while the queue is looked at
        await asyncio.sleep(after)
        queue.due.append(queue.now)
        queue.work.wake()
    await asyncio.sleep(30)
    assert len(queue.done) == 4
    assert queue.work.idle


async def test_wake_up_replaces_a_later_time():
    queue = Queue(500)
    queue.work.wake()
    await asyncio.sleep(10)
    queue.due.insert(0, queue.now)
    queue.work.wake()
    await asyncio.sleep(1)
    assert queue.done == [10]
    await queue.work.close(lambda: False)


async def test_next_pass_begins_at_least_a_second_later():
    queue = Queue(0.5)
    queue.work.wake()
    await asyncio.sleep(MIN_WAIT_SECONDS - 0.1)
    assert queue.done == []
    await asyncio.sleep(0.2)
    assert queue.done == [MIN_WAIT_SECONDS]


async def test_work_is_repeated_after_the_store_has_refused():
    queue = Queue(0)
    queue.fails = 2
    queue.work.wake()
    await asyncio.sleep(2 * STORE_RETRY_SECONDS - 1.5)
    assert queue.done == []
    await asyncio.sleep(3)
    assert queue.done == pytest.approx([2 * STORE_RETRY_SECONDS], abs=1)


async def test_work_is_repeated_after_an_unexpected_error_which_is_logged_once_in_a_while(caplog):
    queue = Queue(0)
    queue.fails, queue.error = 3, ZeroDivisionError("of a library")
    queue.work.wake()
    await asyncio.sleep(1)
    queue.due.append(queue.now)
    queue.work.wake()  # does not wait for the timer
    await asyncio.sleep(2 * ERROR_RETRY_SECONDS - 3)
    assert queue.done == []
    await asyncio.sleep(5)
    assert queue.done == pytest.approx([2 * ERROR_RETRY_SECONDS + 1] * 2, abs=2)
    assert [record.message for record in caplog.records] == ["tailwire work failed; it is tried again later"]
    assert queue.work.idle


async def test_work_of_another_process_is_left_to_it():
    queue = Queue(0, 10, 20)
    queue.mine = False
    queue.work.wake()
    assert queue.work.idle
    queue.mine = True
    queue.work.wake()
    await asyncio.sleep(12)
    queue.mine = False
    await asyncio.sleep(100)
    assert len(queue.done) == 2
    assert queue.work.idle


@pytest.mark.parametrize(("cancel", "done", "ended"), [(False, [3.0, 6.0], 6.0), (True, [], 1.0)])
async def test_close_completes_or_cancels_the_pass_in_progress_and_no_further_pass_begins(cancel, done, ended):
    queue = Queue(0, 0, 0, takes=3.0)
    queue.work.wake()
    await asyncio.sleep(1)
    await queue.work.close(lambda: cancel)
    assert (queue.done, queue.now) == (done, ended)
    queue.work.wake()
    await asyncio.sleep(50)
    assert queue.done == done
    assert queue.work.idle


async def test_work_that_a_request_wakes_up_is_not_done_in_the_name_of_its_user():
    readers = []

    async def do_due() -> bool:
        readers.append(current_caller.get())
        return False

    async def next_due() -> int | None:
        return None

    work = DueWork("tailwire work", Clock(), do_due, next_due, lambda: True)
    request = copy_context()
    request.run(current_caller.set, "alice")
    request.run(work.wake)
    await asyncio.sleep(1)
    assert readers == [""]
