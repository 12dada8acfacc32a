"""The targets of several servers (docs/many-servers.md): each is a ratio or a difference of figures of the same run."""

from __future__ import annotations

import asyncio
import itertools
import json
import signal
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg

from benchmarks import databases, load, paced, peers, raw, servers
from tailwire.server.ports.world import World
from tailwire.server.store.postgres.store import PostgresStore

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

ROUNDS = 3
SENDERS, SOCKETS, IN_FLIGHT = 128, 1000, 16
SECONDS, PACED_SECONDS = 4.0, 12.0
LOW_LOAD_SHARE = 0.2
DOWN_SECONDS, VICTIMS = 1.0, 3
_RUNS = itertools.count()

# The least that a batch can be: the app's lock, the ids, the rows with their indexes, and one answer.
PLAIN = """CREATE FUNCTION plain_batch(p_places text[], p_senders text[], p_muids text[], p_bodies bytea[])
RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE v_ids bigint[];
BEGIN
    PERFORM pg_advisory_xact_lock(1);
    WITH given AS (SELECT nextval('message_ids') AS id, g.* FROM unnest(p_places, p_senders, p_muids, p_bodies)
        AS g(place, sender, muid, body)),
    added AS (INSERT INTO messages (id, conversation_id, sender, receiver, receiver_type, category, type, muid, sent_at,
        updated_at, body) SELECT id, place, sender, place, 'user', 'message', 'text', muid, 1, 1, body FROM given
        RETURNING id)
    SELECT array_agg(id) INTO v_ids FROM added;
    RETURN v_ids;
END $$"""


class Row(NamedTuple):
    """A line of the table."""

    target: str
    goal: str
    found: str
    figures: str

    @property
    def line(self) -> str:
        """The line in Markdown."""
        return f"| {self.target} | {self.goal} | {self.found} | {self.figures} |"


