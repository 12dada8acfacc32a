"""The server of `tailwire chat --demo`: the one that runs on the data folder, wherever it listens."""

from __future__ import annotations

from pathlib import Path

from servers.prepared import PreparedServer
from tailwire import AppSettingsBuilder
from tailwire.admin import Admin
from tailwire.cli.chat import running_url
from tailwire.tui.demo import BOT_UID, demo
from tailwire.tui.profiles import ProfileBook


async def test_demo_uses_the_server_that_runs_on_the_folder_at_any_port(tmp_path: Path):
    async with PreparedServer(tmp_path, None, "--demo-users") as server:
        async with demo(ProfileBook(tmp_path / "profiles"), server.data, url=running_url(str(server.data))) as found:
            assert (found.profile.server, found.profile.uid) == (server.url, "alice")
        assert running_url(str(server.data)) == server.url
        settings = AppSettingsBuilder().override_client_host(server.url).build()
        async with Admin(server.app_id, settings, server.api_key) as admin:  # the server is left running
            assert (await admin.users.get(BOT_UID)).name == "Echo"
    assert running_url(str(server.data)) == ""
