"""Limits the rates of requests: those with one token or key, those of one user, and those of the app as a whole."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

from tailwire.server.limits.buckets import Buckets

APP_KEY = ""
USER_SHARE = 10  # one user may use a tenth of each rate of the app


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
            no limit. The auth tokens of one user may together use a tenth of each, so that no user can keep others from
            logging in or from anything else; an API key may use all of it.
        clock: returns monotonic seconds.
    """

    def __init__(self, *, sends: int, others: int, core: int, standard: int, clock: Callable[[], float]) -> None:
        own_sends = "sends_per_minute", per_minute(sends, clock)
        own_others = "requests_per_minute", per_minute(others, clock)
        # The limits of a token or key.
        self._own = {RequestKind.CORE: own_others, RequestKind.SEND: own_sends, RequestKind.OTHER: own_others}
        of_core = _limits_of_app("core_per_minute", core, clock)
        of_standard = _limits_of_app("standard_per_minute", standard, clock)
        # The limits of a user, and of the app.
        self._shared = {RequestKind.CORE: of_core, RequestKind.SEND: of_standard, RequestKind.OTHER: of_standard}

    def count_request(
        self, kind: RequestKind, who: str, *, uid: str = "", key: bool = False, count: int = 1
    ) -> RateResult:
        """Count a request before it is carried out, against the limits of its token or key, its user and the app.

        Args:
            kind: the kind of the request.
            who: the token or key; "" for an anonymous request, which only the limit of the app concerns.
            uid: the user to whom the token belongs. It is ignored for an API key.
            key: True for an API key, False for an auth token.
            count: as how many requests it counts.

        Returns:
            The result for the limit that refuses the request, else for the one with the fewest remaining requests.
        """
        of_user, of_app = self._shared[kind]
        limits = [(of_app, APP_KEY)]
        if who and not key:
            limits.insert(0, (of_user, uid))
        if who and (key or kind is not RequestKind.CORE):
            limits.insert(0, (self._own[kind], who))
        found = NO_LIMIT
        for (setting, buckets), counted in limits:
            if not buckets.limited:
                continue
            taken = _result_of_taking(setting, buckets, counted, count)
            if taken.wait:
                return taken
            if not found.most or taken.remaining < found.remaining:
                found = taken
        return found

    def divide(self, servers: int) -> None:
        """Divide the limits of the app by the number of servers that share them.

        This includes the tenth that one user may use. The limits of tokens and keys are not divided.
        """
        for limits in self._shared.values():
            for _, buckets in limits:
                buckets.divide(servers)


_Limit = tuple[str, Buckets]


def _limits_of_app(setting: str, rate: int, clock: Callable[[], float]) -> tuple[_Limit, _Limit]:
    # Returns the limit of one user, and that of the app.
    of_user = f"{setting} (one user may use a tenth of it)", per_minute(rate / USER_SHARE, clock)
    return of_user, (setting, Buckets(rate / 60, max(1.0, rate), clock))


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
