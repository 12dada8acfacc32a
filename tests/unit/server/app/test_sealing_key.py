"""The key that secrets are sealed with."""

from __future__ import annotations

import pytest

from tailwire.server.app.sealing_key import sealing_key


def test_it_is_made_once_and_read_by_its_owner_only(tmp_path):
    folder = tmp_path / "data"
    key = sealing_key(str(folder))
    assert len(key) == 32
    assert sealing_key(str(folder)) == key
    assert [file.name for file in folder.iterdir()] == ["webhooks.key"]
    assert (folder / "webhooks.key").stat().st_mode & 0o777 == 0o600
    assert sealing_key(str(tmp_path / "other")) != key


@pytest.mark.parametrize("content", ["", "ab", "no key", "zz" * 32])
def test_a_file_that_holds_no_key_is_left_alone(tmp_path, content):
    file = tmp_path / "webhooks.key"
    file.write_text(content)
    with pytest.raises(OSError, match=r"webhooks\.key holds no key"):
        sealing_key(str(tmp_path))
    assert file.read_text() == content
