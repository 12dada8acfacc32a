"""How long to wait before coming back (T4, T5, T6). Rule: chance comes in as a number in [0, 1), never from here."""

from __future__ import annotations

from tailwire.sdk.connection.causes import Cause, CauseKind
from tailwire.sdk.connection.state import Network
from tailwire.sdk.connection.timings import Timings


def waiting_time(timings: Timings, failures: int, chance: float, cap: float | None = None) -> float:
    """Return the wait after so many failures in a row: between c/4 and c, c = min(cap, base · 2^(failures - 1)).

    Args:
        cap: the longest wait; `retry_cap` by default.
    """
    longest = timings.retry_cap if cap is None else cap
    return _between(min(longest, timings.retry_base * 2.0 ** min(max(failures - 1, 0), 60)), chance)


def _between(longest: float, chance: float) -> float:
    return longest / 4 + chance * (longest - longest / 4)


def longest_wait(timings: Timings, network: Network, failing: float) -> float:
    """Return the cap of the waits after so many seconds without a connection (T4).

    Short at first: most of what only this client meets is over within seconds. Long at last: an hour without a network
    is no reason to wake a phone 200 times.
    """
    if network is Network.OFFLINE:
        return timings.rare_cap if failing >= timings.rare_after else timings.retry_cap
    if failing < timings.early:
        return timings.early_cap
    return timings.retry_cap if failing < timings.late_after else timings.late_cap


def first_wait(timings: Timings, cause: Cause, chance: float) -> float:
    """The wait after a connection was lost that had lived long enough (T5)."""
    return 0.0 if cause.kind is CauseKind.OURS else chance * timings.spread


def retry_delay(
    timings: Timings, cause: Cause, failures: int, network: Network, chance: float, failing: float = 0.0
) -> float:
    """Return the wait before the next attempt, where nobody has asked for one (T4, T5).

    Args:
        failures: attempts that failed, and connections that died young, since the last that lived.
        network: while the platform says offline, the wait is the longest.
        failing: seconds since the first of these failures.
    """
    if cause is Cause.NEW_TOKEN:
        return 0.0
    longest = longest_wait(timings, network, failing)
    if network is Network.OFFLINE:
        return _between(longest, chance)
    if failures <= 0:
        return first_wait(timings, cause, chance)
    if failures == 1 and cause.kind is CauseKind.OURS:
        return 0.0
    return waiting_time(timings, failures, chance, longest)


def asked_wait(
    timings: Timings, wait: float | None, within: float | None, chance: float, *, ours: bool = True
) -> float | None:
    """Return the wait that was asked for: Retry-After with a little spread, or a window to spread over (T6).

    Args:
        ours: whether the server itself asked; what anything in between asks is believed for less long.
    """
    longest = timings.longest_server_wait if ours else timings.longest_stranger_wait
    if wait is not None and wait >= 0:
        base = min(wait, longest)
        return base + chance * min(base, timings.spread)
    if within is not None and within >= 0:
        return chance * min(within, longest)
    return None


def renewal_wait(timings: Timings, left: float, chance: float) -> float:
    """The wait before a token is renewed that is good for `left` seconds: the margin at the most, half of it at least.

    Not the same for all: many tokens are made at once, and end at once.
    """
    margin = min(timings.renew_before, left / 2)
    return max(0.0, left - margin * (1 - chance / 2))


def rest_of_window(timings: Timings, rest: float, chance: float) -> float | None:
    """The wait of one that came before the server was back: at some point of what is left of the window (T6)."""
    least = timings.retry_base / 4
    return least + chance * (rest - least) if rest > timings.retry_base else None
