"""How long to wait before something is sent again to a receiver that failed."""

from __future__ import annotations

FIRST_DELAYS_SECONDS = (10, 30)
NEXT_DELAY_SECONDS = 60  # doubled with each further attempt
JITTER_SHARE = 0.2  # the part of a delay by which it may be shorter or longer
_MAX_DOUBLINGS = 30


def retry_delay(tries: int, longest: float, chance: float) -> float:
    """Return the seconds until the next attempt: 10, 30, then 60, doubled with each further attempt.

    From the third one on, a delay is limited to `longest`, and then made up to 20 % shorter or longer at random.

    Args:
        tries: the number of failed attempts, at least 1.
        longest: the longest delay, in seconds.
        chance: a random number in [0, 1).
    """
    if tries <= len(FIRST_DELAYS_SECONDS):
        return float(FIRST_DELAYS_SECONDS[tries - 1])
    grown = float(NEXT_DELAY_SECONDS * 2 ** min(tries - len(FIRST_DELAYS_SECONDS) - 1, _MAX_DOUBLINGS))
    return min(longest, grown) * (1 - JITTER_SHARE + 2 * JITTER_SHARE * chance)
