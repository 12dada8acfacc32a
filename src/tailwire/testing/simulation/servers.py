"""Simulate several servers on one database on virtual time, to test the code with which they cooperate.

In each server the real code runs of the log of messages and changes and of the hub, which deliver to sockets; of the
queue of writes to the database (the lane); and of what the servers agree on: who is online, and which of them sends to
a webhook and to devices. In each client the real continuity machine runs. The database and the broker are models, so
this tests neither SQL nor the protocol of a broker; the tests on real servers do.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Callable
from typing import Any

from tailwire.server.ports.refusal import Refused
from tailwire.server.store.postgres.connecting import UNUSABLE
from tailwire.testing.simulation.servers_broker import Bus
from tailwire.testing.simulation.servers_database import SimulatedDatabase
from tailwire.testing.simulation.servers_errors import collected_errors
from tailwire.testing.simulation.servers_fanout import SimulatedServer
from tailwire.testing.simulation.servers_judge import judge, judge_leases
from tailwire.testing.simulation.servers_observed import BrokenPromise, Observations
from tailwire.testing.simulation.servers_phone import Phone
from tailwire.testing.simulation.servers_socket import Socket
from tailwire.testing.simulation.servers_store import GUID, USERS, SharedStore
from tailwire.testing.virtual.loop import virtual_run
from tailwire.testing.virtual.stopping import StoppingLoop

__all__ = ["BrokenPromise", "MakeDatabase", "ServersRun", "play"]

GUESTS = ("dora", "emil")
"""The uids of users who connect and disconnect, to change who is online. Nothing is sent to them."""
STEPS_PER_RUN = 70
QUIET_SECONDS = 45.0
"""Virtual seconds without faults before the run is judged: long enough for leases to end and queues to be emptied."""
WATCH_SECONDS = 0.1
WEIGHTS = {
    "send": 34, "change": 30, "move": 8, "break": 8, "join": 5, "leave": 3, "kill": 3, "fail": 3, "stop": 5, "guest": 6,
    "restart": 2, "receiver": 3,
}  # fmt: skip


MakeDatabase = Callable[[SharedStore, random.Random, Callable[[], float]], SimulatedDatabase]


class ServersRun:
    """A run: servers, clients and what happens to them, from one seed.

    Args:
        seed: decides everything.
        count: the number of servers; 0 for two or three, by the seed.
        database: makes the database from the store, a source of randomness and a function that returns the time.

    Attributes:
        chance: the source of randomness.
        store: the messages, memberships and changes.
        bus: the broker.
        observed: what the servers did, for the judge.
        servers: the servers that were neither killed nor shut down; each of the others was replaced by a new one.
        first: the one of them that is never killed or shut down.
        phones: the clients with the features of the SDK, one for each of `USERS`.
        plain_clients: the clients without features, which stay connected to `first`: the uid, and the frames received.
        guests: the latest socket of each guest, by uid.
        closing: the servers whose graceful shutdown was begun; they become `dead` when it has ended.
        stopped_processes: the ids that the servers of `closing` had in the database.
        newest_at_start: the number of the newest change, and the id of the newest message of the group, before the
            first step.
        trace: what happened, in order; each entry begins with the virtual time.
        database: the database; set by `play`.
    """

    def __init__(self, seed: int, count: int = 0, database: MakeDatabase = SimulatedDatabase) -> None:
        self.chance = random.Random(seed)
        self._push_chance = random.Random(f"push {seed}")
        self._count = self.chance.choice((2, 3)) if count == 0 else count
        self.store = SharedStore(self.chance)
        self.bus = Bus(self.chance, carries_messages=self.chance.random() < 0.5)
        self.observed = Observations()
        self.servers: list[SimulatedServer] = []
        self.phones = [Phone(uid, self) for uid in USERS]
        self.plain_clients: list[tuple[str, list[Any]]] = []
        self.guests: dict[str, Socket] = {}
        self.closing: list[SimulatedServer] = []
        self.stopped_processes: set[int] = set()
        self.newest_at_start = 0, 0
        self.trace: list[tuple[Any, ...]] = []
        self._started = 0
        self._stops_soon: dict[int, SimulatedServer] = {}
        self.first: SimulatedServer
        self._tasks: set[asyncio.Task[Any]] = set()
        self._make_database = database
        self.database: SimulatedDatabase

    @property
    def _loop(self) -> StoppingLoop:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, StoppingLoop)
        return loop

    def add_to_trace(self, *what: Any) -> None:
        """Add an entry to `trace`, with the virtual time."""
        self.trace.append((self._loop.time(), *what))

    def run(self, work: Any) -> None:
        """Start a task outside the servers; an exception of it fails the run. It is cancelled at the end of the run."""
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.observed.failures.append(error)

    def any_server(self) -> SimulatedServer:
        """Return one of `servers` at random. Its process may be stopped, so that it does not respond."""
        return self.chance.choice(self.servers)

    async def _start_server(self) -> None:
        self.store.fails = False  # without the store no server starts
        while True:
            server = SimulatedServer(
                self._started, self.store, self.database, self.bus, self.observed, self._push_chance
            )
            self._started += 1
            try:
                await self._loop.create_task(server.start(), context=server.context)
            except (Refused, *UNUSABLE):
                server.kill()  # a supervisor starts another one
                continue
            self.servers.append(server)
            return

    async def play(self) -> None:
        """Carry out the run on the running `StoppingLoop`: random steps, some time without faults, and the judgement.

        Raises:
            BrokenPromise: a promise was broken.
        """
        self.database = self._make_database(self.store, self.chance, self._loop.time)
        self.database.announce = self.bus.announce
        self.database.executed = self._executed
        self.store.servers = lambda: sum(entry.serving for entry in self.database.processes.values())
        try:
            with collected_errors(self.observed.failures):
                await self._play()
        finally:
            self._loop.continue_all()
            self.database.close()

    async def _play(self) -> None:
        for _ in range(self._count):
            await self._start_server()
        self.first = self.servers[0]
        while "ann" not in self.store.joined:
            await self.first.run(self.first.send([(GUID, "group")], joins="ann"))
            await asyncio.sleep(1.0)
        for uid in USERS:
            await self._connect_plain_client(uid)
        await asyncio.sleep(1.5)
        for _, frames in self.plain_clients:
            frames.clear()
        self.newest_at_start = self.store.newest("")[1], max(self.store.visible("ann"), default=0)
        for phone in self.phones:
            self.run(phone.stay_connected())
        self.run(self._watch())
        for step in range(STEPS_PER_RUN):
            await asyncio.sleep(self.chance.choice((0.0, 0.001, 0.02, 0.2, 0.7, 0.7, 3.0)))
            await self._step(step)
        self.store.fails, self.database.calm, self.observed.refuses_until = False, True, 0.0
        self._loop.continue_all()
        for server in self.servers:
            server.do(server.remote.connect)
        await asyncio.sleep(QUIET_SECONDS)
        judge(self)
        for task in self._tasks:
            task.cancel()
        for server in self.servers:
            server.kill()

    async def _connect_plain_client(self, uid: str) -> None:
        frames: list[Any] = []
        for _ in range(10):
            if await Socket(self.first, uid, frames.append, chained=False).connect():
                break
        self.plain_clients.append((uid, frames))

    async def _watch(self) -> None:
        while True:
            judge_leases(self)
            await asyncio.sleep(WATCH_SECONDS)

    async def _step(self, step: int) -> None:
        chance, server = self.chance, self.any_server()
        what = chance.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        self.add_to_trace("step", what, server.number)
        places = [*((uid, "user") for uid in USERS), (GUID, "group"), (GUID, "group")]
        if what == "send":
            server.run(server.send(chance.choices(places, k=chance.choice((1, 1, 2, 4)))))
        elif what == "change":
            receiver, kind = chance.choice(places)
            key = chance.choice((f"{step}", "same", f"same {receiver}"))
            to_uid = chance.choice(("", "", chance.choice(USERS) if kind == "group" else receiver))
            server.run(server.change(f"{receiver} {to_uid} {key}", receiver, kind, to_uid))
        elif what == "move":
            socket = chance.choice(self.phones).socket
            if socket is not None:
                socket.lose_connection()
        elif what == "break":
            seconds = chance.choice((0.01, 0.5, 3.0))
            server.do(lambda: server.remote.break_for(seconds))
        elif what == "join":
            away = [uid for uid in USERS if uid not in self.store.joined]
            if away:
                server.run(server.send([(GUID, "group")], joins=chance.choice(away)))
        elif what == "leave":
            here = [uid for uid in USERS[1:] if uid in self.store.joined]
            if here:
                server.run(server.send([(GUID, "group")], leaves=chance.choice(here)))
        elif what == "kill" and server is not self.first and not server.stopped:
            self.servers.remove(server)
            server.kill()
            await self._start_server()
        elif what == "fail":
            self.store.fails = not self.store.fails
        elif what == "stop" and chance.random() < 0.5:
            self._stop(server)
        elif what == "stop":
            self._stops_soon[server.number] = server
        elif what == "restart" and server is not self.first and not server.stopped:
            self.servers.remove(server)
            self.closing.append(server)
            self.stopped_processes.add(server.parts.store.lane.process)
            self.run(server.close())
            await self._start_server()
        elif what == "receiver":
            self.observed.refuses_until = self._loop.time() + chance.choice((0.5, 2.0, 6.0))
        elif what == "guest":
            await self._guest(chance.choice(GUESTS), server)

    def _stop(self, server: SimulatedServer) -> None:
        # Clients with features notice by their heartbeats that the server does not respond.
        chance, loop = self.chance, self._loop
        if server.stopped:
            return
        loop.stop_process(server.process)
        for socket in server.sockets:
            if socket.chained:
                loop.call_later(chance.uniform(3.0, 18.0), self._give_up, socket)
        loop.call_later(chance.choice((0.5, 4.0, 9.9, 12.0, 15.0, 30.0)), self._continue, server)

    def _executed(self, number: int) -> None:
        # Stop a server between a statement and its answer, where a stop matters most.
        server = self._stops_soon.pop(number, None)
        if server is not None and server in self.servers and not self.database.calm:
            self._stop(server)

    def _give_up(self, socket: Socket) -> None:
        if socket.server.stopped:
            socket.lose_connection()

    def _continue(self, server: SimulatedServer) -> None:
        server.parts.world.wall_offset *= -1  # its clock jumps too
        self._loop.continue_process(server.process)
        judge_leases(self)

    async def _guest(self, uid: str, server: SimulatedServer) -> None:
        socket = self.guests.get(uid)
        if socket is not None and socket.open:
            socket.lose_connection()
        else:
            self.guests[uid] = Socket(server, uid, lambda frame: None, chained=True)
            self.run(self.guests[uid].connect())


def play(seed: int, count: int = 0, database: MakeDatabase = SimulatedDatabase) -> str:
    """Carry out a run on a new virtual loop, and return a digest of what happened.

    Equal arguments give equal digests, also in other processes.

    Args:
        seed: decides everything.
        count: the number of servers; 0 for two or three, by the seed.
        database: makes the database (see `ServersRun`).

    Raises:
        BrokenPromise: a promise was broken.
    """
    several = ServersRun(seed, count, database)
    virtual_run(several.play(), StoppingLoop)
    observed = several.observed
    happened = several.trace, observed.acknowledged, observed.posts, observed.push_posts
    return hashlib.sha256(repr(happened).encode()).hexdigest()[:16]
