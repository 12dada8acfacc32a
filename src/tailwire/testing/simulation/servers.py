"""Several servers over one store on virtual time: real fan-out and real continuity of clients, on models of the rest.

Each server runs its real log, healing of changes and hub; each client runs its real continuity machine. Store and
broker are models, so this shows nothing about SQL, leases or the protocol of a broker; the tests on real servers do.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from typing import Any

from tailwire.sdk.continuity import catch_up, chain, changes
from tailwire.sdk.continuity.commands import FetchAfter, FetchLatest, HandOver, TellGap
from tailwire.sdk.continuity.state import CatchUp
from tailwire.testing.simulation.servers_broker import Bus
from tailwire.testing.simulation.servers_fanout import SimulatedServer, Socket
from tailwire.testing.simulation.servers_store import GUID, SharedStore
from tailwire.testing.virtual.loop import virtual_run

USERS = ("ann", "ben", "cleo")
STEPS = 70
QUIET_SECONDS = 12.0
"""How long everything works at the end of a run before the run is judged."""


class Wrong(AssertionError):
    """A promise was broken."""


class Phone:
    """A client with the features of the SDK, which moves from server to server.

    Attributes:
        messages, changes: what the app has received, in order.
        start: the id of the newest message and the number of the newest change at the login.
    """

    def __init__(self, uid: str, world: Several) -> None:
        self.uid = uid
        self._world = world
        self.machine = CatchUp()
        self.messages: list[int] = []
        self.changes: list[int] = []
        self.start: tuple[int, int] | None = None
        self.socket: Socket | None = None
        self._epoch = 0

    async def stay_connected(self) -> None:
        """Connect to a server whenever there is no connection."""
        while True:
            await asyncio.sleep(self._world.chance.choice((0.01, 0.3, 1.5)))
            socket = Socket(self._world.any_server(), self.uid, self._take, chained=True)
            ended = asyncio.Event()
            socket.on_lost = ended.set
            if await socket.connect(self._world.store):
                self.socket = socket
                self._epoch += 1
                self._carry(catch_up.connected(self.machine, "store"))
                await ended.wait()
                self._epoch += 1
                catch_up.disconnected(self.machine)

    def _hand_over(self, number: int) -> None:
        self.messages.append(number)
        self._world.note(self.uid, "message", number)

    def _hand_over_change(self, number: int) -> None:
        self.changes.append(number)
        self._world.note(self.uid, "change", number)

    def _take(self, frame: Any) -> None:
        if self.socket is None or not self.socket.open:
            return
        m = self.machine
        if "m" in frame:
            number, before = frame["m"], frame.get("before", 0)
            if before and chain.broken(m, before):
                self._carry(chain.hold(m, before, number, number))
            elif catch_up.passes(m, number):
                self._hand_over(number)
            else:
                self._carry(catch_up.live(m, number, number, before=before))
                self._carry(chain.mended(m))
            return
        number = frame["number"]
        if not changes.is_known(m, number) and not changes.held(m, number, number):
            changes.record(m, number)
            changes.settled_live(m, frame.get("settled", 0))
            self._hand_over_change(number)
            if changes.are_many(m):
                self._carry(catch_up.poll(m))

    def _carry(self, commands: Any) -> None:
        loop = asyncio.get_running_loop()
        for command in commands:
            if isinstance(command, HandOver):
                for item in command.messages:
                    if isinstance(item, changes.Change):
                        self._hand_over_change(item.event)
                    else:
                        self._hand_over(item)
            elif isinstance(command, FetchAfter | FetchLatest):
                self._world.run(self._fetch(command, self._epoch))
            elif isinstance(command, chain.Wait):
                loop.call_later(command.seconds, self._waited, self._epoch)
            elif isinstance(command, TellGap):
                raise Wrong(f"{self.uid} was told a gap: {command}")

    def _waited(self, epoch: int) -> None:
        if epoch == self._epoch:
            self._carry(chain.waited(self.machine))

    async def _fetch(self, command: FetchAfter | FetchLatest, epoch: int) -> None:
        store, chance, m = self._world.store, self._world.chance, self.machine
        await asyncio.sleep(chance.choice((0.002, 0.05, 0.4)))
        while epoch == self._epoch and (store.fails or chance.random() < 0.1):
            command = catch_up.failed(m, command)
            await asyncio.sleep(0.3)
        if epoch != self._epoch:
            return
        if isinstance(command, FetchLatest):
            found = store.newest(self.uid)
            await asyncio.sleep(0.01)
            if epoch == self._epoch:
                self.start = self.start or found
                self._carry(catch_up.latest(m, found[0], "store", known=found[1]))
            return
        assert m.position is not None
        page = store.page(self.uid, command.after_id, command.limit, m.position)
        await asyncio.sleep(chance.choice((0.001, 0.1)))
        if epoch == self._epoch:
            self._carry(catch_up.page(m, [(n, n) for n in page.ids], whole=page.whole, listed=page.listed))


class Several:
    """A run: servers, clients and what happens to them, from one seed.

    Args:
        count: the number of servers; 0 for two or three, by the seed.

    Attributes:
        trace: what happened, in order; each entry begins with its time.
    """

    def __init__(self, seed: int, count: int = 0) -> None:
        self.chance = random.Random(seed)
        self._count = self.chance.choice((2, 3)) if count == 0 else count
        self.store = SharedStore(self.chance)
        self.bus = Bus(self.chance, carries_messages=self.chance.random() < 0.5)
        self.store.announce = self.bus.announce
        self.servers: list[SimulatedServer] = []
        self.phones = [Phone(uid, self) for uid in USERS]
        self.plain: list[tuple[str, list[Any]]] = []  # clients without features at the first server, which lives on
        self._tasks: set[asyncio.Task[Any]] = set()
        self._failures: list[BaseException] = []
        self.trace: list[tuple[Any, ...]] = []

    def note(self, *what: Any) -> None:
        """Add an entry to the trace of the run."""
        self.trace.append((asyncio.get_running_loop().time(), *what))

    def run(self, work: Any) -> None:
        """Run a coroutine concurrently with everything else."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failures.append(error)

    def any_server(self) -> SimulatedServer:
        """Return a server that is running."""
        return self.chance.choice(self.servers)

    async def _start_server(self, number: int) -> None:
        server = SimulatedServer(number, self.store, self.bus)
        self.store.fails = False  # without the store no server starts
        await server.start()
        self.servers.append(server)

    async def play(self) -> None:
        """Play the run, and judge it.

        Raises:
            Wrong: a promise was broken.
        """
        for number in range(self._count):
            await self._start_server(number)
        self.store.commit(99, [("g", "group")], joins="ann")
        for uid in USERS:
            heard: list[Any] = []
            await Socket(self.servers[0], uid, heard.append, chained=False).connect(self.store)
            self.plain.append((uid, heard))
        await asyncio.sleep(1.5)
        for _, heard in self.plain:
            heard.clear()
        self._begin = self.store.newest("")[1], max(self.store.visible("ann"), default=0)
        for phone in self.phones:
            self.run(phone.stay_connected())
        for step in range(STEPS):
            await asyncio.sleep(self.chance.choice((0.0, 0.001, 0.02, 0.2, 0.7)))
            await self._step(step)
        self.store.fails = False
        for server in self.servers:
            server.remote.connect()
        await asyncio.sleep(QUIET_SECONDS)
        self._judge()
        for task in self._tasks:
            task.cancel()
        for server in self.servers:
            await server.log.close()

    async def _step(self, step: int) -> None:
        chance, server = self.chance, self.any_server()
        what = chance.choices(
            ["send", "change", "move", "break", "join", "leave", "kill", "fail"], [34, 34, 8, 8, 5, 3, 3, 3]
        )[0]  # fmt: skip
        self.note("step", what, server.number)
        places = [*((uid, "user") for uid in USERS), (GUID, "group"), (GUID, "group")]
        if what == "send":
            self.run(server.send(chance.choices(places, k=chance.choice((1, 1, 2, 4)))))
        elif what == "change":
            receiver, kind = chance.choice(places)
            key = chance.choice((f"{step}", "same", f"same {receiver}"))
            to_uid = chance.choice(("", "", chance.choice(USERS) if kind == "group" else receiver))
            self.run(server.change(f"{receiver} {to_uid} {key}", receiver, kind, to_uid))
        elif what == "move":
            socket = chance.choice(self.phones).socket
            if socket is not None:
                socket.lost()
        elif what == "break":
            server.remote.break_for(chance.choice((0.01, 0.5, 3.0)))
        elif what == "join":
            away = [uid for uid in USERS if uid not in self.store.joined]
            if away:
                self.run(server.send([(GUID, "group")], joins=chance.choice(away)))
        elif what == "leave":
            here = [uid for uid in USERS[1:] if uid in self.store.joined]
            if here:
                self.run(server.send([(GUID, "group")], leaves=chance.choice(here)))
        elif what == "kill" and server.number:
            self.servers.remove(server)
            await server.kill()
            await self._start_server(100 + step)
        elif what == "fail":
            self.store.fails = not self.store.fails

    def _judge(self) -> None:
        for error in self._failures:
            raise Wrong(repr(error)) from error
        for phone in self.phones:
            if phone.start is None:
                raise Wrong(f"{phone.uid} could not log in")
            wanted = [n for n in self.store.visible(phone.uid) if n > phone.start[0]]
            _same(f"messages of {phone.uid}", [n for n in phone.messages if n > phone.start[0]], wanted)
            _each_once(f"changes of {phone.uid}", phone.changes, self._changes_of(phone.uid, phone.start[1]))
        for uid, heard in self.plain:
            wanted = [n for n in self.store.visible(uid) if n > self._begin[1]]
            _same(f"frames of {uid}", [f["m"] for f in heard if "m" in f], wanted)
            _each_once(f"changes for {uid}", [f["c"] for f in heard if "c" in f], self._changes_of(uid, self._begin[0]))

    def _changes_of(self, uid: str, after: int) -> list[int]:
        return [n for n, row in self.store.entries.items() if n > after and self.store.concerns(row, uid)]


def _same(what: str, found: list[int], wanted: list[int]) -> None:
    if found != wanted:
        missing, more = sorted(set(wanted) - set(found)), sorted(set(found) - set(wanted))
        raise Wrong(f"{what}: missing {missing}, unexpected {more}, received {found}")


def _each_once(what: str, found: list[int], wanted: list[int]) -> None:
    if len(found) != len(set(found)):
        raise Wrong(f"{what}: twice {sorted({n for n in found if found.count(n) > 1})}")
    if not set(wanted) <= set(found):
        raise Wrong(f"{what}: missing {sorted(set(wanted) - set(found))}")


def play(seed: int, count: int = 0) -> str:
    """Play a run. Return the digest of its trace: equal seeds give equal digests, in every process.

    Args:
        count: the number of servers; 0 for two or three, by the seed.

    Raises:
        Wrong: a promise was broken.
    """
    several = Several(seed, count)
    virtual_run(several.play())
    return hashlib.sha256(repr(several.trace).encode()).hexdigest()[:16]