class _Plain:
    # Group commit of `plain_batch`: everything that was submitted since the last batch becomes the next one.

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._waiting: list[tuple[tuple[str, str, str, bytes], asyncio.Future[int]]] = []
        self._task: asyncio.Task[None] | None = None

    async def add(self, place: str, sender: str, muid: str, body: bytes) -> int:
        future = asyncio.get_running_loop().create_future()
        self._waiting.append(((place, sender, muid, body), future))
        if self._task is None:
            self._task = asyncio.create_task(self._send())
        return await future

    async def _send(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            columns = [list(column) for column in zip(*(row for row, _ in batch), strict=True)]
            try:
                ids = await self._connection.fetchval("SELECT plain_batch($1, $2, $3, $4)", *columns)
            except asyncpg.PostgresError as e:
                for _, future in batch:
                    future.set_exception(e)
                break
            for (_, future), number in zip(batch, ids, strict=True):
                future.set_result(number)
        self._task = None


async def _plain_rate(add: Callable[[str, str, str, bytes], Awaitable[int]]) -> float:
    count, run, end = 0, next(_RUNS), time.perf_counter() + databases.SECONDS

    async def send(number: int) -> None:
        nonlocal count
        while time.perf_counter() < end:
            await add(f"u/p{number}/r{number}", f"p{number}", f"{run}-{number}-{count}", databases.BODY)
            count += 1

    begin = time.perf_counter()
    await asyncio.gather(*(send(number) for number in range(SENDERS)))
    return count / (time.perf_counter() - begin)


async def _at_the_store(url: str) -> Row:
    whole, plain = [], []
    for _ in range(ROUNDS):
        store = await PostgresStore.open(url, World())
        await databases.rate(store, SENDERS)  # warm
        whole.append(await databases.rate(store, SENDERS))
        await store.close()
        connection = await asyncpg.connect(url)
        await connection.execute(PLAIN.replace("CREATE", "CREATE OR REPLACE", 1))
        least = _Plain(connection)
        await _plain_rate(least.add)
        plain.append(await _plain_rate(least.add))
        await connection.close()
    ours, peer = statistics.median(whole), statistics.median(plain)
    return Row(
        f"the store alone, {SENDERS} senders: whole messages, to a function that only gives ids and inserts",
        "at least 0.6",
        f"{ours / peer:.2f}",
        f"{ours:,.0f} and {peer:,.0f} messages/s",
    )


def _two_servers(settings: Callable[[], dict[str, str]]) -> tuple[Row, float]:
    rates: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(ROUNDS):
        for count, found in rates.items():
            found.append(servers.measure(count, settings(), SENDERS).rate)
    one, two = (statistics.median(found) for found in rates.values())
    return Row(
        f"sends by {SENDERS} senders: two servers, to one",
        "at least 0.9 on two cores",
        f"{two / one:.2f}",
        f"{two:,.0f} and {one:,.0f} sends/s",
    ), two


def _fanout(settings: dict[str, str], there: bool) -> float:
    with peers.several(2, settings) as started:
        keys = started[0].more
        first = raw.Api(started[0].port, keys)
        token, _ = first.login("alice")
        first.ask("POST", "/groups", {"guid": "all", "name": "All"}, authtoken=token)
        users = [first.login(f"user{n}") for n in range(50)]
        for user_token, _ in users:
            first.ask("POST", "/groups/all/members", {}, authtoken=user_token)
        server = started[1] if there else started[0]
        receivers, _ = raw.open_sockets(
            server.port,
            SOCKETS,
            lambda n: first.auth_frame(f"user{n % 50}", users[n % 50][1], f"d{n}"),
            b'"status":"OK"',
        )
        headers = {"appid": first.app_id, "authtoken": token, "resource": "bench"}
        body = {"receiver": "all", "receiverType": "group", "data": {"text": load.text_of(270)}}
        request = raw.request("POST", "/v3/messages", headers, json.dumps(body).encode())
        senders = [raw.tcp(started[0].port) for _ in range(IN_FLIGHT)]
        result = load.run(
            started, "fanout", "http", receivers=receivers, senders=senders, requests=[request], seconds=SECONDS
        )
    return result.deliveries / result.seconds


def _fanout_row(settings: Callable[[], dict[str, str]]) -> Row:
    here, there = [], []
    for _ in range(ROUNDS):
        here.append(_fanout(settings(), False))
        there.append(_fanout(settings(), True))
    local, other = statistics.median(here), statistics.median(there)
    return Row(
        f"fan-out to a second server through NATS, to that of the sender's server ({SOCKETS:,} sockets, {IN_FLIGHT} in flight)",
        "at least 0.9",
        f"{other / local:.2f}",
        f"{other:,.0f} and {local:,.0f} deliveries/s",
    )


def _delivery_row(settings: dict[str, str], rate: float, broker: str) -> Row:
    with peers.several(2, settings) as started:
        pace = paced.Pace(started, started[:1])
        pace.run(rate, 2)  # warm
        for listener in pace.listeners:
            listener.took.clear()
        pace.run(rate, PACED_SECONDS)
    here, there = ([raw.percentile(one.took, p) for p in (50, 99)] for one in pace.listeners)
    return Row(
        f"a delivery at another server, to one at the sender's, at {LOW_LOAD_SHARE:.0%} load (p50, p99), {broker}",
        "1 ms and 5 ms more",
        " and ".join(f"{b - a:+.1f}" for a, b in zip(here, there, strict=True)),
        f"{there[0]:.1f} and {here[0]:.1f} ms, {there[1]:.1f} and {here[1]:.1f} ms",
    )


def _slowest(pace: paced.Pace, rate: float, events: list[tuple[float, Callable[[], object]]]) -> float:
    for listener in pace.listeners:
        listener.took.clear()
    pace.run(rate, PACED_SECONDS, events)
    return max(max(listener.took) for listener in pace.listeners)


def _broker_down_row(url: str, nats: Any, rate: float) -> Row:
    with peers.several(2, {"TAILWIRE_DATABASE": url, "TAILWIRE_BROKER": nats.url}) as started:
        pace = paced.Pace(started, started[:1])
        pace.run(rate, 2)  # warm
        control = _slowest(pace, rate, [])
        times = [2 + 3 * n for n in range(VICTIMS)]
        slowest = _slowest(pace, rate, [e for at in times for e in ((at, nats.kill), (at + DOWN_SECONDS, nats.start))])
    return Row(
        f"the slowest delivery while NATS is killed {VICTIMS} times for {DOWN_SECONDS:.0f} s",
        "300 ms",
        f"{slowest:.0f} ms",
        f"without it {control:.0f} ms",
    )


def _killed_row(settings: dict[str, str], rate: float, broker: str) -> Row:
    with peers.several(2 + VICTIMS, settings) as started:
        pace = paced.Pace(started[:2], [started[0], *started[2:]])
        pace.run(rate, 2)  # warm
        control = _slowest(pace, rate, [])
        kills = [
            (2 + 3.0 * n, lambda server=server: server.process.send_signal(signal.SIGKILL))
            for n, server in enumerate(started[2:])
        ]
        slowest = _slowest(pace, rate, kills)
    return Row(
        f"the slowest delivery when {VICTIMS} of {2 + VICTIMS} servers, all sending, are killed, {broker}",
        "250 ms",
        f"{slowest:.0f} ms",
        f"without it {control:.0f} ms",
    )


def run() -> list[str]:
    """Run the benchmark, and return the lines of its table."""
    from servers.nats import NatsServer
    from servers.postgres import PostgresServer

    database, nats = PostgresServer(folder=peers.HERE.parent), NatsServer()
    try:
        database.start()
        nats.start()

        def through_log() -> dict[str, str]:
            return {"TAILWIRE_DATABASE": database.create_database()}

        def through_nats() -> dict[str, str]:
            return {**through_log(), "TAILWIRE_BROKER": nats.url}

        rows = [asyncio.run(_at_the_store(database.create_database()))]
        peers.pin_load()
        row, most = _two_servers(through_nats)
        rows += [row, _fanout_row(through_nats)]
        low = most * LOW_LOAD_SHARE
        for settings, broker in ((through_log, "PostgreSQL as the broker"), (through_nats, "NATS")):
            rows += [_delivery_row(settings(), low, broker), _killed_row(settings(), low, broker)]
        rows.append(_broker_down_row(database.create_database(), nats, low))
    finally:
        nats.kill()
        database.close()
    return [
        "### Targets of several servers on PostgreSQL",
        "",
        "The servers, PostgreSQL, the broker and the load share two cores, except in the row of the store alone, where each side has one.",
        "",
        "| | goal | found | of |",
        "| --- | --- | --- | --- |",
        *(row.line for row in rows),
    ]
