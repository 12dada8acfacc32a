"""Bodies that strict parsers refuse are read all the same: nothing that is done with all messages ends at one of them."""

from __future__ import annotations

import json

import pytest

from tailwire.server.store.bodies import read_body, write_body

DEEP = b"[" * 5000 + b"]" * 5000


@pytest.mark.parametrize(
    "odd",
    [rb'"\ud800"', b'"\xff"', b"9" * 5000, DEEP, b"1" + b"0" * 30],
    ids=["half a pair", "no text", "long", "deep", "large"],
)
def test_what_an_earlier_version_let_in_is_read_and_written(odd):
    message = read_body(b'{"sender":"alice","data":{"x":%b}}' % odd)
    assert message["sender"] == "alice"
    message["sender"] = "bob"
    written = write_body(message)
    assert written.startswith(b'{"sender":"bob","data":{"x":')
    assert json.loads(written) == message == read_body(written)


def test_what_is_no_json_is_nothing():
    assert read_body(b'{"sender":') is None
