"""Begin an attempt, ping the open socket, and abandon an attempt or a socket.

These functions emit their command at once, because its place among the commands of a step matters: a socket is
abandoned before its loss is reported, and an attempt that is replaced by another one is not reported at all.
"""

from __future__ import annotations

from tailwire.sdk.connection.causes import Cause
from tailwire.sdk.connection.commands import AbandonSocket, OpenSocket, RenewToken, SendPing
from tailwire.sdk.connection.state import Phase, answer_timeout
from tailwire.sdk.connection.step import Step


def start_attempt(step: Step) -> None:
    """Begin an attempt under a new epoch (I7). If a new token is needed, ask the token provider first."""
    s, now = step.state, step.now
    s.epoch += 1
    s.retry_at = s.not_before = None
    s.attempt_until = now + s.timings.attempt
    s.attempt_end = now + s.timings.longest_attempt
    if s.has_provider and s.token_until is not None and now >= s.token_until:
        s.renew_next = s.renewal_tried = True  # the server would reject it
    if s.renew_next:
        s.phase = Phase.RENEWING
        step.emit(RenewToken(s.epoch))
    else:
        s.phase = Phase.CONNECTING
        step.emit(OpenSocket(s.epoch))


def abandon(step: Step) -> None:
    """Drop the open socket or the attempt without a close frame. The caller records the loss or begins an attempt."""
    step.emit(AbandonSocket(step.state.epoch))


def probe(step: Step, cause: Cause) -> None:
    """Check the open socket by a ping (T2, T3, C8, C21). Does nothing without a socket, or while reading is paused.

    Sends no ping while an earlier one is unanswered, because that one serves as the check.

    Args:
        cause: why the socket is lost if the answer is overdue.
    """
    s = step.state
    if s.phase is not Phase.OPEN or s.paused:
        return
    if s.probe_until is None:
        send_ping(step, 0, cause)
    elif s.probe_cause is Cause.HEARTBEAT_TIMEOUT:
        s.probe_cause = cause  # more specific than the heartbeat that sent the ping


def send_ping(step: Step, caller: int, cause: Cause) -> None:
    """Send a ping, even while reading is paused, because the server closes a socket on which it receives nothing.

    Args:
        caller: the number of the `ping()` call (C4, C5), or 0 for one of the machine's own pings.
        cause: why the socket is lost if the answer is overdue, unless an earlier ping is still unanswered.
    """
    s = step.state
    if caller or 0 not in s.pings:  # the machine's own pings share one entry
        s.pings = (*s.pings, caller)
    if s.probe_until is None:
        s.probe_sent, s.probe_until, s.probe_cause = step.now, step.now + answer_timeout(s), cause
    s.said_at = step.now
    step.emit(SendPing(s.epoch))
