"""Durable sends with 32 senders, up to delivery at the receiver, compared with NATS JetStream; history reads."""

from __future__ import annotations

import json
import select
import time

from benchmarks import load, peers, raw

SENDERS = 32
SECONDS = 6.0


def measure_ours(count: int = SENDERS, settings: dict[str, str] | None = None) -> tuple[load.Result, float]:
    """Measure our server: from the send to the frame at the receiver. Return the result, and history reads/s.

    Args:
        count: the number of senders.
        settings: the settings of the server.
    """
    with peers.tailwire(settings=settings) as server:
        api = raw.Api(server.port, server.more)
        tokens = [api.login(f"sender{n:03}")[0] for n in range(count)]
        receivers = [api.login(f"receiver{n:03}")[1] for n in range(count)]
        sockets = []
        for n, jwt in enumerate(receivers):
            frame = api.auth_frame(f"receiver{n:03}", jwt, f"d{n}")
            sockets += raw.open_sockets(server.port, 1, lambda _, frame=frame: frame, b'"status":"OK"')[0]
        posts = []
        for n, token in enumerate(tokens):
            body = json.dumps(
                {"receiver": f"receiver{n:03}", "receiverType": "user", "data": {"text": load.text_of(300)}}
            ).encode()
            headers = {"appid": api.app_id, "authtoken": token, "resource": "bench"}
            posts.append(raw.request("POST", "/v3/messages", headers, body))
        senders = [raw.tcp(server.port) for _ in range(count)]
        measured = load.run(
            server, "sends", "http", receivers=sockets, senders=senders, requests=posts, seconds=SECONDS
        )
        headers = {"appid": api.app_id, "authtoken": tokens[0], "resource": "bench"}
        reads = _history(server, raw.request("GET", "/v3/users/receiver000/messages?per_page=30", headers))
        return measured, reads


def _history(server: peers.Started, get: bytes) -> float:
    lanes = [raw.tcp(server.port) for _ in range(8)]
    by_fd = {s.fileno(): s for s in lanes}
    poll = select.epoll()
    waiting: dict[int, int] = {}
    for fd, s in by_fd.items():
        poll.register(fd, select.EPOLLIN)
        s.sendall(get)
        waiting[fd] = -1
    begin, done = time.perf_counter(), 0
    while time.perf_counter() - begin < 3:
        for fd, _ in poll.poll(5):
            data = by_fd[fd].recv(1 << 20)
            if waiting[fd] < 0:
                head, _, body = data.partition(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
                waiting[fd] = length - len(body)
            else:
                waiting[fd] -= len(data)
            if waiting[fd] == 0:
                done += 1
                waiting[fd] = -1
                by_fd[fd].sendall(get)
    return done / (time.perf_counter() - begin)


def measure_jetstream() -> load.Result:
    """Measure JetStream: from the publication to its acknowledgement."""
    with peers.nats(jetstream=True) as server:
        admin = raw.tcp(server.more["tcp"])
        stream = json.dumps({"name": "S", "subjects": ["s.*"], "storage": "file", "num_replicas": 1}).encode()
        admin.sendall(b'CONNECT {"verbose":false,"headers":true}\r\nSUB a 1\r\n')
        admin.sendall(b"PUB $JS.API.STREAM.CREATE.S a %d\r\n%b\r\nPING\r\n" % (len(stream), stream))
        received = b""
        while b"MSG a" not in received:
            received += admin.recv(65536)
        lanes = []
        payload = load.text_of(600).encode()
        for n in range(SENDERS):
            s = raw.tcp(server.more["tcp"])
            s.sendall(b'CONNECT {"verbose":false}\r\nSUB r.%02d 1\r\nPING\r\n' % n)
            while b"PONG" not in s.recv(65536):
                pass
            lanes.append((s, b"PUB s.%02d r.%02d %d\r\n%b\r\n" % (n, n, len(payload), payload)))
        return load.run(
            server,
            "sends",
            "msg",
            receivers=[],
            senders=[s for s, _ in lanes],
            requests=[publish for _, publish in lanes],
            seconds=SECONDS,
        )


def run() -> list[str]:
    """Run the benchmark, and return the lines of its table."""
    peers.pin_load()
    (mine, reads), theirs = measure_ours(), measure_jetstream()
    lines = [
        f"### Durable sends, {SENDERS} senders in a closed loop",
        "",
        "Ours from the send to the frame at the receiver; JetStream (`sync_interval: always`) to the acknowledgement.",
        "",
        "| | sends/s | p50 ms | p99 ms | sends per second of CPU | the load's share of its core |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, r in (("Tailwire", mine), ("NATS JetStream", theirs)):
        lines.append(f"| {name} | {r.rate:,.0f} | {r.p50:.1f} | {r.p99:.1f} | {r.by_cpu:,.0f} | {r.load_share:.2f} |")
    return [
        *lines,
        f"| ratio | {mine.rate / theirs.rate:.2f} | {mine.p50 / theirs.p50:.2f} | {mine.p99 / theirs.p99:.2f} | "
        f"{mine.by_cpu / theirs.by_cpu:.2f} | |",
        "",
        f"History of 30 messages: {reads:,.0f} reads/s on one core (goal: 3,000; ratio {reads / 3000:.2f}).",
    ]
