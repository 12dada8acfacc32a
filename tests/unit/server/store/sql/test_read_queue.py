"""The order of long reads."""

from __future__ import annotations

import asyncio

import pytest

from tailwire.server.ports.refusal import Refused
from tailwire.server.store.sql.read_queue import ReadQueue


class Reads:
    """Reads that end on request, and the order in which they began."""

    def __init__(self, turns: int = 1, max_waiting_of_one: int = 3, max_waiting: int = 100) -> None:
        self.now = 0.0
        self.queue = ReadQueue(turns, max_waiting_of_one, max_waiting, lambda: self.now)
        self.began: list[str] = []

    def ask(self, who: str, name: str = "") -> asyncio.Task[None]:
        async def read() -> None:
            await self.queue.take(who)
            self.began.append(name or who)

        return asyncio.get_running_loop().create_task(read())

    async def settle(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)

    async def end(self, who: str, seconds: float = 1.0) -> None:
        self.now += seconds
        self.queue.give_back(who, seconds)
        await self.settle()


@pytest.mark.virtual
async def test_user_with_many_reads_delays_others_by_at_most_one():
    reads = Reads()
    for n in range(4):
        reads.ask("greedy", f"greedy {n}")
    await reads.settle()
    for who in ("alice", "bob", "carol"):
        reads.ask(who)
    await reads.settle()
    assert reads.began == ["greedy 0"]
    for who in ("greedy", "alice", "bob", "carol", "greedy", "greedy", "greedy"):
        await reads.end(who)
    assert reads.began == ["greedy 0", "alice", "bob", "carol", "greedy 1", "greedy 2", "greedy 3"]


@pytest.mark.virtual
async def test_user_has_one_read_in_progress_at_a_time():
    reads = Reads(turns=3)
    for n in range(3):
        reads.ask("alice", f"alice {n}")
    reads.ask("bob")
    await reads.settle()
    assert reads.began == ["alice 0", "bob"]
    await reads.end("alice")
    assert reads.began == ["alice 0", "bob", "alice 1"]


@pytest.mark.virtual
async def test_long_read_resumes_after_others_had_a_turn():
    reads = Reads()
    for who in ("alice", "alice", "bob", "carol"):
        reads.ask(who)
    await reads.settle()
    reads.queue.pass_on()
    await reads.settle()
    assert reads.began == ["alice", "bob"]  # not alice again: the first read is still in progress
    reads.now += 1
    reads.queue.give_back("alice", 1.0, passed_on=True)
    await reads.settle()
    assert reads.began == ["alice", "bob"]
    await reads.end("bob")
    await reads.end("carol")
    assert reads.began == ["alice", "bob", "carol", "alice"]


@pytest.mark.virtual
async def test_user_who_has_used_the_least_reading_time_in_two_minutes_is_next():
    reads = Reads()
    reads.now = 1000.0
    reads.ask("often")
    await reads.settle()
    await reads.end("often", 5.0)
    for who in ("busy", "often", "seldom"):
        reads.ask(who)
    await reads.settle()
    await reads.end("busy", 1.0)
    assert reads.began == ["often", "busy", "seldom"]
    await reads.end("seldom", 1.0)
    await reads.end("often", 1.0)
    reads.now += 120
    for who in ("busy", "often", "seldom"):
        reads.ask(who)
    await reads.settle()
    await reads.end("busy", 1.0)
    assert reads.began[-2:] == ["busy", "often"]  # in order of arrival


@pytest.mark.virtual
async def test_reads_beyond_the_waiting_limits_are_refused():
    reads = Reads(max_waiting_of_one=2, max_waiting=3)
    waiting = [reads.ask("alice", f"alice {n}") for n in range(3)]
    await reads.settle()
    with pytest.raises(Refused) as caught:
        await reads.queue.take("alice")
    assert (caught.value.code, caught.value.retry_after) == ("ERR_TOO_MANY_REQUESTS", 1.0)
    assert "You have 3 lists" in str(caught.value.details)  # one in progress, two waiting
    waiting.append(reads.ask("bob"))
    await reads.settle()
    with pytest.raises(Refused) as caught:
        await reads.queue.take("carol")
    assert (caught.value.code, caught.value.retry_after) == ("ERR_UNAVAILABLE", 1.0)
    for who in ("alice", "bob", "alice", "alice"):
        await reads.end(who)
    assert all(task.done() for task in waiting)
    await reads.queue.take("carol")


@pytest.mark.virtual
async def test_turn_of_a_cancelled_read_goes_to_the_next_one():
    reads = Reads()
    reads.ask("alice")
    await reads.settle()
    gone, stays = reads.ask("bob"), reads.ask("carol")
    await reads.settle()
    gone.cancel()
    await reads.settle()
    await reads.end("alice")
    assert reads.began == ["alice", "carol"]
    late = reads.ask("dora")
    await reads.settle()
    reads.queue.give_back("carol", 1.0)  # dora gets the turn and is cancelled at the same moment
    late.cancel()
    await reads.settle()
    assert stays.done()
    await asyncio.wait_for(reads.queue.take("erin"), 1)


@pytest.mark.virtual
async def test_read_cancelled_at_the_moment_of_its_turn_is_skipped():
    reads = Reads()
    reads.ask("first")
    gone, other = reads.ask("gone"), None
    await reads.settle()
    other = reads.ask("other")
    await reads.settle()
    gone.cancel()  # its task is notified one step later
    reads.queue.give_back("first", 1.0)
    await reads.settle()
    assert (gone.cancelled(), other.done(), reads.began) == (True, True, ["first", "other"])
    await reads.end("other")
    reads.ask("later")
    await reads.settle()
    assert reads.began[-1] == "later"


@pytest.mark.virtual
async def test_next_read_of_a_user_follows_one_that_was_cancelled_at_the_moment_of_its_turn():
    reads = Reads()
    reads.ask("first")
    gone = reads.ask("twice", "gone")
    reads.ask("twice", "stays")
    await reads.settle()
    gone.cancel()  # its task is notified one step later
    reads.queue.give_back("first", 1.0)
    await reads.settle()
    assert reads.began == ["first", "stays"]


@pytest.mark.virtual
async def test_cancelled_read_frees_its_place_among_the_waiting_ones():
    reads = Reads(max_waiting_of_one=1, max_waiting=1)
    reads.ask("alice")
    await reads.settle()
    gone = reads.ask("bob")
    await reads.settle()
    assert reads.queue.has_waiting
    gone.cancel()
    await reads.settle()
    assert not reads.queue.has_waiting
    for who in ("bob", "carol"):
        again = reads.ask(who)
        await reads.settle()
        assert not again.done()  # it waits, and was not refused
        again.cancel()
        await reads.settle()


@pytest.mark.virtual
async def test_other_reads_of_a_user_keep_waiting_when_one_is_cancelled():
    reads = Reads()
    reads.ask("alice")
    reads.ask("bob", "stays")
    gone = reads.ask("bob", "gone")
    await reads.settle()
    gone.cancel()
    await reads.settle()
    await reads.end("alice")
    assert reads.began == ["alice", "stays"]
