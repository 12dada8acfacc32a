"""The server behind nginx and Caddy, with TLS, as the files in `deploy` set them up (`make proxies` installs Caddy)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from websockets.asyncio.client import connect

from front import GUESSES, PLAIN, V1, V2, Front
from tailwire import AppSettingsBuilder, ChatClient, MediaMessage, MemorySessionStore, TextMessage

UPLOAD_BYTES = 100 * 1024 * 1024


@pytest.fixture(
    scope="module",
    params=[("nginx", PLAIN), ("caddy", PLAIN), ("caddy", V1), ("caddy", V2)],
    ids=lambda p: " ".join(p).strip(),
)
def front(request, tmp_path_factory) -> Iterator[Front]:
    front = Front(tmp_path_factory.mktemp("front"), *request.param)
    front.start()
    yield front
    front.close()


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def client(front: Front) -> ChatClient:
    builder = AppSettingsBuilder().override_client_host(front.url)
    return ChatClient(front.server.app_id, builder.build(), session_store=MemorySessionStore(), tls=front.tls)


async def test_sdk_sends_messages_and_files_of_the_largest_size_through_a_proxy(front: Front, tmp_path):
    await front.wait_ready()
    for uid in ("alice", "bob"):
        front.server.add_user(uid)
    large = tmp_path / "large.bin"
    with large.open("wb") as file:
        file.truncate(UPLOAD_BYTES)
    async with client(front) as alice, client(front) as bob:
        for chat, uid in ((alice, "alice"), (bob, "bob")):
            await chat.login(uid, auth_key=front.server.auth_key)
            await chat.wait_connected(10)
        assert (await alice.send_message(TextMessage(receiver="bob", text="hello"))).id
        sent = await alice.send_media_message(MediaMessage(receiver="bob", files=[large], type="file"))
        (attachment,) = sent.attachments
        assert attachment.url.startswith(f"{front.url}/")  # the address that clients use, not that of the proxy
        assert attachment.size == UPLOAD_BYTES
        async with front.http("127.0.0.1") as http:
            answer = await http.head(attachment.url)
            assert (answer.status_code, int(answer.headers["content-length"])) == (200, UPLOAD_BYTES)


async def test_only_the_client_that_guesses_tokens_is_refused_behind_a_proxy(front: Front):
    await front.wait_ready()
    token = front.server.add_user("carol").token
    async with front.http("127.0.0.2") as guesser, front.http("127.0.0.3") as other:
        forged = {"x-forwarded-for": "127.0.0.3", "forwarded": "for=127.0.0.3"}
        tries = [await guesser.get("/me", headers={"authtoken": f"g{n}", **forged}) for n in range(GUESSES + 5)]
        assert [answer.status_code for answer in tries][:GUESSES] == [401] * GUESSES
        assert tries[-1].status_code == 429
        assert (await other.get("/me", headers={"authtoken": token})).status_code == 200
        assert (await guesser.get("/me", headers={"authtoken": token})).status_code == 429


async def test_server_knows_the_address_of_a_client_behind_the_proxy(front: Front):
    await front.wait_ready()
    url = f"wss://localhost:{front.port}/"
    async with connect(url, ssl=front.tls, local_addr=("127.0.0.4", 0), proxy=None) as socket:
        assert socket.response.status_code == 101

        async def addresses() -> list[str]:
            return [one.address for one in front.server.parts.gateway._sockets]

        assert front.server.call(addresses()) == ["127.0.0.4"]
