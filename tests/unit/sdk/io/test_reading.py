"""JSON with unreadable parts is read without them; invalid JSON is refused."""

from __future__ import annotations

import json

import pytest

from tailwire.sdk.io.reading import MAX_TRIMMED_BYTES, ExcessiveJson, read_frame, read_json

DEEP, LONG = "[" * 5000 + "]" * 5000, "9" * 5000


@pytest.mark.parametrize("read", [read_json, read_frame])
def test_readable_parts_of_a_document_are_read(read):
    for text in (f'{{"a":{DEEP},"b":[{LONG},1],"c":"{LONG}\\ud800"}}', f'\n{{"b":[{LONG},1],"a":{DEEP},"c":"x"}} '):
        for sent in (text, text.encode()):
            found = read(sent)
            assert found["b"] == [None, 1]
            assert str(found["a"]).startswith("[[[")


@pytest.mark.parametrize("read", [read_json, read_frame])
@pytest.mark.parametrize("text", ["", "{", DEEP[:5000], "[" + LONG, b"\xff", "no", DEEP + "x"])
def test_invalid_json_is_reported_as_such(read, text):
    with pytest.raises(ValueError) as caught:
        read(text)
    assert not isinstance(caught.value, ExcessiveJson)


def test_large_document_with_an_unreadable_part_is_refused():
    with pytest.raises(ExcessiveJson):
        read_json("[" * MAX_TRIMMED_BYTES + "]" * MAX_TRIMMED_BYTES)


def test_data_after_a_frame_is_refused():
    with pytest.raises(ValueError, match="follows"):
        read_frame('{"a":1} {}')
    assert read_frame(' {"a":1}\n') == json.loads('{"a":1}')
