"""The client's side of the NATS protocol, without a socket: bytes in, events out, and the commands as bytes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

MAX_LINE_BYTES = 128 * 1024  # INFO of a large cluster is the longest line
MAX_PAYLOAD_BYTES = 8 * 1024 * 1024
PING, PONG = b"PING\r\n", b"PONG\r\n"
_SAFE = re.compile(r"[A-Za-z0-9_-]+")


class ProtocolError(ValueError):
    """The peer does not speak the protocol."""


@dataclass(frozen=True, slots=True)
class Info:
    """The facts that the server reports about itself."""

    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Message:
    """A message for one of our subscriptions."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class ServerError:
    """An error that the server reports. The server closes the connection after most errors."""

    text: str


@dataclass(frozen=True, slots=True)
class Ping:
    """The server asks for a `PONG`."""


@dataclass(frozen=True, slots=True)
class Pong:
    """The answer to a `PING`: everything that was sent before it is in effect."""


Event = Info | Message | ServerError | Ping | Pong


class Parser:
    """Turns the bytes of a connection into events."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._size = -1  # size of the payload that follows; -1 if a line follows

    def feed(self, data: bytes) -> Iterator[Event]:
        """Yield the events that the received bytes complete.

        Raises:
            ProtocolError: the bytes do not follow the protocol.
        """
        buffer = self._buffer
        buffer += data
        position = 0
        try:
            while True:
                if self._size >= 0:
                    end = position + self._size
                    if len(buffer) < end + 2:
                        return
                    if buffer[end : end + 2] != b"\r\n":
                        raise ProtocolError("a payload does not end where it should")
                    yield Message(bytes(buffer[position:end]))
                    position, self._size = end + 2, -1
                    continue
                end = buffer.find(b"\r\n", position)
                if end < 0:
                    if len(buffer) - position > MAX_LINE_BYTES:
                        raise ProtocolError("a line is too long")
                    return
                event = self._parse_line(bytes(buffer[position:end]))
                position = end + 2
                if event is not None:
                    yield event
        finally:
            del buffer[:position]

    def _parse_line(self, line: bytes) -> Event | None:
        kind, _, rest = line.partition(b" ")
        kind = kind.upper()
        if kind == b"MSG":
            size = rest.rpartition(b" ")[2]
            if rest.count(b" ") < 2 or not size.isdigit() or len(size) > 9 or int(size) > MAX_PAYLOAD_BYTES:
                raise ProtocolError(f"not a message: {line[:80]!r}")
            self._size = int(size)
            return None
        if kind == b"PING":
            return Ping()
        if kind == b"PONG":
            return Pong()
        if kind == b"INFO":
            try:
                return Info(msgspec.json.decode(rest, type=dict[str, Any]))
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as e:
                raise ProtocolError("INFO is not JSON") from e
        if kind == b"-ERR":
            return ServerError(rest.decode(errors="replace").strip("'"))
        if kind == b"+OK":
            return None
        raise ProtocolError(f"not a line of NATS: {line[:80]!r}")


def connect(options: dict[str, Any]) -> bytes:
    """Return the command that introduces the client."""
    return b"CONNECT %b\r\n" % msgspec.json.encode(options)


def sub(subject: str, number: int) -> bytes:
    """Return the command that subscribes to a subject."""
    return b"SUB %b %d\r\n" % (subject.encode(), number)


def unsub(number: int) -> bytes:
    """Return the command that ends a subscription."""
    return b"UNSUB %d\r\n" % number


def pub(subject: str, payload: bytes) -> bytes:
    """Return the command that publishes a payload."""
    return b"PUB %b %d\r\n%b\r\n" % (subject.encode(), len(payload), payload)


def token(text: str) -> str:
    """Return a text as a part of a subject, encoded without separators, wildcards and line breaks."""
    return text if _SAFE.fullmatch(text) else "=" + text.encode().hex()
