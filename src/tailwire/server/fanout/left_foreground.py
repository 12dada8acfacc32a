"""The users who have left the foreground lately, and so have received live whatever came shortly before."""

from __future__ import annotations

import asyncio

LEFT_KEPT_SECONDS = 10.0


class LeftForeground:
    """Users with an app that went to the background or closed its socket properly. A broken socket does not count."""

    def __init__(self) -> None:
        self._at: dict[str, float] = {}  # on the clock of the event loop

    def record(self, uid: str) -> None:
        """Record that an app of a user has left the foreground."""
        now = asyncio.get_running_loop().time()
        self._at.pop(uid, None)
        self._at[uid] = now
        while self._at and now - next(iter(self._at.values())) > LEFT_KEPT_SECONDS:
            del self._at[next(iter(self._at))]

    def left_within(self, uid: str, seconds: float) -> bool:
        """Return whether a user left the foreground within the last `seconds`, at most `LEFT_KEPT_SECONDS`."""
        at = self._at.get(uid)
        return at is not None and asyncio.get_running_loop().time() - at <= seconds
