"""The PROXY protocol, versions 1 and 2: a proxy starts a connection with a header that names the client's address.

Nothing is read beyond the header, because TLS or HTTP follow.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
MAX_LINE_BYTES = 107  # bytes of a header of version 1
MAX_ADDRESSES_BYTES = 2048  # bytes of a header of version 2 after its first 16
_IP_VERSIONS = {b"TCP4": 4, b"TCP6": 6}  # by the protocol that a header of version 1 names
_ADDRESSES = {0x11: (4, 12), 0x21: (6, 36)}  # family: IP version, and bytes of addresses and ports


class BadHeader(ValueError):
    """The received bytes are not a valid header of the PROXY protocol."""


def read_line(line: bytes) -> str:
    """Return the client's address in a header of version 1; "" if the proxy does not know it.

    Args:
        line: the complete line, including CR LF.

    Raises:
        BadHeader: if the line is invalid.
    """
    if len(line) > MAX_LINE_BYTES or not line.startswith(b"PROXY ") or not line.endswith(b"\r\n"):
        raise BadHeader("not a line of version 1")
    words = line[:-2].split(b" ")
    if words[1] == b"UNKNOWN":
        return ""
    if len(words) != 6 or words[1] not in _IP_VERSIONS or not all(_is_port(port) for port in words[4:]):
        raise BadHeader("an invalid line of version 1")
    try:
        client, server = (ipaddress.ip_address(word.decode("ascii")) for word in words[2:4])
    except ValueError as e:
        raise BadHeader("an invalid address") from e
    if not client.version == server.version == _IP_VERSIONS[words[1]] or getattr(client, "scope_id", None):
        raise BadHeader("addresses do not match the family")
    return str(client)


def _is_port(word: bytes) -> bool:
    return 0 < len(word) <= 5 and word.isdigit() and int(word) <= 65535


def more_bytes(head: bytes) -> int:
    """Return how many bytes of a header of version 2 follow after its first 16 bytes, which are `head`.

    Raises:
        BadHeader: if `head` does not begin such a header, or more than `MAX_ADDRESSES_BYTES` would follow.
    """
    size = int.from_bytes(head[14:16], "big")
    if len(head) != 16 or not head.startswith(SIGNATURE) or head[12] not in (0x20, 0x21) or size > MAX_ADDRESSES_BYTES:
        raise BadHeader("not a header of version 2")
    return size


def read_binary(head: bytes, more: bytes) -> str:
    """Return the client's address in a header of version 2; "" if it has no IP address (as that of a health check).

    Args:
        head: the first 16 bytes.
        more: the bytes after them.

    Raises:
        BadHeader: if the header is invalid.
    """
    if len(more) != more_bytes(head):
        raise BadHeader("an incomplete header of version 2")
    if head[12] == 0x20:  # LOCAL: a health check of the proxy
        return ""
    if head[13] not in _ADDRESSES:
        return ""
    version, size = _ADDRESSES[head[13]]
    if len(more) < size:
        raise BadHeader("too few bytes for the addresses")
    return str(ipaddress.ip_address(more[: 4 if version == 4 else 16]))


async def client_of(connection: socket.socket) -> str:
    """Read the header of a new connection. Return the client's address; "" if the header names none.

    This waits until the header is complete, without a timeout.

    Args:
        connection: a non-blocking socket.

    Raises:
        BadHeader: if the header is invalid or incomplete.
        OSError: if the connection is lost.
    """
    loop = asyncio.get_running_loop()
    begin = await _read_exactly(loop, connection, len(SIGNATURE))
    if begin == SIGNATURE:
        head = begin + await _read_exactly(loop, connection, 4)
        return read_binary(head, await _read_exactly(loop, connection, more_bytes(head)))
    if not begin.startswith(b"PROXY "):
        raise BadHeader("neither version 1 nor version 2")
    return read_line(await _receive_line(loop, connection, begin))


async def _receive_line(loop: asyncio.AbstractEventLoop, connection: socket.socket, begin: bytes) -> bytes:
    # Peek first, because bytes after the line must stay in the socket.
    line = begin
    while not line.endswith(b"\n"):
        if len(line) >= MAX_LINE_BYTES:
            raise BadHeader("a line without an end")
        try:
            data = connection.recv(MAX_LINE_BYTES - len(line), socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            data = b""
        end = data.find(b"\n") + 1 or len(data)
        line += connection.recv(end) if data else await _read_exactly(loop, connection, 1)
    return line


async def _read_exactly(loop: asyncio.AbstractEventLoop, connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        some = await loop.sock_recv(connection, size - len(data))
        if not some:
            raise BadHeader("the connection ended before its header")
        data += some
    return data
