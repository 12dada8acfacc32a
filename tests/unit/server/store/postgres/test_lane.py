"""The lane of writes, on a connection that the test plays: what is reported, tried again, and refused at the end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tailwire.server.ports.changes import Change
from tailwire.server.ports.conversations import key_of
from tailwire.server.ports.log import Batch
from tailwire.server.ports.records import Draft
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.world import World
from tailwire.server.store.postgres.drafts import CALL_BATCH_SQL, Entry
from tailwire.server.store.postgres.lane import UNREACHABLE_SECONDS, Lane, LaneClosed
from tailwire.server.store.postgres.unit import Unit

pytestmark = pytest.mark.virtual


class PlayedConnection:
    """Answers batches with rows, or raises what the test asks for."""

    def __init__(self, answers: list[Any]) -> None:
        self.answers = answers
        self.batches: list[tuple[Any, ...]] = []
        self.terminated = False

    def is_closed(self) -> bool:
        return self.terminated

    def get_server_pid(self) -> int:
        return 7

    def terminate(self) -> None:
        self.terminated = True

    async def execute(self, sql: str, *values: Any, timeout: float) -> None:
        pass

    async def close(self, timeout: float) -> None:
        self.terminated = True

    async def fetchval(self, sql: str, *values: Any, timeout: float) -> Any:
        return 1

    async def fetch(self, sql: str, *values: Any, timeout: float) -> list[Any]:
        return []

    async def fetchrow(self, sql: str, *values: Any, timeout: float) -> Any:
        if sql != CALL_BATCH_SQL:
            return "mark", 4, 4, ""
        self.batches.append(values)
        await asyncio.sleep(0.01)
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer


class Observer:
    """Records batches, and when their callers continue."""

    def __init__(self) -> None:
        self.happened: list[Any] = []

    def committed(self, batch: Batch) -> None:
        self.happened.append(batch)

    def answered(self) -> None:
        self.happened.append("answered")


def draft() -> Draft:
    return Draft(key_of("alice", "bob", "user"), "alice", "bob", "user", "message", "text", b'{"data":{}}', 1)


def row(ids: list[int], first: int, last: int, answers: str | None = None) -> dict[str, Any]:
    return {"ids": ids, "befores": [0] * len(ids), "answers": answers, "first": first, "last": last}


async def open_lane(*answers: Any) -> tuple[Lane, list[PlayedConnection]]:
    """Return a lane, and the connections that it makes: all answer from the same list."""
    left, made = list(answers), list[PlayedConnection]()

    async def connect() -> Any:
        made.append(PlayedConnection(left))
        return made[-1]

    lane = Lane(connect, World(), "test")
    await lane.open()
    return lane, made


async def test_changes_without_a_message_have_ids_after_those_of_the_messages_of_their_batch():
    lane, _ = await open_lane(row([5, -3, 7], 5, 10, '[{"ended":2},{"ended":null},{"ended":null}]'))
    lane.observer = observer = Observer()
    ended, two, announced = Unit(), Unit(), Unit()
    ended.invalidate("user", "x")
    two.invalidate("user", "y")
    two.invalidate("group", "z")
    announced.invalidate("member", "g/bob", with_message=True)
    futures = [
        lane.submit(entry)
        for entry in (
            Entry(draft()), Entry(draft()), Entry(unit=ended), Entry(unit=two), Entry(draft(), announced)
        )
    ]  # fmt: skip
    first, again, *_ = await asyncio.gather(*futures)
    assert [(placed.id, placed.new) for placed in (first, again)] == [(5, True), (3, False)]
    changes = (Change(7, "member", "g/bob"), Change(8, "user", "y"), Change(9, "group", "z"))
    assert observer.happened == [Batch(5, 10, [5, 7], changes), "answered"]
    await lane.close()


async def test_batch_whose_answer_was_lost_is_sent_again_under_its_number():
    lane, made = await open_lane(ConnectionResetError(), row([5], 5, 5))
    placed = await lane.submit(Entry(draft()))
    assert placed.id == 5
    first, second = [connection.batches[0] for connection in made]
    assert first[:2] == second[:2]  # process and number
    assert made[0].terminated
    await lane.close()


async def test_database_that_does_not_answer_is_tried_for_a_while_and_then_once_for_each_batch():
    lane, made = await open_lane(*[OSError("down")] * 16, OSError("still down"), row([5], 5, 5))
    began = asyncio.get_running_loop().time()
    with pytest.raises(Refused):
        await lane.submit(Entry(draft()))
    assert UNREACHABLE_SECONDS <= asyncio.get_running_loop().time() - began <= UNREACHABLE_SECONDS + 0.5
    assert (lane.errors.current, len(made)) == ("down", 15)  # after 0.02 seconds, and up to 0.5 later each time
    del made[0].answers[:1]
    with pytest.raises(Refused):
        await lane.submit(Entry(draft()))
    assert (lane.errors.current, len(made)) == ("still down", 16)
    assert (await lane.submit(Entry(draft()))).id == 5
    assert lane.errors.current == ""
    await lane.close()


async def test_abandoned_lane_accepts_no_writes_and_carries_out_none():
    lane, made = await open_lane(row([5], 5, 5))
    waiting = lane.submit(Entry(draft()))
    await asyncio.sleep(0.001)
    lane.abandon()
    with pytest.raises(LaneClosed):
        lane.submit(Entry(draft()))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    assert made[0].terminated
