"""`tailwire backup` and `tailwire restore` on PostgreSQL."""

from __future__ import annotations

import errno
import json
import os
import sys
from pathlib import Path

import pytest

from file_sizes import files_limited_to
from postgres.writing import draft
from servers.postgres import PostgresServer, binaries, name_of
from tailwire.cli.main import main
from tailwire.server.ports.file_records import FileRow
from tailwire.server.ports.presence import LocalPresence
from tailwire.server.ports.records import UserRow
from tailwire.server.ports.world import World
from tailwire.server.store.postgres import dumps
from tailwire.server.store.postgres.store import PostgresStore

SKIPPED = 1_000_000


class Folder:
    """The data folder of a server, and the commands on it.

    Attributes:
        backup: where the backup is made.
    """

    def __init__(self, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.data, self.backup = path / "data", path / "backup"
        self._capsys = capsys
        self.uploads = self.data / "uploads"
        self.uploads.mkdir(parents=True)
        (self.uploads / "photo").write_bytes(b"a photo")

    def run(self, *arguments: str) -> tuple[int, str]:
        code = main([*arguments, "--data", str(self.data)])
        printed = self._capsys.readouterr()
        return code, printed.out + printed.err


@pytest.fixture
def folder(tmp_path: Path, capsys, monkeypatch, postgres_url: str) -> Folder:
    monkeypatch.setenv("TAILWIRE_DATABASE", postgres_url)
    monkeypatch.setenv("PATH", f"{binaries()}{os.pathsep}{os.environ['PATH']}")
    return Folder(tmp_path, capsys)


async def send(url: str, *texts: str, serving: bool = False) -> tuple[str, list[int]]:
    """Send messages from a store of its own, and return its name and the ids."""
    store = await PostgresStore.open(url, World(), serving=serving)
    ids = [(await store.messages.add(draft(text=text))).message.id for text in texts]
    name = store.name
    await store.close()
    return name, ids


def in_thread(call, *arguments):
    # The commands run their own event loop.
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as executor:
        return executor.submit(call, *arguments).result()


def texts(postgres: PostgresServer, url: str) -> list[str]:
    sql = "SELECT convert_from(body, 'UTF8')::jsonb #>> '{data,text}' FROM messages ORDER BY id"
    return postgres.sql(sql, name_of(url)).splitlines()


async def test_backup_of_a_running_server_is_restored_with_a_new_name_and_later_ids(folder, postgres, postgres_url):
    server = await PostgresStore.open(postgres_url, World(), serving=True)
    await server.users.add(UserRow("dave", "Dave", created_at=1))
    await server.presence.store_online([LocalPresence("dave", online=True, away=False)])
    await server.messages.add(draft(text="one"))
    code, output = in_thread(folder.run, "backup", str(folder.backup))
    assert (code, "verified; 1 uploaded files" in output) == (0, True), output
    assert {f.name for f in folder.backup.iterdir()} == {"tailwire.dump", "uploads"}
    assert (folder.backup.stat().st_mode & 0o777, (folder.backup / "tailwire.dump").stat().st_mode & 0o777) == (
        0o700,
        0o600,
    )
    last = (await server.messages.add(draft(text="two"))).message.id
    (folder.uploads / "later").write_bytes(b"later")
    code, output = in_thread(folder.run, "restore", str(folder.backup), "--replace")
    assert (code, "stop it first" in output) == (1, True), output
    name = server.name
    await server.close()
    code, output = in_thread(folder.run, "restore", str(folder.backup))
    assert (code, "--replace" in output) == (1, True), output
    assert texts(postgres, postgres_url) == ["one", "two"]
    code, output = in_thread(folder.run, "restore", str(folder.backup), "--replace")
    assert (code, f"ids continue after {last + SKIPPED}" in output) == (0, True), output
    assert texts(postgres, postgres_url) == ["one"]
    assert [f.name for f in folder.uploads.iterdir()] == ["photo"]
    new_name, ids = await send(postgres_url, "three", serving=True)
    assert new_name != name
    assert ids[0] > last + SKIPPED
    (aside,) = folder.data.glob("before-restore-*")
    assert {f.name for f in aside.iterdir()} == {"tailwire.dump", "uploads"}
    code, output = in_thread(folder.run, "restore", str(aside), "--replace")  # it is a backup itself
    assert code == 0, output
    assert texts(postgres, postgres_url) == ["one", "two"]


async def test_database_that_only_a_file_of_settings_names_is_backed_up_and_restored(
    folder, postgres, postgres_url, tmp_path, monkeypatch
):
    await send(postgres_url, "one")
    monkeypatch.delenv("TAILWIRE_DATABASE")
    config = tmp_path / "tailwire.toml"
    config.write_text(f'database = "{postgres_url}"\n')
    code, output = in_thread(folder.run, "backup", str(folder.backup), "--config", str(config))
    assert (code, (folder.backup / "tailwire.dump").is_file()) == (0, True), output
    await send(postgres_url, "two")
    code, output = in_thread(folder.run, "restore", str(folder.backup), "--replace", "--config", str(config))
    assert code == 0, output
    assert texts(postgres, postgres_url) == ["one"]


async def test_backup_is_restored_to_an_empty_database_by_a_user_without_rights_beyond_it(
    folder, postgres, postgres_url, monkeypatch
):
    await send(postgres_url, "one")
    assert in_thread(folder.run, "backup", str(folder.backup))[0] == 0
    url = postgres.create_database()
    postgres.sql("DROP ROLE IF EXISTS keeper")
    postgres.sql("CREATE ROLE keeper LOGIN")
    postgres.sql(f"ALTER DATABASE {name_of(url)} OWNER TO keeper")
    monkeypatch.setenv("TAILWIRE_DATABASE", url.replace("postgres@", "keeper@"))
    (folder.uploads / "photo").unlink()
    folder.uploads.rmdir()
    code, output = in_thread(folder.run, "restore", str(folder.backup))
    assert (code, "previous files" in output) == (0, False), output
    assert texts(postgres, url) == ["one"]
    code, output = in_thread(folder.run, "restore", str(folder.backup), "--replace")
    assert code == 0, output
    _, ids = await send(url.replace("postgres@", "keeper@"), "two", serving=True)
    assert ids[0] > 2 * SKIPPED
    postgres.drop_database(url)


async def test_dump_of_an_earlier_version_which_has_rows_of_processes_is_loaded(
    folder, postgres, postgres_url, tmp_path, monkeypatch
):
    server = await PostgresStore.open(postgres_url, World(), serving=True)
    await server.messages.add(draft(text="one"))
    await server.presence.store_online([LocalPresence("alice", online=True, away=False)])
    with monkeypatch.context() as earlier:
        earlier.setattr(dumps, "OF_RUNNING_PROCESSES", ("processes", "batches", "leases", "presence"))
        dumps.dump(postgres_url, tmp_path / "file")
    await server.close()
    dumps.load(postgres_url, tmp_path / "file")
    assert texts(postgres, postgres_url) == ["one"]
    assert postgres.sql("SELECT count(*) FROM presence_versions", name_of(postgres_url)).strip() == "0"


def test_every_table_that_refers_to_processes_is_left_out_of_dumps(postgres, postgres_url):
    sql = "SELECT conrelid::regclass FROM pg_constraint WHERE contype = 'f' AND confrelid = 'processes'::regclass"
    found = set(postgres.sql(sql, name_of(postgres_url)).split())
    assert found
    assert found <= set(dumps.OF_RUNNING_PROCESSES)


async def test_damaged_backup_changes_nothing(folder, postgres, postgres_url):
    await send(postgres_url, *(f"text {n}" for n in range(50)))
    assert in_thread(folder.run, "backup", str(folder.backup))[0] == 0
    await send(postgres_url, "new")
    file = folder.backup / "tailwire.dump"
    whole = file.read_bytes()
    for damaged in (b"", whole[: len(whole) // 2], b"x" * 1000):
        file.write_bytes(damaged)
        code, output = in_thread(folder.run, "restore", str(folder.backup), "--replace")
        assert (code, "pg_restore" in output) == (1, True), output
        with pytest.raises(dumps.ProgramFailed):  # even if it was damaged after it was checked
            dumps.load(postgres_url, file)
    assert texts(postgres, postgres_url) == [*(f"text {n}" for n in range(50)), "new"]
    assert (folder.uploads / "photo").read_bytes() == b"a photo"
    assert not list(folder.data.glob("before-restore-*"))


async def test_uploads_are_replaced_with_the_database_or_not_at_all(folder, postgres, postgres_url, monkeypatch):
    await send(postgres_url, "one")
    assert in_thread(folder.run, "backup", str(folder.backup))[0] == 0
    await send(postgres_url, "two")
    (folder.uploads / "later").write_bytes(b"later")
    rename = Path.rename

    def refuse_to_move_uploads(path: Path, target: Path) -> Path:
        if path == folder.uploads:
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), str(path))
        return rename(path, target)

    def fail(url: str, file: Path) -> None:
        raise dumps.ProgramFailed("psql failed")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", refuse_to_move_uploads)
        code, output = in_thread(folder.run, "restore", str(folder.backup), "--replace")
    assert (code, "Unmount it" in output) == (1, True), output
    monkeypatch.setattr(dumps, "load", fail)
    code, output = in_thread(folder.run, "restore", str(folder.backup), "--replace")
    assert (code, "psql failed" in output) == (1, True), output
    (aside,) = folder.data.glob("before-restore-*")
    assert [path.name for path in aside.iterdir()] == ["tailwire.dump"]
    assert f"A backup of the database from before is in {aside}" in output
    assert not list(folder.data.glob("*.partial"))
    assert texts(postgres, postgres_url) == ["one", "two"]
    assert {f.name for f in folder.uploads.iterdir()} == {"photo", "later"}


async def test_backup_of_a_newer_version_replaces_nothing(folder, postgres, postgres_url):
    await send(postgres_url, "one")
    known = postgres.sql("SELECT version_num FROM alembic_version", name_of(postgres_url)).strip()
    postgres.sql("UPDATE alembic_version SET version_num = '9999'", name_of(postgres_url))
    assert in_thread(folder.run, "backup", str(folder.backup))[0] == 0
    postgres.sql(f"UPDATE alembic_version SET version_num = '{known}'", name_of(postgres_url))
    await send(postgres_url, "two")
    code, output = in_thread(folder.run, "restore", str(folder.backup), "--replace")
    assert (code, "newer version" in output, "9999" in output) == (1, True, True), output
    assert texts(postgres, postgres_url) == ["one", "two"]
    assert [path.name for path in folder.data.iterdir()] == ["uploads"]


async def test_backup_fails_if_the_database_names_uploads_and_there_are_none(folder, postgres_url):
    store = await PostgresStore.open(postgres_url, World())
    await store.files.add(FileRow("f" * 40, "alice", "photo.jpg", "image/jpeg", 7, created_at=1))
    await store.close()
    (folder.uploads / "photo").rename(folder.data / "photo")
    code, output = in_thread(folder.run, "backup", str(folder.backup))
    assert (code, "the database names 1" in output) == (1, True), output
    assert not folder.backup.exists()
    (folder.data / "photo").rename(folder.uploads / "photo")
    assert in_thread(folder.run, "backup", str(folder.backup))[0] == 0


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root gives files away")
async def test_files_that_root_restores_belong_to_the_owner_of_the_data_folder(folder, postgres_url):
    await send(postgres_url, "one")
    assert in_thread(folder.run, "backup", str(folder.backup))[0] == 0
    for path in (folder.data, *folder.data.rglob("*")):
        os.chown(path, 12345, 23456)
    code, output = in_thread(folder.run, "restore", str(folder.backup), "--replace")
    assert code == 0, output
    owners = {path.name: (path.stat().st_uid, path.stat().st_gid) for path in folder.data.rglob("*")}
    assert {"tailwire.dump", "uploads", "photo"} <= owners.keys()
    assert set(owners.values()) == {(12345, 23456)}


async def test_failed_backup_or_restore_leaves_nothing_on_the_disk(folder, postgres, postgres_url):
    await send(postgres_url, "one")
    with files_limited_to(10_000):
        code, output = in_thread(folder.run, "backup", str(folder.backup))
    assert (code, "pg_dump" in output) == (1, True), output
    assert [path.name for path in folder.backup.parent.iterdir()] == ["data"]
    assert in_thread(folder.run, "backup", str(folder.backup))[0] == 0
    with files_limited_to(10_000):
        code, output = in_thread(folder.run, "restore", str(folder.backup), "--replace")
    assert (code, "pg_dump" in output) == (1, True), output
    assert [path.name for path in folder.data.iterdir()] == ["uploads"]
    assert texts(postgres, postgres_url) == ["one"]


def test_folder_without_a_backup_and_a_missing_program_are_named(folder, tmp_path, monkeypatch):
    (tmp_path / "backup").mkdir()
    code, output = folder.run("restore", str(tmp_path / "backup"))
    assert (code, "it has no tailwire.dump" in output) == (1, True)
    code, output = folder.run("backup", str(tmp_path / "backup"))
    assert (code, "already exists" in output) == (1, True)
    monkeypatch.setenv("PATH", str(tmp_path))
    code, output = folder.run("backup", str(tmp_path / "new"))
    assert (code, "pg_dump is not installed" in output) == (1, True)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("url", "plain", "password"),
    [
        ("postgresql://ann:p%40ss%2Fw@db:5433/chat", "postgresql://ann@db:5433/chat", "p@ss/w"),
        ("postgresql://ann@db/chat?password=s3cret&sslmode=require", "postgresql://ann@db/chat?sslmode=require", "s3cret"),
        ("postgresql:///chat?host=/run/pg", "postgresql:///chat?host=%2Frun%2Fpg", None),
        ("postgresql://ann:s3cret@a:1,b:2/chat", "postgresql://ann@a:1,b:2/chat", "s3cret"),
    ],
)  # fmt: skip
def test_no_password_is_among_the_arguments_of_pg_dump(url, plain, password, tmp_path, monkeypatch):
    output = tmp_path / "said"
    program = tmp_path / "pg_dump"
    program.write_text(f"#!{sys.executable}\nimport json, os, sys\nopen({str(output)!r}, 'w').write("
                       "json.dumps([sys.argv[1:], os.environ.get('PGPASSWORD')]))\nsys.exit(1)\n")  # fmt: skip
    program.chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("PGPASSWORD", raising=False)
    with pytest.raises(dumps.ProgramFailed):
        dumps.dump(url, tmp_path / "file")
    arguments, own_environment = json.loads(output.read_text())
    assert f"--dbname={plain}" in arguments
    assert not [argument for argument in arguments if password and (password in argument or "p%40ss" in argument)]
    assert own_environment == password
