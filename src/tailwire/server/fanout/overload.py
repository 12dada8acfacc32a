"""Overload: how busy this process is, and what it leaves out then, in which order.

Typing first, then presence, then receipts. Messages are never left out: when even they are too many, a sender is asked
to come back in some seconds, before anything was done for them, so that refusing costs little.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum

from tailwire.server.telemetry.logs import log
from tailwire.server.telemetry.metrics import Metrics

TICK = 0.1
MAX_LAG = 1.0  # a freeze, however long, is over when it is over
WEIGHT = 0.3  # of the newest measurement: one slow request is no load
SENDS_WEIGHT = 0.05  # a burst is none either
STEADY = 0.1
CALM = 0.5
FEWEST_SENDS = 16
MAX_RETRY = 5.0
REFUSED_SHARE = 0.03  # refusing costs too: above that they are asked to stay away for longer


class Level(IntEnum):
    """What is left out: all up to this one."""

    NOTHING = 0
    TYPING = 1
    PRESENCE = 2
    RECEIPTS = 3
    SENDS = 4  # some: see `Overload.sending`


BY_SENDS = ((0.9, Level.RECEIPTS), (0.75, Level.PRESENCE), (0.6, Level.TYPING))
SHED_NAMES = {Level.TYPING: "typing", Level.PRESENCE: "presence", Level.RECEIPTS: "receipts"}


class Overload:
    """Measured by the lag of the event loop and by the sends under way; told a tick a tenth of a second.

    Args:
        clock: seconds, monotonic.
        chance: a random number in [0, 1): those who are refused do not come back all at once.
        lag: seconds by which the loop is late at which typing is left out; four times that refuses sends.
        most_sends: sends under way at once, from their admission to their answer, in a burst; a tenth of it for long.
            One more is refused.
    """

    def __init__(
        self,
        metrics: Metrics,
        clock: Callable[[], float],
        chance: Callable[[], float],
        *,
        lag: float,
        most_sends: int,
    ) -> None:
        self._metrics = metrics
        self._clock = clock
        self._chance = chance
        self._most_lag = lag
        self._most_sends = most_sends
        self._steady = most_sends * STEADY
        self._allowed = float(most_sends)
        self._lag = self._busy = 0.0
        self._ticked_at: float | None = None
        self._calm_since = 0.0
        self._listeners: list[Callable[[Level, Level], None]] = []
        self._sending = self._taken = self._refused = 0
        self._retry = 1.0
        self.level = Level.NOTHING

    def listen(self, listener: Callable[[Level, Level], None]) -> None:
        """Call a function with the level before and the level now, when that changes."""
        self._listeners.append(listener)

    def sheds(self, what: Level) -> bool:
        """Whether something is left out now. Whoever asks leaves it out: it is counted."""
        if self.level < what:
            return False
        self._metrics.shed[SHED_NAMES[what]] += 1
        return True

    @property
    def shed_names(self) -> list[str]:
        """What is left out, by name."""
        return [name for level, name in SHED_NAMES.items() if level <= self.level]

    def set(self, level: Level, sends: int | None = None) -> None:
        """Decide it by hand, for tests. The next tick measures again.

        Args:
            sends: how many may be under way; as many as at the start by default.
        """
        self._allowed = float(self._most_sends if sends is None else sends)
        if level is not self.level:
            self._change(level)

    # Sends.

    def wait(self) -> int:
        """0 when one more send may be taken now, else the seconds after which its sender may try again."""
        if not self._most_sends or self._sending < self._allowed:
            return 0
        self._refused += 1
        self._metrics.sends_refused += 1
        return self.retry_after()

    @contextmanager
    def sending(self) -> Iterator[None]:
        """While a send is worked on."""
        self._sending += 1
        self._taken += 1
        try:
            yield
        finally:
            self._sending -= 1

    def retry_after(self) -> int:
        """In how many seconds one who was refused may come back: the more are refused, the later, and spread."""
        return 1 + int(self._chance() * self._retry)

    # Measuring.

    def tick(self) -> None:
        """About `TICK` seconds have passed."""
        now = self._clock()
        late = 0.0 if self._ticked_at is None else min(MAX_LAG, max(0.0, now - self._ticked_at - TICK))
        self._ticked_at = now
        self._lag += WEIGHT * (late - self._lag)
        self._busy += SENDS_WEIGHT * (self._sending - self._busy)
        too_many = self._refused > REFUSED_SHARE * (self._taken + self._refused)
        self._retry = min(MAX_RETRY, self._retry * 1.1) if too_many else max(1.0, self._retry * 0.98)
        self._taken = self._refused = 0
        self._metrics.loop_lag = self._lag
        self._metrics.sends_under_way = self._sending
        by_lag = self._lag / self._most_lag if self._most_lag else 0.0
        by_sends = self._busy / self._steady if self._steady else 0.0
        self._adapt(by_lag, by_sends)
        queued = next((level for share, level in BY_SENDS if by_sends >= share), Level.NOTHING)
        self._level_for(max(Level(min(Level.SENDS, int(by_lag))), queued), now)

    def _adapt(self, by_lag: float, by_sends: float) -> None:
        # A burst passes; what goes on is held where the server is fastest, and the loop is late for nothing else.
        if by_lag >= Level.SENDS:
            self._allowed = max(FEWEST_SENDS, self._allowed * 0.8)
        elif by_sends > 1.0:
            self._allowed = min(self._allowed, max(self._steady, self._allowed * 0.8))
        elif by_sends < BY_SENDS[-1][0] or self._allowed < self._steady:
            self._allowed = min(self._most_sends, self._allowed * 1.05 + 1)

    def _level_for(self, wanted: Level, now: float) -> None:
        if wanted >= self.level:
            self._calm_since = now
            if wanted > self.level:
                self._change(wanted)
        elif now - self._calm_since >= CALM:
            self._calm_since = now
            self._change(Level(self.level - 1))

    def _change(self, level: Level) -> None:
        before, self.level = self.level, level
        self._metrics.overload_level = int(level)
        if not before or not level:
            log.warning(
                "overload %s level=%d lag_ms=%.0f sends=%d sends_allowed=%d",
                "begins" if level else "is over", level, self._lag * 1000, self._sending, self._allowed,
            )  # fmt: skip
        for listener in self._listeners:
            listener(before, level)
