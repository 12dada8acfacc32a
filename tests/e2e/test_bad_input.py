"""Invalid input, before and after authentication: clear errors, no loss, and no effect on other clients."""

from __future__ import annotations

import asyncio
import json
import resource
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import httpx2
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from harness import CONNECTED, LiveStage

HEAD = b"POST /v3/messages HTTP/1.1\r\nHost: x\r\n"


class Stranger:
    """A raw HTTP and WebSocket client, as alice."""

    def __init__(self, live: LiveStage, http: httpx2.AsyncClient) -> None:
        self.live, self.http = live, http
        self.token = self.jwt = ""

    async def begin(self) -> None:
        server = self.live.server
        key = {"appid": server.app_id, "apikey": server.auth_key}
        made = await self.http.post("/v3/users/alice/auth_tokens", headers=key, json={"platform": "x"})
        self.token = made.json()["data"]["authToken"]
        me = await self.http.put("/v3/me", headers=self.headers)
        self.jwt = me.json()["data"]["jwt"]

    @property
    def headers(self) -> dict[str, str]:
        return {"appid": self.live.server.app_id, "authtoken": self.token, "resource": "RAW-1"}

    def auth(self, **changes) -> str:
        body = {"auth": self.jwt, "deviceId": "RAW-1", "params": {"tailwire": {"features": ["heartbeat", "x"]}}}
        return json.dumps({"type": "auth", "deviceId": "RAW-1", "sender": "alice", "body": {**body, **changes}})

    async def refused(self, method: str, path: str, status: int, code: str, headers=None, **more) -> None:
        """Check that a request is refused with a status and a code, and with advice."""
        answer = await self.http.request(method, path, headers=self.headers if headers is None else headers, **more)
        assert answer.status_code == status, answer.text
        error = answer.json()["error"]
        assert error["code"] == code, answer.text
        assert error["message"]
        assert error["details"]

    @property
    def socket_url(self) -> str:
        return self.live.server.url.replace("http", "ws") + "/"


async def closed_with(ws) -> int | None:
    try:
        while True:
            await ws.recv()
    except ConnectionClosed as e:
        return e.rcvd.code if e.rcvd else None


@asynccontextmanager
async def unharmed(live: LiveStage) -> AsyncIterator[Stranger]:
    """Yield a stranger of the server. At the end another user can send, and the server has logged no traceback."""
    witness = await live.enter("bob")
    async with httpx2.AsyncClient(base_url=live.server.url) as http:
        stranger = Stranger(live, http)
        await stranger.begin()
        yield stranger
    await witness.say("alice", "still here")
    assert witness.status is CONNECTED
    assert not [line for line in live.server.log if "Traceback" in line]


POST = ("POST", "/v3/messages")
HELLO = {"receiver": "bob", "receiverType": "user", "data": {"text": "x"}}


async def test_request_without_valid_credentials_is_refused(live: LiveStage):
    async with unharmed(live) as stranger:
        for headers, status, code in (
            ({}, 400, "AUTH_ERR_EMPTY_APPID"),
            ({"appid": "other"}, 404, "AUTH_ERR_INVALID_APPID"),
            ({"appid": live.server.app_id}, 401, "AUTH_ERR_EMPTY_APIKEY"),
            ({"appid": live.server.app_id, "resource": "d"}, 401, "AUTH_ERR_EMPTY_AUTH_TOKEN"),
            ({"appid": live.server.app_id, "authtoken": "x"}, 401, "AUTH_ERR_AUTH_TOKEN_NOT_FOUND"),
            ({"appid": live.server.app_id, "authtoken": "x" * 5000}, 401, "AUTH_ERR_AUTH_TOKEN_NOT_FOUND"),
        ):
            await stranger.refused(*POST, status, code, headers=headers, json=HELLO)


async def test_body_that_is_not_a_message_is_refused(live: LiveStage):
    async with unharmed(live) as stranger:
        for body, code in (
            (b"", "ERR_EMPTY_RECEIVER"),
            (b"{", "ERR_BAD_REQUEST"),
            (b"[]", "ERR_BAD_REQUEST"),
            (b'"text"', "ERR_BAD_REQUEST"),
            (b"\xff\xfe\x00", "ERR_BAD_REQUEST"),
            (b'{"receiver": 5}', "ERR_BAD_REQUEST"),
            (b'{"receiver": "bob"}', "ERR_INVALID_RECEIVER_TYPE"),
            (b'{"receiver": "bob", "receiverType": "planet"}', "ERR_INVALID_RECEIVER_TYPE"),
            (b"[" * 100_000, "ERR_BAD_REQUEST"),
        ):
            await stranger.refused(*POST, 400, code, content=body)
        await stranger.refused(*POST, 413, "ERR_TOO_LARGE", content=b" " * (300 * 1024))


