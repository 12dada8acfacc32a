"""Why a socket ended or an attempt failed: one closed list.

The driver names the causes that it observed; the machine names those that it decided. How soon the client reconnects
depends on the kind of the cause alone, except that nothing waits after `NEW_TOKEN`.
"""

from __future__ import annotations

from enum import StrEnum

from tailwire.wire.close_codes import REFUSED_FROM, REFUSED_TO, CloseCode


class CauseKind(StrEnum):
    """The consequence of a cause for reconnecting (T5).

    Attributes:
        OURS: it affects this client alone, which reconnects at once.
        SHARED: it affects all clients at the same moment, so they spread their reconnects.
        TOKEN: the token is invalid; the client needs a new one.
        REFUSED: the server refused this client, which does not reconnect until `connect()` or another login.
        DECIDED: the app or its state ended the connection, so there is nothing to reconnect.
    """

    OURS = "ours"
    SHARED = "shared"
    TOKEN = "token"
    REFUSED = "refused"
    DECIDED = "decided"


class Cause(StrEnum):
    """Why the last socket ended or the last attempt failed."""

    NETWORK_CHANGED = "network_changed"
    SLEPT = "slept"
    PROBE_FAILED = "probe_failed"
    NEW_TOKEN = "new_token"
    HEARTBEAT_TIMEOUT = "heartbeat_timeout"
    SERVER_CLOSED = "server_closed"
    SERVER_RESTARTING = "server_restarting"
    SERVER_BUSY = "server_busy"
    CONNECTION_RESET = "connection_reset"
    CONNECTION_REFUSED = "connection_refused"
    NAME_LOOKUP_FAILED = "name_lookup_failed"
    NETWORK_UNREACHABLE = "network_unreachable"
    TLS_FAILED = "tls_failed"
    CERTIFICATE_EXPIRED = "certificate_expired"
    CERTIFICATE_WRONG_HOST = "certificate_wrong_host"
    CERTIFICATE_UNKNOWN_ISSUER = "certificate_unknown_issuer"
    CAPTIVE_PORTAL = "captive_portal"
    PROXY_REFUSED = "proxy_refused"
    NOT_OUR_SERVER = "not_our_server"
    WEBSOCKET_REFUSED = "websocket_refused"
    ATTEMPT_TIMEOUT = "attempt_timeout"
    BAD_ANSWER = "bad_answer"
    TOKEN_PROVIDER_FAILED = "token_provider_failed"
    TOKEN_REJECTED = "token_rejected"
    REFUSED = "refused"
    GAVE_UP = "gave_up"
    APP_IN_BACKGROUND = "app_in_background"
    WINDOW_EXPIRED = "window_expired"
    DISCONNECT_CALLED = "disconnect_called"
    LOGGED_OUT = "logged_out"
    LOGGED_IN_ANEW = "logged_in_anew"
    CLIENT_CLOSED = "client_closed"

    @property
    def kind(self) -> CauseKind:
        """The consequence of this cause for reconnecting."""
        return _KINDS.get(self, CauseKind.SHARED)


_KINDS = {
    Cause.NETWORK_CHANGED: CauseKind.OURS,
    Cause.SLEPT: CauseKind.OURS,
    Cause.PROBE_FAILED: CauseKind.OURS,
    Cause.NEW_TOKEN: CauseKind.OURS,
    Cause.TOKEN_REJECTED: CauseKind.TOKEN,
    Cause.REFUSED: CauseKind.REFUSED,
    Cause.GAVE_UP: CauseKind.REFUSED,
    Cause.APP_IN_BACKGROUND: CauseKind.DECIDED,
    Cause.WINDOW_EXPIRED: CauseKind.DECIDED,
    Cause.DISCONNECT_CALLED: CauseKind.DECIDED,
    Cause.LOGGED_OUT: CauseKind.DECIDED,
    Cause.LOGGED_IN_ANEW: CauseKind.DECIDED,
    Cause.CLIENT_CLOSED: CauseKind.DECIDED,
}

_REFUSED = frozenset({
    CloseCode.PROTOCOL_ERROR,
    CloseCode.UNSUPPORTED_DATA,
    CloseCode.INVALID_DATA,
    CloseCode.POLICY_VIOLATION,
    CloseCode.MESSAGE_TOO_BIG,
})  # fmt: skip


def cause_of_close(code: int | None) -> Cause:
    """Return the cause that a WebSocket close code stands for.

    Args:
        code: the code of the close frame, or None when the transport ended without one.

    Returns:
        `SERVER_RESTARTING` for 1012, `SERVER_BUSY` for 1013, `TOKEN_REJECTED` for 4501, `REFUSED` for the codes that
        forbid a retry (1002, 1003, 1007, 1008, 1009, and the rest of 4500 to 4999), `CONNECTION_RESET` without a code
        or with 1006, else `SERVER_CLOSED`.
    """
    if code is None or code == CloseCode.ABNORMAL:
        return Cause.CONNECTION_RESET
    if code == CloseCode.RESTARTING:
        return Cause.SERVER_RESTARTING
    if code == CloseCode.TRY_AGAIN_LATER:
        return Cause.SERVER_BUSY
    if code == CloseCode.TOKEN_REJECTED:
        return Cause.TOKEN_REJECTED
    if code in _REFUSED or REFUSED_FROM <= code <= REFUSED_TO:
        return Cause.REFUSED
    return Cause.SERVER_CLOSED
