"""Who may read next."""

from __future__ import annotations

import asyncio

import pytest

from tailwire.server.ports.refusal import Refused
from tailwire.server.store.read_queue import ReadQueue


class Scene:
    """Reads that end when they are told to, and the order in which they began."""

    def __init__(self, at_once: int = 1, most_of_one: int = 3, most: int = 100) -> None:
        self.now = 0.0
        self.queue = ReadQueue(at_once, most_of_one, most, lambda: self.now)
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
        self.queue.give(who, seconds)
        await self.settle()


@pytest.mark.virtual
async def test_one_who_asks_for_much_delays_nobody_by_more_than_what_is_under_way():
    scene = Scene()
    for n in range(4):
        scene.ask("greedy", f"greedy {n}")
    await scene.settle()
    for who in ("alice", "bob", "carol"):
        scene.ask(who)
    await scene.settle()
    assert scene.began == ["greedy 0"]
    for who in ("greedy", "alice", "bob", "carol", "greedy", "greedy", "greedy"):
        await scene.end(who)
    assert scene.began == ["greedy 0", "alice", "bob", "carol", "greedy 1", "greedy 2", "greedy 3"]


@pytest.mark.virtual
async def test_one_read_of_a_user_is_under_way_at_a_time():
    scene = Scene(at_once=3)
    for n in range(3):
        scene.ask("alice", f"alice {n}")
    scene.ask("bob")
    await scene.settle()
    assert scene.began == ["alice 0", "bob"]
    await scene.end("alice")
    assert scene.began == ["alice 0", "bob", "alice 1"]


@pytest.mark.virtual
async def test_one_that_takes_long_goes_on_beside_the_others():
    scene = Scene()
    for who in ("alice", "alice", "bob", "carol"):
        scene.ask(who)
    await scene.settle()
    scene.queue.pass_on()
    await scene.settle()
    assert scene.began == ["alice", "bob"]  # not alice again: hers is still under way
    scene.now += 1
    scene.queue.give("alice", 1.0, passed_on=True)
    await scene.settle()
    assert scene.began == ["alice", "bob"]
    await scene.end("bob")
    await scene.end("carol")
    assert scene.began == ["alice", "bob", "carol", "alice"]


@pytest.mark.virtual
async def test_whoever_has_used_least_is_next_and_that_is_forgotten():
    scene = Scene()
    scene.ask("often")
    await scene.settle()
    await scene.end("often", 5.0)
    for who in ("busy", "often", "seldom"):
        scene.ask(who)
    await scene.settle()
    await scene.end("busy", 1.0)
    assert scene.began == ["often", "busy", "seldom"]
    await scene.end("seldom", 1.0)
    await scene.end("often", 1.0)
    scene.now += 120
    for who in ("busy", "often", "seldom"):
        scene.ask(who)
    await scene.settle()
    await scene.end("busy", 1.0)
    assert scene.began[-2:] == ["busy", "often"]  # in the order in which they asked


@pytest.mark.virtual
async def test_too_many_that_wait_are_refused():
    scene = Scene(most_of_one=2, most=3)
    waiting = [scene.ask("alice", f"alice {n}") for n in range(3)]
    await scene.settle()
    with pytest.raises(Refused) as caught:
        await scene.queue.take("alice")
    assert (caught.value.code, caught.value.retry_after) == ("ERR_TOO_MANY_REQUESTS", 1.0)
    waiting.append(scene.ask("bob"))
    await scene.settle()
    with pytest.raises(Refused) as caught:
        await scene.queue.take("carol")
    assert (caught.value.code, caught.value.retry_after) == ("ERR_UNAVAILABLE", 1.0)
    for who in ("alice", "bob", "alice", "alice"):
        await scene.end(who)
    assert all(task.done() for task in waiting)
    await scene.queue.take("carol")


@pytest.mark.virtual
async def test_whoever_goes_away_keeps_no_turn():
    scene = Scene()
    scene.ask("alice")
    await scene.settle()
    gone, stays = scene.ask("bob"), scene.ask("carol")
    await scene.settle()
    gone.cancel()
    await scene.settle()
    await scene.end("alice")
    assert scene.began == ["alice", "carol"]
    late = scene.ask("dora")
    await scene.settle()
    scene.queue.give("carol", 1.0)  # it is her turn, and in the same moment she goes
    late.cancel()
    await scene.settle()
    assert stays.done()
    await asyncio.wait_for(scene.queue.take("erin"), 1)


@pytest.mark.virtual
async def test_whoever_goes_away_in_the_moment_of_their_turn_is_passed_over():
    scene = Scene()
    scene.ask("first")
    gone, other = scene.ask("gone"), None
    await scene.settle()
    other = scene.ask("other")
    await scene.settle()
    gone.cancel()  # its task learns of that a step later
    scene.queue.give("first", 1.0)
    await scene.settle()
    assert (gone.cancelled(), other.done(), scene.began) == (True, True, ["first", "other"])
    await scene.end("other")
    scene.ask("later")
    await scene.settle()
    assert scene.began[-1] == "later"
