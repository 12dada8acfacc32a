"""Something else answers in place of the server: a sign-in page, a proxy, another server. That is never taken for a refusal."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from harness import CONNECTED, Stage
from spec.strangers import ANSWERS, in_its_place
from tailwire import CometChatException, FileSessionStore, OutboxStatus, TextMessage, UploadFile
from tailwire.sdk.connection.causes import Cause
from tailwire.sdk.outbox import OUTBOX_RETRY

PENDING, SENT, FAILED, CANCELLED = OutboxStatus


@pytest.mark.spec("K5", "K3")
@pytest.mark.parametrize("kind", ANSWERS)
async def test_queued_messages_wait_behind_a_portal_and_are_sent_later(stage: Stage, kind: str):
    answers, cause = ANSWERS[kind]
    alice, bob = await stage.enter("alice", outbox=True), await stage.enter("bob")
    with in_its_place(stage, answers):
        queued = [alice.chat.queue_message(TextMessage(receiver="bob", text=str(n))) for n in range(2)]
        with pytest.raises(CometChatException) as caught:
            await alice.say("bob", "now")
        assert (caught.value.code, caught.value.cause) == ("NO_INTERNET_CONNECTION", cause)
        await stage.pass_time(60)
        assert [e.status for e in queued] == [PENDING, PENDING]
        assert (queued[0].error.code, queued[0].error.cause) == ("NO_INTERNET_CONNECTION", cause)
    for entry in queued:
        await asyncio.wait_for(entry.result(), 90)
    assert [m.text async for m in bob.chat.messages(uid="alice")] == ["1", "0"]


async def test_login_error_behind_a_proxy_names_the_response_and_what_to_check(stage: Stage):
    actor = stage.actor()
    await actor.chat.init()
    with in_its_place(stage, ANSWERS["maintenance"][0]), pytest.raises(CometChatException) as caught:
        await actor.chat.login("alice", auth_key=stage.server.auth_key)
    assert caught.value.message == "A proxy did not let the request through."
    for words in ("server", "HTTP 503", "text/html", "check the reverse proxy"):
        assert words in caught.value.details
    assert caught.value.retry_after == 60  # a foreign Retry-After is honoured for at most a minute


async def test_sign_in_page_does_not_count_as_a_successful_upload(stage: Stage):
    alice = await stage.enter("alice", auto=False)
    reached = alice.chat._parts.http
    form = await reached.ask("GET", "/me", token=alice.chat._sessions.current.auth_token)
    assert form["uid"] == "alice"

    async def pieces():
        yield b"x" * 1000

    with in_its_place(stage, ANSWERS["page"][0]), pytest.raises(CometChatException) as caught:
        await reached.upload(f"{stage.server.url}/v3/files", pieces(), 1000, "text/plain")
    assert caught.value.cause is Cause.CAPTIVE_PORTAL


async def test_success_of_another_request_wakes_the_outbox(stage: Stage):
    alice = await stage.enter("alice", outbox=True, auto=False)
    with in_its_place(stage, ANSWERS["page"][0]):
        entry = alice.chat.queue_message(TextMessage(receiver="bob", text="soon"))
        await stage.pass_time(600)  # the outbox retries once a minute by now
    back = stage.now
    for _ in range(8):  # other requests of the app
        await alice.chat.get_unread_message_count()
        await stage.pass_time(1)
    await entry.result()
    assert stage.now - back < 9


async def test_call_that_fails_while_others_succeed_is_retried_with_pauses(stage: Stage, monkeypatch):
    alice = await stage.enter("alice", outbox=True, auto=False)
    tries = []

    async def refuse(body):
        tries.append(stage.now)
        raise CometChatException("NO_INTERNET_CONNECTION", "a proxy refuses this request alone")

    monkeypatch.setattr(alice.chat._parts.outbox, "_send", refuse)
    alice.chat.queue_message(TextMessage(receiver="bob", text="never"))
    for _ in range(100):
        await alice.chat.get_unread_message_count()
        await stage.pass_time(0.5)
    assert len(tries) > 5
    assert min(b - a for a, b in itertools.pairwise(tries)) >= OUTBOX_RETRY.first / 2


class FullDisk(FileSessionStore):
    """A store of the app's own, which raises while `full` is set."""

    full = False

    def save(self, app_id, session):
        if self.full:
            raise OSError(28, "No space left on device")
        super().save(app_id, session)

    def save_outbox(self, app_id, uid, outbox):
        if self.full:
            raise OSError(28, "No space left on device")
        super().save_outbox(app_id, uid, outbox)


