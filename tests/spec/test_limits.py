"""Rate limits: refusals carry Retry-After, and the SDK honours it (T6, K3)."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress

import pytest
from uvicorn.server import ServerState
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from faults.crowd import UPGRADE, masked
from fuzz.connection import Wire
from harness import CONNECTED, DISCONNECTED, Actor, Stage
from rest import Rest
from tailwire import CometChatException, Group, MediaMessage, UploadFile
from tailwire.server.config import Settings
from tailwire.server.gateway.protocol import SocketProtocol
from tailwire.server.limits.guess_limiter import MAX_KNOWN_SECRETS
from tailwire.server.ports.refusal import NotAuthenticated
from tailwire.testing.virtual.world import PORT, VirtualServer
from tailwire.wire.frames import proof_of


def use_limits(stage: Stage, folder, **limits) -> None:
    no_rate_limits = {f"{name}_per_minute": 0 for name in ("sends", "requests", "logins", "core", "standard")}
    stage.server = VirtualServer(folder, Settings(data=str(folder), **{**no_rate_limits, **limits}))


@pytest.fixture
def slow_sends(stage: Stage, tmp_path) -> Stage:
    use_limits(stage, tmp_path, sends_per_minute=60)
    return stage


async def test_burst_passes_and_then_the_sdk_obeys_retry_after(stage: Stage, slow_sends):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    begin = stage.now
    for n in range(25):
        await alice.say("bob", str(n))
    # A quarter of the minute's requests pass at once; then one per second.
    assert 9 <= stage.now - begin <= 21
    await bob.ears.until(lambda: len(bob.ears.texts) == 25)
    assert bob.ears.texts == [str(n) for n in range(25)]


@pytest.fixture
def few_logins(stage: Stage, tmp_path) -> Stage:
    use_limits(stage, tmp_path, logins_per_minute=8)
    return stage


async def test_logins_of_one_user_are_rate_limited(stage: Stage, few_logins):
    for _ in range(2):
        await stage.enter("alice")
    with pytest.raises(CometChatException) as caught:
        await stage.enter("alice")
    assert caught.value.code == "ERR_TOO_MANY_REQUESTS"
    assert caught.value.retry_after >= 1
    assert (await stage.enter("bob")).status is CONNECTED


@pytest.fixture
def few_upgrades(stage: Stage, tmp_path) -> Stage:
    use_limits(stage, tmp_path, upgrades_per_second=1)
    return stage


@pytest.mark.spec("T6")
async def test_excess_socket_attempts_are_delayed(stage: Stage, few_upgrades):
    clients = [await stage.enter("alice", auto=False) for _ in range(16)]
    await stage.pass_time(20)
    for client in clients:
        client.ears.heard.clear()
    begin = stage.now
    results = await asyncio.gather(*(c.chat.connect() for c in clients), return_exceptions=True)
    refused = sum(isinstance(r, CometChatException) for r in results)
    assert refused == 12  # the others are admitted within three seconds
    assert 3 < stage.now - begin < 7
    busy = next(c for c, r in zip(clients, results, strict=True) if isinstance(r, CometChatException))
    assert "server_busy" in [str(t.cause) for t in busy.chat.connection.history]
    for client in clients:
        await client.wait_connected()
    assert stage.now - begin < 30


@pytest.fixture
def few_frames(stage: Stage, tmp_path) -> Stage:
    use_limits(stage, tmp_path, frames_per_second=5)
    return stage


async def test_flooding_socket_is_closed_and_refused_for_a_while(stage: Stage, few_frames):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    await stage.pass_time(2.1)  # the count starts again
    begin = stage.now
    for _ in range(100):
        await alice.chat.start_typing("bob")
    await alice.ears.until(lambda: "server_closed" in [t.cause for t in alice.chat.connection.history])
    assert stage.now - begin < 0.1  # enforced immediately, not only by the sweep
    assert stage.server.parts.metrics.closes["too fast"] == 1
    assert len(bob.ears.all("typing")) <= 10
    await alice.wait_connected()
    assert 5 <= stage.now - begin <= 15
    assert stage.server.parts.metrics.closes["too fast"] == 2  # the second attempt came immediately, and had to wait
    assert bob.status is CONNECTED
    assert stage.server.parts.metrics.sockets == 2


@pytest.fixture
def some_frames(stage: Stage, tmp_path) -> Stage:
    use_limits(stage, tmp_path, frames_per_second=50)
    return stage


async def test_client_that_floods_again_without_waiting_is_ignored(stage: Stage, some_frames):
    sessions = stage.server.parts.actions.sessions
    made = await sessions.create_token("alice")
    me = await sessions.me(await sessions.caller(made.token, "raw"), made.token)
    auth = json.dumps({"type": "auth", "deviceId": "raw", "body": {"auth": me.signed_pass, "deviceId": "raw"}})
    typing = '{"type":"typing_indicator","receiver":"bob","receiverType":"user","body":{"action":"started"}}'
    codes = []
    begin = stage.now
    for _ in range(3):
        async with connect(f"ws://server:{PORT}/", ping_interval=None) as ws:
            with suppress(ConnectionClosed):
                ws.transport.write(masked(auth.encode()) + masked(typing.encode()) * 500)
                await stage.pass_time(1)
                held = [s for s in stage.server.parts.gateway._sockets if s.held_until]
                assert not any(s._transport.is_reading() for s in held)
                while True:
                    await ws.recv()
            codes.append(ws.close_code)
    assert codes == [4029, 4029, 4029]
    assert stage.now - begin >= 5  # the second had to wait
    assert stage.server.parts.metrics.frames_in <= 220  # from the first socket and the third, which waited


@pytest.mark.sqlite  # whose work can be made slow on virtual time
async def test_server_stops_reading_a_socket_while_its_earlier_frames_are_unprocessed(stage: Stage, some_frames):
    bob = await stage.enter("bob")
    sent = await bob.say("alice", "hello")
    sessions = stage.server.parts.actions.sessions
    token = (await sessions.create_token("alice")).token
    jwt = (await sessions.me(await sessions.caller(token, "raw"), token)).signed_pass
    auth = json.dumps({"type": "auth", "deviceId": "raw", "body": {"auth": jwt, "deviceId": "raw"}})
    receipt = json.dumps({"type": "receipts", "body": {"action": "read", "messageId": str(sent.id)}})
    async with connect(f"ws://server:{PORT}/", ping_interval=None) as ws:
        await ws.send(auth)
        await ws.recv()
        asyncio.get_running_loop().executor_seconds = lambda: 1.0  # the store is slow
        ws.transport.write(masked(receipt.encode()) * 80)
        await stage.pass_time(0.1)
        (raw,) = [s for s in stage.server.parts.gateway._sockets if s.device == "raw"]
        assert 0 < len(raw.inbox) < 40
        assert not raw._transport.is_reading()
        asyncio.get_running_loop().executor_seconds = float
        await stage.pass_time(5)
        assert raw.inbox is None
        assert raw._transport.is_reading()
        assert stage.server.parts.metrics.frames_in >= 81  # all frames were processed


async def test_data_before_the_upgrade_response_ends_the_connection(stage: Stage):
    class Hasty(asyncio.Protocol):
        ended = False

        def connection_lost(self, error):
            self.ended = True

    transport, hasty = await asyncio.get_running_loop().create_connection(Hasty, "server", PORT)
    transport.write(
        b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    await stage.pass_time(0.01)  # the response is delayed for some clients
    transport.write(b"\xff\xff\xff\xff")
    await stage.pass_time(0.1)
    assert hasty.ended
    # The transport may have delivered both together.
    socket, wire = SocketProtocol(stage.server.parts.gateway, None, ServerState(), None), Wire()
    socket.connection_made(wire)
    socket.data_received(UPGRADE + b"\xff\xff\xff\xff")
    assert wire.closing
    assert stage.server.parts.metrics.sockets == 0


async def test_many_sockets_that_never_authenticate_are_closed_at_their_deadline(stage: Stage):
    ended = []

    class Silent(asyncio.Protocol):
        def connection_made(self, transport):
            transport.write(UPGRADE)

        def connection_lost(self, error):
            ended.append(stage.now)

    for _ in range(500):
        await asyncio.get_running_loop().create_connection(Silent, "server", PORT)
    assert stage.server.parts.metrics.sockets > 450
    await stage.pass_time(16)
    assert len(ended) == 500
    assert max(ended) - min(ended) < 5  # between their opening and one interval later
    assert stage.server.parts.metrics.closes["not authenticated"] == 500


async def test_server_enforces_the_background_window_of_a_frozen_app(stage: Stage):
    alice = await stage.enter("alice", auto=False)
    await alice.chat.connect()
    alice.chat.set_app_state("background")
    await stage.pass_time(1)
    frozen = alice.chat._parts.driver
    frozen._timer.cancel()  # the system has frozen the app, so its timers do not fire
    await stage.pass_time(33)
    assert stage.server.parts.metrics.sockets == 1
    await stage.pass_time(5)
    assert stage.server.parts.metrics.sockets == 0
    assert stage.server.parts.metrics.closes["background window"] == 1


async def test_server_disconnects_a_client_with_a_dead_line(stage: Stage):
    await stage.enter("alice", presence=True)
    bob = await stage.enter("bob")
    assert stage.server.parts.metrics.sockets == 2
    for transport in stage.network.open:
        if isinstance(transport.protocol, SocketProtocol) and transport.protocol.uid == "bob":
            transport.peer.peer = None  # frames from bob are lost
    await stage.pass_time(120)
    assert stage.server.parts.metrics.closes["silent"] >= 1
    assert bob.status is CONNECTED


@pytest.fixture
def short_passes(stage: Stage, tmp_path) -> Stage:
    use_limits(stage, tmp_path, jwt_lifetime=60.0)
    return stage


@pytest.mark.spec("C22", "S7")
async def test_expired_pass_is_replaced(stage: Stage, short_passes):
    alice = await stage.enter("alice")
    expired = alice.chat._parts.connector._pass
    await stage.pass_time(3600)
    stage.network.drop()
    await alice.ears.until(lambda: alice.ears.statuses.count(CONNECTED) >= 2)
    assert alice.ears.all("error") == []
    assert alice.chat._parts.connector._pass not in ("", None, expired)


async def test_responses_carry_the_remaining_requests(stage: Stage, slow_sends):
    async with Rest(stage) as rest:
        text = {"receiver": "bob", "receiverType": "user", "data": {"text": "x"}}
        left = []
        for _ in range(15):
            answer = await rest.answer("POST", "/messages", as_="alice", json=text)
            assert answer.headers["x-rate-limit"] == "15"  # a quarter of a minute's requests at once
            left.append(int(answer.headers["x-rate-limit-remaining"]))
        assert left == sorted(left, reverse=True)
        assert left[-1] == 0
        answer = await rest.answer("POST", "/messages", as_="alice", json=text)
        assert (answer.status_code, answer.json()["error"]["code"]) == (429, "ERR_TOO_MANY_REQUESTS")
        assert int(answer.headers["retry-after"]) >= 1
        assert int(answer.headers["x-rate-limit-reset"]) > stage.server.world.seconds()
        # Another user's requests count separately.
        assert (await rest.answer("POST", "/messages", as_="carol", json=text)).status_code == 200


@pytest.fixture
def small_app(stage: Stage, tmp_path) -> Stage:
    use_limits(stage, tmp_path, core_per_minute=60, standard_per_minute=120)
    return stage


async def test_core_requests_of_the_app_are_limited_together(stage: Stage, small_app):
    async with Rest(stage) as rest:
        for n in range(60):
            await rest("POST", "/users", json={"uid": f"u{n}", "name": "U"})
        key = {"apikey": stage.server.auth_key}
        begin = stage.now
        error, *_ = await asyncio.gather(
            rest.refused("ERR_TOO_MANY_REQUESTS", "POST", "/users", json={"uid": "more", "name": "U"}),
            rest.refused("ERR_TOO_MANY_REQUESTS", "POST", "/groups", as_="alice", json={"guid": "g", "name": "G"}),
            rest.refused("ERR_TOO_MANY_REQUESTS", "POST", "/users/bob/auth_tokens", headers=key),
        )
        assert "core_per_minute" in error["details"]
        assert stage.now - begin > 0.05  # refused late, so that a client that retries in a loop costs little
        assert (await rest.answer("GET", "/users", as_="alice")).status_code == 200  # of the other rate
        await stage.pass_time(2)
        await rest("POST", "/users", json={"uid": "more", "name": "U"})


async def test_standard_requests_of_all_users_are_limited_together(stage: Stage, small_app):
    async with Rest(stage) as rest:
        count = 0
        while True:  # an API key may use all of the limit
            answer = await rest.answer("GET", "/users")
            assert answer.headers["x-rate-limit"] == "120"
            if answer.status_code == 429:
                break
            count += 1
        assert 120 <= count <= 125  # time passes during the requests
        assert answer.json()["error"]["details"].endswith("setting standard_per_minute.")
        await rest.refused("ERR_TOO_MANY_REQUESTS", "GET", "/users", as_="alice")
        await rest("POST", "/users", json={"uid": "more", "name": "U"})  # of the other rate
        await stage.pass_time(2)
        await rest("GET", "/users", as_="alice")


@pytest.fixture
def app_of_600(stage: Stage, tmp_path) -> Stage:
    use_limits(stage, tmp_path, standard_per_minute=600)
    return stage


async def test_one_user_with_many_tokens_does_not_get_others_refused(stage: Stage, app_of_600):
    sessions, codes = stage.server.parts.actions.sessions, []
    async with Rest(stage) as rest:
        for _ in range(20):
            own = {"authtoken": (await sessions.create_token("alice")).token, "apikey": "", "resource": "r"}
            codes += [(await rest.answer("GET", "/users", headers=own)).status_code for _ in range(3)]
        assert codes.count(429) > 30
        error = await rest.refused("ERR_TOO_MANY_REQUESTS", "GET", "/users", headers=own)
        assert "standard_per_minute (one user may use a tenth of it)" in error["details"]
        for uid in ("bob", "carol"):
            for _ in range(15):
                assert (await rest.answer("GET", "/users", as_=uid)).status_code == 200


async def test_one_user_cannot_exhaust_the_login_limit_of_the_app(stage: Stage, small_app):
    async with Rest(stage) as rest:
        for _ in range(2):
            await rest.answer("POST", "/groups/none/members", as_="alice")  # failed requests count, too
        for _ in range(20):
            error = await rest.refused("ERR_TOO_MANY_REQUESTS", "POST", "/groups/none/members", as_="alice")
        assert "a tenth" in error["details"]
        for _ in range(40):
            answer = await rest.answer("POST", "/users/bob/auth_tokens", headers={"apikey": stage.server.auth_key})
            assert answer.status_code == 200


@pytest.fixture
def few_to_many(stage: Stage, tmp_path) -> Stage:
    use_limits(stage, tmp_path, sends_per_minute=40)
    return stage


async def test_each_receiver_counts_towards_the_limit(stage: Stage, few_to_many):
    def to(*uids: str):
        return {"data": {"text": "hello"}, "multipleReceivers": {"uids": list(uids)}}

    async with Rest(stage) as rest:
        answer = await rest.answer("POST", "/messages", as_="alice", json=to("bob", "bob", "carol", "bob"))
        assert [m["receiver"] for m in answer.json()["data"]] == ["bob", "carol"]
        assert (answer.headers["x-rate-limit"], answer.headers["x-rate-limit-remaining"]) == ("10", "8")
        await rest.add_users(*(f"u{n}" for n in range(11)))
        crowd = [f"u{n}" for n in range(11)]
        error = await rest.refused("ERR_TOO_MANY_REQUESTS", "POST", "/messages", as_="alice", json=to(*crowd))
        assert "sends_per_minute" in error["details"]
        assert await rest("GET", "/messages", as_="u0") == []
        await stage.pass_time(60)
        # More than the bucket holds: it passes, and later requests wait for the whole debt.
        assert len(await rest("POST", "/messages", as_="alice", json=to(*crowd))) == 11
        await rest.refused("ERR_TOO_MANY_REQUESTS", "POST", "/messages", as_="alice", json=to("bob"))


@pytest.mark.parametrize(("own", "app", "limit"), [(60, 6000, "15"), (6000, 120, "3")])
async def test_tighter_of_the_limits_of_the_token_and_of_the_user_is_reported(stage: Stage, tmp_path, own, app, limit):
    await stage.server.stop()
    use_limits(stage, tmp_path, sends_per_minute=own, standard_per_minute=app)
    await stage.server.start()
    async with Rest(stage) as rest:
        body = {"receiver": "bob", "receiverType": "user", "data": {"text": "x"}}
        answer = await rest.answer("POST", "/messages", as_="alice", json=body)
        assert answer.headers["x-rate-limit"] == limit
        assert int(answer.headers["x-rate-limit-remaining"]) == int(limit) - 1


@pytest.fixture
def short_lengths(stage: Stage, tmp_path) -> Stage:
    use_limits(
        stage, tmp_path, max_name=10, max_url=20, max_metadata=30, max_tags=2, max_tag=3, max_group_password=4,
        max_group_description=5, max_at_once=2, max_data=100,
        max_body=2000, max_frame=2000,
    )  # fmt: skip
    return stage


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        ("name", "n" * 10, "n" * 11),
        ("avatar", "u" * 20, "u" * 21),
        ("link", "u" * 20, "u" * 21),
        ("metadata", {"k": "v" * 22}, {"k": "v" * 23}),
        ("tags", ["a", "b"], ["a", "b", "c"]),
        ("tags", ["abc"], ["abcd"]),
    ],
)
async def test_user_fields_are_limited_in_length(stage: Stage, short_lengths, field, good, bad):
    async with Rest(stage) as rest:
        made = await rest("POST", "/users", json={"uid": "dora", "name": "Dora", field: good})
        assert made[field] == good
        for method, path in (("POST", "/users"), ("PUT", "/users/dora")):
            error = await rest.refused("ERR_BAD_REQUEST", method, path, json={"uid": "eve", "name": "E", field: bad})
            assert field in error["details"]


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        ("name", "n" * 10, "n" * 11),
        ("icon", "u" * 20, "u" * 21),
        ("metadata", {"k": "v" * 22}, {"k": "v" * 23}),
        ("tags", ["a", "b"], ["a", "b", "c"]),
        ("description", "d" * 5, "d" * 6),
        ("password", "1234", "12345"),
    ],
)
async def test_group_fields_are_limited_in_length(stage: Stage, short_lengths, field, good, bad):
    kind = "password" if field == "password" else "public"
    async with Rest(stage) as rest:
        body = {"guid": "g", "name": "G", "type": kind}
        await rest("POST", "/groups", as_="alice", json={**body, field: good})
        for method, path in (("POST", "/groups"), ("PUT", "/groups/g")):
            error = await rest.refused(
                "ERR_BAD_REQUEST", method, path, as_="alice", json={**body, "guid": "h", field: bad}
            )
            assert field in error["details"]


async def test_lists_of_users_in_one_request_are_limited_in_length(stage: Stage, short_lengths):
    async with Rest(stage) as rest:
        await rest("POST", "/groups", as_="alice", json={"guid": "g", "name": "G"})
        members = "/groups/g/members"
        await rest("POST", members, json={"participants": ["bob", "carol"]})
        await rest.refused("ERR_BAD_REQUEST", "POST", members, json={"participants": ["a", "b"], "admins": ["c"]})
        uids = ["bob", "carol", "dora"]
        for path, name in (("friends", "accepted"), ("blockedusers", "blockedUids")):
            error = await rest.refused("ERR_BAD_REQUEST", "POST", f"/users/alice/{path}", json={name: uids})
            assert name in error["details"]


async def test_data_and_tags_of_messages_are_limited_in_size(stage: Stage, short_lengths):
    async with Rest(stage) as rest:
        body = {"receiver": "bob", "receiverType": "user", "data": {"text": "x" * 80}}
        sent = await rest("POST", "/messages", as_="alice", json={**body, "tags": ["abc"]})
        for wrong, code in (
            ({"tags": ["abcd"]}, "ERR_BAD_REQUEST"),
            ({"data": {"text": "x" * 100}}, "ERR_INVALID_MESSAGE_DATA"),
        ):
            await rest.refused(code, "POST", "/messages", as_="alice", json={**body, **wrong})
            await rest.refused(code, "PUT", f"/messages/{sent['id']}", as_="alice", json=wrong)


async def test_requests_are_limited_in_size(stage: Stage, short_lengths):
    body = {"receiver": "bob", "receiverType": "user", "data": {"text": "x"}}
    async with Rest(stage) as rest:
        await rest("POST", "/messages", as_="alice", json=body)
        await rest.refused("ERR_TOO_LARGE", "POST", "/messages", as_="alice", json={**body, "more": "x" * 2000})


async def test_frame_above_the_limit_ends_the_socket_and_reaches_nobody(stage: Stage, short_lengths):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    await alice.chat.start_typing("bob", metadata={"k": "v" * 50})
    await bob.ears.until(lambda: bob.ears.all("typing") == ["alice"])
    await alice.chat.start_typing("bob", metadata={"k": "v" * 3000})
    await alice.ears.until(lambda: alice.ears.statuses[-1:] == [DISCONNECTED])
    assert bob.ears.all("typing") == ["alice"]


async def test_tags_of_a_conversation_are_limited_in_number(stage: Stage, short_lengths):
    async with Rest(stage) as rest:
        body = {"receiver": "bob", "receiverType": "user", "data": {"text": "x"}}
        await rest("POST", "/messages", as_="alice", json=body)
        tags = {"tags": ["a", "b"]}
        await rest("PUT", "/users/bob/conversation", as_="alice", json=tags)
        tags = {"tags": ["a", "b", "c"]}
        await rest.refused("ERR_BAD_REQUEST", "PUT", "/users/bob/conversation", as_="alice", json=tags)


@pytest.fixture
def small_files(stage: Stage, tmp_path) -> Stage:
    use_limits(stage, tmp_path, max_file=100, max_files=2)
    return stage


async def test_files_are_limited_in_size_and_number(stage: Stage, small_files):
    alice = await stage.enter("alice")
    files = [UploadFile(content=b"x" * 100, name=f"{n}.txt") for n in range(3)]
    await alice.chat.send_media_message(MediaMessage(receiver="bob", type="file", files=files[:2]))
    for wrong, code in (
        (files, "ERR_FILE_COUNT_EXCEEDED"),
        ([UploadFile(content=b"x" * 101, name="large.txt")], "ERR_FILE_SIZE_EXCEEDED"),
    ):
        with pytest.raises(CometChatException) as caught:
            await alice.chat.send_media_message(MediaMessage(receiver="bob", type="file", files=wrong))
        assert caught.value.code == code


async def test_unread_messages_are_counted_in_large_groups(stage: Stage):
    alice, bob = [await stage.enter(uid) for uid in ("alice", "bob")]
    await alice.chat.create_group(Group("g", "G"))
    await bob.chat.join_group("g")
    store = stage.server.parts.store
    crowd = [("g", f"u{n}", "participant", 1, 0) for n in range(400)]
    await store.database.run_many("INSERT INTO members VALUES (?, ?, ?, ?, ?)", crowd)
    assert await store.database.run("UPDATE groups SET members_count = 402") == 1
    await alice.say("g", "hello all", "group")
    assert await bob.chat.get_unread_message_count() == {"user": {}, "group": {"g": 1}}
    view = await bob.chat.get_conversation("g", "group")
    assert (view.conversation_with.members_count, view.unread_message_count) == (402, 1)


@pytest.fixture
def small_limits(stage: Stage, tmp_path) -> Stage:
    use_limits(
        stage, tmp_path, max_groups_per_user=2, max_group_members=3, max_friends=1, max_tokens=2, max_pinned_messages=1,
        max_saved_messages=1, max_receipt_members=2, max_typing_members=2, max_presence_users=2,
        max_pinned_conversations=1,
    )  # fmt: skip
    return stage


async def test_groups_of_a_user_are_limited_in_number(stage: Stage, small_limits):
    async with Rest(stage) as rest:
        for guid in ("g1", "g2"):
            await rest("POST", "/groups", as_="alice", json={"guid": guid, "name": "G"})
        await rest.refused("ERR_LIMIT_EXCEEDED", "POST", "/groups", as_="alice", json={"guid": "g3", "name": "G"})
        await rest("POST", "/groups", as_="bob", json={"guid": "g3", "name": "G"})
        await rest.refused("ERR_LIMIT_EXCEEDED", "POST", "/groups/g3/members", as_="alice", json={})


async def test_members_of_a_group_are_limited_in_number(stage: Stage, small_limits):
    async with Rest(stage) as rest:
        await rest.add_users("eve")
        await rest("POST", "/groups", as_="alice", json={"guid": "g1", "name": "G"})
        for uid in ("bob", "carol"):
            await rest("POST", "/groups/g1/members", as_=uid, json={})
        await rest.refused("ERR_NO_VACANCY", "POST", "/groups/g1/members", as_="eve", json={})
        added = await rest("POST", "/groups/g1/members", json={"participants": ["eve"]})
        assert added["participants"]["eve"]["error"]["code"] == "ERR_NO_VACANCY"


async def test_friends_of_a_user_are_limited_in_number(stage: Stage, small_limits):
    async with Rest(stage) as rest:
        await rest("POST", "/users/alice/friends", json={"accepted": ["bob"]})
        done = await rest("POST", "/users/carol/friends", json={"accepted": ["bob"]})
        assert done["accepted"]["bob"]["error"]["code"] == "ERR_FAILED_TO_ADD_FRIEND"


@pytest.mark.parametrize(("what", "code"), [("pin", "PINNED"), ("save", "SAVED")])
async def test_pinned_and_saved_messages_are_limited_in_number(stage: Stage, small_limits, what, code):
    async with Rest(stage) as rest:
        ids = []
        for text in ("one", "two"):
            body = {"receiver": "alice", "receiverType": "user", "data": {"text": text}}
            ids.append((await rest("POST", "/messages", as_="bob", json=body))["id"])
        for _ in range(2):  # the second call adds nothing
            await rest("POST", f"/messages/{ids[0]}/{what}", as_="alice")
        error = await rest.refused(
            f"ERR_{code}_MESSAGES_LIMIT_EXCEEDED", "POST", f"/messages/{ids[1]}/{what}", as_="alice"
        )
        assert error["details"] == {"limit": 1}


async def test_pinned_conversations_are_limited_in_number(stage: Stage, small_limits):
    async with Rest(stage) as rest:
        body = {"receiver": "alice", "receiverType": "user", "data": {"text": "hello"}}
        for uid in ("bob", "carol"):
            await rest("POST", "/messages", as_=uid, json=body)
        await rest("POST", "/users/bob/conversation/pin", as_="alice")
        error = await rest.refused(
            "ERR_PINNED_CONVERSATIONS_LIMIT_EXCEEDED", "POST", "/users/carol/conversation/pin", as_="alice"
        )
        assert error["details"] == {"limit": 1}


async def write_in_group_and_leave(rest: Rest, mark: str) -> str:
    """Have alice write in a group of bob, pin the conversation or save the message, and leave. Return the message's id."""
    await rest("POST", "/groups", as_="bob", json={"guid": "g", "name": "G", "type": "public"})
    await rest("PUT", "/groups/g/members", as_="bob", json={"participants": ["alice"]})
    body = {"receiver": "g", "receiverType": "group", "data": {"text": "hello"}}
    message_id = (await rest("POST", "/messages", as_="alice", json=body))["id"]
    await rest("POST", mark.format(id=message_id), as_="alice")
    await rest("DELETE", "/groups/g/members", as_="alice")
    return message_id


