"""HTTP control of the proxy."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from tailwire.testing.line.control import Control
from tailwire.testing.line.operations import OPERATIONS
from tailwire.testing.line.proxy import FaultProxy
from tailwire.testing.line.shape import Shape


@contextlib.asynccontextmanager
async def controlled() -> AsyncIterator[tuple[FaultProxy, httpx2.AsyncClient]]:
    proxy = FaultProxy("127.0.0.1", 1)
    async with proxy, Control(proxy) as control, httpx2.AsyncClient(base_url=control.url, verify=False) as http:
        yield proxy, http


async def post(http: httpx2.AsyncClient, path: str, **more: Any) -> dict[str, Any]:
    answer = await http.post(path, **more)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_shape_replaces_the_previous_shape():
    async with controlled() as (proxy, http):
        await post(http, "/shape?rate=64kbit&up=8000&queue=5&latency=0.3")
        assert proxy._shape == Shape(up=8000, down=8000, queue=5, latency=0.3)
        await post(http, "/shape?rate=2mbit&up=9.6kbit")
        assert proxy._shape == Shape(up=1200, down=250_000)
        await post(http, "/restore")
        assert proxy._shape == Shape(up=1200, down=250_000)
        await post(http, "/shape")
        assert proxy._shape == Shape()


async def test_answer_is_sent_as_given():
    async with controlled() as (proxy, http):
        path = "/answer?status=503&header=Retry-After:%203600&header=Content-Type:text/html"
        await post(http, path, content=b"<html>back soon</html>")
        async with httpx2.AsyncClient(trust_env=False, verify=False) as client:
            answer = await client.get(proxy.url)
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "3600"
        assert answer.headers["content-type"] == "text/html"
        assert answer.text == "<html>back soon</html>"
        state = (await http.get("/")).json()
        assert state["taken"] == 1
        assert state["bytes_down"] > 22


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("/shape?rate=fast", "rate: 'fast' is not a rate"),
        ("/shape?speed=1", "unknown parameter 'speed'; known: rate, up, down, queue, latency"),
        ("/shape?latency=-1", "latency: '-1': give seconds"),
        ("/drop?seconds=1", "unknown parameter 'seconds'; known: none"),
        ("/drop?header=a:b", "unknown parameter 'header'"),
        ("/answer?status=99", "give a number from 200 to 599"),
        ("/answer?header=a%0d%0ab:c", "printable"),
        ("/refuse-websockets?status=4.5", "give a whole number"),
        ("/delay?seconds=nan", "give seconds"),
    ],
)
async def test_invalid_parameters_are_refused(path: str, problem: str):
    async with controlled() as (proxy, http):
        answer = await http.post(path)
        assert answer.status_code == 400
        assert problem in answer.json()["error"]
        assert proxy._shape == Shape()


async def test_endless_body_is_refused():
    async with controlled() as (_, http):
        assert (await http.post("/answer", content=bytes(1_000_001))).status_code == 413


async def test_every_listed_operation_of_the_proxy_is_accepted_as_listed():
    async with controlled() as (proxy, http):
        operations = (await http.get("/")).json()["operations"]
        assert len(operations) == len(OPERATIONS)
        for shown in operations:
            method, _, path = shown.partition(" ")
            assert (await http.request(method, path)).status_code == 200, shown
        assert proxy.delay == 0


@pytest.mark.parametrize("origin", ["http://evil.example", "http://127.0.0.1:8480", "null", ""])
async def test_web_pages_cannot_operate_the_line(origin: str):
    async with controlled() as (proxy, http):
        answer = await http.post("/delay?seconds=1", headers={"origin": origin})
        assert (answer.status_code, "web pages" in answer.json()["error"]) == (403, True)
        assert proxy.delay == 0


@pytest.mark.parametrize("host", ["evil.example", "evil.example:9001", "127.0.0.1.evil.example", "localhost:x", ""])
async def test_names_that_only_lead_here_by_dns_are_refused(host: str):
    async with controlled() as (proxy, http):
        assert (await http.post("/delay?seconds=1", headers={"host": host})).status_code == 403
        assert (await http.get("/", headers={"host": host})).status_code == 403
        assert proxy.delay == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:9001", "LOCALHOST", "[::1]:9001"])
async def test_names_of_this_machine_are_accepted(host: str):
    async with controlled() as (proxy, http):
        await post(http, "/delay?seconds=1", headers={"host": host})
        assert proxy.delay == 1