async def test_message_with_an_invalid_field_is_refused(live: LiveStage):
    async with unharmed(live) as stranger:
        for change, status, code in (
            ({"receiver": "Nobody Here"}, 400, "ERR_BAD_REQUEST"),
            ({"receiver": "nobody"}, 404, "ERR_UID_NOT_FOUND"),
            ({"receiver": "x" * 101}, 400, "ERR_BAD_REQUEST"),
            ({"receiverType": "group", "receiver": "none"}, 404, "ERR_GUID_NOT_FOUND"),
            ({"category": "call"}, 400, "ERR_INVALID_MESSAGE_CATEGORY"),
            ({"category": "action"}, 400, "ERR_INVALID_MESSAGE_CATEGORY"),
            ({"type": "hologram"}, 400, "ERR_INVALID_MESSAGE_TYPE"),
            ({"type": "image"}, 400, "ERR_EMPTY_MESSAGE_FILE"),
            ({"category": "custom", "type": "x"}, 400, "ERR_EMPTY_CUSTOM_DATA"),
            ({"data": {}}, 400, "ERR_EMPTY_MESSAGE_TEXT"),
            ({"data": {"text": "  "}}, 400, "ERR_EMPTY_MESSAGE_TEXT"),
            ({"data": {"text": 5}}, 400, "ERR_INVALID_MESSAGE_TEXT"),
            ({"data": {"text": "x" * 11_000}}, 400, "ERR_INVALID_MESSAGE_DATA"),
            ({"data": {"text": "x", "metadata": [1]}}, 400, "ERR_INVALID_METADATA"),
            ({"data": 5}, 400, "ERR_INVALID_MESSAGE_DATA"),
            ({"muid": ""}, 400, "ERR_BAD_REQUEST"),
            ({"muid": "x" * 201}, 400, "ERR_BAD_REQUEST"),
            ({"tags": ["x"] * 26}, 400, "ERR_BAD_REQUEST"),
            ({"parentId": "x"}, 404, "ERR_MESSAGE_ID_NOT_FOUND"),
            ({"parentId": 10**30}, 404, "ERR_MESSAGE_ID_NOT_FOUND"),
        ):
            await stranger.refused(*POST, status, code, json={**HELLO, **change})


async def test_request_for_what_does_not_exist_or_with_an_invalid_query_is_refused(live: LiveStage):
    async with unharmed(live) as stranger:
        for method, path, status, code in (
            ("GET", "/v3/nothing", 404, "ERR_API_NOT_FOUND"),
            ("PATCH", "/v3/messages", 404, "ERR_API_NOT_FOUND"),
            ("GET", "/v3/messages/999", 404, "ERR_MESSAGE_ID_NOT_FOUND"),
            ("GET", "/v3/messages/" + "9" * 50, 404, "ERR_MESSAGE_ID_NOT_FOUND"),
            ("DELETE", "/v3/messages/x", 404, "ERR_MESSAGE_ID_NOT_FOUND"),
            ("GET", "/v3/messages?per_page=0", 400, "ERR_BAD_REQUEST"),
            ("GET", "/v3/messages?per_page=9999", 400, "ERR_BAD_REQUEST"),
            ("GET", "/v3/messages?id=-2", 400, "ERR_BAD_REQUEST"),
            ("GET", "/v3/users/nobody", 404, "ERR_UID_NOT_FOUND"),
            ("GET", "/v3/users/nobody/messages", 404, "ERR_UID_NOT_FOUND"),
            ("GET", "/v3/groups/nothing/messages", 404, "ERR_GUID_NOT_FOUND"),
        ):
            await stranger.refused(method, path, status, code)


