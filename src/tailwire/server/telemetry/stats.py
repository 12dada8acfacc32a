"""Statistics of the last fifteen minutes, in memory. Every two seconds a sample is computed from the metrics."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from tailwire.server.telemetry.metrics import Metrics

SAMPLE_SECONDS = 2.0
WINDOW_SECONDS = 900
"""For how long samples are kept."""
MAX_SAMPLES = int(WINDOW_SECONDS / SAMPLE_SECONDS)


class Sample(NamedTuple):
    """Figures of this process for an interval of about `SAMPLE_SECONDS`.

    Attributes:
        at: the end of the interval, in seconds since 1970.
        connections, users: how many WebSockets were open, and how many users were online, at the end.
        messages: messages stored per second.
        deliveries: frames with messages and events written to sockets, per second.
        frames: frames received from sockets, per second.
        requests: API requests per second.
        refusals: refused API requests per second.
        send_p50, send_p99: median and 99th percentile of the seconds from a request to send a message until it was
            stored and published, estimated from a histogram; None if there were no sends.
        loop_lag: the average delay of the event loop in seconds.
        level: the level of overload, from 0 (nothing is shed) to 4 (see `fanout.overload.Level`).
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
    """Takes samples, and keeps those of the last `WINDOW_SECONDS`.

    Args:
        metrics: the metrics from which samples are computed.
        clock: returns monotonic seconds.
        now: returns seconds since 1970.

    Attributes:
        closed: whether `close` was called.
    """

    def __init__(self, metrics: Metrics, clock: Callable[[], float], now: Callable[[], int]) -> None:
        self._metrics, self._clock, self._now = metrics, clock, now
        self._samples: deque[Sample] = deque(maxlen=MAX_SAMPLES)
        self._previous = self._counts()
        self._due = self._previous.at + SAMPLE_SECONDS
        self._taken = asyncio.Event()
        self.closed = False

    def tick(self) -> None:
        """Take a sample if `SAMPLE_SECONDS` have passed since the last one. To be called several times a second."""
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
        """Return the samples of the last `seconds` seconds, at most `WINDOW_SECONDS`, oldest first."""
        since = self._now() - seconds
        return [sample for sample in self._samples if sample.at > since]

    async def next_sample(self) -> Sample | None:
        """Wait for the next sample and return it; None if the server stops (see `close`)."""
        if not self.closed:
            await self._taken.wait()
        return None if self.closed else self._samples[-1]

    def close(self) -> None:
        """Let all present and future calls of `next_sample` return None, because the server stops."""
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
