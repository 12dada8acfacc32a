"""A server with a sender whose latency is measured, and the loads that others put on it meanwhile."""

from __future__ import annotations

import itertools
import json
import os
import random
import select
import signal
import socket
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks import peers, raw

# 1,000 sends: of a short round, the p99 would be that of the moment in which the load starts.
SECONDS = float(os.environ.get("TAILWIRE_BENCH_ROUND_SECONDS", "20"))
WARM_UP_SECONDS = 1.0
SEND_INTERVAL_SECONDS = 0.02
INCOMPLETE_REQUESTS = 150
ACCEPTED = frozenset({200})
BOUNDED = frozenset({200, 408, 429, 503})  # what a server that protects itself may answer
TYPING = b'{"type":"typing_indicator","receiver":"bob","receiverType":"user","body":{"action":"started"}}'


@dataclass(frozen=True)
class Load:
    """The load that others put on the server while sends are measured.

    Attributes:
        name: the row of the table.
        run: returns an iterator whose every step does a part of the load; None for no load.
        seconds: how long one round is measured.
        setup: opened before a round and closed after it, such as sockets or a limit; its value is the connection of the
            sender, or None for a new one.
    """

    name: str
    run: Callable[[], Iterator[None]] | None = None
    seconds: float = SECONDS
    setup: Callable[[], AbstractContextManager[socket.socket | None]] = nullcontext


QUIET = Load("no other load")


def _receive_now(s: socket.socket) -> bytes | None:
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
    """Return the latencies of sends at an even pace, in seconds, while `meanwhile` runs.

    Args:
        server: the server.
        post: the request that sends a message.
        meanwhile: the load (see `Load.run`).
        seconds: how long messages are sent.
        connection: the connection of the sender, which is closed at the end; None for a new one.

    Raises:
        RuntimeError: a send was refused, or the load has ended.
    """
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