async def test_invalid_new_user_is_refused(live: LiveStage):
    async with unharmed(live) as stranger:
        await stranger.refused("POST", "/v3/users", 401, "AUTH_ERR_EMPTY_APIKEY", json={"uid": "x", "name": "X"})
        key = {"appid": live.server.app_id, "apikey": live.server.auth_key}
        for new, status, code in (
            ({"uid": "alice", "name": "A"}, 409, "ERR_UID_ALREADY_EXISTS"),
            ({"uid": "app_system", "name": "A"}, 409, "ERR_UID_ALREADY_EXISTS"),
            ({"uid": "ö", "name": "A"}, 400, "ERR_BAD_REQUEST"),
            ({"uid": "new", "name": ""}, 400, "ERR_BAD_REQUEST"),
            ({"uid": "new", "name": "x", "metadata": [1]}, 400, "ERR_BAD_REQUEST"),
            ({"uid": "new", "name": "x", "avatar": "x" * 3001}, 400, "ERR_BAD_REQUEST"),
        ):
            await stranger.refused("POST", "/v3/users", status, code, headers=key, json=new)


async def test_unknown_fields_of_a_message_are_not_returned(live: LiveStage):
    async with unharmed(live) as stranger:
        body = {**HELLO, "sender": {"authToken": "secret"}}
        answer = await stranger.http.post("/v3/messages", headers=stranger.headers, json=body)
        assert answer.status_code == 200
        assert "secret" not in answer.text


async def test_preflight_request_allows_pages_of_any_origin(live: LiveStage):
    async with unharmed(live) as stranger:
        answer = await stranger.http.options("/v3/messages")
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (204, "*")


async def test_health_and_metrics_need_no_credentials(live: LiveStage):
    async with unharmed(live) as stranger:
        assert (await stranger.http.post("/v3/messages", headers=stranger.headers, json=HELLO)).status_code == 200
        assert (await stranger.http.get("/health")).json()["data"]["status"] == "ok"
        assert "tailwire_messages_stored_total 1.0" in (await stranger.http.get("/metrics")).text


async def test_messages_of_others_are_inaccessible(live: LiveStage):
    alice, bob, carol = await live.enter("alice"), await live.enter("bob"), await live.enter("carol")
    sent = await alice.say("bob", "private")
    for call in (
        carol.chat.get_message(sent.id),
        carol.chat.delete_message(sent.id),
    ):
        with pytest.raises(Exception, match="ERR_MESSAGE_ID_NOT_FOUND"):
            await call
    sent.text = "forged"
    with pytest.raises(Exception, match="ERR_MESSAGE_ID_NOT_FOUND"):
        await carol.chat.edit_message(sent)
    with pytest.raises(Exception, match="ERR_MESSAGE_NOT_A_SENDER"):
        await bob.chat.edit_message(sent)
    deleted = await alice.chat.delete_message(sent.id)
    assert deleted.deleted_by == "alice"
    with pytest.raises(Exception, match="ERR_MESSAGE_ACTION_NOT_ALLOWED"):
        await alice.chat.edit_message(sent)
    assert [m.text async for m in carol.chat.messages()] == []


async def test_invalid_first_frame_closes_the_socket(live: LiveStage):
    async with unharmed(live) as stranger:
        for first, code in (
            ('{"action":"ping","ack":"true"}', 4003),
            ('{"type":"typing_indicator","receiver":"bob","receiverType":"user","body":{"action":"started"}}', 4003),
            (stranger.auth(auth="nonsense"), 4501),
            (stranger.auth(auth=stranger.jwt[:-2]), 4501),
            (stranger.auth(auth=""), 4501),
            (stranger.auth(auth="x" * 10_000), 4501),
            (b"\x00\x01", 1003),
            ("x" * 70_000, 1009),
        ):
            async with connect(stranger.socket_url) as ws:
                await ws.send(first)
                assert await closed_with(ws) == code, first[:50]


async def test_invalid_later_frames_are_answered_with_an_error(live: LiveStage):
    async with unharmed(live) as stranger, connect(stranger.socket_url) as ws:
        await ws.send(stranger.auth())
        answer = json.loads(await ws.recv())
        assert answer["body"]["status"] == "OK"
        assert answer["body"]["tailwire"]["features"] == ["heartbeat"]
        for bad in (
            "not json",
            "[]",
            '{"type":"nonsense"}',
            '{"type":"receipts","body":{"action":"read","messageId":"99999"}}',
            '{"type":"receipts","body":{"action":"eaten","messageId":"1"}}',
            '{"type":"receipts","body":5}',
            '{"type":"typing_indicator","receiver":"nobody","receiverType":"user","body":{"action":"started"}}',
            '{"type":"typing_indicator","receiver":"bob","receiverType":"planet","body":{"action":"started"}}',
            '{"type":"typing_indicator","receiver":"bob","receiverType":"user","body":{"action":"dances"}}',
            '{"type":"app_state","body":{"state":"background","window":1e9}}',
        ):
            await ws.send(bad)
            answer = json.loads(await ws.recv())
            assert answer["body"]["action"] == "error", (bad, answer)
            assert answer["body"]["error"]["code"].startswith("ERR_"), answer
        await ws.send('{"action":"ping","ack":"true"}')
        assert json.loads(await ws.recv()) == {"action": "pong", "ack": "true"}
        await ws.send(["in ", "two ", "pieces"])
        assert json.loads(await ws.recv())["body"]["action"] == "error"
        with suppress(ConnectionClosed):
            for _ in range(30):  # one at a time: a client that still sends may not receive the close frame
                await ws.send("not json")
                await ws.recv()
        assert await closed_with(ws) == 1008


