"""Payloads of NOTIFY: news in pieces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailwire.server.broker.codec import MAX_BYTES
from tailwire.server.broker.pieces import MAX_INCOMPLETE_ITEMS, MAX_PIECES, PIECE_BYTES, BadPiece, Pieces, payloads_of

MAX_PAYLOAD_BYTES = 7_999  # the longest payload that PostgreSQL accepts


@given(st.integers(0, 3 * PIECE_BYTES).map(lambda size: bytes(n % 251 for n in range(size))))
def test_data_of_any_size_is_reassembled_from_its_pieces(data: bytes):
    pieces = payloads_of("me", 7, data)
    assert all(len(piece) <= MAX_PAYLOAD_BYTES for piece in pieces)
    at_another = Pieces("other")
    assert [at_another.add(piece) for piece in pieces] == [None] * (len(pieces) - 1) + [data]


def test_data_of_the_largest_size_fits_into_the_allowed_pieces():
    pieces = payloads_of("a" * 16, 2**60, b"x" * MAX_BYTES)
    assert len(pieces) <= MAX_PIECES
    assert all(len(piece) <= MAX_PAYLOAD_BYTES for piece in pieces)
    at_another = Pieces("other")
    assert [at_another.add(piece) for piece in pieces][-1] == b"x" * MAX_BYTES


def test_equal_data_sent_twice_has_different_payloads():
    assert set(payloads_of("me", 1, b"x")).isdisjoint(payloads_of("me", 2, b"x"))


def test_payloads_of_the_own_process_are_ignored():
    (own,), (others,) = payloads_of("me", 1, b"x"), payloads_of("other", 1, b"x")
    pieces = Pieces("me")
    assert [pieces.add(payload) for payload in (own, others)] == [None, b"x"]


def test_data_with_a_missing_or_late_piece_is_dropped():
    first, second, third = payloads_of("me", 1, b"x" * (2 * PIECE_BYTES + 1))
    pieces = Pieces("other")
    assert [pieces.add(piece) for piece in (first, third, second)] == [None] * 3
    assert [pieces.add(piece) for piece in (first, second, third)][-1] is not None
    pieces.add(first)
    pieces.clear()
    assert [pieces.add(piece) for piece in (second, third)] == [None, None]


def test_oldest_incomplete_data_is_dropped_above_the_limit():
    pieces = Pieces("other")
    begun = [payloads_of("me", number, b"x" * (PIECE_BYTES + 1)) for number in range(MAX_INCOMPLETE_ITEMS + 1)]
    for first, _ in begun:
        pieces.add(first)
    assert pieces.add(begun[0][1]) is None
    assert pieces.add(begun[1][1]) is not None


@pytest.mark.parametrize("payload", ["", "x", "a:1:0/1", "a:1:x/1:eA==", "a:1:0/1:e", "a:1:2/2:eA==", "a:1:0/999:eA=="])
def test_payload_other_than_a_piece_is_refused(payload: str):
    with pytest.raises(BadPiece):
        Pieces("other").add(payload)
