"""Every value that exceeds a bound is found, and nothing else."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailwire.wire import bounds


def nested(depth: int, opening: str = "[", closing: str = "]") -> bytes:
    return (opening * depth + closing * depth).encode()


most = 10**bounds.MAX_DIGITS - 1
values = st.recursive(
    st.none() | st.booleans() | st.integers(-most, most) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=30,
)


@settings(deadline=None)
@given(value=values, ascii=st.booleans())
def test_ordinary_json_is_within_bounds(value, ascii):
    text = json.dumps(value, ensure_ascii=ascii).encode("utf-8", "replace")
    assert bounds.within_bounds(text)
    assert bounds.first_excess(text) is None
    assert bounds.trim(text) is text


@settings(deadline=None)
@given(value=values, depth=st.integers(1, 200), where=st.sampled_from(["list", "object", "both"]))
def test_excess_depth_is_found_among_other_values(value, depth, where):
    for n in range(depth):
        value = [value, "]["] if where == "list" or (where == "both" and n % 2) else {'{"': 1, "x": value}
    text = json.dumps(value).encode()

    def depth_of(inner: object) -> int:
        parts = inner if isinstance(inner, list) else list(inner.values()) if isinstance(inner, dict) else None
        return 0 if parts is None else 1 + max(map(depth_of, parts), default=0)

    good = depth_of(value) <= bounds.MAX_DEPTH
    assert bounds.within_bounds(text) is good
    assert (bounds.first_excess(text) is None) is good
    assert depth_of(json.loads(bounds.trim(text))) <= bounds.STORED_DEPTH


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}"), ('[{"[":', "}]")])
def test_maximum_depth_is_allowed(opening, closing):
    for extra, good in ((0, True), (1, False)):
        depth = (bounds.MAX_DEPTH + extra) if opening[0] != "[" or len(opening) == 1 else bounds.MAX_DEPTH // 2 + extra
        text = (opening * depth + "1" + closing * depth).encode()
        assert bounds.within_bounds(text) is good


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        ("9" * 64, ""),
        ("9" * 65, bounds.TOO_LONG),
        ("-" + "9" * 5000, bounds.TOO_LONG),
        ("0." + "1" * 65, bounds.TOO_LONG),
        ("1.7976931348623157e+308", ""),
        ("1e-999", ""),
        ("1e999", bounds.TOO_LARGE),
        ("-1E+999", bounds.TOO_LARGE),
        ("1e" + "0" * 70 + "5", bounds.TOO_LONG),
    ],
)
def test_numbers_out_of_bounds_are_found(number, advice):
    for text, place in ((f'{{"a":{{"b":[0,{number}]}}}}', "a.b.1"), (number, ""), (f"[{number} , 1]", "0")):
        found = bounds.first_excess(text.encode())
        assert bounds.within_bounds(text.encode()) is (not advice)
        assert (found.advice if found else "") == advice
        assert not advice or found.place == place
    text = json.dumps({"a": number, number: [f" {number}, "]}).encode()
    assert bounds.within_bounds(text), "what stands in a string is text"
    assert bounds.first_excess(text) is None


def test_excess_names_its_path():
    text = b'{"data":{"text":"[[","metadata":{"a":1,"b":[0,' + nested(70) + b"]}}}"
    assert bounds.first_excess(text).place == "data.metadata.b.1…"
    long = b'{"' + b"n" * 5000 + b'":' + b"9" * 99 + b"}"
    assert len(bounds.first_excess(long).place) == 50


def test_only_values_out_of_bounds_are_replaced_in_parseable_json():
    text = (
        b'{"id":"7","text":"' + b"9" * 5000 + b'","deep":' + nested(2000) + b',"n":[1,' + b"9" * 5000 + b'],"z":true}'
    )
    found = json.loads(bounds.parseable(text))
    assert (found["id"], found["text"], found["n"], found["z"]) == ("7", "9" * 5000, [1, None], True)
    assert isinstance(found["deep"], list)


def test_metadata_of_the_maximum_depth_stays_readable_in_a_stored_message():
    # Padded, because short texts are not checked.
    text = b'{"data":{"entities":{"on":{"entity":{"data":{"entities":{"sender":{"entity":{"metadata":'
    whole = text + nested(bounds.MAX_DEPTH) + b"}" * 9 + b" " * bounds.UNCHECKED_BYTES
    assert bounds.parseable(whole) is whole


def test_search_in_invalid_json_ends():
    for text in (
        b"",
        b'"',
        b'"\\',
        b"]]]]",
        b"[" * 200_000,
        b'"\\"' * 20_000,
        b"{" * 70 + b'"',
        b"1e9e999,",
        b"\xff" * 99,
    ):
        bounds.first_excess(text)
        bounds.trim(text)
        bounds.within_bounds(text)


def test_search_with_a_token_limit_ends_at_the_first_value_that_nests_too_deep():
    text = b"[" + nested(70) + b",1e999]"
    assert [found.advice for found in bounds.excesses(text, max_tokens=1000)] == [bounds.TOO_DEEP]
    assert [found.advice for found in bounds.excesses(text)] == [bounds.TOO_DEEP, bounds.TOO_LARGE]


def test_bounded_search_ends_before_a_late_excess():
    text = b"[" + b"0," * 20_000 + b"1e999]"
    assert bounds.first_excess(text) is None
    assert not bounds.within_bounds(text)


def test_many_adjacent_brackets_are_not_deep():
    assert bounds.within_bounds(b"[" + b"[{}]," * 500 + b"1]")
    assert bounds.within_bounds(b"[[" * 32 + b"]]" * 32 + b" " * 10)


def test_first_value_that_nests_too_deep_is_the_excess():
    for depth, found in ((64, []), (65, [(64, 66)]), (66, [(64, 68)])):
        text = b"[" * depth + b"]" * depth
        assert [(e.start, e.end) for e in bounds.excesses(text)] == found


@pytest.mark.parametrize(("digits", "advice"), [(64, []), (65, [bounds.TOO_LONG])])
def test_numbers_have_at_most_64_digits(digits, advice):
    text = b"[" + b"7" * digits + b"]"
    assert [e.advice for e in bounds.excesses(text)] == advice
    assert bounds.within_bounds(text) is (not advice)


@pytest.mark.parametrize(("names", "place"), [("abc", "a.b.c"), ("abcd", "a.b.c.d"), ("abcde", "a.b.c.d…")])
def test_path_of_an_excess_has_four_names_at_most(names, place):
    text = "7" * 65
    for name in reversed(names):
        text = f'{{"{name}":{text}}}'
    assert bounds.first_excess(text.encode()).place == place
