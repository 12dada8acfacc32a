"""Latency of one user's sends while others put load on the server, compared with an idle server."""

from __future__ import annotations

import json
import os
import random
import resource
import select
import signal
import socket
import sqlite3
import time
import traceback
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks import peers, raw

SECONDS = 6.0
SEND_INTERVAL_SECONDS = 0.02
ROUNDS = 8
INCOMPLETE_REQUESTS, MEMORY_BYTES = 150, 24 * 1024 * 1024
BOMBS, UPLOADS = 24, 4
CROWD, SLOW_READERS, SILENT_SOCKETS, RECONNECTING = 2000, 100, 5000, 2000
OWN_MESSAGES, UNREAD_MESSAGES, GROUPS, READERS = 100_000, 500_000, 15, 500
SEARCHES = (
    "tags=none", "types=none", "sender=nobody", "searchKey=x&tags=none", "fromTimestamp=1&toTimestamp=2",
    "unread=true&count=true", "mentionedUids=nobody", "hasReactions=true",
)  # fmt: skip
SLOW_BODIES, MAX_CONNECTIONS = 1000, 300
TYPING = b'{"type":"typing_indicator","receiver":"bob","receiverType":"user","body":{"action":"started"}}'


def _now(s: socket.socket) -> bytes | None:
    # Return what has arrived, or None.
    try:
        return s.recv(65536, socket.MSG_DONTWAIT)
    except BlockingIOError:
        return None
    except (ConnectionResetError, BrokenPipeError):
        return b""


@contextmanager
def in_background(meanwhile: Callable[[], Iterator[None]] | None) -> Iterator[None]:
    """Run the load in a separate process that only runs when this one is idle.

    This measures the server's time, not the load's.
    """
    if meanwhile is None:
        yield
        return
    child = os.fork()
    if not child:
        try:
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
            for _ in meanwhile():
                pass
        except Exception:  # noqa: BLE001 - printed, and noticed by the parent
            traceback.print_exc()
        os._exit(1)
    try:
        yield
        if os.waitpid(child, os.WNOHANG) != (0, 0):
            raise RuntimeError("the load process ended")
    finally:
        with suppress(ProcessLookupError, ChildProcessError):
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def latencies(
    server: peers.Started,
    post: bytes,
    meanwhile: Callable[[], Iterator[None]] | None,
    seconds: float = SECONDS,
    connection: socket.socket | None = None,
) -> list[float]:
    """Return the latencies of sends at an even pace, in seconds, while `others` runs."""
    connection = connection or raw.tcp(server.port)
    took = []
    with in_background(meanwhile):
        end, due = time.perf_counter() + seconds, time.perf_counter()
        while due < end:
            time.sleep(max(0.0, due - time.perf_counter()))
            due = max(due + SEND_INTERVAL_SECONDS, time.perf_counter())
            begun = time.perf_counter()
            connection.sendall(post)
            answer = b""
            while not raw.whole_answer(answer):
                answer += connection.recv(65536)
            if b" 200 " not in answer[:20]:
                raise RuntimeError(answer)
            took.append(time.perf_counter() - begun)
    connection.close()
    return took


