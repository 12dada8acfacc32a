"""Runs a plan: does what its steps say, lets everything calm down, and asks the oracle."""

from __future__ import annotations

import asyncio
import atexit
import functools
import hashlib
import logging
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection

from tailwire.sdk.exceptions import CometChatException
from tailwire.sdk.io import driver
from tailwire.server.actions.caller import Caller
from tailwire.server.actions.groups import NewGroup
from tailwire.server.actions.members import Join
from tailwire.server.ports.broker import Publication, user_subject
from tailwire.server.store.migrate import upgrade
from tailwire.testing.invariants import Broken, check_step
from tailwire.testing.simulation import oracle
from tailwire.testing.simulation.deeds import GROUP, NETWORK, PERSON, quietly
from tailwire.testing.simulation.person import Person, Send
from tailwire.testing.simulation.plan import PEOPLE, USERS, Plan, Step
from tailwire.testing.virtual.loop import virtual_run
from tailwire.testing.virtual.world import VirtualServer, virtual_loop
from tailwire.wire.entities import TextMessage

IN_DOUBT = frozenset({"NO_INTERNET_CONNECTION", "ERR_UNAVAILABLE", "ERR_MISSION_FAILED", "ERR_BAD_ERROR_RESPONSE"})


class Failed(AssertionError):
    """A run broke a promise.

    Attributes:
        rule: the first word of what is wrong: a run that fails with the same rule fails in the same way.
    """

    def __init__(self, what: str, trace: list[tuple[Any, ...]]) -> None:
        super().__init__(what)
        self.rule = what.partition(":")[0]
        self.trace = trace


@dataclass(frozen=True, slots=True)
class Report:
    """What a run came to. `digest` is that of all that happened: the same plan gives the same."""

    seconds: float
    stored: int
    heard: int
    digest: str


@dataclass
class Play:
    """One run."""

    plan: Plan
    server: VirtualServer
    trace: list[tuple[Any, ...]] = field(default_factory=list)
    sends: dict[str, Send] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    lost: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.plan.seed)
        self.people = {
            name: Person(name, self.server, self.plan.seed * 10 + n, self.trace) for n, name in enumerate(PEOPLE)
        }
        self._later: list[asyncio.Task[None]] = []
        self._starting = asyncio.Lock()
        self._numbers = 0

    # The run.

    async def begin(self) -> None:
        """A server with users and a group; everybody is logged in."""
        await self._start_server()
        await self.server.add_users(*USERS)
        assert self.server.parts is not None
        actions = self.server.parts.actions
        await actions.groups.create(Caller(USERS[0], "", ""), NewGroup(guid=GROUP, name="Team"))
        for uid in USERS[1:]:
            await actions.members.join(Caller(uid, "", ""), GROUP, Join())
        for person in self.people.values():
            person.start()
            await person.run(person.log_in())
            if not person.auto and person.chat is not None:
                await person.run(person.chat.connect())

    async def take(self, step: Step) -> None:
        """Do a step, and do not wait for its end."""
        await asyncio.sleep(step.wait)
        self.trace.append((round(virtual_loop().time(), 6), step.who, step.what, step.value))
        if step.who in self.people:
            deeds: Any = PERSON
            deeds[step.what](self, self.people[step.who], step.value)
        elif step.who == "network":
            NETWORK[step.what](self, step.value)
        else:
            await getattr(self, f"server_{step.what.replace(' ', '_')}")(step.value)
        self._one_socket_each()

    def _one_socket_each(self) -> None:
        # I7, seen from the network: whatever a client believes of itself.
        count: Counter[str] = Counter()
        for transport in virtual_loop().network.open:
            alive = not transport.is_closing() and isinstance(transport.protocol, ClientConnection)
            count[transport.of] += alive
        for name, sockets in count.items():
            oracle.require(sockets <= 1, f"I7: {name} has {sockets} sockets")

    async def calm(self) -> None:
        """All is well again: the server is up, the network too, every app in the foreground and logged in."""
        loop = virtual_loop()
        for task in self._later:
            await task
        loop.network.restore()
        loop.network.jitter = loop.work_takes = float
        self.lost.clear()
        await self._start_server()
        for person in self.people.values():
            person.blocks, person.raises = 0.0, False
            person.start()
        await asyncio.sleep(1)
        hints = self.chance.random() < 0.5
        for person in self.people.values():
            chat = person.chat
            assert chat is not None
            person.context.run(chat.set_app_state, "foreground")
            if hints:
                person.context.run(chat.set_network, "online")
            if chat.get_logged_in_user() is None or chat.kept_session().expired:
                await person.run(person.log_in())
            held = chat._driver is not None and chat._driver.state.held  # by disconnect(): that is for connect() to end
            if hints or held or not person.auto:
                person.run(quietly(chat.connect()))
        await asyncio.sleep(60)  # attempts end, waits are over: without a hint too
        for person in self.people.values():
            if person.chat is not None and person.chat.kept_session().expired:
                await person.run(person.log_in())
                person.run(quietly(person.chat.connect()))
        await asyncio.sleep(120)  # receipts are merged, outboxes are empty

    async def end(self) -> None:
        """Close everything, and see that nothing is left."""
        for person in self.people.values():
            await person.close()
        await self.server.stop()
        await asyncio.sleep(300)
        loop, me = virtual_loop(), asyncio.current_task()
        left = [t for t in asyncio.all_tasks() if t is not me]
        oracle.require(not left, f"I10: tasks are left: {[t.get_name() for t in left]} {left[:2]}")
        oracle.require(not loop.pending(), f"I10: timers are left: {loop.pending()[:3]}")

    # Sending.

    def say(self, person: Person, receiver: str, receiver_type: str, *, queued: bool = False) -> None:
        """Send a message."""
        chat = person.chat
        if chat is None or chat.get_logged_in_user() is None:
            return
        self._numbers += 1
        text = f"m{self._numbers}"
        send = self.sends[text] = Send(person.name, person.life, f"{receiver} {queued}", text, {text})
        message = TextMessage(receiver=receiver, receiver_type=receiver_type, text=text, muid=text)

        async def work() -> None:
            try:
                if queued and person.has_outbox:
                    entry = chat.queue_message(message)
                    send.kept = True
                    stored: Any = await entry.result()
                else:
                    stored = await chat.send_message(message)
            except CometChatException as error:
                known = error.code in IN_DOUBT or error.code in ("OUTBOX_CANCELLED", "ERR_CLIENT_CLOSED")
                send.outcome = "in doubt" if known else "refused"
                send.kept = send.kept and error.code == "ERR_CLIENT_CLOSED"
                person.log("not sent", text, error.code)
            except asyncio.CancelledError:
                send.outcome = "in doubt"
                raise
            else:
                send.outcome, send.id = "acknowledged", stored.id
                person.log("sent", text, stored.id)

        person.run(work())

    def change(self, person: Person, *, delete: bool) -> None:
        """Edit, or delete, the last message that the device has sent."""
        chat = person.chat
        mine = [s for s in self.sends.values() if s.by == person.name and s.id]
        if chat is None or not mine or chat.get_logged_in_user() is None:
            return
        send = mine[-1]
        text = "" if delete else f"{send.muid} edited"
        send.texts.add(text)  # from now on it may read so
        message = TextMessage(receiver="bob", id=send.id, text=text)
        person.run(quietly(chat.delete_message(send.id) if delete else chat.edit_message(message)))

    # The server.

    async def _start_server(self) -> None:
        async with self._starting:
            await self._start_server_once()

    async def _start_server_once(self) -> None:
        if self.server.parts is None:
            await self.server.start()
            parts = self.server.parts
            assert parts is not None
            broker = parts.gateway._hub.broker
            honest = broker.publish

            def publish(subject: str, publication: Publication) -> None:
                if subject not in self.lost or publication.joined is not None:
                    honest(subject, publication)

            broker.publish = publish

    async def _down(self, seconds: float) -> None:
        async def later() -> None:
            await asyncio.sleep(seconds)
            await self._start_server()

        self._later.append(asyncio.ensure_future(later()))

    async def server_kill(self, seconds: float) -> None:
        if self.server.parts is not None:
            await self.server.kill()
            await self._down(seconds)

    async def server_stop(self, seconds: float) -> None:
        if self.server.parts is not None and not virtual_loop().network.swallowing:
            await self.server.stop()
            await self._down(seconds)

    async def server_start(self, _: Any) -> None:
        await self._start_server()

    async def server_clock(self, seconds: float) -> None:
        self.server.world.wall_offset += seconds

    async def server_revoke(self, uid: str) -> None:
        if self.server.parts is not None:
            await self.server.parts.actions.keys.delete_tokens(uid)

    async def server_slow_work(self, seconds: float) -> None:
        virtual_loop().work_takes = lambda: self.chance.random() * seconds

    async def server_lose(self, uid: str) -> None:
        # The broker loses what it carries to a user for a moment. Only a chain notices that.
        self.lost.add(user_subject(uid))
        virtual_loop().call_later(0.2, self.lost.discard, user_subject(uid))


