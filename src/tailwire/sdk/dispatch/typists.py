"""Typing indicators end by themselves: whoever began to type may never say that they have stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from tailwire.sdk.listeners import events as e
from tailwire.wire.entities import TypingIndicator

LASTS = 15.0
"""Seconds after which a user who does not say so again types no more."""
MOST = 1000
"""Users at once of whom it is known where they type."""

_Key = tuple[str, str, str]


class Typists:
    """Who types where, until they stop, go offline, or have not said so for a while.

    Args:
        tell: given each event that the app hears.
    """

    def __init__(self, tell: Callable[[object], None]) -> None:
        self._tell = tell
        self._typing: dict[_Key, tuple[TypingIndicator, asyncio.TimerHandle]] = {}

    def heard(self, indicator: TypingIndicator) -> None:
        """Somebody began, or stopped."""
        key = (indicator.sender.uid, indicator.receiver_type, indicator.receiver_id)
        known = self._typing.pop(key, None)
        if known is not None:
            known[1].cancel()
        if indicator.typing_status == "started":
            if len(self._typing) >= MOST:
                self._end(next(iter(self._typing)))
            timer = asyncio.get_running_loop().call_later(LASTS, self._end, key)
            self._typing[key] = (indicator, timer)
        self._tell(e.TypingChanged(indicator))

    def went_offline(self, uid: str) -> None:
        """A user went offline."""
        for key in [key for key in self._typing if key[0] == uid]:
            self._end(key)

    def _end(self, key: _Key) -> None:
        indicator, timer = self._typing.pop(key)
        timer.cancel()
        self._tell(e.TypingChanged(replace(indicator, typing_status="ended")))

    def forget(self) -> None:
        """Another session begins, or none: nothing more is told of these."""
        for _, timer in self._typing.values():
            timer.cancel()
        self._typing.clear()