async def test_pinned_conversation_that_a_user_has_left_does_not_count_and_can_be_unpinned(stage: Stage, small_limits):
    async with Rest(stage) as rest:
        pin = "/groups/g/conversation/pin"
        await write_in_group_and_leave(rest, pin)
        body = {"receiver": "alice", "receiverType": "user", "data": {"text": "hello"}}
        await rest("POST", "/messages", as_="bob", json=body)
        await rest("POST", "/users/bob/conversation/pin", as_="alice")
        await rest.refused("ERR_NOT_A_MEMBER", "POST", pin, as_="alice")
        unpinned = await rest("DELETE", pin, as_="alice")
        assert (unpinned["conversationId"], unpinned["conversationWith"]) == ("group_g", {"guid": "g"})
        assert not unpinned.keys() & {"lastMessage", "pinnedAt"}
        await rest.refused("ERR_NOT_A_MEMBER", "DELETE", pin, as_="alice")
        await rest("PUT", "/groups/g/members", as_="bob", json={"participants": ["alice"]})
        assert len(await rest("GET", "/conversations?pinned=true", as_="alice")) == 1


async def test_pinned_conversation_that_a_user_has_deleted_can_be_unpinned(stage: Stage):
    async with Rest(stage) as rest:
        body = {"receiver": "alice", "receiverType": "user", "data": {"text": "hello"}}
        await rest("POST", "/messages", as_="bob", json=body)
        await rest("POST", "/users/bob/conversation/pin", as_="alice")
        await rest("DELETE", "/users/bob/conversation", as_="alice", json={})
        unpinned = await rest("DELETE", "/users/bob/conversation/pin", as_="alice")
        assert unpinned["conversationWith"]["uid"] == "bob"
        await rest.refused("ERR_CONVERSATION_NOT_ACCESSIBLE", "DELETE", "/users/bob/conversation/pin", as_="alice")
        await rest("POST", "/messages", as_="bob", json=body)
        (row,) = await rest("GET", "/conversations", as_="alice")
        assert "pinnedAt" not in row


