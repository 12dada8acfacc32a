"""What the machine wants done. Rule: a command is carried out as it stands; the driver adds no condition of its own."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tailwire.sdk.connection.causes import Cause
from tailwire.sdk.connection.state import AppState, ConnectionStatus


class Result(StrEnum):
    """How a waiting call ends. The texts and codes are the driver's; here stands only what was the case."""

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
    """Begin an attempt: bootstrap, socket, authentication."""

    epoch: int


@dataclass(frozen=True, slots=True)
class CloseSocket:
    """End the socket politely, with a close frame (1000)."""

    epoch: int


@dataclass(frozen=True, slots=True)
class AbandonSocket:
    """Drop the socket, or the attempt, without a word: it is dead or not there yet."""

    epoch: int


@dataclass(frozen=True, slots=True)
class DropConnections:
    """Reuse no existing HTTP connection for new requests: it may be as dead as the socket."""


@dataclass(frozen=True, slots=True)
class ReadHistory:
    """Read what is new from history, without a socket (T8)."""


@dataclass(frozen=True, slots=True)
class StopReadingHistory:
    """Read history no further: no socket is wanted any more."""


@dataclass(frozen=True, slots=True)
class SendPing:
    """Send a ping frame."""

    epoch: int


@dataclass(frozen=True, slots=True)
class SendAppState:
    """Tell the server where the app is, and for how long it may be silent there (seconds)."""

    epoch: int
    app: AppState
    window: float


@dataclass(frozen=True, slots=True)
class RenewToken:
    """Ask the token provider."""

    epoch: int


@dataclass(frozen=True, slots=True)
class RenewInPlace:
    """Ask the token provider, and give the new token to the server on the open socket, which stays as it is."""

    epoch: int


@dataclass(frozen=True, slots=True)
class ExpireSession:
    """Mark the saved session as expired."""


@dataclass(frozen=True, slots=True)
class Answer:
    """End a waiting call."""

    caller: int
    result: Result
    cause: Cause | None = None


@dataclass(frozen=True, slots=True)
class TellStatus:
    """Tell the connection listeners the status."""

    status: ConnectionStatus


@dataclass(frozen=True, slots=True)
class TellError:
    """Tell the connection listeners that an attempt failed, and why."""

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
    | TellStatus
    | TellError
)
