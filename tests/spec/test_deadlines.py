"""Every call ends 15 s after bytes last moved; a call that makes progress is not cut."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from dataclasses import replace

import pytest

from harness import Actor, Stage
from rest import Rest
from tailwire import CometChatException, MemorySessionStore, TextMessage, UploadFile
from tailwire.sdk.calls import uploads
from tailwire.sdk.connection.causes import Cause
from tailwire.sdk.io.answers import Answer
from tailwire.testing.virtual.loop import VirtualLoop
from tailwire.testing.virtual.world import PORT


async def fails_after(stage: Stage, call) -> float:
    """Await a call that fails because nothing moved, and return the seconds it took."""
    began = stage.now
    with pytest.raises(CometChatException) as caught:
        await call
    assert (caught.value.code, caught.value.cause) == ("NO_INTERNET_CONNECTION", Cause.ATTEMPT_TIMEOUT)
    return stage.now - began


async def refused_after(stage: Stage, call) -> float:
    """Await a call that the server refuses because its store cannot write, and return the seconds it took."""
    began = stage.now
    with pytest.raises(CometChatException) as caught:
        await call
    assert caught.value.code == "ERR_UNAVAILABLE"
    return stage.now - began


class SlowServer(asyncio.Protocol):
    """Answers one request per connection: after a while, and in several pieces if asked to."""

    def __init__(self, answer: object, after: float = 0.0, pieces: int = 1, between: float = 0.0) -> None:
        content = json.dumps({"data": answer}).encode()
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n" % len(content)
        self._whole = head + b"connection: close\r\n\r\n" + content
        self._after, self._size, self._between = after, len(self._whole) // pieces + 1, between
        self._begun = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if not self._begun:
            self._begun = True
            asyncio.get_running_loop().call_later(self._after, self._send)

    def _send(self) -> None:
        piece, self._whole = self._whole[: self._size], self._whole[self._size :]
        self._transport.write(piece)
        if self._whole:
            asyncio.get_running_loop().call_later(self._between, self._send)


async def test_send_fails_within_15_s_without_a_response(stage: Stage):
    alice = await stage.enter("alice", auto=False)
    stage.network.swallowing = True
    assert await fails_after(stage, alice.say("bob", "into the void")) == pytest.approx(15, abs=0.1)
    stage.network.restore()


async def test_time_in_the_queue_counts_towards_the_deadline_of_a_send(stage: Stage):
    alice = await stage.enter("alice", auto=False)
    stage.network.swallowing = True
    sends = [fails_after(stage, alice.say("bob", str(n))) for n in range(4)]
    assert await asyncio.gather(*sends) == pytest.approx([15] * 4, abs=0.1)
    stage.network.restore()


async def break_the_store(stage: Stage) -> None:
    """Let every transaction of the server fail, as with a full disk."""
    if stage.postgres is not None:
        await stage.set_read_only(on=True)
        return

    def full(operations):
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise error

    assert stage.server.parts is not None
    stage.server.parts.store.database.writer._commit = full


async def test_sends_fail_within_seconds_while_the_store_cannot_write(stage: Stage):
    alice = await stage.enter("alice", auto=False)
    await break_the_store(stage)
    assert await refused_after(stage, alice.say("bob", "the first tries again")) < 4
    assert await refused_after(stage, alice.say("bob", "the next does not")) < 0.5


async def test_waiting_sends_of_a_conversation_fail_within_15_s_while_the_store_cannot_write(stage: Stage):
    alice = await stage.enter("alice", auto=False)
    await break_the_store(stage)
    sends = [refused_after(stage, alice.say("bob", str(n))) for n in range(40)]
    assert max(await asyncio.gather(*sends)) < 15


async def test_send_fails_within_15_s_when_the_name_lookup_hangs(stage: Stage, monkeypatch):
    alice = await stage.enter("alice", auto=False)

    async def hang(self, host, port, **more):
        await asyncio.sleep(20)
        raise OSError("no answer from the resolver")

    monkeypatch.setattr(VirtualLoop, "getaddrinfo", hang)
    alice.chat._parts.http.use_new_connections()
    assert await fails_after(stage, alice.say("bob", "hello")) == pytest.approx(15, abs=0.1)


async def test_call_fails_within_15_s_when_the_token_provider_hangs(stage: Stage):
    async def hang() -> str:
        await asyncio.sleep(600)
        return ""

    alice = await stage.enter("alice", auto=False, provider=hang)
    alice.chat._sessions.replace(replace(alice.chat._sessions.require(), auth_token="taken back"))
    assert await fails_after(stage, alice.chat.get_unread_message_count()) == pytest.approx(15, abs=0.1)


async def test_slow_responses_do_not_time_out(stage: Stage):
    """The line carries 10 bytes a second, so the response takes 4 minutes."""
    alice = await stage.enter("alice", auto=False)
    alice.chat._parts.http.use_new_connections()
    stage.network.listen(PORT, lambda: SlowServer({"uid": "x" * 2300}, pieces=24, between=10))
    began = stage.now
    assert len((await alice.chat._parts.requests.ask("GET", "/me"))["uid"]) == 2300
    assert stage.now - began > 200


async def test_slow_connection_setup_extends_the_deadline(stage: Stage):
    """Connected after 8 s, answered 10 s later: no pause lasts 15 s."""
    alice = await stage.enter("alice", auto=False)
    stage.network.accept_delay = 8
    alice.chat._parts.http.use_new_connections()
    stage.network.listen(PORT, lambda: SlowServer([], after=10))
    assert await alice.chat._parts.requests.ask("GET", "/messages") == []


async def test_slow_sends_do_not_time_out_the_waiting_ones(stage: Stage):
    alice = await stage.enter("alice", auto=False)
    sent = await alice.say("bob", "first")
    stored = await alice.chat._parts.requests.ask("GET", f"/messages/{sent.id}")
    alice.chat._parts.http.use_new_connections()
    stage.network.listen(PORT, lambda: SlowServer(stored, after=12))
    began = stage.now
    messages = [TextMessage(receiver="bob", text="first", muid=stored["muid"]) for _ in range(4)]
    await asyncio.gather(*(alice.chat.send_message(message) for message in messages))
    assert stage.now - began > 45


async def keep_other_traffic_moving(actor: Actor) -> None:
    while True:
        actor.chat._parts.http.traffic.record_movement()
        await asyncio.sleep(5)


async def test_call_waits_a_minute_while_only_other_traffic_moves(stage: Stage):
    alice = await stage.enter("alice", auto=False)
    alice.chat._parts.http.use_new_connections()
    stage.network.listen(PORT, lambda: SlowServer([], after=100))
    traffic = asyncio.create_task(keep_other_traffic_moving(alice))
    assert await fails_after(stage, alice.chat._parts.requests.ask("GET", "/messages")) == pytest.approx(60, abs=1)
    traffic.cancel()


async def test_traffic_that_ended_before_a_call_does_not_extend_its_deadline(stage: Stage):
    alice = await stage.enter("alice", auto=False)
    alice.chat._parts.http.use_new_connections()
    stage.network.listen(PORT, lambda: SlowServer([], after=100))
    traffic = asyncio.create_task(keep_other_traffic_moving(alice))
    await stage.pass_time(60)
    traffic.cancel()
    assert await fails_after(stage, alice.chat._parts.requests.ask("GET", "/messages")) == pytest.approx(15, abs=0.1)


async def test_upload_fails_after_30_s_without_progress(stage: Stage):
    alice = await stage.enter("alice", auto=False)
    upload = alice.chat._parts.http.upload
    stage.network.swallowing = True

    async def pieces():
        yield b"hello"

    took = await fails_after(stage, upload(f"{stage.server.url}/v3/files", pieces(), 5, "text/plain"))
    assert took == pytest.approx(30, abs=0.1)
    stage.network.restore()


async def test_upload_with_progress_has_no_deadline(stage: Stage, monkeypatch):
    alice = await stage.enter("alice", auto=False)
    pause, read = asyncio.sleep, uploads._file_chunks

    async def slowly(file):
        async for piece in read(file):
            await pause(15)
            yield piece

    monkeypatch.setattr(uploads, "_file_chunks", slowly)
    began = stage.now
    file = UploadFile(content=b"x" * 1_000_000, name="a.txt")
    (attachment,) = await alice.chat.upload_attachments("bob", "user", [file])
    assert attachment.size == 1_000_000
    assert stage.now - began > 180


@pytest.mark.spec("K3")
async def test_message_lost_on_a_dead_line_can_be_sent_again(stage: Stage):
    alice, bob = await stage.enter("alice", auto=False, store=MemorySessionStore()), await stage.enter("bob")
    message = TextMessage(receiver="bob", text="once")
    stage.network.half_open("")
    stage.network.swallowing = True
    assert await fails_after(stage, alice.chat.send_message(message)) == pytest.approx(15, abs=0.1)
    stage.network.restore()
    await alice.chat.send_message(message)
    await bob.ears.until(lambda: bob.ears.texts == ["once"])


def test_retry_after_that_is_not_a_number_is_ignored():
    answer = Answer("host", 503, "text/html", "Wed, 21 Oct 2015 07:28:00 GMT", b"")
    assert answer.not_ours_error().retry_after is None


async def test_store_that_can_write_again_is_reported_healthy_without_a_write(stage: Stage):
    """A proxy sends no requests to a server that is not ready, so the health check itself must make the store try."""
    alice = await stage.enter("alice", auto=False)

    async def status() -> int:
        async with Rest(stage) as rest:
            return (await rest.answer("GET", f"{stage.server.url}/health/ready")).status_code

    assert await status() == 200
    await stage.set_read_only(on=True)
    await refused_after(stage, alice.say("bob", "refused"))
    for _ in range(5):
        assert await status() == 503
        await stage.pass_time(3)
    await stage.set_read_only(on=False)
    await status()
    await stage.pass_time(3)
    assert await status() == 200
