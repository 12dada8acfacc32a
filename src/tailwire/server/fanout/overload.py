"""Overload: measures how busy this process is, and decides what is shed (left out to save work).

Typing indicators are shed first, then presence, then receipts. Messages are never shed: when there are too many sends
(requests to send a message), some are refused with a time to retry, before any work is done for them, so that a refusal
is cheap.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum

from tailwire.server.telemetry.logs import log
from tailwire.server.telemetry.metrics import Metrics

TICK_SECONDS = 0.1
MAX_LAG_SECONDS = 1.0  # caps one measurement, so that a single long stall does not dominate the average
LAG_WEIGHT = 0.3  # weight of the newest measurement: one delay counts as load only above `overload_lag` / 0.3
SENDS_WEIGHT = 0.05  # low, because short bursts must not count as load
SUSTAINED_SHARE = 0.1  # share of `most_sends` that may be in progress over a longer time
RECOVERY_SECONDS = 0.5  # time without load before the level drops by one
MIN_SENDS = 16
MAX_RETRY_SECONDS = 5.0
MAX_REFUSED_SHARE = 0.03  # refusals cost time too: above this share, Retry-After grows


class Level(IntEnum):
    """A level of overload. At a level, what is named by it and by all lower levels is shed."""

    NONE = 0
    TYPING = 1
    PRESENCE = 2
    RECEIPTS = 3
    SENDS = 4  # only a part of the sends: see `Overload.seconds_until_allowed`


BY_SENDS = ((0.9, Level.RECEIPTS), (0.75, Level.PRESENCE), (0.6, Level.TYPING))
SHED_NAMES = {Level.TYPING: "typing", Level.PRESENCE: "presence", Level.RECEIPTS: "receipts"}


class InProgressCounter:
    """A context manager that calls a function on entering and another one on leaving. Many tasks can be in it at once.

    Args:
        begin: called on entering.
        end: called on leaving, also after an error.
    """

    def __init__(self, begin: Callable[[], None], end: Callable[[], None]) -> None:
        self._begin = begin
        self._end = end

    def __enter__(self) -> None:
        self._begin()

    def __exit__(self, *_: object) -> None:
        self._end()


class Overload:
    """The load of this process, measured by the lag of the event loop and the number of sends in progress.

    Args:
        clock: seconds, monotonic.
        chance: returns a random number in [0, 1), which spreads the retries of refused clients.
        lag: seconds of event loop lag (averaged) at which typing is shed; at four times that, the number of sends that
            may be in progress is reduced. 0 to ignore lag.
        most_sends: maximum number of sends in progress during a short burst; under sustained load it falls to a tenth
            of that. 0 for unlimited.

    Attributes:
        level: the current level.
        sending: a context manager: a send counts as in progress while the code in it runs. Many can be in it at once.
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
        self._sustained = most_sends * SUSTAINED_SHARE
        self._allowed = float(most_sends)
        self._lag = self._busy = 0.0
        self._ticked_at: float | None = None
        self._calm_since = 0.0
        self._listeners: list[Callable[[Level, Level], None]] = []
        self._sending = self._accepted = self._refused = 0
        self._retry = 1.0
        self._last_send_ended: Callable[[], None] | None = None
        self.level = Level.NONE
        self.sending = InProgressCounter(self._begin, self._end)

    def listen(self, listener: Callable[[Level, Level], None]) -> None:
        """Add a function that is called with the previous and the new level whenever the level changes."""
        self._listeners.append(listener)

    def sheds(self, what: Level) -> bool:
        """Return whether to leave out a frame now. True is counted as one shed frame.

        Args:
            what: the kind of the frame: `TYPING`, `PRESENCE` or `RECEIPTS`.
        """
        if self.level < what:
            return False
        self._metrics.shed[SHED_NAMES[what]] += 1
        return True

    @property
    def shed_names(self) -> list[str]:
        """The kinds of frames that are shed now: "typing", "presence", "receipts", in this order; empty for none."""
        return [name for level, name in SHED_NAMES.items() if level <= self.level]

    def set(self, level: Level, sends: int | None = None) -> None:
        """Set the level by hand, for tests. The next tick measures again.

        Args:
            level: the new level.
            sends: the number of sends that may be in progress; by default `most_sends`.
        """
        self._allowed = float(self._most_sends if sends is None else sends)
        if level is not self.level:
            self._change(level)

    # Sends.

    def seconds_until_allowed(self) -> int:
        """Return 0 if another send may start now; otherwise the seconds after which the client should retry.

        The send does not count as in progress until the caller enters `sending`. A result other than 0 is counted as a
        refused send.
        """
        if not self._most_sends or self._sending < self._allowed:
            return 0
        self._refused += 1
        self._metrics.sends_refused += 1
        return self.retry_after()

    def _begin(self) -> None:
        self._sending += 1
        self._accepted += 1

    def _end(self) -> None:
        self._sending -= 1
        if not self._sending and self._last_send_ended is not None:
            self._last_send_ended()

    @property
    def sends_in_progress(self) -> int:
        """The number of sends in progress."""
        return self._sending

    def on_last_send(self, listener: Callable[[], None]) -> None:
        """Set the function that is called whenever a send has ended and no other is in progress."""
        self._last_send_ended = listener

    def retry_after(self) -> int:
        """Return after how many seconds (1 to 5) a refused client should retry: random, more if many are refused."""
        return 1 + int(self._chance() * self._retry)

    # Measuring.

    def tick(self) -> None:
        """Measure the load, and adapt the level and the number of sends that may be in progress.

        This must be called every `TICK_SECONDS`: the delay of the call is the lag of the event loop.
        """
        now = self._clock()
        late = 0.0 if self._ticked_at is None else min(MAX_LAG_SECONDS, max(0.0, now - self._ticked_at - TICK_SECONDS))
        self._ticked_at = now
        self._lag += LAG_WEIGHT * (late - self._lag)
        self._busy += SENDS_WEIGHT * (self._sending - self._busy)
        too_many = self._refused > MAX_REFUSED_SHARE * (self._accepted + self._refused)
        self._retry = min(MAX_RETRY_SECONDS, self._retry * 1.1) if too_many else max(1.0, self._retry * 0.98)
        self._accepted = self._refused = 0
        self._metrics.loop_lag = self._lag
        self._metrics.sends_under_way = self._sending
        by_lag = self._lag / self._most_lag if self._most_lag else 0.0
        by_sends = self._busy / self._sustained if self._sustained else 0.0
        self._adapt(by_lag, by_sends)
        queued = next((level for share, level in BY_SENDS if by_sends >= share), Level.NONE)
        self._adjust_level(max(Level(min(Level.SENDS, int(by_lag))), queued), now)

    def _adapt(self, by_lag: float, by_sends: float) -> None:
        # Bursts are allowed. Sustained load is limited to where throughput is best and the loop is on time.
        if by_lag >= Level.SENDS:
            self._allowed = max(MIN_SENDS, self._allowed * 0.8)
        elif by_sends > 1.0:
            self._allowed = min(self._allowed, max(self._sustained, self._allowed * 0.8))
        elif by_sends < BY_SENDS[-1][0] or self._allowed < self._sustained:
            self._allowed = min(self._most_sends, self._allowed * 1.05 + 1)

    def _adjust_level(self, level: Level, now: float) -> None:
        if level >= self.level:
            self._calm_since = now
            if level > self.level:
                self._change(level)
        elif now - self._calm_since >= RECOVERY_SECONDS:
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
