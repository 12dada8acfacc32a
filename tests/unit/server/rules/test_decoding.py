"""Decoding of untrusted JSON: bounds, types, and details of refusals."""

from __future__ import annotations

import ast
from pathlib import Path

import msgspec
import pytest

import tailwire.server
from tailwire.server.gateway.frames import Transient, body_of, decode_frame
from tailwire.server.ports.refusal import Refused
from tailwire.server.rest.operations import parse
from tailwire.server.rules.decoding import check_no_nul, decode, decode_part


class Shape(msgspec.Struct):
    data: msgspec.Raw = msgspec.Raw(b"null")
    n: int = 0


DEEP, LONG, FAR = b"[" * 80 + b"]" * 80, b"9" * 5000, b"1e999"


@pytest.mark.parametrize(("bad", "problem"), [(DEEP, "64 deep"), (LONG, "64 digits"), (FAR, "floating point")])
def test_depth_and_numbers_are_bounded_in_bodies_and_in_frames(bad, problem):
    body = b'{"data":{"metadata":{"a":%b}},"body":{"data":{"a":%b}}}' % (bad, bad)
    for refused in (lambda: parse(body, Shape), lambda: decode_frame(body)):
        with pytest.raises(Refused) as caught:
            refused()
        assert (caught.value.code, caught.value.status) == ("ERR_BAD_REQUEST", 400)
        ((place, advice),) = caught.value.details.items()
        assert place.startswith("data.metadata.a")
        assert problem in advice


@pytest.mark.parametrize("part", [b'"\xff"', b"[" * 200_000 + b"]" * 200_000], ids=["not UTF-8", "too deep to read"])
def test_invalid_json_is_refused_also_in_parts_that_are_not_decoded(part):
    with pytest.raises(Refused, match="ERR_BAD_REQUEST"):
        decode(b'{"data":%b}' % part, Shape)


def test_nul_is_refused_anywhere_in_json():
    for text in (b'{"data":"a\\u0000b"}', b'{"data":{"\\u0000":1}}', b'{"data":["\\\\\\u0000"]}'):
        with pytest.raises(Refused, match="ERR_BAD_REQUEST") as caught:
            decode(text, Shape)
        assert "U+0000" in caught.value.details["body"]
    for text in (b'{"data":"\\\\u0000"}', b'{"data":"u0000 \\u0001"}'):
        assert decode(text, Shape).data


def test_nul_is_refused_in_texts_of_urls_and_forms():
    check_no_nul(["a", "", "\x01", "\\0"], "query")
    with pytest.raises(Refused, match="ERR_BAD_REQUEST") as caught:
        check_no_nul(["a", "b\0"], "query")
    assert "U+0000" in caught.value.details["query"]


@pytest.mark.parametrize("depth", [500, 990, 3000, 100_000])
def test_deep_nesting_is_refused(depth):
    for text in (b'{"data":' + b"[" * depth, b'{"data":' + b"[" * depth + b"]" * depth + b"}"):
        with pytest.raises(Refused, match="ERR_BAD_REQUEST"):
            decode(text, Shape)


@pytest.mark.parametrize("bad", [DEEP, LONG, FAR])
def test_refusal_of_an_excess_late_in_a_long_body_names_all_bounds(bad):
    body = b'{"data":[' + b"0," * 20_000 + bad + b"]}"
    with pytest.raises(Refused) as caught:
        decode(body, Shape)
    ((place, advice),) = caught.value.details.items()
    assert place == "body"
    assert all(bound in advice for bound in ("64 deep", "64 digits", "floating point"))


def test_details_of_an_invalid_body_name_its_field():
    for text, place in ((b"{", "body"), (b"\xff", "body"), (b'{"n":"x"}', "n"), (b'{"n":' + LONG + b"}", "n")):
        with pytest.raises(Refused) as caught:
            decode(text, Shape)
        assert list(caught.value.details) == [place]
    with pytest.raises(Refused) as caught:
        decode_part(b'{"n":"x"}', Shape, "data")
    assert list(caught.value.details) == ["data.n"]


def test_parts_of_valid_json_that_are_not_decoded_are_unchanged():
    sent = b'{"a":[{"b":12345678901234567890,"c":1e308,"d":"%b"}]}' % (b"9" * 100 + b"[" * 100)
    assert bytes(decode(b'{"data":%b}' % sent, Shape).data) == sent
    assert bytes(body_of(decode_frame(b'{"body":{"data":%b}}' % sent), Transient).data) == sent


def test_modules_of_rest_and_gateway_do_not_decode_json_themselves():
    home = Path(tailwire.server.__file__).parent
    found = []
    for path in [*home.glob("rest/*.py"), *home.glob("gateway/*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if called.endswith(("json.decode", "json.Decoder", "json.loads")):
                found.append((path.name, called))
    assert found == []
