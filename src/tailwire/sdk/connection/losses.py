"""The consequences of a failed attempt or a lost socket: whether, when and with which token this client reconnects.

The wait depends on the kind of the cause, on the wait that the server requested, and on the time without a
connection. A later response of the server can only make `retry_at` earlier (`on_server_reached`).

`ReportError` and `ExpireSession` are emitted here and not by a rule of `settle`: they report a single event, which
the state does not keep.
"""

from __future__ import annotations

from tailwire.sdk.connection.backoff import requested_wait, rest_of_window, retry_delay, waiting_time
from tailwire.sdk.connection.causes import Cause, CauseKind
from tailwire.sdk.connection.commands import Answer, DropConnections, ExpireSession, ReportError, Result
from tailwire.sdk.connection.state import Phase, SessionState, clear_socket
from tailwire.sdk.connection.step import Step

SILENT_CAUSES = frozenset({
    Cause.HEARTBEAT_TIMEOUT, Cause.PROBE_FAILED, Cause.SLEPT, Cause.NETWORK_CHANGED, Cause.ATTEMPT_TIMEOUT,
})  # fmt: skip
"""Causes with which a connection ends unnoticed by the transport, so that pooled HTTP connections may be dead too."""


def on_attempt_failed(step: Step, cause: Cause, *, wait: float | None = None, ours: bool = False) -> None:
    """Record that an attempt failed, report it to listeners, end the waiting `connect()` calls, and plan the next.

    Args:
        wait: seconds for which the response asked to wait, or None.
        ours: whether the response came from the server itself, not from an intermediary.
    """
    s = step.state
    s.attempts += 1
    s.refusals = s.refusals + 1 if cause is Cause.WEBSOCKET_REFUSED else s.refusals
    clear_socket(s)
    step.emit(ReportError(cause))
    requested, in_window = requested_wait(s.timings, wait, None, step.chance, ours=ours), False
    if requested is None and s.spread_until is not None and cause.kind is CauseKind.SHARED:
        requested = rest_of_window(s.timings, s.spread_until - step.now, step.chance)
        ours = in_window = requested is not None
    _schedule_retry(step, cause, requested, s.attempts, ours=ours, in_window=in_window)
    result = Result.SESSION_EXPIRED if s.session is SessionState.EXPIRED else Result.ATTEMPT_FAILED
    step.emit(*(Answer(c, result, cause) for c in s.connects))  # C13
    s.connects = ()


def on_socket_lost(step: Step, cause: Cause, within: float | None = None) -> None:
    """Record that the open socket ended, and plan the next attempt, unless the cause forbids one.

    Args:
        within: seconds over which the server asked its clients to spread their reconnects, or None.
    """
    s = step.state
    was_stable = s.opened_at is not None and step.now - s.opened_at >= s.timings.stable_after
    failures = 0 if was_stable else s.attempts  # T4: only a stable connection resets the count
    s.attempts = 0 if was_stable else s.attempts + 1
    s.failing_since = None if was_stable else s.failing_since
    clear_socket(s)
    within = min(within, s.timings.longest_server_wait) if within is not None else None
    s.spread_until = step.now + within if within is not None else None
    requested = requested_wait(s.timings, None, within, step.chance)
    _schedule_retry(step, cause, requested, failures, ours=True)


def _schedule_retry(
    step: Step, cause: Cause, requested: float | None, failures: int, *, ours: bool, in_window: bool = False
) -> None:
    s, now = step.state, step.now
    s.cause = cause
    if s.failing_since is None:
        s.failing_since = now
    usual = retry_delay(s.timings, cause, failures, s.network, step.chance, now - s.failing_since)
    s.not_before = now + requested if requested is not None else None
    s.asked_by_server = requested is not None and ours
    if cause in SILENT_CAUSES:
        step.emit(DropConnections())
    if cause.kind is CauseKind.TOKEN:
        if s.has_provider and not s.renewal_tried:
            s.renew_next = s.renewal_tried = True
            s.retry_at = now
        else:  # C22
            s.session, s.requested = SessionState.EXPIRED, False
            step.emit(ExpireSession())
    elif cause.kind is CauseKind.REFUSED:
        s.barred = True
    elif s.timings.max_attempts is not None and s.attempts >= s.timings.max_attempts:
        s.gave_up = True
        step.emit(ReportError(Cause.GAVE_UP))
    else:
        # A wait that was asked for never shortens the usual one, except within the window of a restart.
        s.retry_at = now + (requested if requested is not None and in_window else max(requested or 0.0, usual))


def on_server_reached(step: Step) -> None:
    """Bring the next attempt forward, because the server answered an HTTP request while this client waits.

    This shortens a wait that an intermediary requested, or that has grown long because the server was unreachable, to
    the usual wait after this many failures: an HTTP response does not prove that a WebSocket gets through. A wait that
    the server itself requested stays.
    """
    s = step.state
    if s.phase is not Phase.WAITING or s.retry_at is None or (s.not_before is not None and s.asked_by_server):
        return
    s.not_before = None
    s.retry_at = min(s.retry_at, step.now + waiting_time(s.timings, s.attempts, step.chance))


def on_token_not_renewed(step: Step) -> None:
    """Schedule another renewal of the token after a failed one, with a growing wait.

    The socket stays open until the server closes it, because the old token has expired.
    """
    s = step.state
    s.renewing = False
    s.renewals_failed += 1
    s.renew_at = step.now + waiting_time(s.timings, s.renewals_failed, step.chance)
