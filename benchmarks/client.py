"""Messages per second that one ChatClient hands over to a listener; memory of an idle client."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import time
from pathlib import Path

from benchmarks import blaster, peers, raw

IDLE = 200


async def measure_sdk(server: peers.Started) -> float:
    """Measure and return the messages per second that a client hands over to a listener.

    Args:
        server: runs `benchmarks.blaster`.
    """
    from tailwire import AppSettingsBuilder, ChatClient, MemorySessionStore, MessageListener

    settings = AppSettingsBuilder().override_client_host(f"http://127.0.0.1:{server.port}").build()
    async with ChatClient(server.more["app_id"], settings, session_store=MemorySessionStore()) as chat:
        await chat.login("bob", auth_key=server.more["auth_key"])
        await chat.wait_connected(10)
        await asyncio.sleep(0.5)
        done = asyncio.get_running_loop().create_future()

        class Counting(MessageListener):
            count = 0

            def on_text_message_received(self, message: object) -> None:
                self.count += 1
                if self.count == blaster.COUNT:
                    done.set_result(time.perf_counter())

        chat.add_message_listener("counting", Counting())
        begin = time.perf_counter()
        os.kill(server.process.pid, signal.SIGUSR2)
        return blaster.COUNT / (await done - begin)


async def _measure_bare(server: peers.Started) -> float:
    from websockets.asyncio.client import connect

    api = raw.Api(server.port, server.more)
    _, jwt = api.login("bob")
    body = {"auth": jwt, "deviceId": "bare"}
    headers = {"x-tailwire-client": "bare"}
    async with connect(f"ws://127.0.0.1:{server.port}/", compression=None, additional_headers=headers) as ws:
        await ws.send(json.dumps({"type": "auth", "deviceId": "bare", "sender": "bob", "body": body}))
        await ws.recv()
        count = 0
        begin = time.perf_counter()
        os.kill(server.process.pid, signal.SIGUSR2)
        while count < blaster.COUNT:
            if json.loads(await ws.recv())["type"] == "message":
                count += 1
        return blaster.COUNT / (time.perf_counter() - begin)


async def _measure_idle_memory(server: peers.Started) -> float:
    # Return the kilobytes of each idle client.
    from tailwire import AppSettingsBuilder, ChatClient, MemorySessionStore

    api = raw.Api(server.port, server.more)
    settings = AppSettingsBuilder().override_client_host(f"http://127.0.0.1:{server.port}").build()

    async def open_one(n: int) -> ChatClient:
        chat = ChatClient(api.app_id, settings, session_store=MemorySessionStore())
        await chat.init()
        await chat.login(f"idle{n}", auth_key=api.auth_key)
        await chat.wait_connected(10)
        return chat

    for n in range(IDLE + 20):
        api.login(f"idle{n}")
    clients = [await open_one(IDLE + n) for n in range(20)]
    gc.collect()
    before = _resident()
    clients += [await open_one(n) for n in range(IDLE)]
    gc.collect()
    memory = (_resident() - before) / IDLE / 1024
    for chat in clients:
        await chat.aclose()
    return memory


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def run() -> list[str]:
    """Run the benchmark, and return the lines of its table."""
    peers.pin_load()
    script = str(Path(__file__).with_name("blaster.py"))
    rates: list[tuple[float, float]] = []
    with peers.tailwire(script) as server:
        for _ in range(3):
            rates.append((asyncio.run(measure_sdk(server)), asyncio.run(_measure_bare(server))))
    ours, bare = sorted(r[0] for r in rates)[1], sorted(r[1] for r in rates)[1]
    with peers.tailwire() as server:
        memory = asyncio.run(_measure_idle_memory(server))
    return [
        f"### One client: {blaster.COUNT:,} messages to a listener (median of 3)",
        "",
        "| | messages/s |",
        "| --- | --- |",
        f"| `ChatClient`, to a listener | {ours:,.0f} |",
        f"| bare `websockets` receive and `json.loads` | {bare:,.0f} |",
        f"| ratio (goal: 0.50) | {ours / bare:.2f} |",
        "",
        f"Memory of an idle, connected client: {memory:.0f} KB (with its HTTP connections).",
    ]
