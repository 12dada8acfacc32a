"""The example backends as processes with a real server: tokens for their users, and webhooks."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest

from harness import LiveStage
from tailwire import AppSettingsBuilder
from tailwire.admin import Admin

pytestmark = pytest.mark.gui  # `make gui` installs the web frameworks too
EXAMPLES = Path(__file__).parents[2] / "examples"


def a_free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@asynccontextmanager
async def backend(live: LiveStage, *command: str) -> AsyncIterator[tuple[httpx2.AsyncClient, list[str]]]:
    """Run a backend. Yield an HTTP client for it, and the lines that it prints."""
    port = a_free_port()
    environment = {
        **os.environ,
        "APP_ID": live.server.app_id,
        "API_KEY": live.server.api_key,
        "CHAT_URL": live.server.url,
        "BACKEND_URL": f"http://127.0.0.1:{port}",
        "PYTHONPATH": os.pathsep.join([str(EXAMPLES), os.environ.get("PYTHONPATH", "")]),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, "--port", str(port), env=environment, stderr=asyncio.subprocess.STDOUT, stdout=asyncio.subprocess.PIPE
    )  # fmt: skip
    lines: list[str] = []

    async def read() -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            lines.append(line.decode())

    reading = asyncio.create_task(read())
    try:
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            await until(lambda: any("running on" in line.lower() for line in lines), lines)
            yield client, lines
    finally:
        process.terminate()
        await process.wait()
        await reading


async def until(condition, lines: list[str]) -> None:
    """Wait for a condition."""
    try:
        async with asyncio.timeout(30):
            while not condition():
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError("".join(lines)) from None


async def delivered(live: LiveStage) -> bool:
    """Return whether the server counts the first try of each of its webhook's deliveries as a success, once one was tried."""
    settings = AppSettingsBuilder().override_client_host(live.server.url).build()
    async with Admin(live.server.app_id, settings, live.server.api_key) as admin, asyncio.timeout(30):
        while True:
            (webhook,) = await admin.webhooks.list()
            if webhook.state.last_failure_at or webhook.state.last_success_at:
                return not webhook.state.last_failure
            await asyncio.sleep(0.01)


def commands() -> list[object]:
    fast = ["-m", "uvicorn", "backend_fastapi:app"]
    flask = ["-m", "flask", "--app", "backend_flask", "run"]
    return [pytest.param("fastapi", fast, id="fastapi"), pytest.param("flask", flask, id="flask")]


@pytest.mark.parametrize(("package", "command"), commands())
async def test_backend_issues_tokens_and_receives_webhooks(live: LiveStage, package: str, command: list[str]):
    pytest.importorskip(package)
    async with backend(live, *command) as (client, lines):
        assert (await client.post("/chat-token")).status_code == 401
        assert (await client.post("/chat-token", auth=("alice", "wrong"))).status_code == 401
        dora = (await client.post("/chat-token", auth=("dora", "explorer"))).json()  # does not exist yet
        actor = live.actor()
        await actor.chat.init()
        actor.listen()
        await actor.chat.login_with_auth_token(dora["token"])
        await actor.wait_connected()
        history = [m.text async for m in actor.chat.messages(uid="app_system")]
        assert history == ["Welcome, Dora!"]
        sent = await actor.say("alice", "hello")
        await until(lambda: any(f"dora wrote message {sent.id}" in line for line in lines), lines)
        assert await delivered(live)
        assert (
            await client.post("/chat-events", json={"data": {"message": {"sender": "dora", "id": "1"}}})
        ).status_code == 401
        assert (await client.post("/chat-token", auth=("alice", "wonderland"))).json()["uid"] == "alice"
    async with backend(live, *command) as (_, lines):  # a second start finds its webhook
        again = await actor.say("alice", "hello again")
        await until(lambda: any(f"dora wrote message {again.id}" in line for line in lines), lines)


async def test_documented_program_runs(live: LiveStage, tmp_path):
    page = (EXAMPLES.parent / "docs" / "backend.md").read_text()
    program = tmp_path / "program.py"
    program.write_text(page.split("```python\n")[1].split("```")[0].replace("http://127.0.0.1:8480", live.server.url))
    environment = {**os.environ, "APP_ID": live.server.app_id, "API_KEY": live.server.api_key}
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(program), env=environment, stdout=asyncio.subprocess.PIPE
    )
    printed, _ = await process.communicate()
    assert process.returncode == 0
    assert b"Welcome!" in printed.splitlines()[0]
