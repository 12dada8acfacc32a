"""The server's HTTP clients keep no cookies of the services that they reach."""

from __future__ import annotations

from pathlib import Path

import httpx2

from tailwire.server.http_client import make_http_client

SERVER = Path(__file__).parents[3] / "src" / "tailwire" / "server"


async def test_cookies_of_a_response_are_neither_kept_nor_sent():
    sent: list[str | None] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        sent.append(request.headers.get("cookie"))
        return httpx2.Response(200, headers=[("set-cookie", f"name{n}=value; Max-Age=3600") for n in range(100)])

    async with make_http_client(transport=httpx2.MockTransport(answer)) as client:
        for _ in range(2):
            assert len((await client.post("https://service/")).headers.get_list("set-cookie")) == 100
        assert sent == [None, None]
        assert list(client.cookies.jar) == []


def test_all_http_clients_of_the_server_are_made_in_one_place():
    """A client that is made elsewhere would keep cookies."""
    makers = {path.name for path in SERVER.rglob("*.py") if "AsyncClient(" in path.read_text("utf-8")}
    assert makers == {"http_client.py"}