class Scene:
    """A server, a sender, and a crowd in a group."""

    def __init__(self, server: peers.Started) -> None:
        self.server = server
        self.api = raw.Api(server.port, server.more)
        self.post = self.message("alice", "bob", "user")
        self.api.login("bob")

    def message(self, sender: str, receiver: str, kind: str, size: int = 300) -> bytes:
        """Return a prepared request that sends a message."""
        token = self.api.login(sender)[0]
        body = {"receiver": receiver, "receiverType": kind, "data": {"text": "x" * size}}
        headers = {"appid": self.api.app_id, "authtoken": token, "resource": "bench"}
        return raw.request("POST", "/v3/messages", headers, json.dumps(body).encode())

    def crowd(self, count: int) -> list[socket.socket]:
        """Return sockets of users in a group."""
        token, jwt = self.api.login("listener")
        self.api.ask("POST", "/groups", {"guid": "hall", "name": "Hall", "type": "public"}, authtoken=token)
        frame = self.api.auth_frame("listener", jwt, "crowd")
        return raw.open_sockets(self.server.port, count, lambda _: frame, b'"status":"OK"')[0]

    def reading(self, sockets: list[socket.socket], every: float) -> Iterator[None]:
        """Send to the group at an interval, and read some of the sockets."""
        poll, by_fd = select.epoll(), {s.fileno(): s for s in sockets}
        for fd in by_fd:
            poll.register(fd, select.EPOLLIN)
        post, connection, due = (
            self.message("listener", "hall", "group", 4000),
            raw.tcp(self.server.port),
            time.perf_counter(),
        )
        connection.setblocking(False)
        while True:
            if time.perf_counter() >= due:
                due += every
                connection.sendall(post)
            for fd, _ in poll.poll(0, 64):
                by_fd[fd].recv_into(raw.BUFFER)
            _now(connection)
            yield

    def flood_by_socket(self) -> Iterator[None]:
        """Send typing frames over a socket as fast as possible; reconnect when closed."""
        _, jwt = self.api.login("flooder")
        frame, piece = self.api.auth_frame("flooder", jwt, "flood"), raw.masked(TYPING) * 20
        while True:
            s = raw.tcp(self.server.port)
            with suppress(OSError), s:
                s.sendall(raw.UPGRADE)
                while b"\r\n\r\n" not in s.recv(65536):
                    pass
                s.sendall(frame)
                while _now(s) != b"":
                    s.sendall(piece)
                    yield
            yield

    def flood_by_http(self) -> Iterator[None]:
        """Post as fast as responses arrive."""
        post, connection = self.message("flooder", "bob", "user"), raw.tcp(self.server.port)
        while True:
            connection.sendall(post)
            raw.read_answer(connection)
            yield

    def flood_without_reading(self) -> Iterator[None]:
        """Post as fast as possible, and read responses only now and then."""
        post, connection = self.message("flooder", "bob", "user") * 20, raw.tcp(self.server.port)
        connection.setblocking(False)
        left = memoryview(post)
        while True:
            with suppress(BlockingIOError):
                left = left[connection.send(left) :] or memoryview(post)
            _now(connection)
            yield

    def refused_connects(self) -> Iterator[None]:
        """Connect as fast as possible to a server without free descriptors, which closes every connection."""
        while True:
            with suppress(OSError), raw.tcp(self.server.port) as s:
                s.recv(1)
            yield

    def incomplete_requests(self) -> Iterator[None]:
        """Start requests of the maximum size and never complete them; reconnect when closed."""
        post = self.message("flooder", "bob", "user", 250_000)[:-10_000]
        connections: list[socket.socket] = []
        while True:
            if len(connections) < INCOMPLETE_REQUESTS:
                connections.append(raw.tcp(self.server.port))
                with suppress(OSError):
                    connections[-1].sendall(post)
            first = connections.pop(0)
            if _now(first) == b"":
                first.close()
            else:
                connections.append(first)
            yield

    def uploads(self, content: bytes, kind: str, at_once: int) -> Iterator[None]:
        """Send files in messages, several at once, repeatedly."""
        token = self.api.login("flooder")[0]
        fields = {"receiver": "bob", "receiverType": "user", "type": kind, "data": "{}"}
        parts = [
            f'--x\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n'.encode() for k, v in fields.items()
        ]
        parts.append(
            b'--x\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n' + content + b"\r\n--x--\r\n"
        )
        headers = {"appid": self.api.app_id, "authtoken": token, "content-type": "multipart/form-data; boundary=x"}
        post = raw.request("POST", "/v3/messages", headers, b"".join(parts))
        connections = [raw.tcp(self.server.port) for _ in range(at_once)]
        left = {connection: memoryview(post) for connection in connections}
        answers = dict.fromkeys(connections, b"")
        for connection in connections:
            connection.setblocking(False)
        while True:
            for connection in connections:
                with suppress(BlockingIOError):
                    left[connection] = (
                        left[connection][connection.send(left[connection]) :] if left[connection] else left[connection]
                    )
                answers[connection] += _now(connection) or b""
                if raw.whole_answer(answers[connection]):
                    if b" 200 " not in answers[connection][:20]:
                        raise RuntimeError(answers[connection])
                    left[connection], answers[connection] = memoryview(post), b""
            yield

    def list_requests(self, tokens: list[str], paths: list[str], together: int) -> Iterator[None]:
        """List as users, some concurrently, each as soon as the last response has arrived."""
        chance, poll = random.Random(1), select.epoll()
        connections: dict[int, tuple[socket.socket, bytes]] = {}

        def ask(s: socket.socket) -> None:
            headers = {"appid": self.api.app_id, "authtoken": chance.choice(tokens), "resource": "bench"}
            s.sendall(raw.request("GET", f"/v3{chance.choice(paths)}", headers))
            connections[s.fileno()] = (s, b"")

        for _ in range(together):
            s = raw.tcp(self.server.port)
            poll.register(s.fileno(), select.EPOLLIN)
            ask(s)
        while True:
            for fd, _ in poll.poll(0, 64):
                s, data = connections[fd]
                data += s.recv(65536)
                connections[fd] = (s, data)
                if raw.whole_answer(data):
                    ask(s)
            yield

    def slow_bodies(self, count: int) -> Iterator[None]:
        """Send request bodies slowly, a byte at a time; reconnect when closed."""
        post = self.message("flooder", "bob", "user", 1000)
        head = post[: post.index(b"\r\n\r\n") + 4]
        connections: list[tuple[float, socket.socket]] = []
        while True:
            if len(connections) < count:
                with suppress(OSError):
                    s = raw.tcp(self.server.port)
                    s.sendall(head)
                    connections.append((time.perf_counter() + 12.0, s))
            elif connections[0][0] <= time.perf_counter():
                _, s = connections.pop(0)
                with suppress(OSError):
                    s.sendall(b" ")
                    connections.append((time.perf_counter() + 12.0, s))
            if connections and _now(connections[0][1]) is not None:  # closed by the server
                connections.pop(0)[1].close()
            yield

    def silent_sockets(self, count: int) -> Iterator[None]:
        """Open WebSockets that never authenticate; reconnect when closed."""
        connections: list[socket.socket] = []
        while True:
            if len(connections) >= count:
                connections.pop(0).close()
            with suppress(OSError):
                s = raw.tcp(self.server.port)
                s.sendall(raw.UPGRADE)
                connections.append(s)
            yield

    def reconnects(self, jwts: list[bytes]) -> Iterator[None]:
        """Reconnect many clients at once, as after a network failure; they retry when told to."""
        poll, left = select.epoll(), [(0.0, n) for n in range(len(jwts))]
        begin, chance = time.perf_counter(), random.Random(1)
        connections: dict[int, tuple[socket.socket, int, bytes]] = {}
        while True:
            now = time.perf_counter() - begin
            for due in [entry for entry in left if entry[0] <= now][:50]:
                left.remove(due)
                s = raw.tcp(self.server.port)
                s.sendall(raw.UPGRADE)
                poll.register(s.fileno(), select.EPOLLIN)
                connections[s.fileno()] = (s, due[1], b"")
            for fd, _ in poll.poll(0, 64):
                s, n, data = connections[fd]
                data += s.recv(65536)
                connections[fd] = (s, n, data)
                if b" 101 " in data[:20] and b"\r\n\r\n" in data:
                    s.sendall(jwts[n])
                    connections[fd] = (s, n, b"open")
                elif b" 503 " in data[:20]:
                    wait = int(data.lower().partition(b"retry-after: ")[2].split(b"\r\n")[0])
                    left.append((now + wait + chance.random(), n))
                    poll.unregister(fd)
                    s.close()
                elif data.startswith(b"open") and b'"status":"OK"' in data:
                    poll.unregister(fd)
            yield


