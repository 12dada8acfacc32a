"""`tailwire console` prints a link to the running server, and sends its key to nobody else."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import socket
import sys
from pathlib import Path

import httpx2
import pytest

from adapters.shell import Shell, needs_a_terminal
from servers.prepared import PreparedServer, run_apart


async def console(folder: Path, *arguments: str, **variables: str) -> tuple[int, str, str]:
    """Run the command; return its exit code and what it printed."""
    command = ["console", *(("--data", str(folder)) if folder.name else ()), *arguments]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("TAILWIRE_")} | variables
    return await run_apart(*command, environment=environment)


async def status_of(link: str) -> int:
    """Use a link; return the status."""
    url, _, secret = link.partition("/console/#")
    async with httpx2.AsyncClient() as client:
        return (await client.post(f"{url}/console/session", json={"link": secret})).status_code


async def test_command_prints_a_link_to_the_server_on_the_folder_that_can_be_used_once(tmp_path):
    async with PreparedServer(tmp_path) as server:
        code, out, error = await console(server.data)
        assert code == 0, error
        assert out.startswith(f"{server.url}/console/#")
        assert "60 seconds" in error
        assert await status_of(out.strip()) == 200
        assert await status_of(out.strip()) == 401
        assert not any("/console/#" in line for line in server.log), "a server without a terminal prints no link"


async def test_command_prints_a_link_to_the_server_at_an_address_with_its_key(tmp_path):
    async with PreparedServer(tmp_path) as server:
        code, out, _ = await console(tmp_path / "nothing", server.url, TAILWIRE_API_KEY=server.api_key)
        assert code == 0
        assert await status_of(out.strip()) == 200


async def test_console_command_names_the_cause_of_each_failure(tmp_path):
    async with PreparedServer(tmp_path, None, "--no-console") as server:
        code, out, error = await console(server.data)
        assert (code, out) == (1, "")
        assert "console=on" in error
        code, _, error = await console(server.data, server.url, TAILWIRE_API_KEY="wrong")
        assert code == 1
        assert server.url in error
        code, _, error = await console(tmp_path / "nothing", server.url)
        assert code == 1
        assert "TAILWIRE_API_KEY" in error
    code, _, error = await console(tmp_path / "nothing")
    assert code == 1
    assert "no server runs" in error
    for url in ("http://chat.example.com", "ftp://localhost", "chat.example.com"):
        code, _, error = await console(tmp_path / "nothing", url, TAILWIRE_API_KEY="key")
        assert code == 1, url
        assert "https" in error


@pytest.mark.parametrize(
    ("settings", "arguments", "shown"),
    [
        ({}, (), True),
        ({}, ("--no-console",), False),
        ({}, ("--host", "0.0.0.0"), False),
        ({"TAILWIRE_CONSOLE": "on"}, ("--host", "0.0.0.0"), True),
    ],
)
async def test_server_that_others_reach_shows_no_console_unless_asked_to(tmp_path, settings, arguments, shown):
    async with PreparedServer(tmp_path, settings, *arguments) as server:
        here = f"http://127.0.0.1:{server.port}"
        async with httpx2.AsyncClient(base_url=here, headers={"apikey": server.api_key}) as client:
            for method, path, code in (
                ("GET", "/console/", 200),
                ("GET", "/console/app.js", 200),
                ("POST", "/console/session", 400),
                ("GET", "/console/api/users", 401),
                ("POST", "/v3/console/links", 200),
            ):
                answer = await client.request(method, path)
                assert answer.status_code == (code if shown else 404), (method, path)
                assert shown or answer.json()["error"]["code"] == "ERR_API_NOT_FOUND"


@pytest.mark.gui
@needs_a_terminal()
async def test_server_that_starts_in_a_terminal_prints_a_link_and_the_command_for_later_ones(tmp_path):
    root = Path(__file__).parents[2]
    shell = Shell({"PYTHONPATH": str(root / "src"), "HOME": str(tmp_path)})
    try:
        await shell.until_asked()
        shell.type(f"cd {tmp_path}; clear; {sys.executable} -m tailwire serve --data 'd e' --port 0\n")
        await shell.until_shown("REST API key")
        (link,) = re.findall(r"(http://\S+/console/#[\w-]+)", shell.text)
        assert await status_of(link) == 200
        assert await status_of(link) == 401  # it works once
        (command,) = re.findall(r"later links: tailwire (.*)", shell.text)
        assert shlex.split(command) == ["console", "--data", "d e"]
        code, out, error = await console(tmp_path / "d e")
        assert code == 0, error
        assert await status_of(out.strip()) == 200
        (key,) = re.findall(r"auth key +(\w+)", shell.text)
        shell.type("\x03")
        await shell.until_asked()
        shell.type(f"clear; {sys.executable} -m tailwire serve --data 'd e' --port 0\n")
        await shell.until_shown("REST API key")
        assert re.findall(r"auth key +(\w+)", shell.text) == [key]  # a later start prints the keys again
        shell.type("\x03")
        await shell.until_asked()
    finally:
        shell.close()


async def test_key_is_not_sent_to_another_program_at_the_address_of_a_server_that_ended(tmp_path):
    async with PreparedServer(tmp_path) as server:
        port = server.port
        await server.kill()
        with socket.create_server(("127.0.0.1", port)) as other:
            other.setblocking(False)
            code, _, error = await console(server.data)
            assert code == 1
            assert "no server runs" in error
            try:
                other.accept()
            except BlockingIOError:
                return
            raise AssertionError("the command connected to another program")


async def test_open_stream_of_statistics_is_ended_when_the_server_stops(tmp_path):
    async with PreparedServer(tmp_path) as server, httpx2.AsyncClient(timeout=30) as client:
        url, headers = f"{server.url}/v3/stats/stream", {"apikey": server.api_key}
        async with client.stream("GET", url, headers=headers) as answer:
            lines = answer.aiter_lines()
            assert await anext(lines) == "event: about"
            ending = asyncio.create_task(server.stop())
            async for _ in lines:  # raises if the stream is cut instead of ended
                pass
            assert await ending == 0
