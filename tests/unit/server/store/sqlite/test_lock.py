"""The lock that allows one server for each database."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tailwire.server.app import running_server
from tailwire.server.config import Settings
from tailwire.server.ports.world import World
from tailwire.server.store.sqlite import SqliteStore
from tailwire.server.store.sqlite.lock import DatabaseInUse, ServerLock, holder_of


async def test_second_server_is_refused_and_names_the_holder(tmp_path):
    settings = Settings(data=str(tmp_path / "data"), port=0)
    async with running_server(settings) as first:
        with pytest.raises(DatabaseInUse) as caught:
            async with running_server(settings):
                pytest.fail("two servers on one folder")
        first.listening.close()
        assert first.url in str(caught.value)
        assert "\n" not in str(caught.value)
        command = await SqliteStore.open(tmp_path / "data" / "tailwire.db", World())  # as `tailwire user create`
        await command.close()
    async with running_server(settings) as next_one:
        next_one.listening.close()


def test_holder_is_known_while_the_lock_is_held(tmp_path):
    database = tmp_path / "tailwire.db"
    assert holder_of(database) == ""
    lock = ServerLock(database)
    lock.write_holder("a server\n")
    assert holder_of(database) == "a server"
    lock.release()
    assert holder_of(database) == ""


async def test_failed_start_releases_the_lock(tmp_path):
    (tmp_path / "tailwire.db").write_bytes(b"this is no database, whatever it is" * 100)
    with pytest.raises(OSError, match="cannot be used"):
        await SqliteStore.open(tmp_path / "tailwire.db", World(), serving=True)
    ServerLock(tmp_path / "tailwire.db").release()


@pytest.mark.slow
def test_lock_ends_with_its_process(tmp_path):
    code = (
        "import pathlib, sys; from tailwire.server.store.sqlite.lock import ServerLock;"
        f"lock = ServerLock(pathlib.Path({str(tmp_path / 'tailwire.db')!r})); print('taken', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout.readline() == b"taken\n"
    with pytest.raises(DatabaseInUse, match=f"pid {holder.pid}"):
        ServerLock(tmp_path / "tailwire.db")
    holder.kill()
    holder.wait()
    holder.stdin.close()
    holder.stdout.close()
    ServerLock(tmp_path / "tailwire.db").release()
