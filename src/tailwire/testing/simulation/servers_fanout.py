"""One of several simulated servers: the real code that delivers to its sockets and cooperates with the other servers.

All its code runs in a context of its own, so that the loop can stop, continue and kill it like a process.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from functools import partial
from typing import Any

from tailwire.server.fanout.hub import Hub
from tailwire.server.fanout.log import MessageLog
from tailwire.server.ports.broker import (
    FramePublication,
    MembershipChange,
    conversation_subjects,
    group_subject,
    user_subject,
)
from tailwire.server.ports.change_log import ChangeRow, receivers_of
from tailwire.server.ports.log import LoggedMessage
from tailwire.server.ports.records import Draft, Event
from tailwire.server.ports.refusal import Refused
from tailwire.server.store.postgres.drafts import Entry
from tailwire.server.store.postgres.lane import LaneClosed
from tailwire.server.store.postgres.unit import Unit
from tailwire.server.telemetry.metrics import Metrics
from tailwire.testing.simulation.servers_broker import Bus, SimulatedRemote
from tailwire.testing.simulation.servers_database import ADD_CHANGE_SQL, JOIN_SQL, LEAVE_SQL, SimulatedDatabase
from tailwire.testing.simulation.servers_observed import Observations
from tailwire.testing.simulation.servers_parts import Parts
from tailwire.testing.simulation.servers_queue import TRIGGER
from tailwire.testing.simulation.servers_store import GUID, SYSTEM, SharedStore, conversation_of
from tailwire.testing.virtual.network import current_process
from tailwire.testing.virtual.stopping import StoppingLoop


def _frame(message: LoggedMessage) -> FramePublication:
    return FramePublication(b'{"m":%d}' % message.row.id, predecessor_id=message.predecessor_id, id=message.row.id)


async def _change_frame(row: ChangeRow) -> bytes:
    await asyncio.sleep(0.001)
    return b'{"c":%d}' % row.number


class SimulatedServer:
    """A simulated server.

    Args:
        number: the number of the server.
        store: the messages, memberships and changes, which all servers share.
        database: the database that all servers share.
        bus: the broker that connects the servers.
        observed: records what the server does, for the judge.
        push_chance: the source of randomness for push notifications.

    Attributes:
        sockets: the registered sockets, in order.
        dead: whether it was killed, or has ended after a graceful shutdown.
        leaving: whether its graceful shutdown has begun.
        process: the name of its process, by which the loop stops and kills it.
        context: the context in which its code runs.
        parts: its connections to the database, and what runs on them.
        remote: its end of the broker.
        log, hub: the log of messages and changes, and the hub, which delivers them to the sockets.
    """

    def __init__(
        self, number: int, store: SharedStore, database: SimulatedDatabase, bus: Bus, observed: Observations,
        push_chance: random.Random,
    ) -> None:  # fmt: skip
        self.number = number
        self.process = f"server {number}"
        self.dead = self.leaving = False
        self.sockets: dict[Any, None] = {}  # a set would have a different order in each process
        self._store = store
        self._chance = bus.chance
        self._observed = observed
        self._tasks: set[asyncio.Task[Any]] = set()
        self.context = copy_context()
        self.context.run(current_process.set, self.process)
        self.context.run(self._make, store, database, bus, push_chance)

    def _make(self, store: SharedStore, database: SimulatedDatabase, bus: Bus, push_chance: random.Random) -> None:
        loop, metrics = asyncio.get_running_loop(), Metrics()
        self.parts = Parts(
            self.number,
            database,
            self._chance,
            lambda: store.fails,
            lambda: self.dead,
            self._observed,
            metrics,
            push_chance,
        )
        self.remote = SimulatedRemote(bus, self.number, self.context)
        self.log = MessageLog(self.remote, store, self.parts.store.feed, metrics, loop)
        self.hub = Hub(self.log, metrics, loop.call_soon, slow_close=1 << 30)
        self.parts.join(self.hub, self.log)

    async def start(self) -> None:
        """Register the server in the database, and start its work. Call it in `context`.

        Raises:
            Refused, or one of `connecting.UNUSABLE`: the database does not answer.
        """
        await self.parts.open()
        self.log.attach(self.hub, _frame, _change_frame)
        await self.log.start()
        await self.parts.start()

    # What the run does with the server.

    @property
    def _loop(self) -> StoppingLoop:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, StoppingLoop)
        return loop

    @property
    def stopped(self) -> bool:
        """Whether the loop has stopped the process, as by SIGSTOP, so that it does not respond."""
        return self._loop.is_stopped(self.process)

    def run(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Start a task in this server, and return it.

        `Refused` and `LaneClosed`, which mean that the store cannot answer, are ignored: the task then returns None.
        Any other exception is added to `Observations.failures` and so fails the run.
        """
        task = self._loop.create_task(self._without_refusals(work), context=self.context)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        task.add_done_callback(lambda _: work.close())  # if the server was killed before this began
        return task

    async def _without_refusals(self, work: Coroutine[Any, Any, Any]) -> Any:
        try:
            return await work
        except (Refused, LaneClosed):
            return None  # its client receives the error

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._observed.failures.append(error)

    def do(self, call: Callable[[], object]) -> None:
        """Schedule a call of a function in this server's context; without effect if the server is dead."""
        if not self.dead:
            self._loop.call_soon(call, context=self.context)

    async def close(self) -> None:
        """Shut down gracefully, as after SIGTERM, and wait until that has ended.

        The clients lose their connections. Their users count as online for the grace period in which they can connect
        to another server.
        """
        self.leaving = True
        for socket in list(self.sockets):
            socket.lose_connection()
        await self._loop.create_task(self.parts.close(self.log), context=self.context)
        self.kill()

    def kill(self) -> None:
        """Kill the server, as SIGKILL does: what it has not published yet is never published. Its clients notice it."""
        self.dead = True
        self.remote.end()
        self._loop.kill(self.process, connected=False)
        for socket in list(self.sockets):
            socket.lose_connection()

    # Actions of its users.

    async def _pause(self) -> None:
        await asyncio.sleep(self._chance.choice((0.0005, 0.002, 0.02, 0.2)))

    async def send(self, receivers: list[tuple[str, str]], joins: str = "", leaves: str = "") -> None:
        """Begin to store messages, each in a task of its own, which then publishes its message.

        Args:
            receivers: the receiver of each message, with its kind: `user` or `group`.
            joins: the uid of a user who joins the group with the first message; "" for none.
            leaves: the uid of a user who leaves it with the first message; "" for none.
        """
        await self._pause()
        for place, (receiver, kind) in enumerate(receivers):
            unit = None
            if (joins or leaves) and not place:
                unit = Unit()
                unit.run_required(JOIN_SQL if joins else LEAVE_SQL, uid=joins or leaves)
                unit.invalidate("member", f"{GUID}/{joins or leaves}", with_message=True)
            self.run(self._send(receiver, kind, unit, joins, leaves))

    async def _send(self, receiver: str, kind: str, unit: Unit | None, joins: str, leaves: str) -> None:
        tag = self._observed.next_tag()
        draft = Draft(
            conversation_of(receiver, kind), SYSTEM, receiver, kind, "message", "text", b'{"tag":%d}' % tag, 1
        )
        events = await self.parts.store.webhooks.wanted_events((Event(TRIGGER),))
        answer = await self.parts.store.lane.submit(Entry(draft, unit, events=events))
        # There is no await from here until everything is published, so that publications are in the order of the ids.
        number, ended = (answer.id, None) if unit is None else (answer.message_id, answer.ended)
        if ended is not None:
            return
        self.parts.store.webhooks.report_queued(events)
        self.parts.push.schedule(number)
        self._observed.acknowledge(tag, number)
        if unit is not None and joins:
            self.log.publish(user_subject(joins), MembershipChange(GUID, joined=True, id=number))
        publication = FramePublication(b'{"m":%d}' % number, predecessor_id=answer.predecessor_id, id=number)
        for subject in conversation_subjects(conversation_of(receiver, kind)):
            self.log.publish(subject, publication)
        if unit is not None and leaves:
            self.log.publish(user_subject(leaves), MembershipChange(GUID, joined=False, id=number))

    async def change(self, key: str, receiver: str, kind: str, to_uid: str) -> None:
        """Store an entry of the change log, and publish it.

        Args:
            key: the key of the entry, which replaces an earlier entry with the same key.
            receiver: the uid of the user, or the guid of the group, whose conversation the change is about.
            kind: `user` or `group`.
            to_uid: the uid of the only user who receives it; "" for all.
        """
        await self._pause()
        unit = Unit()
        unit.run_returning(ADD_CHANGE_SQL, key=key, receiver=receiver, kind=kind, to_uid=to_uid)
        answer = await self.parts.store.lane.submit(Entry(unit=unit))
        number = answer.results[0][0]["number"]
        await self._pause()
        row = self._store.entries.get(number)
        if row is None:
            return  # replaced by a newer one meanwhile
        guid, uids = receivers_of(row)
        publication = FramePublication(b'{"c":%d}' % number, number=number)
        for subject in [group_subject(guid)] if guid else map(user_subject, uids):
            self.log.publish(subject, publication)

    # Its sockets.

    def register(self, socket: Any) -> asyncio.Task[Any]:
        """Begin to register a socket, as the gateway does, and return the task.

        When the task has ended, `socket.ready` says whether the socket was registered.
        """
        return self.run(self._register(socket))

    async def _register(self, socket: Any) -> None:
        if not socket.open or self.leaving:
            return
        self.sockets[socket] = None
        if self.hub.add(socket):
            self.run(self.parts.notices.user_came_online(socket.uid))
        groups = self._store.groups_of(socket.uid)
        await asyncio.sleep(0.001)
        if not socket.open:
            return
        try:
            await self.log.passed(max(groups.values(), default=0))
        except Refused:
            socket.lose_connection()
            return
        if socket not in self.sockets:
            return
        self.hub.join_groups(socket, groups)
        await self.log.wait_confirmed()
        socket.ready = socket.open

    def remove(self, socket: Any) -> None:
        """Let the server notice that a client has lost its socket."""
        self.do(partial(self._remove, socket))

    def _remove(self, socket: Any) -> None:
        if socket in self.sockets:
            del self.sockets[socket]
            if self.hub.remove(socket) and not self.leaving:
                self.run(self.parts.notices.user_went_offline(socket.uid))
