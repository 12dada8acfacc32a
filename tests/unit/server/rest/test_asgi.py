"""Bodies, queries, refusals, base paths."""

from __future__ import annotations

import pytest

from tailwire.server.ports.refusal import Refused
from tailwire.server.rest.api import strip_base
from tailwire.server.rest.asgi import error_response, pairs_of, read_body


def test_queries_are_decoded_and_invalid_ones_are_refused():
    assert pairs_of(b"") == {}
    assert pairs_of(b"a=1&a=2&b[]=x&empty=") == {"a": "2", "b": "x"}
    with pytest.raises(Refused):
        pairs_of(b"\xff")
    with pytest.raises(Refused):
        pairs_of(b"&".join(b"a=1" for _ in range(500)))


async def test_bodies_are_read_completely_up_to_the_limit():
    async def pieces(*parts):
        left = list(parts)

        async def receive():
            part = left.pop(0)
            return {"type": "http.request", "body": part, "more_body": bool(left)}

        return receive

    assert await read_body(await pieces(b"abc"), 3) == b"abc"
    assert await read_body(await pieces(b"a", b"b", b"c"), 3) == b"abc"
    for parts in ((b"abcd",), (b"ab", b"cd"), (b"ab", b"cd", b"never read")):
        with pytest.raises(Refused, match="ERR_TOO_LARGE"):
            await read_body(await pieces(*parts), 3)


def test_refusal_becomes_a_response_with_its_status_and_code_and_retry_time():
    status, body, headers = error_response(Refused("ERR_TOO_MANY_REQUESTS", retry_after=1.2))
    assert (status, headers) == (429, [(b"retry-after", b"2")])
    assert b'"code":"ERR_TOO_MANY_REQUESTS"' in body


def test_only_the_base_paths_of_version_3_are_stripped():
    paths = ("/v3/messages", "/v3.0/messages", "/messages", "/v3", "/v4/messages")
    assert [strip_base(p) for p in paths] == ["/messages", "/messages", "/messages", "/v3", "/v4/messages"]
