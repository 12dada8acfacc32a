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
