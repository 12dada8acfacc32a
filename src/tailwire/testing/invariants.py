"""Check steps of the connection machine for the invariants I1 to I10, T3, T6, T8 of docs/project/specification.md."""

from __future__ import annotations

from collections.abc import Sequence

from tailwire.sdk.connection import inputs as i
from tailwire.sdk.connection.commands import (
    AbandonSocket,
    Answer,
    CloseSocket,
    Command,
    OpenSocket,
    RenewInPlace,
    RenewToken,
    ReportError,
    ReportStatus,
)
from tailwire.sdk.connection.state import (
    AppState,
    ConnectionStatus,
    Mode,
    Phase,
    SessionState,
    State,
    heartbeat_due,
    next_deadline,
)
from tailwire.sdk.connection.wanted import is_wanted

LEGAL_TRANSITIONS = {
    ConnectionStatus.DISCONNECTED: {ConnectionStatus.CONNECTING},
    ConnectionStatus.CONNECTING: {ConnectionStatus.CONNECTED, ConnectionStatus.DISCONNECTED},
    ConnectionStatus.CONNECTED: {ConnectionStatus.DISCONNECTED, ConnectionStatus.FEATURE_THROTTLED},
    ConnectionStatus.FEATURE_THROTTLED: {ConnectionStatus.CONNECTED, ConnectionStatus.DISCONNECTED},
}


class BrokenInvariant(AssertionError):
    """An invariant does not hold.

    Attributes:
        rule: the id of the invariant in docs/project/specification.md, such as "I7".
    """

    def __init__(self, rule: str, what: str) -> None:
        super().__init__(f"{rule}: {what}")
        self.rule = rule


def has_socket(s: State) -> bool:
    """Return whether a socket is open or being opened in this state."""
    return s.phase in (Phase.CONNECTING, Phase.OPEN)


def check_step(before: State, event: i.Input, now: float, after: State, commands: Sequence[Command]) -> None:
    """Check a step of the machine and the state after it: `check_state` and `check_change`.

    Args:
        before: the state before the step.
        event: the input of the step.
        now: the time of the step, as it was passed to the machine.
        after: the state after the step.
        commands: the commands of the step.

    Raises:
        BrokenInvariant: an invariant does not hold.
    """
    check_state(after, now)
    check_change(before, event, now, after, commands)


def check_change(before: State, event: i.Input, now: float, after: State, commands: Sequence[Command]) -> None:
    """Check what a step of the machine changes and commands. Arguments are those of `check_step`.

    An input may be processed after the time of a deadline, as when the process was suspended. Then the machine handles
    the deadline first, and may close the socket that the input is about; the checks allow for this.

    Raises:
        BrokenInvariant: an invariant does not hold.
    """
    _check_sockets(before, event, now, after, commands)
    _check_requested(before, event, after)
    _check_statuses(before, after, commands)
    _check_callers(before, event, after, commands)
    _check_stale(before, event, now, after, commands)
    _check_not_before(before, event, now, commands)
    _check_login(event, after)
    if before.ended and any(not isinstance(c, Answer) for c in commands):
        raise BrokenInvariant("I10", f"commands after the end: {commands}")


_BEGINS_SESSION = (i.LoggedIn, i.SessionRestored)
_LIFTS_WAIT = (*_BEGINS_SESSION, i.ConnectCalled, i.AppStateChanged, i.NetworkChanged)
_ENDS_REQUEST = (*_BEGINS_SESSION, i.LoggedOut, i.DisconnectCalled)
_CALLS = (i.ConnectCalled, i.DisconnectCalled, i.PingCalled)
_ENDS_SOCKET = (AbandonSocket, CloseSocket)
_OPENS_SOCKET = (OpenSocket, RenewToken)
_REPORTS = (ReportStatus, ReportError)
_STATUSES = {phase: frozenset(ConnectionStatus) for phase in Phase} | {
    Phase.OPEN: frozenset({ConnectionStatus.CONNECTED, ConnectionStatus.FEATURE_THROTTLED}),
    Phase.IDLE: frozenset({ConnectionStatus.DISCONNECTED}),
}
_ENDS_BY_ITSELF: dict[type, Phase] = {
    i.AttemptFailed: Phase.CONNECTING,
    i.SocketLost: Phase.OPEN,
    i.TokenRenewalFailed: Phase.RENEWING,
}


