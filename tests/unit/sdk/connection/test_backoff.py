"""Waiting times and close codes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tailwire.sdk.connection.backoff import (
    longest_wait,
    renewal_wait,
    requested_wait,
    rest_of_window,
    retry_delay,
    waiting_time,
)
from tailwire.sdk.connection.causes import Cause, CauseKind, cause_of_close
from tailwire.sdk.connection.state import Network
from tailwire.sdk.connection.timings import Timings

T = Timings()


@given(
    st.sampled_from(Cause),
    st.integers(0, 10**9),
    st.sampled_from(Network),
    st.floats(0, 1, exclude_max=True),
    st.floats(0, 1e7),
)
def test_retry_delay_is_within_its_bounds(cause, failures, network, chance, failing):
    wait = retry_delay(T, cause, failures, network, chance, failing)
    if cause is Cause.NEW_TOKEN:
        assert wait == 0
    elif network is Network.OFFLINE:
        assert 5 <= wait <= 20 if failing < 60 else 300 <= wait <= 1200
    elif failures == 0:
        assert 0 <= wait <= (0 if cause.kind is CauseKind.OURS else 1)
    elif failures == 1 and cause.kind is CauseKind.OURS:
        assert wait == 0
    else:
        longest = 4 if failing < 30 else 20 if failing < 300 else 60
        cap = min(longest, 2 ** (min(failures, 60) - 1))
        assert cap / 4 <= wait <= cap


@given(st.floats(0, 1e9), st.floats(0, 0.999))
def test_wait_requested_by_an_intermediary_is_capped_at_a_minute(wait, chance):
    assert min(wait, 60) <= requested_wait(T, wait, None, chance, ours=False) <= 61


@given(st.one_of(st.none(), st.floats(-10, 1e9)), st.one_of(st.none(), st.floats(-10, 1e9)), st.floats(0, 0.999))
def test_wait_requested_by_the_server_is_capped_at_an_hour(wait, within, chance):
    requested = requested_wait(T, wait, within, chance)
    if wait is not None and wait >= 0:
        assert min(wait, 3600) <= requested <= 3601
    elif within is not None and within >= 0:
        assert 0 <= requested <= min(within, 3600)
    else:
        assert requested is None


def test_each_close_code_has_its_cause():
    of_their_own = {
        1006: Cause.CONNECTION_RESET,
        1012: Cause.SERVER_RESTARTING,
        1013: Cause.SERVER_BUSY,
        4501: Cause.TOKEN_REJECTED,
    }
    refused = {1002, 1003, 1007, 1008, 1009, *range(4500, 5000)}
    for code in range(1000, 5100):
        usual = Cause.REFUSED if code in refused else Cause.SERVER_CLOSED
        assert cause_of_close(code) is of_their_own.get(code, usual), code
    assert cause_of_close(None) is Cause.CONNECTION_RESET


@given(st.floats(-10, 60), st.floats(0, 0.999))
def test_wait_after_an_early_attempt_ends_within_the_window_of_the_server(rest, chance):
    wait = rest_of_window(T, rest, chance)
    assert (wait is None) is (rest <= T.retry_base)
    assert wait is None or T.retry_base / 4 <= wait <= rest


def test_attempt_with_a_new_token_does_not_wait():
    for network in Network:
        assert retry_delay(T, Cause.NEW_TOKEN, 5, network, 0.9, 1000.0) == 0.0


def test_waits_are_spread_evenly_between_a_quarter_and_the_whole_of_their_bound():
    assert [waiting_time(T, n, 0.0) for n in (1, 2, 3, 4, 5, 6, 7)] == [0.25, 0.5, 1.0, 2.0, 4.0, 5.0, 5.0]
    assert [waiting_time(T, n, 0.5) for n in (1, 2, 6)] == [0.625, 1.25, 12.5]
    assert waiting_time(T, 9, 0.0, cap=4.0) == 1.0


def test_longest_wait_grows_with_the_duration_of_the_outage():
    for failing, longest in ((29.9, 4.0), (30.0, 20.0), (299.9, 20.0), (300.0, 60.0)):
        assert longest_wait(T, Network.UNKNOWN, failing) == longest
    for failing, longest in ((59.9, 20.0), (60.0, 1200.0)):
        assert longest_wait(T, Network.OFFLINE, failing) == longest


def test_first_wait_is_spread_over_a_second_only_after_causes_shared_by_many_clients():
    for cause in set(Cause) - {Cause.NEW_TOKEN}:
        for chance in (0.0, 0.5, 0.9):
            wait = 0.0 if cause.kind is CauseKind.OURS else chance
            assert retry_delay(T, cause, 0, Network.ONLINE, chance) == wait, cause
    assert retry_delay(T, Cause.SLEPT, 1, Network.ONLINE, 0.5) == 0.0
    assert retry_delay(T, Cause.SLEPT, 2, Network.ONLINE, 0.5) == 1.25


def test_requested_waits_and_windows_of_zero_seconds_are_obeyed():
    assert requested_wait(T, 0.0, 9.0, 0.5) == 0.0
    assert requested_wait(T, None, 0.0, 0.5) == 0.0
    assert requested_wait(T, 0.5, None, 0.5) == 0.75
    assert requested_wait(T, None, 9.0, 0.5) == 4.5


def test_token_is_renewed_between_half_the_margin_and_the_whole_before_its_end():
    assert renewal_wait(T, 600.0, 0.0) == 540.0
    assert renewal_wait(T, 600.0, 0.5) == 555.0
    assert renewal_wait(T, 40.0, 0.0) == 20.0
    assert renewal_wait(T, 0.0, 0.5) == 0.0
    assert renewal_wait(T, -5.0, 0.5) == 0.0


def test_attempts_are_spread_evenly_over_the_rest_of_a_window():
    assert rest_of_window(T, 10.25, 0.0) == 0.25
    assert rest_of_window(T, 10.25, 0.5) == 5.25
