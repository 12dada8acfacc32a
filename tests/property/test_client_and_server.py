"""Client and server in random situations (Hypothesis): every message arrives exactly once.

Real client, real server, virtual time. The steps are drawn first and then run in one loop, so that a failure shrinks.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness import CONNECTED, Actor, Stage
from sizes import size
from tailwire import CometChatException, MemorySessionStore
from tailwire.testing.invariants import check_state
from tailwire.testing.virtual.loop import VirtualLoop, virtual_run

steps = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.integers(1, 5)),
        st.tuples(st.just("edit"), st.just(0)),
        st.tuples(
            st.sampled_from(["background", "foreground", "online", "offline", "cut", "swallow", "drop"]), st.just(0)
        ),
        st.tuples(st.just("restore"), st.just(0)),
        st.tuples(st.sampled_from(["kill", "stop", "sleep", "restart the app"]), st.just(0)),
        st.tuples(st.just("wait"), st.sampled_from([0.001, 0.006, 0.02, 0.5, 3, 20, 100])),
        st.tuples(st.sampled_from(["connect", "disconnect", "ping"]), st.just(0)),
    ),
    min_size=1,
    max_size=25,
)


class Play:
    """One run: alice sends to bob, whose client, network and server meet the drawn steps."""

    def __init__(self, stage: Stage, auto: bool) -> None:
        self.stage, self.auto = stage, auto
        self.store = MemorySessionStore()
        self.sent: dict[int, str] = {}
        self.attempts = 0
        self.received: list[tuple[int, str]] = []
        self.calls: list[asyncio.Task] = []

    async def begin(self) -> None:
        self.alice = await self.stage.enter("alice", auto=False)
        self.bob = await self.stage.enter("bob", auto=self.auto, store=self.store)

    def collect(self) -> None:
        self.received += [(m.id, m.text) for m in self.bob.ears.all("text")]
        self.bob.ears.heard.clear()

    def call(self, work) -> None:
        async def quietly():
            try:
                return await work
            except CometChatException as e:
                return e.code

        self.calls.append(asyncio.create_task(quietly()))

    async def send(self, count: int) -> None:
        for _ in range(count):
            self.attempts += 1
            text = f"m{self.attempts}"

            async def say(text=text):
                stored = await self.alice.say("bob", text, muid=text)
                self.sent[stored.id] = text

            self.call(say())

    async def do(self, name: str, value) -> None:
        network, chat = self.stage.network, self.bob.chat
        if name == "send":
            await self.send(value)
        elif name in ("background", "foreground"):
            chat.set_app_state(name)
        elif name in ("online", "offline"):
            chat.set_network(name)
        elif name in ("connect", "disconnect", "ping"):
            self.call(getattr(chat, name)())
        elif name == "swallow":
            network.swallowing = True
        elif name in ("cut", "drop", "restore"):
            getattr(network, name)()
        elif name in ("kill", "stop"):
            if name == "stop":
                network.restore()
            await getattr(self.stage.server, name)()
            await self.stage.server.start()
        elif name == "sleep":
            asyncio.get_running_loop().sleep_machine(4000)
        elif name == "wait":
            await asyncio.sleep(value)
        elif name == "restart the app":
            self.collect()
            await chat.aclose()
            self.collect()
            self.bob = self.stage.actor(auto=self.auto, store=self.store)
            await self.bob.chat.init()
            self.bob.listen()

    async def end(self) -> None:
        self.stage.network.restore()
        for task in self.calls:
            await task  # I9: each of them ends
        self.bob.chat.set_network("online")
        self.bob.chat.set_app_state("foreground")
        # It may join an attempt that hangs in the previous network, and fail with it (C13): the request stays.
        with contextlib.suppress(CometChatException):
            await self.bob.chat.connect()
        await asyncio.sleep(25)  # T4, T7: the end of that attempt, and one wait
        assert self.bob.status is CONNECTED
        await asyncio.sleep(30)
        self.collect()
        ids = [n for n, _ in self.received]
        assert ids == sorted(set(ids)), "twice, or out of order"
        received = dict(self.received)
        assert {n: received.get(n) for n in self.sent} == self.sent, "lost"
        assert len(set(received.values())) == len(received), "stored twice"


@settings(max_examples=size(30, 60), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=steps, auto=st.booleans())
@pytest.mark.thorough
@pytest.mark.timeout(240)
@pytest.mark.spec("K1", "K3", "I9", "I10", "S2")
def test_every_message_arrives_exactly_once(steps, auto):
    async def main() -> None:
        with tempfile.TemporaryDirectory() as folder:
            async with Stage(Path(folder)) as stage:
                play = Play(stage, auto)
                await play.begin()
                for name, value in steps:
                    await play.do(name, value)
                    for actor in stage.actors:
                        check(actor)
                await play.end()

    virtual_run(main())


def check(actor: Actor) -> None:
    driver = actor.chat._parts.driver
    if driver is not None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        state = driver.state
        # After a sleep, the machine handles passed deadlines only at its next input.
        if not (state.window_until or 0) < loop.boot_time():
            check_state_unless_slept(state, loop.boot_time())


def check_state_unless_slept(state, now: float) -> None:
    from tailwire.sdk.connection.state import next_deadline

    due = next_deadline(state)
    if due is None or due >= now:
        check_state(state, now)
