"""The protocol of NATS, as its documentation describes it."""

from __future__ import annotations

import contextlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailwire.server.broker.nats import parse_addresses
from tailwire.server.broker.nats_connection import Address
from tailwire.server.broker.nats_protocol import (
    MAX_LINE_BYTES,
    Info,
    Message,
    Parser,
    Ping,
    Pong,
    ProtocolError,
    ServerError,
    connect,
    pub,
    sub,
    token,
    unsub,
)

STREAM = (
    b'INFO {"server_id":"x","max_payload":100}\r\n+OK\r\nPING\r\nMSG a.b 9 5\r\nhello\r\nMSG a 1 reply.to 0\r\n\r\n'
    b"PONG\r\nMSG a 1 2\r\n\r\n\r\n-ERR 'Authorization Violation'\r\npong\r\n"
)
EVENTS = [
    Info({"server_id": "x", "max_payload": 100}),
    Ping(),
    Message(b"hello"),
    Message(b""),
    Pong(),
    Message(b"\r\n"),
    ServerError("Authorization Violation"),
    Pong(),
]


@given(st.lists(st.integers(0, len(STREAM)), max_size=20))
def test_events_are_the_same_wherever_the_bytes_are_cut(cuts: list[int]):
    places = [0, *sorted(cuts), len(STREAM)]
    parser = Parser()
    found = [event for a, b in pairwise(places) for event in parser.feed(STREAM[a:b])]
    assert found == EVENTS


@given(
    st.binary(max_size=200)
    | st.sampled_from([b"MSG ", b"INFO ", b"PING"]).flatmap(lambda b: st.binary().map(b.__add__))
)
def test_any_bytes_are_parsed_or_refused(data: bytes):
    with contextlib.suppress(ProtocolError):
        found = list(Parser().feed(data))
        assert {type(event) for event in found} <= {type(event) for event in EVENTS}


@pytest.mark.parametrize(
    "data",
    [b"HTTP/1.1 400\r\n", b"MSG a 1 x\r\n", b"MSG a 1 99999999\r\n", b"MSG a 1 -1\r\n", b"MSG 5\r\n", b"MSG a 1 1\r\nabc",
     b"INFO {\r\n", b'INFO {"\xc6":1}\r\n', b"INFO " + b"[" * 5000 + b"\r\n", b"x" * (MAX_LINE_BYTES + 1)],
)  # fmt: skip
def test_bytes_that_are_not_of_the_protocol_are_refused(data: bytes):
    with pytest.raises(ProtocolError):
        list(Parser().feed(data))


def test_commands_are_encoded_as_documented():
    assert connect({"verbose": False}) == b'CONNECT {"verbose":false}\r\n'
    assert sub("a.b", 7) == b"SUB a.b 7\r\n"
    assert unsub(7) == b"UNSUB 7\r\n"
    assert pub("a", b"h\r\n") == b"PUB a 3\r\nh\r\n\r\n"


@given(st.text())
def test_token_of_a_subject_has_no_separator_wildcard_or_line_break(text: str):
    part = token(text)
    assert part
    assert not set(part) & set(" .*>\r\n\t")
    assert part.isascii()


@given(st.lists(st.text(max_size=10), unique=True))
def test_different_texts_have_different_tokens(texts: list[str]):
    texts = sorted({*texts, *map(token, texts), "a", "A", "a.b", "=61", "", "*", "é"})
    assert len({token(text) for text in texts}) == len(texts)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("nats://host", [Address("host", 4222, secure=False)]),
        ("tls://host:1", [Address("host", 1, secure=True)]),
        ("nats://a,b:2", [Address("a", 4222, secure=False), Address("b", 2, secure=False)]),
        ("nats://u:p%40x@host", [Address("host", 4222, False, "u", "p@x")]),
        ("nats://secret@host", [Address("host", 4222, False, "", "", "secret")]),
        ("nats://u:p@a,b", [Address("a", 4222, False, "u", "p"), Address("b", 4222, False, "u", "p")]),
        ("nats://[::1]:5", [Address("::1", 5, secure=False)]),
        ("nats://s@a:1,nats://t@b", [Address("a", 1, False, "", "", "s"), Address("b", 4222, False, "", "", "t")]),
        ("nats://u:p@a,nats://b", [Address("a", 4222, False, "u", "p"), Address("b", 4222, False, "u", "p")]),
        ("nats://u:p@a,tls://v:q@b", [Address("a", 4222, False, "u", "p"), Address("b", 4222, True, "v", "q")]),
    ],
)
def test_addresses_are_parsed_from_urls(url: str, expected: list[Address]):
    assert parse_addresses(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "redis://host", "host", "nats://", "nats://host:x", "nats://host/path", "nats://a,,b", "nats://a:0",
        "nats://a:65536", "nats://a,redis://b", "nats://[::1", "nats://[host]",
    ],
)  # fmt: skip
def test_invalid_urls_are_refused(url: str):
    with pytest.raises(ValueError):
        parse_addresses(url)


@pytest.mark.parametrize(
    "url",
    [
        "nats://user:pa55word", "nats://pa55word@a:1,pa55word@b", "nats://a:1,user:pa55word@b@c", "pa55word@host",
        "nats://user:pa55word@host:pa55word", "nats://a,user:pa55word",
    ],
)  # fmt: skip
def test_errors_about_an_invalid_url_contain_no_secret(url: str):
    with pytest.raises(ValueError, match=r"HOST|%40") as caught:
        parse_addresses(url)
    assert "pa55word" not in str(caught.value)