async def test_saved_message_of_a_group_that_a_user_has_left_does_not_count_and_can_be_unsaved(
    stage: Stage, small_limits
):
    async with Rest(stage) as rest:
        left = await write_in_group_and_leave(rest, "/messages/{id}/save")
        body = {"receiver": "alice", "receiverType": "user", "data": {"text": "hello"}}
        kept = (await rest("POST", "/messages", as_="bob", json=body))["id"]
        await rest("POST", f"/messages/{kept}/save", as_="alice")
        unsaved = await rest("DELETE", f"/messages/{left}/save", as_="alice")
        assert (unsaved["id"], unsaved["conversationId"], unsaved["data"]) == (left, "group_g", {})
        await rest.refused("ERR_MESSAGE_ID_NOT_FOUND", "DELETE", f"/messages/{left}/save", as_="alice")
        await rest.refused("ERR_MESSAGE_ID_NOT_FOUND", "DELETE", "/messages/999999/save", as_="alice")
        await rest("PUT", "/groups/g/members", as_="bob", json={"participants": ["alice"]})
        assert [m["id"] for m in await rest("GET", "/messages?saved=1", as_="alice")] == [kept]


async def test_saved_messages_of_a_group_return_with_the_membership(stage: Stage, small_limits):
    async with Rest(stage) as rest:
        saved = await write_in_group_and_leave(rest, "/messages/{id}/save")
        assert await rest("GET", "/messages?saved=1", as_="alice") == []
        await rest("PUT", "/groups/g/members", as_="bob", json={"participants": ["alice"]})
        assert [m["id"] for m in await rest("GET", "/messages?saved=1", as_="alice")] == [saved]


