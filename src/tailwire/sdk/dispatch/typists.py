"""Track who is typing. Indicators expire, because the notice that a user has stopped may be lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from tailwire.sdk.listeners import events as e
from tailwire.wire.entities import TypingIndicator

TIMEOUT_SECONDS = 15.0
"""An indicator that is not repeated for this long has ended."""
MAX_TYPING_USERS = 1000
"""The maximum number of indicators. At the limit, a new one ends the oldest."""

_Key = tuple[str, str, str]


class Typists:
    """Who is typing in which conversation, until they stop, go offline, or `TIMEOUT_SECONDS` pass.

    Args:
        report: called with a `TypingChanged` whenever a user started, repeated or stopped typing.
    """

    def __init__(self, report: Callable[[object], None]) -> None:
        self._report = report
        self._typing: dict[_Key, tuple[TypingIndicator, asyncio.TimerHandle]] = {}

    def handle(self, indicator: TypingIndicator) -> None:
        """Process an indicator of a user who started or stopped typing, and report it."""
        key = (indicator.sender.uid, indicator.receiver_type, indicator.receiver_id)
        known = self._typing.pop(key, None)
        if known is not None:
            known[1].cancel()
        if indicator.typing_status == "started":
            if len(self._typing) >= MAX_TYPING_USERS:
                self._end(next(iter(self._typing)))
            timer = asyncio.get_running_loop().call_later(TIMEOUT_SECONDS, self._end, key)
            self._typing[key] = (indicator, timer)
        self._report(e.TypingChanged(indicator))

    def end_all_of(self, uid: str) -> None:
        """End the indicators of a user who went offline."""
        for key in [key for key in self._typing if key[0] == uid]:
            self._end(key)

    def _end(self, key: _Key) -> None:
        indicator, timer = self._typing.pop(key)
        timer.cancel()
        self._report(e.TypingChanged(replace(indicator, typing_status="ended")))

    def clear(self) -> None:
        """Drop all indicators without telling the app, because the session has ended."""
        for _, timer in self._typing.values():
            timer.cancel()
        self._typing.clear()
