"""Responses that the proxy sends in the server's place, and the request heads on which that depends. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

MAX_HEAD_BYTES = 65_536
MAX_BODY_BYTES = 1_000_000
END_OF_HEAD = b"\r\n\r\n"
TLS_RECORD_TYPE = b"\x16"  # the first byte of a TLS handshake


@dataclass(frozen=True)
class CannedResponse:
    """A fixed HTTP response.

    Attributes:
        status: the HTTP status, 200 to 599.
        headers: the headers; `Content-Length` and `Connection: close` are added when missing.
        body: the body, at most 1,000,000 bytes.

    Raises:
        ValueError: the status, a header or the body is invalid.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def __post_init__(self) -> None:
        if not 200 <= self.status <= 599:
            raise ValueError(f"status: give a number from 200 to 599, not {self.status}")
        if len(self.body) > MAX_BODY_BYTES:
            raise ValueError(f"body: at most {MAX_BODY_BYTES} bytes")
        for name, value in self.headers.items():
            if not name or not (name + value).isascii() or not (name + value).isprintable() or ":" in name:
                raise ValueError(f"header {name!r}: give a name and a value of printable ASCII characters")

    def to_bytes(self) -> bytes:
        """Return the response as HTTP/1.1 bytes."""
        try:
            reason = HTTPStatus(self.status).phrase
        except ValueError:
            reason = ""
        headers = {"content-length": str(len(self.body)), "connection": "close"}
        headers |= {name.lower(): value for name, value in self.headers.items()}
        lines = [f"HTTP/1.1 {self.status} {reason}".rstrip(), *(f"{n}: {v}" for n, v in headers.items())]
        return "\r\n".join(lines).encode("ascii") + END_OF_HEAD + self.body


class RequestHead:
    """The first bytes of a connection, collected until it is known what kind of request they are.

    Attributes:
        data: all bytes so far.
    """

    def __init__(self) -> None:
        self.data = b""

    def feed(self, data: bytes) -> bool:
        """Add received bytes. Return True once the kind is known, or more than `MAX_HEAD_BYTES` have come.

        The kind is known when the head of an HTTP request is complete, or at the first byte of TLS.
        """
        self.data += data
        return self.is_tls or END_OF_HEAD in self.data or len(self.data) > MAX_HEAD_BYTES

    @property
    def is_tls(self) -> bool:
        """Whether the connection is TLS, and so cannot be inspected."""
        return self.data[:1] == TLS_RECORD_TYPE

    @property
    def is_upgrade(self) -> bool:
        """Whether the request is a WebSocket upgrade."""
        head = self.data.partition(END_OF_HEAD)[0].lower().split(b"\r\n")
        fields = (line.partition(b":") for line in head[1:])
        return any(name.strip() == b"upgrade" and b"websocket" in value for name, _, value in fields)
