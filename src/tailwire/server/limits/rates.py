"""Request rates: of one token, and of the app as a whole."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

from tailwire.server.limits.buckets import Buckets

APP_KEY = ""
TOKEN_SHARE = 10  # one token may use a tenth of the `core` rate of the app


class RequestKind(StrEnum):
    """Requests that share a limit."""

    CORE = "core"  # logins; creating and deleting users; creating and joining groups
    SEND = "send"
    OTHER = "other"


class RateResult(NamedTuple):
    """The result of counting a request.

    Attributes:
        most: the largest burst; 0 for no limit.
        left: how many more requests may be made now.
        wait: seconds until the request may be retried; 0.0 if it is allowed.
        setting: the setting of the limit.
    """

    most: int
    left: int
    wait: float
    setting: str


class Rates:
    """Counts requests against the limits.

    Args:
        sends, others: requests per minute for each token or key; 0 for no limit.
        core, standard: requests per minute for the app as a whole; 0 for no limit. One auth token may use a tenth of
            `core`, so that no user can keep others from logging in; an API key may use all of it.
        clock: seconds, monotonic.
    """

    def __init__(self, *, sends: int, others: int, core: int, standard: int, clock: Callable[[], float]) -> None:
        self._own = {
            RequestKind.SEND: ("sends_per_minute", per_minute(sends, clock)),
            RequestKind.OTHER: ("requests_per_minute", per_minute(others, clock)),
        }
        of_core = ("core_per_minute (one token may use a tenth of it)", per_minute(core / TOKEN_SHARE, clock))
        self._shares = {**self._own, RequestKind.CORE: of_core}
        self._own[RequestKind.CORE] = self._own[RequestKind.OTHER]
        shared = Buckets(standard / 60, max(1.0, standard), clock)
        self._app = {
            RequestKind.CORE: ("core_per_minute", Buckets(core / 60, max(1.0, core), clock)),
            RequestKind.SEND: ("standard_per_minute", shared),
            RequestKind.OTHER: ("standard_per_minute", shared),
        }

    def take(self, kind: RequestKind, who: str, *, key: bool = False, count: int = 1) -> RateResult:
        """Count a request, whether it succeeds or not. Return the result for the limit that is nearer.

        Args:
            who: the token or key; "" for an anonymous request.
            key: True for an API key.
            count: how many requests it counts as.
        """
        found = RateResult(0, 0, 0.0, "")
        limits = [(who, *(self._own if key else self._shares)[kind])] if who else []
        for name, setting, buckets in (*limits, (APP_KEY, *self._app[kind])):
            if not buckets.per_minute:
                continue
            wait = buckets.take(name, count)
            taken = RateResult(buckets.size, buckets.left(name) or 0, wait, setting)
            if wait:
                return taken
            if not found.most or taken.left < found.left:
                found = taken
        return found

    def divide(self, servers: int) -> None:
        """Use this server's share of the limits of the app as a whole."""
        for _, buckets in self._app.values():
            buckets.divide(servers)


def per_minute(rate: float, clock: Callable[[], float]) -> Buckets:
    """Return buckets with a capacity of 15 seconds' worth: they allow bursts, but not a loop."""
    return Buckets(rate / 60, max(1.0, rate / 4), clock)
