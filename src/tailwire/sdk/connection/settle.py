"""Derive the consequences of changed facts, by rules that are applied until none of them changes anything.

A rule depends on the state and the time alone, so it is written once, whichever input makes it apply. Each rule either
changes the state so that it no longer applies, or changes nothing; so a state is reached in which none applies.
"""

from __future__ import annotations

from tailwire.sdk.connection.causes import Cause
from tailwire.sdk.connection.commands import Answer, CloseSocket, ReportStatus, Result, SendAppState, StopReadingHistory
from tailwire.sdk.connection.sockets import abandon, send_ping, start_attempt
from tailwire.sdk.connection.state import (
    AppState,
    ConnectionStatus,
    Mode,
    Phase,
    State,
    clear_socket,
    heartbeat_due,
)
from tailwire.sdk.connection.step import Step
from tailwire.sdk.connection.wanted import Decision, decide, is_wanted

_MAX_ROUNDS = 32


def settle(step: Step) -> None:
    """Apply the rules, in order and from the first again after each change, until none of them changes anything."""
    for _ in range(_MAX_ROUNDS):
        for rule in _RULES:
            if rule(step):
                break
        else:
            return
    raise AssertionError(f"the rules do not settle: {step.state}")


def status_of(s: State) -> ConnectionStatus:
    """Return the connection status that listeners are to receive in this state."""
    if s.phase is Phase.OPEN:
        return ConnectionStatus.FEATURE_THROTTLED if s.throttled else ConnectionStatus.CONNECTED
    if s.phase in (Phase.CONNECTING, Phase.RENEWING):
        return ConnectionStatus.CONNECTING
    return ConnectionStatus.DISCONNECTED


# The rules, in order. Each returns whether it changed anything.


def _report_status(step: Step) -> bool:
    """Report the status if it has changed. Return whether it has.

    This rule is first, so that a loss is reported before the attempt that follows it (S23).
    """
    s = step.state
    status = status_of(s)
    if status is s.status:
        return False
    s.status = status
    if not s.ended:  # I10
        step.emit(ReportStatus(status))
    return True


def _forget_pings(step: Step) -> bool:
    """End the `ping()` calls when the socket is gone."""
    s = step.state
    if not s.pings or s.phase is Phase.OPEN:
        return False
    step.emit(*(Answer(c, Result.NO_SOCKET, s.cause) for c in s.pings if c))
    s.pings = ()
    return True


def _give_up_in_background(step: Step) -> bool:
    """In manual mode, cancel the wait for the next attempt when the app goes to the background (C11, S15)."""
    s = step.state
    if not (s.mode is Mode.MANUAL and s.app is AppState.BACKGROUND and s.requested):
        return False
    if s.phase is Phase.IDLE and s.retry_at is None and (s.not_before is None or s.not_before <= step.now):
        return False  # connect() in the background, about to start (C18)
    if s.phase not in (Phase.IDLE, Phase.WAITING):
        return False
    s.requested = False
    return True


def _leave_unwanted(step: Step) -> bool:
    """Close the socket, or abandon the attempt, when it is no longer wanted."""
    s = step.state
    if is_wanted(s) or s.phase is Phase.IDLE:
        return False
    if s.phase is Phase.OPEN:
        step.emit(CloseSocket(s.epoch))
        s.cause = _cause_of_leaving(s)
        if s.opened_at is not None and step.now - s.opened_at >= s.timings.stable_after:
            s.attempts, s.failing_since = 0, None
    elif s.phase is not Phase.WAITING:
        abandon(step)
        s.cause = _cause_of_leaving(s)
    clear_socket(s)
    return True


def _cause_of_leaving(s: State) -> Cause | None:
    return {
        Decision.CLIENT_CLOSED: Cause.CLIENT_CLOSED,
        Decision.NO_SESSION: Cause.LOGGED_OUT,
        Decision.SESSION_EXPIRED: Cause.TOKEN_REJECTED,
        Decision.IN_BACKGROUND: Cause.APP_IN_BACKGROUND,
        Decision.HELD: Cause.DISCONNECT_CALLED,
        Decision.NOT_REQUESTED: s.cause if s.cause is Cause.WINDOW_EXPIRED else Cause.DISCONNECT_CALLED,
    }.get(decide(s), s.cause)


def _drop_timers(step: Step) -> bool:
    """Stop the retry timer when no socket is wanted (I6). `not_before` stays: it also delays a later attempt."""
    s = step.state
    if is_wanted(s) or s.retry_at is None:
        return False
    s.retry_at = None
    return True


def _answer_connects(step: Step) -> bool:
    """End the `connect()` calls when the socket is open or no longer wanted."""
    s = step.state
    if not s.connects:
        return False
    if s.phase is Phase.OPEN:
        step.emit(*(Answer(c, Result.CONNECTED) for c in s.connects))
    elif not is_wanted(s):
        result = Result.CLIENT_CLOSED if s.ended else Result.ABANDONED
        step.emit(*(Answer(c, result, s.cause) for c in s.connects))
    else:
        return False
    s.connects = ()
    return True


def _start(step: Step) -> bool:
    """Begin an attempt when a socket is wanted (I5), or set the time at which the next one may begin.

    Return whether the state has changed.
    """
    s = step.state
    if not is_wanted(s) or s.phase not in (Phase.IDLE, Phase.WAITING):
        return False
    due = max(step.now, s.retry_at or step.now, s.not_before or step.now)
    if due <= step.now:
        start_attempt(step)
        return True
    if s.phase is Phase.WAITING and s.retry_at == due:
        return False
    s.phase, s.retry_at = Phase.WAITING, due
    return True


def _time_background_window(step: Step) -> bool:
    """Start the background window when manual mode wants a socket in the background (C3, C18), else end it (C8, I6)."""
    s = step.state
    needed = s.mode is Mode.MANUAL and s.app is AppState.BACKGROUND and is_wanted(s)
    if needed == (s.window_until is not None):
        return False
    s.window_until = step.now + s.timings.background_window if needed else None
    return True


def _time_polling(step: Step) -> bool:
    """Schedule reading history at intervals while proxies refuse WebSockets but not HTTP requests (T8)."""
    s = step.state
    every = s.timings.poll_interval
    needed = every is not None and s.refusals >= s.timings.poll_after and s.phase is not Phase.OPEN and is_wanted(s)
    if needed == (s.poll_at is not None):
        return False
    s.poll_at = step.now + every if needed and every is not None else None
    if not needed and s.phase is not Phase.OPEN:  # a socket that opens has its own catch-up
        step.emit(StopReadingHistory())
    return True


def _send_due_ping(step: Step) -> bool:
    """Send a heartbeat ping if one is due (T3)."""
    s = step.state
    due = heartbeat_due(s) if s.phase is Phase.OPEN else None
    if due is None or step.now < due:
        return False
    send_ping(step, 0, Cause.HEARTBEAT_TIMEOUT)
    return True


def _report_app_state(step: Step) -> bool:
    """Tell the server whether the app is in the background, if that differs from the last report on this socket."""
    s = step.state
    if s.phase is not Phase.OPEN or s.said_app is s.app:
        return False
    s.said_app = s.app
    step.emit(SendAppState(s.epoch, s.app, s.timings.background_window))
    return True


_RULES = (
    _report_status,
    _forget_pings,
    _give_up_in_background,
    _leave_unwanted,
    _drop_timers,
    _answer_connects,
    _start,
    _time_background_window,
    _time_polling,
    _send_due_ping,
    _report_app_state,
)
