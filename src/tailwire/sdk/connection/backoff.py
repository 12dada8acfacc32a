"""How long to wait before coming back (T4, T5, T6). Rule: chance comes in as a number in [0, 1), never from here."""

from __future__ import annotations

from tailwire.sdk.connection.causes import Cause, Kind
from tailwire.sdk.connection.state import Network
from tailwire.sdk.connection.timings import Timings


def waiting_time(timings: Timings, failures: int, chance: float) -> float:
    """The wait after so many failures in a row: between c/4 and c, c = min(cap, base · 2^(failures - 1))."""
    cap = min(timings.retry_cap, timings.retry_base * 2.0 ** min(max(failures - 1, 0), 60))
    return cap / 4 + chance * (cap - cap / 4)


def first_wait(timings: Timings, cause: Cause, chance: float) -> float:
    """The wait after a connection was lost that had lived long enough (T5)."""
    return 0.0 if cause.kind is Kind.OURS else chance * timings.spread


def retry_delay(timings: Timings, cause: Cause, failures: int, network: Network, chance: float) -> float:
    """The wait before the next attempt, where the server has asked for nothing (T4, T5).

    Args:
        failures: attempts that failed, and connections that died young, since the last that lived.
        network: while the platform says offline, the wait is the longest.
    """
    if cause is Cause.NEW_TOKEN:
        return 0.0
    if network is Network.OFFLINE:
        return timings.retry_cap / 4 + chance * (timings.retry_cap - timings.retry_cap / 4)
    if failures <= 0:
        return first_wait(timings, cause, chance)
    if failures == 1 and cause.kind is Kind.OURS:
        return 0.0
    return waiting_time(timings, failures, chance)


def asked_wait(timings: Timings, wait: float | None, within: float | None, chance: float) -> float | None:
    """The wait that the server asked for: Retry-After with a little spread, or a window to spread over (T6)."""
    if wait is not None and wait >= 0:
        base = min(wait, timings.longest_server_wait)
        return base + chance * min(base, timings.spread)
    if within is not None and within >= 0:
        return chance * min(within, timings.longest_server_wait)
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
