"""Files and folders that only the user of the server may read."""

from __future__ import annotations

import logging
import os
import stat

import pytest

from tailwire.server import private_files

pytestmark = pytest.mark.skipif(os.name != "posix", reason="modes are those of POSIX")


@pytest.fixture(params=[0o000, 0o022])
def umask(request):
    before = os.umask(request.param)
    yield
    os.umask(before)


def mode(path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_files_are_private_with_any_umask(tmp_path, umask):
    folder = tmp_path / "a" / "b"
    private_files.make_folder(folder)
    private_files.create(folder / "created")
    private_files.write_whole(folder / "whole", b"x")
    private_files.open_new(folder / "opened").close()
    assert {mode(p) for p in (folder, folder.parent)} == {0o700}
    assert {mode(p) for p in folder.iterdir()} == {0o600}
    assert (folder / "whole").read_bytes() == b"x"


def test_loose_permissions_are_restricted_and_logged_once(tmp_path, caplog):
    files = [tmp_path / name for name in ("one", "two", "own")]
    for path in files:
        path.write_bytes(b"x")
        path.chmod(0o644)
    files[2].chmod(0o400)
    with caplog.at_level(logging.WARNING):
        private_files.tighten([*files, tmp_path / "none"])
        private_files.tighten(files)
    assert [mode(p) for p in files] == [0o600, 0o600, 0o400]
    assert [record.getMessage() for record in caplog.records] == [
        f"other users could read {files[0]} and 1 more: permissions are now restricted to this user"
    ]


def test_failed_write_leaves_no_file(tmp_path):
    (tmp_path / "there").mkdir()
    with pytest.raises(OSError, match="there"):
        private_files.write_whole(tmp_path / "there", b"x")
    assert [p.name for p in tmp_path.iterdir()] == ["there"]
