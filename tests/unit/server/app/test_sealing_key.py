"""The file with the key that encrypts secrets."""

from __future__ import annotations

import pytest

from tailwire.server.app.sealing_key import sealing_key


def test_key_is_created_once_and_only_readable_by_its_owner(tmp_path):
    folder = tmp_path / "data"
    key = sealing_key(str(folder))
    assert len(key) == 32
    assert sealing_key(str(folder)) == key
    assert [file.name for file in folder.iterdir()] == ["webhooks.key"]
    assert (folder / "webhooks.key").stat().st_mode & 0o777 == 0o600
    assert sealing_key(str(tmp_path / "other")) != key


@pytest.mark.parametrize("content", ["", "ab", "no key", "zz" * 32])
def test_file_without_a_valid_key_is_not_replaced(tmp_path, content):
    file = tmp_path / "webhooks.key"
    file.write_text(content)
    with pytest.raises(OSError, match=r"webhooks\.key holds no key"):
        sealing_key(str(tmp_path))
    assert file.read_text() == content
