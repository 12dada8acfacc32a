"""A fork of the prepared process is like a process of Python that runs the same."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from servers.prepared import PROGRAM, ForkServer, PreparedServer, run

pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="nothing is forked here")


@pytest.mark.parametrize(
    "arguments",
    [["--version"], ["nonsense"], ["keys", "--grace", "1h"], ["keys", "--list"], ["serve", "--port", "99999"]],
    ids=" ".join,
)
async def test_forked_command_has_the_same_exit_code_and_output_as_a_new_process(arguments: list[str], tmp_path: Path):
    if arguments[0] == "keys":
        arguments = [*arguments, "--data", str(tmp_path)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *PROGRAM, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    out, _ = await process.communicate()
    assert await run(*arguments) == (process.returncode, out.decode())
    assert out


async def test_prepared_server_has_its_variables_folder_and_files(tmp_path: Path):
    server = PreparedServer(tmp_path, {"TAILWIRE_LOG_FORMAT": "json"})
    async with server:
        pid = server.pid
        assert server.log[0].startswith("{")
        assert Path(f"/proc/{pid}/cwd").resolve() == Path.cwd()
        assert "fork_server.py" in Path(f"/proc/{pid}/cmdline").read_text()
        open_files = {os.readlink(f"/proc/{pid}/fd/{name}") for name in os.listdir(f"/proc/{pid}/fd")}
        assert str(tmp_path / "data" / "tailwire.db") in open_files
        assert await server.stop() == 0


async def test_prepared_server_starts_again_as_another_process(tmp_path: Path):
    server = PreparedServer(tmp_path)
    async with server:
        pid = server.pid
        await server.stop()
    async with server:
        assert server.pid != pid


async def test_exit_code_of_a_prepared_server_is_the_signal_that_ended_it(tmp_path: Path):
    async with PreparedServer(tmp_path) as server:
        assert await server._end(signal.SIGKILL) == -signal.SIGKILL


def test_prepared_process_is_not_forked_for_another_ld_preload_or_pythonpath():
    forks = ForkServer()
    assert forks.can_fork({**os.environ, "TAILWIRE_PORT": "1", "HTTP_PROXY": "http://127.0.0.1:1"})
    assert not forks.can_fork({**os.environ, "LD_PRELOAD": "other.so"})
    assert not forks.can_fork({**os.environ, "PYTHONPATH": "elsewhere"})
    forks.close()
    assert not forks.can_fork({**os.environ})
