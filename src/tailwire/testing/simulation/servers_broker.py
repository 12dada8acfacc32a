"""A model of the broker between servers: it loses, duplicates and delays what they send, and its connections break.

The servers send publications, and a record of each batch of writes, with the ids that it has taken. A record and the
publications of its batch arrive together and in order, or not at all. Other publications may be lost one by one. Data
of one sender arrives in order, except duplicates.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from contextvars import Context
from functools import partial

from tailwire.server.ports.broker import NewsReceiver, Publication, Record

TICK_SECONDS = 1e-6
"""The least seconds between two arrivals from a sender: timers that are due at the same time have no defined order."""
DELAYS_SECONDS = (0.0005, 0.001, 0.004, 0.05, 0.3, 1.2)


class Bus:
    """The broker that connects the servers of a simulation.

    Args:
        chance: decides what is lost, late or duplicated.
        carries_messages: whether records and the publications of their batches are carried. If not, the database
            announces the records, and the servers read the messages from the store. Other publications are carried in
            both cases.

    Attributes:
        remotes: the connected servers' ends, by the number of the server.
    """

    def __init__(self, chance: random.Random, *, carries_messages: bool) -> None:
        self.chance = chance
        self.carries_messages = carries_messages
        self.remotes: dict[int, SimulatedRemote] = {}
        self._last: dict[tuple[int, int], float] = {}

    def pass_on(
        self, sender: int, call: Callable[[SimulatedRemote], object], subject: str, *, may_be_lost: bool
    ) -> None:
        """Send something from a server to all others, after random delays. Some of it arrives twice.

        Args:
            sender: the number of the server that sends.
            call: called at each arrival, with the `SimulatedRemote` of the receiving server, in the context of that.
            subject: if not "" and messages are carried, only servers that have subscribed to this subject receive it.
            may_be_lost: whether it is lost on the way to some servers.
        """
        loop = asyncio.get_running_loop()
        for number, remote in self.remotes.items():
            if number == sender or not remote.connected:
                continue
            if subject and self.carries_messages and subject not in remote.effective:
                continue
            fate = self.chance.random()
            if may_be_lost and fate < 0.2:
                continue
            at = max(
                self._last.get((sender, number), 0.0) + TICK_SECONDS, loop.time() + self.chance.choice(DELAYS_SECONDS)
            )
            self._last[sender, number] = at
            loop.call_at(at, remote.take, remote.generation, call, context=remote.context)
            if fate > 0.9:  # twice
                again = at + self.chance.choice(DELAYS_SECONDS)
                loop.call_at(again, remote.take, remote.generation, call, context=remote.context)

    def announce(self, server: int, record: Record) -> None:
        """Send the record of a server's commit to the others, unless the broker carries messages, and so records."""
        if not self.carries_messages:
            self.pass_on(server, lambda remote: remote.receiver.recorded(record), "", may_be_lost=True)


class SimulatedRemote:
    """A server's end of the broker, which implements `RemoteBroker`.

    Args:
        bus: the broker.
        server: the number of the server.
        context: the context of the server's process, in which its receiver is called.

    Attributes:
        connected: whether it is connected to the broker.
        generation: changes whenever the connection breaks or is made; data of an earlier one is dropped.
        effective: the subjects whose publications it receives now.
        receiver: what receives publications and records.
    """

    def __init__(self, bus: Bus, server: int, context: Context) -> None:
        self._bus = bus
        self._server = server
        self.context = context
        self.carries_messages = bus.carries_messages
        self.connected = True
        self.generation = 0
        self.effective: set[str] = set()
        self._subjects: set[str] = set()
        self._pending = 0
        self._settled = asyncio.Event()
        self.receiver: NewsReceiver

    async def start(self, receiver: NewsReceiver) -> None:
        """Connect to the broker, and pass to a receiver from now on what other servers send."""
        self.receiver = receiver
        self._bus.remotes[self._server] = self

    def record_look(self, *, alone: bool, began: float) -> None:
        """Do nothing: a real broker could send less while there is only one server."""

    def subscribe(self, subject: str) -> None:
        """Subscribe to a subject; that takes effect after a random delay (see `wait_confirmed`)."""
        self._subjects.add(subject)
        self._later(partial(self._take_effect, subject))

    def unsubscribe(self, subject: str) -> None:
        """End the subscription to a subject, at once."""
        self._subjects.discard(subject)
        self.effective.discard(subject)

    def _later(self, call: Callable[[], None]) -> None:
        self._pending += 1
        self._settled.clear()
        loop = asyncio.get_running_loop()
        loop.call_later(self._bus.chance.choice((0.001, 0.005, 0.1)), self._done, self.generation, call)

    def _done(self, generation: int, call: Callable[[], None]) -> None:
        self._pending -= 1
        if generation == self.generation and self.connected:
            call()
        if not self._pending:
            self._settled.set()

    def _take_effect(self, subject: str) -> None:
        if subject in self._subjects:
            self.effective.add(subject)

    async def wait_confirmed(self) -> None:
        """Wait until the subscriptions are in effect, or the connection is lost."""
        while self._pending and self.connected:
            await self._settled.wait()

    def publish(self, subject: str, publication: Publication) -> None:
        """Send a publication to the other servers; it may be lost on the way. Without effect while disconnected."""
        if self.connected:
            call = partial(_received, subject, publication)
            self._bus.pass_on(self._server, call, subject, may_be_lost=True)

    def record(self, record: Record, publications: Sequence[tuple[str, Publication]]) -> None:
        """Send the publications of a batch, each with its subject, and then its record.

        They arrive together at each server or not at all. Without effect while disconnected, and if the broker does not
        carry messages.
        """
        if not (self.connected and self.carries_messages):
            return

        def call(remote: SimulatedRemote) -> None:
            for subject, publication in publications:
                if subject in there[remote]:
                    remote.receiver.received(subject, publication)
            remote.receiver.recorded(record)

        there = {remote: frozenset(remote.effective) for remote in self._bus.remotes.values()}
        self._bus.pass_on(self._server, call, "", may_be_lost=True)

    def take(self, generation: int, call: Callable[[SimulatedRemote], object]) -> None:
        """Process an arrival (see `Bus.pass_on`), unless the connection has changed since it was sent.

        Args:
            generation: the `generation` at the time of sending.
            call: called with this object.
        """
        if generation == self.generation and self.connected:
            call(self)

    def break_for(self, seconds: float) -> None:
        """Lose the connection now, and connect again after some seconds. Without effect while disconnected."""
        if self.connected:
            self._change(connected=False)
            asyncio.get_running_loop().call_later(seconds, self.connect)

    def connect(self) -> None:
        """Connect again, if disconnected; the subscriptions take effect after a random delay."""
        if not self.connected:
            self._change(connected=True)

    def _change(self, *, connected: bool) -> None:
        self.connected = connected
        self.generation += 1
        self.effective = set()
        if connected:
            self._later(lambda: self.effective.update(self._subjects))
        else:
            self._settled.set()
        self.receiver.connection_changed()

    async def close(self) -> None:
        """Disconnect for good."""
        self.end()

    def end(self) -> None:
        """Disconnect for good and at once, as when the process ends."""
        self.connected = False
        self._bus.remotes.pop(self._server, None)


def _received(subject: str, publication: Publication, remote: SimulatedRemote) -> None:
    remote.receiver.received(subject, publication)
