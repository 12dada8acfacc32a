"""Files that arrive for a bucket, on a disk that cannot take them."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest

from tailwire.server import private_files
from tailwire.server.ports.refusal import Refused
from tailwire.server.uploads.s3 import S3Uploads


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EMFILE], ids=["full disk", "no descriptor"])
async def test_file_that_cannot_be_created_is_refused_and_leaves_nothing_behind(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def fail(path: Path) -> None:
        raise OSError(code, "it cannot be created")

    no_bucket: Any = None
    uploads = S3Uploads(tmp_path / "arriving", no_bucket, lambda: 0)
    with monkeypatch.context() as patch:
        patch.setattr(private_files, "open_new", fail)
        with pytest.raises(Refused, match="ERR_UNAVAILABLE"):
            uploads.begin()
    assert list((tmp_path / "arriving").iterdir()) == []  # the lock is released too
    uploads.begin().drop()
    assert list((tmp_path / "arriving").iterdir()) == []
