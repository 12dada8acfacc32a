"""The exception of the SDK: a code of the catalogue, what went wrong, and what to do next."""

from __future__ import annotations

from typing import Any

from tailwire.sdk.connection.causes import Cause
from tailwire.sdk.connection.explain import describe
from tailwire.wire.catalogue import CATALOGUE


class CometChatException(Exception):
    """A call failed (CometChat's class `CometChatException`).

    Attributes:
        code: a code of `tailwire.wire.catalogue`, or one that only the server knows.
        message: what went wrong.
        details: what to do next, as text; or the values that the server names, by field.
        retry_after: seconds to wait before trying again, as the server or a proxy asked; None if it did not.
        cause: why the server could not be reached; None for other errors.
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
        """The values that the server names, such as a limit; else empty (CometChat's `errorParams`)."""
        return dict(self.details) if isinstance(self.details, dict) else {}

    def __str__(self) -> str:
        return f"{self.code}: {self.message}" + (f" ({self.details})" if self.details else "")


class AnswerTooLarge(CometChatException):
    """The server's answer is too large or too deeply nested: `ERR_ANSWER_TOO_LARGE`.

    Attributes:
        problem: what is wrong with the answer.
        head: the first bytes of the answer, at most 64 KiB.
    """

    def __init__(self, problem: str, head: bytes) -> None:
        entry = CATALOGUE["ERR_ANSWER_TOO_LARGE"]
        super().__init__("ERR_ANSWER_TOO_LARGE", entry.message, f"{problem}. {entry.details}")
        self.problem = problem
        self.head = head


def failure(
    code: str, details: Any = None, *, retry_after: float | None = None, cause: Cause | None = None
) -> CometChatException:
    """Return an exception with the message and details that the catalogue has for a code.

    Args:
        code: a code of `tailwire.wire.catalogue`.
        details: replaces the details of the catalogue; None keeps them.
        retry_after: seconds after which the server asks to try again.
        cause: why the server could not be reached.
    """
    entry = CATALOGUE[code]
    text = entry.details if details is None else details
    return CometChatException(code, entry.message, text, retry_after=retry_after, cause=cause)


def not_reached(cause: Cause, details: str, *, retry_after: float | None = None) -> CometChatException:
    """Return the exception for a server that could not be reached: `NO_INTERNET_CONNECTION`, with the cause in words.

    Args:
        cause: why it could not be reached.
        details: what was observed, and what to do next.
        retry_after: seconds that a proxy, or whatever else answered, asked to wait.
    """
    words = describe(cause)
    message = f"{words[0].upper()}{words[1:]}."
    return CometChatException("NO_INTERNET_CONNECTION", message, details, retry_after=retry_after, cause=cause)


def init_failed(error: Exception) -> CometChatException:
    """Return the `ERR_CHAT_API_FAILURE` that `init()` raises for an invalid setting, with the text of `error`."""
    return failure("ERR_CHAT_API_FAILURE", f"{CATALOGUE['ERR_CHAT_API_FAILURE'].details} What is wrong: {error}.")