def _in(
    settings: dict[str, str],
    measure: Callable[[Scene], dict[str, list[float]]],
    fill: Callable[[Path], None] | None = None,
) -> dict[str, list[float]]:
    with peers.tailwire(settings=settings, fill=fill) as server:
        return measure(Scene(server))


def _slow(scene: Scene) -> dict[str, list[float]]:
    sockets = scene.crowd(CROWD)
    all_read = latencies(scene.server, scene.post, lambda: scene.reading(sockets, 0.25))
    some = latencies(scene.server, scene.post, lambda: scene.reading(sockets[SLOW_READERS:], 0.25), 4 * SECONDS)
    return {"2,000 sockets, all read": all_read, "the same, 100 never read": some}


def _flood(scene: Scene) -> dict[str, list[float]]:
    return {
        "no other load": latencies(scene.server, scene.post, None),
        "a flood over a socket": latencies(scene.server, scene.post, scene.flood_by_socket),
        "a flood over HTTP": latencies(scene.server, scene.post, scene.flood_by_http),
        "a flood over HTTP that does not wait for responses": latencies(
            scene.server, scene.post, scene.flood_without_reading
        ),
    }


def _silent(scene: Scene) -> dict[str, list[float]]:
    quiet = latencies(scene.server, scene.post, None)
    sockets = [raw.tcp(scene.server.port) for _ in range(SILENT_SOCKETS)]
    for s in sockets[::2]:
        s.sendall(raw.UPGRADE)
    raw.Api(scene.server.port, scene.server.more).ask("GET", "/settings")  # all sockets are accepted
    took = latencies(scene.server, scene.post, None, 2 * SECONDS)  # and reach their deadline
    for s in sockets:
        s.close()
    return {"no other load": quiet, "5,000 sockets that never authenticate": took}


