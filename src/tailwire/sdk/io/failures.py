"""Map errors of the network and of requests to causes.

Imports no network library, because the client imports those in a thread. `websocket` decides what a refused upgrade
means, and `answers` what an HTTP response means.
"""

from __future__ import annotations

import errno
import math
import re
import socket
import ssl
import sys
from collections.abc import Sequence

from tailwire.sdk.connection.causes import Cause
from tailwire.sdk.exceptions import CometChatException


class WireClosed(Exception):
    """The socket has ended.

    Attributes:
        cause: why it ended.
    """

    def __init__(self, cause: Cause) -> None:
        super().__init__(cause)
        self.cause = cause


class AttemptError(Exception):
    """An attempt failed.

    Attributes:
        cause: why it failed.
        wait: Retry-After of the response in seconds, or None.
        ours: whether the response came from the chat server itself, not from an intermediary.
        details: what was seen, such as an HTTP status and the proxy's name; "" if there is nothing to add.
        unexplained: whether the WebSocket failed to open for an unknown reason, as in a web page.
    """

    def __init__(
        self,
        cause: Cause,
        wait: float | None = None,
        *,
        ours: bool = False,
        details: str = "",
        unexplained: bool = False,
    ) -> None:
        super().__init__(cause, details)
        self.unexplained = unexplained
        self.cause = cause
        self.wait = wait
        self.ours = ours
        self.details = details


def seconds_of(retry_after: str | None) -> float | None:
    """Return the seconds in a Retry-After header, at least 0; None if it is missing or not a number, such as a date."""
    try:
        seconds = float(retry_after) if retry_after else None
        return max(0.0, seconds) if seconds is not None and math.isfinite(seconds) else None
    except ValueError:
        return None


def cause_of_error(error: BaseException) -> Cause:
    """Return the cause that a network error, or else an error in its `__cause__` or `__context__`, stands for.

    Returns `CONNECTION_RESET` if none of them stands for another.
    """
    cause: BaseException | None = error
    while cause is not None:
        meaning = _cause_of_one(cause)
        if meaning is not None:
            return meaning
        cause = cause.__cause__ or cause.__context__
    text = str(error)
    if "Name or service not known" in text or "nodename nor servname" in text or "getaddrinfo" in text:
        return Cause.NAME_LOOKUP_FAILED
    if "Connect call failed" in text or "connection attempts failed" in text:
        return Cause.CONNECTION_REFUSED
    return Cause.CONNECTION_RESET


MAX_ERROR_CHARACTERS = 500
"""The maximum length of what `describe_refusal` returns."""

_ADVICE = {
    Cause.CONNECTION_REFUSED: "Check the host and the port, and that the server is running (tailwire serve).",
    Cause.NAME_LOOKUP_FAILED: "Check how the host is written, and the network.",
    Cause.CERTIFICATE_EXPIRED: "Set this device's clock, or renew the server's certificate.",
    Cause.CERTIFICATE_WRONG_HOST: "Use the host name that the certificate is for.",
    Cause.CERTIFICATE_UNKNOWN_ISSUER: (
        "Trust its issuer: AppSettingsBuilder().certificate_authority(FILE); that of `tailwire serve "
        "--tls-self-signed` is development-cert.pem in its data folder."
    ),
}


_PAGE_ADVICE = (
    "The browser does not say why; its console may. Check the network, the host, that the server is running, that it "
    "allows the page's origin, and that a page loaded by https asks a server by https."
)


def advice_for(cause: Cause, details: str, url: str) -> str:
    """Return a sentence that tells the developer what to check when a URL was not reached.

    Args:
        cause: why it was not reached.
        details: the text of the error.
        url: the URL.
    """
    if sys.platform == "emscripten":
        return _PAGE_ADVICE
    if cause is Cause.TLS_FAILED and any(
        words in details for words in ("WRONG_VERSION", "RECORD_LAYER", "HTTP_REQUEST")
    ):
        return "The server does not speak TLS there: write http:// before the host (without a scheme it is https)."
    if cause is Cause.CONNECTION_RESET and url.startswith("http://"):
        return "If the server speaks TLS there, write https:// before the host; otherwise try again."
    return _ADVICE.get(cause, "Check the network and the host, then try again.")


