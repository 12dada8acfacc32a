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
"""Reasons by code, where the code is all that is known."""
_TOKEN = re.compile(r"([a-z0-9_-]{1,100})_\d{10,11}[0-9a-f]{30}")


class FailedAuthentications:
    """Counts and logs failures.

    Args:
        clock: seconds, monotonic.
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
        """Record a failure.

        Args:
            reason: why, as one of a small number of texts.
            on: what failed to authenticate: `request` or `socket`.
            uid: the user whose token it is or was, as the server knows it.
            claimed: a token that the server does not know. The uid in its text proves nothing, but it helps to find
                out why a user cannot log in.
            key: the id of a known key.
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
    """Return the uid in the text of an auth token, or "" if it does not look like one."""
    found = _TOKEN.fullmatch(token[:200])
    return found[1] if found else ""
