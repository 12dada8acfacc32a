"""The metrics in the text format of Prometheus, for `/metrics`."""

from __future__ import annotations

import platform
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from tailwire.server.telemetry.histogram import Histogram
from tailwire.server.telemetry.metrics import Metrics, Sizes

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
    "log_entries_read": "Messages and changes of other servers that were read from the database",
    "changes_healed": "Reactions, receipts and other changes that were lost between servers and read from the database",
    "log_gaps": "Gaps in the news of other servers that lasted for 0.1 s and were filled from the database",
    "broker_connections_lost": "Connections to the broker that were lost",
    "broker_dropped": "Publications that were not sent to other servers, because the broker is away, slow or too small",
    "broker_unknown": "News of other servers that are not understood, because these have another version",
}

_GAUGES = {
    "sockets": ("sockets", "WebSockets open now"),
    "loop_lag_seconds": ("loop_lag", "Lag of the event loop in seconds, smoothed"),
    "loop_lag": ("loop_lag", "The former name of tailwire_loop_lag_seconds"),
    "overload_level": (
        "overload_level",
        "0: nothing is shed; 1: typing, 2: also presence, 3: also receipts, 4: also some sends",
    ),
    "sends_under_way": ("sends_under_way", "Sends in progress"),
    "log_behind": ("log_behind", "Ids that are known to be stored and have not reached the sockets of this server yet"),
    "broker_connected": ("broker_connected", "1: connected to the broker of several servers; 0: not, or there is none"),
}

_LABELLED = (
    ("requests", "Responses, by HTTP status", "status"),
    ("errors", "Requests refused, by code", "code"),
    ("refusals", "Requests and sockets refused by a limit, by its setting", "limit"),
    ("failed_authentications", "Requests and sockets that failed to authenticate, by reason", "reason"),
    ("closes", "Sockets closed by the server, by reason", "reason"),
    ("shed", "Frames shed under load, by kind", "what"),
    ("returns", "Clients that reconnected, by the cause that ended their last socket", "cause"),
    ("return_attempts", "Attempts of those clients, by the same cause", "cause"),
    ("returned_after", "Clients that reconnected, by the lifetime of their last socket", "lived"),
    ("webhooks", "Deliveries to webhooks, by outcome", "outcome"),
)
_NAMES = {"return_attempts": "attempts", "returned_after": "lived"}

_SIZES = {
    "database_bytes": "Size of the database file",
    "database_wal_bytes": "Size of the write-ahead log of the database",
    "uploads_bytes": "Size of all uploaded files, without thumbnails",
    "disk_free_bytes": "Free space on the disk of the data folder",
}


class _Collector:
    def __init__(self, metrics: Metrics, sizes: Sizes | None, version: str) -> None:
        self._metrics = metrics
        self._sizes = sizes
        self._version = version

    def collect(self) -> Iterable[Metric]:
        m = self._metrics
        for name, text in _COUNTERS.items():
            yield CounterMetricFamily(f"tailwire_{name}", text, value=getattr(m, name))
        for name, (attribute, text) in _GAUGES.items():
            yield GaugeMetricFamily(f"tailwire_{name}", text, value=getattr(m, attribute))
        yield GaugeMetricFamily("tailwire_users_online", "Users who are online", value=m.users_online())
        for name, text, label in _LABELLED:
            family = CounterMetricFamily(f"tailwire_{name}", text, labels=[label])
            for key, value in getattr(m, _NAMES.get(name, name)).items():
                family.add_metric([str(key)], value)
            yield family
        yield from self._histograms()
        yield from self._webhooks()
        yield from self._push()
        yield from self._environment()

    def _histograms(self) -> Iterable[Metric]:
        m = self._metrics
        name, text = "tailwire_request_seconds", "Time until a response was complete, by method"
        family = HistogramMetricFamily(name, text, labels=["method"])
        for method, counted in m.request_seconds.items():
            if counted.count:
                family.add_metric([method], counted.buckets(), counted.total)
        yield family
        yield _histogram("tailwire_send_seconds", "Time until a sent message was stored and published", m.send_seconds)
        yield _histogram("tailwire_commit_seconds", "Time that a transaction of the store took", m.commit_seconds)

    def _push(self) -> Iterable[Metric]:
        name, text = "tailwire_push_tries", "Tries to send push notifications, by provider and outcome"
        tries = CounterMetricFamily(name, text, labels=["provider", "outcome"])
        for (provider, outcome), count in self._metrics.push_tries.items():
            tries.add_metric([provider, outcome], count)
        yield tries

    def _webhooks(self) -> Iterable[Metric]:
        queues = list(self._metrics.webhook_queues())
        for name, text, values in (
            ("waiting", "Deliveries waiting for a webhook", [q.waiting for q in queues]),
            ("oldest_seconds", "Seconds since the oldest waiting delivery was queued", [q.age for q in queues]),
            ("failed", "Failed deliveries that are kept", [q.failed for q in queues]),
        ):
            gauge = GaugeMetricFamily(f"tailwire_webhook_{name}", text, labels=["webhook"])
            for queue, value in zip(queues, values, strict=True):
                gauge.add_metric([queue.webhook], value)
            yield gauge
        name, text = "tailwire_webhook_tries", "Tries to deliver, by webhook and outcome"
        tries = CounterMetricFamily(name, text, labels=["webhook", "outcome"])
        for (webhook, outcome), count in self._metrics.webhook_tries.items():
            tries.add_metric([webhook, outcome], count)
        yield tries

    def _environment(self) -> Iterable[Metric]:
        for (name, text), value in zip(_SIZES.items(), self._sizes or (), strict=False):
            if value is not None:
                yield GaugeMetricFamily(f"tailwire_{name}", text, value=value)
        info = GaugeMetricFamily("tailwire_build_info", "1, with the versions as labels", labels=["version", "python"])
        info.add_metric([self._version, platform.python_version()], 1)
        yield info


def _histogram(name: str, text: str, counted: Histogram) -> Metric:
    return HistogramMetricFamily(name, text, buckets=counted.buckets(), sum_value=counted.total)


def as_text(metrics: Metrics, sizes: Sizes | None = None, version: str = "") -> bytes:
    """Return the metrics, and those of the process, in the text format of Prometheus.

    Args:
        metrics: the metrics.
        sizes: the sizes on disk; None to omit them.
        version: the version of this server, for the metric `tailwire_build_info`.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(metrics, sizes, version))
    ProcessCollector(registry=registry)  # memory, processor time and descriptors; on Linux only
    return generate_latest(registry)
