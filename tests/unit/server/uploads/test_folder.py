"""The folder of uploads, if it is missing or cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from tailwire.server.uploads.folder import FolderUploads

NAME = "a" * 40 + ".png"


async def test_folder_that_is_missing_has_no_files(tmp_path: Path):
    uploads = FolderUploads(tmp_path / "uploads")
    try:
        assert await uploads.missing_names([NAME]) == [NAME]
        assert [batch async for batch in uploads.stored_files()] == []
    finally:
        await uploads.close()


async def test_files_of_a_folder_that_cannot_be_read_do_not_count_as_missing(tmp_path: Path):
    (tmp_path / "uploads").write_text("a file, which any user fails to read as a folder")
    uploads = FolderUploads(tmp_path / "uploads")
    try:
        with pytest.raises(NotADirectoryError):
            await uploads.missing_names([NAME])
        with pytest.raises(NotADirectoryError):
            await anext(uploads.stored_files())
    finally:
        await uploads.close()
