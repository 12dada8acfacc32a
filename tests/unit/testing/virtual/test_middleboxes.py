"""Portals and proxies: what the real client's libraries receive from them."""

from __future__ import annotations

import asyncio

import httpx2
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from harness import CONNECTED
from tailwire.testing.virtual.middleboxes import PORTALS, REFUSALS, busy_proxy, portal, refusing_proxy


async def get(url):
    async with httpx2.AsyncClient(verify=False, trust_env=False) as client:
        return await client.get(f"{url}/v3.0/me")


STATUSES = {"redirect": 302, "page": 200, "511": 511, "json": 200, "broken gzip": None}


@pytest.mark.parametrize("kind", PORTALS)
async def test_portal_answers_every_request(stage, kind):
    status = STATUSES[kind]
    stage.network.middleboxes[""] = portal(kind)
    await stage.server.stop()
    if status is None:
        with pytest.raises(httpx2.DecodingError):
            await get(stage.server.url)
    else:
        assert (await get(stage.server.url)).status_code == status


@pytest.mark.parametrize("status", REFUSALS)
async def test_proxy_refuses_upgrades_only(stage, status):
    stage.network.middleboxes[""] = refusing_proxy(status)
    assert (await get(stage.server.url)).status_code == 400
    with pytest.raises(InvalidStatus) as refused:
        await connect(stage.server.url.replace("http", "ws"), ping_interval=None, proxy=None)
    assert refused.value.response.status_code == status


async def test_busy_proxy_sends_retry_after(stage):
    stage.network.middleboxes[""] = busy_proxy()
    answer = await get(stage.server.url)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "3600")


@pytest.mark.parametrize(("silently", "within"), [(False, 12.0), (True, 40.0)])
async def test_idle_connection_is_killed(stage, silently, within):
    alice = await stage.enter("alice")
    before = stage.network.connection_count
    stage.network.kill_idle("", 10.0, silently=silently)
    await stage.pass_time(within)
    assert stage.network.connection_count > before
    stage.network.restore()
    await stage.pass_time(60)
    assert alice.status is CONNECTED


async def test_held_data_is_acknowledged_and_delivered_later(stage):
    alice = await stage.enter("alice")
    bob = await stage.enter("bob")
    await stage.pass_time(1)
    ends = [t for t in stage.network.open if t.name == "server"]
    before = sum(t.acked for t in ends)
    stage.network.holding[""] = 2.0
    begin = stage.now
    sending = asyncio.ensure_future(bob.say("alice", "hello"))
    await stage.pass_time(1)
    assert sum(t.acked for t in ends) > before
    assert alice.ears.texts == []
    await sending
    assert stage.now - begin > 2
    await stage.pass_time(1)
    assert alice.ears.texts == ["hello"]
