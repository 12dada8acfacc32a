"""The acknowledged bytes of a TCP connection."""

from __future__ import annotations

import struct

from tailwire.wire.tcp_info import TCP_INFO_BYTES, bytes_acknowledged


def test_acknowledged_bytes_are_the_64_bits_at_offset_120():
    assert bytes_acknowledged(bytes(120) + struct.pack("Q", 5_000_000_000)) == 5_000_000_000
    assert TCP_INFO_BYTES == 128


def test_tcp_info_of_an_older_kernel_has_no_acknowledged_bytes():
    assert bytes_acknowledged(bytes(TCP_INFO_BYTES - 1)) is None
