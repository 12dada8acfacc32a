"""The process is killed at random under load, runs out of descriptors or memory, or its clock jumps."""

from __future__ import annotations

import asyncio
import os
import random
import resource
from pathlib import Path

import pytest

from faults import size
from faults.crowd import Crowd
from faults.machine import Machine
from faults.traffic import Traffic
from harness import CONNECTED, LiveStage

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


async def test_server_killed_at_random_under_load_loses_nothing_acknowledged(live: LiveStage):
    """Repeated kill -9 amid eight senders: acknowledged messages are delivered once and in order."""
    chance, kills = random.Random(7), size.full_or_short(200, 4)
    async with Traffic(live) as traffic:
        carol = await live.enter("carol")
        acknowledged: dict[int, str] = {}
        ended = False

        async def send(lane: int) -> None:
            count = 0
            while not ended:
                count += 1
                text = f"{lane}-{count}"
                stored: list = []
                await carol.say_or_not("bob", text, stored)
                for message in stored:
                    assert message.id not in acknowledged, "an id was given twice"
                    acknowledged[message.id] = text

        senders = [asyncio.create_task(send(lane)) for lane in range(8)]
        for n in range(kills):
            await traffic.until(chance.randint(1, 15), 90)
            await asyncio.sleep(chance.random() * 0.05)  # at a random moment
            await live.server.kill()
            await live.server.start()
            if n % 20 == 19:
                print(f"killed {n + 1} times, {len(acknowledged) + len(traffic.acknowledged)} acknowledged", flush=True)
        ended = True
        await asyncio.gather(*senders)
        traffic.acknowledged |= acknowledged
        await traffic.check()
        owed = dict(traffic.acknowledged)  # traffic continues meanwhile
        stored = {m.id: m.text for uid in ("alice", "carol") for m in [
            m async for m in traffic.bob.chat.messages(uid=uid, page_size=100)]}  # fmt: skip
        assert {n: stored.get(n) for n in owed} == owed
        assert len(set(stored.values())) == len(stored), "a muid was stored twice"
    size.report("kills", kills=kills, acknowledged=len(traffic.acknowledged))


def open_descriptors(pid: int) -> int:
    """Return the number of open descriptors of a process."""
    return len(os.listdir(f"/proc/{pid}/fd"))


async def test_server_without_descriptors_serves_open_connections_and_recovers(live: LiveStage):
    """Open connections are served, new ones are closed at once, and with descriptors free again all are served."""
    async with Traffic(live) as traffic:
        await traffic.until(20)
        pid = live.server.pid
        soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (open_descriptors(pid) + 10, hard))
        async with Crowd(live.server) as crowd:
            await crowd.connect(60)
            await crowd.until_lost(45)
            await traffic.until(30)
            assert traffic.bob.status is CONNECTED
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
        carol = await live.enter("carol")
        assert carol.status is CONNECTED
        await traffic.until(10)
    assert not [line for line in live.server.log if "Traceback" in line]


async def test_server_without_memory_loses_no_acknowledged_message(live: LiveStage):
    """With almost no memory left, large requests fail, but no acknowledged message is lost."""
    async with Traffic(live) as traffic, Crowd(live.server) as crowd:
        await traffic.until(20)
        pid = live.server.pid
        used = int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * 4096
        resource.prlimit(pid, resource.RLIMIT_AS, (used + 24 * 1024 * 1024, resource.RLIM_INFINITY))
        large = b'{"receiver":"bob","data":{"text":"' + b"x" * 250_000

        async def half(n: int) -> None:
            _, writer = await asyncio.open_connection("127.0.0.1", live.server.port)
            head = f"POST /v3/messages HTTP/1.1\r\nHost: x\r\nappid: {live.server.app_id}\r\n"
            head += f"apikey: {live.server.api_key}\r\nonBehalfOf: carol\r\nContent-Length: 255000\r\n\r\n"
            writer.write(head.encode() + large)
            halves.append(writer)

        halves: list[asyncio.StreamWriter] = []
        await asyncio.gather(*(half(n) for n in range(size.full_or_short(400, 150))), return_exceptions=True)
        await traffic.until(20, 60)
        for writer in halves:
            writer.transport.abort()
        resource.prlimit(pid, resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        await traffic.until(20)
        assert (await crowd.http.get("/health")).status_code == 200
        assert await crowd.metric("process_resident_memory_bytes") > 10e6
        assert live.server.pid == pid


@pytest.mark.parametrize("seconds", [-90_000, 90_000])
async def test_clock_that_jumps_changes_neither_order_nor_sockets_nor_tokens(
    live: LiveStage, tmp_path: Path, seconds: int
):
    """A jump of the wall clock changes neither the order of messages nor sockets or tokens."""
    await live.server.stop()
    machine = Machine(live, tmp_path)
    await live.server.start()
    async with Traffic(live) as traffic:
        await traffic.until(20)
        machine.set_clock(seconds)
        await traffic.until(20)
        await live.server.kill()
        await live.server.start()
        await traffic.until(20)
    ids = [m.id for m in traffic.bob.ears.all("text")]
    times = [m.sent_at for m in traffic.bob.ears.all("text")]
    assert max(times) - min(times) > 80_000  # the clock has jumped
    assert ids == sorted(ids)
    assert "server_closed" not in {str(t.cause) for t in traffic.alice.chat.connection.history}
