"""Messages at a fixed rate, independent of the responses, and when they reach the listeners at each server."""

from __future__ import annotations

import itertools
import json
import re
import select
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field

from benchmarks import load, peers, raw

SENDERS = 16
GROUP = "paced"
_NUMBER = re.compile(re.escape(load.MARKER) + rb"(\d{%d})" % len(load.STAMP))
_KEPT = len(load.MARKER + load.STAMP) - 1
LAST_SECONDS = 10.0
"""How long the last messages may take to arrive."""


@dataclass
class Listener:
    """A socket, and the milliseconds that each message took to arrive at it.

    Attributes:
        took: the milliseconds from the send of each message to its arrival.
        awaited: numbers of messages that have not arrived.
        rest: the last bytes that were read, in which a message may begin.
    """

    socket: socket.socket
    took: list[float] = field(default_factory=list)
    awaited: set[int] = field(default_factory=set)
    rest: bytes = b""

    def read(self, sent: dict[int, float]) -> None:
        """Read what has arrived.

        Args:
            sent: when each message was sent, by its number, on the clock of `time.perf_counter`.

        Raises:
            RuntimeError: a message has arrived twice.
        """
        data = self.rest + self.socket.recv(1 << 20)
        now = time.perf_counter()
        for found in _NUMBER.finditer(data):
            number = int(found[1])
            if number not in self.awaited:
                raise RuntimeError(f"message {number} arrived twice")
            self.awaited.remove(number)
            self.took.append((now - sent[number]) * 1000)
        self.rest = data[-_KEPT:]


@dataclass
class _Sender:
    socket: socket.socket
    request: bytes
    number: int = -1


class Pace:
    """Senders who send to a group, and a listener at each server.

    Args:
        servers: the servers that have listeners.
        senders: servers that have the senders, in turn.

    Attributes:
        listeners: the listeners, in the order of the servers.
    """

    def __init__(self, servers: Sequence[peers.Started], senders: Sequence[peers.Started]) -> None:
        keys = servers[0].more
        first = raw.Api(servers[0].port, keys)
        owner, _ = first.login("paced-owner")
        first.ask("POST", "/groups", {"guid": GROUP, "name": "Paced"}, authtoken=owner)
        self.listeners = [self._listener(n, server, keys) for n, server in enumerate(servers)]
        self._idle: deque[_Sender] = deque()
        for n in range(SENDERS):
            token = self._member(first, f"paced{n:02}")[0]
            body = {"receiver": GROUP, "receiverType": "group", "data": {"text": load.text_of(300)}}
            headers = {"appid": first.app_id, "authtoken": token, "resource": "bench"}
            request = raw.request("POST", "/v3/messages", headers, json.dumps(body).encode())
            self._idle.append(_Sender(raw.tcp(senders[n % len(senders)].port), request))
        self._busy: dict[int, _Sender] = {}
        self._in_doubt: set[int] = set()
        self._sent: dict[int, float] = {}
        self._numbers = itertools.count()

    @staticmethod
    def _member(api: raw.Api, uid: str) -> tuple[str, str]:
        token, jwt = api.login(uid)
        api.ask("POST", f"/groups/{GROUP}/members", {}, authtoken=token)
        return token, jwt

    def _listener(self, number: int, server: peers.Started, keys: dict[str, str]) -> Listener:
        api, uid = raw.Api(server.port, keys), f"listener{number}"
        frame = api.auth_frame(uid, self._member(api, uid)[1], uid)
        return Listener(raw.open_sockets(server.port, 1, lambda _: frame, b'"status":"OK"')[0][0])

    def run(self, rate: float, seconds: float, events: Sequence[tuple[float, Callable[[], object]]] = ()) -> None:
        """Send, and add what each message took to the listeners. Senders whose server has ended are left out.

        Args:
            rate: messages per second.
            seconds: how long messages are sent.
            events: what happens meanwhile: after how many seconds, and a function, which runs in a thread.

        Raises:
            RuntimeError: a send was refused, or a message did not arrive, or twice.
        """
        poll = select.epoll()
        by_fd = {listener.socket.fileno(): listener for listener in self.listeners}
        for fd in by_fd:
            poll.register(fd, select.EPOLLIN)
        happened: list[Future[object]] = []
        begin = next_at = time.perf_counter()
        end, waiting = begin + seconds, deque(events)
        with ThreadPoolExecutor(1) as thread:
            while (now := time.perf_counter()) < end or self._busy or self._awaited():
                if now > end + LAST_SECONDS:
                    raise RuntimeError(f"{len(self._awaited())} messages did not arrive")
                while waiting and waiting[0][0] <= now - begin:
                    happened.append(thread.submit(waiting.popleft()[1]))
                while next_at <= now < end and self._idle:
                    self._send(poll)
                    next_at += 1 / rate
                for fd, _ in poll.poll(0.001):
                    if (listener := by_fd.get(fd)) is not None:
                        listener.read(self._sent)
                    else:
                        self._answered(poll, fd)
        for done in happened:
            done.result()
        for listener in self.listeners:
            listener.awaited.clear()  # what a server that ended had not stored
        poll.close()

    def _awaited(self) -> set[int]:
        return set().union(*(listener.awaited for listener in self.listeners)) - self._in_doubt

    def _send(self, poll: select.epoll) -> None:
        sender = self._idle.popleft()
        sender.number = next(self._numbers)
        stamp = b"%0*d" % (len(load.STAMP), sender.number)
        poll.register(sender.socket.fileno(), select.EPOLLIN)
        self._busy[sender.socket.fileno()] = sender
        self._sent[sender.number] = time.perf_counter()
        for listener in self.listeners:
            listener.awaited.add(sender.number)
        with suppress(OSError):  # its server has ended, which `_answered` sees
            sender.socket.sendall(sender.request.replace(load.MARKER + load.STAMP, load.MARKER + stamp))

    def _answered(self, poll: select.epoll, fd: int) -> None:
        sender = self._busy.pop(fd)
        poll.unregister(fd)
        try:
            data = sender.socket.recv(65536)
            while data and not raw.whole_answer(data):
                data += sender.socket.recv(65536)
        except ConnectionResetError:
            data = b""
        if not data:
            self._in_doubt.add(sender.number)
            return
        if not data.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"a send was refused: {data[:500]!r}")
        self._idle.append(sender)
