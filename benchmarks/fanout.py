"""Fan-out of one message to 1000 authenticated group members through `POST /messages`; bare frames for the peers."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable

from benchmarks import peers, raw

SOCKETS = 1000
SIZE = 600
SECONDS = 4.0
IN_FLIGHT = (1, 4, 16)
MARK = b"\xf5"


def _closed_loop(
    reader: raw.Reader,
    senders: list[socket.socket],
    send: Callable[[socket.socket], None],
    answered: Callable[[bytes], int],
    cpu: Callable[[], float],
) -> tuple[float, float]:
    """Keep as many messages in flight as there are senders.

    Args:
        answered: what counts for the message that a sender's response is about.

    Returns:
        Deliveries per second, and per second of the server's CPU.
    """
    by_fd = {s.fileno(): s for s in senders}
    for fd in by_fd:
        reader.poll.register(fd, 1)
    goals: list[tuple[int, socket.socket]] = []
    expected = reader.count
    finished = 0
    for s in senders:
        send(s)
    begin, cpu_begin = time.perf_counter(), cpu()
    while time.perf_counter() - begin < SECONDS:
        for fd in reader.read():
            s = by_fd[fd]
            expected += answered(s.recv(65536))
            goals.append((expected, s))
        while goals and reader.count >= goals[0][0]:
            _, s = goals.pop(0)
            finished += 1
            send(s)
    took, used = time.perf_counter() - begin, cpu() - cpu_begin
    for fd in by_fd:
        reader.poll.unregister(fd)
    return finished * SOCKETS / took, finished * SOCKETS / max(used, 0.01)


def ours() -> dict[int, tuple[float, float]]:
    """Measure our server."""
    with peers.tailwire() as server:
        api = raw.Api(server.port, server.more)
        token, jwt = api.login("alice")
        api.ask("POST", "/groups", {"guid": "all", "name": "All"}, authtoken=token)
        users = [api.login(f"user{n}") for n in range(50)]
        for user_token, _ in users:
            api.ask("POST", "/groups/all/members", {}, authtoken=user_token)
        sockets, _ = raw.open_sockets(
            server.port,
            SOCKETS,
            lambda n: api.auth_frame(f"user{n % 50}", users[n % 50][1], f"device-{n}"),
            b'"status":"OK"',
        )
        headers = {"appid": api.app_id, "authtoken": token, "resource": "bench"}
        text = "x" * (SIZE - 330)  # about SIZE bytes with the envelope
        body = json.dumps({"receiver": "all", "receiverType": "group", "data": {"text": text}}).encode()
        post = raw.request("POST", "/v3/messages", headers, body)
        reader = raw.Reader(sockets)
        first = raw.tcp(server.port)
        first.sendall(post)
        json_size = len(raw.read_answer(first)) - len(b'{"data":}')
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            reader.read(0.1)
        around = reader.count // SOCKETS - json_size

        def answered(answer: bytes) -> int:
            length = len(answer.partition(b"\r\n\r\n")[2]) - len(b'{"data":}')
            return (length + around) * SOCKETS

        results = {}
        for k in IN_FLIGHT:
            senders = [raw.tcp(server.port) for _ in range(k)]
            results[k] = _closed_loop(reader, senders, lambda s: s.sendall(post), answered, server.cpu)
            for s in senders:
                s.close()
            while reader.read(0.2) or reader.poll.poll(0.2):
                pass
        _ = jwt
        return results


def node() -> dict[int, tuple[float, float]]:
    """Measure Node's ws with bare frames."""
    with peers.node_ws() as server:
        sockets, _ = raw.open_sockets(server.port, SOCKETS, lambda n: b"", b"")
        reader = raw.Reader(sockets, MARK)
        post = raw.request("POST", "/", {}, b"x" * (SIZE - 1) + MARK)
        results = {}
        for k in IN_FLIGHT:
            senders = [raw.tcp(server.port) for _ in range(k)]
            results[k] = _closed_loop(
                reader, senders, lambda s: s.sendall(post), lambda a: a.count(b"HTTP/1.1 200") * SOCKETS, server.cpu
            )
            for s in senders:
                s.close()
            while reader.poll.poll(0.2):
                reader.read(0.2)
        return results


def nats() -> dict[int, tuple[float, float]]:
    """Measure nats-server's WebSocket with bare frames, published over its own protocol."""
    with peers.nats() as server:
        connect = b'CONNECT {"verbose":false,"pedantic":false}\r\nSUB all 1\r\nPING\r\n'
        frame = raw.masked(connect, opcode=2)
        sockets, _ = raw.open_sockets(server.port, SOCKETS, lambda n: frame, b"PONG")
        reader = raw.Reader(sockets, MARK)
        payload = b"x" * (SIZE - 1) + MARK
        publish = b"PUB all %d\r\n%b\r\nPING\r\n" % (len(payload), payload)
        results = {}
        for k in IN_FLIGHT:
            senders = []
            for _ in range(k):
                s = raw.tcp(server.more["tcp"])
                s.sendall(b'CONNECT {"verbose":false}\r\nPING\r\n')
                while b"PONG" not in s.recv(65536):
                    pass
                senders.append(s)
            results[k] = _closed_loop(
                reader, senders, lambda s: s.sendall(publish), lambda a: a.count(b"PONG") * SOCKETS, server.cpu
            )
            for s in senders:
                s.close()
            while reader.poll.poll(0.2):
                reader.read(0.2)
        return results


def run() -> list[str]:
    """Return the table."""
    peers.pin_load()
    measured = {
        "Tailwire: POST, stored, delivered": ours(),
        "nats-server WebSocket, bare": nats(),
        "Node ws, bare": node(),
    }
    lines = [
        "### Fan-out: one message of about 600 bytes to 1000 sockets of a group",
        "",
        "Deliveries/s, server on one core; in brackets: per second of the server's CPU time.",
        "",
        "| | 1 in flight | 4 | 16 |",
        "| --- | --- | --- | --- |",
    ]
    for name, results in measured.items():
        cells = [f"{results[k][0]:,.0f} ({results[k][1]:,.0f})" for k in IN_FLIGHT]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    mine = measured["Tailwire: POST, stored, delivered"]
    for name in ("nats-server WebSocket, bare", "Node ws, bare"):
        ratios = [f"{mine[k][0] / measured[name][k][0]:.2f}" for k in IN_FLIGHT]
        lines.append(f"| ratio to {name.split(',')[0]} | {' | '.join(ratios)} |")
    return lines
