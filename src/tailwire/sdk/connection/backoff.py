"""How long to wait before an attempt (T4, T5, T6). Pure: random numbers in [0, 1) are arguments."""

from __future__ import annotations

from tailwire.sdk.connection.causes import Cause, CauseKind
from tailwire.sdk.connection.state import Network
from tailwire.sdk.connection.timings import Timings


def waiting_time(timings: Timings, failures: int, chance: float, cap: float | None = None) -> float:
    """Return the wait in seconds after `failures` failures in a row, which grows exponentially up to `cap`.

    The wait lies between c/4 and c, where c = min(cap, retry_base · 2^(failures - 1)).

    Args:
        chance: a random number in [0, 1) that selects the wait within this range.
        cap: the longest wait; None for `timings.retry_cap`.
    """
    longest = timings.retry_cap if cap is None else cap
    return _between(min(longest, timings.retry_base * 2.0 ** min(max(failures - 1, 0), 60)), chance)


def _between(longest: float, chance: float) -> float:
    return longest / 4 + chance * (longest - longest / 4)


def longest_wait(timings: Timings, network: Network, failing: float) -> float:
    """Return the upper bound of the wait between attempts after `failing` seconds without a connection (T4).

    The bound is low at first, because most failures of a single client are over within seconds, and high later, because
    an hour without a network must not wake a phone 200 times. It is highest while the platform reports offline.
    """
    if network is Network.OFFLINE:
        return timings.rare_cap if failing >= timings.rare_after else timings.retry_cap
    if failing < timings.early:
        return timings.early_cap
    return timings.retry_cap if failing < timings.late_after else timings.late_cap


def first_wait(timings: Timings, cause: Cause, chance: float) -> float:
    """Return the wait before the first attempt after a stable connection was lost (T5).

    Returns 0 if the cause affects this client alone. Otherwise other clients lost their connections too, and the wait
    is a random part of `timings.spread`, so that they do not all reconnect at once.
    """
    return 0.0 if cause.kind is CauseKind.OURS else chance * timings.spread


def retry_delay(
    timings: Timings, cause: Cause, failures: int, network: Network, chance: float, failing: float = 0.0
) -> float:
    """Return the wait before the next attempt, for the case that no response of the server requested one (T4, T5).

    There is no wait after `NEW_TOKEN`, nor after one failure that affects this client alone.

    Args:
        failures: failed attempts and unstable connections since the last stable connection.
        network: while it is offline, the wait lies between a quarter of `longest_wait` and `longest_wait`, whatever
            the number of failures.
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
    """Return the wait that a response requested, capped and with jitter; None if it requested none (T6).

    Args:
        wait: the Retry-After of the response in seconds, or None. The result is this wait or longer.
        within: the seconds over which clients are to spread their reconnects, or None. The result is a random part of
            them. Ignored if there is a `wait`.
        ours: whether the chat server itself sent the response; a wait requested by an intermediary is capped lower.
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

    The renewal is due between m/2 and m seconds before the token expires, where m is `timings.renew_before`, or half of
    `seconds_left` if that is less. The time is random, because many tokens are issued, and expire, at the same moment.
    """
    margin = min(timings.renew_before, seconds_left / 2)
    return max(0.0, seconds_left - margin * (1 - chance / 2))


def rest_of_window(timings: Timings, rest: float, chance: float) -> float | None:
    """Return a random wait within the rest of the window over which a restarting server spreads reconnects (T6).

    Args:
        rest: the seconds that are left of the window.

    Returns:
        At least a quarter of `timings.retry_base`; None if no more than `timings.retry_base` is left.
    """
    least = timings.retry_base / 4
    return least + chance * (rest - least) if rest > timings.retry_base else None
