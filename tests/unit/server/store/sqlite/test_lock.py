"""The lock that allows one server for each database."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tailwire.server.app import Running, running_server
from tailwire.server.config import Settings
from tailwire.server.ports.records import UserRow
from tailwire.server.ports.world import World
from tailwire.server.store.sqlite import SqliteStore
from tailwire.server.store.sqlite.lock import DatabaseInUse, ServerLock, holder_of, holder_url


@asynccontextmanager
async def listening_server(folder: Path) -> AsyncIterator[Running]:
    """Assemble a server on a folder, which has the lock but serves nothing."""
    async with running_server(Settings(data=str(folder), port=0)) as server:
        with server.listening:
            yield server


async def test_second_server_is_refused_with_the_url_of_the_first(tmp_path):
    async with listening_server(tmp_path) as first:
        with pytest.raises(DatabaseInUse) as caught:
            async with listening_server(tmp_path):
                pytest.fail("two servers on one folder")
        assert first.url in str(caught.value)
        assert "\n" not in str(caught.value)
    async with listening_server(tmp_path):
        pass


async def test_command_may_use_the_database_of_a_running_server(tmp_path):
    async with listening_server(tmp_path) as server:
        command = await SqliteStore.open(tmp_path / "tailwire.db", World())  # as `tailwire user create`
        assert await command.users.add(UserRow("ann", "Ann"))
        await command.close()
        assert await server.parts.store.users.get("ann") is not None


def test_holder_is_known_while_the_lock_is_held(tmp_path):
    database = tmp_path / "tailwire.db"
    assert holder_of(database) == ""
    lock = ServerLock(database)
    lock.write_holder("a server\n")
    assert holder_of(database) == "a server"
    lock.release()
    assert holder_of(database) == ""


@pytest.mark.parametrize(
    ("holder", "url"),
    [("the server with pid 7 at http://127.0.0.1:8481", "http://127.0.0.1:8481"),
     ("the server with pid 7 at https://0.0.0.0:8480", "https://127.0.0.1:8480"),
     ("the server with pid 7 at http://[::]:8480", "http://[::1]:8480"),
     ("`tailwire restore`, pid 7", "")],
)  # fmt: skip
def test_url_of_the_holder_is_one_that_this_machine_reaches(tmp_path, holder, url):
    lock = ServerLock(tmp_path / "tailwire.db")
    lock.write_holder(holder)
    assert holder_url(tmp_path / "tailwire.db") == url
    lock.release()
    assert holder_url(tmp_path / "tailwire.db") == ""


async def test_failed_start_releases_the_lock(tmp_path):
    (tmp_path / "tailwire.db").write_bytes(b"this is no database, whatever it is" * 100)
    with pytest.raises(OSError, match="cannot be used"):
        await SqliteStore.open(tmp_path / "tailwire.db", World(), serving=True)
    ServerLock(tmp_path / "tailwire.db").release()


@pytest.mark.slow
def test_database_can_be_locked_after_the_process_with_the_lock_was_killed(tmp_path):
    code = (
        "import pathlib, sys; from tailwire.server.store.sqlite.lock import ServerLock;"
        f"lock = ServerLock(pathlib.Path({str(tmp_path / 'tailwire.db')!r})); print('taken', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        try:
            assert holder.stdout.readline() == b"taken\n"
            with pytest.raises(DatabaseInUse, match=f"pid {holder.pid}"):
                ServerLock(tmp_path / "tailwire.db")
        finally:
            holder.kill()
    ServerLock(tmp_path / "tailwire.db").release()
