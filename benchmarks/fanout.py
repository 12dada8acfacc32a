"""Fan-out of one message to 1,000 sockets: ours stored and through `POST /messages`, the peers' bare."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable

from benchmarks import load, peers, raw

SOCKETS = 1000
TEXT_BYTES = 270
SECONDS = 4.0
IN_FLIGHT = (1, 4, 16)
ROUNDS = 2

Results = dict[int, list[load.Result]]


def _measure(
    server: peers.Started,
    receivers: list[socket.socket],
    request: bytes,
    answer: str,
    connect: Callable[[], socket.socket],
    results: Results,
) -> None:
    for k in IN_FLIGHT:
        senders = [connect() for _ in range(k)]
        results.setdefault(k, []).append(
            load.run(
                server, "fanout", answer, receivers=receivers, senders=senders, requests=[request], seconds=SECONDS
            )
        )
        for s in senders:
            s.close()
        reader = raw.Reader(receivers)
        while reader.poll.poll(0.3):
            reader.read(0.3)
        reader.poll.close()


def measure_ours(results: Results) -> int:
    """Measure our server. Return the bytes of a message on a socket."""
    with peers.tailwire() as server:
        api = raw.Api(server.port, server.more)
        token, _ = api.login("alice")
        api.ask("POST", "/groups", {"guid": "all", "name": "All"}, authtoken=token)
        users = [api.login(f"user{n}") for n in range(50)]
        for user_token, _ in users:
            api.ask("POST", "/groups/all/members", {}, authtoken=user_token)
        receivers, _ = raw.open_sockets(
            server.port,
            SOCKETS,
            lambda n: api.auth_frame(f"user{n % 50}", users[n % 50][1], f"device-{n}"),
            b'"status":"OK"',
        )
        headers = {"appid": api.app_id, "authtoken": token, "resource": "bench"}
        body = {"receiver": "all", "receiverType": "group", "data": {"text": load.text_of(TEXT_BYTES)}}
        request = raw.request("POST", "/v3/messages", headers, json.dumps(body).encode())
        _measure(server, receivers, request, "http", lambda: raw.tcp(server.port), results)
    return round(
        sum(r.bytes for k in results.values() for r in k) / sum(r.deliveries for k in results.values() for r in k)
    )


def measure_bare(results: Results, size: int) -> None:
    """Measure a bare server on the same event loop, with frames of the same size."""
    with peers.bare() as server:
        receivers, _ = raw.open_sockets(server.port, SOCKETS, lambda n: b"", b"")
        request = raw.request("POST", "/", {}, load.text_of(size - 4).encode())
        _measure(server, receivers, request, "http", lambda: raw.tcp(server.port), results)


def measure_node(results: Results, size: int) -> None:
    """Measure Node's ws with frames of the same size."""
    with peers.node_ws() as server:
        receivers, _ = raw.open_sockets(server.port, SOCKETS, lambda n: b"", b"")
        request = raw.request("POST", "/", {}, load.text_of(size - 4).encode())
        _measure(server, receivers, request, "http", lambda: raw.tcp(server.port), results)


def measure_nats(results: Results, size: int) -> None:
    """Measure nats-server: messages of the same size to WebSockets, published over its own protocol."""
    head = len(b"MSG all 1 800\r\n") + len(b"\r\n") + 4  # and the frame's head; several messages may share a frame
    payload = load.text_of(size - head).encode()
    with peers.nats() as server:
        first = raw.masked(b'CONNECT {"verbose":false,"pedantic":false}\r\nSUB all 1\r\nPING\r\n', opcode=2)
        receivers, _ = raw.open_sockets(server.port, SOCKETS, lambda n: first, b"PONG")

        def connect() -> socket.socket:
            s = raw.tcp(server.more["tcp"])
            s.sendall(b'CONNECT {"verbose":false}\r\nPING\r\n')
            while b"PONG" not in s.recv(65536):
                pass
            return s

        request = b"PUB all %d\r\n%b\r\nPING\r\n" % (len(payload), payload)
        _measure(server, receivers, request, "pong", connect, results)


def _rate(results: list[load.Result]) -> float:
    return sum(r.deliveries for r in results) / sum(r.seconds for r in results)


def run() -> list[str]:
    """Run the benchmark, and return the lines of its table."""
    peers.pin_load()
    mine: Results = {}
    others: dict[str, Results] = {
        "a bare server on the same event loop": {},
        "nats-server WebSocket, bare": {},
        "Node ws, bare": {},
    }
    size = 0
    for _ in range(ROUNDS):  # in turns
        size = measure_ours(mine)
        for measure, results in zip((measure_bare, measure_nats, measure_node), others.values(), strict=True):
            measure(results, size)
    lines = [
        f"### Fan-out: one message of {size} bytes to {SOCKETS} sockets of a group",
        "",
        "A message is on its way until all sockets have it. Deliveries/s, server on one core; in brackets: thousands per second of "
        "the server's CPU time; then p50 / p99 in ms from the send to the delivery, and the part of its core that the load used.",
        "",
        f"| messages in flight | {' | '.join(map(str, IN_FLIGHT))} |",
        f"| --- {'| --- ' * len(IN_FLIGHT)}|",
    ]
    for name, results in {"Tailwire: POST, stored, delivered": mine, **others}.items():
        cells = []
        for k in IN_FLIGHT:
            runs = results[k]
            by_cpu = sum(r.deliveries for r in runs) / max(sum(r.server_cpu for r in runs), 0.01)
            p50, p99 = (sum(getattr(r, p) for r in runs) / len(runs) for p in ("p50", "p99"))
            used = sum(r.load_cpu for r in runs) / sum(r.seconds for r in runs)
            cells.append(f"{_rate(runs):,.0f} ({by_cpu / 1000:,.0f}); {p50:.1f} / {p99:.1f}; {used:.2f}")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    for name, results in others.items():
        ratios = [f"{_rate(mine[k]) / _rate(results[k]):.2f}" for k in IN_FLIGHT]
        lines.append(f"| ratio to {name.split(',')[0]} | {' | '.join(ratios)} |")
    return [
        *lines,
        "",
        "The bare server joins all that arrived in one turn of the event loop, and stores, checks and encodes nothing. nats-server "
        "may keep 1 GB for a client (`max_pending`). The load is a compiled program (benchmarks/load).",
    ]
