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
        remaining: how many more requests may be made now.
        wait: seconds until the request may be retried; 0.0 if it is allowed.
        setting: the name of the setting that limits the requests.
    """

    most: int
    remaining: int
    wait: float
    setting: str


NO_LIMIT = RateResult(0, 0, 0.0, "")


class Rates:
    """Counts requests against the limits.

    Args:
        sends, others: requests per minute for each token or key; 0 for no limit.
        core, standard: requests per minute for the app as a whole; 0 for no limit. One auth token may use a tenth of
            `core`, so that no user can keep others from logging in; an API key may use all of it.
        clock: seconds, monotonic.
    """

    def __init__(self, *, sends: int, others: int, core: int, standard: int, clock: Callable[[], float]) -> None:
        token_sends = "sends_per_minute", per_minute(sends, clock)
        token_others = "requests_per_minute", per_minute(others, clock)
        token_core = "core_per_minute (one token may use a tenth of it)", per_minute(core / TOKEN_SHARE, clock)
        app_core = "core_per_minute", Buckets(core / 60, max(1.0, core), clock)
        app_standard = "standard_per_minute", Buckets(standard / 60, max(1.0, standard), clock)
        # The limits of a key, of a token, and of the app.
        self._limits = {
            RequestKind.CORE: (token_others, token_core, app_core),
            RequestKind.SEND: (token_sends, token_sends, app_standard),
            RequestKind.OTHER: (token_others, token_others, app_standard),
        }

    def count_request(self, kind: RequestKind, who: str, *, key: bool = False, count: int = 1) -> RateResult:
        """Count a request, whether it succeeds or not. Return the result for the limit that leaves less room.

        Args:
            who: the token or key; "" for an anonymous request.
            key: True for an API key.
            count: how many requests it counts as.
        """
        key_limit, token_limit, app_limit = self._limits[kind]
        found = NO_LIMIT
        if who:
            setting, buckets = key_limit if key else token_limit
            if buckets.limited:
                found = _result_of_taking(setting, buckets, who, count)
                if found.wait:
                    return found
        setting, buckets = app_limit
        if buckets.limited:
            taken = _result_of_taking(setting, buckets, APP_KEY, count)
            if taken.wait or not found.most or taken.remaining < found.remaining:
                return taken
        return found

    def divide(self, servers: int) -> None:
        """Use this server's share of the limits of the app as a whole, and of the tenth that one token may use."""
        _, (_, tenth), _ = self._limits[RequestKind.CORE]
        tenth.divide(servers)
        for _, _, (_, buckets) in self._limits.values():
            buckets.divide(servers)


def _result_of_taking(setting: str, buckets: Buckets, who: str, count: int) -> RateResult:
    wait = buckets.take(who, count)
    return RateResult(buckets.size, buckets.tokens_left(who) or 0, wait, setting)


def per_minute(rate: float, clock: Callable[[], float]) -> Buckets:
    """Return buckets that hold 15 seconds' worth of tokens: enough for bursts, but not for a loop of requests.

    Args:
        rate: tokens per minute.
    """
    return Buckets(rate / 60, max(1.0, rate / 4), clock)
