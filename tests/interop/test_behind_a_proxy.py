"""The vendor's JavaScript SDK, unchanged, against the server behind a real nginx and Caddy (`make proxies`)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from front import GUESSES, PLAIN, Front
from interop.browser import Browser
from interop.stage import Stage
from interop.versions import NEWEST, OLDEST, VERSIONS

FILE_BYTES = 20 * 1024 * 1024


class Proxied:
    """A server as `Stage` needs it, with the URL of its proxy."""

    def __init__(self, front: Front) -> None:
        server = front.server
        self.keys = {"app_id": server.app_id, "auth_key": server.auth_key, "api_key": server.api_key}
        self.host, self.url, self.tls = f"localhost:{front.port}", front.url, front.tls

    def http(self) -> Any:
        """Return a client for the REST API with the REST key."""
        headers = {"apikey": self.keys["api_key"], "appid": self.keys["app_id"]}
        return httpx2.Client(base_url=self.url + "/v3", verify=self.tls, headers=headers, timeout=20)


@pytest.fixture(scope="module", params=["nginx", "caddy"])
def front(request, tmp_path_factory) -> Iterator[Front]:
    front = Front(tmp_path_factory.mktemp("front"), request.param, PLAIN)
    front.start()
    asyncio.run(front.wait_ready())
    yield front
    front.close()


@pytest.fixture(scope="module")
def browser(front: Front) -> Iterator[Browser]:
    browser = Browser(front.port)
    yield browser
    browser.close()


@pytest.fixture(params=[NEWEST, OLDEST])
def cast(front: Front, browser: Browser, request) -> Stage:
    return Stage(Proxied(front), browser, VERSIONS[request.param])


async def test_messages_files_and_events_pass(cast: Stage, front: Front):
    async with cast:
        alice, bob = cast.user("alice"), cast.user("bob")
        pa, pb, bp = await cast.page(alice), await cast.page(bob), await cast.python(bob)
        sent = await pa.run(
            'return await CometChat.sendMessage(new CometChat.TextMessage(to, "hello", "user"));', to=bob
        )
        got = await pb.hears("onTextMessageReceived")
        assert (got["id"], got["text"]) == (sent["id"], "hello")
        await bp.ears.until(lambda: bp.ears.texts == ["hello"])
        await bp.say(alice, "hello from Python")
        assert (await pa.hears("onTextMessageReceived"))["text"] == "hello from Python"
        url = await pa.run(
            """const file = new File([new Uint8Array(size)], "large.bin", { type: "application/octet-stream" });
            const done = await CometChat.sendMediaMessage(new CometChat.MediaMessage(to, file, "file", "user"));
            return done.getURL();""",
            to=bob,
            size=FILE_BYTES,
        )
        assert url.startswith(f"{front.url}/")
        size = await pb.run("return (await (await fetch(url)).arrayBuffer()).byteLength", url=url)
        assert size == FILE_BYTES
        history = await pb.run(
            """const request = new CometChat.MessagesRequestBuilder().setUID(alice).setLimit(30).build();
            return (await request.fetchPrevious()).map((m) => m.getType());""",
            alice=alice,
        )
        assert history == ["text", "text", "file"]


async def test_guesses_from_another_address_do_not_affect_clients(cast: Stage, front: Front):
    async with cast:
        alice, bob = cast.user("alice"), cast.user("bob")
        async with front.http("127.0.0.9") as guesser:
            for n in range(5 * GUESSES):
                answer = await guesser.get("/me", headers={"authtoken": f"guess-{n}"})
                if answer.status_code == 429:
                    break
            assert answer.status_code == 429
            page = await cast.page(alice)  # a new token, from the address of the browser
            await page.run(
                'return await CometChat.sendMessage(new CometChat.TextMessage(to, "hello", "user"));', to=bob
            )
