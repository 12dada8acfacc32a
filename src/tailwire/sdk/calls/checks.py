"""Check the arguments of calls, and decode the server's answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import quote

from tailwire.sdk.exceptions import failure
from tailwire.wire.codec import DECODING_ERRORS
from tailwire.wire.identifiers import UNSENDABLE_TEXT, is_sendable

T = TypeVar("T")


def decoded(decode: Callable[[Any], T], value: Any) -> T:
    """Return `decode(value)`, where `value` is a part of the server's answer.

    Raises:
        CometChatException: `ERR_BAD_ERROR_RESPONSE` when the answer cannot be decoded.
    """
    try:
        return decode(value)
    except DECODING_ERRORS as e:
        raise failure("ERR_BAD_ERROR_RESPONSE", str(e)) from e


def quoted(name: object) -> str:
    """Return a uid, guid, token or reaction, percent-encoded as one segment of a URL's path.

    Raises:
        CometChatException: `ERR_INVALID_ARGUMENT` when it is not text, is empty, is not valid Unicode, or is `.` or
            `..`, which would name another path.
    """
    if not isinstance(name, str) or name in ("", ".", ".."):
        raise failure("ERR_INVALID_ARGUMENT", f"{name!r} is not a uid, guid or other name.")
    try:
        return quote(name, safe="")
    except UnicodeEncodeError as e:
        raise failure("ERR_INVALID_ARGUMENT", f"{name!r} is not a uid, guid or other name: {e.reason}.") from None


def checked_id(message_id: object) -> int:
    """Return the id of a stored message as an integer. The id may be given as an int, or as a str of digits.

    Raises:
        CometChatException: `ERROR_INVALID_MESSAGE_ID` when it is anything else, or not positive.
    """
    try:
        number = int(message_id) if isinstance(message_id, int | str) and message_id is not True else 0
    except (TypeError, ValueError, OverflowError):
        number = 0
    if number <= 0:
        raise failure("ERROR_INVALID_MESSAGE_ID")
    return int(number)


def checked_receiver(receiver: object, receiver_type: object) -> None:
    """Check that `receiver` is text, and `receiver_type` is `user` or `group`. An unknown uid or guid passes.

    Raises:
        CometChatException: `ERR_INVALID_RECEIVER_TYPE` unless the receiver type is `user` or `group`;
            `ERR_INVALID_ARGUMENT` when the receiver is not text.
    """
    if receiver_type not in ("user", "group"):
        raise failure("ERR_INVALID_RECEIVER_TYPE")
    if not isinstance(receiver, str):
        type_name = type(receiver).__name__
        raise failure(
            "ERR_INVALID_ARGUMENT", f"The receiver is a {type_name}: give the uid of a user, or the guid of a group."
        )


def checked_limit(limit: int, most: int = 100) -> int:
    """Return `limit`, the number of entries per page, unchanged. It has to be from 1 to `most`.

    Raises:
        CometChatException: `ERROR_NON_POSITIVE_LIMIT` below 1; `ERROR_LIMIT_EXCEEDED` above `most`.
    """
    if limit <= 0:
        raise failure("ERROR_NON_POSITIVE_LIMIT", f"Use a number from 1 to {most}.")
    if limit > most:
        raise failure("ERROR_LIMIT_EXCEEDED", f"Use a number from 1 to {most}.")
    return limit


def text_of(answer: Any) -> str:
    """Return the human-readable message in the server's answer to a successful call; "success" if it has none."""
    return str(answer.get("message") or answer.get("Message") or "success") if isinstance(answer, dict) else "success"


def check_secret(name: str, value: object) -> None:
    """Check a token or key, which is sent as an HTTP header.

    Args:
        name: the name of the argument, for the text of the error.

    Raises:
        CometChatException: `ERR_INVALID_ARGUMENT` when it is not text, or contains a character that cannot be sent.
    """
    if not isinstance(value, str):
        raise failure("ERR_INVALID_ARGUMENT", f"{name} is a {type(value).__name__}: give a str.")
    if not is_sendable(value):
        raise failure("ERR_INVALID_ARGUMENT", f"{name} contains {UNSENDABLE_TEXT}.")
