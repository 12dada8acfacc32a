"""Counters of this process, as plain integers; `prometheus_client` turns them into text when somebody asks."""

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
    """What waits for a webhook, and what was given up and is kept. `age`: seconds since the oldest was queued."""

    webhook: str
    waiting: int
    age: int
    failed: int


def _no_queues() -> Iterable[WebhookQueue]:
    return ()


@dataclass(slots=True)
class Metrics:
    """What is counted. Plain attributes, so that a hot path pays one addition."""

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
        """A transaction could not be written."""
        self.store_failures += 1

    def came_back(self, cause: str, lived: float, attempts: int) -> None:
        """A client is here again, and says why its last socket ended, how long that lived, how often it tried since.

        What clients say is not trusted: words that are no causes count as one.
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
    "upgrades_refused": "WebSockets that were asked to come back later (503), because there are too many",
    "authenticated": "WebSockets authenticated",
    "renewals": "WebSockets that went on with a new token",
    "sends_refused": "Sends that were asked to come back later (429), because there are too many",
    "store_failures": "Transactions that the store could not write",
}

_GAUGES = {
    "sockets": "WebSockets open now",
    "loop_lag": "Seconds by which the event loop is late, smoothed",
    "overload_level": "0: all is done; 1: no typing, 2: no presence, 3: no receipts, 4: fewer sends",
    "sends_under_way": "Sends that are worked on",
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
            ("requests", "Answers, by HTTP status", "status", {str(k): v for k, v in m.requests.items()}),
            ("closes", "Sockets closed by the server, by reason", "reason", m.closes),
            ("shed", "What was left out because there was too much to do", "what", m.shed),
            ("returns", "Clients that came back, by the cause that ended their last socket", "cause", m.returns),
            ("return_attempts", "Their attempts until then, by the same", "cause", m.attempts),
            ("returned_after", "Clients that came back, by how long their last socket had lived", "lived", m.lived),
            ("webhooks", "What became of deliveries to webhooks", "outcome", m.webhooks),
        ):
            family = CounterMetricFamily(f"tailwire_{name}", text, labels=[label])
            for key, value in counter.items():
                family.add_metric([key], value)
            yield family
        yield from self._queues()

    def _queues(self) -> Iterable[Metric]:
        queues = list(self._metrics.webhook_queues())
        for name, text, values in (
            ("waiting", "Deliveries that wait for a webhook", [q.waiting for q in queues]),
            ("oldest_seconds", "How long the oldest of them has waited", [q.age for q in queues]),
            ("failed", "Deliveries that were given up and are kept", [q.failed for q in queues]),
        ):
            family = GaugeMetricFamily(f"tailwire_webhook_{name}", text, labels=["webhook"])
            for queue, value in zip(queues, values, strict=True):
                family.add_metric([queue.webhook], value)
            yield family


def as_text(metrics: Metrics) -> bytes:
    """The metrics in Prometheus's text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(metrics))
    ProcessCollector(registry=registry)  # memory, processor time, descriptors: on Linux
    return generate_latest(registry)
