"""Starting a server in its own process."""

from __future__ import annotations

from pathlib import Path

import pytest

from tailwire.testing.server import BadReadyFile, ServerProcess

PROGRAM = """import sys, time
file = sys.argv[sys.argv.index("--ready-file") + 1]
open(file, "w").write("no JSON") if {writes} else None
print("ready file written", file=sys.stderr, flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize(("writes", "error"), [(True, BadReadyFile), (False, FileNotFoundError)])
async def test_server_with_an_unreadable_ready_file_is_killed(writes: bool, error: type[Exception], tmp_path: Path):
    server = ServerProcess(tmp_path)
    server.program = ["-c", PROGRAM.format(writes=writes)]
    with pytest.raises(error):
        await server.start()
    assert not server.running


async def test_server_inherits_no_settings_such_as_the_database_of_another_server(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    other = tmp_path / "other.db"
    monkeypatch.setenv("TAILWIRE_DATABASE", f"sqlite:///{other}")
    monkeypatch.setenv("TAILWIRE_PUBLIC_URL", "not a URL, so a server with this setting would not start")
    monkeypatch.setenv("TAILWIRE_OF_A_TEST", "inherited")
    async with ServerProcess(tmp_path, {"TAILWIRE_LOG_FORMAT": "json"}) as server:
        assert (server.data / "tailwire.db").exists()
        assert not other.exists()
        assert any("TAILWIRE_OF_A_TEST" in line and line.startswith("{") for line in server.log)
