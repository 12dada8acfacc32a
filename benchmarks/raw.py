"""Raw sockets for cheap load: HTTP keep-alive, WebSocket handshakes, counting readers."""

from __future__ import annotations

import base64
import json
import os
import select
import socket
import struct
import time
from collections.abc import Callable, Iterable
from typing import Any

BUFFER = bytearray(1 << 20)


def tcp(port: int) -> socket.socket:
    """Open a TCP connection to a port of this machine."""
    s = socket.create_connection(("127.0.0.1", port))
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s


def masked(payload: bytes, opcode: int = 1) -> bytes:
    """Return a client frame; its mask is zero, so the payload is unchanged."""
    size = len(payload)
    head = bytes([0x80 | opcode])
    if size < 126:
        head += bytes([0x80 | size])
    elif size < 65536:
        head += bytes([0x80 | 126]) + struct.pack("!H", size)
    else:
        head += bytes([0x80 | 127]) + struct.pack("!Q", size)
    return head + b"\0\0\0\0" + payload


UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-Tailwire-Client: bench\r\n"
    b"Sec-WebSocket-Key: " + base64.b64encode(os.urandom(16)) + b"\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def read_answer(s: socket.socket) -> bytes:
    """Read one HTTP response, and return its body; without Content-Length, what arrived together with the head.

    Raises:
        ConnectionError: the connection has ended before the response.
    """

    def more() -> bytes:
        part = s.recv(65536)
        if not part:
            raise ConnectionError(f"ended: {data[:200]!r}")
        return part

    data = b""
    while b"\r\n\r\n" not in data:
        data += more()
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
    )
    while len(body) < length:
        body += more()
    return body


def whole_answer(data: bytes) -> bool:
    """Return whether an HTTP response is complete.

    Raises:
        ValueError: it has no Content-Length.
    """
    head, gap, body = data.partition(b"\r\n\r\n")
    if not gap:
        return False
    return len(body) >= int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])


def request(method: str, path: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    """Return an encoded HTTP request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}"]
    lines += [f"{k}: {v}" for k, v in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Api:
    """Our server's REST API over one connection."""

    def __init__(self, port: int, keys: dict[str, Any]) -> None:
        self.port = port
        self.app_id, self.auth_key = keys["app_id"], keys["auth_key"]
        self._socket = tcp(port)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Send one request, and return the `data` of the response.

        Raises:
            RuntimeError: the request was refused.
        """
        content = json.dumps(body).encode() if body is not None else b""
        message = request(method, "/v3" + path, {"appid": self.app_id, **headers}, content)
        try:
            self._socket.sendall(message)
            answer = json.loads(read_answer(self._socket))
        except ConnectionError:  # the server closes idle connections
            self._socket = tcp(self.port)
            self._socket.sendall(message)
            answer = json.loads(read_answer(self._socket))
        if "data" not in answer:
            raise RuntimeError(answer)
        return answer["data"]

    def login(self, uid: str) -> tuple[str, str]:
        """Create the user if needed; return a token and a pass."""
        try:
            self.ask("POST", "/users", {"uid": uid, "name": uid.title()}, apikey=self.auth_key)
        except RuntimeError as e:
            if "ALREADY" not in str(e):
                raise
        token = self.ask("POST", f"/users/{uid}/auth_tokens", {}, apikey=self.auth_key)["authToken"]
        return token, self.ask("PUT", "/me", {}, authtoken=token)["jwt"]

    def auth_frame(self, uid: str, jwt: str, device: str) -> bytes:
        """Return the first frame of a socket, which authenticates it."""
        body = {"auth": jwt, "deviceId": device}
        return masked(json.dumps({"type": "auth", "deviceId": device, "sender": uid, "body": body}).encode())


def open_sockets(
    port: int, count: int, first: Callable[[int], bytes], done: bytes, together: int = 32
) -> tuple[list[socket.socket], float]:
    """Open WebSockets, some concurrently; each is ready when the bytes `done` have arrived.

    Args:
        port: the port of the server on this machine.
        count: the number of sockets.
        first: returns what the n-th socket sends after the handshake; empty for nothing.
        done: b"" if a socket is ready after the handshake.
        together: how many are opened concurrently.

    Returns:
        The sockets, and the time it took in seconds.
    """
    sockets: list[socket.socket] = []
    opening: dict[int, tuple[socket.socket, int, bytes, bool]] = {}
    poll = select.epoll()
    begin, started = time.perf_counter(), 0
    while len(sockets) < count:
        while started < count and len(opening) < together:
            s = tcp(port)
            s.sendall(UPGRADE)
            poll.register(s.fileno(), select.EPOLLIN)
            opening[s.fileno()] = (s, started, b"", False)
            started += 1
        for fd, _ in poll.poll(5):
            s, n, data, sent = opening[fd]
            data += s.recv(65536)
            if not sent and b"\r\n\r\n" in data:
                data = data.partition(b"\r\n\r\n")[2]
                sent = True
                if first(n):
                    s.sendall(first(n))
            opening[fd] = (s, n, data, sent)
            if sent and (not done or done in data):
                poll.unregister(fd)
                s.setblocking(False)
                sockets.append(opening.pop(fd)[0])
    poll.close()
    return sockets, time.perf_counter() - begin


class Reader:
    """Reads many sockets and counts bytes, or occurrences of a marker byte.

    Attributes:
        poll: the epoll object; callers may register other descriptors there.
        count: the bytes or markers that were read.
    """

    def __init__(self, sockets: Iterable[socket.socket], marker: bytes = b"") -> None:
        self._by_fd = {s.fileno(): s for s in sockets}
        self.poll = select.epoll()
        for fd in self._by_fd:
            self.poll.register(fd, select.EPOLLIN)
        self._marker = marker
        self.count = 0

    def read(self, timeout: float = 5) -> list[int]:
        """Read available data; return the ready descriptors that are not its own."""
        others = []
        recv_into, marker = socket.socket.recv_into, self._marker
        for fd, _ in self.poll.poll(timeout, 2048):
            s = self._by_fd.get(fd)
            if s is None:
                others.append(fd)
                continue
            try:
                size = recv_into(s, BUFFER)
            except BlockingIOError:
                continue
            self.count += BUFFER.count(marker, 0, size) if marker else size
        return others


def percentile(values: list[float], p: float) -> float:
    """Return the p-th percentile of some values; p is from 0 to 100."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * p / 100))]
