"""Backups are consistent while a server writes, and overwrite nothing."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from file_sizes import files_limited_to
from tailwire.server.app.backup import UploadsMissing, backup, new_backup, restore
from tailwire.server.app.backup_files import BackupRefused, copy_files, make_aside, renamed
from tailwire.server.ports.file_records import FileRow
from tailwire.server.ports.records import Draft
from tailwire.server.ports.world import World
from tailwire.server.store.sqlite import SqliteStore
from tailwire.server.store.sqlite.lock import DatabaseInUse
from tailwire.testing.new_database import put_new_database


async def open_store(data: Path) -> SqliteStore:
    put_new_database(data / "tailwire.db")
    return await SqliteStore.open(data / "tailwire.db", World(), serving=True)


async def send(store: SqliteStore) -> int:
    draft = Draft("alice_user_bob", "alice", "bob", "user", "message", "text", b'{"data":{}}', 1)
    return (await store.messages.add(draft)).message.id


def messages(folder: Path) -> list[int]:
    with closing(sqlite3.connect(folder / "tailwire.db")) as c:
        return [row[0] for row in c.execute("SELECT id FROM messages ORDER BY id")]


async def test_backup_of_a_running_server_is_consistent(tmp_path):
    data, target = tmp_path / "data", tmp_path / "backup"
    store = await open_store(data)
    for secret in ("signing.key", "keys.json"):
        (data / secret).write_bytes(b"secret")
    (data / "uploads").mkdir()
    (data / "uploads" / "photo").write_bytes(b"x" * 1000)
    (data / "uploads" / ".1-2.part").write_bytes(b"half")
    before = [await send(store) for _ in range(50)]
    copying = asyncio.get_running_loop().run_in_executor(None, backup, data / "tailwire.db", data / "uploads", target)
    during = []
    while not copying.done():
        during.append(await send(store))
    size, files = await copying
    await store.close()
    assert (size > 0, files) == (True, 1)
    ids = messages(target)
    assert ids == list(range(1, len(ids) + 1))
    assert len(ids) >= len(before)
    assert during  # messages were sent meanwhile
    assert {f.name for f in target.iterdir()} == {"tailwire.db", "uploads"}  # no key that allows acting as a user
    assert [f.name for f in (target / "uploads").iterdir()] == ["photo"]
    assert (target.stat().st_mode & 0o777, (target / "tailwire.db").stat().st_mode & 0o777) == (0o700, 0o600)


async def test_backup_to_an_existing_folder_or_of_no_database_is_refused(tmp_path):
    (tmp_path / "there").mkdir()
    store = await open_store(tmp_path / "data")
    await store.close()
    with pytest.raises(BackupRefused, match="there already"):
        backup(tmp_path / "data" / "tailwire.db", tmp_path / "data" / "uploads", tmp_path / "there")
    with pytest.raises(BackupRefused, match="no database"):
        backup(tmp_path / "nowhere" / "tailwire.db", tmp_path / "data" / "uploads", tmp_path / "new")
    assert not (tmp_path / "new").exists()
    assert not (tmp_path / "nowhere").exists()


async def backed_up(folder: Path) -> tuple[Path, Path, Path]:
    """Make a backup of a database with a message. Return its folder, and the paths of the database and the uploads."""
    database, uploads, target = folder / "data" / "tailwire.db", folder / "data" / "uploads", folder / "backup"
    store = await open_store(folder / "data")
    await send(store)
    await store.close()
    backup(database, uploads, target)
    return target, database, uploads


async def test_restored_store_does_not_reuse_ids(tmp_path):
    target, database, uploads = await backed_up(tmp_path)
    store = await open_store(tmp_path / "data")
    name, last = store.name, [await send(store) for _ in range(5)][-1]
    await store.close()
    restore(target, database, uploads, replace=True)
    again = await open_store(tmp_path / "data")
    assert again.name != name
    assert await send(again) > last
    await again.close()


async def test_restore_replaces_an_existing_database_only_if_told_to_and_keeps_a_copy(tmp_path):
    target, database, uploads = await backed_up(tmp_path)
    store = await open_store(tmp_path / "data")
    await send(store)
    await store.close()
    with pytest.raises(BackupRefused, match="--replace"):
        restore(target, database, uploads, replace=False)
    (aside,) = restore(target, database, uploads, replace=True)
    assert messages(aside) == [1, 2]
    assert messages(tmp_path / "data") == [1]


async def test_restore_is_refused_while_a_server_uses_the_database(tmp_path):
    target, database, uploads = await backed_up(tmp_path)
    store = await open_store(tmp_path / "data")
    last = await send(store)
    with pytest.raises(DatabaseInUse, match="pid"):
        restore(target, database, uploads, replace=True)
    assert list(tmp_path.rglob("before-restore-*")) == []
    await store.close()
    assert messages(tmp_path / "data")[-1] == last


async def test_damaged_backup_is_not_restored(tmp_path):
    target, database, uploads = await backed_up(tmp_path)
    whole = (target / "tailwire.db").read_bytes()
    (target / "tailwire.db").write_bytes(whole[: len(whole) // 2])
    before = database.read_bytes()
    with pytest.raises(OSError, match="damaged"):
        restore(target, database, uploads, replace=True)
    assert database.read_bytes() == before


def test_folder_without_a_backup_is_not_restored(tmp_path):
    with pytest.raises(BackupRefused, match="is not a backup"):
        restore(tmp_path, tmp_path / "data" / "tailwire.db", tmp_path / "data" / "uploads", replace=True)
    assert list(tmp_path.iterdir()) == []


def test_restores_within_a_second_each_set_the_existing_files_aside(tmp_path):
    made = [make_aside(tmp_path) for _ in range(3)]
    assert len(set(made)) == 3
    assert all(path.is_dir() and path.name.startswith("before-restore-") for path in made)


class Renames:
    """Lets renames fail: across file systems, of mount points, and of files that are refused."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.file_systems: list[Path] = []
        self.refused: set[Path] = set()
        rename = Path.rename

        def attempt(path: Path, target: Path) -> Path:
            if path in self.file_systems:
                raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), str(path))
            if [path.is_relative_to(top) for top in self.file_systems] != [
                target.is_relative_to(top) for top in self.file_systems
            ]:
                raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), str(path))
            if path in self.refused:
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
            return rename(path, target)

        monkeypatch.setattr(Path, "rename", attempt)


