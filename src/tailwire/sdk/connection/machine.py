"""One step of the connection machine: state, input, time and a random number go in; state and commands come out.

There is one handler for each type of input. It records the facts in the state; `settle` then derives what follows for
the socket, the timers and the status. A handler itself emits only what belongs to its input: the result of a call, a
ping, the error of a failure, and the end of a socket that is dead or replaced (`sockets` explains why that is not left
to `settle`). An input with the epoch of an older socket or attempt is ignored (I7). Deadlines that have passed are
handled before the input of the step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tailwire.sdk.connection import inputs as i
from tailwire.sdk.connection.backoff import renewal_wait
from tailwire.sdk.connection.causes import Cause
from tailwire.sdk.connection.commands import Answer, Command, DropConnections, OpenSocket, Result
from tailwire.sdk.connection.deadlines import pass_deadlines, record_traffic
from tailwire.sdk.connection.losses import on_attempt_failed, on_server_reached, on_socket_lost, on_token_not_renewed
from tailwire.sdk.connection.settle import settle
from tailwire.sdk.connection.sockets import abandon, probe, send_ping, start_attempt
from tailwire.sdk.connection.state import (
    AppState,
    Mode,
    Network,
    Phase,
    SessionState,
    State,
    answer_timeout,
    clear_session,
    clear_socket,
    copy_of,
)
from tailwire.sdk.connection.step import Step

MAX_PENDING_PINGS = 64
"""The maximum number of unanswered pings; further `ping()` calls fail at once."""
_NO_TRAFFIC = i.TimerFired()


def step(state: State, happened: i.Input, now: float, chance: float) -> tuple[State, list[Command]]:
    """Process one input.

    Args:
        state: the state before, which is not changed.
        happened: the input.
        now: the time, in seconds on a clock that runs while the device sleeps (T1); never less than at the last step.
        chance: a random number in [0, 1), from which all random waits of the step are derived.

    Returns:
        The state after, and the commands to carry out, in order.
    """
    step = Step(copy_of(state), now, chance)
    if state.ended:
        _answer_late_call(step, happened)
        return step.state, step.commands
    if isinstance(happened, i.TimerFired):
        record_traffic(step.state, happened)
        pass_deadlines(step, happened)
    else:
        pass_deadlines(step, _NO_TRAFFIC)
        HANDLERS[type(happened)](step, happened)
    settle(step)
    return step.state, step.commands


def _answer_late_call(step: Step, happened: i.Input) -> None:
    if isinstance(happened, i.ConnectCalled | i.DisconnectCalled | i.PingCalled):
        step.emit(Answer(happened.caller, Result.CLIENT_CLOSED))  # I9


# The session.


def _session_begins(step: Step, _: i.SessionRestored | i.LoggedIn) -> None:
    s = step.state
    if s.phase in (Phase.CONNECTING, Phase.RENEWING, Phase.OPEN):
        abandon(step)
        s.cause = Cause.LOGGED_IN_ANEW
        step.emit(*(Answer(c, Result.ABANDONED, s.cause) for c in s.connects))
        s.connects = ()
        clear_socket(s)
    clear_session(s)
    s.session = SessionState.VALID


def _logged_out(step: Step, _: i.LoggedOut) -> None:
    clear_session(step.state)


def _client_closed(step: Step, _: i.ClientClosed) -> None:
    step.state.ended = True
    step.state.requested = False


# Calls.


def _connect_called(step: Step, happened: i.ConnectCalled) -> None:
    s, caller = step.state, happened.caller
    if s.session is SessionState.NONE:
        step.emit(Answer(caller, Result.NOT_LOGGED_IN_CONNECT))
    elif s.session is SessionState.EXPIRED:
        step.emit(Answer(caller, Result.SESSION_EXPIRED, Cause.TOKEN_REJECTED))
    elif s.mode is Mode.AUTO and s.app is AppState.BACKGROUND:
        step.emit(Answer(caller, Result.IN_BACKGROUND, Cause.APP_IN_BACKGROUND))  # C18
    else:
        s.held = s.barred = False
        s.requested = s.mode is Mode.MANUAL
        _drop_waits(s)  # C17
        requested = s.not_before - step.now if s.not_before is not None else 0.0
        if s.phase in (Phase.IDLE, Phase.WAITING) and requested > s.timings.attempt:
            step.emit(Answer(caller, Result.ATTEMPT_FAILED, s.cause))  # the request stays (C13)
            return
        s.connects = (*s.connects, caller)
        if s.phase is Phase.OPEN and s.window_until is not None:
            s.window_until = step.now + s.timings.background_window
            s.said_app = AppState.FOREGROUND  # so that `settle` reports it again: the server times the window too


def _disconnect_called(step: Step, happened: i.DisconnectCalled) -> None:
    s = step.state
    if s.session is SessionState.NONE:
        step.emit(Answer(happened.caller, Result.NOT_LOGGED_IN_DISCONNECT))
        return
    s.held = s.mode is Mode.AUTO
    s.requested = False
    settle(step)  # the socket is closed before the call returns
    step.emit(Answer(happened.caller, Result.DISCONNECTED))


def _ping_called(step: Step, happened: i.PingCalled) -> None:
    s = step.state
    if s.session is SessionState.NONE:
        step.emit(Answer(happened.caller, Result.NOT_LOGGED_IN_PING))
    elif s.phase is not Phase.OPEN or len(s.pings) >= MAX_PENDING_PINGS:
        step.emit(Answer(happened.caller, Result.NO_SOCKET, s.cause))  # C6
    else:
        if s.window_until is not None:
            s.window_until = step.now + s.timings.background_window  # C5
        send_ping(step, happened.caller, Cause.HEARTBEAT_TIMEOUT)


def _caller_gone(step: Step, happened: i.CallerGone) -> None:
    s = step.state
    s.connects = tuple(c for c in s.connects if c != happened.caller)
    if happened.caller in s.pings:
        # Its pong is still to come and must not be taken for that of another caller.
        s.pings = tuple(0 if c == happened.caller else c for c in s.pings)


def _drop_waits(s: State) -> None:
    # An attempt may succeed now: drop every wait except one that the server itself asked for (T6).
    if s.gave_up:
        s.gave_up, s.attempts = False, 0
    s.retry_at = s.failing_since = None
    if not s.asked_by_server:
        s.not_before = None


# The device.


def _app_state_changed(step: Step, happened: i.AppStateChanged) -> None:
    s = step.state
    if happened.app is s.app:
        return
    s.app = happened.app
    if s.app is AppState.FOREGROUND:
        s.held = False  # C12
        _drop_waits(s)  # T5
        probe(step, Cause.PROBE_FAILED)


def _network_changed(step: Step, happened: i.NetworkChanged) -> None:
    s = step.state
    was, s.network = s.network, happened.network
    if s.network is Network.OFFLINE:
        if was is not Network.OFFLINE:
            probe(step, Cause.PROBE_FAILED)  # C21
        return
    s.refusals = 0  # the new network may have no proxy that refuses WebSockets
    step.emit(DropConnections())
    # A platform that repeats its report shortens only a long wait.
    news = was is not Network.ONLINE or (s.retry_at is not None and s.retry_at - step.now > s.timings.early_cap)
    if s.app is AppState.FOREGROUND and news:  # C20
        _drop_waits(s)
        if was is Network.OFFLINE and s.phase is Phase.CONNECTING:
            # Replaced within this step, so that the status stays `connecting`.
            abandon(step)
            s.cause = Cause.NETWORK_CHANGED
            start_attempt(step)
    else:
        s.gave_up = False
    probe(step, Cause.PROBE_FAILED)  # the socket may belong to another network


def _attempt_succeeded(step: Step, happened: i.AttemptSucceeded) -> None:
    s = step.state
    if happened.epoch != s.epoch or s.phase is not Phase.CONNECTING:
        return
    s.phase = Phase.OPEN
    s.opened_at = s.heard_at = s.said_at = step.now
    s.attempt_until = s.attempt_end = s.retry_at = s.not_before = s.spread_until = None
    s.renewal_tried, s.refusals = False, 0
    s.round_trip = happened.round_trip or 0.0
    s.interval = happened.interval or s.timings.heartbeat_interval
    s.timeout = happened.timeout or s.timings.heartbeat_timeout
    _token_expires_in(step, happened.left)


def _token_expires_in(step: Step, seconds: float | None) -> None:
    s = step.state
    s.renewing, s.renewals_failed = False, 0
    s.token_until = step.now + seconds if seconds is not None else None
    renewable = seconds is not None and s.has_provider
    s.renew_at = step.now + renewal_wait(s.timings, seconds, step.chance) if seconds is not None and renewable else None


def _attempt_failed(step: Step, happened: i.AttemptFailed) -> None:
    if happened.epoch == step.state.epoch and step.state.phase is Phase.CONNECTING:
        on_attempt_failed(step, happened.cause, wait=happened.wait, ours=happened.ours)


def _server_answered(step: Step, _: i.ServerAnswered) -> None:
    on_server_reached(step)


# The socket.


def _socket_lost(step: Step, happened: i.SocketLost) -> None:
    if _is_open(step, happened.epoch):
        on_socket_lost(step, happened.cause, happened.within)


def _is_open(step: Step, epoch: int) -> bool:
    return epoch == step.state.epoch and step.state.phase is Phase.OPEN


def _pong_received(step: Step, happened: i.PongReceived) -> None:
    s, now = step.state, step.now
    if not _is_open(step, happened.epoch):
        return
    s.heard_at = now
    if not s.pings or s.probe_sent is None:
        return
    took = now - s.probe_sent
    s.round_trip = max(took, (3 * s.round_trip + took) / 4)  # T3: rises at once, falls slowly
    if s.pings[0]:
        step.emit(Answer(s.pings[0], Result.PONG))
    s.pings = s.pings[1:]
    if s.pings:
        s.probe_sent, s.probe_until = now, now + answer_timeout(s)
    else:
        s.probe_sent = s.probe_until = s.probe_cause = None


def _reading_paused(step: Step, happened: i.ReadingPaused) -> None:
    if _is_open(step, happened.epoch):
        step.state.paused = True


def _reading_resumed(step: Step, happened: i.ReadingResumed) -> None:
    s, now = step.state, step.now
    if _is_open(step, happened.epoch) and s.paused:
        s.paused = False
        s.heard_at = now
        if s.probe_until is not None:
            s.probe_sent, s.probe_until = now, now + answer_timeout(s)


def _throttle_changed(step: Step, happened: i.ThrottleChanged) -> None:
    if _is_open(step, happened.epoch):
        step.state.throttled = happened.on


# The token.


def _token_renewed(step: Step, happened: i.TokenRenewed) -> None:
    s = step.state
    if happened.epoch != s.epoch or s.phase is not Phase.RENEWING:
        return
    # The same attempt continues with the new token, under the same deadline.
    s.renew_next, s.token_until = False, None
    s.phase = Phase.CONNECTING
    step.emit(OpenSocket(s.epoch))


def _token_taken(step: Step, happened: i.TokenTaken) -> None:
    if _is_open(step, happened.epoch):
        _token_expires_in(step, happened.left)


def _token_renewal_failed(step: Step, happened: i.TokenRenewalFailed) -> None:
    s = step.state
    if happened.epoch != s.epoch:
        return
    if s.phase is Phase.RENEWING:
        on_attempt_failed(step, happened.cause)
    elif s.renewing:
        on_token_not_renewed(step)


HANDLERS: dict[type, Callable[[Step, Any], None]] = {
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
"""One handler for each input except `TimerFired`, which `step` handles itself."""
