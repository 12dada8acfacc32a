"""A broker between the servers of a simulation: it loses, duplicates and delays news, and its connections break.

A batch with its record keeps its order and arrives whole or not at all, as a connection guarantees. Everything else may
be lost. There is no order between different senders.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from contextvars import Context
from functools import partial

from tailwire.server.ports.broker import NewsReceiver, Publication, Record

TICK_SECONDS = 1e-6
"""Seconds between two arrivals from a sender, because timers that are due at the same time have no order."""
DELAYS_SECONDS = (0.0005, 0.001, 0.004, 0.05, 0.3, 1.2)


class Bus:
    """The broker that connects the servers of a simulation.

    Args:
        chance: decides what is lost, late or doubled.
        carries_messages: whether publications of stored messages are carried. If not, the servers read messages from
            the store when the database announces a record; all other publications are carried in both cases.
    """

    def __init__(self, chance: random.Random, *, carries_messages: bool) -> None:
        self.chance = chance
        self.carries_messages = carries_messages
        self.remotes: dict[int, SimulatedRemote] = {}
        self._last: dict[tuple[int, int], float] = {}

    def pass_on(
        self, sender: int, call: Callable[[SimulatedRemote], object], subject: str, *, may_be_lost: bool
    ) -> None:
        """Pass news to all other servers, over lines that keep their order; some of it arrives a second time, later.

        Args:
            sender: the number of the server that sends it.
            call: called with each remote that receives the news.
            subject: only servers that receive this subject get the news; "" for all.
            may_be_lost: whether a part of the news is lost.
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
        """Announce a commit, as the database does."""
        if not self.carries_messages:
            self.pass_on(server, lambda remote: remote.receiver.recorded(record), "", may_be_lost=True)


class SimulatedRemote:
    """The `RemoteBroker` of one simulated server.

    Args:
        bus: the broker.
        server: the number of the server.
        context: the context of the server, in which news is received.

    Attributes:
        generation: the number of its connection.
        effective: the subjects that it receives now.
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
        """Connect."""
        self.receiver = receiver
        self._bus.remotes[self._server] = self

    def record_look(self, *, alone: bool, began: float) -> None:
        """Do nothing: everything is sent."""

    def subscribe(self, subject: str) -> None:
        """Start receiving a subject, a moment later."""
        self._subjects.add(subject)
        self._later(partial(self._take_effect, subject))

    def unsubscribe(self, subject: str) -> None:
        """Stop receiving a subject."""
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
        """Send a publication that may be lost."""
        if self.connected:
            call = partial(_received, subject, publication)
            self._bus.pass_on(self._server, call, subject, may_be_lost=True)

    def record(self, record: Record, publications: Sequence[tuple[str, Publication]]) -> None:
        """Send the publications of a batch and then its record, or nothing."""
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
        """Take news that was sent over the connection with this generation number."""
        if generation == self.generation and self.connected:
            call(self)

    def break_for(self, seconds: float) -> None:
        """Lose the connection for a while."""
        if self.connected:
            self._change(connected=False)
            asyncio.get_running_loop().call_later(seconds, self.connect)

    def connect(self) -> None:
        """Connect again; subscriptions take effect a moment later."""
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
        """Disconnect."""
        self.end()

    def end(self) -> None:
        """Disconnect, as the end of the process does."""
        self.connected = False
        self._bus.remotes.pop(self._server, None)


def _received(subject: str, publication: Publication, remote: SimulatedRemote) -> None:
    remote.receiver.received(subject, publication)
