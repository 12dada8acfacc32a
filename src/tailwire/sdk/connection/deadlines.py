"""Handle passed deadlines of the connection machine: of the background window, a probe, an attempt, a token or a poll.

Every step handles passed deadlines before its own input. Whether bytes have moved is known only from `TimerFired`, so
the driver feeds a `TimerFired` first if a deadline has passed when another input arrives.
"""

from __future__ import annotations

from tailwire.sdk.connection.causes import Cause
from tailwire.sdk.connection.commands import Answer, ReadHistory, RenewInPlace, Result
from tailwire.sdk.connection.inputs import TimerFired
from tailwire.sdk.connection.losses import on_attempt_failed, on_socket_lost, on_token_not_renewed
from tailwire.sdk.connection.settle import settle
from tailwire.sdk.connection.sockets import abandon, probe, send_ping
from tailwire.sdk.connection.state import Phase, State, answer_timeout, heartbeat_due, next_deadline, send_interval
from tailwire.sdk.connection.step import Step


def record_traffic(s: State, fired: TimerFired) -> None:
    """Copy from a `TimerFired` to the state when this client last received and sent a frame. The times only rise."""
    if fired.heard_at is not None and s.heard_at is not None:
        s.heard_at = max(s.heard_at, fired.heard_at)
    if fired.said_at is not None and s.said_at is not None:
        s.said_at = max(s.said_at, fired.said_at)


def pass_deadlines(step: Step, fired: TimerFired) -> None:
    """Handle all deadlines that have passed, then apply the rules of `settle`. Does nothing if none has passed.

    Args:
        fired: the driver's report of its traffic; one without times if the input of this step is not a `TimerFired`.
    """
    s, now = step.state, step.now
    due = next_deadline(s)
    if due is None or now < due:
        return
    slept = now - due > s.timings.late  # T2
    if s.window_until is not None and now >= s.window_until:  # C7; even after a sleep, however long (T1)
        s.window_until = None
        s.requested = False
        s.cause = Cause.WINDOW_EXPIRED
    if s.phase is Phase.OPEN:
        _check_socket(step, slept, fired)
        _check_token(step)
    elif s.phase in (Phase.CONNECTING, Phase.RENEWING) and s.attempt_until is not None and now >= s.attempt_until:
        _check_attempt(step, slept, fired.moved_at)
    if s.poll_at is not None and now >= s.poll_at:
        s.poll_at = None  # `settle` sets the next one if it is still needed
        step.emit(ReadHistory())
    settle(step)


def _check_socket(step: Step, slept: bool, fired: TimerFired) -> None:
    s, now = step.state, step.now
    if s.probe_until is None:
        due = heartbeat_due(s)
        if due is not None and now >= due:
            send_ping(step, 0, Cause.SLEPT if slept else Cause.HEARTBEAT_TIMEOUT)
        return
    if now < s.probe_until:
        return
    alive = s.heard_at is not None and s.probe_sent is not None and s.heard_at > s.probe_sent
    if slept and not alive and s.probe_cause is not Cause.SLEPT and not s.paused:
        # The process was suspended when the pong was due, so the timeout proves nothing: probe once more.
        s.probe_until = None
        probe(step, Cause.SLEPT)
    elif (later := _end_of_wait(s, now)) is not None:
        s.probe_until = later
        if s.said_at is not None and now >= s.said_at + send_interval(s):
            send_ping(step, 0, Cause.HEARTBEAT_TIMEOUT)
    elif alive or s.paused:
        step.emit(*(Answer(c, Result.NO_ANSWER) for c in s.pings if c))
        s.pings, s.probe_sent, s.probe_until, s.probe_cause = (), None, None, None
    elif s.probe_sent is not None and (later := _extended_probe_deadline(s, s.probe_sent, now, fired)) is not None:
        s.probe_until = later
    else:
        abandon(step)  # T3: a close frame would wait for a peer that does not answer
        on_socket_lost(step, s.probe_cause or Cause.HEARTBEAT_TIMEOUT)


def _end_of_wait(s: State, now: float) -> float | None:
    # Return the new deadline of a probe while reading is paused, or None if it is not extended. The pong may lie unread
    # in the socket, so the callers of `ping()` wait on, but at most `busy_timeout`: a caller may be the slow listener
    # for which reading is paused.
    if not s.paused or s.probe_sent is None or not any(s.pings):
        return None
    later = min(now + answer_timeout(s), s.probe_sent + s.timings.busy_timeout)
    return later if later > now else None


def _extended_probe_deadline(s: State, sent: float, now: float, fired: TimerFired) -> float | None:
    # Return the new deadline of a probe, or None if it is not extended. A pong waits in the same queues as the bytes of
    # an upload or of a page of history, so bytes that move extend its deadline. Bytes that passed before the ping count
    # only while a request is unanswered: a proxy may still hold them, and the ping waits behind them. They do not count
    # for a probe that a hint of the platform caused.
    last = fired.passed_at if s.probe_cause is Cause.HEARTBEAT_TIMEOUT else None
    if fired.moved_at is not None and fired.moved_at > sent:
        last = fired.moved_at
    if last is None:
        return None
    later = min(last + s.timings.moving, sent + s.timings.busy_timeout)
    return later if later > now else None


def _check_attempt(step: Step, slept: bool, moved_at: float | None) -> None:
    s = step.state
    if moved_at is not None and s.attempt_end is not None and not slept:
        later = min(moved_at + s.timings.attempt, s.attempt_end)
        if later > step.now:
            s.attempt_until = later
            return
    abandon(step)
    on_attempt_failed(step, Cause.SLEPT if slept else Cause.ATTEMPT_TIMEOUT)


def _check_token(step: Step) -> None:
    s = step.state
    if s.renew_at is None or step.now < s.renew_at:  # `clear_socket` has reset `renew_at` if the socket has just ended
        return
    if s.renewing:
        on_token_not_renewed(step)
    else:
        s.renewing, s.renew_at = True, step.now + s.timings.attempt
        step.emit(RenewInPlace(s.epoch))
