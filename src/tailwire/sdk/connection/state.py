"""The state of the connection machine, and its next deadline.

Only a step changes a state, and only its own copy. Deadlines are fields, and `next_deadline` is a function of them. A
field that lasts for one socket or one session is marked where it is declared, and reset with the others so marked.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from enum import StrEnum as _StrEnum
from operator import attrgetter

from tailwire.sdk.connection.causes import Cause
from tailwire.sdk.connection.timings import Timings


class StateEnum(_StrEnum):
    """A string enum with the hash of its string, which is faster: the exploration test hashes millions of states."""

    __hash__ = str.__hash__


class Mode(StateEnum):
    """Who decides when a socket exists: the SDK, or the app by `connect()` and `disconnect()` (S4)."""

    AUTO = "auto"
    MANUAL = "manual"


class AppState(StateEnum):
    """Whether the app is in the foreground."""

    FOREGROUND = "foreground"
    BACKGROUND = "background"


class Network(StateEnum):
    """The state of the network as the platform reports it; `UNKNOWN` is treated as online."""

    ONLINE = "online"
    OFFLINE = "offline"
    UNKNOWN = "unknown"


class SessionState(StateEnum):
    """Whether a user is logged in; `EXPIRED` if the server has rejected their token."""

    NONE = "none"
    VALID = "valid"
    EXPIRED = "expired"


class ConnectionStatus(StateEnum):
    """The status of a connection (S21).

    `FEATURE_THROTTLED`: connected, but the server is overloaded and leaves out some events, such as typing.
    """

    CONNECTED = "connected"
    CONNECTING = "connecting"
    DISCONNECTED = "disconnected"
    FEATURE_THROTTLED = "featureThrottled"


class Phase(StateEnum):
    """The phase of a connection. A socket exists only in `CONNECTING` and `OPEN`.

    Attributes:
        IDLE: no socket is wanted.
        WAITING: the next attempt begins at `State.retry_at`.
        RENEWING: an attempt waits for a new token.
        CONNECTING: an attempt is in progress.
        OPEN: the socket is authenticated.
    """

    IDLE = "idle"
    WAITING = "waiting"
    RENEWING = "renewing"
    CONNECTING = "connecting"
    OPEN = "open"


_OF_SOCKET = {"lasts": "socket"}
_OF_SESSION = {"lasts": "session"}


@dataclass(slots=True, unsafe_hash=True)
class State:
    """A state of the connection machine. Times are seconds on the driver's clock.

    Attributes:
        held: auto mode: `disconnect()` was called (C12).
        requested: manual mode: `connect()` was called.
        barred: the server refused this client; there is no attempt before `connect()` or another login.
        gave_up: the maximum number of attempts was reached; there is none before something suggests that one succeeds,
            such as `connect()` or a change of the network.
        has_provider: the app has a token provider.
        phase: what is in progress.
        epoch: number of the current, or else the last, socket or attempt.
        attempts: failures since the last stable connection (T4).
        failing_since: time of the first of these failures after the waits were last dropped, for example because of
            `connect()` or a change of the network (T4).
        refusals: attempts since the last connection at which only the WebSocket was refused (T8).
        poll_at: next time to read history, while WebSockets are refused (T8).
        renew_next: the next attempt asks the token provider first.
        renewal_tried: the provider was asked since the last connection; a second rejection ends the session (C22).
        token_until: when the token expires, if the server said so.
        renew_at: when to renew the token on the open socket; during a renewal, its deadline.
        renewing: a renewal on the open socket is in progress.
        renewals_failed: consecutive failures of the renewal.
        retry_at: when the next attempt is due.
        not_before: earliest time of an attempt, as the last response asked (T6).
        asked_by_server: that response came from the server itself, not from an intermediary.
        spread_until: end of the window over which the server asked its clients to spread their reconnects: an attempt
            that fails within it is repeated at a random point of the rest (T6).
        attempt_until: deadline of the attempt; bytes that move extend it (T7).
        attempt_end: final deadline of the attempt (T7).
        opened_at: when the socket was authenticated.
        heard_at: when the last frame was received on the socket.
        said_at: when the last frame was sent on the socket.
        interval: the heartbeat interval that the server announced last, in seconds.
        timeout: the heartbeat timeout that the server announced last, in seconds.
        round_trip: estimated round trip on this socket, in seconds; rises at once, falls slowly.
        pings: unanswered pings, oldest first: the caller's number, or 0 for the machine's own.
        probe_sent: when the oldest unanswered ping was sent.
        probe_until: when the answer to that ping is overdue.
        probe_cause: why the socket is lost if that answer is overdue.
        window_until: manual mode in the background: when the background window ends (C3).
        paused: reading is paused because the app's queue is full; silence proves nothing.
        throttled: the server turned features off.
        said_app: the app state last sent to the server on this socket.
        connects: `connect()` calls that wait for the attempt.
        status: the status that listeners received last.
        cause: why the last socket ended or the last attempt failed.
        ended: `aclose()` was called.
    """

    mode: Mode = Mode.AUTO
    timings: Timings = field(default_factory=Timings, hash=False)
    has_provider: bool = False
    app: AppState = AppState.FOREGROUND
    network: Network = Network.UNKNOWN
    session: SessionState = field(default=SessionState.NONE, metadata=_OF_SESSION)
    held: bool = field(default=False, metadata=_OF_SESSION)
    requested: bool = field(default=False, metadata=_OF_SESSION)
    barred: bool = field(default=False, metadata=_OF_SESSION)
    gave_up: bool = field(default=False, metadata=_OF_SESSION)
    phase: Phase = field(default=Phase.IDLE, metadata=_OF_SOCKET)
    epoch: int = 0
    attempts: int = field(default=0, metadata=_OF_SESSION)
    failing_since: float | None = field(default=None, metadata=_OF_SESSION)
    refusals: int = field(default=0, metadata=_OF_SESSION)
    poll_at: float | None = None
    renew_next: bool = field(default=False, metadata=_OF_SESSION)
    renewal_tried: bool = field(default=False, metadata=_OF_SESSION)
    token_until: float | None = field(default=None, metadata=_OF_SESSION)
    renew_at: float | None = field(default=None, metadata=_OF_SOCKET)
    renewing: bool = field(default=False, metadata=_OF_SOCKET)
    renewals_failed: int = field(default=0, metadata=_OF_SOCKET)
    retry_at: float | None = field(default=None, metadata=_OF_SESSION)
    not_before: float | None = field(default=None, metadata=_OF_SESSION)
    asked_by_server: bool = field(default=False, metadata=_OF_SESSION)
    spread_until: float | None = field(default=None, metadata=_OF_SESSION)
    attempt_until: float | None = field(default=None, metadata=_OF_SOCKET)
    attempt_end: float | None = field(default=None, metadata=_OF_SOCKET)
    opened_at: float | None = field(default=None, metadata=_OF_SOCKET)
    heard_at: float | None = field(default=None, metadata=_OF_SOCKET)
    said_at: float | None = field(default=None, metadata=_OF_SOCKET)
    interval: float = 15.0
    timeout: float = 3.0
    round_trip: float = field(default=0.0, metadata=_OF_SOCKET)
    pings: tuple[int, ...] = ()
    probe_sent: float | None = field(default=None, metadata=_OF_SOCKET)
    probe_until: float | None = field(default=None, metadata=_OF_SOCKET)
    probe_cause: Cause | None = field(default=None, metadata=_OF_SOCKET)
    window_until: float | None = None
    paused: bool = field(default=False, metadata=_OF_SOCKET)
    throttled: bool = field(default=False, metadata=_OF_SOCKET)
    said_app: AppState = field(default=AppState.FOREGROUND, metadata=_OF_SOCKET)
    connects: tuple[int, ...] = ()
    status: ConnectionStatus = ConnectionStatus.DISCONNECTED
    cause: Cause | None = None
    ended: bool = False


_LASTING_FOR_SOCKET = tuple((f.name, f.default) for f in fields(State) if f.metadata == _OF_SOCKET)
_LASTING_FOR_SESSION = tuple((f.name, f.default) for f in fields(State) if f.metadata == _OF_SESSION)


def clear_socket(state: State) -> None:
    """Reset the fields that last for one socket or attempt. `settle` ends the `ping()` calls that waited for a pong."""
    for name, default in _LASTING_FOR_SOCKET:
        setattr(state, name, default)


def clear_session(state: State) -> None:
    """Reset the fields that last for one session."""
    for name, default in _LASTING_FOR_SESSION:
        setattr(state, name, default)


_VALUES = attrgetter(*(f.name for f in fields(State)))


def copy_of(state: State) -> State:
    """Return a copy that a step may change (four times as fast as `dataclasses.replace`)."""
    return State(*_VALUES(state))


ROUND_TRIPS = 3
"""An answer to a ping may take this many times the estimated round trip."""


def answer_timeout(state: State) -> float:
    """Return how many seconds the answer to a ping may take (T3).

    This is the announced timeout, or `ROUND_TRIPS` times the round trip if that is longer, but then at most two thirds
    of the sum of interval and timeout. On a slow line `silence_limit` is shorter by as much as this is longer, so that
    a dead connection is detected no later than on a fast line.
    """
    most = (state.interval + state.timeout) * 2 / 3
    return max(state.timeout, min(ROUND_TRIPS * state.round_trip, most))


def silence_limit(state: State) -> float:
    """Return how many seconds the server may be silent before it is pinged (T3)."""
    return state.interval + state.timeout - answer_timeout(state)


def send_interval(state: State) -> float:
    """Return how many seconds this client may send nothing before it must ping (T3): the server detects silence too."""
    return 2 * state.interval


def heartbeat_due(state: State) -> float | None:
    """Return when the next ping is due on the open socket; None without a socket, or during a probe."""
    if state.heard_at is None or state.said_at is None or state.probe_until is not None:
        return None
    send_due = state.said_at + send_interval(state)
    return send_due if state.paused else min(send_due, state.heard_at + silence_limit(state))


def next_deadline(state: State) -> float | None:
    """Return when the machine wants `TimerFired` next; None if time alone changes nothing (I6)."""
    due = _phase_deadline(state)
    for t in (state.window_until, state.renew_at, state.poll_at):
        if t is not None and (due is None or t < due):
            due = t
    return due


def _phase_deadline(state: State) -> float | None:
    if state.phase is Phase.WAITING:
        return state.retry_at
    if state.phase in (Phase.CONNECTING, Phase.RENEWING):
        return state.attempt_until
    if state.phase is Phase.OPEN:
        return state.probe_until if state.probe_until is not None else heartbeat_due(state)
    return None
