"""10,000 devices of the members of a group, with a push service, for the effect of their notifications on others."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import raw
from benchmarks.neighbour_load import QUIET, Load, Scene

DEVICES = 10_000
SECONDS = 12.0
PORT = 19_481
SETTINGS = {
    "TAILWIRE_PUSH_CONTACT": "mailto:bench@example.com",
    "TAILWIRE_PUSH_TARGETS": "127.0.0.1",
    "TAILWIRE_PUSH_DELAY": "0.2",
}
ANSWER = b"HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n"
# The public key and the secret of RFC 8291, appendix A.
KEYS = {
    "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
    "auth": "BTBZMqHH6r4Tts7J_aSIgg",
}


def fill_devices(path: Path) -> None:
    """Fill a database: a group of users who each have a device."""
    c = sqlite3.connect(path, isolation_level=None)
    c.execute("BEGIN")
    uids = [f"m{n}" for n in range(DEVICES)]
    c.executemany(
        "INSERT INTO users (uid, name, role, last_active_at, created_at, updated_at) VALUES (?, ?, 'default', 1, 1, 1)",
        [(uid, uid) for uid in uids],
    )
    c.executemany(
        "INSERT INTO auth_tokens (token_hash, uid, created_at, number) VALUES (?, ?, 1, 1)",
        [(f"auth-{uid}", uid) for uid in uids],
    )
    c.execute(
        "INSERT INTO groups (guid, name, type, members_count, created_at, updated_at)"
        " VALUES ('hall', 'Hall', 'public', ?, 1, 1)",
        (DEVICES,),
    )
    c.executemany("INSERT INTO members VALUES ('hall', ?, 'participant', 1, 0)", [(uid,) for uid in uids])
    c.executemany(
        "INSERT INTO push_tokens (token_hash, uid, auth_token, platform, provider, token, created_at, updated_at)"
        " VALUES (?, ?, ?, 'web_push', 'web', ?, 1, 1)",
        [
            (
                f"hash-{uid}",
                uid,
                f"auth-{uid}",
                json.dumps({"endpoint": f"http://127.0.0.1:{PORT}/{uid}", "keys": KEYS}),
            )
            for uid in uids
        ],
    )
    c.execute("COMMIT")
    c.close()


@contextmanager
def push_service() -> Iterator[None]:
    """Run a push service in another process, which accepts everything."""
    listening = socket.create_server(("127.0.0.1", PORT), backlog=512)
    child = os.fork()
    if not child:
        _serve(listening)
    listening.close()
    try:
        yield
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _serve(listening: socket.socket) -> None:
    import select

    poll, clients = select.epoll(), {listening.fileno(): listening}
    read: dict[int, bytes] = {}
    poll.register(listening, select.EPOLLIN)
    while True:
        for fd, _ in poll.poll():
            if fd == listening.fileno():
                client, _ = listening.accept()
                clients[client.fileno()], read[client.fileno()] = client, b""
                poll.register(client, select.EPOLLIN)
                continue
            data = clients[fd].recv(65536)
            if not data:
                poll.unregister(fd)
                clients.pop(fd).close()
                continue
            read[fd] += data
            while (end := read[fd].find(b"\r\n\r\n")) >= 0:
                head = read[fd][:end].lower()
                length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
                if len(read[fd]) < end + 4 + length:
                    break
                read[fd] = read[fd][end + 4 + length :]
                clients[fd].sendall(ANSWER)


def notification_loads(scene: Scene) -> list[Load]:
    """Return the loads: no other, and notifications of all members of the group about one message."""
    owner = scene.api.login("m0")[0]
    body = {"receiver": "hall", "receiverType": "group", "data": {"text": "x" * 100}}

    @contextmanager
    def after_a_message() -> Iterator[None]:
        before = _sent(scene)
        with push_service():
            scene.api.ask("POST", "/messages", body, authtoken=owner)
            while _sent(scene) == before:
                time.sleep(0.1)
            yield
            before = 0
            while before < (before := _sent(scene)):  # the next round begins when all are sent
                time.sleep(1.0)

    return [
        Load(QUIET.name, None, SECONDS),
        Load(f"push notifications to {DEVICES:,} devices after one message", None, SECONDS, after_a_message),
    ]


def _sent(scene: Scene) -> int:
    connection = raw.tcp(scene.server.port)
    connection.sendall(b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    answer = b""
    while piece := connection.recv(65536):
        answer += piece
    connection.close()
    lines = [
        line
        for line in answer.decode(errors="replace").splitlines()
        if 'outcome="sent",provider="web"' in line or 'provider="web",outcome="sent"' in line
    ]
    return int(float(lines[0].rpartition(" ")[2])) if lines else 0
