"""Figures of the last fifteen minutes, in memory: taken every two seconds from what the metrics count anyway."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from tailwire.server.telemetry.metrics import Metrics

SAMPLE_SECONDS = 2.0
WINDOW_SECONDS = 900
"""How far back the figures reach."""
MAX_SAMPLES = int(WINDOW_SECONDS / SAMPLE_SECONDS)


class Sample(NamedTuple):
    """Figures of an interval of `SAMPLE_SECONDS`. Rates are per second, times in seconds.

    Attributes:
        at: the end of the interval, in seconds since 1970.
        connections, users: open WebSockets, and users who are online, at that time.
        messages: messages stored.
        deliveries: frames with messages and events that were written to sockets.
        frames: frames received.
        requests: requests of the API.
        refusals: requests that were refused.
        send_p50, send_p99: how long sends took, from the request until the message was stored and published; None
            without sends. Estimated from the buckets of a histogram.
        loop_lag: delay of the event loop.
        level: what is shed, from 0 (nothing) to 4.
    """

    at: int
    connections: int
    users: int
    messages: float
    deliveries: float
    frames: float
    requests: float
    refusals: float
    send_p50: float | None
    send_p99: float | None
    loop_lag: float
    level: int


class _Counts(NamedTuple):
    at: float
    messages: int
    deliveries: int
    frames: int
    requests: int
    refusals: int
    sends: tuple[int, ...]


class Stats:
    """Takes the samples.

    Args:
        metrics: what is counted anyway.
        clock: returns monotonic seconds.
        now: returns seconds since 1970.

    Attributes:
        closed: whether the server stops, so that no further sample is taken.
    """

    def __init__(self, metrics: Metrics, clock: Callable[[], float], now: Callable[[], int]) -> None:
        self._metrics, self._clock, self._now = metrics, clock, now
        self._samples: deque[Sample] = deque(maxlen=MAX_SAMPLES)
        self._previous = self._counts()
        self._due = self._previous.at + SAMPLE_SECONDS
        self._taken = asyncio.Event()
        self.closed = False

    def tick(self) -> None:
        """Take a sample if one is due. Called several times a second."""
        if self._clock() < self._due:
            return
        counts, m = self._counts(), self._metrics
        before, self._previous = self._previous, counts
        self._due = counts.at + SAMPLE_SECONDS
        seconds = counts.at - before.at
        sends = [now - then for now, then in zip(counts.sends, before.sends, strict=True)]
        self._samples.append(
            Sample(
                at=self._now(), connections=m.sockets, users=m.users_online(),
                messages=(counts.messages - before.messages) / seconds,
                deliveries=(counts.deliveries - before.deliveries) / seconds,
                frames=(counts.frames - before.frames) / seconds,
                requests=(counts.requests - before.requests) / seconds,
                refusals=(counts.refusals - before.refusals) / seconds,
                send_p50=m.send_seconds.quantile(0.5, sends), send_p99=m.send_seconds.quantile(0.99, sends),
                loop_lag=m.loop_lag, level=m.overload_level,
            )
        )  # fmt: skip
        self._announce()

    def recent_samples(self, seconds: float) -> list[Sample]:
        """Return the samples of the last `seconds` seconds, oldest first."""
        since = self._now() - seconds
        return [sample for sample in self._samples if sample.at > since]

    async def next_sample(self) -> Sample | None:
        """Wait for the next sample and return it; None once the server stops."""
        if not self.closed:
            await self._taken.wait()
        return None if self.closed else self._samples[-1]

    def close(self) -> None:
        """Have all calls of `next_sample` return None, now and from now on."""
        self.closed = True
        self._announce()

    def _announce(self) -> None:
        taken, self._taken = self._taken, asyncio.Event()
        taken.set()

    def _counts(self) -> _Counts:
        m = self._metrics
        return _Counts(
            self._clock(), m.messages_stored, m.deliveries, m.frames_in, sum(m.requests.values()),
            sum(m.errors.values()), m.send_seconds.counts,
        )  # fmt: skip
