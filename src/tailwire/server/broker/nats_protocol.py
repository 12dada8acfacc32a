"""The client's side of the NATS protocol, without a socket: a parser of received bytes, and commands as bytes."""

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
    """The received bytes do not follow the NATS protocol."""


@dataclass(frozen=True, slots=True)
class Info:
    """The server's description of itself (INFO), which is the first thing that it sends, and may be sent again.

    Attributes:
        fields: the JSON object, with items such as `max_payload` and `tls_required`.
    """

    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Message:
    """A message for one of the client's subscriptions. Its subject is not kept."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class ServerError:
    """An error that the server reports. The server closes the connection after most errors."""

    text: str


@dataclass(frozen=True, slots=True)
class Ping:
    """The server sent a ping, which the client must answer with `PONG`."""


@dataclass(frozen=True, slots=True)
class Pong:
    """The server answers a `PING` of the client: it has handled all commands that were sent before that."""


Event = Info | Message | ServerError | Ping | Pong


class Parser:
    """Turns the bytes that a server sends over one connection into events."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._size = -1  # size of the payload that follows; -1 if a line follows

    def feed(self, data: bytes) -> Iterator[Event]:
        """Process received bytes, and yield the events that they complete. Incomplete ones wait for the next call.

        This is a generator: nothing happens until it is iterated, which must be done to its end.

        Raises:
            ProtocolError: the bytes do not follow the protocol. The parser must not be used further.
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
    """Return the command that authenticates the client, with options such as `name`, `user` and `pass`."""
    return b"CONNECT %b\r\n" % msgspec.json.encode(options)


def sub(subject: str, number: int) -> bytes:
    """Return the command that subscribes to a subject.

    Args:
        subject: the NATS subject, already encoded with `token`.
        number: an id for the subscription, chosen by the client and unique on its connection.
    """
    return b"SUB %b %d\r\n" % (subject.encode(), number)


def unsub(number: int) -> bytes:
    """Return the command that ends the subscription with the number that was given to `sub`."""
    return b"UNSUB %d\r\n" % number


def pub(subject: str, payload: bytes) -> bytes:
    """Return the command that publishes a payload to a subject, which must be encoded with `token`."""
    return b"PUB %b %d\r\n%b\r\n" % (subject.encode(), len(payload), payload)


def token(text: str) -> str:
    """Return a text encoded for use as one part of a NATS subject (a part has no dots, wildcards or white space).

    Texts of letters, digits, - and _ stay as they are; others become `=` and their UTF-8 in hexadecimal.
    """
    return text if _SAFE.fullmatch(text) else "=" + text.encode().hex()