def _check_not_before(before: State, event: i.Input, now: float, commands: Sequence[Command]) -> None:
    if before.not_before is None or before.not_before <= now or not _opens(commands):
        return
    if before.asked_by_server and not isinstance(event, _BEGINS_SESSION):
        raise BrokenInvariant("T6", "an attempt before the time that the server asked for")
    if not isinstance(event, _LIFTS_WAIT):
        raise BrokenInvariant("T6", f"an attempt after {event}, before the time that was asked for")


def _check_login(event: i.Input, after: State) -> None:
    if not isinstance(event, _BEGINS_SESSION) or after.ended:
        return
    if after.mode is Mode.AUTO and after.app is AppState.FOREGROUND and after.phase is Phase.IDLE:
        raise BrokenInvariant("I5", "a login in the foreground in auto mode does not begin an attempt")


def check_state(s: State, now: float) -> None:
    """Check a state by itself at the time `now`: I1, I2, I4, I5, I6, I10, T3, T8, and that no call waits forever (I9).

    Raises:
        BrokenInvariant: an invariant does not hold.
    """
    socket = has_socket(s)
    if s.mode is Mode.AUTO and s.app is AppState.BACKGROUND and socket:
        raise BrokenInvariant("I1", "a socket in the background in auto mode")
    if s.session is not SessionState.VALID and socket:
        raise BrokenInvariant("I2", "a socket without a session")
    has_window = s.window_until is not None and now < s.window_until <= now + s.timings.background_window
    if s.mode is Mode.MANUAL and s.app is AppState.BACKGROUND and socket and not has_window:
        raise BrokenInvariant("I4", f"a socket in the background without a window: {s.window_until}")
    due = next_deadline(s)
    if is_wanted(s):
        if s.phase is Phase.IDLE:
            raise BrokenInvariant("I5", "wanted, and nothing under way")
        if not s.paused and (due is None or due < now):
            raise BrokenInvariant("I5", f"wanted, and stuck: the next deadline is {due}")
    elif s.phase is not Phase.IDLE or due is not None or s.retry_at is not None:
        raise BrokenInvariant("I6", f"not wanted, and {s.phase} with a deadline {due}")
    if (s.renew_at is not None or s.renewing) and not (s.phase is Phase.OPEN and s.has_provider):
        raise BrokenInvariant("I6", "a token renewal timer without a socket or a provider")
    if s.poll_at is not None and (s.phase is Phase.OPEN or not is_wanted(s)):
        raise BrokenInvariant("I6", "history is polled while a socket is open, or although none is wanted")
    if is_wanted(s) and s.phase is not Phase.OPEN and s.refusals >= s.timings.poll_after and s.poll_at is None:
        raise BrokenInvariant("T8", "WebSockets are refused, and history is not polled")
    if s.phase is Phase.OPEN and heartbeat_due(s) is None and s.probe_until is None:
        raise BrokenInvariant("I5", "the open socket has no heartbeat and no probe")
    if s.paused and s.phase is not Phase.OPEN:
        raise BrokenInvariant(
            "T3", "reading is paused on a socket that is gone, so the next one would have no heartbeat"
        )
    if s.phase is Phase.OPEN and s.has_provider and s.token_until is not None and s.renew_at is None:
        raise BrokenInvariant("I5", "the token expires, and no renewal is due")
    if s.connects and s.phase in (Phase.IDLE, Phase.OPEN):
        raise BrokenInvariant("I9", "connect() waits although no attempt is pending")
    if s.pings and (s.phase is not Phase.OPEN or s.probe_until is None):
        raise BrokenInvariant("I9", "ping() waits although no probe is pending")
    if s.ended and (socket or due is not None or s.connects or s.pings):
        raise BrokenInvariant("I10", "a socket, deadline or caller is left after the end")


def _opens(commands: Sequence[Command]) -> bool:
    return any(isinstance(c, _OPENS_SOCKET) for c in commands)


