"""The PROXY protocol, versions 1 and 2: what a proxy says of a connection before the connection's own first byte.

Nothing is read beyond the header: what follows is TLS or HTTP, and somebody else's.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
MAX_LINE = 107
MAX_MORE = 2048
_V1 = {b"TCP4": 4, b"TCP6": 6}
_ADDRESSES = {0x11: (4, 12), 0x21: (6, 36)}  # of TCP over IPv4 and IPv6: version, and bytes of addresses and ports


class BadHeader(ValueError):
    """What came is no header of the PROXY protocol."""


def read_line(line: bytes) -> str:
    """Return the client's address by a header of version 1; "" where the proxy does not know it.

    Args:
        line: whole, with its end.

    Raises:
        BadHeader: when it is none.
    """
    if len(line) > MAX_LINE or not line.startswith(b"PROXY ") or not line.endswith(b"\r\n"):
        raise BadHeader("no line of version 1")
    words = line[:-2].split(b" ")
    if words[1] == b"UNKNOWN":
        return ""
    if len(words) != 6 or words[1] not in _V1 or not all(_is_port(port) for port in words[4:]):
        raise BadHeader("a line of version 1 that cannot be read")
    try:
        client, server = (ipaddress.ip_address(word.decode("ascii")) for word in words[2:4])
    except ValueError as e:
        raise BadHeader("an address that is none") from e
    if not client.version == server.version == _V1[words[1]] or getattr(client, "scope_id", None):
        raise BadHeader("an address of another family")
    return str(client)


def _is_port(word: bytes) -> bool:
    return 0 < len(word) <= 5 and word.isdigit() and int(word) <= 65535


def more_bytes(head: bytes) -> int:
    """Return how many bytes a header of version 2 has beyond its first 16.

    Raises:
        BadHeader: when there are too many, or the version is another one.
    """
    size = int.from_bytes(head[14:16], "big")
    if len(head) != 16 or not head.startswith(SIGNATURE) or head[12] not in (0x20, 0x21) or size > MAX_MORE:
        raise BadHeader("no header of version 2")
    return size


def read_binary(head: bytes, more: bytes) -> str:
    """Return the client's address by a header of version 2; "" where the proxy speaks for itself or names none.

    Raises:
        BadHeader: when it is none.
    """
    if len(more) != more_bytes(head):
        raise BadHeader("a header of version 2 that is not whole")
    if head[12] == 0x20:  # the proxy's own: it looks whether the server is there
        return ""
    if head[13] not in _ADDRESSES:
        return ""
    version, size = _ADDRESSES[head[13]]
    if len(more) < size:
        raise BadHeader("too few bytes for its addresses")
    return str(ipaddress.ip_address(more[: 4 if version == 4 else 16]))


async def client_of(connection: socket.socket) -> str:
    """Read the header of a new connection; return the client's address, or "" where the proxy does not know it.

    Args:
        connection: which does not block.

    Raises:
        BadHeader: when what comes is none, or ends before it is whole.
        OSError: when the connection is lost.
    """
    loop = asyncio.get_running_loop()
    begin = await _exactly(loop, connection, len(SIGNATURE))
    if begin == SIGNATURE:
        head = begin + await _exactly(loop, connection, 4)
        return read_binary(head, await _exactly(loop, connection, more_bytes(head)))
    if not begin.startswith(b"PROXY "):
        raise BadHeader("neither version 1 nor 2")
    return read_line(await _line(loop, connection, begin))


async def _line(loop: asyncio.AbstractEventLoop, connection: socket.socket, begin: bytes) -> bytes:
    # What is there is looked at before it is taken: behind the line something else begins.
    line = begin
    while not line.endswith(b"\n"):
        if len(line) >= MAX_LINE:
            raise BadHeader("a line without end")
        try:
            seen = connection.recv(MAX_LINE - len(line), socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            seen = b""
        end = seen.find(b"\n") + 1 or len(seen)
        line += connection.recv(end) if seen else await _exactly(loop, connection, 1)
    return line


async def _exactly(loop: asyncio.AbstractEventLoop, connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        some = await loop.sock_recv(connection, size - len(data))
        if not some:
            raise BadHeader("it ended before its header")
        data += some
    return data
