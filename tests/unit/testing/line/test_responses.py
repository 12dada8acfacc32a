"""Responses in the server's place."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailwire.testing.line.responses import CannedResponse, RequestHead

UPGRADE = b"GET /?v=3.0 HTTP/1.1\r\nHost: a\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n\r\n"


def test_response_has_content_length_and_connection_close():
    sent = CannedResponse(503, {"Retry-After": "3600"}, b"back soon").to_bytes()
    head, _, body = sent.partition(b"\r\n\r\n")
    assert head.split(b"\r\n") == [
        b"HTTP/1.1 503 Service Unavailable",
        b"content-length: 9",
        b"connection: close",
        b"retry-after: 3600",
    ]
    assert body == b"back soon"


def test_given_headers_replace_the_defaults():
    assert b"content-length: 7" in CannedResponse(200, {"Content-Length": "7"}).to_bytes()


@pytest.mark.parametrize(
    "wrong",
    [{"status": 99}, {"status": 600}, {"status": 200, "headers": {"a": "b\r\nc: d"}},
     {"status": 200, "headers": {"": "b"}}, {"status": 200, "body": bytes(1_000_001)}],
)  # fmt: skip
def test_invalid_responses_are_refused(wrong):
    with pytest.raises(ValueError, match=r"status|header|body"):
        CannedResponse(**wrong)


@settings(deadline=None)
@given(st.integers(1, len(UPGRADE)))
def test_upgrade_is_detected_in_any_pieces(size: int):
    head = RequestHead()
    pieces = [UPGRADE[n : n + size] for n in range(0, len(UPGRADE), size)]
    assert [head.feed(piece) for piece in pieces] == [False] * (len(pieces) - 1) + [True]
    assert head.is_upgrade
    assert head.data == UPGRADE


@pytest.mark.parametrize(
    ("sent", "whole", "upgrade"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", True, False),
        (b"POST / HTTP/1.1\r\nHost: a\r\n\r\nUpgrade: websocket\r\n", True, False),
        (b"GET / HTTP/1.1\r\nUpgrade: h2c\r\n\r\n", True, False),
        (b"\x16\x03\x01", True, False),
        (b"x" * 70_000, True, False),
        (b"GET / HTTP/1.1\r\n", False, False),
    ],
)
def test_request_heads_of_other_forms_are_parsed(sent: bytes, whole: bool, upgrade: bool):
    head = RequestHead()
    assert head.feed(sent) is whole
    assert head.is_upgrade is upgrade
