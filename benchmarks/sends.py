"""Durable sends with 32 senders, up to delivery at the receiver, compared with NATS JetStream; history reads."""

from __future__ import annotations

import json
import select
import time

from benchmarks import peers, raw

SENDERS = 32
SECONDS = 6.0


def ours(count: int = SENDERS, settings: dict[str, str] | None = None) -> tuple[float, float, float, float, float]:
    """Return sends/s, p50 and p99 from send to delivery (ms), sends per second of CPU, history reads/s.

    Args:
        count: how many senders.
        settings: of the server.
    """
    with peers.tailwire(settings=settings) as server:
        api = raw.Api(server.port, server.more)
        tokens = [api.login(f"sender{n}")[0] for n in range(count)]
        receivers = [api.login(f"receiver{n}")[1] for n in range(count)]
        sockets = []
        for n, jwt in enumerate(receivers):
            frame = api.auth_frame(f"receiver{n}", jwt, f"d{n}")
            sockets += raw.open_sockets(server.port, 1, lambda _, frame=frame: frame, b'"status":"OK"')[0]
        posts = []
        for n, token in enumerate(tokens):
            body = json.dumps(
                {"receiver": f"receiver{n}", "receiverType": "user", "data": {"text": "x" * 300}}
            ).encode()
            headers = {"appid": api.app_id, "authtoken": token, "resource": "bench"}
            posts.append(raw.request("POST", "/v3/messages", headers, body))
        senders = [raw.tcp(server.port) for _ in range(count)]
        poll = select.epoll()
        lane = {}
        for n in range(count):
            for s in (senders[n], sockets[n]):
                poll.register(s.fileno(), select.EPOLLIN)
                lane[s.fileno()] = n
        receiver_fds = {s.fileno() for s in sockets}
        begun, got = [0.0] * count, [0] * count
        received, answers = [b""] * count, [b""] * count
        latencies: list[float] = []

        def send(n: int) -> None:
            begun[n], got[n] = time.perf_counter(), 0
            senders[n].sendall(posts[n])

        for n in range(count):
            send(n)
        begin, cpu = time.perf_counter(), server.cpu()
        done = 0
        while time.perf_counter() - begin < SECONDS:
            for fd, _ in poll.poll(5):
                n = lane[fd]
                if fd in receiver_fds:
                    received[n] += sockets[n].recv(65536)
                    if not raw.whole_frame(received[n]):
                        continue
                    received[n] = b""
                    latencies.append(time.perf_counter() - begun[n])
                else:
                    answers[n] += senders[n].recv(65536)
                    if not raw.whole_answer(answers[n]):
                        continue
                    answers[n] = b""
                got[n] += 1
                if got[n] == 2:  # acknowledged and delivered
                    done += 1
                    send(n)
        took, used = time.perf_counter() - begin, server.cpu() - cpu
        headers = {"appid": api.app_id, "authtoken": tokens[0], "resource": "bench"}
        reads = _history(server, raw.request("GET", "/v3/users/receiver0/messages?per_page=30", headers))
        p50, p99 = raw.percentile(latencies, 50) * 1000, raw.percentile(latencies, 99) * 1000
        return done / took, p50, p99, done / used, reads


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


def jetstream() -> tuple[float, float, float, float]:
    """Return publishes/s, p50 and p99 to the acknowledgement (ms), publishes per second of CPU."""
    with peers.nats(jetstream=True) as server:
        admin = raw.tcp(server.more["tcp"])
        stream = json.dumps({"name": "S", "subjects": ["s.*"], "storage": "file", "num_replicas": 1}).encode()
        admin.sendall(b'CONNECT {"verbose":false,"headers":true}\r\nSUB a 1\r\n')
        admin.sendall(b"PUB $JS.API.STREAM.CREATE.S a %d\r\n%b\r\nPING\r\n" % (len(stream), stream))
        said = b""
        while b"MSG a" not in said:
            said += admin.recv(65536)
        lanes = []
        payload = b"x" * 600
        for n in range(SENDERS):
            s = raw.tcp(server.more["tcp"])
            s.sendall(b'CONNECT {"verbose":false}\r\nSUB r.%d 1\r\nPING\r\n' % n)
            while b"PONG" not in s.recv(65536):
                pass
            lanes.append((s, b"PUB s.%d r.%d %d\r\n%b\r\n" % (n, n, len(payload), payload)))
        poll = select.epoll()
        by_fd = {s.fileno(): n for n, (s, _) in enumerate(lanes)}
        begun = [0.0] * SENDERS
        for n, (s, publish) in enumerate(lanes):
            poll.register(s.fileno(), select.EPOLLIN)
            begun[n] = time.perf_counter()
            s.sendall(publish)
        latencies: list[float] = []
        begin, cpu = time.perf_counter(), server.cpu()
        while time.perf_counter() - begin < SECONDS:
            for fd, _ in poll.poll(5):
                n = by_fd[fd]
                s, publish = lanes[n]
                if b"MSG" in s.recv(65536):
                    latencies.append(time.perf_counter() - begun[n])
                    begun[n] = time.perf_counter()
                    s.sendall(publish)
        took, used = time.perf_counter() - begin, server.cpu() - cpu
        p50, p99 = raw.percentile(latencies, 50) * 1000, raw.percentile(latencies, 99) * 1000
        return len(latencies) / took, p50, p99, len(latencies) / used


def run() -> list[str]:
    """Return the table."""
    peers.pin_load()
    mine, theirs = ours(), jetstream()
    return [
        f"### Durable sends, {SENDERS} senders in a closed loop",
        "",
        "Ours from the send to the frame at the receiver; JetStream (`sync_interval: always`) to the acknowledgement.",
        "",
        "| | sends/s | p50 ms | p99 ms | sends per second of CPU |",
        "| --- | --- | --- | --- | --- |",
        f"| Tailwire | {mine[0]:,.0f} | {mine[1]:.1f} | {mine[2]:.1f} | {mine[3]:,.0f} |",
        f"| NATS JetStream | {theirs[0]:,.0f} | {theirs[1]:.1f} | {theirs[2]:.1f} | {theirs[3]:,.0f} |",
        f"| ratio | {mine[0] / theirs[0]:.2f} | {mine[1] / theirs[1]:.2f} | {mine[2] / theirs[2]:.2f} | "
        f"{mine[3] / theirs[3]:.2f} |",
        "",
        f"History of 30 messages: {mine[4]:,.0f} reads/s on one core (goal: 3,000; ratio {mine[4] / 3000:.2f}).",
    ]
