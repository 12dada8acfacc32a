"""`tailwire lab` as a process: it ends cleanly, and leaves no process behind."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import sys
from pathlib import Path

import httpx2
import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are looked for in /proc")


def server_of(pid: int) -> int:
    """Return the child process that runs the lab's server."""
    (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    assert "serve" in Path(f"/proc/{child}/cmdline").read_text()
    return int(child)


async def wait_gone(pid: int) -> None:
    """Wait until a process has ended (or is a zombie)."""
    async with asyncio.timeout(10):
        while os.path.exists(f"/proc/{pid}") and " Z " not in Path(f"/proc/{pid}/stat").read_text():
            await asyncio.sleep(0.02)


class LabProcess:
    """A process of `tailwire lab`, which has printed its URL when it is entered."""

    def __init__(self, *arguments: str, **environment: str) -> None:
        self._arguments = arguments
        self._environment = environment

    async def __aenter__(self) -> LabProcess:
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tailwire.cli.main", "lab", *self._arguments,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env={**os.environ, **self._environment},
        )  # fmt: skip
        output = b""
        async with asyncio.timeout(60):
            while not (found := re.search(rb"http://127\.0\.0\.1:\d+/[\w-]+/", output)):
                line = await self.process.stdout.readline()
                assert line, (output, await self.process.stderr.read())
                output += line
        self.url = found[0].decode()
        return self

    async def end(self, number: signal.Signals) -> tuple[int, bytes]:
        self.process.send_signal(number)
        _, errors = await self.process.communicate()
        return self.process.returncode, errors

    async def __aexit__(self, *error: object) -> None:
        if self.process.returncode is None:
            self.process.kill()
            await self.process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL], ids=lambda n: n.name)
async def test_no_server_process_remains_after_the_lab(number):
    async with LabProcess() as lab:
        server = server_of(lab.process.pid)
        async with httpx2.AsyncClient(trust_env=False) as http, http.stream("GET", lab.url + "events") as stream:
            async for line in stream.aiter_lines():
                if line.startswith("data: "):
                    break
            assert json.loads(line[6:])["events"]
            code, errors = await lab.end(number)  # while a page listens
        assert (code, errors) == (-9 if number is signal.SIGKILL else 0, b"")
        await wait_gone(server)


async def test_lab_on_a_used_port_ends_with_an_error_before_it_prints_its_url():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tailwire.cli.main", "lab", "--port", str(taken.getsockname()[1]),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        output, errors = await process.communicate()
    assert (process.returncode, b"choose another --port" in errors) == (1, True), errors
    assert b"http:" not in output


async def test_command_line_of_the_browser_has_a_url_that_can_be_opened_once(tmp_path):
    url_file, browser = tmp_path / "given.txt", tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\nprintf %s "$*" > {url_file}.new\nmv {url_file}.new {url_file}\n')
    browser.chmod(0o700)
    async with LabProcess("--open", BROWSER=f"{browser} %s") as lab:
        async with asyncio.timeout(20):
            while not url_file.exists():
                await asyncio.sleep(0.02)
        once = url_file.read_text()
        assert lab.url.rsplit("/", 2)[1] not in once
        async with httpx2.AsyncClient(trust_env=False) as http:
            own = await http.get(once, follow_redirects=True)
            assert (own.status_code, "<html" in own.text) == (200, True)
            assert (await http.get(once)).status_code == 410, "somebody else has read it"
            assert (await http.get(own.url)).status_code == 404
            assert (await http.get(lab.url)).status_code == 200
        await lab.end(signal.SIGINT)
