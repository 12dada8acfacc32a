"""Wrong tokens of an address, and the valid ones that it has sent."""

from __future__ import annotations

from tailwire.server.limits.guess_limiter import MAX_KNOWN_SECRETS, GuessLimiter

HOME = "203.0.113.9"


def suspected(now: list[float]) -> GuessLimiter:
    """Return a limiter that knows an address as one that has sent a wrong token."""
    guesses = GuessLimiter(1, lambda: now[0])
    guesses.record_failure(HOME)
    return guesses


def test_valid_token_of_an_address_is_checked_after_too_many_wrong_ones():
    now = [0.0]
    guesses = suspected(now)
    guesses.record_success(HOME, "known")
    guesses.record_failure(HOME)
    assert guesses.seconds_until_allowed(HOME, "known") == 0.0
    assert guesses.seconds_until_allowed(HOME, "unknown") > 0
    assert guesses.seconds_until_allowed("203.0.113.10", "unknown") == 0.0
    now[0] += 120
    assert guesses.seconds_until_allowed(HOME, "unknown") == 0.0


def test_valid_token_that_is_used_is_remembered_however_many_others_are_sent():
    guesses = suspected([0.0])
    guesses.record_success(HOME, "unused")
    for n in range(3 * MAX_KNOWN_SECRETS):
        guesses.record_success(HOME, n)
        if n % (MAX_KNOWN_SECRETS // 2) == 0:
            guesses.record_success(HOME, "used")
    guesses.record_failure(HOME)
    assert guesses.seconds_until_allowed(HOME, "used") == 0.0
    last = 3 * MAX_KNOWN_SECRETS - 1
    assert guesses.seconds_until_allowed(HOME, last) == 0.0
    assert guesses.seconds_until_allowed(HOME, "unused") > 0
    assert guesses.seconds_until_allowed(HOME, last - MAX_KNOWN_SECRETS) > 0
