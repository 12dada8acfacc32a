"""The data folder: readable only by the server's user, and the key is not in the database."""

from __future__ import annotations

import asyncio
import io
import os
import sqlite3
import stat

import pytest
from PIL import Image

from rest import Rest
from tailwire.server.auth.certificate import self_signed
from tailwire.server.auth.secrets import sign_pass
from tailwire.server.ports.refusal import NotAuthenticated

pytestmark = pytest.mark.skipif(os.name != "posix", reason="modes are those of POSIX")


@pytest.fixture(autouse=True)
def umask():
    before = os.umask(0)
    yield
    os.umask(before)


def modes(folder) -> dict[str, int]:
    return {str(p.relative_to(folder)): stat.S_IMODE(p.stat().st_mode) for p in (folder, *folder.rglob("*"))}


async def use(rest) -> None:
    out = io.BytesIO()
    Image.new("RGB", (600, 600)).save(out, "PNG")
    data = {"receiver": "bob", "receiverType": "user", "type": "image", "data": "{}"}
    await rest("POST", "/messages", as_="alice", data=data, files={"f": ("a.png", out.getvalue())})


@pytest.mark.sqlite
async def test_created_files_are_private_and_existing_ones_are_tightened(stage, tmp_path):
    self_signed(tmp_path, "localhost")
    async with Rest(stage) as rest:
        await use(rest)
        found = modes(tmp_path)
        database = {f"tailwire.db{end}" for end in ("", "-wal", "-shm", ".ids", ".lock")}
        assert database | {"keys.json", "signing.key", "uploads"} < set(found)
        folders = {".", "uploads"}
        assert {name: m for name, m in found.items() if m != (0o700 if name in folders else 0o600)} == {}
        await stage.server.stop()
        for path in (tmp_path, *tmp_path.rglob("*")):
            path.chmod(path.stat().st_mode | 0o055)
        await stage.server.start()
        await use(rest)
        open_still = {name for name, m in modes(tmp_path).items() if m & 0o077}
        assert open_still <= {"development-cert.pem", "development-key.pem"}  # TLS is not used in this run


@pytest.mark.sqlite
async def test_database_alone_cannot_sign_a_pass(stage, tmp_path):
    async with Rest(stage) as rest:
        token = await rest.token("alice")
        await rest("GET", "/me", as_="alice")
        dump = sqlite3.connect(tmp_path / "tailwire.db")
        held = [
            str(value)
            for table in ("app", "auth_tokens")
            for row in dump.execute(f"SELECT * FROM {table}")
            for value in row
        ]
        dump.close()
        hashed = dict.fromkeys(value for value in held if len(value) == 64)
        assert hashed
        sessions = stage.server.parts.actions.sessions
        for secret in held:
            for fingerprint in hashed:
                forged = sign_pass("alice", fingerprint, secret, 3600, stage.server.world)
                with pytest.raises(NotAuthenticated):
                    await sessions.admit(forged)
        assert all(token not in value for value in held)
        assert (tmp_path / "signing.key").read_text() not in held


@pytest.mark.sqlite  # on PostgreSQL its lease has to end first, and other servers may use the key
async def test_lost_signing_key_is_replaced_and_clients_reconnect(stage, tmp_path):
    alice = await stage.enter("alice")
    await stage.server.kill()
    (tmp_path / "signing.key").unlink()
    await stage.server.start()
    await asyncio.sleep(60)
    assert alice.status.value == "connected"
    await alice.say("bob", "still here")


async def test_open_sockets_stay_when_the_key_is_lost(stage, tmp_path):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    (tmp_path / "signing.key").unlink()
    await alice.say("bob", "hello")
    await bob.ears.until(lambda: bob.ears.texts == ["hello"])