def _descriptors(scene: Scene) -> dict[str, list[float]]:
    quiet = latencies(scene.server, scene.post, None)
    connection, pid = raw.tcp(scene.server.port), scene.server.process.pid
    connection.sendall(scene.post)
    raw.read_answer(connection)
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (len(os.listdir(f"/proc/{pid}/fd")), hard))
    took = latencies(scene.server, scene.post, scene.refused_connects, connection=connection)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
    return {"no other load": quiet, "no descriptor left, and a client that keeps connecting": took}


def _memory(scene: Scene) -> dict[str, list[float]]:
    quiet = latencies(scene.server, scene.post, None)
    pid = scene.server.process.pid
    used = int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.prlimit(pid, resource.RLIMIT_AS, (used + MEMORY_BYTES, resource.RLIM_INFINITY))
    took = latencies(scene.server, scene.post, scene.incomplete_requests)
    resource.prlimit(pid, resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    return {"no other load": quiet, f"{INCOMPLETE_REQUESTS} incomplete large requests, 24 MB of memory": took}


def _herd(scene: Scene) -> dict[str, list[float]]:
    _, jwt = scene.api.login("listener")
    frames = [scene.api.auth_frame("listener", jwt, f"d{n}") for n in range(RECONNECTING)]
    quiet, took = [], []
    for _ in range(ROUNDS):  # the wave is short: one alone gives few samples
        quiet += latencies(scene.server, scene.post, None, 4.0)
        took += latencies(scene.server, scene.post, lambda: scene.reconnects(frames), 4.0)
        while scene.api.ask("GET", "/health")["sockets"]:
            time.sleep(0.1)
    return {"no other load": quiet, "2,000 clients reconnect at once": took}


def _png(width: int, height: int) -> bytes:
    # A transparent picture: a few kilobytes that decode to width x height x 4.
    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)

    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(1 + 4 * width)) for _ in range(height)) + packer.flush()
    head = width.to_bytes(4) + height.to_bytes(4) + b"\x08\x06\0\0\0"
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def _uploads(scene: Scene) -> dict[str, list[float]]:
    return {
        "no other load": latencies(scene.server, scene.post, None),
        f"{BOMBS} concurrent pictures of 49 megapixels, repeatedly": latencies(
            scene.server, scene.post, lambda: scene.uploads(_png(7000, 7000), "image", BOMBS)
        ),
        f"{BOMBS} pictures of 12 megapixels, which get thumbnails": latencies(
            scene.server, scene.post, lambda: scene.uploads(_png(4000, 3000), "image", BOMBS)
        ),
        f"{UPLOADS} uploads of 10 MB at once": latencies(
            scene.server, scene.post, lambda: scene.uploads(os.urandom(10_000_000), "file", UPLOADS)
        ),
    }


def backlog(path: Path, *, messages: int = UNREAD_MESSAGES, own: int = OWN_MESSAGES, readers: int = READERS) -> None:
    """Fill a database: a group with many messages of one user, and many unread messages in groups of all users."""
    c = sqlite3.connect(path, isolation_level=None)
    body = json.dumps({"sender": "listener", "data": {"text": "x" * 300}, "tags": ["some"]}).encode()
    c.execute("BEGIN")
    guids = [f"g{n}" for n in range(GROUPS)]
    for guid in ("own", *guids):
        uids = ["searcher", "listener"] if guid == "own" else ["listener", *(f"r{n}" for n in range(readers))]
        row = "INSERT INTO groups (guid, name, type, members_count, created_at, updated_at) VALUES (?, ?, 'public', ?, 1, 1)"
        c.execute(row, (guid, guid, len(uids)))
        c.executemany("INSERT INTO members VALUES (?, ?, 'participant', 1, 0)", [(guid, uid) for uid in uids])
    places = [guids[n % GROUPS] for n in range(messages)] + ["own"] * own
    c.executemany(
        "INSERT INTO messages (id, conversation_id, sender, receiver, receiver_type, category, type, sent_at,"
        " updated_at, body, traits) VALUES (?, ?, 'listener', ?, 'group', 'message', 'text', 1, 1, ?, 0)",
        ((n, f"g/{guid}", guid, body) for n, guid in enumerate(places, 1)),
    )
    c.execute(
        "INSERT INTO conversations (conversation_id, last_message_id, shown_message_id, updated_at, created_at)"
        " SELECT conversation_id, max(id), max(id), 1, 1 FROM messages GROUP BY conversation_id"
    )
    c.execute("COMMIT")
    c.close()


