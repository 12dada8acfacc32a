"""Durable sends on SQLite and on PostgreSQL, in turns: at the store, and over HTTP up to delivery."""

from __future__ import annotations

import asyncio
import itertools
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from benchmarks import peers, sends
from tailwire.server.ports.conversations import key_of
from tailwire.server.ports.records import Draft
from tailwire.server.ports.world import World
from tailwire.server.store.postgres.store import PostgresStore
from tailwire.server.store.sqlite import SqliteStore

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

SENDERS = (32, 128)
TURNS = 3
SECONDS = 1.5
_RUNS = itertools.count()
BODY = b'{"data":{"text":"%b"}}' % (b"x" * 600)


async def rate(store: Any, senders: int) -> float:
    """Measure and return the messages/s that senders in a closed loop store."""
    count, run = 0, next(_RUNS)  # a muid that was used before would store nothing
    end = time.perf_counter() + SECONDS

    async def send(number: int) -> None:
        nonlocal count
        sender, receiver = f"s{number}", f"r{number}"
        key = key_of(sender, receiver, "user")
        while time.perf_counter() < end:
            await store.messages.add(
                Draft(key, sender, receiver, "user", "message", "text", BODY, 1, f"{run}-{number}-{count}")
            )
            count += 1

    begin = time.perf_counter()
    await asyncio.gather(*(send(number) for number in range(senders)))
    return count / (time.perf_counter() - begin)


async def _at_the_store(url: str, senders: int) -> tuple[float, float]:
    with tempfile.TemporaryDirectory(prefix="tailwire-bench-", dir=peers.HERE.parent) as folder:
        opened: list[Callable[[], Awaitable[Any]]] = [
            lambda: SqliteStore.open(Path(folder) / "store.db", World()),
            lambda: PostgresStore.open(url, World()),
        ]
        rates: list[list[float]] = [[], []]
        for _ in range(TURNS):
            for open_store, found in zip(opened, rates, strict=True):
                store = await open_store()
                await rate(store, senders)  # warm
                found.append(await rate(store, senders))
                await store.close()
    return statistics.median(rates[0]), statistics.median(rates[1])


def run() -> list[str]:
    """Run the benchmark, and return the lines of its table."""
    from servers.postgres import PostgresServer

    server = PostgresServer(folder=peers.HERE.parent)
    lines = [
        "### Durable sends on SQLite and on PostgreSQL, senders in a closed loop",
        "",
        "Messages/s, in turns. At the store PostgreSQL has a core of its own; over HTTP it shares both.",
        "",
        "| | senders | SQLite | PostgreSQL | ratio |",
        "| --- | --- | --- | --- | --- |",
    ]
    try:
        server.start()
        for senders in SENDERS:
            lite, post = asyncio.run(_at_the_store(server.create_database(), senders))
            lines.append(f"| at the store | {senders} | {lite:,.0f} | {post:,.0f} | {post / lite:.2f} |")
        peers.pin_load()
        for senders in SENDERS:
            lite = sends.measure_ours(senders)[0].rate
            post = sends.measure_ours(senders, {"TAILWIRE_DATABASE": server.create_database()})[0].rate
            lines.append(f"| over HTTP, to delivery | {senders} | {lite:,.0f} | {post:,.0f} | {post / lite:.2f} |")
    finally:
        server.close()
    return lines
