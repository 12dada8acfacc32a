"""Counters of this process as plain integers; `prometheus_client` only formats them for `/metrics`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from math import inf
from typing import NamedTuple

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric


class WebhookQueue(NamedTuple):
    """Deliveries of a webhook that wait, and that failed and are kept. `age`: seconds since the oldest was queued."""

    webhook: str
    waiting: int
    age: int
    failed: int


def _no_queues() -> Iterable[WebhookQueue]:
    return ()


@dataclass(slots=True)
class Metrics:
    """The metrics. They are plain attributes, so that counting costs one addition."""

    messages_stored: int = 0
    deliveries: int = 0
    frames_in: int = 0
    frames_dropped: int = 0
    upgrades: int = 0
    upgrades_refused: int = 0
    authenticated: int = 0
    renewals: int = 0
    sockets: int = 0
    loop_lag: float = 0.0
    overload_level: int = 0
    sends_under_way: int = 0
    sends_refused: int = 0
    store_failures: int = 0
    requests: Counter[int] = field(default_factory=Counter)
    closes: Counter[str] = field(default_factory=Counter)
    shed: Counter[str] = field(default_factory=Counter)
    webhooks: Counter[str] = field(default_factory=Counter)
    returns: Counter[str] = field(default_factory=Counter)
    attempts: Counter[str] = field(default_factory=Counter)
    lived: Counter[str] = field(default_factory=Counter)
    webhook_queues: Callable[[], Iterable[WebhookQueue]] = _no_queues

    def store_failed(self) -> None:
        """Count a transaction that could not be written."""
        self.store_failures += 1

    def came_back(self, cause: str, lived: float, attempts: int) -> None:
        """Count a client that reconnected, with the cause, lifetime (seconds) and attempts that it reports.

        Reports are not trusted: texts that are not causes are counted as "other", and attempts up to 1,000.
        """
        known = cause if _CAUSE.fullmatch(cause) and (cause in self.returns or len(self.returns) < MAX_CAUSES) else ""
        cause = known or "other"
        self.returns[cause] += 1
        self.attempts[cause] += min(max(attempts, 0), 1000)
        self.lived[next(name for name, most in LIVED if lived <= most)] += 1


_CAUSE = re.compile(r"[a-z_]{1,40}")
MAX_CAUSES = 50
LIVED = (("under 10 s", 10.0), ("under 1 min", 60.0), ("under 10 min", 600.0), ("under 1 h", 3600.0), ("longer", inf))
_COUNTERS = {
    "messages_stored": "Messages stored",
    "deliveries": "Frames written to sockets, one for each receiver",
    "frames_in": "Frames received",
    "frames_dropped": "Frames not sent to a slow socket",
    "upgrades": "WebSockets opened",
    "upgrades_refused": "WebSocket upgrades refused with 503 (retry later), because there are too many",
    "authenticated": "WebSockets authenticated",
    "renewals": "WebSockets that renewed their token",
    "sends_refused": "Sends refused with 429 (retry later), because there are too many",
    "store_failures": "Transactions that the store could not write",
}

_GAUGES = {
    "sockets": "WebSockets open now",
    "loop_lag": "Lag of the event loop in seconds, smoothed",
    "overload_level": "0: nothing is shed; 1: typing, 2: also presence, 3: also receipts, 4: also some sends",
    "sends_under_way": "Sends in progress",
}


class _Collector:
    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        m = self._metrics
        for name, text in _COUNTERS.items():
            yield CounterMetricFamily(f"tailwire_{name}", text, value=getattr(m, name))
        for name, text in _GAUGES.items():
            yield GaugeMetricFamily(f"tailwire_{name}", text, value=getattr(m, name))
        for name, text, label, counter in (
            ("requests", "Responses, by HTTP status", "status", {str(k): v for k, v in m.requests.items()}),
            ("closes", "Sockets closed by the server, by reason", "reason", m.closes),
            ("shed", "Frames shed under load, by kind", "what", m.shed),
            ("returns", "Clients that reconnected, by the cause that ended their last socket", "cause", m.returns),
            (
                "return_attempts",
                "Attempts of those clients, by the same cause",
                "cause",
                m.attempts,
            ),
            ("returned_after", "Clients that reconnected, by the lifetime of their last socket", "lived", m.lived),
            ("webhooks", "Deliveries to webhooks, by outcome", "outcome", m.webhooks),
        ):
            family = CounterMetricFamily(f"tailwire_{name}", text, labels=[label])
            for key, value in counter.items():
                family.add_metric([key], value)
            yield family
        yield from self._queues()

    def _queues(self) -> Iterable[Metric]:
        queues = list(self._metrics.webhook_queues())
        for name, text, values in (
            ("waiting", "Deliveries waiting for a webhook", [q.waiting for q in queues]),
            ("oldest_seconds", "Seconds since the oldest waiting delivery was queued", [q.age for q in queues]),
            ("failed", "Failed deliveries that are kept", [q.failed for q in queues]),
        ):
            family = GaugeMetricFamily(f"tailwire_webhook_{name}", text, labels=["webhook"])
            for queue, value in zip(queues, values, strict=True):
                family.add_metric([queue.webhook], value)
            yield family


def as_text(metrics: Metrics) -> bytes:
    """Return the metrics in the text format of Prometheus."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(metrics))
    ProcessCollector(registry=registry)  # memory, processor time and descriptors; on Linux only
    return generate_latest(registry)
