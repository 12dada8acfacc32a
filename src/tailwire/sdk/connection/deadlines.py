"""What happens when a deadline has passed: of the window, of the socket's life, of an attempt, of a token, of a poll.

Rules: a deadline that has passed is dealt with once, before the input that found it; whether bytes moved is known only
from the driver's `TimerFired`, which comes before any other input that finds a deadline passed.
"""

from __future__ import annotations

from tailwire.sdk.connection.causes import Cause
from tailwire.sdk.connection.commands import AbandonSocket, Answer, Command, ReadHistory, RenewInPlace, Result
from tailwire.sdk.connection.inputs import TimerFired
from tailwire.sdk.connection.losses import failed, lost, not_renewed
from tailwire.sdk.connection.settle import probe, say_something, settle
from tailwire.sdk.connection.state import Phase, State, heartbeat_due, next_deadline


def note_what_was_seen(s: State, fired: TimerFired) -> None:
    """Take over when this client heard and said something last."""
    if fired.heard_at is not None and s.heard_at is not None:
        s.heard_at = max(s.heard_at, fired.heard_at)
    if fired.said_at is not None and s.said_at is not None:
        s.said_at = max(s.said_at, fired.said_at)


def pass_deadlines(s: State, now: float, chance: float, moved_at: float | None, out: list[Command]) -> None:
    """Deal with the deadlines that have passed.

    Args:
        moved_at: when bytes last moved on any connection between this client and the server, or None.
    """
    due = next_deadline(s)
    if due is None or now < due:
        return
    slept = now - due > s.timings.late  # T2
    if s.window_until is not None and now >= s.window_until:  # C7; also after a sleep, whatever it was (T1)
        s.window_until = None
        s.requested = False
        s.cause = Cause.WINDOW_EXPIRED
    if s.phase is Phase.OPEN:
        _watch_socket(s, now, slept, chance, moved_at, out)
        _watch_token(s, now, chance, out)
    elif s.phase in (Phase.CONNECTING, Phase.RENEWING) and s.attempt_until is not None and now >= s.attempt_until:
        _watch_attempt(s, now, slept, chance, moved_at, out)
    if s.poll_at is not None and now >= s.poll_at:
        s.poll_at = None  # `settle` sets the next one where it is still needed
        out.append(ReadHistory())
    settle(s, now, out)


def _watch_socket(s: State, now: float, slept: bool, chance: float, moved_at: float | None, out: list[Command]) -> None:
    if s.probe_until is None:
        due = heartbeat_due(s)
        if due is not None and now >= due:
            say_something(s, now, Cause.SLEPT if slept else Cause.HEARTBEAT_TIMEOUT, out)
        return
    if now < s.probe_until:
        return
    alive = s.heard_at is not None and s.probe_sent is not None and s.heard_at > s.probe_sent
    if slept and not alive and s.probe_cause is not Cause.SLEPT and not s.paused:
        # Neither believed nor blamed: nobody was here to read the answer. Once more, then it counts.
        s.probe_until = None
        probe(s, now, Cause.SLEPT, out)
    elif alive or s.paused:
        out.extend(Answer(c, Result.NO_ANSWER) for c in s.pings if c)
        s.pings, s.probe_sent, s.probe_until, s.probe_cause = (), None, None, None
    elif (later := _while_bytes_move(s, now, moved_at)) is not None:
        s.probe_until = later
    else:
        cause = s.probe_cause or Cause.HEARTBEAT_TIMEOUT
        out.append(AbandonSocket(s.epoch))  # T3: not politely closed
        lost(s, cause, None, now, chance, out)


def _while_bytes_move(s: State, now: float, moved_at: float | None) -> float | None:
    # The answer to a ping waits in the same queues as the bytes of an upload, or of a page of history. None: it is
    # overdue all the same.
    if moved_at is None or s.probe_sent is None or moved_at <= s.probe_sent:
        return None
    later = min(moved_at + s.timings.moving, s.probe_sent + s.timings.busy_timeout)
    return later if later > now else None


def _watch_attempt(
    s: State, now: float, slept: bool, chance: float, moved_at: float | None, out: list[Command]
) -> None:
    if moved_at is not None and s.attempt_end is not None and not slept:
        later = min(moved_at + s.timings.attempt, s.attempt_end)
        if later > now:
            s.attempt_until = later
            return
    out.append(AbandonSocket(s.epoch))
    failed(s, Cause.SLEPT if slept else Cause.ATTEMPT_TIMEOUT, now, chance, out)


def _watch_token(s: State, now: float, chance: float, out: list[Command]) -> None:
    if s.renew_at is None or now < s.renew_at:  # a socket that has just ended has none
        return
    if s.renewing:
        not_renewed(s, now, chance)
    else:
        s.renewing, s.renew_at = True, now + s.timings.attempt
        out.append(RenewInPlace(s.epoch))
