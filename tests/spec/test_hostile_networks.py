"""Regressions under hostile networks (T4, T6, T8, K1, K3, K5)."""

from __future__ import annotations

import asyncio
import json

import pytest
from websockets.asyncio.client import connect

from harness import CONNECTED, DISCONNECTED, Stage
from tailwire import CometChatException, TextMessage
from tailwire.sdk.outbox import OutboxStatus
from tailwire.server.fanout.frames import text_frame
from tailwire.server.gateway.protocol import SocketProtocol
from tailwire.testing.virtual.middleboxes import BUSY, Responder, refusing_proxy
from tailwire.testing.virtual.network import current_process

spec = pytest.mark.spec


async def code_of(call) -> str:
    with pytest.raises(CometChatException) as caught:
        await call
    return caught.value.code


@spec("T6")
async def test_retry_after_zero_does_not_cause_a_retry_storm(stage: Stage):
    alice = await stage.enter("alice", outbox=True)
    at_once = BUSY.replace(b"Retry-After: 3600", b"Retry-After: 0")
    stage.network.middleboxes[""] = lambda behind: lambda: Responder(at_once)
    stage.network.drop()
    alice.chat.queue_message(TextMessage(receiver="bob", text="later"))
    before = stage.network.connection_count
    await stage.pass_time(60)
    assert stage.network.connection_count - before < 60
    stage.network.middleboxes.clear()


@spec("T5", "T6")
async def test_repeated_restart_announcements_spread_reconnects(stage: Stage):
    alice = await stage.enter("alice")
    incoming = alice.chat._parts.incoming
    before = stage.network.connection_count
    end = stage.now + 60
    while stage.now < end:
        incoming.frame_came('{"type":"server","body":{"action":"restarting","within":0}}')
        stage.network.drop()
        await stage.pass_time(0.1)
    assert stage.network.connection_count - before < 100


@spec("T8", "I6")
async def test_failing_poll_ends_when_the_socket_is_no_longer_wanted(stage: Stage):
    stage.network.middleboxes["device"] = refusing_proxy(426)
    before = current_process.set("device")
    bob = stage.actor()
    await bob.chat.init()
    await bob.chat.login("bob", auth_key=stage.server.auth_key)
    current_process.reset(before)
    await stage.pass_time(20)
    assert bob.chat._parts.driver.state.poll_at is not None
    stage.network.offline.add("device")
    stage.network.drop("device")
    await stage.pass_time(35)  # one poll has failed
    bob.chat.set_app_state("background")
    await stage.pass_time(20)
    tried = stage.network.connection_count
    assert [t for t in asyncio.all_tasks() if t.get_name().startswith("tailwire catch-up")] == []
    await stage.pass_time(600)
    assert stage.network.connection_count == tried
    stage.network.offline.clear()


@spec("K3")
async def test_send_of_one_user_is_not_sent_as_the_next_user(stage: Stage):
    alice, carol = await stage.enter("alice", auto=False), await stage.enter("carol")
    stage.network.middleboxes[""] = lambda behind: lambda: Responder(BUSY.replace(b"3600", b"2"))
    alice.chat._parts.http.use_new_connections()
    sending = asyncio.create_task(alice.say("carol", "of alice"))
    await stage.pass_time(1)
    stage.network.middleboxes.clear()
    await alice.chat.logout()
    await alice.chat.login("bob", auth_key=stage.server.auth_key)
    assert await code_of(sending) in ("USER_NOT_LOGGED_IN", "NO_INTERNET_CONNECTION")
    await stage.pass_time(60)
    assert carol.ears.texts == []


@spec("I10")
async def test_closed_client_sends_no_message_and_opens_no_connection(stage: Stage):
    alice, bob = await stage.enter("alice", outbox=True), await stage.enter("bob")
    http = alice.chat._parts.http
    await alice.chat.aclose()
    assert await code_of(alice.say("bob", "too late")) == "ERR_CLIENT_CLOSED"
    with pytest.raises(CometChatException, match="ERR_CLIENT_CLOSED"):
        alice.chat.queue_message(TextMessage(receiver="bob", text="too late"))
    await stage.pass_time(60)
    assert (bob.ears.texts, http._pool, http._old_pools) == ([], None, set())


@spec("K4")
async def test_listener_may_wait_for_the_connection(stage: Stage):
    alice = await stage.enter("alice")
    waited = []

    async def wait() -> None:
        await alice.chat.wait_connected(120)
        waited.append(stage.now)

    alice.ears.on_disconnected = wait
    begin = stage.now
    stage.network.drop()
    await stage.pass_time(30)
    assert waited
    assert waited[0] - begin < 10
    assert alice.status is CONNECTED