async def test_client_unsaves_and_unpins_what_its_user_no_longer_sees(stage: Stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    await bob.chat.create_group(Group("team", "Team"))
    await alice.chat.join_group("team")
    sent = await alice.say("team", "hello", "group")
    await alice.chat.save_message(sent.id)
    await alice.chat.pin_conversation("team", "group")
    live = await alice.chat.live_conversations()
    await alice.chat.leave_group("team")
    await stage.pass_time(2)
    message = await alice.chat.unsave_message(sent.id)
    assert (message.id, message.saved_at, message.conversation_id) == (sent.id, 0, "group_team")
    conversation = await alice.chat.unpin_conversation("team", "group")
    assert (conversation.conversation_id, conversation.pinned_at) == ("group_team", 0)
    await stage.pass_time(2)
    assert live.items == ()


async def test_new_auth_token_beyond_the_limit_revokes_the_oldest(stage: Stage, small_limits):
    async with Rest(stage) as rest:
        await rest.add_users("eve")
        first = await rest("POST", "/users/eve/auth_tokens")
        for _ in range(2):
            last = await rest("POST", "/users/eve/auth_tokens")
        old, new = (
            {"authtoken": made["authToken"], "appid": stage.server.app_id, "apikey": ""} for made in (first, last)
        )
        await rest.refused("AUTH_ERR_AUTH_TOKEN_NOT_FOUND", "GET", "/me", headers=old)
        await rest("GET", "/me", headers=new)


async def test_large_groups_have_no_typing_or_receipt_events(stage: Stage, small_limits):
    alice, bob, carol = [await stage.enter(uid) for uid in ("alice", "bob", "carol")]
    await alice.chat.create_group(Group("g", "G"))
    await bob.chat.join_group("g")
    await bob.chat.start_typing("g", "group")
    await alice.ears.until(lambda: alice.ears.all("typing") == ["bob"])
    await carol.chat.join_group("g")
    await alice.say("g", "hello", "group")
    await bob.ears.until(lambda: bool(bob.ears.texts))
    await bob.chat.start_typing("g", "group")
    await bob.chat.mark_as_read(bob.ears.all("text")[0])
    await stage.pass_time(2)
    assert alice.ears.all("typing") == ["bob"]
    assert alice.ears.all("read") == []
    assert await bob.chat.get_unread_message_count() == {"user": {}, "group": {}}


async def test_only_departures_are_published_when_many_users_are_online(stage: Stage, small_limits):
    alice = await stage.enter("alice", presence=True)
    bob = await stage.enter("bob")
    await alice.ears.until(lambda: alice.ears.all("online")[-1:] == ["bob"])
    carol = await stage.enter("carol")
    await stage.pass_time(1)
    assert "carol" not in alice.ears.all("online")
    assert (await alice.chat.get_user("carol")).status == "online"
    await carol.chat.disconnect()
    await alice.ears.until(lambda: alice.ears.all("offline") == ["carol"])
    second = await stage.enter("bob")
    await second.chat.disconnect()
    await bob.chat.disconnect()
    await alice.ears.until(lambda: alice.ears.all("offline") == ["carol", "bob"])


@pytest.fixture
def few_guesses(stage: Stage, tmp_path) -> Stage:
    use_limits(stage, tmp_path, wrong_tokens_per_minute=6, wrong_passwords_per_minute=3)
    return stage


async def test_token_guessing_is_slowed_without_slowing_known_users(stage: Stage, few_guesses):
    alice = await stage.enter("alice")
    async with Rest(stage) as rest:
        wrong = {"authtoken": "alice_1700000000guess", "apikey": ""}
        await rest("GET", "/me", as_="alice")
        for n in range(6):
            await rest.refused("AUTH_ERR_AUTH_TOKEN_NOT_FOUND", "GET", "/me", headers={**wrong, "authtoken": str(n)})
            await rest("GET", "/me", as_="bob")
        await rest.refused("AUTH_ERR_APIKEY_NOT_FOUND", "GET", "/users", headers={"apikey": "a guess"})
        begin = stage.now
        answer = await rest.answer("GET", "/me", headers=wrong)
        assert stage.now - begin > 0.05
        assert (answer.status_code, answer.json()["error"]["code"]) == (429, "ERR_TOO_MANY_REQUESTS")
        assert int(answer.headers["retry-after"]) >= 1
        # A valid token that is unknown at this address is refused as well, so a guess reveals nothing.
        await rest.refused("ERR_TOO_MANY_REQUESTS", "GET", "/me", as_="carol")
        assert (await rest("GET", "/me", as_="bob"))["uid"] == "bob"
        # A known token does not exempt guesses at others.
        guess = {"authtoken": rest.tokens["bob"], "apikey": "another guess"}
        await rest.refused("ERR_TOO_MANY_REQUESTS", "GET", "/apikeys", headers=guess)
        stage.network.drop()
        await alice.ears.until(lambda: alice.ears.statuses[-1] is not CONNECTED)
        await alice.wait_connected()  # the pass is checked after a delay
        await stage.pass_time(30)
        assert (await rest("GET", "/me", as_="carol"))["uid"] == "carol"


async def test_ignored_headers_of_one_user_do_not_make_the_tokens_of_others_unknown(stage: Stage, few_guesses):
    async with Rest(stage) as rest:
        await rest.refused("AUTH_ERR_APIKEY_NOT_FOUND", "GET", "/users", headers={"apikey": "a guess"})
        await rest("GET", "/me", as_="bob")
        greedy = {"authtoken": rest.tokens["bob"], "apikey": "", "resource": "r"}
        for n in range(MAX_KNOWN_SECRETS + 1):
            assert (await rest.answer("GET", "/me", headers={**greedy, "authorization": f"{n}"})).status_code == 200
        await rest("GET", "/me", as_="carol")
        for n in range(8):
            await rest.answer("GET", "/users", headers={"apikey": f"guess {n}"})
        await rest.refused("ERR_TOO_MANY_REQUESTS", "GET", "/users", headers={"apikey": "guess"})
        assert (await rest("GET", "/me", as_="carol"))["uid"] == "carol"


async def test_password_guessing_is_slowed(stage: Stage, few_guesses):
    alice, bob, carol = [await stage.enter(uid) for uid in ("alice", "bob", "carol")]
    await alice.chat.create_group(Group("safe", "Safe", type="password", password="right"))

    async def tries(who: Actor, password: str) -> str:
        try:
            await who.chat.join_group("safe", "password", password)
        except CometChatException as e:
            return e.code
        return "in"

    assert [await tries(bob, f"guess {n}") for n in range(3)] == ["ERR_WRONG_GROUP_PASS"] * 3
    assert await tries(bob, "right") == "ERR_TOO_MANY_REQUESTS"
    assert await tries(carol, "right") == "in"
    await stage.pass_time(30)
    assert await tries(bob, "right") == "in"


async def test_number_of_sockets_is_limited(stage: Stage):
    stage.server.parts.gateway.admission.max_sockets = 1
    alice, bob = await stage.enter("alice"), await stage.enter("bob", auto=False)
    with pytest.raises(CometChatException):
        await bob.chat.connect()
    assert "server_busy" in [str(t.cause) for t in bob.chat.connection.history]
    assert stage.server.parts.metrics.upgrades_refused == 1
    alice.chat.set_app_state("background")
    await bob.wait_connected()


# Sockets before authentication.


class Stranger(asyncio.Protocol):
    """A WebSocket that sends nothing after the upgrade."""

    def __init__(self) -> None:
        self.transport, self.data, self.ended = None, b"", False

    def connection_made(self, transport) -> None:
        self.transport = transport
        transport.write(UPGRADE)

    def data_received(self, data: bytes) -> None:
        self.data += data

    def connection_lost(self, error) -> None:
        self.ended = True

    @property
    def status(self) -> int:
        return int(self.data.split(b" ")[1]) if self.data else 0


async def strangers(stage: Stage, count: int) -> list[Stranger]:
    return [(await asyncio.get_running_loop().create_connection(Stranger, "server", PORT))[1] for _ in range(count)]


async def test_unauthenticated_sockets_do_not_delay_clients_with_a_pass(stage: Stage, few_upgrades):
    alice = await stage.enter("alice")
    await stage.pass_time(20)
    begin = stage.now
    stage.network.drop()
    waiting = await strangers(stage, 40)  # one per second is admitted, so none is left for a client without a pass
    await alice.ears.until(lambda: alice.ears.statuses[-1] is not CONNECTED)
    await alice.wait_connected()
    assert stage.now - begin < 2  # the client's own wait before it retries
    assert "server_busy" not in [str(t.cause) for t in alice.chat.connection.history]
    assert sum(s.status == 503 for s in waiting) > 30


async def test_proof_cannot_be_used_as_a_pass(stage: Stage):
    alice = await stage.enter("alice", auto=False)
    me, signed = await alice.chat._parts.connector.fetch_me(alice.chat._sessions.current.auth_token)
    assert me["uid"] == "alice"
    gateway, sessions = stage.server.parts.gateway, stage.server.parts.actions.sessions
    proof = proof_of(signed)
    assert gateway.admission.is_known(proof)
    assert not gateway.admission.is_known(signed)
    with pytest.raises(NotAuthenticated):
        await sessions.admit(proof)
    forged = [proof[:-1], proof + "0", f"bob{proof[5:]}", ".", "", "x.y.z.w", "é.é.é.é", "." * 3]
    assert not any(gateway.admission.is_known(text) for text in forged)


@pytest.fixture
def few_strangers(stage: Stage, tmp_path) -> Stage:
    use_limits(stage, tmp_path, unauthenticated_per_address=3)
    return stage


async def test_unauthenticated_sockets_are_limited_per_address(stage: Stage, few_strangers):
    begun = await strangers(stage, 5)
    await stage.pass_time(1)
    assert [s.status for s in begun] == [101, 101, 101, 503, 503]
    assert b'"code":"ERR_UNAVAILABLE"' in begun[-1].data
    for uid in ("alice", "bob", "carol"):  # a client with a proof is admitted, and takes no place
        assert (await stage.enter(uid)).status is CONNECTED
    await stage.pass_time(15)  # the deadline for authentication
    assert all(s.ended for s in begun)
    assert stage.server.parts.gateway.admission.unauthenticated._taken == {}
    (again,) = await strangers(stage, 1)
    await stage.pass_time(1)
    assert again.status == 101


def frame(opcode: int, data: bytes, fin: bool = True) -> bytes:
    text = masked(data)
    return bytes([opcode | (0x80 if fin else 0)]) + text[1:]


@pytest.mark.parametrize(
    "sends",
    [
        frame(0x9, b"") * 3000,  # pings
        frame(0xA, b"") * 3000,  # unsolicited pongs
        frame(0x1, b"a", fin=False) + frame(0x0, b"b", fin=False) * 300,  # an endless message
    ],
)
async def test_control_frames_and_fragments_count_as_frames(stage: Stage, sends):
    (one,) = await strangers(stage, 1)
    await stage.pass_time(0.5)
    one.transport.write(sends)
    await stage.pass_time(0.5)
    assert one.ended
    assert stage.server.parts.metrics.closes["too fast"] == 1
    assert one.data.count(b"\x8a\x00") <= 400  # pongs


async def test_data_before_authentication_is_limited(stage: Stage):
    (one,) = await strangers(stage, 1)
    await stage.pass_time(0.5)
    one.transport.write(frame(0x1, b"a" * 50_000, fin=False))
    for _ in range(9):  # slowly enough for the limit of frames
        one.transport.write(frame(0x9, b"p" * 125) * 90)
        await stage.pass_time(1)
    assert one.ended
    assert stage.server.parts.metrics.closes["too much before auth"] == 1