@pytest.fixture
def renames(monkeypatch) -> Renames:
    return Renames(monkeypatch)


def content(folder: Path) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file()}


async def changed_since_backup(folder: Path) -> tuple[Path, Path, Path]:
    """Make a backup, then send another message and add an upload. Return its folder, the database and the uploads."""
    target, database, uploads = await backed_up(folder)
    store = await open_store(folder / "data")
    await send(store)
    await store.close()
    uploads.mkdir(exist_ok=True)
    (uploads / "photo").write_bytes(b"a photo")
    return target, database, uploads


async def test_restore_works_with_uploads_and_database_on_different_file_systems(tmp_path, renames):
    target, database, uploads = await changed_since_backup(tmp_path)
    disk = tmp_path / "disk"
    disk.mkdir()
    uploads.rename(disk / "uploads")
    uploads.symlink_to(disk / "uploads")
    renames.file_systems.append(disk)
    aside, uploads_aside = sorted(restore(target, database, uploads, replace=True))
    assert (aside.parent, messages(aside)) == (tmp_path / "data", [1, 2])
    assert content(uploads_aside) == {"uploads/photo": b"a photo"}
    assert messages(tmp_path / "data") == [1]
    assert uploads.is_symlink()
    assert list(uploads.iterdir()) == []


async def test_restore_over_a_mount_point_is_refused_with_advice_and_changes_nothing(tmp_path, renames):
    target, database, uploads = await changed_since_backup(tmp_path)
    renames.file_systems.append(uploads)
    with pytest.raises(BackupRefused, match="Unmount it"):
        restore(target, database, uploads, replace=True)
    assert messages(tmp_path / "data") == [1, 2]
    assert content(uploads) == {"photo": b"a photo"}
    assert list(tmp_path.rglob("before-restore-*")) == []


