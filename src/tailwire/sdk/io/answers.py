"""What an HTTP answer says, and whether it is the chat server's at all.

Rules: only JSON with the envelope is the server's: `data` with a 2xx status, or `error` with a `code` of its own.
Whatever else answers stands in between (a sign-in page, a proxy, another server), and the server was not reached. An
answer of a status with which gateways end a request that was passed on (408, 5xx) refuses nothing: it counts as the
server's only with a code that the server sends with such a status, and those leave open whether the request was done.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from typing import Any

from tailwire.sdk.connection.causes import Cause
from tailwire.sdk.exceptions import AnswerTooLarge, CometChatException, not_reached
from tailwire.sdk.io.failures import seconds_of
from tailwire.sdk.io.reading import TooMuch, read_json
from tailwire.wire.catalogue import CATALOGUE

MOST = 4 * 1024 * 1024
"""Bytes of an answer, unpacked. The app's loop stands still while it is parsed, for up to 0.1 s at this size. A page of
a hundred messages of the usual size has a fiftieth of it; larger ones are asked for in parts (`calls.pages`)."""
HEAD = 64 * 1024
"""Bytes that are kept of an answer which is too large."""
MAX_WAIT = 60.0
"""Seconds that something which is not the chat server may ask to wait."""
ENCODING = "gzip"
"""What answers may be packed with (`Accept-Encoding`)."""
_PIECE = 1024 * 1024
_CODE = re.compile(r"(AUTH_)?ERR(_[A-Z0-9]+)+")
_ANY_FORMAT = zlib.MAX_WBITS | 32

_ADVICE = {
    Cause.CAPTIVE_PORTAL: "sign in to the network with a browser, or check the host in the settings",
    Cause.PROXY_REFUSED: "check the reverse proxy in front of the server, and the proxy settings of this device",
    Cause.NOT_OUR_SERVER: "check that the host in the settings is a chat server",
}


def is_code(value: object) -> bool:
    """Return whether a value is an error code as the server writes them (`ERR_…`), and not another service's."""
    if not isinstance(value, str):
        return False
    if value in CATALOGUE:
        return CATALOGUE[value].status > 0  # those without a status are the SDK's own
    return _CODE.fullmatch(value) is not None


def _says(status: int, code: str) -> bool:
    # Whether the server answers with this code and this status. Who gave up waiting for it answers 408 or 5xx.
    if status == 408 or status >= 500:
        return code in CATALOGUE and CATALOGUE[code].status >= 500
    return status >= 400


class BadBody(ValueError):
    """A body is packed in a way that cannot be read."""


class TooLarge(BadBody):
    """A body is too large.

    Attributes:
        head: how it begins.
    """

    def __init__(self, head: bytes) -> None:
        super().__init__(f"it has more than {MOST} bytes")
        self.head = head


class Body:
    """The body of an answer, as it comes in.

    Args:
        encoding: the header Content-Encoding, or "".
    """

    def __init__(self, encoding: str) -> None:
        encoding = encoding.strip().lower()
        self._packed = encoding not in ("", "identity")
        if self._packed and encoding not in ("gzip", "x-gzip", "deflate"):
            raise BadBody(f"the content encoding {encoding[:40]!r} was not asked for")
        self._unpack = zlib.decompressobj(_ANY_FORMAT)
        self._content = bytearray()
        self._came = 0

    def add(self, piece: bytes) -> None:
        """Take the next bytes as they came.

        Raises:
            BadBody: when they cannot be unpacked; `TooLarge`.
        """
        self._came += len(piece)
        if self._came > MOST:
            raise self._too_large()
        if not self._packed:
            self._append(piece)
            return
        try:
            while piece:
                if self._unpack.eof:
                    raise BadBody("something follows the end of what was packed")
                self._append(self._unpack.decompress(piece, _PIECE))
                piece = self._unpack.unconsumed_tail
        except zlib.error as e:
            raise BadBody(f"it does not match its Content-Encoding: {e}") from e

    def _append(self, piece: bytes) -> None:
        self._content += piece
        if len(self._content) > MOST:
            raise self._too_large()

    def _too_large(self) -> TooLarge:
        head = bytes(self._content[:HEAD])
        self._content.clear()
        return TooLarge(head)

    def content(self) -> bytes:
        """All of it, when no more comes.

        Raises:
            BadBody: when the end of what was packed is missing.
        """
        if self._packed and self._content and not self._unpack.eof:
            raise BadBody("the end of what was packed is missing")
        return bytes(self._content)


