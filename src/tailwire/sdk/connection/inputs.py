"""Inputs of the connection state machine. An input says what happened, never what to do about it.

`caller` is a number that the driver gives to each waiting call. `epoch` is the number of the socket or attempt to
which an input refers; an input of an older epoch changes nothing (I7 in docs/project/specification.md).
"""

from __future__ import annotations

from dataclasses import dataclass

from tailwire.sdk.connection.causes import Cause
from tailwire.sdk.connection.state import AppState, Network


@dataclass(frozen=True, slots=True)
class SessionRestored:
    """`init()` found a saved session (C1)."""


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """`login()` succeeded (C2)."""


@dataclass(frozen=True, slots=True)
class LoggedOut:
    """`logout()` was called (C23)."""


@dataclass(frozen=True, slots=True)
class ClientClosed:
    """`aclose()` was called (I10)."""


@dataclass(frozen=True, slots=True)
class ConnectCalled:
    """`connect()` was called, and waits for an `Answer`."""

    caller: int


@dataclass(frozen=True, slots=True)
class DisconnectCalled:
    """`disconnect()` was called, and waits for an `Answer`."""

    caller: int


@dataclass(frozen=True, slots=True)
class PingCalled:
    """`ping()` was called, and waits for an `Answer`."""

    caller: int


@dataclass(frozen=True, slots=True)
class CallerGone:
    """A task that waits in `connect()` or `ping()` was cancelled."""

    caller: int


@dataclass(frozen=True, slots=True)
class AppStateChanged:
    """The app, or its lifecycle adapter, moved to the foreground or the background."""

    app: AppState


@dataclass(frozen=True, slots=True)
class NetworkChanged:
    """The platform reported the state of the network."""

    network: Network


@dataclass(frozen=True, slots=True)
class AttemptSucceeded:
    """The socket is open and authenticated.

    Attributes:
        interval: the heartbeat interval that the server announced, in seconds, or None.
        timeout: the heartbeat timeout that the server announced, in seconds, or None.
        left: seconds until the token expires, or None if the server did not say.
        round_trip: seconds that the answer to the auth frame took, or None.
    """

    epoch: int
    interval: float | None = None
    timeout: float | None = None
    left: float | None = None
    round_trip: float | None = None


@dataclass(frozen=True, slots=True)
class ServerAnswered:
    """The server answered an HTTP request of this client, so it is reachable."""


@dataclass(frozen=True, slots=True)
class AttemptFailed:
    """The attempt ended without an open socket.

    Attributes:
        wait: Retry-After of the response in seconds, or None.
        ours: whether the response came from the server itself, not from an intermediary.
    """

    epoch: int
    cause: Cause
    wait: float | None = None
    ours: bool = False


@dataclass(frozen=True, slots=True)
class SocketLost:
    """The open socket ended, although no command closed it.

    Attributes:
        within: seconds over which the server asked its clients to spread their reconnects, or None.
    """

    epoch: int
    cause: Cause
    within: float | None = None


@dataclass(frozen=True, slots=True)
class PongReceived:
    """The server answered a ping."""

    epoch: int


@dataclass(frozen=True, slots=True)
class ReadingPaused:
    """The driver stopped reading from the socket, because the event queue is full (K4)."""

    epoch: int


@dataclass(frozen=True, slots=True)
class ReadingResumed:
    """The driver reads from the socket again."""

    epoch: int


@dataclass(frozen=True, slots=True)
class ThrottleChanged:
    """The server turned features off because of its load (`on` is True), or on again (S21)."""

    epoch: int
    on: bool


@dataclass(frozen=True, slots=True)
class TokenRenewed:
    """The token provider returned a new token, which the server accepts, before an attempt."""

    epoch: int


@dataclass(frozen=True, slots=True)
class TokenTaken:
    """The server accepted the new token on the open socket.

    Attributes:
        left: seconds until it expires, or None.
    """

    epoch: int
    left: float | None = None


@dataclass(frozen=True, slots=True)
class TokenRenewalFailed:
    """The token provider raised, the server was not reached, or it rejected the new token."""

    epoch: int
    cause: Cause = Cause.TOKEN_PROVIDER_FAILED


@dataclass(frozen=True, slots=True)
class TimerFired:
    """`next_deadline` has passed.

    The driver reports its traffic here and not for each frame, so that frames cost no step.

    Attributes:
        heard_at: when the last frame was received on the current socket.
        said_at: when the last frame was sent on the current socket.
        moved_at: when bytes last moved on any connection between this client and the server.
        passed_at: when this process last wrote bytes to, or read bytes from, a socket of the operating system; None
            while no HTTP request is unanswered.

    Times are seconds on the driver's clock; None if it has not happened.
    """

    heard_at: float | None = None
    said_at: float | None = None
    moved_at: float | None = None
    passed_at: float | None = None


Input = (
    SessionRestored
    | LoggedIn
    | LoggedOut
    | ClientClosed
    | ConnectCalled
    | DisconnectCalled
    | PingCalled
    | CallerGone
    | AppStateChanged
    | NetworkChanged
    | AttemptSucceeded
    | ServerAnswered
    | AttemptFailed
    | SocketLost
    | PongReceived
    | ReadingPaused
    | ReadingResumed
    | ThrottleChanged
    | TokenRenewed
    | TokenTaken
    | TokenRenewalFailed
    | TimerFired
)
