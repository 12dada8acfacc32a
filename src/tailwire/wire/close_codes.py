"""The WebSocket close codes that the server sends and the SDK understands. IANA has registered those below 4000."""

from __future__ import annotations

from enum import IntEnum


class CloseCode(IntEnum):
    """Code of a close frame.

    Attributes:
        NORMAL: the side that closes no longer needs the connection.
        PROTOCOL_ERROR: a frame violates the WebSocket protocol.
        UNSUPPORTED_DATA: a binary frame arrived.
        ABNORMAL: the transport ended without a close frame; never sent.
        INVALID_DATA: a text frame is not UTF-8.
        POLICY_VIOLATION: too many invalid frames, or too many bytes before authentication.
        MESSAGE_TOO_BIG: a message exceeds the size or fragment limit.
        RESTARTING: the server shuts down; clients reconnect within the announced window.
        TRY_AGAIN_LATER: the client is too slow, or its address sent too many invalid tokens.
        NOT_AUTHENTICATED: the first frame of the client was not an auth frame.
        AUTH_TIMEOUT: no auth frame arrived in time.
        SILENT: the client sent nothing for too long, and did not answer a ping.
        WINDOW_EXPIRED: the app stayed in the background without a ping for longer than the background window.
        FLOODING: the client exceeded the frame rate.
        TOKEN_REJECTED: the token is invalid, revoked or expired; the client must log in again or renew it.
    """

    NORMAL = 1000
    PROTOCOL_ERROR = 1002
    UNSUPPORTED_DATA = 1003
    ABNORMAL = 1006
    INVALID_DATA = 1007
    POLICY_VIOLATION = 1008
    MESSAGE_TOO_BIG = 1009
    RESTARTING = 1012
    TRY_AGAIN_LATER = 1013
    NOT_AUTHENTICATED = 4003
    AUTH_TIMEOUT = 4008
    SILENT = 4009
    WINDOW_EXPIRED = 4010
    FLOODING = 4029
    TOKEN_REJECTED = 4501


REFUSED_FROM, REFUSED_TO = 4500, 4999
"""The range of codes, both inclusive, with which a server refuses a client permanently. The exception is
`TOKEN_REJECTED`, after which the client may connect with a new token."""
