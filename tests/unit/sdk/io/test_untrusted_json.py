"""Untrusted JSON files: the limits of size, depth and numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tailwire.sdk.io import untrusted_json
from tailwire.sdk.io.untrusted_json import BadJson, read_object


def test_object_is_read(tmp_path):
    file = tmp_path / "file.json"
    file.write_text('{"whole": -999999999999999999, "real": 1.5, "text": "ä"}', encoding="utf-8")
    assert read_object(file) == {"whole": -999_999_999_999_999_999, "real": 1.5, "text": "ä"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not JSON"),
        (b"\xff", "not JSON"),
        (b'{"a": ' + b"[" * 100_000, "not JSON"),
        (b"[]", "not a JSON object"),
        (b'{"a": 1000000000000000000000}', "more than 18 digits"),
        (b'{"a": 1000000000000000000}', "more than 18 digits"),
        (b'{"a": -1000000000000000000}', "more than 18 digits"),
        (b'{"a": 1e999}', "too large"),
        (b'{"a": -Infinity}', "invalid number: -Infinity"),
    ],
)
def test_invalid_content_is_refused(tmp_path, content, message):
    file = tmp_path / "file.json"
    file.write_bytes(content)
    with pytest.raises(BadJson, match=message):
        read_object(file)


def test_files_are_read_up_to_the_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(untrusted_json, "MAX_BYTES", 10)
    file = tmp_path / "file.json"
    file.write_text('{"a":  1 }')
    assert read_object(file) == {"a": 1}
    file.write_text('{"a":   1 }')
    with pytest.raises(BadJson, match="more than 10 bytes"):
        read_object(file)


def test_endless_file_is_refused(monkeypatch):
    monkeypatch.setattr(untrusted_json, "MAX_BYTES", 1000)
    with pytest.raises(BadJson, match="more than"):
        read_object(Path("/dev/zero"))
