"""The disk is full or fails, the database is locked or read-only: no acknowledged message is lost, and it recovers."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from faults.crowd import Crowd
from faults.machine import Machine
from faults.traffic import Traffic
from harness import LiveStage
from tailwire import CometChatException, MediaMessage, TextMessage, UploadFile

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


class SmallDisk:
    """A disk that can be filled: a small tmpfs if this process may mount one, else a limit on file sizes."""

    def __init__(self, folder: Path, size: int) -> None:
        self.folder = folder
        folder.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tailwire-test", str(folder)]
        self.mounted = shutil.which("mount") is not None and subprocess.run(mount, capture_output=True).returncode == 0
        self._pid = 0

    def fill(self, pid: int) -> None:
        if self.mounted:
            with contextlib.suppress(OSError), (self.folder / "filler").open("wb", buffering=0) as file:
                while file.write(bytes(65536)):
                    pass
            return
        self._pid = pid
        largest = max(f.stat().st_size for f in self.folder.rglob("*") if f.is_file())
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (largest, resource.RLIM_INFINITY))

    def free(self) -> None:
        if self.mounted:
            (self.folder / "filler").unlink()
        else:
            resource.prlimit(self._pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    def protect(self) -> None:
        if self.mounted:
            subprocess.run(["mount", "-o", "remount,ro", str(self.folder)], check=True)
        else:
            for path in [*self.folder.rglob("*"), self.folder]:
                path.chmod(0o555 if path.is_dir() else 0o444)

    def close(self) -> None:
        if self.mounted:
            subprocess.run(["umount", "-l", str(self.folder)], check=True)
        else:
            for path in [self.folder, *self.folder.rglob("*")]:
                path.chmod(0o755)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    disk = SmallDisk(tmp_path / "disk", 12 * 1024 * 1024)
    yield disk
    disk.close()


@pytest.fixture
def on_disk(live: LiveStage, disk: SmallDisk) -> SmallDisk:
    """Put the server's data on the small disk."""
    live.server.data = disk.folder
    live.server._settings["TAILWIRE_MIN_FREE_DISK"] = "0"  # the small disk has less
    return disk


async def test_full_disk_refuses_writes_until_there_is_room(live: LiveStage, on_disk: SmallDisk):
    async with Crowd(live.server) as crowd, Traffic(live) as traffic:
        await traffic.until(20)
        on_disk.fill(live.server.pid)
        await live.server.until_logged("the store cannot write")
        await traffic.until_failure()
        assert set(traffic.failures) <= {"ERR_UNAVAILABLE", "NO_INTERNET_CONNECTION"}
        assert (await crowd.http.get("/health")).status_code == 503
        refused = await crowd.ask("POST", "/messages", "carol", json={"receiver": "bob", "receiverType": "user",
                                  "category": "message", "type": "text", "data": {"text": "x"}})  # fmt: skip
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "ERR_UNAVAILABLE")
        assert int(refused.headers["retry-after"]) >= 1
        with pytest.raises(CometChatException) as caught:
            await traffic.alice.chat.upload_attachments("bob", "user", [UploadFile(content=bytes(9_000_000), name="a")])
        assert caught.value.code in ("ERR_UNAVAILABLE", "NO_INTERNET_CONNECTION")
        assert [m.text async for m in traffic.bob.chat.messages(uid="alice", page_size=5)]  # reading still works
        on_disk.free()
        await live.server.until_logged("the store writes again")
        await traffic.until(20)
        assert (await crowd.http.get("/health")).status_code == 200
        assert await crowd.metric("tailwire_store_failures_total") >= 1
        assert not list((on_disk.folder / "uploads").glob(".*.part"))
        await traffic.alice.chat.send_media_message(
            MediaMessage(receiver="bob", type="file", files=[UploadFile(content=b"fits", name="a")])
        )
    assert not [line for line in live.server.log if "Traceback" in line]
    assert len([line for line in live.server.log if "the store cannot write" in line]) <= 3  # not one for each request
    await live.server.kill()
    await live.server.start()
    listed = [m async for m in traffic.bob.chat.messages(uid="alice", page_size=100)]
    history = {m.id: m.text for m in listed if isinstance(m, TextMessage)}
    assert {n: history.get(n) for n in traffic.acknowledged} == traffic.acknowledged


@pytest.mark.parametrize("error", [errno.EROFS, errno.EIO], ids=["read-only", "input/output error"])
async def test_disk_that_fails_refuses_writes_until_it_is_repaired(live: LiveStage, tmp_path: Path, error: int):
    """All writes fail, as on a damaged disk, until it is repaired."""
    await live.server.stop()
    machine = Machine(live, tmp_path)
    await live.server.start()
    async with Crowd(live.server) as crowd, Traffic(live) as traffic:
        await traffic.until(20)
        machine.disk_fails(error)
        await live.server.until_logged("the store cannot write")
        await traffic.until_failure()
        assert set(traffic.failures) <= {"ERR_UNAVAILABLE", "NO_INTERNET_CONNECTION"}
        assert (await crowd.http.get("/health")).status_code == 503
        with pytest.raises(CometChatException) as caught:
            await traffic.alice.chat.upload_attachments("bob", "user", [UploadFile(content=b"x" * 9000, name="a")])
        assert caught.value.code in ("ERR_UNAVAILABLE", "NO_INTERNET_CONNECTION")
        assert [m.text async for m in traffic.bob.chat.messages(uid="alice", page_size=5)]  # reading still works
        machine.disk_fails(0)
        await live.server.until_logged("the store writes again")
        await traffic.until(20)
        assert (await crowd.http.get("/health")).status_code == 200
        assert await crowd.metric("tailwire_store_failures_total") >= 1
        await live.server.kill()
        await live.server.start()
        await traffic.until(5)
    assert not [line for line in live.server.log if "Traceback" in line]
    listed = [m async for m in traffic.bob.chat.messages(uid="alice", page_size=100)]
    history = {m.id: m.text for m in listed if isinstance(m, TextMessage)}
    assert {n: history.get(n) for n in traffic.acknowledged} == traffic.acknowledged


async def test_locked_database_refuses_writes_until_it_is_released(live: LiveStage):
    async with Crowd(live.server) as crowd, Traffic(live) as traffic:
        await traffic.until(20)
        other = sqlite3.connect(live.folder / "data" / "tailwire.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        await live.server.until_logged("the store cannot write: database is locked")
        assert (await crowd.http.get("/health")).status_code == 503
        assert [m.text async for m in traffic.bob.chat.messages(uid="alice", page_size=5)]
        other.execute("ROLLBACK")
        other.close()
        await live.server.until_logged("the store writes again")
        await traffic.until(20)


async def test_server_on_a_read_only_folder_does_not_start_and_names_the_folder(live: LiveStage, on_disk: SmallDisk):
    await live.server.stop()
    on_disk.protect()
    if not on_disk.mounted and os.geteuid() == 0:
        pytest.skip("root may write to every file here, and may not mount")
    with pytest.raises(
        RuntimeError, match=r"data: this user may not write in the folder .*disk; choose another with --data"
    ):
        await live.server.start()
    assert not [line for line in live.server.log if "Traceback" in line]
