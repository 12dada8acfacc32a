"""The exploration finds faults: each rule of the machine is broken in turn, and an invariant names it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tailwire.sdk.connection import backoff, deadlines, losses, machine, settle, wanted
from tailwire.sdk.connection.state import AppState, Mode, Phase, SessionState
from tailwire.testing.explore import LINE_TIMINGS, explore, starts
from tailwire.testing.invariants import Broken

Plant = Callable[[pytest.MonkeyPatch], None]


def _without(rule: Callable[..., bool]) -> Plant:
    return lambda patch: patch.setattr(settle, "_RULES", tuple(r for r in settle._RULES if r is not rule))


def _auto_mode_ignores_the_background(patch: pytest.MonkeyPatch) -> None:
    honest = wanted.why

    def forgetful(s):
        return wanted.Why.YES if honest(s) is wanted.Why.IN_BACKGROUND else honest(s)

    patch.setattr(wanted, "why", forgetful)


def _login_keeps_the_wish(patch: pytest.MonkeyPatch) -> None:
    def begins(s, happened, now, chance, out):
        machine._drop_socket(s, machine.Cause.LOGGED_IN_ANEW, out)
        s.session = SessionState.VALID

    patch.setitem(machine._HANDLERS, machine.i.LoggedIn, begins)


def _old_sockets_are_believed(patch: pytest.MonkeyPatch) -> None:
    def lost(s, happened, now, chance, out):
        if s.phase is Phase.OPEN:
            losses.lost(s, happened.cause, happened.within, now, chance, out)

    patch.setitem(machine._HANDLERS, machine.i.SocketLost, lost)


def _losses_are_not_told(patch: pytest.MonkeyPatch) -> None:
    # The rule that tells comes last: connecting is told without disconnected before it.
    rules = [r for r in settle._RULES if r is not settle._tell_status]
    patch.setattr(settle, "_RULES", (*rules, settle._tell_status))


def _retry_after_is_not_kept(patch: pytest.MonkeyPatch) -> None:
    def start(s, now, out):
        if not settle.is_wanted(s) or s.phase not in (Phase.IDLE, Phase.WAITING):
            return False
        settle.start_attempt(s, now, out)
        return True

    patch.setattr(settle, "_RULES", tuple(start if r is settle._start else r for r in settle._RULES))


def _socket_lives_on_at_the_end(patch: pytest.MonkeyPatch) -> None:
    honest = settle._leave

    def leave(s, now, out):
        return False if s.ended else honest(s, now, out)

    patch.setattr(settle, "_RULES", tuple(leave if r is honest else r for r in settle._RULES))


def _window_only_in_words(patch: pytest.MonkeyPatch) -> None:
    def window(s, now, out):
        needed = s.mode is Mode.MANUAL and s.app is AppState.BACKGROUND and wanted.is_wanted(s)
        if not needed and s.window_until is not None:
            s.window_until = None
            return True
        return False

    patch.setattr(settle, "_RULES", tuple(window if r is settle._background_window else r for r in settle._RULES))


def _the_token_ends_unnoticed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(deadlines, "_watch_token", lambda s, now, chance, out: None)


def _the_timer_for_a_new_token_outlives_the_socket(patch: pytest.MonkeyPatch) -> None:
    honest = settle.clear_socket

    def clear(s):
        at = s.renew_at
        honest(s)
        s.renew_at = at

    patch.setattr(settle, "clear_socket", clear)
    patch.setattr(machine, "clear_socket", clear)
    patch.setattr(losses, "clear_socket", clear)


def _nobody_asks_again(patch: pytest.MonkeyPatch) -> None:
    def failed(s, now, chance):
        s.renewing, s.renew_at = False, None

    patch.setattr(machine, "not_renewed", failed)
    patch.setattr(deadlines, "not_renewed", failed)


def _whatever_is_asked_is_lifted(patch: pytest.MonkeyPatch) -> None:
    def hope(s):
        s.gave_up = False
        s.retry_at = s.failing_since = s.not_before = None

    patch.setattr(machine, "_hope", hope)


def _a_proxy_that_asks_is_obeyed_no_more(patch: pytest.MonkeyPatch) -> None:
    def reached(s, now, chance):
        s.not_before = s.retry_at = None

    patch.setattr(machine, "reached", reached)


PLANTED = {
    "auto mode ignores the background": (_auto_mode_ignores_the_background, {"I1"}),
    "an unwanted socket stays": (_without(settle._leave), {"I2", "I6"}),
    "login keeps the wish of manual mode": (_login_keeps_the_wish, {"I3"}),
    "the background window never starts": (_window_only_in_words, {"I4"}),
    "nobody starts an attempt": (_without(settle._start), {"I5"}),
    "timers outlive their reason": (_without(settle._drop_timers), {"I6"}),
    "an older socket is believed": (_old_sockets_are_believed, {"I7"}),
    "a loss is not told before the next attempt": (_losses_are_not_told, {"I8"}),
    "ping() is forgotten when the socket goes": (_without(settle._forget_pings), {"I9"}),
    "connect() is forgotten": (_without(settle._answer_connects), {"I9"}),
    "the socket lives on after aclose()": (_socket_lives_on_at_the_end, {"I6", "I10"}),
    "the token ends unnoticed": (_the_token_ends_unnoticed, {"I5"}),
    "the timer for a new token outlives the socket": (_the_timer_for_a_new_token_outlives_the_socket, {"I6"}),
    "after a provider that failed nobody asks again": (_nobody_asks_again, {"I5"}),
    "Retry-After is not kept": (_retry_after_is_not_kept, {"T6"}),
    "what the server itself asks is lifted by anything": (_whatever_is_asked_is_lifted, {"T6"}),
    "an answer of the server hastens an attempt that it asked to wait with": (
        _a_proxy_that_asks_is_obeyed_no_more,
        {"T6"},
    ),
    "nobody reads history where WebSockets are refused": (_without(settle._poll), {"T8"}),
}


ON_LINES = {
    "an answer of the server hastens an attempt that it asked to wait with",
    "nobody reads history where WebSockets are refused",
}
"""These are looked for where the lines are slow and proxies stand in the way."""


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_found(name: str, monkeypatch: pytest.MonkeyPatch):
    plant, rules = PLANTED[name]
    plant(monkeypatch)
    begin = [s for s in starts() if (s.timings == LINE_TIMINGS if name in ON_LINES else s.has_provider)]
    with pytest.raises(Broken) as caught:
        explore(begin, tabulate=False, max_states=20_000)
    assert caught.value.rule in rules


def test_without_a_fault_the_same_walk_finds_nothing():
    assert explore(starts(), tabulate=False, max_states=1_000).states >= 1_000


def test_waiting_times_are_within_their_bounds():
    timings = machine.State().timings
    for failures in range(1, 40):
        cap = min(20.0, 2.0 ** (failures - 1))
        assert backoff.waiting_time(timings, failures, 0.0) == cap / 4
        assert backoff.waiting_time(timings, failures, 1.0) == cap
