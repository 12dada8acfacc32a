"""The encoding of news between processes: what was encoded is decoded unchanged, and anything else is refused."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailwire.server.broker.codec import (
    MAX_BYTES,
    VERSION,
    UnknownNews,
    decode,
    encode_publication,
    encode_record,
)
from tailwire.server.ports.broker import (
    FramePublication,
    MembershipChange,
    PresenceAudience,
    Publication,
    Record,
    TokenRevoked,
)
from tailwire.server.ports.changes import Change

words = st.text(max_size=20)
audiences = st.builds(PresenceAudience, words, st.frozensets(words), st.frozensets(words), words)
publications = st.one_of(
    st.builds(
        FramePublication, st.binary(max_size=50), words, st.booleans(), st.integers(0, 2**62),
        st.none() | audiences, words, st.integers(0, 2**62), st.integers(0, 2**62),
        st.integers(0, 2**62),
    ),
    st.builds(TokenRevoked, words),
)  # fmt: skip
changes = st.builds(Change, st.integers(0, 2**62), words, words)


@given(words, publications)
def test_publication_is_decoded_as_it_was_encoded(subject: str, publication: Publication):
    assert decode(encode_publication(subject, publication)) == (subject, publication)


@given(st.integers(0, 2**62), st.integers(0, 2**62), st.lists(changes, max_size=3).map(tuple))
def test_record_is_decoded_as_it_was_encoded(first: int, last: int, changed: tuple[Change, ...]):
    assert decode(encode_record(Record(first, last, changed))) == Record(first, last, changed)


@given(st.binary(max_size=60) | st.binary(max_size=60).map(lambda data: VERSION + data))
def test_any_bytes_are_decoded_or_refused(data: bytes):
    try:
        decode(data)
    except UnknownNews:
        return
    assert data.startswith(VERSION)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x02" + encode_record(Record(1, 2))[1:],
        VERSION + msgspec.msgpack.encode(["new kind", "s", 1]),
        VERSION + msgspec.msgpack.encode(["frame", "s"]),
        encode_record(Record(1, 2))[:-1],
        VERSION + b"\x92\xa5frame\xa1\x91",
    ],
    ids=["nothing", "another version", "an unknown kind", "too few fields", "cut off", "not UTF-8"],
)
def test_data_that_is_malformed_or_of_another_version_is_refused_by_the_decoder(data: bytes):
    with pytest.raises(UnknownNews):
        decode(data)


def test_fields_that_a_newer_version_adds_are_ignored():
    fields = msgspec.msgpack.decode(encode_publication("s", TokenRevoked("t"))[1:])
    assert decode(VERSION + msgspec.msgpack.encode([*fields, "more"])) == ("s", TokenRevoked("t"))


def test_membership_changes_and_oversized_publications_are_not_encoded():
    assert encode_publication("s", MembershipChange("g", joined=True)) == b""
    assert encode_publication("s", FramePublication(b"x" * MAX_BYTES)) == b""
