"""The exploration finds planted faults: each rule of the machine is broken in turn, and an invariant names it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tailwire.sdk.connection import backoff, deadlines, losses, machine, settle, sockets, state, wanted
from tailwire.sdk.connection.state import AppState, Mode, Phase, SessionState
from tailwire.testing.explore import LINE_TIMINGS, explore, start_states
from tailwire.testing.invariants import BrokenInvariant

Plant = Callable[[pytest.MonkeyPatch], None]


def _without(rule: Callable[..., bool]) -> Plant:
    return lambda patch: patch.setattr(settle, "_RULES", tuple(r for r in settle._RULES if r is not rule))


def _replace(patch: pytest.MonkeyPatch, rule: Callable[..., bool], by: Callable[..., bool]) -> None:
    patch.setattr(settle, "_RULES", tuple(by if r is rule else r for r in settle._RULES))


def _auto_mode_ignores_the_background(patch: pytest.MonkeyPatch) -> None:
    real = wanted.decide

    def decide(s):
        return wanted.Decision.WANTED if real(s) is wanted.Decision.IN_BACKGROUND else real(s)

    patch.setattr(wanted, "decide", decide)


def _login_keeps_the_request(patch: pytest.MonkeyPatch) -> None:
    def begins(step, happened):
        s = step.state
        if s.phase not in (Phase.IDLE, Phase.WAITING):
            sockets.abandon(step)
            state.clear_socket(s)
        requested = s.requested
        state.clear_session(s)
        s.requested, s.session = requested, SessionState.VALID

    patch.setitem(machine.HANDLERS, machine.i.LoggedIn, begins)


def _older_epochs_are_believed(patch: pytest.MonkeyPatch) -> None:
    def lost(step, happened):
        if step.state.phase is Phase.OPEN:
            losses.on_socket_lost(step, happened.cause, happened.within)

    patch.setitem(machine.HANDLERS, machine.i.SocketLost, lost)


def _status_is_reported_last(patch: pytest.MonkeyPatch) -> None:
    rules = [r for r in settle._RULES if r is not settle._report_status]
    patch.setattr(settle, "_RULES", (*rules, settle._report_status))


def _retry_after_is_ignored(patch: pytest.MonkeyPatch) -> None:
    def start(step):
        if not settle.is_wanted(step.state) or step.state.phase not in (Phase.IDLE, Phase.WAITING):
            return False
        settle.start_attempt(step)
        return True

    _replace(patch, settle._start, start)


def _socket_outlives_the_client(patch: pytest.MonkeyPatch) -> None:
    real = settle._leave_unwanted
    _replace(patch, real, lambda step: False if step.state.ended else real(step))


def _background_window_never_starts(patch: pytest.MonkeyPatch) -> None:
    def window(step):
        s = step.state
        needed = s.mode is Mode.MANUAL and s.app is AppState.BACKGROUND and wanted.is_wanted(s)
        if not needed and s.window_until is not None:
            s.window_until = None
            return True
        return False

    _replace(patch, settle._time_background_window, window)


def _token_expires_unnoticed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(deadlines, "_check_token", lambda step: None)


def _renewal_timer_outlives_the_socket(patch: pytest.MonkeyPatch) -> None:
    fields = tuple(pair for pair in state._LASTING_FOR_SOCKET if pair[0] != "renew_at")
    patch.setattr(state, "_LASTING_FOR_SOCKET", fields)


def _failed_renewal_is_not_repeated(patch: pytest.MonkeyPatch) -> None:
    def on_token_not_renewed(step):
        step.state.renewing, step.state.renew_at = False, None

    patch.setattr(machine, "on_token_not_renewed", on_token_not_renewed)
    patch.setattr(deadlines, "on_token_not_renewed", on_token_not_renewed)


def _every_wait_is_dropped(patch: pytest.MonkeyPatch) -> None:
    def drop(s):
        s.gave_up = False
        s.retry_at = s.failing_since = s.not_before = None

    patch.setattr(machine, "_drop_waits", drop)


def _response_ends_every_wait(patch: pytest.MonkeyPatch) -> None:
    def on_server_reached(step):
        step.state.not_before = step.state.retry_at = None

    patch.setattr(machine, "on_server_reached", on_server_reached)


def _pause_outlives_the_socket(patch: pytest.MonkeyPatch) -> None:
    fields = tuple(pair for pair in state._LASTING_FOR_SOCKET if pair[0] != "paused")
    patch.setattr(state, "_LASTING_FOR_SOCKET", fields)


def _login_does_not_lift_a_refusal(patch: pytest.MonkeyPatch) -> None:
    fields = tuple(pair for pair in state._LASTING_FOR_SESSION if pair[0] != "barred")
    patch.setattr(state, "_LASTING_FOR_SESSION", fields)


PLANTED = {
    "auto mode ignores the background": (_auto_mode_ignores_the_background, {"I1"}),
    "an unwanted socket stays": (_without(settle._leave_unwanted), {"I2", "I6"}),
    "login keeps the request of manual mode": (_login_keeps_the_request, {"I3"}),
    "the background window never starts": (_background_window_never_starts, {"I4"}),
    "no attempt is started": (_without(settle._start), {"I5"}),
    "timers outlive their reason": (_without(settle._drop_timers), {"I6"}),
    "inputs of an older epoch are believed": (_older_epochs_are_believed, {"I7"}),
    "a loss is not told before the next attempt": (_status_is_reported_last, {"I8"}),
    "ping() is forgotten when the socket ends": (_without(settle._forget_pings), {"I9"}),
    "connect() is forgotten": (_without(settle._answer_connects), {"I9"}),
    "the socket outlives aclose()": (_socket_outlives_the_client, {"I6", "I10"}),
    "the token expires unnoticed": (_token_expires_unnoticed, {"I5"}),
    "the renewal timer outlives the socket": (_renewal_timer_outlives_the_socket, {"I6"}),
    "paused reading outlives the socket": (_pause_outlives_the_socket, {"T3"}),
    "a login does not lift a refusal": (_login_does_not_lift_a_refusal, {"I5"}),
    "a failed renewal is not repeated": (_failed_renewal_is_not_repeated, {"I5"}),
    "Retry-After is ignored": (_retry_after_is_ignored, {"T6"}),
    "a wait that the server asked for is dropped": (_every_wait_is_dropped, {"T6"}),
    "a response ends a wait that the server asked for": (_response_ends_every_wait, {"T6"}),
    "history is not read while WebSockets are refused": (_without(settle._time_polling), {"T8"}),
}

ON_LINES = {
    "a response ends a wait that the server asked for",
    "history is not read while WebSockets are refused",
}
"""Faults that only clients on slow lines and behind proxies meet (`LINE_TIMINGS`)."""


@pytest.mark.parametrize("name", PLANTED)
def test_planted_fault_is_found(name: str, monkeypatch: pytest.MonkeyPatch):
    plant, rules = PLANTED[name]
    plant(monkeypatch)
    initial = [s for s in start_states() if (s.timings == LINE_TIMINGS if name in ON_LINES else s.has_provider)]
    with pytest.raises(BrokenInvariant) as caught:
        explore(initial, tabulate=False, max_states=20_000)
    assert caught.value.rule in rules


def test_exploration_without_a_fault_finds_nothing():
    assert explore(start_states(), tabulate=False, max_states=1_000).states >= 1_000


def test_waiting_times_are_within_their_bounds():
    timings = machine.State().timings
    for failures in range(1, 40):
        cap = min(20.0, 2.0 ** (failures - 1))
        assert backoff.waiting_time(timings, failures, 0.0) == cap / 4
        assert backoff.waiting_time(timings, failures, 1.0) == cap
