"""Counts and logs requests and sockets that fail to authenticate.

Anybody can cause such failures, so only a few lines about one address are logged, and only a few about all together.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable

from tailwire.server.limits.buckets import Buckets
from tailwire.server.limits.networks import counting_key
from tailwire.server.telemetry.logs import report
from tailwire.server.telemetry.metrics import Metrics

LINES_PER_MINUTE_OF_ONE = 10
LINES_PER_MINUTE_OF_ALL = 120
UNKNOWN_TOKEN, TOO_MANY_GUESSES = "unknown token", "too many guesses"
REASONS = {
    "AUTH_ERR_EMPTY_APPID": "no app id",
    "AUTH_ERR_INVALID_APPID": "wrong app id",
    "AUTH_ERR_EMPTY_APIKEY": "no key or token",
    "AUTH_ERR_EMPTY_AUTH_TOKEN": "no key or token",
    "AUTH_ERR_APIKEY_NOT_FOUND": "unknown key",
    "AUTH_ERR_NO_ACCESS": "key without permission",
    "AUTH_ERR_AUTH_TOKEN_NOT_FOUND": UNKNOWN_TOKEN,
    "ERR_AUTH_TOKEN_EXPIRED": "expired token",
}
"""The reason to record for a refusal with a code, if nothing more precise is known."""
_TOKEN = re.compile(r"([a-z0-9_-]{1,100})_\d{10,11}[0-9a-f]{30}")


class FailedAuthentications:
    """Counts and logs failures.

    Args:
        clock: returns monotonic seconds.
    """

    def __init__(self, metrics: Metrics, clock: Callable[[], float]) -> None:
        self._metrics = metrics
        self._of_one = Buckets(LINES_PER_MINUTE_OF_ONE / 60, LINES_PER_MINUTE_OF_ONE, clock)
        self._of_all = Buckets(LINES_PER_MINUTE_OF_ALL / 60, LINES_PER_MINUTE_OF_ALL, clock)
        self._unlogged = 0

    def record(
        self, reason: str, address: str, *, on: str, uid: str = "", claimed: str = "", key: str = "",
        request_id: str = "",
    ) -> None:  # fmt: skip
        """Count a failure, and log it unless the address, or all together, have caused too many in the last minute.

        Args:
            reason: why it failed: one of a small number of texts, such as those in `REASONS`, as each is a metric.
            address: the IP address from which the request or socket came.
            on: what failed to authenticate: `request` or `socket`.
            uid: the user to whom the token belongs or belonged, if the server knows it; else "".
            claimed: the token, if the server does not know it; else "". The uid that it contains is logged: it proves
                nothing, but helps to find out why a user cannot log in.
            key: the id of the API key, if the server knows it; else "".
            request_id: the id of the request; "" for a socket.
        """
        self._metrics.failed_authentications[reason] += 1
        if self._of_one.take(counting_key(address)) or self._of_all.take(""):
            self._unlogged += 1
            return
        unlogged, self._unlogged = self._unlogged, 0
        report(
            "authentication failed", logging.WARNING, reason=reason, on=on, address=address, uid=uid,
            claimed_uid=claimed_uid(claimed), key=key, request_id=request_id, not_logged_before=unlogged or None,
        )  # fmt: skip


def claimed_uid(token: str) -> str:
    """Return the uid that an auth token contains, without checking the token; "" if it is not like an auth token."""
    found = _TOKEN.fullmatch(token[:200])
    return found[1] if found else ""