@spec("K3")
async def test_cancelled_waiting_send_keeps_the_order_of_the_others(stage: Stage):
    alice = await stage.enter("alice", auto=False)
    order: list[str] = []

    def attempt(name: str, seconds: float):
        async def work() -> None:
            await asyncio.sleep(seconds)
            order.append(name)

        return work

    send = alice.chat._parts.sending.send
    first = asyncio.create_task(send("c", attempt("first", 5)))
    await asyncio.sleep(0)
    second = asyncio.create_task(send("c", attempt("second", 1)))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.wait([second])
    await asyncio.gather(first, send("c", attempt("third", 0)))
    assert order == ["first", "third"]


@spec("K5")
async def test_outbox_entry_of_a_previous_user_is_closed_and_sent_when_they_log_in_again(stage: Stage, tmp_path):
    alice, carol = await stage.enter("alice", outbox=True, auto=False), await stage.enter("carol")
    stage.network.middleboxes[""] = lambda behind: lambda: Responder(BUSY)
    alice.chat._parts.http.use_new_connections()
    entry = alice.chat.queue_message(TextMessage(receiver="carol", text="of alice"))
    await stage.pass_time(1)
    stage.network.middleboxes.clear()
    await alice.chat.login("bob", auth_key=stage.server.auth_key)
    assert await code_of(entry.result()) == "ERR_CLIENT_CLOSED"
    assert entry.cancel() is False
    assert entry.status is OutboxStatus.PENDING
    await alice.chat.login("alice", auth_key=stage.server.auth_key)
    await carol.ears.until(lambda: carol.ears.texts == ["of alice"], timeout=120)


@spec("K1")
async def test_history_page_that_a_middlebox_repeats_is_requested_again(stage: Stage, monkeypatch):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    bob.chat.set_app_state("background")
    for n in range(60):
        await alice.say("bob", str(n))
    real_fetch, count = bob.chat._parts.incoming._fetch, 0
    after = bob.chat._parts.incoming.machine.position.last_id
    first = await real_fetch({"per_page": 20, "affix": "append", "id": after})

    async def fetch(query):
        nonlocal count
        count += 1
        return first if count == 2 else await real_fetch(query)  # a middlebox repeats the first page

    monkeypatch.setattr(bob.chat._parts.incoming, "_fetch", fetch)
    bob.chat.set_app_state("foreground")
    await bob.ears.until(lambda: len(bob.ears.texts) == 60, timeout=120)
    assert bob.ears.texts == [str(n) for n in range(60)]


@spec("T3")
async def test_invalid_frame_does_not_stop_reading(stage: Stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    frame = json.dumps({"type": "server", "body": {"action": "restarting", "within": 10**400}})
    for transport in stage.network.open:
        if isinstance(transport.protocol, SocketProtocol) and transport.protocol.uid == "bob":
            transport.write(text_frame(frame.encode()))
    await alice.say("bob", "after it")
    await bob.ears.until(lambda: bob.ears.texts == ["after it"], timeout=5)
    assert bob.ears.statuses.count(DISCONNECTED) <= 1


@spec("T7")
async def test_trickling_response_is_limited_in_time(stage: Stage):
    alice = await stage.enter("alice", auto=False)

    class Trickle(Responder):
        def on_request(self, request: bytes) -> None:
            head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n"
            self._transport.write(head)
            self._go_on()

        def _go_on(self) -> None:
            if not self._transport.is_closing():
                self._transport.write(b" ")
                asyncio.get_running_loop().call_later(10, self._go_on)

    stage.network.middleboxes[""] = lambda behind: lambda: Trickle(b"")
    alice.chat._parts.http.use_new_connections()
    begin = stage.now
    assert await code_of(alice.chat.get_unread_message_count()) == "NO_INTERNET_CONNECTION"
    assert 500 < stage.now - begin < 620
    stage.network.middleboxes.clear()


async def test_error_of_another_service_does_not_fail_a_queued_message(stage: Stage):
    alice, bob = await stage.enter("alice", outbox=True, auto=False), await stage.enter("bob")
    body = b'{"error":{"code":"Forbidden","message":"no"}}'
    foreign = (
        b"HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
    )
    stage.network.middleboxes[""] = lambda behind: lambda: Responder(foreign % len(body) + body)
    alice.chat._parts.http.use_new_connections()
    entry = alice.chat.queue_message(TextMessage(receiver="bob", text="waits"))
    await stage.pass_time(20)
    assert entry.status is OutboxStatus.PENDING
    stage.network.middleboxes.clear()
    await bob.ears.until(lambda: bob.ears.texts == ["waits"], timeout=120)


async def test_client_that_does_not_read_responses_is_disconnected(stage: Stage):
    async with connect("ws://server:8480/", ping_interval=None, compression=None) as flood:
        assert stage.server.parts.metrics.sockets == 1
        flood.transport.pause_reading()
        stage.network.set_line("", 1e9, 1.0, 5.0)  # the client receives nothing from now on
        for _ in range(60_000):
            flood.protocol.send_ping(b"x" * 100)
            flood.send_data()
            if not stage.server.parts.metrics.sockets:
                break
            await asyncio.sleep(0)
        await stage.pass_time(2)
        assert stage.server.parts.metrics.sockets == 0
    stage.network.restore()
