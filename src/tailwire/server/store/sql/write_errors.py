"""Keeps track of whether a database can be written to: it may be full, read-only or unreachable."""

from __future__ import annotations

from collections.abc import Callable

from tailwire.server.ports.refusal import Refused
from tailwire.server.telemetry.logs import log

RETRY_AFTER_SECONDS = 2.0
LONG_RETRY_AFTER_SECONDS = 10.0
"""The retry time of refusals from the second failure in a row on. It is longer than the SDK waits within a call, so
that calls fail at once."""
_NOTHING_STORED = "Nothing was stored. Try again after Retry-After."
_OUTCOME_UNKNOWN = (
    "The database did not answer, so it is not known whether this was stored. Try again after Retry-After; a message"
    " with the same muid is stored once."
)


def reason_of(error: BaseException) -> str:
    """Return the text of an error of the database, or a substitute if the error has no text."""
    return str(error) or ("no answer in time" if isinstance(error, TimeoutError) else type(error).__name__)


class WriteErrors:
    """Records whether the database can be written to, and logs when that changes.

    Attributes:
        current: why the last transaction failed; "" if it was written.
    """

    def __init__(self) -> None:
        self.current = ""
        self._failed = 0
        self._on_failure: Callable[[], None] = lambda: None

    def on_failure(self, call: Callable[[], None]) -> None:
        """Set the function that is called after each transaction that could not be written."""
        self._on_failure = call

    def record_failure(self, error: BaseException, *, unknown: bool = False) -> Refused:
        """Record a transaction that could not be written, and return the refusal (ERR_UNAVAILABLE) for its callers.

        Args:
            error: why it could not be written.
            unknown: True if it may have been committed, because the answer was lost; False if it certainly was not.
        """
        reason = reason_of(error)
        if not self.current:
            log.error("the store cannot write: %s; requests that write are refused with 503 until it can", reason)
        wait = LONG_RETRY_AFTER_SECONDS if self.current else RETRY_AFTER_SECONDS
        self.current = reason
        self._failed += 1
        self._on_failure()
        return Refused("ERR_UNAVAILABLE", _OUTCOME_UNKNOWN if unknown else _NOTHING_STORED, retry_after=wait)

    def record_success(self) -> None:
        """Record that a transaction was written."""
        if self.current:
            log.warning("the store writes again; %d transactions failed", self._failed)
            self.current, self._failed = "", 0
