"""Bodies that strict parsers refuse can still be read, so that one of them cannot stop a pass over all messages."""

from __future__ import annotations

import json

import pytest

from tailwire.server.store.sql.bodies import read_body, write_body

DEEP = b"[" * 5000 + b"]" * 5000


@pytest.mark.parametrize(
    "odd",
    [rb'"\ud800"', b'"\xff"', b"9" * 5000, DEEP, b"1" + b"0" * 30],
    ids=["half a pair", "no text", "long", "deep", "large"],
)
def test_bodies_accepted_by_earlier_versions_are_read_and_written(odd):
    message = read_body(b'{"sender":"alice","data":{"x":%b}}' % odd)
    assert message["sender"] == "alice"
    message["sender"] = "bob"
    written = write_body(message)
    assert written.startswith(b'{"sender":"bob","data":{"x":')
    assert json.loads(written) == message == read_body(written)


def test_invalid_json_is_read_as_none():
    assert read_body(b'{"sender":') is None
