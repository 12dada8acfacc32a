"""What can happen to the machine. Rule: an input says what happened, never what to do about it.

`caller` is a number that the driver gives to each call that waits; `epoch` the number of the socket or attempt that an
input speaks of. An input of an older epoch changes nothing (I7).
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
    """`connect()`, waiting under a number."""

    caller: int


@dataclass(frozen=True, slots=True)
class DisconnectCalled:
    """`disconnect()`, waiting under a number."""

    caller: int


@dataclass(frozen=True, slots=True)
class PingCalled:
    """`ping()`, waiting under a number."""

    caller: int


@dataclass(frozen=True, slots=True)
class CallerGone:
    """The task behind a waiting call was cancelled."""

    caller: int


@dataclass(frozen=True, slots=True)
class AppStateChanged:
    """The app, or its lifecycle adapter, reports where it is."""

    app: AppState


@dataclass(frozen=True, slots=True)
class NetworkChanged:
    """The platform's hint about the network."""

    network: Network


@dataclass(frozen=True, slots=True)
class AttemptSucceeded:
    """The socket is open and authenticated.

    Attributes:
        interval: the heartbeat interval that the server announced, in seconds, or None.
        timeout: the heartbeat timeout that the server announced, in seconds, or None.
        left: the seconds for which the token is still good, where the server said so, or None.
        round_trip: the seconds that the answer to the auth frame took, or None.
    """

    epoch: int
    interval: float | None = None
    timeout: float | None = None
    left: float | None = None
    round_trip: float | None = None


@dataclass(frozen=True, slots=True)
class ServerAnswered:
    """The server answered a request of this client, so it can be reached."""


@dataclass(frozen=True, slots=True)
class AttemptFailed:
    """The attempt came to an end without a connection.

    Attributes:
        wait: seconds that whoever answered asked to wait (Retry-After), or None.
        ours: whether the server itself asked for that, and not something in between.
    """

    epoch: int
    cause: Cause
    wait: float | None = None
    ours: bool = False


@dataclass(frozen=True, slots=True)
class SocketLost:
    """An open socket ended by itself.

    Attributes:
        within: the window, in seconds, over which the server asked its clients to come back, or None.
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
    """The app does not keep up: the driver stopped reading (K4)."""

    epoch: int


@dataclass(frozen=True, slots=True)
class ReadingResumed:
    """The driver reads again."""

    epoch: int


@dataclass(frozen=True, slots=True)
class ThrottleChanged:
    """The server turned features off under load, or on again (S21)."""

    epoch: int
    on: bool


@dataclass(frozen=True, slots=True)
class TokenRenewed:
    """The token provider gave a new token."""

    epoch: int


@dataclass(frozen=True, slots=True)
class TokenTaken:
    """The server goes on with the new token, on the socket that was open.

    Attributes:
        left: the seconds for which it is good, or None.
    """

    epoch: int
    left: float | None = None


@dataclass(frozen=True, slots=True)
class TokenRenewalFailed:
    """The token provider raised, the server was not reached, or it did not take what the provider gave.

    Attributes:
        cause: which of them it was.
    """

    epoch: int
    cause: Cause = Cause.TOKEN_PROVIDER_FAILED


@dataclass(frozen=True, slots=True)
class TimerFired:
    """The time of `next_deadline` has come.

    What the driver saw meanwhile is reported here and not at each frame, so that frames cost the machine nothing.

    Attributes:
        heard_at: when the last frame came in on the current socket.
        said_at: when the last frame was sent on the current socket.
        moved_at: when bytes last moved on any connection between this client and the server.
    """

    heard_at: float | None = None
    said_at: float | None = None
    moved_at: float | None = None


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
