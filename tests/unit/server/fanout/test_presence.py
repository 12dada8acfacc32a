"""Who is online across processes, on virtual time: the table may fail, and notices may be lost or duplicated."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

import pytest

from tailwire.server.fanout.left_foreground import LeftForeground
from tailwire.server.fanout.presence import SharedPresence, SingleProcessPresence
from tailwire.server.ports.broker import PresenceDelta
from tailwire.server.ports.presence import LocalPresence, ProcessUsers, State, StoredPresence, Transition
from tailwire.server.ports.refusal import Refused

pytestmark = pytest.mark.virtual
OFFLINE, AWAY, ONLINE = State.OFFLINE, State.AWAY, State.ONLINE


class Table:
    """The table that all processes share."""

    def __init__(self) -> None:
        self.rows: dict[int, dict[str, bool]] = {}
        self.versions: dict[int, int] = {}
        self.fails = False

    def state(self, uid: str) -> State:
        away = [rows[uid] for rows in self.rows.values() if uid in rows]
        return OFFLINE if not away else AWAY if all(away) else ONLINE


class TableOf:
    """`PresenceTable` of one process."""

    def __init__(self, table: Table, process: int) -> None:
        self._table = table
        self.process = process
        self.notes = self.reads = 0

    async def _answer(self) -> None:
        await asyncio.sleep(0.001)
        if self._table.fails:
            raise Refused("ERR_UNAVAILABLE")

    async def store_online(self, users: Sequence[LocalPresence]) -> StoredPresence:
        await self._answer()
        self.notes += 1
        mine = self._table.rows.setdefault(self.process, {})
        first = int(asyncio.get_running_loop().time() * 1000)
        self._table.versions[self.process] = version = self._table.versions.get(self.process, first) + 1
        befores = [self._table.state(user.uid) for user in users]
        for user in users:
            if user.online:
                mine[user.uid] = user.away
            else:
                mine.pop(user.uid, None)
        afters = [self._table.state(user.uid) for user in users]
        return StoredPresence(self.process, version, list(map(Transition, befores, afters)))

    async def versions(self) -> tuple[int, dict[int, int]]:
        await self._answer()
        return self.process, dict(self._table.versions)

    async def users_of(self, process: int) -> ProcessUsers | None:
        self.reads += 1
        version = self._table.versions.get(process)
        found = ProcessUsers(version, dict(self._table.rows.get(process, {}))) if version is not None else None
        await asyncio.sleep(0.2)  # a long answer, while changes arrive
        await self._answer()
        return found


class Bus:
    """Carries notices between processes: late, twice, or not at all."""

    def __init__(self, chance: random.Random | None = None) -> None:
        self.processes: list[Process] = []
        self._chance = chance

    def publish(self, delta: PresenceDelta) -> None:
        for process in self.processes:
            if self._chance is None:
                process.on_presence_delta(delta)
                continue
            for _ in range(self._chance.choice((0, 1, 1, 1, 2))):
                asyncio.get_running_loop().call_later(self._chance.random() * 0.05, process.on_presence_delta, delta)


class Process:
    """A process: what `SharedPresence` needs of its hub and its broker."""

    def __init__(self, table: Table, bus: Bus, number: int) -> None:
        self.away: set[str] = set()
        self.online: set[str] = set()
        self.left = LeftForeground()
        self.table = TableOf(table, number)
        self.forgotten: list[str] = []
        self.bus = bus
        self.broker = self
        bus.processes.append(self)
        self.presence = SharedPresence(self, self.table, self.forgotten.extend)  # type: ignore[arg-type]

    def subscribe(self, subject: str) -> None:
        assert subject == "presence.deltas"

    def publish(self, subject: str, delta: PresenceDelta) -> None:
        self.bus.publish(delta)

    def is_online(self, uid: str) -> bool:
        return uid in self.online

    def sockets_of(self, uid: str) -> list[str]:
        return ["a socket"] if uid in self.online else []

    def online_users(self) -> list[str]:
        return sorted(self.online)

    async def comes(self, uid: str) -> Transition:
        self.online.add(uid)
        return await self.presence.record_change(uid)

    async def goes(self, uid: str) -> Transition:
        self.online.discard(uid)
        self.away.discard(uid)
        return await self.presence.record_change(uid)


def several(count: int, chance: random.Random | None = None) -> tuple[Table, list[Process]]:
    table, bus = Table(), Bus(chance)
    return table, [Process(table, bus, number + 1) for number in range(count)]


async def test_each_process_knows_who_is_online_at_other_processes():
    _, (one, other) = several(2)
    assert await one.comes("alice") == (OFFLINE, ONLINE)
    assert other.presence.is_online_elsewhere("alice")
    assert not one.presence.is_online_elsewhere("alice")
    assert await other.comes("alice") == (ONLINE, ONLINE)
    assert await one.goes("alice") == (ONLINE, ONLINE)
    assert not other.presence.is_online_elsewhere("alice")
    assert await other.goes("alice") == (ONLINE, OFFLINE)
    assert list(one.presence.online_elsewhere()) == list(other.presence.online_elsewhere()) == []
    assert one.forgotten == ["alice", "alice"]


async def test_user_is_in_the_foreground_while_an_app_of_theirs_is_at_any_process():
    _, (one, other) = several(2)

    def foreground() -> tuple[bool, bool]:
        return one.presence.is_foreground("alice"), other.presence.is_foreground("alice")

    assert foreground() == (False, False)
    await one.comes("alice")
    assert foreground() == (True, True)
    one.away.add("alice")
    await one.presence.record_change("alice")
    assert foreground() == (False, False)
    await other.comes("alice")
    assert foreground() == (True, True)


async def test_user_who_leaves_before_their_arrival_is_stored_is_not_reported_as_online():
    table, (one, other) = several(2)
    coming = asyncio.create_task(one.comes("bob"))
    await asyncio.sleep(0)
    one.online.discard("bob")
    assert await one.presence.record_change("bob") == (OFFLINE, OFFLINE)
    assert await coming == (OFFLINE, OFFLINE)
    assert (one.table.notes, table.rows) == (1, {1: {}}), "both were stored at once"
    assert not other.presence.is_online_elsewhere("bob")


async def test_presence_changes_while_the_table_fails_are_decided_from_memory_and_stored_later():
    table, (one, other) = several(2)
    await one.comes("alice")
    await other.comes("alice")
    table.fails = True
    assert await one.goes("alice") == (ONLINE, ONLINE), "alice is known to be elsewhere"
    assert await one.comes("bob") == (OFFLINE, ONLINE)
    assert await one.goes("bob") == (ONLINE, OFFLINE)
    assert await one.comes("carol") == (OFFLINE, ONLINE)
    table.fails = False
    await asyncio.sleep(2)
    assert table.rows == {1: {"carol": False}, 2: {"alice": False}}
    assert set(other.presence.online_elsewhere()) == {"carol"}


async def test_new_process_reads_who_is_online():
    table, (one, other) = several(2)
    await one.comes("alice")
    await other.comes("bob")
    late = Process(table, one.bus, 3)
    await late.presence.start()
    assert set(late.presence.online_elsewhere()) == {"alice", "bob"}


async def test_presence_table_is_read_only_when_a_notice_of_another_process_was_lost():
    _, (one, other) = several(2)
    await one.comes("alice")
    for _ in range(2):
        await other.presence.look({1, 2})
    reads = other.table.reads  # of who was there before
    await one.comes("bob")
    await one.goes("alice")
    await one.comes("dave")
    for _ in range(2):
        await other.presence.look({1, 2})
    assert other.table.reads == reads
    one.bus.processes.remove(other)  # its notices are lost
    await one.comes("carol")
    one.bus.processes.append(other)
    for _ in range(2):
        await other.presence.look({1, 2})
    assert (other.table.reads, sorted(other.presence.online_elsewhere())) == (reads + 1, ["bob", "carol", "dave"])


async def test_lost_notice_is_noticed_although_the_presence_of_others_changes_between_all_looks():
    _, (one, other) = several(2)
    await one.comes("bob")
    for _ in range(2):
        await other.presence.look({1, 2})
    one.bus.processes.remove(other)
    await one.goes("bob")  # this notice is lost
    one.bus.processes.append(other)
    for number in range(2):
        await one.comes(f"user {number}")
        looking = asyncio.create_task(other.presence.look({1, 2}))
        await asyncio.sleep(0.1)
        await one.comes(f"user {number} while the table is read")
        await looking
    assert not other.presence.is_online_elsewhere("bob")
    assert len(other.presence.online_elsewhere()) == 4
    reads = other.table.reads
    for number in range(5):
        await one.comes(f"late user {number}")
        await other.presence.look({1, 2})
    assert (other.table.reads, len(other.presence.online_elsewhere())) == (reads, 9), "nothing is missing any more"


async def test_notices_from_before_the_table_was_emptied_are_not_applied_to_it():
    table, (one, other) = several(2)
    await one.comes("alice")
    for _ in range(2):
        await other.presence.look({1, 2})
    one.bus.processes.remove(other)
    await one.comes("carol")  # this notice is lost, so that the next ones are kept
    one.bus.processes.append(other)
    await one.comes("bob")
    table.rows[1], table.versions[1] = {"dave": False}, 1
    for _ in range(2):
        await other.presence.look({1, 2})
    assert set(other.presence.online_elsewhere()) == {"dave"}


async def test_presence_change_that_arrives_while_the_table_is_read_is_not_overwritten():
    _, (one, other) = several(2)
    one.bus.processes.remove(other)
    await one.comes("alice")
    one.bus.processes.append(other)
    reading = asyncio.create_task(other.presence.look({1, 2}))
    await reading
    reading = asyncio.create_task(other.presence.look({1, 2}))
    await asyncio.sleep(0.1)  # the answer that alice is online is on its way
    await one.goes("alice")
    await reading
    assert not other.presence.is_online_elsewhere("alice")


async def test_users_who_were_only_at_an_ended_process_are_offline_everywhere():
    _, (one, other, third) = several(3)
    await one.comes("alice")
    await third.comes("alice")
    await one.comes("bob")
    other.presence.forget_process(1)
    for process in (other, third):
        assert not process.presence.is_online_elsewhere("bob")
    assert other.presence.is_online_elsewhere("alice")
    assert not third.presence.is_online_elsewhere("alice")


@pytest.mark.parametrize("seed", range(20))
async def test_all_processes_agree_in_the_end_even_if_notices_are_lost_late_or_duplicated(seed: int):
    chance = random.Random(seed)
    table, processes = several(3, chance)
    alive = {1, 2, 3}

    async def look() -> None:
        while True:
            await asyncio.sleep(2)
            for process in processes:
                try:
                    await process.presence.look(alive)
                except Refused:
                    continue

    looking = asyncio.create_task(look())
    waiting: list[asyncio.Task[Transition]] = []
    for _ in range(100):
        process, uid = chance.choice(processes), chance.choice("abcdef")
        step = chance.random()
        if step < 0.05:
            table.fails = not table.fails
        elif step < 0.08:  # the database has crashed
            table.rows.clear()
            table.versions.clear()
        elif step < 0.1:  # it was declared dead, and has woken
            old = process.table.process
            table.rows.pop(old, None)
            table.versions.pop(old, None)
            alive.discard(old)
            process.table.process = max(alive) + 10
            alive.add(process.table.process)
        else:
            change = process.goes if process.is_online(uid) else process.comes
            waiting.append(asyncio.create_task(change(uid)))
        await asyncio.sleep(chance.random() * 0.5)
    table.fails = False
    await asyncio.sleep(20)
    assert all(task.done() for task in waiting)
    for process in processes:
        assert set(table.rows.get(process.table.process, {})) == process.online
        elsewhere = set().union(*(other.online for other in processes if other is not process))
        assert set(process.presence.online_elsewhere()) == elsewhere
    looking.cancel()


async def test_process_that_is_alone_reports_each_change_of_presence_itself():
    _, (hub,) = several(1)
    presence = SingleProcessPresence(hub)  # type: ignore[arg-type]
    hub.online.add("alice")
    assert await presence.record_change("alice") == (OFFLINE, ONLINE)
    hub.away.add("alice")
    assert await presence.record_change("alice") == (ONLINE, AWAY)
    hub.online.clear()
    assert await presence.record_change("alice") == (AWAY, OFFLINE)
    assert await presence.record_change("alice") == (OFFLINE, OFFLINE)
    assert (presence.is_online_elsewhere("alice"), list(presence.online_elsewhere())) == (False, [])
