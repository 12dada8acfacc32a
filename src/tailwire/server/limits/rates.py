"""Limits the rates of requests: those with one token or key, and those of the app as a whole."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

from tailwire.server.limits.buckets import Buckets

APP_KEY = ""
TOKEN_SHARE = 10  # one token may use a tenth of the `core` rate of the app


class RequestKind(StrEnum):
    """The kinds of requests. Requests of one kind share a limit."""

    CORE = "core"  # logins; creating and deleting users; creating and joining groups
    SEND = "send"
    OTHER = "other"


class RateResult(NamedTuple):
    """The result of counting a request.

    Attributes:
        most: how many requests may be made at once after a pause; 0 for no limit.
        remaining: how many more requests may be made now.
        wait: seconds until the request may be retried; 0.0 if it is allowed.
        setting: the name of the setting that limits these requests; "" for no limit.
    """

    most: int
    remaining: int
    wait: float
    setting: str


NO_LIMIT = RateResult(0, 0, 0.0, "")


class Rates:
    """Counts requests, and compares them with the limits.

    Args:
        sends, others: requests per minute for each token or key: sends of messages, and all others. 0 for no limit.
        core, standard: requests per minute for the app as a whole: those of `RequestKind.CORE`, and all others. 0 for
            no limit. One auth token may use a tenth of `core`, so that no user can keep others from logging in; an API
            key may use all of it.
        clock: returns monotonic seconds.
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
        """Count a request before it is carried out, against the limit of its token or key and against that of the app.

        Args:
            kind: the kind of the request.
            who: the token or key; "" for an anonymous request, which only the limit of the app concerns.
            key: True for an API key, False for an auth token.
            count: as how many requests it counts.

        Returns:
            The result for the limit that refuses the request, else for the one with fewer remaining requests.
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
        """Divide the limits of the app by the number of servers that share them.

        This includes the tenth of `core` that one token may use. The other limits of tokens and keys are not divided.
        """
        _, (_, tenth), _ = self._limits[RequestKind.CORE]
        tenth.divide(servers)
        for _, _, (_, buckets) in self._limits.values():
            buckets.divide(servers)


def _result_of_taking(setting: str, buckets: Buckets, who: str, count: int) -> RateResult:
    wait = buckets.take(who, count)
    return RateResult(buckets.size, buckets.tokens_left(who) or 0, wait, setting)


def per_minute(rate: float, clock: Callable[[], float]) -> Buckets:
    """Return token buckets that hold the tokens of 15 seconds: enough for bursts, but not for a loop of requests.

    Args:
        rate: how many tokens a bucket gains per minute.
        clock: returns monotonic seconds.
    """
    return Buckets(rate / 60, max(1.0, rate / 4), clock)