async def test_auth_token_identifies_the_user_and_not_the_sender_in_the_frame(live: LiveStage):
    async with unharmed(live) as stranger, connect(stranger.socket_url) as ws:
        await ws.send(json.dumps({**json.loads(stranger.auth()), "sender": "bob"}))
        assert json.loads(await ws.recv())["receiver"] == "alice"


async def test_client_that_requested_no_features_receives_no_error_frame(live: LiveStage):
    async with unharmed(live) as stranger, connect(stranger.socket_url) as ws:
        await ws.send(stranger.auth(params={}))
        assert json.loads(await ws.recv())["body"] == {"status": "OK", "code": "200"}
        await ws.send("not json")
        await ws.send('{"action":"ping","ack":"true"}')
        assert json.loads(await ws.recv()) == {"action": "pong", "ack": "true"}


async def test_many_invalid_frames_of_one_socket_are_answered_in_order(live: LiveStage):
    async with unharmed(live) as stranger, connect(stranger.socket_url) as ws:
        await ws.send(json.dumps({**json.loads(stranger.auth()), "ballast": "x" * 40_000}))
        assert json.loads(await ws.recv())["body"]["status"] == "OK"
        for n in range(150):
            await ws.send(f'{{"type":"receipts","body":{{"action":"{n}-{"x" * 300}"}}}}')
        await ws.send('{"action":"ping","ack":"true"}')
        answers = [json.loads(await ws.recv()) for _ in range(151)]
        assert [answer.get("action", "error") for answer in answers] == ["error"] * 150 + ["pong"]


async def test_half_sent_requests_and_frames_do_not_affect_other_clients(live: LiveStage):
    async with unharmed(live):
        await half_frames(live.server.port)


async def test_socket_at_an_unknown_path_is_refused(live: LiveStage):
    async with unharmed(live) as stranger:
        with pytest.raises(Exception, match="404"):
            await connect(stranger.socket_url + "nowhere")


async def half_frames(port: int) -> None:
    """Open connections that send a part of a request, body, upgrade or frame, or garbage, and wait for their ends."""
    upgrade = (
        b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    for piece in (
        b"POST /v3/mess",
        HEAD + b"Content-Length: 100\r\n\r\n{",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        upgrade[:60],
        upgrade + b"\x81\xfe\xff",
        upgrade + b"\xff\xff\xff\xff",
        upgrade + b"\x81\x05hello",
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(piece)
        await writer.drain()
        writer.write_eof()
        async with asyncio.timeout(10):
            while await reader.read(4096):
                pass
        writer.close()


async def test_many_sockets_without_authentication_are_closed_at_the_deadline(live: LiveStage):
    """Idle sockets are closed after the deadline, and other clients are unaffected."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4096 if hard == resource.RLIM_INFINITY else min(4096, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    many = 2000 if max(soft, wanted) >= 2500 else 400
    live.server._settings |= {"TAILWIRE_AUTH_DEADLINE": "5", "TAILWIRE_SWEEP_INTERVAL": "0.2"}
    await live.server.kill()
    await live.server.start()
    bob, alice = await live.enter("bob"), await live.enter("alice")
    url = live.server.url.replace("http", "ws") + "/"
    silent = []
    for _ in range(20):
        silent += await asyncio.gather(*(connect(url, ping_interval=None) for _ in range(many // 20)))
    for n in range(20):
        await alice.say("bob", str(n))
    codes = await asyncio.gather(*(closed_with(ws) for ws in silent))
    assert set(codes) == {4008}
    await bob.ears.until(lambda: len(bob.ears.texts) == 20)
    assert bob.status is alice.status is CONNECTED
