"""Twice the server's capacity, and the recovery; a graceful restart. Compared with its own maximum in the same run."""

from __future__ import annotations

import heapq
import json
import random
import select
import socket
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from benchmarks import peers, raw

USERS = 1000
SENDERS_AT_ONCE = 64
MAXIMUM_SECONDS, OVERLOAD_SECONDS, AFTER_SECONDS = 5.0, 15.0, 10.0
LOW_LOAD_SHARE = 0.2  # share of the maximum, before and after


@dataclass
class Measurements:
    """Measurements of an interval."""

    stored: int = 0
    refused: int = 0
    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Stored messages per second."""
        return self.stored / self.seconds

    def p(self, percent: float) -> float:
        """Return a percentile of the times from send to response, in ms."""
        return raw.percentile(self.latencies, percent) * 1000


class Sender:
    """A sender with one message at a time; after a refusal it waits as long as requested."""

    __slots__ = ("answer", "begun", "busy", "queued", "request", "socket")

    def __init__(self, connection: socket.socket, request: bytes) -> None:
        self.socket, self.request = connection, request
        self.busy, self.queued, self.begun, self.answer = False, 0, 0.0, b""

    def send(self) -> None:
        self.busy, self.begun, self.answer = True, time.perf_counter(), b""
        with suppress(OSError):  # closed; `_reconnect` sends it again
            self.socket.sendall(self.request)


class Load:
    """Offers messages at a random rate, independent of the responses."""

    def __init__(self, senders: list[Sender], port: int) -> None:
        self._port = port
        self._senders = senders
        self._by_fd = {sender.socket.fileno(): sender for sender in senders}
        self._poll = select.epoll()
        for fd in self._by_fd:
            self._poll.register(fd, select.EPOLLIN)
        self._later: list[tuple[float, int]] = []
        self._chance = random.Random(1)
        self._turn = SENDERS_AT_ONCE

    def run(self, rate: float, seconds: float) -> Measurements:
        """Offer `rate` messages per second, or keep a closed loop (0), and return the measurements."""
        measured = Measurements()
        begin = next_at = time.perf_counter()
        if not rate:
            for sender in self._senders[:SENDERS_AT_ONCE]:
                sender.send()
        while (now := time.perf_counter()) < begin + seconds:
            while rate and next_at <= now:
                sender = self._chance.choice(self._senders)
                sender.queued += 1
                if not sender.busy:
                    sender.send()
                next_at += self._chance.expovariate(rate)
            while self._later and self._later[0][0] <= now:
                self._by_fd[heapq.heappop(self._later)[1]].send()
            for fd, _ in self._poll.poll(0.001, 512):
                self._take(fd, not rate, measured)
        measured.seconds = time.perf_counter() - begin
        if not rate:
            while any(sender.busy for sender in self._senders):
                for fd, _ in self._poll.poll(1):
                    self._take(fd, False, measured)
        return measured

    def forget(self) -> None:
        """Drop the messages that wait to be sent."""
        for sender in self._senders:
            sender.queued = 0

    def _reconnect(self, sender: Sender) -> None:
        # The server closes idle connections.
        del self._by_fd[sender.socket.fileno()]
        sender.socket.close()
        sender.socket = raw.tcp(self._port)
        self._by_fd[sender.socket.fileno()] = sender
        self._poll.register(sender.socket.fileno(), select.EPOLLIN)
        if sender.busy:
            sender.send()

    def _take(self, fd: int, again: bool, measured: Measurements) -> None:
        sender = self._by_fd[fd]
        try:
            data = sender.socket.recv(65536)
        except ConnectionResetError:
            data = b""
        if not data:
            self._reconnect(sender)
            return
        sender.answer += data
        if not raw.whole_answer(sender.answer):
            return
        now = time.perf_counter()
        if sender.answer.startswith(b"HTTP/1.1 429"):
            wait = int(sender.answer.partition(b"retry-after: ")[2].split(b"\r\n")[0])
            heapq.heappush(self._later, (now + wait + self._chance.random(), fd))
            measured.refused += 1
            return
        if not sender.answer.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(sender.answer)
        sender.busy = False
        sender.queued = max(0, sender.queued - 1)
        measured.stored += 1
        measured.latencies.append(now - sender.begun)
        if again:
            self._next_idle().send()
        elif sender.queued:
            sender.send()

    def _next_idle(self) -> Sender:
        # Let all senders take turns in the closed loop too, so that the maximum includes all of them.
        while True:
            self._turn = (self._turn + 1) % len(self._senders)
            if not self._senders[self._turn].busy:
                return self._senders[self._turn]


def _level(port: int) -> int:
    with raw.tcp(port) as s:
        s.sendall(raw.request("GET", "/metrics", {}))
        text = raw.read_answer(s).decode()
    return int(float(text.partition("\ntailwire_overload_level ")[2].split("\n")[0]))


class Phases(NamedTuple):
    """The measurements of a server.

    Attributes:
        most: of a closed loop.
        gentle: of a low load.
        over: of twice the maximum.
        after: of a low load after that.
        recovery: seconds after the overload until nothing was shed or refused and the median was low again; 0.0 for at
            once.
    """

    most: Measurements
    gentle: Measurements
    over: Measurements
    after: Measurements
    recovery: float


def measure(settings: dict[str, str] | None = None) -> Phases:
    """Measure our server under each load."""
    with peers.tailwire(settings=settings) as server:
        api = raw.Api(server.port, server.more)
        senders = []
        for n in range(USERS):
            token = api.login(f"user{n}")[0]
            body = {"receiver": f"user{(n + 1) % USERS}", "receiverType": "user", "data": {"text": "x" * 300}}
            headers = {"appid": api.app_id, "authtoken": token, "resource": "bench"}
            request = raw.request("POST", "/v3/messages", headers, json.dumps(body).encode())
            senders.append(Sender(raw.tcp(server.port), request))
        load = Load(senders, server.port)
        load.run(0, 2)  # warm up
        most = load.run(0, MAXIMUM_SECONDS)
        gentle = load.run(most.rate * LOW_LOAD_SHARE, 5)
        over = load.run(most.rate * 2, OVERLOAD_SECONDS)
        load.forget()
        ended = time.perf_counter()
        recovery = 0.0
        while time.perf_counter() - ended < AFTER_SECONDS:
            part = load.run(most.rate * LOW_LOAD_SHARE, 0.5)
            at = time.perf_counter() - ended
            if _level(server.port) or part.refused or part.p(50) > 2 * gentle.p(50):
                recovery = at
        after = load.run(most.rate * LOW_LOAD_SHARE, 5)
        return Phases(most, gentle, over, after, recovery)


def run() -> list[str]:
    """Run the benchmark, and return the lines of its table."""
    peers.pin_load()
    most, gentle, over, after, recovery = measure()
    plain = measure({"TAILWIRE_OVERLOAD_LAG": "0", "TAILWIRE_MOST_SENDS_UNDER_WAY": "0"})
    lines = [
        f"### Under load: {USERS} senders, twice the server's maximum for {OVERLOAD_SECONDS:.0f} s",
        "",
        f"The maximum is that of a closed loop, {SENDERS_AT_ONCE} sends at once, all senders in turn. The other loads arrive at random "
        "times,\nindependent of the responses; refused senders (429) retry after `Retry-After`. p50 and p99 from the send to the response.",
        "",
        "| | stored/s | to its maximum | refused/s | p50 ms | p99 ms |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, measured, whole in (
        (f"{LOW_LOAD_SHARE:.0%} of the maximum", gentle, most),
        ("the maximum", most, most),
        ("twice the maximum", over, most),
        (f"afterwards, {LOW_LOAD_SHARE:.0%}", after, most),
        ("twice the maximum, nothing refused or shed (limit)", plain.over, plain.most),
    ):
        lines.append(
            f"| {name} | {measured.rate:,.0f} | {measured.rate / whole.rate:.2f} | {measured.refused / measured.seconds:,.0f} "
            f"| {measured.p(50):.1f} | {measured.p(99):.1f} |"
        )
    what = "nothing is shed or refused any longer, and the median is at most twice the earlier one"
    lines += ["", f"{recovery:.1f} s after the end of the load {what} (goal: 5 s)."]
    return lines
