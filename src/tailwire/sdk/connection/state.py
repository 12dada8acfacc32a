"""Everything that the machine knows, and its next deadline.

Rules: a state is changed only by `machine.step`, on a copy of its own; deadlines are fields, and `next_deadline` is a
function of them; nothing here may know a socket, a task or a clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from enum import StrEnum as _StrEnum
from operator import attrgetter

from tailwire.sdk.connection.causes import Cause
from tailwire.sdk.connection.timings import Timings


class Named(_StrEnum):
    """A string enum that hashes as its string: states are hashed by the million in an exploration."""

    __hash__ = str.__hash__


class Mode(Named):
    """Who decides when a socket exists (S4)."""

    AUTO = "auto"
    MANUAL = "manual"


class AppState(Named):
    """Where the app is."""

    FOREGROUND = "foreground"
    BACKGROUND = "background"


class Network(Named):
    """The platform's hint about the network; `UNKNOWN` is taken as online."""

    ONLINE = "online"
    OFFLINE = "offline"
    UNKNOWN = "unknown"


class SessionState(Named):
    """Whether a user is logged in."""

    NONE = "none"
    VALID = "valid"
    EXPIRED = "expired"


class ConnectionStatus(Named):
    """The documented connection status (S21)."""

    CONNECTED = "connected"
    CONNECTING = "connecting"
    DISCONNECTED = "disconnected"
    FEATURE_THROTTLED = "featureThrottled"


class Phase(Named):
    """What is under way. The one owner of the socket is the phase: `CONNECTING` and `OPEN` have one, others none."""

    IDLE = "idle"
    WAITING = "waiting"
    RENEWING = "renewing"
    CONNECTING = "connecting"
    OPEN = "open"


@dataclass(slots=True, unsafe_hash=True)
class State:
    """A state of the connection machine. Times are seconds on the driver's clock.

    Attributes:
        held: auto mode: `disconnect()` was called (C12).
        requested: manual mode: `connect()` was called.
        barred: the server told this client to stay away until something changes.
        gave_up: the limit of attempts was reached.
        has_provider: a token provider can be asked.
        renew_next: the next attempt asks the token provider first.
        token_until: when the token ends, as far as the server said so.
        renew_at: when, on an open socket, the provider is asked for the next token; while it is, when that is given up.
        renewing: it is being asked, or the server takes what it gave.
        renewals_failed: how often that failed in a row.
        renewal_tried: the provider was asked since the last connection; a second rejection ends the session (C22).
        epoch: number of the current, or the last, socket or attempt.
        attempts: failures since the last connection that lived long enough (T4).
        failing_since: when the first of them was, or when there was last reason to hope (T4).
        refusals: attempts since the last connection at which the WebSocket, and nothing else, was refused (T8).
        poll_at: when history is read next, while WebSockets are refused (T8).
        retry_at: when the next attempt is due (phase `WAITING`, or about to be).
        not_before: before this, whoever answered last does not want to see this client (T6).
        asked_by_server: the server itself asked for that, and not something in between.
        spread_until: the end of the window over which the server asked its clients to come back: an attempt that fails
            within it is made again at some point of the rest (T6).
        attempt_until: when the attempt under way fails, unless bytes move (T7).
        attempt_end: when it fails although they do (T7).
        opened_at: when the current socket was authenticated.
        heard_at: the last sign of life on the current socket.
        said_at: when this client last said something on it.
        interval: the heartbeat interval that the server announced.
        timeout: the heartbeat timeout that the server announced.
        round_trip: what a round trip took, as far as it was seen on this socket: rises at once, falls slowly.
        pings: pings without an answer, oldest first: a caller's number, or 0 for the machine's own.
        probe_sent: when the oldest of them was sent.
        probe_until: when it is overdue.
        probe_cause: what its failure will be called.
        window_until: manual mode in the background: when the window runs out (C3).
        paused: reading has stopped because the app does not keep up; silence means nothing now.
        throttled: the server turned features off.
        said_app: the app state that the server of the current socket has been told.
        connects: `connect()` calls that wait for the attempt under way.
        status: what the listeners were told last.
        cause: why the last socket ended or the last attempt failed.
        ended: `aclose()` was called.
    """

    mode: Mode = Mode.AUTO
    timings: Timings = field(default_factory=Timings, hash=False)
    has_provider: bool = False
    app: AppState = AppState.FOREGROUND
    network: Network = Network.UNKNOWN
    session: SessionState = SessionState.NONE
    held: bool = False
    requested: bool = False
    barred: bool = False
    gave_up: bool = False
    phase: Phase = Phase.IDLE
    epoch: int = 0
    attempts: int = 0
    failing_since: float | None = None
    refusals: int = 0
    poll_at: float | None = None
    renew_next: bool = False
    renewal_tried: bool = False
    token_until: float | None = None
    renew_at: float | None = None
    renewing: bool = False
    renewals_failed: int = 0
    retry_at: float | None = None
    not_before: float | None = None
    asked_by_server: bool = False
    spread_until: float | None = None
    attempt_until: float | None = None
    attempt_end: float | None = None
    opened_at: float | None = None
    heard_at: float | None = None
    said_at: float | None = None
    interval: float = 15.0
    timeout: float = 3.0
    round_trip: float = 0.0
    pings: tuple[int, ...] = ()
    probe_sent: float | None = None
    probe_until: float | None = None
    probe_cause: Cause | None = None
    window_until: float | None = None
    paused: bool = False
    throttled: bool = False
    said_app: AppState = AppState.FOREGROUND
    connects: tuple[int, ...] = ()
    status: ConnectionStatus = ConnectionStatus.DISCONNECTED
    cause: Cause | None = None
    ended: bool = False


_VALUES = attrgetter(*(f.name for f in fields(State)))


def copy_of(state: State) -> State:
    """A copy that a step may change (four times as fast as `dataclasses.replace`)."""
    return State(*_VALUES(state))


ROUND_TRIPS = 3
"""An answer to a ping may take so many of the round trips that were seen."""


def patience(state: State) -> float:
    """How long the answer to a ping may take (T3): what the server announced, and more on a slow line.

    At most two thirds of interval and timeout together: `quiet` gives back what this takes, so that a dead line is
    noticed no later than on a fast one.
    """
    most = (state.interval + state.timeout) * 2 / 3
    return max(state.timeout, min(ROUND_TRIPS * state.round_trip, most))


def quiet(state: State) -> float:
    """How long the server may be silent before it is asked for a sign of life (T3)."""
    return state.interval + state.timeout - patience(state)


def speaks_every(state: State) -> float:
    """How long this client may be silent itself: the server counts what it hears, not what it says (T3)."""
    return 2 * state.interval


def heartbeat_due(state: State) -> float | None:
    """When the next ping is due on the open socket; None where there is none, or a probe is under way."""
    if state.heard_at is None or state.said_at is None or state.probe_until is not None:
        return None
    say = state.said_at + speaks_every(state)
    return say if state.paused else min(say, state.heard_at + quiet(state))


def next_deadline(state: State) -> float | None:
    """When the machine wants `TimerFired` next, or None when time changes nothing (I6)."""
    due = [t for t in (state.window_until, state.renew_at, state.poll_at, _phase_deadline(state)) if t is not None]
    return min(due) if due else None


def _phase_deadline(state: State) -> float | None:
    if state.phase is Phase.WAITING:
        return state.retry_at
    if state.phase in (Phase.CONNECTING, Phase.RENEWING):
        return state.attempt_until
    if state.phase is Phase.OPEN:
        return state.probe_until if state.probe_until is not None else heartbeat_due(state)
    return None
