"""What follows when an attempt fails or a socket ends: whether, when and with what this client comes back.

Rules: how soon is decided by the kind of the cause, by what was asked for, and by how long there was no connection;
apart from these, only an answer of the server changes `retry_at`, and it can only bring it forward.
"""

from __future__ import annotations

from tailwire.sdk.connection.backoff import asked_wait, rest_of_window, retry_delay, waiting_time
from tailwire.sdk.connection.causes import Cause, CauseKind
from tailwire.sdk.connection.commands import Answer, Command, DropConnections, ExpireSession, Result, TellError
from tailwire.sdk.connection.settle import clear_socket
from tailwire.sdk.connection.state import Phase, SessionState, State

SILENT = frozenset({
    Cause.HEARTBEAT_TIMEOUT, Cause.PROBE_FAILED, Cause.SLEPT, Cause.NETWORK_CHANGED, Cause.ATTEMPT_TIMEOUT,
})  # fmt: skip
"""Nobody said that the connection ended: others of the same age may be as dead, however open they look."""


def failed(
    s: State,
    cause: Cause,
    now: float,
    chance: float,
    out: list[Command],
    *,
    wait: float | None = None,
    ours: bool = False,
) -> None:
    """An attempt has failed.

    Args:
        wait: seconds that whoever answered asked to wait, or None.
        ours: whether the server itself asked for that.
    """
    s.attempts += 1
    s.refusals = s.refusals + 1 if cause is Cause.WEBSOCKET_REFUSED else s.refusals
    clear_socket(s)
    out.append(TellError(cause))
    asked, in_window = asked_wait(s.timings, wait, None, chance, ours=ours), False
    if asked is None and s.spread_until is not None and cause.kind is CauseKind.SHARED:
        asked = rest_of_window(s.timings, s.spread_until - now, chance)
        ours = in_window = asked is not None
    _come_back(s, cause, asked, s.attempts, now, chance, out, ours=ours, in_window=in_window)
    result = Result.SESSION_EXPIRED if s.session is SessionState.EXPIRED else Result.ATTEMPT_FAILED
    out.extend(Answer(c, result, cause) for c in s.connects)  # C13
    s.connects = ()


def lost(s: State, cause: Cause, within: float | None, now: float, chance: float, out: list[Command]) -> None:
    """An open socket has ended.

    Args:
        within: the window, in seconds, over which the server asked its clients to come back, or None.
    """
    lived = s.opened_at is not None and now - s.opened_at >= s.timings.stable_after
    failures = 0 if lived else s.attempts  # T4: the count starts afresh only after a connection that lived
    s.attempts = 0 if lived else s.attempts + 1
    s.failing_since = None if lived else s.failing_since
    clear_socket(s)
    within = min(within, s.timings.longest_server_wait) if within is not None else None
    s.spread_until = now + within if within is not None else None
    asked = asked_wait(s.timings, None, within, chance)
    _come_back(s, cause, asked, failures, now, chance, out, ours=True)


def _come_back(
    s: State,
    cause: Cause,
    asked: float | None,
    failures: int,
    now: float,
    chance: float,
    out: list[Command],
    *,
    ours: bool,
    in_window: bool = False,
) -> None:
    s.cause = cause
    if s.failing_since is None:
        s.failing_since = now
    usual = retry_delay(s.timings, cause, failures, s.network, chance, now - s.failing_since)
    s.not_before = now + asked if asked is not None else None
    s.asked_by_server = asked is not None and ours
    if cause in SILENT:
        out.append(DropConnections())
    if cause.kind is CauseKind.TOKEN:
        if s.has_provider and not s.renewal_tried:
            s.renew_next = s.renewal_tried = True
            s.retry_at = now
        else:  # C22
            s.session, s.requested = SessionState.EXPIRED, False
            out.append(ExpireSession())
    elif cause.kind is CauseKind.REFUSED:
        s.barred = True
    elif s.timings.max_attempts is not None and s.attempts >= s.timings.max_attempts:
        s.gave_up = True
        out.append(TellError(Cause.GAVE_UP))
    else:
        # What was asked hastens no attempt, but for one that comes again within the window of a restart.
        s.retry_at = now + (asked if asked is not None and in_window else max(asked or 0.0, usual))


def reached(s: State, now: float, chance: float) -> None:
    """The server has answered a request while this client waits for its next attempt.

    What anything in between asked for is over, and so is a wait that had grown rare because nothing was reached. The
    usual wait after so many failures stays: an answer to a request does not say that a socket will be let through.
    """
    if s.phase is not Phase.WAITING or s.retry_at is None or (s.not_before is not None and s.asked_by_server):
        return
    s.not_before = None
    s.retry_at = min(s.retry_at, now + waiting_time(s.timings, s.attempts, chance))


def not_renewed(s: State, now: float, chance: float) -> None:
    """A new token was not to be had. The socket stays for as long as the old one is good; then the server ends it."""
    s.renewing = False
    s.renewals_failed += 1
    s.renew_at = now + waiting_time(s.timings, s.renewals_failed, chance)
