"""The observers of a server: health, metrics, access log, log of failed authentications, and audit log."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

from tailwire.server.actions.audit import AuditLog
from tailwire.server.app.disk_sizes import DiskSizes
from tailwire.server.app.health import HealthCheck
from tailwire.server.app.opening import AnyStore
from tailwire.server.config import Settings, redacted
from tailwire.server.limits.failed_authentications import FailedAuthentications
from tailwire.server.rest.records import Records
from tailwire.server.telemetry.access_log import AccessLog
from tailwire.server.telemetry.logs import report
from tailwire.server.telemetry.metrics import Metrics
from tailwire.server.telemetry.stats import Stats


@dataclass(frozen=True, slots=True)
class Observers:
    """The observers of one server, which other parts call to count, log or report something."""

    metrics: Metrics
    health: HealthCheck
    access: AccessLog
    failures: FailedAuthentications
    audit: AuditLog
    records: Records
    sizes: DiskSizes
    stats: Stats

    def log_state(self) -> None:
        """Log one line with the main metrics of the server, such as open sockets and the level of overload."""
        m = self.metrics
        report(
            "state", sockets=m.sockets, users_online=m.users_online(), loop_lag_ms=round(m.loop_lag * 1000, 1),
            overload_level=m.overload_level, sends_under_way=m.sends_under_way, messages_stored=m.messages_stored,
            webhook_deliveries_waiting=sum(queue.waiting for queue in m.webhook_queues()),
            draining=self.health.draining,
        )  # fmt: skip


def observe(
    settings: Settings,
    store: AnyStore,
    metrics: Metrics,
    free: Callable[[], int],
    clock: Callable[[], float],
    now: Callable[[], int],
) -> Observers:
    """Create the observers of a server, and connect them to its store.

    Args:
        free: returns the free bytes of the disk with the uploads.
        clock: seconds, monotonic.
        now: returns seconds since 1970.
    """
    store.audit.set_limits(seconds=int(settings.audit_kept_for), entries=settings.max_audit_entries)
    store.measures.on_transaction(metrics.commit_seconds.observe)
    access = AccessLog(enabled=settings.access_log)
    failures = FailedAuthentications(metrics, clock)
    audit = AuditLog(store.audit, clock)
    return Observers(
        metrics=metrics,
        health=HealthCheck(store, metrics, clock),
        access=access,
        failures=failures,
        audit=audit,
        records=Records(metrics, access, failures, audit, store.request_numbers),
        sizes=DiskSizes(store.measures, free, clock),
        stats=Stats(metrics, clock, now),
    )


def changed_settings(settings: Settings) -> str:
    """Return the settings that differ from their defaults as `name=value, …`, with secrets masked."""
    fields = dataclasses.fields(Settings)
    return ", ".join(f"{f.name}={redacted(settings, f.name)}" for f in fields if getattr(settings, f.name) != f.default)
