"""Limit how often a line is logged that could otherwise fill the log, such as that of a repeated error."""

from __future__ import annotations

LOG_INTERVAL_SECONDS = 300


class LogLimit:
    """Lets one line through, and the next one not before `LOG_INTERVAL_SECONDS` have passed."""

    def __init__(self) -> None:
        self._logged_at: float | None = None

    def allows(self, now: float) -> bool:
        """Return whether a line may be logged now. If so, it counts as logged.

        Args:
            now: the time in seconds, always of the same clock.
        """
        allowed = self._logged_at is None or now - self._logged_at >= LOG_INTERVAL_SECONDS
        if allowed:
            self._logged_at = now
        return allowed
