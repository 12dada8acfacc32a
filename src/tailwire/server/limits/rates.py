"""How many requests there may be: of one token, and of the app as a whole, as is documented for it."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

from tailwire.server.limits.buckets import Buckets

APP = ""
SHARE = 10  # one token may use a tenth of what the app as a whole has of `core`


class RequestKind(StrEnum):
    """What counts together."""

    CORE = "core"  # logins; users made and deleted; groups made and joined
    SEND = "send"
    OTHER = "other"


class RateResult(NamedTuple):
    """What a request was told.

    Attributes:
        most: how many can be made at once, when there were none for a while; 0 for no limit.
        left: how many can be made now.
        wait: seconds until the next; 0.0 when this one may be made.
        setting: the setting whose limit it is.
    """

    most: int
    left: int
    wait: float
    setting: str


class Rates:
    """The limits of requests.

    Args:
        sends, others: a minute, for each token or key; 0 for no limit.
        core, standard: a minute, for the app as a whole; 0 for no limit. Of `core` one auth token may use a share, so
            that nobody keeps others from logging in; a key is the app's own and may use all of it.
        clock: seconds, monotonic.
    """

    def __init__(self, *, sends: int, others: int, core: int, standard: int, clock: Callable[[], float]) -> None:
        self._own = {
            RequestKind.SEND: ("sends_per_minute", per_minute(sends, clock)),
            RequestKind.OTHER: ("requests_per_minute", per_minute(others, clock)),
        }
        of_core = ("core_per_minute (one token may use a tenth of it)", per_minute(core / SHARE, clock))
        self._shares = {**self._own, RequestKind.CORE: of_core}
        self._own[RequestKind.CORE] = self._own[RequestKind.OTHER]
        shared = Buckets(standard / 60, max(1.0, standard), clock)
        self._app = {
            RequestKind.CORE: ("core_per_minute", Buckets(core / 60, max(1.0, core), clock)),
            RequestKind.SEND: ("standard_per_minute", shared),
            RequestKind.OTHER: ("standard_per_minute", shared),
        }

    def take(self, kind: RequestKind, who: str, *, key: bool = False, count: int = 1) -> RateResult:
        """Count a request, whether it succeeds or not; of both limits the one that is nearer is told.

        Args:
            who: the token or key; "" where nobody is known by one.
            key: it is a key.
            count: as how many it counts.
        """
        found = RateResult(0, 0, 0.0, "")
        limits = [(who, *(self._own if key else self._shares)[kind])] if who else []
        for name, setting, buckets in (*limits, (APP, *self._app[kind])):
            if not buckets.per_minute:
                continue
            wait = buckets.take(name, count)
            taken = RateResult(buckets.size, buckets.left(name) or 0, wait, setting)
            if wait:
                return taken
            if not found.most or taken.left < found.left:
                found = taken
        return found


def per_minute(rate: float, clock: Callable[[], float]) -> Buckets:
    """Buckets that hold a quarter of a minute's worth: bursts pass, a loop does not."""
    return Buckets(rate / 60, max(1.0, rate / 4), clock)
