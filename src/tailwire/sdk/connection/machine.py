"""One step of the connection machine: an input, the time and a random number go in; a state and commands come out.

Rules: a handler changes facts; what follows from them is `settle`'s; a handler of something that speaks of an epoch
asks first whether it is the current one (I7); deadlines that have passed are dealt with before the input that
found them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tailwire.sdk.connection import inputs as i
from tailwire.sdk.connection.backoff import renewal_wait
from tailwire.sdk.connection.causes import Cause
from tailwire.sdk.connection.commands import (
    AbandonSocket,
    Answer,
    Command,
    DropConnections,
    OpenSocket,
    Result,
)
from tailwire.sdk.connection.deadlines import note_what_was_seen, pass_deadlines
from tailwire.sdk.connection.losses import failed, lost, not_renewed, reached
from tailwire.sdk.connection.settle import clear_socket, ping_for, probe, settle, start_attempt
from tailwire.sdk.connection.state import AppState, Mode, Network, Phase, SessionState, State, copy_of, patience

LATEST_CALLERS = 64
"""Pings under way at once, at the most; one more is told that the others have no answer yet."""


def step(state: State, happened: i.Input, now: float, chance: float) -> tuple[State, list[Command]]:
    """Take one input.

    Args:
        state: the state before. It is not changed.
        happened: what happened.
        now: seconds, on the clock that counts while the machine sleeps (T1). Never earlier than at the last step.
        chance: a random number in [0, 1): all the chance that this step may need.

    Returns:
        The state after, and what is to be done, in this order.
    """
    s = copy_of(state)
    out: list[Command] = []
    if s.ended:
        _answer_late_call(happened, out)
        return s, out
    moved_at = None
    if isinstance(happened, i.TimerFired):
        note_what_was_seen(s, happened)
        moved_at = happened.moved_at
    pass_deadlines(s, now, chance, moved_at, out)
    if not isinstance(happened, i.TimerFired):
        _HANDLERS[type(happened)](s, happened, now, chance, out)
    settle(s, now, out)
    return s, out


def _answer_late_call(happened: i.Input, out: list[Command]) -> None:
    if isinstance(happened, i.ConnectCalled | i.DisconnectCalled | i.PingCalled):
        out.append(Answer(happened.caller, Result.CLIENT_CLOSED))  # I9


# The session.


def _session_begins(s: State, happened: Any, now: float, chance: float, out: list[Command]) -> None:
    _drop_socket(s, Cause.LOGGED_IN_ANEW, out)
    s.session = SessionState.VALID
    s.held = s.requested = s.barred = s.gave_up = s.renew_next = s.renewal_tried = False
    s.attempts, s.retry_at, s.not_before, s.spread_until, s.token_until = 0, None, None, None, None
    s.failing_since, s.refusals = None, 0


def _logged_out(s: State, happened: Any, now: float, chance: float, out: list[Command]) -> None:
    s.session = SessionState.NONE
    s.held = s.requested = s.barred = s.gave_up = s.renew_next = s.renewal_tried = False
    s.attempts, s.not_before, s.spread_until, s.token_until = 0, None, None, None
    s.failing_since, s.refusals = None, 0


def _client_closed(s: State, happened: Any, now: float, chance: float, out: list[Command]) -> None:
    s.ended = True
    s.requested = False


def _drop_socket(s: State, cause: Cause, out: list[Command]) -> None:
    if s.phase in (Phase.CONNECTING, Phase.RENEWING, Phase.OPEN):
        out.append(AbandonSocket(s.epoch))
        s.cause = cause
        out.extend(Answer(c, Result.ABANDONED, cause) for c in s.connects)
        s.connects = ()
        clear_socket(s)


# Calls.


def _connect_called(s: State, happened: i.ConnectCalled, now: float, chance: float, out: list[Command]) -> None:
    caller = happened.caller
    if s.session is SessionState.NONE:
        out.append(Answer(caller, Result.NOT_LOGGED_IN_CONNECT))
    elif s.session is SessionState.EXPIRED:
        out.append(Answer(caller, Result.SESSION_EXPIRED, Cause.TOKEN_REJECTED))
    elif s.mode is Mode.AUTO and s.app is AppState.BACKGROUND:
        out.append(Answer(caller, Result.IN_BACKGROUND, Cause.APP_IN_BACKGROUND))  # C18
    else:
        s.held = s.barred = False
        s.requested = s.mode is Mode.MANUAL
        _hope(s)  # C17: cuts a waiting time short, but not what the server asked for (T6)
        asked = s.not_before - now if s.not_before is not None else 0.0
        if s.phase in (Phase.IDLE, Phase.WAITING) and asked > s.timings.attempt:
            out.append(Answer(caller, Result.ATTEMPT_FAILED, s.cause))  # the wish stays (C13)
            return
        s.connects = (*s.connects, caller)
        if s.phase is Phase.OPEN and s.window_until is not None:
            s.window_until = now + s.timings.background_window
            s.said_app = AppState.FOREGROUND  # the server counts the window too, so it is told again


def _disconnect_called(s: State, happened: i.DisconnectCalled, now: float, chance: float, out: list[Command]) -> None:
    if s.session is SessionState.NONE:
        out.append(Answer(happened.caller, Result.NOT_LOGGED_IN_DISCONNECT))
        return
    s.held = s.mode is Mode.AUTO
    s.requested = False
    settle(s, now, out)  # the socket goes first, then the answer
    out.append(Answer(happened.caller, Result.DISCONNECTED))


def _ping_called(s: State, happened: i.PingCalled, now: float, chance: float, out: list[Command]) -> None:
    if s.session is SessionState.NONE:
        out.append(Answer(happened.caller, Result.NOT_LOGGED_IN_PING))
    elif s.phase is not Phase.OPEN or len(s.pings) >= LATEST_CALLERS:
        out.append(Answer(happened.caller, Result.NO_SOCKET, s.cause))  # C6
    else:
        if s.window_until is not None:
            s.window_until = now + s.timings.background_window  # C5
        ping_for(s, now, happened.caller, out)


def _caller_gone(s: State, happened: i.CallerGone, now: float, chance: float, out: list[Command]) -> None:
    s.connects = tuple(c for c in s.connects if c != happened.caller)
    if happened.caller in s.pings:
        # Its pong is still to come and must not be taken for another caller's.
        s.pings = tuple(0 if c == happened.caller else c for c in s.pings)


def _hope(s: State) -> None:
    # It may well work now, so drop every wait except one that the server itself asked for.
    if s.gave_up:
        s.gave_up, s.attempts = False, 0
    s.retry_at = s.failing_since = None
    if not s.asked_by_server:
        s.not_before = None


# The world.


def _app_state_changed(s: State, happened: i.AppStateChanged, now: float, chance: float, out: list[Command]) -> None:
    if happened.app is s.app:
        return
    s.app = happened.app
    if s.app is AppState.FOREGROUND:
        s.held = False  # C12
        _hope(s)  # T5: at once
        probe(s, now, Cause.PROBE_FAILED, out)


def _network_changed(s: State, happened: i.NetworkChanged, now: float, chance: float, out: list[Command]) -> None:
    was, s.network = s.network, happened.network
    if s.network is Network.OFFLINE:
        if was is not Network.OFFLINE:
            probe(s, now, Cause.PROBE_FAILED, out)  # C21
        return
    s.refusals = 0  # perhaps no proxy is in the way of this one
    out.append(DropConnections())
    # A platform that repeats what it said hastens only a long wait.
    news = was is not Network.ONLINE or (s.retry_at is not None and s.retry_at - now > s.timings.early_cap)
    if s.app is AppState.FOREGROUND and news:  # C20
        _hope(s)
        if was is Network.OFFLINE and s.phase is Phase.CONNECTING:
            out.append(AbandonSocket(s.epoch))
            s.cause = Cause.NETWORK_CHANGED
            start_attempt(s, now, out)
    else:
        s.gave_up = False
    probe(s, now, Cause.PROBE_FAILED, out)  # another network, perhaps: is the socket of the old one still good?


def _attempt_succeeded(s: State, happened: i.AttemptSucceeded, now: float, chance: float, out: list[Command]) -> None:
    if happened.epoch != s.epoch or s.phase is not Phase.CONNECTING:
        return
    s.phase = Phase.OPEN
    s.opened_at = s.heard_at = s.said_at = now
    s.attempt_until = s.attempt_end = s.retry_at = s.not_before = s.spread_until = None
    s.renewal_tried, s.refusals = False, 0
    s.round_trip = happened.round_trip or 0.0
    s.interval = happened.interval or s.timings.heartbeat_interval
    s.timeout = happened.timeout or s.timings.heartbeat_timeout
    _token_is_good_for(s, happened.left, now, chance)


def _token_is_good_for(s: State, left: float | None, now: float, chance: float) -> None:
    s.renewing, s.renewals_failed = False, 0
    s.token_until = now + left if left is not None else None
    s.renew_at = now + renewal_wait(s.timings, left, chance) if left is not None and s.has_provider else None


def _attempt_failed(s: State, happened: i.AttemptFailed, now: float, chance: float, out: list[Command]) -> None:
    if happened.epoch == s.epoch and s.phase is Phase.CONNECTING:
        failed(s, happened.cause, now, chance, out, wait=happened.wait, ours=happened.ours)


def _server_answered(s: State, happened: Any, now: float, chance: float, out: list[Command]) -> None:
    reached(s, now, chance)


def _socket_lost(s: State, happened: i.SocketLost, now: float, chance: float, out: list[Command]) -> None:
    if happened.epoch == s.epoch and s.phase is Phase.OPEN:
        lost(s, happened.cause, happened.within, now, chance, out)


def _pong_received(s: State, happened: i.PongReceived, now: float, chance: float, out: list[Command]) -> None:
    if happened.epoch != s.epoch or s.phase is not Phase.OPEN:
        return
    s.heard_at = now
    if not s.pings:
        return
    if s.probe_sent is not None:  # T3: rises at once, falls slowly
        took = now - s.probe_sent
        s.round_trip = max(took, (3 * s.round_trip + took) / 4)
    if s.pings[0]:
        out.append(Answer(s.pings[0], Result.PONG))
    s.pings = s.pings[1:]
    if s.pings:
        s.probe_sent, s.probe_until = now, now + patience(s)
    else:
        s.probe_sent = s.probe_until = s.probe_cause = None


def _reading_paused(s: State, happened: i.ReadingPaused, now: float, chance: float, out: list[Command]) -> None:
    if happened.epoch == s.epoch and s.phase is Phase.OPEN:
        s.paused = True


def _reading_resumed(s: State, happened: i.ReadingResumed, now: float, chance: float, out: list[Command]) -> None:
    if happened.epoch == s.epoch and s.phase is Phase.OPEN and s.paused:
        s.paused = False
        s.heard_at = now
        if s.probe_until is not None:
            s.probe_sent, s.probe_until = now, now + patience(s)


def _throttle_changed(s: State, happened: i.ThrottleChanged, now: float, chance: float, out: list[Command]) -> None:
    if happened.epoch == s.epoch and s.phase is Phase.OPEN:
        s.throttled = happened.on


def _token_renewed(s: State, happened: i.TokenRenewed, now: float, chance: float, out: list[Command]) -> None:
    if happened.epoch != s.epoch or s.phase is not Phase.RENEWING:
        return
    # The same attempt goes on with the new token, under the same deadline.
    s.renew_next, s.token_until = False, None
    s.phase = Phase.CONNECTING
    out.append(OpenSocket(s.epoch))


def _token_taken(s: State, happened: i.TokenTaken, now: float, chance: float, out: list[Command]) -> None:
    if happened.epoch == s.epoch and s.phase is Phase.OPEN:
        _token_is_good_for(s, happened.left, now, chance)


def _token_renewal_failed(
    s: State, happened: i.TokenRenewalFailed, now: float, chance: float, out: list[Command]
) -> None:
    if happened.epoch != s.epoch:
        return
    if s.phase is Phase.RENEWING:
        failed(s, happened.cause, now, chance, out)
    elif s.renewing:
        not_renewed(s, now, chance)


_HANDLERS: dict[type, Callable[[State, Any, float, float, list[Command]], None]] = {
    i.SessionRestored: _session_begins,
    i.LoggedIn: _session_begins,
    i.LoggedOut: _logged_out,
    i.ClientClosed: _client_closed,
    i.ConnectCalled: _connect_called,
    i.DisconnectCalled: _disconnect_called,
    i.PingCalled: _ping_called,
    i.CallerGone: _caller_gone,
    i.AppStateChanged: _app_state_changed,
    i.NetworkChanged: _network_changed,
    i.AttemptSucceeded: _attempt_succeeded,
    i.AttemptFailed: _attempt_failed,
    i.ServerAnswered: _server_answered,
    i.SocketLost: _socket_lost,
    i.PongReceived: _pong_received,
    i.ReadingPaused: _reading_paused,
    i.ReadingResumed: _reading_resumed,
    i.ThrottleChanged: _throttle_changed,
    i.TokenRenewed: _token_renewed,
    i.TokenTaken: _token_taken,
    i.TokenRenewalFailed: _token_renewal_failed,
}
