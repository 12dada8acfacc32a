"""Queries, bodies, problems."""

from __future__ import annotations

import pytest

from tailwire.server.ports.refusal import Refused
from tailwire.server.rest.api import strip_base
from tailwire.server.rest.edge import Query, problem, read_body


def test_queries():
    q = Query(b"a=1&flag=true&words=x,y,,z&empty=")
    assert (q.text("a"), q.text("none"), q.flag("flag"), q.flag("a"), q.flag("none")) == ("1", "", True, True, False)
    assert q.words("words") == ("x", "y", "z")
    assert q.number("none", "a", least=0, most=5) == 1
    assert q.number("empty", least=0, most=5, default=3) == 3


@pytest.mark.parametrize("value", [b"x", b"-1", b"6", b"1.5", b"9" * 30, b"%C2%B2"])
def test_numbers_that_are_none(value):
    with pytest.raises(Refused) as caught:
        Query(b"n=" + value).number("n", least=0, most=5)
    assert "n" in caught.value.details


def test_a_query_that_cannot_be_read():
    with pytest.raises(Refused):
        Query(b"\xff")
    with pytest.raises(Refused):
        Query(b"&".join(b"a=1" for _ in range(500)))


async def test_bodies():
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


def test_problems():
    status, body, headers = problem(Refused("ERR_TOO_MANY_REQUESTS", retry_after=1.2))
    assert (status, headers) == (429, [(b"retry-after", b"2")])
    assert b'"code":"ERR_TOO_MANY_REQUESTS"' in body


def test_bases():
    paths = ("/v3/messages", "/v3.0/messages", "/messages", "/v3", "/v4/messages")
    assert [strip_base(p) for p in paths] == ["/messages", "/messages", "/messages", "/v3", "/v4/messages"]