class Listed(list[Any]):
    """A list that the server answered, with what it says of it besides.

    Attributes:
        mark: of the server's start, for positions; "" when it gave none.
    """

    mark: str = ""


def mark_of(listed: list[Any]) -> str:
    """Return the mark that came with a list, or ""."""
    return listed.mark if isinstance(listed, Listed) else ""


def with_mark(data: list[Any], mark: str) -> Listed:
    """Return a list with the mark that came with it."""
    listed = Listed(data)
    listed.mark = mark
    return listed


def _listed(data: Any, meta: Any) -> Any:
    mark = meta.get("mark") if isinstance(meta, dict) else None
    return with_mark(data, mark) if isinstance(data, list) and isinstance(mark, str) else data


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, before it is known whose it is.

    Attributes:
        host: that was asked.
        content_type: the header, or "".
        retry_after: the header, or None.
    """

    host: str
    status: int
    content_type: str
    retry_after: str | None
    content: bytes

    def data(self) -> Any:
        """Return `data` of the envelope; a list that has a mark as `Listed`.

        Raises:
            CometChatException: with the server's code; `NO_INTERNET_CONNECTION` when the answer is not the server's;
                `ERR_ANSWER_TOO_LARGE` when it may be, and cannot be read.
        """
        try:
            envelope = read_json(self.content)
        except TooMuch as e:
            raise self.too_much(str(e), self.content[:HEAD]) from e
        except ValueError as e:
            raise self.not_ours() from e
        if isinstance(envelope, dict):
            if 200 <= self.status < 300 and "data" in envelope:
                return _listed(envelope["data"], envelope.get("meta"))
            self._raise_error(envelope.get("error"))
        raise self.not_ours()

    def check_upload(self) -> None:
        """Return when the place for uploads has taken a file; what it says besides is its own affair.

        Raises:
            CometChatException: as `data`; `ERR_BAD_ERROR_RESPONSE` when a file store refuses in words of its own.
        """
        if 200 <= self.status < 300 and "html" not in self.content_type:
            return
        if 400 <= self.status < 500 and "xml" in self.content_type and "html" not in self.content_type:
            words = self.content[:200].decode("utf-8", "replace")
            raise CometChatException("ERR_BAD_ERROR_RESPONSE", "The file store refused the upload.", words)
        self.data()
        raise self.not_ours()

    def _raise_error(self, error: Any) -> None:
        if isinstance(error, dict) and is_code(error.get("code")) and _says(self.status, error["code"]):
            message, details = str(error.get("message") or error["code"]), error.get("details", "")
            raise CometChatException(error["code"], message, details, retry_after=seconds_of(self.retry_after))

    def too_much(self, seen: str, head: bytes) -> CometChatException:
        """Return the exception for an answer that cannot be read for its size, or as `not_ours`.

        Args:
            seen: what is wrong with it.
            head: how it begins.
        """
        if 200 <= self.status < 300 and "json" in self.content_type:
            return AnswerTooLarge(f"{self.host}: {seen}", head)
        return self.not_ours(seen)

    def not_ours(self, seen: str = "") -> CometChatException:
        """Return the exception for an answer that is not the server's.

        Args:
            seen: what else is wrong with it.
        """
        cause = self._cause()
        kind = self.content_type[:80] or "no content type"
        details = f"{self.host} answered HTTP {self.status} ({kind}){', ' * bool(seen)}{seen}: {_ADVICE[cause]}."
        asked = seconds_of(self.retry_after)
        return not_reached(cause, details, retry_after=None if asked is None else min(asked, MAX_WAIT))

    def _cause(self) -> Cause:
        if 300 <= self.status < 400 or self.status == 511:
            return Cause.CAPTIVE_PORTAL
        if 200 <= self.status < 300 and "json" not in self.content_type:
            return Cause.CAPTIVE_PORTAL
        if self.status in (407, 429, 502, 503, 504):
            return Cause.PROXY_REFUSED
        return Cause.NOT_OUR_SERVER
