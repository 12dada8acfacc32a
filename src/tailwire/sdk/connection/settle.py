"""Draws the consequences of the facts, until nothing changes any more.

Rules: each rule stands here once, whatever led to it; a rule looks at the state and the time alone; every rule either
changes the state so that it no longer applies, or leaves it alone (so the fixpoint is reached).
"""

from __future__ import annotations

from tailwire.sdk.connection.causes import Cause
from tailwire.sdk.connection.commands import (
    AbandonSocket,
    Answer,
    CloseSocket,
    Command,
    OpenSocket,
    RenewToken,
    Result,
    SendAppState,
    SendPing,
    StopReadingHistory,
    TellStatus,
)
from tailwire.sdk.connection.state import (
    AppState,
    ConnectionStatus,
    Mode,
    Phase,
    SessionState,
    State,
    heartbeat_due,
    patience,
)
from tailwire.sdk.connection.wanted import Why, is_wanted, why


def settle(s: State, now: float, out: list[Command]) -> None:
    """Run the rules to a fixpoint on `s`, which the caller owns, appending what is to be done to `out`."""
    for _ in range(_MAX_ROUNDS):
        if not any(rule(s, now, out) for rule in _RULES):
            return
    raise AssertionError(f"the rules do not settle: {s}")


_MAX_ROUNDS = 32


def status_of(s: State) -> ConnectionStatus:
    """The status that the phase stands for."""
    if s.phase is Phase.OPEN:
        return ConnectionStatus.FEATURE_THROTTLED if s.throttled else ConnectionStatus.CONNECTED
    if s.phase in (Phase.CONNECTING, Phase.RENEWING):
        return ConnectionStatus.CONNECTING
    return ConnectionStatus.DISCONNECTED


def clear_socket(s: State) -> None:
    """Forget all that belonged to the socket or attempt that just ended."""
    s.phase = Phase.IDLE
    s.attempt_until = s.attempt_end = s.opened_at = s.heard_at = s.said_at = None
    s.round_trip = 0.0
    s.probe_sent = s.probe_until = s.probe_cause = None
    s.paused = s.throttled = s.renewing = False
    s.renew_at, s.renewals_failed = None, 0
    s.said_app = AppState.FOREGROUND


def probe(s: State, now: float, cause: Cause, out: list[Command]) -> None:
    """Ask the open socket for a sign of life, at once; no answer in time and it is dead (T2, T3, C8, C21)."""
    if s.phase is not Phase.OPEN or s.paused:
        return
    if s.probe_until is None:
        _send_ping(s, now, 0, cause, out)
    elif s.probe_cause is Cause.HEARTBEAT_TIMEOUT:
        s.probe_cause = cause  # a ping is under way already: its failure now has the better name


def say_something(s: State, now: float, cause: Cause, out: list[Command]) -> None:
    """Ping because it is time to (T3); also while reading is paused, since the server counts what it hears."""
    _send_ping(s, now, 0, cause, out)


def ping_for(s: State, now: float, caller: int, out: list[Command]) -> None:
    """Send a ping on behalf of a caller (C4, C5)."""
    _send_ping(s, now, caller, Cause.HEARTBEAT_TIMEOUT, out)


def _send_ping(s: State, now: float, caller: int, cause: Cause, out: list[Command]) -> None:
    if caller or 0 not in s.pings:  # one entry stands for all of the machine's own: they only tell alive from dead
        s.pings = (*s.pings, caller)
    if s.probe_until is None:
        s.probe_sent, s.probe_until, s.probe_cause = now, now + patience(s), cause
    s.said_at = now
    out.append(SendPing(s.epoch))


def start_attempt(s: State, now: float, out: list[Command]) -> None:
    """Begin an attempt under a new epoch (I7)."""
    s.epoch += 1
    s.retry_at = s.not_before = None
    s.attempt_until = now + s.timings.attempt
    s.attempt_end = now + s.timings.longest_attempt
    if s.has_provider and s.token_until is not None and now >= s.token_until:
        s.renew_next = s.renewal_tried = True  # the server would reject it
    if s.renew_next:
        s.phase = Phase.RENEWING
        out.append(RenewToken(s.epoch))
    else:
        s.phase = Phase.CONNECTING
        out.append(OpenSocket(s.epoch))


# The rules, in their order. Each answers whether it changed anything.


def _tell_status(s: State, now: float, out: list[Command]) -> bool:
    # First, so that a loss is told before the attempt that follows it in the same step (S23).
    status = status_of(s)
    if status is s.status:
        return False
    s.status = status
    if not s.ended:  # I10: nothing is told after aclose()
        out.append(TellStatus(status))
    return True


def _forget_pings(s: State, now: float, out: list[Command]) -> bool:
    if not s.pings or s.phase is Phase.OPEN:
        return False
    out.extend(Answer(c, Result.NO_SOCKET, s.cause) for c in s.pings if c)
    s.pings = ()
    return True


