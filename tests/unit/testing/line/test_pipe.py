"""One direction of a line, on virtual time: times are exact."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tailwire.testing.line.pipe import Pipe

pytestmark = pytest.mark.virtual
KBYTE = 1000


class Sender:
    """Sends a number of bytes like an end of a connection: a piece at a time, until the pipe is full."""

    def __init__(self, pipe: Pipe, size: int, note: Callable[[int], None]) -> None:
        self._pipe, self._left, self._note = pipe, size, note

    def go(self) -> None:
        """Send until the pipe is full or everything is sent."""
        while self._left:
            size = min(self._left, self._pipe.piece)
            self._left -= size
            self._pipe.send(size, lambda size=size: self._note(size))
            if self._pipe.full:
                self._pipe.hold(self.go)
                return


class Arrivals:
    """Records arrived bytes by time."""

    def __init__(self) -> None:
        self.at: list[tuple[float, int]] = []
        self._begin = now()

    def __call__(self, size: int) -> None:
        self.at.append((round(now() - self._begin, 6), size))

    @property
    def total(self) -> int:
        return sum(size for _, size in self.at)

    def by(self, seconds: float) -> int:
        """Return the number of bytes that arrived within the first seconds."""
        return sum(size for when, size in self.at if when <= seconds)


def now() -> float:
    return asyncio.get_running_loop().time()


def pipe(rate: float = 0, queue: float = 5, latency: float = 0) -> Pipe:
    made = Pipe()
    made.change(rate, queue, latency)
    return made


async def test_unlimited_pipe_delivers_immediately():
    arrived = Arrivals()
    line = pipe()
    Sender(line, 10_000_000, arrived).go()
    assert arrived.total == 10_000_000
    assert line.passed == 10_000_000


async def test_bytes_arrive_at_the_rate_of_the_line():
    arrived = Arrivals()
    Sender(pipe(rate=8 * KBYTE), 80 * KBYTE, arrived).go()
    await asyncio.sleep(20)
    assert arrived.total == 80 * KBYTE
    assert arrived.at[-1][0] == pytest.approx(10.0)
    for second in range(1, 10):
        assert arrived.by(second) == pytest.approx(8 * KBYTE * second, abs=1460)


async def test_latency_delays_everything_equally():
    arrived = Arrivals()
    line = pipe(latency=1.6)
    line.send(100, lambda: arrived(100))
    await asyncio.sleep(0.5)
    line.send(200, lambda: arrived(200))
    await asyncio.sleep(5)
    assert arrived.at == [(1.6, 100), (2.1, 200)]


async def test_full_queue_holds_the_sender_and_delays_later_packets():
    """Bufferbloat: a small packet behind an upload waits for the whole queue."""
    upload, small = Arrivals(), Arrivals()
    line = pipe(rate=32 * KBYTE, queue=5, latency=0.1)
    Sender(line, 2_000 * KBYTE, upload).go()
    assert line.full
    await asyncio.sleep(10)
    before = now()
    line.send(50, lambda: small(50))
    await asyncio.sleep(20)
    waited = small.at[0][0] - (before - small._begin)
    assert waited == pytest.approx(5.1, abs=0.1)
    assert upload.total < 32 * KBYTE * 31


async def test_two_senders_share_the_rate_of_the_line_equally():
    first, second = Arrivals(), Arrivals()
    line = pipe(rate=16 * KBYTE, queue=1)
    Sender(line, 500 * KBYTE, first).go()
    await asyncio.sleep(5)
    begun = first.total
    Sender(line, 500 * KBYTE, second).go()
    await asyncio.sleep(10)
    mine, other = first.total - begun, second.total
    assert mine + other == pytest.approx(160 * KBYTE, abs=3 * 1460)
    # The first had queued a second's worth of bytes before the other started; after that they shared the rate.
    assert other == pytest.approx((160 - 16) * KBYTE / 2, rel=0.1)


@pytest.mark.parametrize("latency", [0, 2])
async def test_senders_that_have_ended_hold_up_no_others(latency: float):
    arrived = Arrivals()
    line = pipe(rate=8 * KBYTE, queue=1, latency=latency)
    line.send(8 * KBYTE, lambda: None)
    for _ in range(500):
        line.hold(lambda: None)  # such as those of aborted connections
    line.hold(Sender(line, 8 * KBYTE, arrived).go)
    await asyncio.sleep(60)
    assert arrived.total == 8 * KBYTE
    assert arrived.at[-1][0] == pytest.approx(2 + latency)


async def test_senders_that_wait_when_the_line_is_cleared_continue_in_turn():
    arrived = Arrivals()
    line = pipe(rate=8 * KBYTE, queue=1)
    line.send(8 * KBYTE, lambda: None)
    for _ in range(500):
        line.hold(lambda: None)
    line.hold(Sender(line, 8 * KBYTE, arrived).go)
    line.clear()
    await asyncio.sleep(60)
    assert arrived.total == 8 * KBYTE


async def test_rate_changes_while_bytes_are_in_flight():
    arrived = Arrivals()
    line = pipe(rate=KBYTE, queue=100)
    Sender(line, 50 * KBYTE, arrived).go()
    await asyncio.sleep(10)
    assert arrived.total == pytest.approx(10 * KBYTE, abs=1460)
    line.change(20 * KBYTE, 100, 0)
    await asyncio.sleep(2.1)
    assert arrived.total == 50 * KBYTE
    Sender(line, 50 * KBYTE, arrived).go()
    line.change(0, 0, 0)
    assert arrived.total == 100 * KBYTE


async def test_order_is_kept_when_the_latency_decreases():
    order: list[str] = []
    line = pipe(latency=2)
    line.send(1, lambda: order.append("first"))
    line.change(0, 5, 0)
    line.send(1, lambda: order.append("second"))
    assert order == []
    await asyncio.sleep(3)
    assert order == ["first", "second"]


async def test_clear_drops_bytes_in_flight_and_releases_senders():
    lost, arrived = Arrivals(), Arrivals()
    line = pipe(rate=KBYTE, queue=5)
    line.send(3 * KBYTE, lambda: lost(3 * KBYTE))
    Sender(line, 8 * KBYTE, arrived).go()
    line.clear()
    await asyncio.sleep(60)
    assert lost.total == 0
    assert 2 * KBYTE <= arrived.total <= 8 * KBYTE


async def test_bytes_in_flight_are_bounded_without_a_rate():
    arrived = Arrivals()
    line = pipe(latency=3600)
    Sender(line, 100_000_000, arrived).go()
    assert line._queued + line._travelling_bytes < 5_000_000


async def test_pipe_has_one_timer_in_flight_and_none_when_idle():
    line = pipe(rate=KBYTE, latency=1)
    loop = asyncio.get_running_loop()
    idle = len(loop.pending_timers())
    for _ in range(100):
        line.send(10, lambda: None)
    assert len(loop.pending_timers()) == idle + 1
    await asyncio.sleep(10)
    assert len(loop.pending_timers()) == idle


async def test_arrival_may_send_and_change_the_shape():
    arrived = Arrivals()
    line = pipe(latency=1)

    def answer() -> None:
        line.send(5, lambda: arrived(5))
        line.change(0, 5, 2)

    line.send(1, answer)
    await asyncio.sleep(10)
    assert arrived.at == [(3.0, 5)]
