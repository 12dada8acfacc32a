"""The process in which a real server decodes pictures ends with the server."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import sys
from pathlib import Path

import httpx2
import pytest
from PIL import Image

from harness import LiveStage

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def children(parent: int) -> list[int]:
    """Return the running child processes of a process."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, ppid, *_ = (entry / "stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):  # it has just ended
                continue
            if int(ppid) == parent and state != "Z":
                found.append(int(entry.name))
    return found


def exists(pid: int) -> bool:
    """Return whether a process is running."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def picture() -> bytes:
    """Return the bytes of a picture."""
    out = io.BytesIO()
    Image.new("RGB", (800, 400), "teal").save(out, "PNG")
    return out.getvalue()


async def send(http: httpx2.AsyncClient) -> dict[str, object]:
    """Send a picture, and return its attachment."""
    fields = {"receiver": "bob", "receiverType": "user", "type": "image", "data": "{}"}
    made = await http.post("/messages", data=fields, files={"f": ("a.png", picture())}, timeout=60)
    assert made.status_code == 200, made.text
    (attachment,) = made.json()["data"]["data"]["attachments"]
    return attachment


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
async def test_process_that_decodes_pictures_ends_with_its_server(live: LiveStage, end):
    headers = {"appid": live.server.app_id, "apikey": live.server.api_key, "onBehalfOf": "alice"}
    async with httpx2.AsyncClient(base_url=f"{live.server.url}/v3", headers=headers) as http:
        server = live.server.pid
        assert children(server) == []
        assert (await send(http))["width"] == 800
        (child,) = children(server)
        os.kill(child, signal.SIGSTOP)  # its next picture does not end
        sending = asyncio.create_task(send(http))
        async with asyncio.timeout(30):
            while not list((live.server.data / "uploads").glob("*.part")):
                await asyncio.sleep(0.01)
            ended = live.server.stop() if end is signal.SIGTERM else live.server.kill()
            await ended
            while exists(child) or children(server):
                await asyncio.sleep(0.01)
        (outcome,) = await asyncio.gather(sending, return_exceptions=True)
        if end is signal.SIGKILL:  # a server that stops in order may finish the request, with another process
            assert isinstance(outcome, httpx2.HTTPError)
