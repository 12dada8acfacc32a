"""Failures of a database to write: full, read-only, unreachable. The caller is not at fault."""

from __future__ import annotations

from collections.abc import Callable

from tailwire.server.ports.refusal import Refused
from tailwire.server.telemetry.logs import log

RETRY_AFTER_SECONDS = 2.0


class WriteErrors:
    """Whether the database can be written. Logs when that changes.

    Attributes:
        current: why it cannot be written; "" when it can.
    """

    def __init__(self) -> None:
        self.current = ""
        self._failed = 0
        self._on_failure: Callable[[], None] = lambda: None

    def on_failure(self, call: Callable[[], None]) -> None:
        """Call a function after each transaction that could not be written."""
        self._on_failure = call

    def failed(self, error: BaseException) -> Refused:
        """Record a transaction that could not be written, and return the refusal for its callers."""
        if not self.current:
            log.error("the store cannot write: %s; requests that write are refused with 503 until it can", error)
        self.current = str(error)
        self._failed += 1
        self._on_failure()
        return Refused(
            "ERR_UNAVAILABLE", "Nothing was stored. Try again after Retry-After.", retry_after=RETRY_AFTER_SECONDS
        )

    def worked(self) -> None:
        """Record that a transaction was written."""
        if self.current:
            log.warning("the store writes again; %d transactions failed", self._failed)
            self.current, self._failed = "", 0
