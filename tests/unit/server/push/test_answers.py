"""Answers of push providers: what they ask for, within bounds."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tailwire.server.push.answers import MAX_ANSWER_BYTES, MAX_WAIT_SECONDS, object_in, read_body, wait_of

NOW = 1_000_000_000  # Sun, 09 Sep 2001 01:46:40 GMT


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("", 0), ("0", 0), (" 7 ", 7), ("999999", MAX_WAIT_SECONDS), ("9" * 5000, MAX_WAIT_SECONDS),
        ("Sun, 09 Sep 2001 01:46:41 GMT", 1), ("Sun, 09 Sep 2001 01:46:40 GMT", 0), ("Sun, 09 Sep 2001 01:00:00 GMT", 0),
        ("Mon, 10 Sep 2001 01:46:40 GMT", MAX_WAIT_SECONDS), ("soon", 0), ("-1", 0), ("\u0667", 0),
        ("Mon, 01 Jan 99999999999 00:00:00 GMT", 0), ("Mon, 01 Jan 2001 00:00:00 +99999999999", 0),
        ("Mon, 01 Jan 2001 99999999999:00:00 GMT", 0), ("Mon, 31 Dec 9999 23:59:59 -2359", MAX_WAIT_SECONDS),
    ],
)  # fmt: skip
def test_retry_after_is_read_as_seconds_or_a_date_and_bounded(header, seconds):
    assert wait_of({"retry-after": header}, NOW) == seconds


def test_answer_without_the_header_asks_for_no_wait():
    assert wait_of({}, NOW) == 0


class Response:
    def __init__(self, *pieces: bytes) -> None:
        self.pieces = pieces
        self.taken = 0

    async def aiter_raw(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            self.taken += 1
            yield piece


async def test_answer_of_a_push_provider_is_read_only_up_to_the_limit():
    assert await read_body(Response(b"{", b"}")) == b"{}"
    half = b"x" * (MAX_ANSWER_BYTES // 2)
    assert await read_body(Response(half, half)) == half + half
    long = Response(half, half, b"y", half, half)
    assert await read_body(long) == half + half
    assert long.taken == 3


@pytest.mark.parametrize(
    ("body", "found"),
    [(b'{"a":1}', {"a": 1}), (b"[1]", {}), (b"", {}), (b"<html>", {}), (b"[" * 100_000, {})],
)
def test_answer_that_is_not_a_json_object_counts_as_empty(body, found):
    assert object_in(body) == found
