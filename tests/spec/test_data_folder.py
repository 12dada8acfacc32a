"""The data folder: readable only by the server's user, and the key is not in the database."""

from __future__ import annotations

import asyncio
import io
import os
import sqlite3
import stat

import pytest
from PIL import Image

from harness import CONNECTED
from rest import Rest
from tailwire.server.auth.certificate import self_signed
from tailwire.server.auth.secrets import sign_pass
from tailwire.server.ports.refusal import NotAuthenticated

pytestmark = pytest.mark.skipif(os.name != "posix", reason="modes are those of POSIX")


@pytest.fixture(autouse=True)
def no_umask():
    """Let nothing but the server restrict the modes of its files."""
    before = os.umask(0)
    yield
    os.umask(before)


def modes(folder) -> dict[str, int]:
    return {str(p.relative_to(folder)): stat.S_IMODE(p.stat().st_mode) for p in (folder, *folder.rglob("*"))}


async def send_a_picture(rest) -> None:
    out = io.BytesIO()
    Image.new("RGB", (600, 600)).save(out, "PNG")
    data = {"receiver": "bob", "receiverType": "user", "type": "image", "data": "{}"}
    await rest("POST", "/messages", as_="alice", data=data, files={"f": ("a.png", out.getvalue())})


@pytest.mark.sqlite
async def test_files_that_the_server_creates_are_private(stage, tmp_path):
    self_signed(tmp_path, "localhost")
    async with Rest(stage) as rest:
        await send_a_picture(rest)
    found = modes(tmp_path)
    database = {f"tailwire.db{end}" for end in ("", "-wal", "-shm", ".ids", ".lock")}
    assert database | {"keys.json", "signing.key", "uploads"} < set(found)
    folders = {".", "uploads"}
    assert {name: m for name, m in found.items() if m != (0o700 if name in folders else 0o600)} == {}


@pytest.mark.sqlite
async def test_files_that_others_may_read_are_made_private_when_the_server_starts(stage, tmp_path):
    async with Rest(stage) as rest:
        await send_a_picture(rest)
        await stage.server.stop()
        for path in (tmp_path, *tmp_path.rglob("*")):
            path.chmod(path.stat().st_mode | 0o055)
        await stage.server.start()
        await send_a_picture(rest)
    assert {name for name, m in modes(tmp_path).items() if m & 0o077} == set()


@pytest.mark.sqlite
async def test_pass_cannot_be_forged_with_the_content_of_the_database(stage, tmp_path):
    async with Rest(stage) as rest:
        token = await rest.token("alice")
        await rest("GET", "/me", as_="alice")
        dump = sqlite3.connect(tmp_path / "tailwire.db")
        stored_values = [
            str(value)
            for table in ("app", "auth_tokens")
            for row in dump.execute(f"SELECT * FROM {table}")
            for value in row
        ]
        dump.close()
        fingerprints = dict.fromkeys(value for value in stored_values if len(value) == 64)
        assert fingerprints
        sessions = stage.server.parts.actions.sessions
        for secret in stored_values:
            for fingerprint in fingerprints:
                forged = sign_pass("alice", fingerprint, secret, 3600, stage.server.world)
                with pytest.raises(NotAuthenticated):
                    await sessions.admit(forged)
        assert all(token not in value for value in stored_values)
        assert (tmp_path / "signing.key").read_text() not in stored_values


@pytest.mark.sqlite  # on PostgreSQL its lease has to end first, and other servers may send_a_picture the key
async def test_lost_signing_key_is_replaced_and_clients_reconnect(stage, tmp_path):
    alice = await stage.enter("alice")
    await stage.server.kill()
    (tmp_path / "signing.key").unlink()
    await stage.server.start()
    await asyncio.sleep(60)
    assert (tmp_path / "signing.key").read_text()
    assert alice.status.value == "connected"
    await alice.say("bob", "still here")


async def test_sockets_stay_open_when_the_key_is_lost(stage, tmp_path):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    (tmp_path / "signing.key").unlink()
    await alice.say("bob", "hello")
    await bob.ears.until(lambda: bob.ears.texts == ["hello"])
    assert bob.ears.statuses.count(CONNECTED) == 1