def _check_sockets(before: State, event: i.Input, now: float, after: State, commands: Sequence[Command]) -> None:
    owner: int | None = before.epoch if has_socket(before) or before.phase is Phase.RENEWING else None
    due = next_deadline(before)
    overdue = due is not None and due < now and isinstance(next(iter(commands), None), _ENDS_SOCKET)
    if _ends_by_itself(before, event) and not overdue:
        owner = None
    renewing = before.phase is Phase.RENEWING
    for c in commands:
        if isinstance(c, _ENDS_SOCKET):
            if c.epoch != owner:
                raise BrokenInvariant("I7", f"{c} but the socket is {owner}")
            owner, renewing = None, False
        elif isinstance(c, _OPENS_SOCKET):
            if owner is not None and not (renewing and c.epoch == owner):
                raise BrokenInvariant("I7", f"{c} while there is socket {owner}")
            if owner is None and c.epoch <= before.epoch:
                raise BrokenInvariant("I7", f"{c} with a used epoch")
            owner, renewing = c.epoch, isinstance(c, RenewToken)
        elif isinstance(c, RenewInPlace) and (c.epoch != before.epoch or before.phase is not Phase.OPEN):
            # Its socket may end in the same step: a deadline that has passed is handled first.
            raise BrokenInvariant("I7", f"{c} but the socket is {owner}")
    if owner is not None and not has_socket(after) and after.phase is not Phase.RENEWING:
        raise BrokenInvariant("I7", f"socket {owner} was forgotten")
    if (has_socket(after) or after.phase is Phase.RENEWING) and owner != after.epoch:
        raise BrokenInvariant("I7", f"the state names socket {after.epoch}, the socket is {owner}")


def _ends_by_itself(before: State, event: i.Input) -> bool:
    return _ENDS_BY_ITSELF.get(type(event)) is before.phase and getattr(event, "epoch", None) == before.epoch


def _check_requested(before: State, event: i.Input, after: State) -> None:
    if after.mode is Mode.MANUAL and has_socket(after) and not after.requested:
        raise BrokenInvariant("I3", "a socket in manual mode without connect()")
    if after.requested and not before.requested and not isinstance(event, i.ConnectCalled):
        raise BrokenInvariant("I3", f"{event} requested a connection")
    if after.requested and isinstance(event, _ENDS_REQUEST):
        raise BrokenInvariant("I3", f"the request survived {event}")


def _check_statuses(before: State, after: State, commands: Sequence[Command]) -> None:
    last = before.status
    for c in commands:
        if isinstance(c, ReportStatus):
            if c.status not in LEGAL_TRANSITIONS[last]:
                raise BrokenInvariant("I8", f"{last} then {c.status}")
            last = c.status
        if isinstance(c, _REPORTS) and before.session is SessionState.NONE and after.session is SessionState.NONE:
            raise BrokenInvariant("I8", f"{c} after logout()")
    if last is not after.status and not after.ended:
        raise BrokenInvariant("I8", f"the state says {after.status}, the listeners received {last}")
    if after.status not in _STATUSES[after.phase]:
        raise BrokenInvariant("I8", f"{after.status} in phase {after.phase}")


def _check_callers(before: State, event: i.Input, after: State, commands: Sequence[Command]) -> None:
    waiting = _callers(before)
    if isinstance(event, _CALLS):
        waiting.append(event.caller)
    if isinstance(event, i.CallerGone) and event.caller in waiting:
        waiting.remove(event.caller)
    answered = [c.caller for c in commands if isinstance(c, Answer)]
    left = _callers(after)
    if isinstance(event, i.CallerGone):
        answered = [c for c in answered if c != event.caller]  # a deadline that passed at the same time
    if sorted(answered + left) != sorted(waiting):
        raise BrokenInvariant("I9", f"waiting {waiting}, answered {answered}, left {left}")


def _callers(s: State) -> list[int]:
    return [*s.connects, *(c for c in s.pings if c)] if s.pings else list(s.connects)


def _check_stale(before: State, event: i.Input, now: float, after: State, commands: Sequence[Command]) -> None:
    epoch = getattr(event, "epoch", None)
    due = next_deadline(before)
    if epoch is None or epoch == before.epoch or (due is not None and due <= now):
        return
    if commands or before != after:
        raise BrokenInvariant("I7", f"{event} of an older socket changed something")
