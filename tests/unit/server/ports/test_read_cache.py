"""Values of the store that are remembered, and when they are read again."""

from __future__ import annotations

import asyncio
import math

import pytest

from tailwire.server.ports.changes import Change, ChangeFeed
from tailwire.server.ports.read_cache import ReadCache

pytestmark = pytest.mark.virtual


class Source:
    """Values to read, and the keys that were read. `hold` makes reads wait."""

    def __init__(self, **values: str) -> None:
        self.values = values
        self.reads: list[str] = []
        self.hold: asyncio.Event | None = None

    async def read(self, key: str) -> str | None:
        self.reads.append(key)
        found = self.values.get(key)
        if self.hold is not None:
            await self.hold.wait()
        return found


def current_feed() -> ChangeFeed:
    feed = ChangeFeed()
    feed.complete_at = math.inf
    return feed


async def test_value_is_read_once_and_again_after_it_was_forgotten():
    source, memory = Source(a="1"), ReadCache(current_feed(), 10)
    assert [await memory.get("a", lambda: source.read("a")) for _ in range(3)] == ["1"] * 3
    assert source.reads == ["a"]
    source.values["a"] = "2"
    memory.forget("a")
    assert memory.peek("a") is None
    assert await memory.get("a", lambda: source.read("a")) == "2"
    assert source.reads == ["a", "a"]


async def test_missing_value_is_read_each_time():
    source, memory = Source(), ReadCache(current_feed(), 10)
    assert [await memory.get("a", lambda: source.read("a")) for _ in range(2)] == [None, None]
    assert (source.reads, len(memory)) == (["a", "a"], 0)


async def test_least_recently_used_values_are_dropped():
    memory = ReadCache(current_feed(), 4)
    source = Source(**{key: key for key in "abcdef"})
    for key in "abcd":
        await memory.get(key, lambda key=key: source.read(key), lambda _: ("group",))
    assert memory.peek("a") == "a"
    for key in "ef":
        await memory.get(key, lambda key=key: source.read(key), lambda _: ("group",))
    assert [key for key in "abcdef" if memory.peek(key)] == ["a", "d", "e", "f"]
    memory.forget_group("group")
    assert len(memory) == 0


@pytest.mark.parametrize("how", ["key", "group", "all"])
async def test_read_that_began_before_a_change_is_not_remembered(how: str):
    """The read may return the old value, although it ends after the change was reported."""
    source, memory = Source(a="before"), ReadCache(current_feed(), 10)
    source.hold = asyncio.Event()
    reading = asyncio.create_task(memory.get("a", lambda: source.read("a"), lambda _: ("g",)))
    await asyncio.sleep(0)
    source.values["a"] = "after"
    {"key": lambda: memory.forget("a"), "group": lambda: memory.forget_group("g"), "all": memory.clear}[how]()
    source.hold.set()
    assert await reading == "before"
    assert await memory.get("a", lambda: source.read("a")) == "after"


async def test_earlier_of_two_reads_is_not_remembered_if_a_change_came_between():
    source, memory = Source(a="before"), ReadCache(current_feed(), 10)
    first_hold = source.hold = asyncio.Event()
    first = asyncio.create_task(memory.get("a", lambda: source.read("a")))
    await asyncio.sleep(0)
    memory.forget("a")
    source.values["a"], source.hold = "after", None
    assert await memory.get("a", lambda: source.read("a")) == "after"
    first_hold.set()
    assert await first == "before"
    assert memory.peek("a") == "after"


async def test_value_is_read_again_after_a_failed_read():
    memory = ReadCache(current_feed(), 10)

    async def fail() -> str:
        raise OSError

    with pytest.raises(OSError, match=r"^$"):
        await memory.get("a", fail)
    assert memory._reading == {}
    source = Source(a="1")
    assert [await memory.get("a", lambda: source.read("a")) for _ in range(2)] == ["1", "1"]
    assert source.reads == ["a"]


async def test_values_are_not_taken_from_memory_when_the_change_log_was_silent_for_three_seconds():
    feed = ChangeFeed()
    source, memory = Source(a="1"), ReadCache(feed, 10)

    async def ask() -> str | None:
        return await memory.get("a", lambda: source.read("a"))

    await ask()
    await ask()
    assert source.reads == ["a", "a"], "nothing has been heard yet"
    feed.complete_at = asyncio.get_running_loop().time()
    for _ in range(2):
        await ask()
    assert len(source.reads) == 3
    await asyncio.sleep(3.1)
    source.values["a"] = "2"
    assert await ask() == "2"
    assert memory.peek("a") is None
    feed.complete_at = asyncio.get_running_loop().time()
    feed.report([Change(1, "kind", "a")])  # the memory does not listen to this feed, so the old value counts again
    assert await ask() == "1"
