"""The file with an app's keys."""

from __future__ import annotations

import os
import stat

import pytest

from tailwire.server.app.key_file import Keys, key_file, read_keys, write_keys

KEYS = Keys("app", "auth", "rest")


def test_keys_are_read_back_and_only_readable_by_their_owner(tmp_path):
    file = key_file(str(tmp_path))
    before = os.umask(0)
    try:
        write_keys(file, KEYS)
    finally:
        os.umask(before)
    assert read_keys(file, "app") == KEYS
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [f.name for f in tmp_path.iterdir()] == ["keys.json"]


@pytest.mark.parametrize("text", [None, "", "{}", "[1]", "null", '{"app_id": 5}', '{"app_id": "another"}', "\xff"])
def test_missing_or_invalid_key_file_yields_no_keys(tmp_path, text):
    file = key_file(str(tmp_path))
    if text is not None:
        file.write_text(text, encoding="latin-1")
    assert read_keys(file, "app") == Keys("app")


def test_repr_shows_no_keys():
    assert "auth" not in repr(Keys("app", "auth", "rest")).replace("auth_key", "")
    assert "rest" not in repr(KEYS)