@pytest.mark.spec("K5")
async def test_store_that_raises_stops_neither_the_outbox_nor_the_client(stage: Stage, tmp_path, caplog):
    store = FullDisk(tmp_path / "device")
    alice, bob = await stage.enter("alice", outbox=True, store=store), await stage.enter("bob")
    store.full = True
    with pytest.raises(CometChatException) as caught:  # the message is saved before the call returns, or the call fails
        alice.chat.queue_message(TextMessage(receiver="bob", text="none"))
    assert (caught.value.code, alice.chat.queued_messages()) == ("OUTBOX_NOT_SAVED", [])
    await alice.say("bob", "one")
    await bob.say("alice", "answer")
    await alice.ears.until(lambda: alice.ears.texts == ["answer"])
    await stage.pass_time(5)  # the position is saved a moment later
    assert "could not be saved on this device" in caplog.text
    store.full = False
    await alice.chat.queue_message(TextMessage(receiver="bob", text="two")).result()
    await alice.chat.aclose()
    assert store.load_outbox(stage.server.app_id, "alice") is None
    assert bob.ears.texts == ["one", "two"]


@pytest.mark.spec("K5")
async def test_unexpected_error_does_not_end_the_outbox(stage: Stage, monkeypatch, caplog):
    alice, bob = await stage.enter("alice", outbox=True), await stage.enter("bob")
    send, left = alice.chat._parts.outbox._send, [RuntimeError("a fault of ours")] * 2

    async def fail_twice(body):
        if left:
            raise left.pop()
        return await send(body)

    monkeypatch.setattr(alice.chat._parts.outbox, "_send", fail_twice)
    entry = alice.chat.queue_message(TextMessage(receiver="bob", text="at last"))
    await entry.result()
    assert entry.error is None
    assert caplog.text.count("unexpected error") == 1
    await alice.chat.queue_message(TextMessage(receiver="bob", text="and on")).result()
    await bob.ears.until(lambda: bob.ears.texts == ["at last", "and on"])


async def test_upload_of_a_file_that_is_missing_or_shrinks_meanwhile_is_reported_as_an_invalid_file(
    stage: Stage, tmp_path
):
    alice = await stage.enter("alice", auto=False)
    path = tmp_path / "note.txt"
    with pytest.raises(CometChatException) as caught:
        await alice.chat.upload_attachments("bob", "user", [path])
    assert caught.value.code == "ERR_INVALID_FILE_OBJECT"
    path.write_bytes(b"x" * 100_000)

    def cut_it(name, sent, size):
        path.write_bytes(b"x" * 10)

    with pytest.raises(CometChatException) as caught:
        await alice.chat.upload_attachments("bob", "user", [path], on_progress=cut_it)
    assert caught.value.code == "ERR_INVALID_FILE_OBJECT"


async def test_exception_of_on_progress_does_not_end_the_upload(stage: Stage, caplog):
    alice = await stage.enter("alice", auto=False)

    def fail(name, sent, size):
        raise RuntimeError("the app's own fault")

    file = UploadFile(content=b"hello", name="a.txt")
    (attachment,) = await alice.chat.upload_attachments("bob", "user", [file], on_progress=fail)
    assert attachment.size == 5
    assert "on_progress raised" in caplog.text


async def test_metadata_that_is_not_json_is_an_invalid_argument(stage: Stage):
    alice = await stage.enter("alice", auto=False)
    with pytest.raises(CometChatException) as caught:
        await alice.chat.send_message(TextMessage(receiver="bob", text="x", metadata={"a": {1, 2}}))
    assert caught.value.code == "ERR_INVALID_ARGUMENT"


@pytest.mark.parametrize("kind", ANSWERS)
async def test_connect_behind_an_intermediary_raises_with_its_cause(stage: Stage, kind: str):
    answers, cause = ANSWERS[kind]
    alice = await stage.enter("alice", auto=False)
    with in_its_place(stage, answers), pytest.raises(CometChatException) as caught:
        await alice.chat.connect()
    assert (caught.value.code, caught.value.cause) == ("WS_CONNECTION_FAIL", cause)
    await alice.ears.until(lambda: alice.status is CONNECTED, 90)  # the client keeps trying


def to_the_foreground(alice):
    alice.chat.set_app_state("background")
    alice.chat.set_app_state("foreground")


def to_another_network(alice):
    alice.chat.set_network("offline")
    alice.chat.set_network("online")


async def behind_a_busy_proxy(stage: Stage):
    """Return a client whose attempt a proxy has refused five seconds ago, with a wait of an hour, and when that was."""
    alice = await stage.enter("alice")
    with in_its_place(stage, ANSWERS["maintenance"][0]):
        await stage.pass_time(6)
    back = stage.now
    await stage.pass_time(5)
    assert alice.status is not CONNECTED
    return alice, back


@pytest.mark.parametrize("does", [to_the_foreground, to_another_network])
async def test_foreground_or_a_network_change_ends_the_delay_that_a_proxy_asked_for(stage: Stage, does):
    alice, back = await behind_a_busy_proxy(stage)
    does(alice)
    await alice.ears.until(lambda: alice.status is CONNECTED, 120)
    assert stage.now - back < 5 + 2


async def test_delay_of_an_hour_that_a_proxy_asked_for_lasts_about_a_minute(stage: Stage):
    alice, back = await behind_a_busy_proxy(stage)
    await alice.ears.until(lambda: alice.status is CONNECTED, 120)
    assert 30 < stage.now - back < 75