# `SSLCertVerificationError.verify_code`: of OpenSSL, then of truststore on macOS and on Windows.
_CERTIFICATES = {
    **dict.fromkeys((9, 10, -67818, -67819, 0x800B0101), Cause.CERTIFICATE_EXPIRED),
    **dict.fromkeys((62, 64, -67602, 0x800B010F), Cause.CERTIFICATE_WRONG_HOST),
    **dict.fromkeys((2, 18, 19, 20, 21, 27, -67843, 0x800B0109, 0x800B010A), Cause.CERTIFICATE_UNKNOWN_ISSUER),
}

# If several addresses were tried: the most telling cause first.
_MOST_TELLING_FIRST = (
    Cause.CONNECTION_REFUSED,
    Cause.ATTEMPT_TIMEOUT,
    Cause.CONNECTION_RESET,
    Cause.NETWORK_UNREACHABLE,
    Cause.NAME_LOOKUP_FAILED,
)


def _cause_of_one(error: BaseException) -> Cause | None:
    # None: the error alone tells nothing; what it was raised from may.
    meaning: Cause | None = None
    if isinstance(error, BaseExceptionGroup):
        meaning = _most_telling([_cause_of_one(one) for one in error.exceptions])
    elif isinstance(error, ssl.SSLCertVerificationError):
        meaning = _CERTIFICATES.get(error.verify_code, Cause.TLS_FAILED)
    elif isinstance(error, ssl.SSLError):
        meaning = Cause.TLS_FAILED
    elif any(kind.__name__ == "ProxyError" for kind in type(error).__mro__):  # of httpx2, httpcore2 and websockets
        meaning = Cause.PROXY_REFUSED
    elif isinstance(error, socket.gaierror | UnicodeError):  # UnicodeError: an invalid host name
        meaning = Cause.NAME_LOOKUP_FAILED
    elif isinstance(error, OSError):
        meaning = _cause_of_errno(error)
    return meaning


def _cause_of_errno(error: OSError) -> Cause | None:
    if isinstance(error, ConnectionRefusedError):
        return Cause.CONNECTION_REFUSED
    if isinstance(error, TimeoutError):
        return Cause.ATTEMPT_TIMEOUT
    if error.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN):
        return Cause.NETWORK_UNREACHABLE
    # asyncio reports several addresses only as text: "Multiple exceptions: [Errno 101] …, [Errno 111] …".
    numbers = re.findall(r"\[Errno (\d+)\]", str(error)) if error.errno is None else []
    return _most_telling([_cause_of_errno(OSError(int(number), "")) for number in numbers])


def _most_telling(meanings: Sequence[Cause | None]) -> Cause | None:
    return next((cause for cause in _MOST_TELLING_FIRST if cause in meanings), None)


_TOKEN_CODES = frozenset({
    "AUTH_ERR_AUTH_TOKEN_NOT_FOUND", "AUTH_ERR_EMPTY_AUTH_TOKEN", "ERR_AUTH_TOKEN_EXPIRED", "ERR_UID_NOT_FOUND",
    "USER_NOT_AUTHORISED",
})  # fmt: skip


def describe_refusal(e: CometChatException) -> str:
    """Return a server's refusal of a request in one line: code, message and details."""
    return " ".join(f"{e.code}: {e.message} {e.details}".split())[:MAX_ERROR_CHARACTERS]


def attempt_error_of(e: CometChatException, extra: str = "") -> AttemptError:
    """Return the `AttemptError` for an attempt to connect that failed because one of its requests failed.

    Args:
        e: the exception of the request.
        extra: text to put before the details of the error, such as the HTTP status; "" for none.
    """
    if e.code == "NO_INTERNET_CONNECTION":
        return AttemptError(e.cause or cause_of_error(e), e.retry_after, details=str(e.details or e.message))
    details = f"{extra}: {describe_refusal(e)}" if extra else describe_refusal(e)
    if e.code in _TOKEN_CODES:
        return AttemptError(Cause.TOKEN_REJECTED, details=details)
    if e.code in ("ERR_TOO_MANY_REQUESTS", "ERR_UNAVAILABLE"):
        return AttemptError(Cause.SERVER_BUSY, e.retry_after, ours=True, details=details)
    if e.code in ("AUTH_ERR_INVALID_APPID", "AUTH_ERR_EMPTY_APPID"):
        return AttemptError(Cause.REFUSED, details=details)
    return AttemptError(Cause.BAD_ANSWER, details=details)
