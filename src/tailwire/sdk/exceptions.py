"""The one exception that the SDK raises: a code of the catalogue, what went wrong, what to do now."""

from __future__ import annotations

from typing import Any

from tailwire.sdk.connection.causes import Cause
from tailwire.sdk.connection.explain import describe
from tailwire.wire.catalogue import CATALOGUE


class CometChatException(Exception):
    """A call failed (documented class `CometChatException`).

    Attributes:
        code: a code of the catalogue, or the server's own.
        message: what went wrong.
        details: what to do now; by field where the server says which field is wrong.
        retry_after: seconds after which it may work, where the server says so.
        cause: why the server was not reached, where that is what went wrong; else None.
    """

    __module__ = "tailwire"  # tracebacks show the name that an app imports

    def __init__(
        self,
        code: str,
        message: str,
        details: Any = "",
        *,
        retry_after: float | None = None,
        cause: Cause | None = None,
    ) -> None:
        super().__init__(code, message, details)
        self.code = code
        self.message = message
        self.details = details
        self.retry_after = retry_after
        self.cause = cause

    @property
    def error_params(self) -> dict[str, Any]:
        """What the server named by field or name, such as a limit; else empty (documented `errorParams`)."""
        return dict(self.details) if isinstance(self.details, dict) else {}

    def __str__(self) -> str:
        return f"{self.code}: {self.message}" + (f" ({self.details})" if self.details else "")


class AnswerTooLarge(CometChatException):
    """The server's answer is too large, or nests too deep, to be read: `ERR_ANSWER_TOO_LARGE`.

    Attributes:
        seen: what is wrong with it.
        head: how it begins, as far as it was kept.
    """

    def __init__(self, seen: str, head: bytes) -> None:
        entry = CATALOGUE["ERR_ANSWER_TOO_LARGE"]
        super().__init__("ERR_ANSWER_TOO_LARGE", entry.message, f"{seen}. {entry.details}")
        self.seen = seen
        self.head = head


def failure(
    code: str, details: Any = None, *, retry_after: float | None = None, cause: Cause | None = None
) -> CometChatException:
    """Return an exception with the catalogue's words.

    Args:
        details: other details than the catalogue's.
    """
    entry = CATALOGUE[code]
    said = entry.details if details is None else details
    return CometChatException(code, entry.message, said, retry_after=retry_after, cause=cause)


def not_reached(cause: Cause, details: str, *, retry_after: float | None = None) -> CometChatException:
    """Return the exception for a server that was not reached: `NO_INTERNET_CONNECTION`, with the cause in words.

    Args:
        cause: why it was not reached.
        details: what was seen, and what to do now.
        retry_after: seconds that whatever answered asked to wait.
    """
    words = describe(cause)
    message = f"{words[0].upper()}{words[1:]}."
    return CometChatException("NO_INTERNET_CONNECTION", message, details, retry_after=retry_after, cause=cause)


def init_failed(error: Exception) -> CometChatException:
    """Return what `init()` raises for a setting that is no good: the documented words, and what is wrong."""
    return failure("ERR_CHAT_API_FAILURE", f"{CATALOGUE['ERR_CHAT_API_FAILURE'].details} What is wrong: {error}.")
