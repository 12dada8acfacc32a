"""Interpret HTTP responses, and tell whether the chat server sent them.

The server sends a JSON object (the envelope) with `data` and a 2xx status, or with `error` and one of its own codes.
Any other response comes from an intermediary (a sign-in page, a proxy, another server), so the server counts as not
reached. A gateway may answer a forwarded request itself with 408 or 5xx. So a response with such a status is taken as
the server's only if its code is one that the server sends with a 5xx status; whether the request was executed is
unknown then.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tailwire.sdk.connection.causes import Cause
from tailwire.sdk.exceptions import AnswerTooLarge, CometChatException, not_reached
from tailwire.sdk.io.failures import seconds_of
from tailwire.sdk.io.reading import ExcessiveJson, read_json
from tailwire.wire.catalogue import CATALOGUE
from tailwire.wire.codec import MAX_ID

MAX_BYTES = 4 * 1024 * 1024
"""The maximum size of a decompressed response in bytes. Parsing it blocks the app's event loop for up to 0.1 s. A page
of a hundred typical messages has a fiftieth of this size; larger pages are requested in parts (`calls.pages`)."""
MAX_HEAD_BYTES = 64 * 1024
"""The maximum number of bytes that are kept of a response that is too large."""
MAX_WAIT_SECONDS = 60.0
"""The longest Retry-After, in seconds, that is obeyed if the response is not the chat server's."""
ACCEPTED_ENCODING = "gzip"
"""The value of the `Accept-Encoding` header of requests."""
_CHUNK_BYTES = 1024 * 1024
_CODE = re.compile(r"(AUTH_)?ERR(_[A-Z0-9]+)+")
_ANY_FORMAT_WBITS = zlib.MAX_WBITS | 32

_ADVICE = {
    Cause.CAPTIVE_PORTAL: "sign in to the network with a browser, or check the host in the settings",
    Cause.PROXY_REFUSED: "check the reverse proxy in front of the server, and the proxy settings of this device",
    Cause.NOT_OUR_SERVER: "check that the host in the settings is a chat server",
}


def is_code(value: object) -> bool:
    """Return whether a value is an error code that a chat server sends.

    True for the codes of the catalogue except the SDK's own, and for unknown codes of the form `ERR_…` or `AUTH_ERR_…`.
    """
    if not isinstance(value, str):
        return False
    if value in CATALOGUE:
        return CATALOGUE[value].status > 0  # those without a status are the SDK's own
    return _CODE.fullmatch(value) is not None


def _is_sent_with(status: int, code: str) -> bool:
    # Whether the server sends this code with this status. Gateways that gave up on it send 408 or 5xx.
    if status == 408 or status >= 500:
        return code in CATALOGUE and CATALOGUE[code].status >= 500
    return status >= 400


class BadBody(ValueError):
    """A body cannot be read: it is too large, or cannot be decompressed. The message says why."""


class BodyTooLarge(BadBody):
    """A body has more than `MAX_BYTES` bytes.

    Attributes:
        head: its first bytes, at most `MAX_HEAD_BYTES`, decompressed.
    """

    def __init__(self, head: bytes) -> None:
        super().__init__(f"it has more than {MAX_BYTES} bytes")
        self.head = head


class Body:
    """The body of a response that is being received.

    Args:
        encoding: the Content-Encoding header, or "".

    Raises:
        BadBody: if the encoding was not requested.
    """

    def __init__(self, encoding: str) -> None:
        encoding = encoding.strip().lower()
        self._compressed = encoding not in ("", "identity")
        if self._compressed and encoding not in ("gzip", "x-gzip", "deflate"):
            raise BadBody(f"the content encoding {encoding[:40]!r} was not requested")
        self._decompressor = zlib.decompressobj(_ANY_FORMAT_WBITS)
        self._content = bytearray()
        self._received = 0

    def add(self, piece: bytes) -> None:
        """Add the next bytes as received, that is, still compressed.

        Raises:
            BadBody: if they cannot be decompressed.
            BodyTooLarge: if the body has more than `MAX_BYTES` bytes, compressed or decompressed.
        """
        self._received += len(piece)
        if self._received > MAX_BYTES:
            raise self._too_large()
        if not self._compressed:
            self._append(piece)
            return
        try:
            while piece:
                if self._decompressor.eof:
                    raise BadBody("data follows the end of the compressed stream")
                self._append(self._decompressor.decompress(piece, _CHUNK_BYTES))
                piece = self._decompressor.unconsumed_tail
        except zlib.error as e:
            raise BadBody(f"it does not match its Content-Encoding: {e}") from e

    def _append(self, piece: bytes) -> None:
        self._content += piece
        if len(self._content) > MAX_BYTES:
            raise self._too_large()

    def _too_large(self) -> BodyTooLarge:
        head = bytes(self._content[:MAX_HEAD_BYTES])
        self._content.clear()
        return BodyTooLarge(head)

    def content(self) -> bytes:
        """Return the complete body, decompressed. Call it after the last `add()`.

        Raises:
            BadBody: if the compressed stream is truncated.
        """
        if self._compressed and self._content and not self._decompressor.eof:
            raise BadBody("the compressed stream is truncated")
        return bytes(self._content)


class ListWithMeta(list[Any]):
    """The list in a response of the server, with the metadata from the `meta` object of the response.

    Attributes:
        mark: identifies the run of the server from one start to the next; part of a position. "" if there is none.
        changes: what the response says about the server's change log; None if it says nothing. `dispatch.missed`
            decodes it.
        pruned: the highest id of a missed message that the server has removed because of its age; 0 if none.
    """

    mark: str = ""
    changes: Mapping[str, Any] | None = None
    pruned: int = 0


