"""Checks the OpenAPI document with generated requests against a running server, with authentication."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path

import httpx2
import pytest

from sizes import THOROUGH, size

PHASES = size("fuzzing", "coverage,fuzzing")
# Not checked: a 404 is a valid response for a generated name.
EXCLUDED_CHECKS = (
    "unsupported_method,ignored_auth,missing_required_header,use_after_free,ensure_resource_availability,"
    "negative_data_rejection,positive_data_acceptance"
)


async def run_generator(server, headers, *more, hooks=False):
    """Run the generator. Return the number of requests."""
    command = [
        sys.executable,
        "-m",
        "schemathesis.cli",
        "run",
        f"{server.url}/openapi.json",
        "--url",
        f"{server.url}/v3",
    ]
    for name, value in headers.items():
        command += ["-H", f"{name}: {value}"]
    command += [
        "--phases",
        PHASES,
        "--max-examples",
        size("1", "2"),
        "--exclude-checks",
        EXCLUDED_CHECKS,
        "--exclude-path",
        "/stats/stream",  # which does not end
        "--seed",
        "1",
        *more,
    ]
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": "openapi_hooks", "PYTHONPATH": str(Path(__file__).parent)}
    process = await asyncio.create_subprocess_exec(
        *command, "--continue-on-failure", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        env=environment if hooks else {**os.environ}, cwd=server.folder,
    )  # fmt: skip
    out = (await process.communicate())[0].decode()
    assert process.returncode == 0, out[-6000:]
    found = re.search(r"(\d+) generated, (\d+) passed", out)
    assert found, out[-2000:]
    return int(found[1])


@pytest.mark.slow
@pytest.mark.thorough
@pytest.mark.timeout(400)
async def test_generated_requests_get_documented_responses(live):
    server = live.server
    async with httpx2.AsyncClient(base_url=f"{server.url}/v3") as http:
        key = {"apikey": server.api_key, "appid": server.app_id}
        token = (await http.post("/users/alice/auth_tokens", headers=key)).json()["data"]["authToken"]
        group = {"guid": "team", "name": "Team", "members": {"participants": ["alice", "bob"]}}
        assert (await http.post("/groups", headers=key, json=group)).status_code == 200
        text = {"receiver": "bob", "receiverType": "user", "data": {"text": "hello"}}
        mine = {"authtoken": token, "appid": server.app_id}
        assert (await http.post("/messages", headers=mine, json=text)).status_code == 200
        await http.post("/messages/1/reactions/x", headers=mine)
    readers = [mine, {**key, "onBehalfOf": "alice"}] if THOROUGH else [mine]
    everything, *as_users = await asyncio.gather(
        run_generator(server, key),
        *(run_generator(server, headers, "--include-method", "GET", hooks=True) for headers in readers),
    )
    assert everything > size(100, 1000)
    assert min(as_users) > size(30, 300)
