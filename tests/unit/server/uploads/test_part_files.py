"""Incomplete files of several processes in one folder."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tailwire.server.ports.uploads import Picture
from tailwire.server.uploads import part_files
from tailwire.server.uploads.part_files import PartFile, PartFolder

WRITER = """
import sys
import threading
from pathlib import Path
from pathlib import Path
from tailwire.server.uploads.part_files import PartFile, PartFolder
file = PartFile(PartFolder(Path(sys.argv[1])))
file.write(b"incomplete")
file._file.flush()
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path):
    made = PartFolder(tmp_path / "uploads")
    yield made
    asyncio.run(made.close())


def parts(folder) -> list[str]:
    return sorted(path.suffix for path in folder.path.iterdir())


def test_sweep_removes_files_of_killed_processes_and_none_of_running_ones(folder):
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert writer.stdout is not None
    assert writer.stdin is not None
    try:
        assert writer.stdout.readline() == b"ready\n"
        folder.sweep()
        assert parts(folder) == [".lock", ".part"]
    finally:
        writer.kill()
        writer.wait()
        writer.stdin.close()
        writer.stdout.close()
    folder.sweep()
    assert parts(folder) == []


def test_sweep_keeps_the_files_of_a_process_that_starts_during_the_sweep(folder, monkeypatch):
    folder.path.mkdir()
    other = PartFolder(folder.path)
    (folder.path / ".ended.lock").touch()
    begun = []
    remove_lock = part_files._remove_lock

    def begin_meanwhile(path):
        begun.append(folder.path / f"{other.open()}.part")
        begun[-1].touch()
        return remove_lock(path)

    monkeypatch.setattr(part_files, "_remove_lock", begin_meanwhile)
    folder.sweep()
    assert begun
    assert all(part.exists() for part in begun)
    other.release()
    asyncio.run(other.close())


def test_sweep_keeps_the_files_of_its_own_process(folder):
    file = PartFile(folder)
    folder.sweep()
    assert parts(folder) == [".lock", ".part"]
    file.drop()
    file.drop()
    assert parts(folder) == []
    again = PartFile(folder)
    assert parts(folder) == [".lock", ".part"]
    again.drop()


def test_sweep_removes_parts_of_older_versions_and_keeps_complete_files(folder):
    folder.path.mkdir()
    (folder.path / ".12345-1.part").write_bytes(b"of a version without locks")
    (folder.path / "abc.txt").write_bytes(b"complete")
    folder.sweep()
    assert [path.name for path in folder.path.iterdir()] == ["abc.txt"]


@pytest.mark.skipif(not hasattr(os, "posix_fadvise"), reason="this system has no such call")
async def test_large_file_is_written_back_while_it_arrives(folder, monkeypatch):
    begun, honest = [], os.posix_fadvise

    def advise(descriptor: int, start: int, length: int, advice: int) -> None:
        assert advice == os.POSIX_FADV_DONTNEED
        begun.append(start)
        honest(descriptor, start, length, advice)

    monkeypatch.setattr(os, "posix_fadvise", advise)
    file, piece = PartFile(folder), os.urandom(64 * 1024)
    for _ in range(16):
        file.write(piece)
    await file.finish()
    assert begun == [0, 256 * 1024, 512 * 1024, 768 * 1024]
    assert next(folder.path.glob("*.part")).read_bytes() == 16 * piece
    file.drop()


class PlayedDecoder:
    """Stands in for the process that decodes: writes a thumbnail when it is told to go on."""

    def __init__(self) -> None:
        self.made: list[Path] = []
        self.began, self.may_end = threading.Event(), threading.Event()

    def make(self, source: Path, target: Path | None) -> Picture:
        self.made.append(source)
        self.began.set()
        assert self.may_end.wait(10)
        if target is not None:
            target.write_bytes(b"thumbnail")
        return Picture(1, 1, has_thumbnail=target is not None)

    def close(self) -> None:
        self.may_end.set()


async def test_thumbnail_of_a_cancelled_upload_is_removed_when_it_is_made(folder):
    decoder = folder.pictures.process = PlayedDecoder()
    uploads = [PartFile(folder) for _ in range(2)]
    measuring = [asyncio.create_task(upload.measure_picture()) for upload in uploads]
    assert await asyncio.to_thread(decoder.began.wait, 10)
    for task, upload in zip(measuring, uploads, strict=True):  # the second one waits for its turn
        task.cancel()
        assert await asyncio.gather(task, return_exceptions=True) != [None]
        upload.drop()
    decoder.may_end.set()
    await folder.pictures._threads.run(lambda: None)  # after the others
    assert parts(folder) == []
    assert decoder.made == [uploads[0]._path]


async def test_thumbnail_of_an_upload_stays_until_the_upload_is_dropped(folder):
    decoder = folder.pictures.process = PlayedDecoder()
    decoder.may_end.set()
    upload = PartFile(folder)
    assert await upload.measure_picture() == Picture(1, 1, has_thumbnail=True)
    assert parts(folder) == [".lock", ".part", ".part"]
    upload.drop()
    assert parts(folder) == []