async def test_failed_restore_moves_the_existing_files_back(tmp_path, renames):
    target, database, uploads = await changed_since_backup(tmp_path)
    renames.refused.add(database.with_name("tailwire.db.partial"))
    before = content(database.parent)
    with pytest.raises(PermissionError):
        restore(target, database, uploads, replace=True)
    after = content(database.parent)
    kept = before.keys() - {"tailwire.db.lock"}  # it names its holder
    assert {name: after.get(name) for name in kept} == {name: before[name] for name in kept}
    assert list(tmp_path.rglob("before-restore-*")) == []


MB = 1_000_000


def write_upload(uploads: Path, size: int) -> None:
    """Write an uploaded file of a size."""
    uploads.mkdir(exist_ok=True)
    with (uploads / "film").open("wb") as file:
        file.truncate(size)


@pytest.mark.parametrize("limit", [50_000, 4 * MB])  # less than the database, and less than the uploaded file
async def test_failed_backup_leaves_nothing_on_the_disk(tmp_path, limit):
    store = await open_store(tmp_path / "data")
    await store.close()
    write_upload(tmp_path / "data" / "uploads", 5 * MB)
    with files_limited_to(limit), pytest.raises(OSError):
        backup(tmp_path / "data" / "tailwire.db", tmp_path / "data" / "uploads", tmp_path / "backup")
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


@pytest.mark.parametrize("limit", [50_000, 4 * MB])
async def test_failed_restore_leaves_nothing_on_the_disk(tmp_path, limit):
    target, database, uploads = await backed_up(tmp_path)
    write_upload(target / "uploads", 5 * MB)
    before = {path.name for path in database.parent.iterdir()}
    with files_limited_to(limit), pytest.raises(OSError):
        restore(target, database, uploads, replace=True)
    assert {path.name for path in database.parent.iterdir()} == before
    assert messages(tmp_path / "data") == [1]


def test_file_that_cannot_be_renamed_back_hides_no_error_and_keeps_no_others_away(tmp_path, caplog):
    for name in ("first", "second", "third"):
        (tmp_path / name).write_text(name)
    moves = [(tmp_path / name, tmp_path / f"new {name}") for name in ("first", "second", "third")]

    def be_interrupted() -> None:
        with renamed(moves):
            (tmp_path / "new second").unlink()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        be_interrupted()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first", "third"]
    assert f"{tmp_path / 'second'} is still at {tmp_path / 'new second'}" in caplog.text


def test_first_of_two_backups_to_one_folder_that_is_done_is_kept_whole(tmp_path):
    target = tmp_path / "backup"

    def make_two() -> None:
        with new_backup(target) as slow:
            (slow / "file").write_text("slow")
            with new_backup(target) as quick:
                (quick / "file").write_text("quick")
            assert (slow / "file").read_text() == "slow"

    with pytest.raises(BackupRefused, match="another backup"):
        make_two()
    assert [path.name for path in tmp_path.iterdir()] == ["backup"]
    assert (target / "file").read_text() == "quick"


def test_upload_that_is_deleted_meanwhile_is_left_out_but_a_target_that_is_gone_is_an_error(tmp_path, monkeypatch):
    copy, gone = shutil.copy2, []

    def lose(source: Path, target: Path) -> None:
        if source.name == "b":
            for path in gone:
                path.rename(tmp_path / "elsewhere")
        copy(source, target)

    monkeypatch.setattr(shutil, "copy2", lose)
    source = tmp_path / "uploads"
    source.mkdir()
    for name in "abc":
        (source / name).write_text(name)
    gone.append(tmp_path / "first")
    with pytest.raises(FileNotFoundError):
        copy_files(source, tmp_path / "first")
    shutil.rmtree(tmp_path / "elsewhere")
    gone[:] = [source / "b"]
    assert copy_files(source, tmp_path / "second") == 2
    assert sorted(content(tmp_path / "second")) == ["a", "c"]