def _give_up_in_background(s: State, now: float, out: list[Command]) -> bool:
    # C11, S15: manual mode never waits for another attempt in the background.
    if not (s.mode is Mode.MANUAL and s.app is AppState.BACKGROUND and s.requested):
        return False
    if s.phase is Phase.IDLE and s.retry_at is None and (s.not_before is None or s.not_before <= now):
        return False  # connect() in the background, about to start (C18)
    if s.phase not in (Phase.IDLE, Phase.WAITING):
        return False
    s.requested = False
    return True


def _leave(s: State, now: float, out: list[Command]) -> bool:
    if is_wanted(s) or s.phase is Phase.IDLE:
        return False
    if s.phase is Phase.OPEN:
        out.append(CloseSocket(s.epoch))
        s.cause = _cause_of_leaving(s)
        if s.opened_at is not None and now - s.opened_at >= s.timings.stable_after:
            s.attempts, s.failing_since = 0, None
    elif s.phase is not Phase.WAITING:
        out.append(AbandonSocket(s.epoch))
        s.cause = _cause_of_leaving(s)
    clear_socket(s)
    return True


def _cause_of_leaving(s: State) -> Cause | None:
    return {
        Why.CLIENT_CLOSED: Cause.CLIENT_CLOSED,
        Why.NO_SESSION: Cause.LOGGED_OUT,
        Why.SESSION_EXPIRED: Cause.TOKEN_REJECTED,
        Why.IN_BACKGROUND: Cause.APP_IN_BACKGROUND,
        Why.HELD: Cause.DISCONNECT_CALLED,
        Why.NOT_REQUESTED: s.cause if s.cause is Cause.WINDOW_EXPIRED else Cause.DISCONNECT_CALLED,
    }.get(why(s), s.cause)


def _drop_timers(s: State, now: float, out: list[Command]) -> bool:
    # I6. What the server asked for (`not_before`) stays: it holds for the next attempt, whenever that is wanted.
    if is_wanted(s) or s.retry_at is None:
        return False
    s.retry_at = None
    return True


def _answer_connects(s: State, now: float, out: list[Command]) -> bool:
    if not s.connects:
        return False
    if s.phase is Phase.OPEN:
        out.extend(Answer(c, Result.CONNECTED) for c in s.connects)
    elif not is_wanted(s):
        if s.ended:
            result = Result.CLIENT_CLOSED
        elif s.session is SessionState.EXPIRED:
            result = Result.SESSION_EXPIRED
        else:
            result = Result.ABANDONED
        out.extend(Answer(c, result, s.cause) for c in s.connects)
    else:
        return False
    s.connects = ()
    return True


def _start(s: State, now: float, out: list[Command]) -> bool:
    # I5: wanted and not connected means an attempt, or a timer for one.
    if not is_wanted(s) or s.phase not in (Phase.IDLE, Phase.WAITING):
        return False
    due = max(now, s.retry_at or now, s.not_before or now)
    if due <= now:
        start_attempt(s, now, out)
        return True
    if s.phase is Phase.WAITING and s.retry_at == due:
        return False
    s.phase, s.retry_at = Phase.WAITING, due
    return True


def _background_window(s: State, now: float, out: list[Command]) -> bool:
    # C3, C18: it starts when there is something to keep; C8, I6: it is gone when there is not.
    needed = s.mode is Mode.MANUAL and s.app is AppState.BACKGROUND and is_wanted(s)
    if needed == (s.window_until is not None):
        return False
    s.window_until = now + s.timings.background_window if needed else None
    return True


def _poll(s: State, now: float, out: list[Command]) -> bool:
    # T8: messages still come where a proxy lets everything pass but WebSockets.
    every = s.timings.poll_interval
    needed = every is not None and s.refusals >= s.timings.poll_after and s.phase is not Phase.OPEN and is_wanted(s)
    if needed == (s.poll_at is not None):
        return False
    s.poll_at = now + every if needed and every is not None else None
    if not needed and s.phase is not Phase.OPEN:  # a socket that opens has its own catch-up
        out.append(StopReadingHistory())
    return True


def _heartbeat(s: State, now: float, out: list[Command]) -> bool:
    # T3: whatever has just ended a probe, the next one is not forgotten.
    due = heartbeat_due(s) if s.phase is Phase.OPEN else None
    if due is None or now < due:
        return False
    say_something(s, now, Cause.HEARTBEAT_TIMEOUT, out)
    return True


def _tell_server(s: State, now: float, out: list[Command]) -> bool:
    if s.phase is not Phase.OPEN or s.said_app is s.app:
        return False
    s.said_app = s.app
    out.append(SendAppState(s.epoch, s.app, s.timings.background_window))
    return True


_RULES = (
    _tell_status,
    _forget_pings,
    _give_up_in_background,
    _leave,
    _drop_timers,
    _answer_connects,
    _start,
    _background_window,
    _poll,
    _heartbeat,
    _tell_server,
)
