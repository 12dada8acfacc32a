"""What a server sends is read, whatever stands in it; what is no JSON is told apart from what nobody could read."""

from __future__ import annotations

import json

import pytest

from tailwire.sdk.io.reading import MAX_TRIMMED, TooMuch, read_frame, read_json

DEEP, LONG = "[" * 5000 + "]" * 5000, "9" * 5000


@pytest.mark.parametrize("read", [read_json, read_frame])
def test_the_rest_is_read(read):
    for text in (f'{{"a":{DEEP},"b":[{LONG},1],"c":"{LONG}\\ud800"}}', f'\n{{"b":[{LONG},1],"a":{DEEP},"c":"x"}} '):
        for sent in (text, text.encode()):
            found = read(sent)
            assert found["b"] == [None, 1]
            assert str(found["a"]).startswith("[[[")


@pytest.mark.parametrize("read", [read_json, read_frame])
@pytest.mark.parametrize("text", ["", "{", DEEP[:5000], "[" + LONG, b"\xff", "no", DEEP + "x"])
def test_what_is_no_json_is_told_as_such(read, text):
    with pytest.raises(ValueError) as caught:
        read(text)
    assert not isinstance(caught.value, TooMuch)


def test_what_is_large_is_not_looked_through():
    with pytest.raises(TooMuch):
        read_json("[" * MAX_TRIMMED + "]" * MAX_TRIMMED)


def test_a_frame_and_something_behind_it():
    with pytest.raises(ValueError, match="behind"):
        read_frame('{"a":1} {}')
    assert read_frame(' {"a":1}\n') == json.loads('{"a":1}')
