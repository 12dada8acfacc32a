"""Sends over 1, 2 and 4 servers on one PostgreSQL database, with both brokers, up to delivery at another server."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from benchmarks import load, peers, raw

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

SERVERS = (1, 2, 4)
SENDERS = 64
SECONDS = 4.0
ROUNDS = 2


def measure(count: int, settings: dict[str, str], users: int = SENDERS) -> load.Result:
    """Measure sends to receivers, who are connected to the server after that of their sender.

    Args:
        count: the number of servers.
        settings: the settings of the servers.
        users: the number of senders.
    """
    with peers.several(count, settings) as servers:
        apis = [raw.Api(server.port, servers[0].more) for server in servers]
        receivers, senders, requests = [], [], []
        for n in range(users):
            here, there = n % count, (n + 1) % count
            token, _ = apis[here].login(f"sender{n:03}")
            _, jwt = apis[there].login(f"receiver{n:03}")
            frame = apis[there].auth_frame(f"receiver{n:03}", jwt, f"d{n:03}")
            receivers += raw.open_sockets(servers[there].port, 1, lambda _, frame=frame: frame, b'"status":"OK"')[0]
            body = {"receiver": f"receiver{n:03}", "receiverType": "user", "data": {"text": load.text_of(300)}}
            headers = {"appid": apis[here].app_id, "authtoken": token, "resource": "bench"}
            requests.append(raw.request("POST", "/v3/messages", headers, json.dumps(body).encode()))
            senders.append(raw.tcp(servers[here].port))
        return load.run(
            servers, "sends", "http", receivers=receivers, senders=senders, requests=requests, seconds=SECONDS
        )


def run() -> list[str]:
    """Run the benchmark, and return the lines of its table."""
    from servers.nats import NatsServer
    from servers.postgres import PostgresServer

    database, nats = PostgresServer(folder=peers.HERE.parent), NatsServer()
    lines = [
        f"### Several servers on PostgreSQL, {SENDERS} senders in a closed loop",
        "",
        "From the send to the frame at the receiver, who is connected to the next server. All servers, PostgreSQL, the "
        "broker and the load share two cores: the figures show what an additional server costs, not what it adds.",
        "",
        "| servers | broker | sends/s | to one server | p50 ms | p99 ms | CPU of the servers, µs a send |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    try:
        database.start()
        nats.start()
        alone = 0.0
        for count in SERVERS:
            for broker, settings in (("PostgreSQL", {}), ("NATS", {"TAILWIRE_BROKER": nats.url})):
                found = [
                    measure(count, {"TAILWIRE_DATABASE": database.create_database(), **settings}) for _ in range(ROUNDS)
                ]
                rate = sum(r.messages for r in found) / sum(r.seconds for r in found)
                alone = alone or rate
                p50, p99 = (sum(getattr(r, p) for r in found) / len(found) for p in ("p50", "p99"))
                cpu = sum(r.server_cpu for r in found) / max(sum(r.messages for r in found), 1) * 1e6
                lines.append(
                    f"| {count} | {broker} | {rate:,.0f} | {rate / alone:.2f} | {p50:.1f} | {p99:.1f} | {cpu:,.0f} |"
                )
    finally:
        nats.kill()
        database.close()
    return lines
