"""The PROXY protocol: valid and invalid headers, and that nothing is read beyond them."""

from __future__ import annotations

import asyncio
import ipaddress
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailwire.server.app.proxy_protocol import (
    MAX_LINE_BYTES,
    SIGNATURE,
    BadHeader,
    client_of,
    more_bytes,
    read_binary,
    read_line,
)
from tailwire.testing.virtual.loop import virtual_run


def version_2(command: int, family: int, body: bytes) -> bytes:
    return SIGNATURE + bytes([command, family]) + len(body).to_bytes(2, "big") + body


TCP4 = bytes([192, 0, 2, 1, 10, 0, 0, 1]) + b"\x12\x34\x01\xbb"
TCP6 = ipaddress.ip_address("2001:db8::1").packed + ipaddress.ip_address("::1").packed + b"\x12\x34\x01\xbb"

GOOD = [
    (b"PROXY TCP4 192.0.2.1 10.0.0.1 56324 443\r\n", "192.0.2.1"),
    (b"PROXY TCP6 2001:db8::1 ::1 56324 443\r\n", "2001:db8::1"),
    (b"PROXY UNKNOWN\r\n", ""),
    (b"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n", ""),
    (version_2(0x21, 0x11, TCP4), "192.0.2.1"),
    (version_2(0x21, 0x21, TCP6), "2001:db8::1"),
    (version_2(0x21, 0x11, TCP4 + b"\x04\x00\x03abc"), "192.0.2.1"),  # with bytes after the addresses
    (version_2(0x20, 0x00, b""), ""),  # LOCAL
    (version_2(0x21, 0x00, b""), ""),
    (version_2(0x21, 0x31, b"x" * 216), ""),  # a unix socket
]
BAD = [
    b"GET / HTTP/1.1\r\nhost: x\r\n\r\n",
    b"PROXY TCP4 192.0.2.1 10.0.0.1 56324\r\n",
    b"PROXY TCP4 192.0.2.1 10.0.0.1 56324 70000\r\n",
    b"PROXY TCP4 2001:db8::1 ::1 56324 443\r\n",
    b"PROXY TCP4 192.0.2.1  10.0.0.1 1 2\r\n",
    b"PROXY TCP6 fe80::1%eth0 ::1 56324 443\r\n",
    b"PROXY TCP4 192.0.2.01 10.0.0.1 1 2\r\n",
    b"PROXY TCP4 192.0.2.1 10.0.0.1 1 2\n",
    b"PROXY " + b"x" * 200,
    version_2(0x31, 0x11, TCP4),
    version_2(0x22, 0x11, TCP4),
    version_2(0x21, 0x11, TCP4[:-1]),
    version_2(0x21, 0x11, b"x" * 5000),
    b"PROXY TCP4 192",
    SIGNATURE,
    b"",
]


def read_client(data: bytes, pieces: int = 0) -> tuple[str, bytes]:
    """Return the client that is read from data, and the bytes left unread. The data comes in pieces, or at once."""

    async def main() -> tuple[str, bytes]:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            for end in (ours, theirs):
                end.setblocking(False)
            reading = asyncio.create_task(client_of(ours))
            step = pieces or len(data) or 1
            for at in range(0, len(data), step):
                theirs.send(data[at : at + step])
                await asyncio.sleep(0.01)
            theirs.shutdown(socket.SHUT_WR)
            client = await reading
            left = b""
            while some := ours.recv(10_000):
                left += some
            return client, left

    return virtual_run(main())


@pytest.mark.parametrize("pieces", [0, 1, 7])
@pytest.mark.parametrize(("header", "client"), GOOD)
def test_nothing_is_read_beyond_the_header(header, client, pieces):
    behind = b"\x16\x03\x01 or GET / HTTP/1.1\r\n\r\n"
    assert read_client(header + behind, pieces) == (client, behind)


@pytest.mark.parametrize("data", BAD)
def test_invalid_headers_are_refused(data):
    with pytest.raises(BadHeader):
        read_client(data)


@given(st.binary(max_size=MAX_LINE_BYTES + 20))
def test_any_line_of_version_1_yields_an_address_or_none_or_is_refused(rest):
    try:
        client = read_line(b"PROXY " + rest)
    except BadHeader:
        return
    if client:
        ipaddress.ip_address(client)


@given(st.binary(min_size=4, max_size=4), st.binary(max_size=300))
def test_any_bytes_of_version_2_yield_an_address_or_none_or_are_refused(head, more):
    try:
        client = read_binary(SIGNATURE + head, more)
    except BadHeader:
        return
    assert len(more) == more_bytes(SIGNATURE + head)
    if client:
        ipaddress.ip_address(client)


@given(st.sampled_from((4, 6)), st.data(), st.integers(0, 65535), st.integers(0, 65535))
def test_every_address_is_read_from_headers_of_both_versions(version, data, port, at):
    client, server = data.draw(st.ip_addresses(v=version)), data.draw(st.ip_addresses(v=version))
    assert read_line(f"PROXY TCP{version} {client} {server} {port} {at}\r\n".encode()) == str(client)
    body = client.packed + server.packed + port.to_bytes(2, "big") + at.to_bytes(2, "big")
    assert read_binary(version_2(0x21, 0x11 if version == 4 else 0x21, body)[:16], body) == str(client)