@contextmanager
def _checked(broken: list[str]) -> Iterator[None]:
    # Each step of each client's connection machine is checked against the ten invariants.
    module: Any = driver
    honest = module.step

    def step(before: Any, happened: Any, now: float, chance: float) -> Any:
        after, commands = honest(before, happened, now, chance)
        try:
            check_step(before, happened, now, after, commands)
        except Broken as error:
            broken.append(str(error))
        return after, commands

    module.step = step
    try:
        yield
    finally:
        module.step = honest


@contextmanager
def _quiet() -> Iterator[None]:
    # What is killed amid its work says so in the log, thousands of times.
    loggers = [logging.getLogger(name) for name in ("tailwire", "uvicorn.error", "asyncio")]
    before = [logger.disabled for logger in loggers]
    for logger in loggers:
        logger.disabled = True
    try:
        yield
    finally:
        for logger, disabled in zip(loggers, before, strict=True):
            logger.disabled = disabled


@functools.cache
def _empty_database() -> Path:
    # The schema is made once, not in each run.
    folder = tempfile.mkdtemp(prefix="tailwire-simulation-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = Path(folder) / "tailwire.db"
    upgrade(f"sqlite:///{path}")
    return path


def simulate(plan: Plan) -> Report:
    """Run a plan.

    Raises:
        Failed: saying which promise was broken.
    """
    trace: list[tuple[Any, ...]] = []

    async def main() -> Report:
        with tempfile.TemporaryDirectory() as folder:
            shutil.copy(_empty_database(), Path(folder) / "tailwire.db")
            play = Play(plan, VirtualServer(Path(folder)), trace)
            with _checked(play.broken):
                await play.begin()
                for step in plan.steps:
                    await play.take(step)
                await play.calm()
                stored = await oracle.judge(play)
                await play.end()
            oracle.require(not play.broken, f"{play.broken[:1]}")
            heard = sum(len(p.heard) for p in play.people.values())
            digest = hashlib.sha256(repr(trace).encode()).hexdigest()[:16]
            return Report(virtual_loop().time() - 1000.0, stored, heard, digest)

    try:
        with _quiet():
            report: Report = virtual_run(main())
            return report
    except oracle.Wrong as wrong:
        raise Failed(str(wrong), trace) from wrong
