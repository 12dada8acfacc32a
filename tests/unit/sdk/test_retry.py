"""The waits between attempts, and which requests are repeated."""

from __future__ import annotations

import asyncio

import pytest

from tailwire.sdk.connection.causes import Cause
from tailwire.sdk.exceptions import CometChatException, failure, not_reached
from tailwire.sdk.retry import MAX_ATTEMPTS, REQUEST_RETRY, RetryPolicy, Waits, is_safe, repeat

POLICY = RetryPolicy(first=1.0, longest=5.0)


@pytest.mark.parametrize(("chance", "waits"), [(0.0, [0.5, 1.0, 2.0, 2.5, 2.5]), (1.0, [1.0, 2.0, 4.0, 5.0, 5.0])])
def test_waits_grow_up_to_a_maximum_and_are_at_least_half_of_their_bound(chance: float, waits: list[float]):
    made = Waits(POLICY, lambda: chance)
    assert [made.next_wait() for _ in waits] == waits
    made.reset()
    assert made.next_wait() == waits[0]


@pytest.mark.parametrize(("requested", "least", "most"), [(0.1, 0.5, 1.0), (0.9, 0.9, 1.8), (30.0, 30.0, 31.0)])
def test_wait_that_the_server_asked_for_is_kept_and_spread_over_a_second(requested: float, least: float, most: float):
    assert Waits(POLICY, lambda: 0.0).next_wait(requested) == pytest.approx(least)
    assert Waits(POLICY, lambda: 1.0).next_wait(requested) == pytest.approx(most)


async def attempts(error: CometChatException, *, safe: bool) -> int:
    """Return the number of attempts of a request that always fails with `error`."""
    count = 0

    async def attempt() -> None:
        nonlocal count
        count += 1
        raise error

    with pytest.raises(CometChatException) as caught:
        await repeat(attempt, lambda: 0.5, safe=safe)
    assert caught.value is error
    return count


@pytest.mark.virtual
async def test_only_requests_with_temporary_errors_are_repeated():
    assert await attempts(failure("ERR_UNAVAILABLE"), safe=True) == MAX_ATTEMPTS
    assert await attempts(failure("ERR_NOT_A_MEMBER"), safe=True) == 1
    assert await attempts(failure("ERR_UNAVAILABLE", retry_after=REQUEST_RETRY.longest + 1), safe=True) == 1


@pytest.mark.virtual
async def test_unsafe_request_is_repeated_only_if_the_server_did_nothing():
    assert await attempts(failure("ERR_UNAVAILABLE"), safe=False) == 1
    assert await attempts(not_reached(Cause.ATTEMPT_TIMEOUT, ""), safe=False) == 1
    assert await attempts(not_reached(Cause.CONNECTION_REFUSED, ""), safe=False) == MAX_ATTEMPTS
    assert await attempts(failure("ERR_TOO_MANY_REQUESTS"), safe=False) == MAX_ATTEMPTS


@pytest.mark.virtual
async def test_all_attempts_take_about_three_seconds():
    began = asyncio.get_running_loop().time()
    await attempts(failure("ERR_UNAVAILABLE"), safe=True)
    assert 1.6 <= asyncio.get_running_loop().time() - began <= 3.25


@pytest.mark.parametrize(
    ("method", "path", "safe"),
    [
        ("GET", "/anything", True),
        ("PUT", "/me", True),
        ("POST", "/messages/1/pin", True),
        ("POST", "/blockedusers", True),
        ("DELETE", "/blockedusers", True),
        ("PUT", "/users/dave", True),
        ("POST", "/users", False),
        ("POST", "/messages", False),
        ("POST", "/groups", False),
        ("DELETE", "/messages/1", False),
    ],
)
def test_idempotent_requests_are_safe_and_others_are_not(method: str, path: str, safe: bool):
    assert is_safe(method, path) is safe
