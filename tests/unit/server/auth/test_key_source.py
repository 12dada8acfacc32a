"""Fetching the keys of an identity provider."""

from __future__ import annotations

import asyncio
import json

import pytest

from identity import EC, jwk
from tailwire.server.auth.key_source import KeySource, fetch_from
from tailwire.server.ports.refusal import Refused

CONTENT = json.dumps({"keys": [jwk(EC, "ec-1")]}).encode()


async def test_cancelled_request_for_a_key_does_not_cancel_the_fetch_for_others():
    gate, fetches = asyncio.Event(), 0

    async def fetch() -> bytes:
        nonlocal fetches
        fetches += 1
        await gate.wait()
        return CONTENT

    source = KeySource("here", fetch, lambda: 1.0, 60)
    waiting = [asyncio.create_task(source.find("ec-1", "ES256")) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.wait([waiting[0]])
    gate.set()
    found = await asyncio.gather(*waiting[1:])
    assert [key.kid for key in found] == ["ec-1", "ec-1"]
    assert fetches == 1


async def test_close_ends_a_fetch_of_keys_in_progress():
    source = KeySource("here", asyncio.Event().wait, lambda: 1.0, 60)
    source.start()
    await asyncio.sleep(0)
    (fetch,) = [task for task in asyncio.all_tasks() if "keys of JWTs" in task.get_name()]
    await asyncio.wait_for(source.close(), 5)
    assert fetch.cancelled()


async def test_key_file_that_is_missing_or_too_large_makes_its_keys_unavailable(tmp_path):
    large = tmp_path / "large.json"
    large.write_bytes(CONTENT + b" " * 300_000)
    for file in (tmp_path / "missing.json", large):
        source = KeySource(str(file), fetch_from(str(file)), lambda: 1.0, 60)
        with pytest.raises(Refused, match="ERR_UNAVAILABLE"):
            await source.find("ec-1", "ES256")
