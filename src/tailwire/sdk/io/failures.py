"""How the world fails, and what it means. Imports no library: it is loaded with the client, sockets are not."""

from __future__ import annotations

import errno
import socket
import ssl

from tailwire.sdk.connection.causes import Cause


class WireClosed(Exception):
    """The socket has ended; `cause` says how."""

    def __init__(self, cause: Cause) -> None:
        super().__init__(cause)
        self.cause = cause


class AttemptError(Exception):
    """An attempt failed.

    Attributes:
        cause: how it failed.
        wait: seconds that whoever answered asked to wait, or None.
        ours: whether the chat server itself asked for that, and not something in between.
    """

    def __init__(self, cause: Cause, wait: float | None = None, *, ours: bool = False) -> None:
        super().__init__(cause)
        self.cause = cause
        self.wait = wait
        self.ours = ours


def seconds_of(retry_after: str | None) -> float | None:
    """A Retry-After header in seconds; None when there is none that says seconds."""
    try:
        return max(0.0, float(retry_after)) if retry_after else None
    except ValueError:
        return None


def cause_of_error(error: BaseException) -> Cause:
    """What an error of the network means; looks at what it was raised from, too."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLError):
            return Cause.TLS_FAILED
        if isinstance(seen, socket.gaierror):
            return Cause.NAME_LOOKUP_FAILED
        if isinstance(seen, ConnectionRefusedError):
            return Cause.CONNECTION_REFUSED
        if isinstance(seen, TimeoutError):
            return Cause.ATTEMPT_TIMEOUT
        if isinstance(seen, OSError) and seen.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN):
            return Cause.NETWORK_UNREACHABLE
        seen = seen.__cause__ or seen.__context__
    text = str(error)
    if "Name or service not known" in text or "nodename nor servname" in text or "getaddrinfo" in text:
        return Cause.NAME_LOOKUP_FAILED
    if "Connect call failed" in text or "connection attempts failed" in text:
        return Cause.CONNECTION_REFUSED
    return Cause.CONNECTION_RESET
