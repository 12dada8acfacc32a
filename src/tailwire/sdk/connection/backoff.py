"""How long to wait before an attempt (T4, T5, T6). Pure: random numbers in [0, 1) are arguments."""

from __future__ import annotations

from tailwire.sdk.connection.causes import Cause, CauseKind
from tailwire.sdk.connection.state import Network
from tailwire.sdk.connection.timings import Timings


def waiting_time(timings: Timings, failures: int, chance: float, cap: float | None = None) -> float:
    """Return the wait after `failures` failures in a row: c/4 to c, where c = min(cap, base · 2^(failures - 1)).

    Args:
        cap: the longest wait; `retry_cap` by default.
    """
    longest = timings.retry_cap if cap is None else cap
    return _between(min(longest, timings.retry_base * 2.0 ** min(max(failures - 1, 0), 60)), chance)


def _between(longest: float, chance: float) -> float:
    return longest / 4 + chance * (longest - longest / 4)


def longest_wait(timings: Timings, network: Network, failing: float) -> float:
    """Return the longest wait after `failing` seconds without a connection (T4).

    It is short at first, because most failures of a single client are over within seconds, and long in the end, because
    an hour without a network must not wake a phone 200 times.
    """
    if network is Network.OFFLINE:
        return timings.rare_cap if failing >= timings.rare_after else timings.retry_cap
    if failing < timings.early:
        return timings.early_cap
    return timings.retry_cap if failing < timings.late_after else timings.late_cap


def first_wait(timings: Timings, cause: Cause, chance: float) -> float:
    """Return the wait after the loss of a stable connection (T5).

    It is 0 if the cause concerns this client alone, else a random part of `spread`: other clients lost theirs too.
    """
    return 0.0 if cause.kind is CauseKind.OURS else chance * timings.spread


def retry_delay(
    timings: Timings, cause: Cause, failures: int, network: Network, chance: float, failing: float = 0.0
) -> float:
    """Return the wait before the next attempt if no response asked for one (T4, T5); 0 for a new token.

    Args:
        failures: failed attempts and unstable connections since the last stable one.
        network: while it is offline, the wait does not depend on the number of failures: c/4 to c, where c is the
            longest wait.
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


def requested_wait(
    timings: Timings, wait: float | None, within: float | None, chance: float, *, ours: bool = True
) -> float | None:
    """Return the wait that a response asked for, with jitter: Retry-After, or a window to spread over; else None (T6).

    Args:
        wait: Retry-After in seconds, or None.
        within: the window in seconds, or None.
        ours: whether the server itself asked; the wait that an intermediary asks for is capped lower.
    """
    longest = timings.longest_server_wait if ours else timings.longest_stranger_wait
    if wait is not None and wait >= 0:
        base = min(wait, longest)
        return base + chance * min(base, timings.spread)
    if within is not None and within >= 0:
        return chance * min(within, longest)
    return None


def renewal_wait(timings: Timings, seconds_left: float, chance: float) -> float:
    """Return the wait before renewing a token that expires in `seconds_left` seconds.

    The renewal is due at a random time, between half the margin and the whole margin before the token expires: many
    tokens are made at the same moment, and expire at the same moment.
    """
    margin = min(timings.renew_before, seconds_left / 2)
    return max(0.0, seconds_left - margin * (1 - chance / 2))


def rest_of_window(timings: Timings, rest: float, chance: float) -> float | None:
    """Return a random wait within the rest of a restart window (T6); None if too little of it is left."""
    least = timings.retry_base / 4
    return least + chance * (rest - least) if rest > timings.retry_base else None
