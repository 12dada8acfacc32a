"""Situations of a whole day: clocks that jump, connections that end in one direction only, certificates that are renewed."""

from __future__ import annotations

import asyncio
import contextlib
import random
import tempfile
from pathlib import Path

from between import Authority, Listener, TlsFront
from harness import CONNECTED
from networks.losses import Witness
from networks.scene import Scene
from networks.situations import situation
from tailwire import CometChatException, TextMessage
from tailwire.sdk.io.world import World


class JumpingClocks(World):
    """The environment of a process whose clocks jump.

    Attributes:
        slept: seconds by which the clock that counts sleep is ahead.
        corrected: seconds by which the wall clock is ahead.
    """

    def __init__(self) -> None:
        self.slept = self.corrected = 0.0

    def now(self) -> float:
        return super().now() + self.slept

    def wall(self) -> float:
        return super().wall() + self.corrected


class HalfCloser(Listener):
    """Forward connections; end the direction to the client when told to, and go on reading from it."""

    def __init__(self, port: int) -> None:
        super().__init__(self._forward)
        self._to = port
        self._ending = asyncio.Event()
        self.ended = 0

    def end_one_direction(self) -> None:
        """End the direction to the client in all open connections."""
        self._ending.set()
        self._ending = asyncio.Event()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._to)
        ending = asyncio.create_task(self._ending.wait())

        async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()

        up = asyncio.create_task(copy(reader, far_writer))
        down = asyncio.create_task(copy(far_reader, writer))
        try:
            await asyncio.wait([up, down, ending], return_when=asyncio.FIRST_COMPLETED)
            if ending.done():
                self.ended += 1
                down.cancel()
                writer.write_eof()
                await asyncio.wait([up])
        finally:
            far_writer.close()
            for task in (up, down, ending):
                task.cancel()
            await asyncio.gather(up, down, ending, return_exceptions=True)


@situation("the direction to the client ends, eight times, 40 messages", 120)
async def half_closed(s: Scene) -> None:
    async with HalfCloser(s.server.port) as middle:
        s.proxy.aim(middle.port)
        await s.enter()
        slowest = 0.0
        for n in range(8):
            await s.write(2)
            middle.end_one_direction()
            await s.write(3)
            began, lost = s.seconds, n + 1
            await s.until(lambda lost=lost: s.disconnects >= lost and s.phone.status is CONNECTED, 15, "back")
            slowest = max(slowest, s.seconds - began)
            await s.all_heard(10)
        assert middle.ended >= 8
        s.measured["slowest return"] = slowest
        await s.phone.chat.aclose()


@situation("the certificate is renewed while the client is connected", 150)
async def renewed(s: Scene) -> None:
    """The connection continues, and the next one is made with the new certificate."""
    with tempfile.TemporaryDirectory() as folder:
        authority = Authority(Path(folder))
        context = authority.server_context()
        async with TlsFront(s.server.port, context) as front:
            s.proxy.aim(front.port)
            await s.enter(host="localhost", tls=authority.client_context())
            authority.server_context(end=90)
            context.load_cert_chain(Path(folder) / "localhost-190.pem")
            await s.write_each(5, 8)
            await s.all_heard(10)
            await s.never_lost()
            before = len(front.resumed)
            s.proxy.drop()
            await s.write()
            s.measured["heard after a cut"] = await s.all_heard(20) - 40
            assert len(front.resumed) > before


CUTS = ("drop", "cut", "half open", "mid frame")


async def a_day(s: Scene, *, auto: bool) -> None:
    """60 times background and foreground, 40 cuts of four kinds and jumping clocks: all messages, once and in order."""
    clocks = JumpingClocks()
    await s.enter(auto=auto, outbox=True, world=clocks)
    chat, chance = s.phone.chat, random.Random(11)
    witness = Witness(chat)
    sent = []

    async def live() -> None:
        for _ in range(60):
            witness.does("background")
            chat.set_app_state("background")
            await asyncio.sleep(chance.uniform(0, 1))
            chat.set_app_state("foreground")
            begun = asyncio.get_running_loop().time()
            if not auto:  # after a jump of the clock the background window is over: the app connects again
                with contextlib.suppress(CometChatException, TimeoutError):
                    await asyncio.wait_for(chat.connect(), 3)
            await asyncio.sleep(max(0.0, begun + chance.uniform(0, 3) - asyncio.get_running_loop().time()))

    async def break_lines() -> None:
        for n in range(40):
            await asyncio.sleep(chance.uniform(1, 4))
            kind = CUTS[n % 4]
            witness.begins("cut")
            if kind == "drop":
                s.proxy.drop()
            elif kind == "cut":
                s.proxy.cut()
                await asyncio.sleep(chance.uniform(0, 2))
            elif kind == "half open":
                s.proxy.half_open()
                await asyncio.sleep(chance.uniform(0, 2))
            else:
                s.proxy.cut_mid_frame(7)
                continue
            s.proxy.restore()
            witness.ends("cut")  # also one that waited for a frame

    async def jump() -> None:
        for slept, corrected in ((600.0, 0.0), (20.0, 0.0), (0.0, -7200.0), (0.0, 9000.0), (3600.0, 0.0)):
            await asyncio.sleep(18)
            if slept:
                witness.does("sleep")
            clocks.slept += slept
            clocks.corrected += corrected

    async def queue() -> None:
        for n in range(40):
            sent.append(chat.queue_message(TextMessage(receiver=s.uid("tablet"), text=f"out {n}")))
            await asyncio.sleep(2.5)

    async def keep_the_window() -> None:
        while True:
            await chat.ping()
            await asyncio.sleep(5)

    pinging = None if auto else asyncio.create_task(keep_the_window())
    try:
        await asyncio.gather(live(), break_lines(), jump(), queue(), s.write_each(0.25, 400))
    finally:
        if pinging:
            pinging.cancel()
            await asyncio.wait([pinging])
    s.proxy.restore()
    witness.ends("cut")
    if not auto:
        await chat.connect()
    await s.all_heard(60)
    await s.until(lambda: {str(e.status) for e in sent} == {"sent"}, 60, "all queued messages are sent")
    answer = await s.ask("GET", f"/users/{s.uid('phone')}/messages?limit=100&affix=prepend",
                         headers={"onBehalfOf": s.uid("tablet")})  # fmt: skip
    stored = [m["data"]["text"] for m in answer.json()["data"] if m["data"].get("text", "").startswith("out ")]
    assert sorted(stored) == sorted(f"out {n}" for n in range(40)), stored
    s.measured["in"], s.measured["out"] = len(s.heard()), len(stored)
    assert len(witness.losses) >= 20, "little was lost"
    witness.require_reasons()


@situation("a day in two minutes, auto mode: background, cuts, clocks that jump", 300)
async def day_auto(s: Scene) -> None:
    await a_day(s, auto=True)


@situation("the same, manual mode with a ping each 5 s", 300)
async def day_manual(s: Scene) -> None:
    await a_day(s, auto=False)