def mark_of(listed: list[Any]) -> str:
    """Return the `mark` of a `ListWithMeta`; "" for any other list."""
    return listed.mark if isinstance(listed, ListWithMeta) else ""


def changes_of(listed: list[Any]) -> Mapping[str, Any] | None:
    """Return the `changes` of a `ListWithMeta`, about the server's change log; None for any other list."""
    return listed.changes if isinstance(listed, ListWithMeta) else None


def until_of(listed: list[Any]) -> int:
    """Return the `until` in the metadata of a list: the last message id before the user left a group; 0 without one."""
    until = (changes_of(listed) or {}).get("until")
    return until if isinstance(until, int) and 0 < until <= MAX_ID else 0


def pruned_of(listed: list[Any]) -> int:
    """Return the `pruned` of a `ListWithMeta`: the highest id of a message removed because of its age; 0 if none."""
    return listed.pruned if isinstance(listed, ListWithMeta) else 0


def with_meta(data: list[Any], mark: str, changes: Mapping[str, Any] | None, pruned: int = 0) -> ListWithMeta:
    """Return a `ListWithMeta` with the items of `data` and these attributes."""
    listed = ListWithMeta(data)
    listed.mark, listed.changes, listed.pruned = mark, changes, pruned
    return listed


def _attach_meta(data: Any, meta: Any) -> Any:
    if not isinstance(data, list) or not isinstance(meta, dict):
        return data
    mark, changes, pruned = meta.get("mark"), meta.get("changes"), meta.get("pruned")
    pruned_id = 0
    if isinstance(pruned, str) and pruned.isascii() and pruned.isdecimal() and len(pruned) < 20:
        pruned_id = int(pruned)
    return with_meta(
        data,
        mark if isinstance(mark, str) else "",
        changes if isinstance(changes, dict) else None,
        pruned_id if pruned_id <= MAX_ID else 0,
    )


@dataclass(frozen=True, slots=True)
class Answer:
    """A response, before it is known who sent it.

    Attributes:
        host: the host to which the request was sent.
        status: the HTTP status.
        content_type: the Content-Type header in lower case; "" without one.
        retry_after: the Retry-After header; None without one.
        content: the body, decompressed.
    """

    host: str
    status: int
    content_type: str
    retry_after: str | None
    content: bytes

    def data(self) -> Any:
        """Return the `data` in the JSON body. A list is returned as a `ListWithMeta` if the body has a `meta` object.

        Raises:
            CometChatException: with the server's code if it refused the request; `NO_INTERNET_CONNECTION` if the
                response is not from the chat server; `ERR_ANSWER_TOO_LARGE` if it may be, but is too large to read.
        """
        try:
            envelope = read_json(self.content)
        except ExcessiveJson as e:
            raise self.too_large_error(str(e), self.content[:MAX_HEAD_BYTES]) from e
        except ValueError as e:
            raise self.not_ours_error() from e
        if isinstance(envelope, dict):
            if 200 <= self.status < 300 and "data" in envelope:
                return _attach_meta(envelope["data"], envelope.get("meta"))
            self._raise_error(envelope.get("error"))
        raise self.not_ours_error()

    def check_upload(self) -> None:
        """Check that this response accepts an upload.

        A file store is not the chat server, so any response with a 2xx status that is not HTML counts.

        Raises:
            CometChatException: as for `data`; `ERR_BAD_ERROR_RESPONSE` if a file store refuses with an error in XML.
        """
        if 200 <= self.status < 300 and "html" not in self.content_type:
            return
        if 400 <= self.status < 500 and "xml" in self.content_type and "html" not in self.content_type:
            words = self.content[:200].decode("utf-8", "replace")
            raise CometChatException("ERR_BAD_ERROR_RESPONSE", "The file store refused the upload.", words)
        self.data()
        raise self.not_ours_error()

    def _raise_error(self, error: Any) -> None:
        if isinstance(error, dict) and is_code(error.get("code")) and _is_sent_with(self.status, error["code"]):
            message, details = str(error.get("message") or error["code"]), error.get("details", "")
            raise CometChatException(error["code"], message, details, retry_after=seconds_of(self.retry_after))

    def too_large_error(self, problem: str, head: bytes) -> CometChatException:
        """Return the exception for a response that is too large to read.

        It is an `ERR_ANSWER_TOO_LARGE` for JSON with a 2xx status, which may be the chat server's, else the exception
        of `not_ours_error`.

        Args:
            problem: what is wrong with the response, for the details of the exception.
            head: its first bytes.
        """
        if 200 <= self.status < 300 and "json" in self.content_type:
            return AnswerTooLarge(f"{self.host}: {problem}", head)
        return self.not_ours_error(problem)

    def not_ours_error(self, problem: str = "") -> CometChatException:
        """Return the `NO_INTERNET_CONNECTION` for a response that is not from the chat server, with its likely cause.

        Args:
            problem: what else is wrong with the response, for the details of the exception; "" if nothing is.
        """
        cause = self._cause()
        kind = self.content_type[:80] or "no content type"
        details = f"{self.host} answered HTTP {self.status} ({kind}){', ' * bool(problem)}{problem}: {_ADVICE[cause]}."
        requested = seconds_of(self.retry_after)
        return not_reached(cause, details, retry_after=None if requested is None else min(requested, MAX_WAIT_SECONDS))

    def _cause(self) -> Cause:
        if 300 <= self.status < 400 or self.status == 511:
            return Cause.CAPTIVE_PORTAL
        if 200 <= self.status < 300 and "json" not in self.content_type:
            return Cause.CAPTIVE_PORTAL
        if self.status in (407, 429, 502, 503, 504):
            return Cause.PROXY_REFUSED
        return Cause.NOT_OUR_SERVER
