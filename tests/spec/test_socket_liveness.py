"""A healthy socket is never cut, and a dead one is detected, on fast and on slow networks (T3).

On virtual time; `make networks` runs the same situations over real sockets.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from harness import CONNECTED, CONNECTING, DISCONNECTED, Actor, Stage
from tailwire import CometChatException, UploadFile
from tailwire.server.gateway.protocol import SocketProtocol
from tailwire.testing.virtual.network import MemoryTransport, current_process
from tailwire.testing.virtual.world import PORT

spec = pytest.mark.spec


def sockets_of(stage: Stage) -> list[MemoryTransport]:
    """Return the server's ends of the WebSockets."""
    return [t for t in stage.network.open if isinstance(t.protocol, SocketProtocol)]


async def keep_writing(stage: Stage, writer: Actor, receiver: str, seconds: int, every: int = 5) -> None:
    """Send a message from one user every `every` seconds."""
    for n in range(seconds // every):
        await stage.pass_time(every)
        await writer.say(receiver, str(n))


@spec("T3")
@pytest.mark.parametrize("auto", [True, False])
async def test_listening_client_in_a_busy_chat_stays_connected(stage: Stage, auto: bool):
    alice, bob = await stage.enter("alice"), await stage.enter("bob", auto=auto)
    if not auto:
        await bob.chat.connect()
        await bob.wait_connected()
    await keep_writing(stage, alice, "bob", 600)
    await stage.pass_time(1)
    assert bob.ears.statuses.count(DISCONNECTED) <= 1  # a new listener receives the current status
    assert bob.ears.statuses[-1] is CONNECTED
    assert len(bob.ears.texts) == 120
    assert not stage.server.parts.metrics.closes


@spec("T3")
async def test_listening_client_sends_a_frame_every_two_intervals(stage: Stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    await keep_writing(stage, alice, "bob", 60)
    before = stage.server.parts.metrics.frames_in
    await keep_writing(stage, alice, "bob", 300)
    of_alice = 300 / 15  # alice receives nothing, and pings at each interval
    assert of_alice + 9 <= stage.server.parts.metrics.frames_in - before <= of_alice + 12
    assert bob.status is CONNECTED


@spec("T3")
async def test_client_of_a_slow_app_stays_connected(stage: Stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    go_on = asyncio.Event()

    async def slow(message):
        await go_on.wait()

    bob.ears.on_text_message_received = slow
    for n in range(1100):  # more than the callback queue holds, so reading stops
        await alice.say("bob", str(n))
    await stage.pass_time(300)
    assert bob.ears.statuses[-1] is CONNECTED
    assert not stage.server.parts.metrics.closes
    go_on.set()


@spec("T3")
async def test_websocket_client_that_never_sends_but_answers_pings_stays_connected(stage: Stage):
    """Any WebSocket client answers the protocol's own ping by itself, so one that never pings is not taken for dead."""
    alice = await stage.enter("alice")
    bob = await stage.enter("bob")
    token = bob.chat._sessions.require().auth_token
    _, signed = await bob.chat._parts.connector.fetch_me(token)
    await bob.chat.aclose()
    async with connect("ws://server:8480/", ping_interval=None, compression=None) as other:
        frame = {"type": "auth", "deviceId": "other", "sender": "bob", "body": {"auth": signed, "deviceId": "other"}}
        await other.send(json.dumps(frame))
        heard = []

        async def listen():
            async for text in other:
                heard.append(text)

        listening = asyncio.create_task(listen())
        await keep_writing(stage, alice, "bob", 300)
        await stage.pass_time(1)
        assert sum("text" in text for text in heard) >= 60
        assert not listening.done()
        assert not stage.server.parts.metrics.closes
        await other.close()
        await listening


async def test_silent_socket_is_closed_with_a_code(stage: Stage):
    sessions = stage.server.parts.actions.sessions
    made = await sessions.create_token("alice")
    me = await sessions.me(await sessions.caller(made.token, "raw"), made.token)
    async with connect(f"ws://server:{PORT}/", ping_interval=None) as ws:
        await ws.send(
            json.dumps({"type": "auth", "deviceId": "raw", "body": {"auth": me.signed_pass, "deviceId": "raw"}})
        )
        await ws.recv()
        ws.protocol.send_frame = lambda frame: None  # answers no ping
        begin = stage.now
        with suppress(ConnectionClosed):
            while True:
                await ws.recv()
    assert (ws.close_code, ws.close_reason[:20]) == (4009, "nothing was received")
    assert 55 <= stage.now - begin <= 70
    assert stage.server.parts.metrics.closes["silent"] == 1
    await stage.pass_time(5)
    assert stage.server.parts.metrics.sockets == 0


@spec("T3")
async def test_dead_listening_client_is_disconnected_in_time(stage: Stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    await stage.pass_time(20)
    for transport in sockets_of(stage):
        if transport.protocol.uid == "bob":
            transport.half_open = transport.peer.half_open = True
    bob.chat._parts.driver._timer.cancel()  # frozen, so it does not react itself
    begin = stage.now
    while stage.server.parts.metrics.sockets == 2:
        await stage.pass_time(1)
        assert stage.now - begin < 70
    assert stage.server.parts.metrics.closes["silent"] == 1
    assert alice.status is CONNECTED


@spec("T3", "T7")
async def test_client_on_a_line_with_a_round_trip_of_three_seconds_stays_connected(stage: Stage):
    stage.network.delay = 1.6
    alice = stage.actor()
    await alice.chat.init()
    alice.listen()
    await alice.chat.login("alice", auth_key=stage.server.auth_key)
    await alice.ears.until(lambda: CONNECTED in alice.ears.statuses, timeout=120)
    before = len(alice.ears.statuses)
    await stage.pass_time(1800)
    assert alice.ears.statuses[before:] == []
    assert alice.ears.statuses.count(CONNECTING) == 1  # the first attempt was not interrupted


@spec("T3")
async def test_dead_line_with_a_high_latency_is_detected_within_eighteen_seconds(stage: Stage):
    stage.network.delay = 1.6
    alice = stage.actor()
    await alice.chat.init()
    alice.listen()
    await alice.chat.login("alice", auth_key=stage.server.auth_key)
    await alice.ears.until(lambda: CONNECTED in alice.ears.statuses, timeout=120)
    for wait in (1, 5, 9, 14):
        await stage.pass_time(60 + wait)
        begin = stage.now
        stage.network.swallowing = True
        count = alice.ears.statuses.count(DISCONNECTED)
        await alice.ears.until(lambda count=count: alice.ears.statuses.count(DISCONNECTED) > count)
        assert stage.now - begin <= 18.0
        stage.network.restore()
        await alice.ears.until(lambda: alice.status is CONNECTED, timeout=120)


@spec("T3")
async def test_late_pong_is_awaited_for_a_limited_time_while_bytes_move(stage: Stage):
    alice = await stage.enter("alice")
    traffic = alice.chat._parts.driver._traffic
    stage.network.half_open("")  # the socket is dead; requests use other connections

    async def uploading():
        while True:
            traffic.record_movement()
            await asyncio.sleep(2)

    begin = stage.now
    upload = asyncio.create_task(uploading())
    await alice.ears.until(lambda: alice.ears.statuses[-1] is DISCONNECTED, timeout=120)
    assert 18 < stage.now - begin <= 15 + 30 + 0.1
    upload.cancel()
    await asyncio.wait([upload])


@spec("T3")
async def test_silence_limit_below_four_heartbeats_is_refused(stage: Stage):
    from tailwire.server.config import BadSetting, Settings, load

    with pytest.raises(BadSetting, match="four times heartbeat_interval"):
        load({"silence_limit": 50.0})
    default = Settings()
    assert default.silence_limit >= 4 * default.heartbeat_interval


@spec("T3")
async def test_server_waits_for_earlier_writes_before_counting_a_ping_as_unanswered(stage: Stage):
    before = current_process.set("device")
    bob = await stage.enter("bob")
    current_process.reset(before)
    alice = await stage.enter("alice")
    bob.chat._parts.driver._timer.cancel()  # frozen: only the protocol layer still answers
    stage.network.set_line("device", 100, 200, 5.0)
    for n in range(20):
        await alice.say("bob", f"{n} " + "x" * 500)
    await stage.pass_time(300)
    assert len(bob.ears.texts) == 20
    assert not stage.server.parts.metrics.closes
    stage.network.restore()


@spec("T3")
async def test_unanswered_requests_do_not_delay_the_detection_of_a_dead_line(stage: Stage):
    alice = await stage.enter("alice")
    await alice.chat.get_unread_message_count()
    stage.network.half_open("")
    stage.network.swallowing = True
    begin = stage.now

    async def ask() -> None:
        while True:
            with pytest.raises(CometChatException):
                await alice.chat.get_unread_message_count()

    asking = asyncio.create_task(ask())
    await alice.ears.until(lambda: alice.ears.statuses[-1] is DISCONNECTED)
    assert stage.now - begin <= 18.0
    asking.cancel()
    await asyncio.wait([asking])
    stage.network.restore()


@spec("T3")
async def test_dead_line_during_an_upload_is_detected_ten_seconds_after_its_last_byte(stage: Stage):
    alice = await stage.enter("alice")
    stage.network.set_line("device", 8_000, 8_000, 1.0)
    file = UploadFile(content=bytes(400_000), name="photo.bin")
    sending = asyncio.create_task(alice.chat.upload_attachments("bob", "user", [file]))
    await stage.pass_time(9)
    stage.network.swallowing = True  # every connection is dead from now on
    await stage.pass_time(1)
    began = stage.now
    with pytest.raises(CometChatException):
        await alice.chat.ping()
    assert stage.now - began < 9.1  # the line died a second before the ping
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
