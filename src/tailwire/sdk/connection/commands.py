"""The commands that the machine gives the driver, which carries them out unconditionally and in order."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tailwire.sdk.connection.causes import Cause
from tailwire.sdk.connection.state import AppState, ConnectionStatus


class Result(StrEnum):
    """The result of a call of `connect()`, `disconnect()` or `ping()`.

    `calls.connection` maps it to the returned text or the raised error code.
    """

    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    PONG = "pong"
    NOT_LOGGED_IN_CONNECT = "not_logged_in_connect"
    NOT_LOGGED_IN_DISCONNECT = "not_logged_in_disconnect"
    NOT_LOGGED_IN_PING = "not_logged_in_ping"
    SESSION_EXPIRED = "session_expired"
    IN_BACKGROUND = "in_background"
    ATTEMPT_FAILED = "attempt_failed"
    ABANDONED = "abandoned"
    NO_SOCKET = "no_socket"
    NO_ANSWER = "no_answer"
    CLIENT_CLOSED = "client_closed"


@dataclass(frozen=True, slots=True)
class OpenSocket:
    """Begin an attempt: settings, socket, authentication."""

    epoch: int


@dataclass(frozen=True, slots=True)
class CloseSocket:
    """Close the socket with a close frame (1000)."""

    epoch: int


@dataclass(frozen=True, slots=True)
class AbandonSocket:
    """Drop the socket or the attempt without a close frame, because it is dead or not open yet."""

    epoch: int


@dataclass(frozen=True, slots=True)
class DropConnections:
    """Stop reusing the pooled HTTP connections, because they may be dead, like the socket, or of another network."""


@dataclass(frozen=True, slots=True)
class ReadHistory:
    """Read new messages from history, without a socket (T8)."""


@dataclass(frozen=True, slots=True)
class StopReadingHistory:
    """Stop `ReadHistory`, because no socket is wanted, or WebSockets may no longer be refused (T8)."""


@dataclass(frozen=True, slots=True)
class SendPing:
    """Send a ping frame."""

    epoch: int


@dataclass(frozen=True, slots=True)
class SendAppState:
    """Tell the server the app's state, and for how many seconds the client may be silent in the background."""

    epoch: int
    app: AppState
    window: float


@dataclass(frozen=True, slots=True)
class RenewToken:
    """Ask the token provider before the attempt continues."""

    epoch: int


@dataclass(frozen=True, slots=True)
class RenewInPlace:
    """Ask the token provider, and send the new token over the open socket, which stays open."""

    epoch: int


@dataclass(frozen=True, slots=True)
class ExpireSession:
    """Mark the saved session as expired."""


@dataclass(frozen=True, slots=True)
class Answer:
    """End a waiting call of `connect()`, `disconnect()` or `ping()`.

    Attributes:
        caller: the number that the driver gave to the call.
        result: how the call ends.
        cause: why the last socket ended or the last attempt failed, if that explains the result.
    """

    caller: int
    result: Result
    cause: Cause | None = None


@dataclass(frozen=True, slots=True)
class ReportStatus:
    """Report the status to the connection listeners."""

    status: ConnectionStatus


@dataclass(frozen=True, slots=True)
class ReportError:
    """Report to the connection listeners that an attempt failed, or that the client gave up."""

    cause: Cause


Command = (
    OpenSocket
    | CloseSocket
    | AbandonSocket
    | DropConnections
    | ReadHistory
    | StopReadingHistory
    | SendPing
    | SendAppState
    | RenewToken
    | RenewInPlace
    | ExpireSession
    | Answer
    | ReportStatus
    | ReportError
)
