"""Failures of a database to write: full, read-only, unreachable. The caller is not at fault."""

from __future__ import annotations

from collections.abc import Callable

from tailwire.server.ports.refusal import Refused
from tailwire.server.telemetry.logs import log

RETRY_AFTER_SECONDS = 2.0
LONG_RETRY_AFTER_SECONDS = 10.0
"""From the second failure in a row: longer than clients wait within a call, so that their calls fail at once."""
_NOTHING_STORED = "Nothing was stored. Try again after Retry-After."
_OUTCOME_UNKNOWN = (
    "The database did not answer, so it is not known whether this was stored. Try again after Retry-After; a message"
    " with the same muid is stored once."
)


def reason_of(error: BaseException) -> str:
    """Return why the database failed; never "", which a timeout has as its text."""
    return str(error) or ("no answer in time" if isinstance(error, TimeoutError) else type(error).__name__)


class WriteErrors:
    """Whether the database can be written to. Logs when that changes.

    Attributes:
        current: why it cannot be written to; "" when it can.
    """

    def __init__(self) -> None:
        self.current = ""
        self._failed = 0
        self._on_failure: Callable[[], None] = lambda: None

    def on_failure(self, call: Callable[[], None]) -> None:
        """Call a function after each transaction that could not be written."""
        self._on_failure = call

    def record_failure(self, error: BaseException, *, unknown: bool = False) -> Refused:
        """Record a transaction that could not be written, and return the refusal for its callers.

        Args:
            unknown: whether the transaction may have been committed, because its answer was lost.
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