async def test_messages_in_the_log_of_a_killed_server_are_restored_too(tmp_path):
    data, killed = tmp_path / "data", tmp_path / "killed"
    store = await open_store(data)
    sent = [await send(store) for _ in range(3)]
    shutil.copytree(data, killed)  # as a killed server leaves its files
    assert (killed / "tailwire.db-wal").stat().st_size > 0
    await store.close()
    before = content(killed)
    other = tmp_path / "other"
    shutil.copytree(killed, other)
    (aside,) = restore(killed, other / "tailwire.db", other / "uploads", replace=True)
    assert messages(other) == sent
    assert (aside / "tailwire.db-wal").stat().st_size > 0
    restore(aside, data / "tailwire.db", data / "uploads", replace=True)
    assert messages(data) == sent
    assert content(killed) == before
    assert not list(tmp_path.rglob("*.partial*"))
    assert (data / "tailwire.db").stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root gives files away")
async def test_files_that_root_restores_belong_to_the_owner_of_the_data_folder(tmp_path):
    target, database, uploads = await changed_since_backup(tmp_path)
    (target / "uploads" / "photo").write_bytes(b"a photo")
    database.with_name("tailwire.db.lock").unlink()
    for path in (database.parent, *database.parent.rglob("*")):
        os.chown(path, 12345, 23456)
    restore(target, database, uploads, replace=True)
    folder = database.parent  # it has a second `tailwire.db` and `uploads` now: those that were replaced
    owners = {str(path.relative_to(folder)): (path.stat().st_uid, path.stat().st_gid) for path in folder.rglob("*")}
    assert {"tailwire.db", "tailwire.db.lock", "uploads", "uploads/photo"} <= owners.keys()
    assert set(owners.values()) == {(12345, 23456)}


async def test_data_folder_of_a_running_server_is_not_restored_from(tmp_path):
    store = await open_store(tmp_path / "running")
    await send(store)
    with pytest.raises(BackupRefused, match="tailwire backup"):
        restore(tmp_path / "running", tmp_path / "new" / "tailwire.db", tmp_path / "new" / "uploads", replace=False)
    await store.close()
    assert not (tmp_path / "new").exists()


async def test_backup_of_a_newer_version_replaces_nothing(tmp_path):
    target, database, uploads = await changed_since_backup(tmp_path)
    with closing(sqlite3.connect(target / "tailwire.db")) as c, c:
        c.execute("UPDATE alembic_version SET version_num = '9999'")
    before = {path.name for path in database.parent.iterdir()}
    with pytest.raises(BackupRefused, match=r"newer version.*9999"):
        restore(target, database, uploads, replace=True)
    assert {path.name for path in database.parent.iterdir()} == before
    assert messages(tmp_path / "data") == [1, 2]


async def test_backup_fails_if_the_database_names_uploads_and_there_are_none(tmp_path):
    data, target = tmp_path / "data", tmp_path / "backup"
    store = await open_store(data)
    await store.files.add(FileRow("f" * 40, "alice", "photo.jpg", "image/jpeg", 7, created_at=1))
    with pytest.raises(UploadsMissing, match="names 1"):
        backup(data / "tailwire.db", data / "uploads", target)
    (data / "uploads").mkdir()  # where the file system with the files is not mounted
    (data / "uploads" / ".folder").write_text("a mark")
    with pytest.raises(UploadsMissing, match="--data"):
        backup(data / "tailwire.db", data / "uploads", target)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
    backup(data / "tailwire.db", data / "uploads", target, in_folder=False)
    await store.files.condemn(never_used_added_until=2, last_used_until=0, limit=10)
    backup(data / "tailwire.db", data / "uploads", tmp_path / "later")
    await store.close()
