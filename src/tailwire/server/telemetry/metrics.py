"""The metrics of this process, as plain integers. `exposition` formats them for `/metrics`.

Text from clients becomes a label only after a check, so that the number of time series stays bounded.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from math import inf
from typing import NamedTuple

from tailwire.server.telemetry.histogram import Histogram

OTHER_LABEL = "other"
HTTP_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", OTHER_LABEL)


class WebhookQueue(NamedTuple):
    """The queue of a webhook.

    Attributes:
        webhook: the id of the webhook.
        waiting: how many deliveries wait to be sent.
        age: seconds since the oldest waiting delivery was queued; 0 if none waits.
        failed: how many deliveries were given up, and are kept so that they can be sent again.
    """

    webhook: str
    waiting: int
    age: int
    failed: int


class Sizes(NamedTuple):
    """Sizes on disk in bytes.

    Attributes:
        database: the size of the database.
        write_ahead_log: the size of the write-ahead log of SQLite; None on PostgreSQL.
        uploads: the total size of all uploaded files, without thumbnails.
        free: the free space on the disk of the data folder.
    """

    database: int
    write_ahead_log: int | None
    uploads: int
    free: int


def _no_queues() -> Iterable[WebhookQueue]:
    return ()


def _zero() -> int:
    return 0


@dataclass(slots=True)
class Metrics:
    """The metrics, most of them counters. They are plain attributes that any code increases, so counting is cheap.

    `exposition` says what each of them means.
    """

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
    log_entries_read: int = 0
    log_gaps: int = 0
    changes_healed: int = 0
    log_behind: int = 0
    broker_connected: int = 0
    broker_connections_lost: int = 0
    broker_dropped: int = 0
    broker_unknown: int = 0
    requests: Counter[int] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    failed_authentications: Counter[str] = field(default_factory=Counter)
    closes: Counter[str] = field(default_factory=Counter)
    shed: Counter[str] = field(default_factory=Counter)
    webhooks: Counter[str] = field(default_factory=Counter)
    webhook_tries: Counter[tuple[str, str]] = field(default_factory=Counter)
    push_tries: Counter[tuple[str, str]] = field(default_factory=Counter)
    returns: Counter[str] = field(default_factory=Counter)
    attempts: Counter[str] = field(default_factory=Counter)
    lived: Counter[str] = field(default_factory=Counter)
    request_seconds: dict[str, Histogram] = field(default_factory=lambda: {m: Histogram() for m in HTTP_METHODS})
    send_seconds: Histogram = field(default_factory=Histogram)
    commit_seconds: Histogram = field(default_factory=Histogram)
    webhook_queues: Callable[[], Iterable[WebhookQueue]] = _no_queues
    users_online: Callable[[], int] = _zero

    def count_store_failure(self) -> None:
        """Count a transaction that the store could not write."""
        self.store_failures += 1

    def count_push_attempt(self, provider: str, outcome: str) -> None:
        """Count an attempt to send a push notification.

        Args:
            provider: the name of the push service.
            outcome: `sent`, `gone` (the device is no longer registered), `put off` (to be tried again) or `given up`.
        """
        self.push_tries[provider, outcome] += 1

    def count_webhook_attempt(self, webhook: str, outcome: str) -> None:
        """Count an attempt to deliver to a webhook.

        Args:
            webhook: the id of the webhook. Beyond `MAX_WEBHOOK_SERIES` series, new ones are counted as `other`.
            outcome: `sent`, `put off` (to be tried again) or `given up`.
        """
        self.webhooks[outcome] += 1
        known = (webhook, outcome) in self.webhook_tries or len(self.webhook_tries) < MAX_WEBHOOK_SERIES
        self.webhook_tries[webhook if known else OTHER_LABEL, outcome] += 1

    def count_reconnect(self, cause: str, lived: float, attempts: int) -> None:
        """Count a client that reconnected, with what it reports about that, which may be wrong.

        Args:
            cause: why it lost its last socket. A text that does not look like a cause, and a new one when there are
                `MAX_CAUSES` already, is counted as `other`.
            lived: how many seconds that socket was open.
            attempts: how many attempts it took to reconnect; at most 1,000 are counted.
        """
        known = cause if _CAUSE.fullmatch(cause) and (cause in self.returns or len(self.returns) < MAX_CAUSES) else ""
        cause = known or OTHER_LABEL
        self.returns[cause] += 1
        self.attempts[cause] += min(max(attempts, 0), 1000)
        self.lived[next(name for name, most in LIFETIME_CLASSES if lived <= most)] += 1


MAX_WEBHOOK_SERIES = 300  # webhooks come and go, but an app has few at a time
_CAUSE = re.compile(r"[a-z_]{1,40}")
MAX_CAUSES = 50
LIFETIME_CLASSES = (
    ("under 10 s", 10.0),
    ("under 1 min", 60.0),
    ("under 10 min", 600.0),
    ("under 1 h", 3600.0),
    ("longer", inf),
)