def synchronised_files(folder: Path) -> Iterator[None]:
    """Write small files and synchronise each, as fast as the disk can: what the disk alone does to the sends of others."""
    for number in itertools.cycle(range(100)):
        file = os.open(folder / str(number), os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
        os.write(file, bytes(4096))
        os.fsync(file)
        os.close(file)
        yield


class Scene:
    """A server, a sender, and the loads that others can put on the server.

    Attributes:
        api: the REST API of the server.
        post: the request that sends a message from `alice` to `bob`.
    """

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

    def open_crowd(self, count: int) -> list[socket.socket]:
        """Create a group, and return this many sockets of its only member, `listener`."""
        token, jwt = self.api.login("listener")
        self.api.ask("POST", "/groups", {"guid": "hall", "name": "Hall", "type": "public"}, authtoken=token)
        frame = self.api.auth_frame("listener", jwt, "crowd")
        return raw.open_sockets(self.server.port, count, lambda _: frame, b'"status":"OK"')[0]

    def reading(self, sockets: list[socket.socket], every: float) -> Iterator[None]:
        """Send to the group of `open_crowd` every `every` seconds, and read these of its sockets."""
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
            _receive_now(connection)
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
                while _receive_now(s) != b"":
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

    def flood_without_waiting(self) -> Iterator[None]:
        """Post as fast as possible, without waiting for responses."""
        post, connection = self.message("flooder", "bob", "user") * 20, raw.tcp(self.server.port)
        connection.setblocking(False)
        left = memoryview(post)
        while True:
            with suppress(BlockingIOError):
                left = left[connection.send(left) :] or memoryview(post)
            _receive_now(connection)
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
            if _receive_now(first) == b"":
                first.close()
            else:
                connections.append(first)
            yield

    def uploads(self, content: bytes, kind: str, at_once: int) -> Callable[[], Iterator[None]]:
        """Return a load that sends files in messages, repeatedly: several users at once, one each."""
        fields = {"receiver": "bob", "receiverType": "user", "type": kind, "data": "{}"}
        parts = [
            f'--x\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n'.encode() for k, v in fields.items()
        ]
        parts.append(
            b'--x\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n' + content + b"\r\n--x--\r\n"
        )
        headers = {"appid": self.api.app_id, "content-type": "multipart/form-data; boundary=x"}
        body = b"".join(parts)
        tokens = [self.api.login(f"uploader{n}")[0] for n in range(at_once)]
        posts = [raw.request("POST", "/v3/messages", {**headers, "authtoken": token}, body) for token in tokens]
        return lambda: self._posting(posts)

    def _posting(self, posts: list[bytes]) -> Iterator[None]:
        # Post large requests over connections of their own, each again after its response.
        connections = {raw.tcp(self.server.port): post for post in posts}
        left = {connection: memoryview(post) for connection, post in connections.items()}
        answers = dict.fromkeys(connections, b"")
        for connection in connections:
            connection.setblocking(False)
        while True:
            for connection, post in connections.items():
                with suppress(BlockingIOError):
                    left[connection] = (
                        left[connection][connection.send(left[connection]) :] if left[connection] else left[connection]
                    )
                answers[connection] += _receive_now(connection) or b""
                if raw.whole_answer(answers[connection]):
                    if b" 200 " not in answers[connection][:20]:
                        raise RuntimeError(answers[connection])
                    left[connection], answers[connection] = memoryview(post), b""
            yield

    def requests(
        self,
        next_request: Callable[[], bytes],
        together: int,
        statuses: frozenset[int] = ACCEPTED,
        *,
        reconnect: bool = False,
    ) -> Iterator[None]:
        """Send requests, some concurrently, each as soon as the response to the one before has arrived.

        Args:
            next_request: returns the next request.
            together: how many are in progress.
            statuses: the permitted statuses. At any other the load ends, and so does the measurement.
            reconnect: whether to use a new connection for each request, as an app does when it is opened.
        """
        poll = select.epoll()
        connections: dict[int, tuple[socket.socket, bytes]] = {}

        def connect() -> socket.socket:
            s = raw.tcp(self.server.port)
            poll.register(s.fileno(), select.EPOLLIN)
            return s

        def ask(s: socket.socket) -> None:
            s.sendall(next_request())
            connections[s.fileno()] = (s, b"")

        for _ in range(together):
            ask(connect())
        while True:
            for fd, _ in poll.poll(0, 64):
                s, data = connections[fd]
                data += s.recv(65536)
                connections[fd] = (s, data)
                if raw.whole_answer(data):
                    if int(data[9:12]) not in statuses:
                        raise RuntimeError(data[:1000])
                    if reconnect:
                        s.close()
                    ask(connect() if reconnect else s)
            yield

    def lists(self, tokens: list[str], paths: list[str]) -> Callable[[], bytes]:
        """Return a function that returns the next request of a list, by one of the users."""
        chance = random.Random(1)

        def next_request() -> bytes:
            headers = {"appid": self.api.app_id, "authtoken": chance.choice(tokens), "resource": "bench"}
            return raw.request("GET", f"/v3{chance.choice(paths)}", headers)

        return next_request

    def passwords(self, tokens: list[str], guid: str, prefix: str) -> Callable[[], bytes]:
        """Return a function that returns the next request for which the server hashes a password.

        Args:
            tokens: of the users who guess the password of a group, or create one with a password, in turn.
            guid: the group whose password they guess.
            prefix: the prefix of the new groups' guids.
        """
        chance, numbers = random.Random(1), itertools.count()

        def next_request() -> bytes:
            headers = {"appid": self.api.app_id, "authtoken": chance.choice(tokens), "resource": "bench"}
            n = next(numbers)
            if n % 2:
                body = {"guid": f"{prefix}-{n}", "name": "G", "type": "password", "password": f"secret {n}"}
                return raw.request("POST", "/v3/groups", headers, json.dumps(body).encode())
            body = {"password": f"guess {n}"}
            return raw.request("POST", f"/v3/groups/{guid}/members", headers, json.dumps(body).encode())

        return next_request

    def slow_bodies(self, count: int) -> Iterator[None]:
        """Send request bodies slowly, a byte every 12 s; reconnect when closed.

        Args:
            count: how many at once.
        """
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
            if connections and _receive_now(connections[0][1]) is not None:  # closed by the server
                connections.pop(0)[1].close()
            yield

    def silent_sockets(self, count: int) -> Iterator[None]:
        """Open WebSockets that never authenticate, `count` at a time: then the oldest is closed for the next one."""
        connections: list[socket.socket] = []
        while True:
            if len(connections) >= count:
                connections.pop(0).close()
            with suppress(OSError):
                s = raw.tcp(self.server.port)
                s.sendall(raw.UPGRADE)
                connections.append(s)
            yield

    def reconnects(self, frames: list[bytes]) -> Iterator[None]:
        """Reconnect many clients at once, as after a network failure; refused ones retry after `Retry-After`.

        Args:
            frames: the first frame of each client, which authenticates it.
        """
        poll, left = select.epoll(), [(0.0, n) for n in range(len(frames))]
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
                    s.sendall(frames[n])
                    connections[fd] = (s, n, b"open")
                elif b" 503 " in data[:20]:
                    wait = int(data.lower().partition(b"retry-after: ")[2].split(b"\r\n")[0])
                    left.append((now + wait + chance.random(), n))
                    poll.unregister(fd)
                    s.close()
                elif data.startswith(b"open") and b'"status":"OK"' in data:
                    poll.unregister(fd)
            yield