def _lists(scene: Scene) -> dict[str, list[float]]:
    searches = [f"/messages?{query}" for query in SEARCHES]
    searcher, readers = [scene.api.login("searcher")[0]], [scene.api.login(f"r{n}")[0] for n in range(READERS)]
    return {
        "no other load": latencies(scene.server, scene.post, None),
        f"8 searches at a time of one user with {OWN_MESSAGES:,} messages": latencies(
            scene.server, scene.post, lambda: scene.list_requests(searcher, searches, 8)
        ),
        f"{READERS} users list their conversations, {UNREAD_MESSAGES:,} messages unread": latencies(
            scene.server, scene.post, lambda: scene.list_requests(readers, ["/conversations?per_page=30"], 50)
        ),
    }


def _slow_bodies(scene: Scene) -> dict[str, list[float]]:
    quiet = latencies(scene.server, scene.post, None)
    took = latencies(scene.server, scene.post, lambda: scene.slow_bodies(SLOW_BODIES))
    return {"no other load": quiet, f"{SLOW_BODIES} bodies, a byte in 12 s each": took}


def _few_places(scene: Scene) -> dict[str, list[float]]:
    quiet = latencies(scene.server, scene.post, None)
    bodies = latencies(scene.server, scene.post, lambda: scene.slow_bodies(2 * MAX_CONNECTIONS))
    sockets = latencies(scene.server, scene.post, lambda: scene.silent_sockets(2 * MAX_CONNECTIONS))
    return {
        "no other load": quiet,
        f"room for {MAX_CONNECTIONS} connections, {2 * MAX_CONNECTIONS} bodies, a byte in 12 s each": bodies,
        f"room for {MAX_CONNECTIONS} connections, {2 * MAX_CONNECTIONS} sockets that never authenticate": sockets,
    }


def run() -> list[str]:
    """Return the table."""
    peers.pin_load()
    rates = {"TAILWIRE_UPGRADES_PER_SECOND": "500", "TAILWIRE_SENDS_PER_MINUTE": "10000"}
    lines = [
        "### Effect on others: one send every 20 ms, to its response",
        "",
        "| | p50 ms | p99 ms | p50 ratio | p99 |",
        "| --- | --- | --- | --- | --- |",
    ]
    for settings, scene, *fill in (
        ({"TAILWIRE_SLOW_CLOSE": "1048576"}, _slow),
        (rates, _flood),
        ({"TAILWIRE_AUTH_DEADLINE": "10"}, _silent),
        (rates, _descriptors),
        (rates, _memory),
        (rates, _slow_bodies),
        (
            {**rates, "TAILWIRE_MAX_CONNECTIONS": str(MAX_CONNECTIONS), "TAILWIRE_UNAUTHENTICATED_PER_ADDRESS": "100"},
            _few_places,
        ),
        (rates, _herd),
        ({**rates, "TAILWIRE_UPLOADS_PER_DAY": "0"}, _uploads),
        ({}, _lists, backlog),
    ):
        rows = _in(settings, scene, *fill)
        before: tuple[float, float] | None = None
        for name, took in rows.items():
            p50, p99 = raw.percentile(took, 50) * 1000, raw.percentile(took, 99) * 1000
            ratio = f"{p50 / before[0]:.2f} | {p99 / before[1]:.2f}" if before else "| "
            before = before or (p50, p99)
            lines.append(f"| {name} | {p50:.2f} | {p99:.2f} | {ratio} |")
    return [*lines, "", "Goal: others' latency at most doubled."]
