"""Remembers which users have just left their app: they have probably seen the messages that came shortly before."""

from __future__ import annotations

import asyncio

LEFT_KEPT_SECONDS = 10.0


class LeftForeground:
    """Users whose app went to the background or closed its socket properly within the last `LEFT_KEPT_SECONDS`.

    Users whose connection broke are not recorded, because they may have missed messages.
    """

    def __init__(self) -> None:
        self._at: dict[str, float] = {}  # on the clock of the event loop

    def record(self, uid: str) -> None:
        """Record that an app of a user left the foreground now."""
        now = asyncio.get_running_loop().time()
        self._at.pop(uid, None)
        self._at[uid] = now
        while self._at and now - next(iter(self._at.values())) > LEFT_KEPT_SECONDS:
            del self._at[next(iter(self._at))]

    def left_within(self, uid: str, seconds: float) -> bool:
        """Return whether an app of a user left the foreground within the last `seconds`, up to `LEFT_KEPT_SECONDS`."""
        at = self._at.get(uid)
        return at is not None and asyncio.get_running_loop().time() - at <= seconds
