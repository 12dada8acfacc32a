"""The outbox: messages queued offline are sent once, in order, even after a restart of the app (K5)."""

from __future__ import annotations

import asyncio
import json

import pytest

from harness import CONNECTED, Stage
from tailwire import (
    Attachment,
    CometChatException,
    CustomMessage,
    FileSessionStore,
    MediaMessage,
    MemorySessionStore,
    OutboxChanged,
    OutboxStatus,
    TextMessage,
    UploadFile,
)
from tailwire.server.app import make_keys
from tailwire.server.config import Settings
from tailwire.testing.virtual.world import VirtualServer

spec = pytest.mark.spec
PENDING, SENT, FAILED, CANCELLED = OutboxStatus


def text(words: str, receiver: str = "bob") -> TextMessage:
    return TextMessage(receiver=receiver, text=words)


@pytest.fixture
def store(tmp_path) -> FileSessionStore:
    return FileSessionStore(tmp_path / "device")


@spec("K5")
async def test_messages_queued_offline_are_sent_when_online(stage: Stage):
    alice, bob = await stage.enter("alice", outbox=True), await stage.enter("bob")
    stage.network.cut()
    entries = [alice.chat.queue_message(text(str(n))) for n in range(5)]
    await stage.pass_time(120)
    assert [e.status for e in alice.chat.queued_messages()] == [PENDING] * 5
    assert entries[0].error.code == "NO_INTERNET_CONNECTION"  # the reason for the wait
    stage.network.restore()
    back = stage.now
    stored = [await entry.result() for entry in entries]
    assert stage.now - back < 30
    await bob.ears.until(lambda: len(bob.ears.texts) == 5)
    assert bob.ears.texts == ["0", "1", "2", "3", "4"]
    assert [m.id for m in stored] == sorted(m.id for m in bob.ears.all("text"))
    assert alice.chat.queued_messages() == []


@spec("K5")
async def test_event_stream_and_listener_receive_each_change_of_a_queued_message(stage: Stage):
    alice = await stage.enter("alice", outbox=True)
    events = alice.chat.events()
    entries = [alice.chat.queue_message(text(str(n))) for n in range(5)]
    for entry in entries:
        await entry.result()
    await stage.pass_time(1)
    events.close()
    changed = [event.entry async for event in events if isinstance(event, OutboxChanged)]
    assert [changed.count(entry) for entry in entries] == [2] * 5  # queued, and sent
    assert alice.ears.all("queued") == changed


@spec("K5")
async def test_restored_connection_ends_the_delay_of_the_outbox(stage: Stage):
    alice, bob = await stage.enter("alice", outbox=True), await stage.enter("bob")
    stage.network.cut()
    alice.chat.queue_message(text("soon"))
    await stage.pass_time(600)  # the outbox retries once a minute by now
    stage.network.restore()
    alice.chat.set_network("online")
    bob.chat.set_network("online")
    back = stage.now
    await bob.ears.until(lambda: bob.ears.texts == ["soon"])
    assert stage.now - back < 25


@spec("K5")
async def test_outbox_survives_a_restart_of_the_app(stage: Stage, store):
    alice, bob = await stage.enter("alice", outbox=True, store=store), await stage.enter("bob")
    stage.network.cut()
    alice.chat.queue_message(text("one"))
    place = CustomMessage(receiver="bob", type="place", custom_data={"lat": 1}, metadata={"k": 1}, tags=["t"])
    alice.chat.queue_message(place)
    picture = Attachment("https://files/x", "x.png", "png", "image/png", 3)
    alice.chat.queue_message(MediaMessage(receiver="bob", type="image", attachments=[picture], caption="see"))
    await alice.chat.aclose()
    again = stage.actor(outbox=True, store=store)
    await again.chat.init()
    again.listen()
    kept = again.chat.queued_messages()
    assert [(type(e.message), e.message.id, e.status) for e in kept] == [
        (TextMessage, 0, PENDING), (CustomMessage, 0, PENDING), (MediaMessage, 0, PENDING),
    ]  # fmt: skip
    assert (kept[1].message.custom_data, kept[1].message.metadata, kept[1].message.tags) == (
        {"lat": 1},
        {"k": 1},
        ["t"],
    )
    assert kept[1].muid == place.muid
    stage.network.restore()
    await bob.ears.until(lambda: bool(bob.ears.all("media")))
    assert bob.ears.texts == ["one"]
    assert bob.ears.all("custom")[0].custom_data == {"lat": 1}
    assert (bob.ears.all("media")[0].caption, bob.ears.all("media")[0].attachment.url) == ("see", "https://files/x")
    await kept[2].result()
    assert store.load_outbox(stage.server.app_id, "alice") is None


@spec("K5", "K3")
async def test_message_is_sent_once_by_an_app_killed_before_the_response(stage: Stage, store):
    alice, bob = await stage.enter("alice", outbox=True, store=store), await stage.enter("bob")
    entry = alice.chat.queue_message(text("once"))
    saved = store.load_outbox(stage.server.app_id, "alice")
    await entry.result()
    await alice.chat.aclose()
    store.save_outbox(stage.server.app_id, "alice", saved)  # the file as the app left it when it died
    again = stage.actor(outbox=True, store=store)
    await again.chat.init()
    (kept,) = again.chat.queued_messages()
    assert (await kept.result()).id == entry.message.id
    await stage.pass_time(5)
    assert bob.ears.texts == ["once"]
    assert [m.text async for m in bob.chat.messages(uid="alice")] == ["once"]


@spec("K5")
async def test_refused_message_does_not_delay_others(stage: Stage):
    alice, bob, carol = await stage.enter("alice", outbox=True), await stage.enter("bob"), await stage.enter("carol")
    await bob.chat.block_users(["alice"])
    refused, sent = alice.chat.queue_message(text("to bob")), alice.chat.queue_message(text("to carol", "carol"))
    with pytest.raises(CometChatException) as caught:
        await refused.result()
    assert caught.value.code == "ERR_BLOCKED_SENDER"
    await sent.result()
    await carol.ears.until(lambda: carol.ears.texts == ["to carol"])
    assert alice.chat.queued_messages() == [refused]


@spec("K5")
async def test_refused_message_is_kept_and_can_be_retried_after_a_restart(stage: Stage, store):
    alice, bob = await stage.enter("alice", outbox=True, store=store), await stage.enter("bob")
    await bob.chat.block_users(["alice"])
    with pytest.raises(CometChatException):
        await alice.chat.queue_message(text("to bob")).result()
    await alice.chat.aclose()
    again = stage.actor(outbox=True, store=store)
    await again.chat.init()
    (kept,) = again.chat.queued_messages()
    assert (kept.status, kept.error.code) == (FAILED, "ERR_BLOCKED_SENDER")
    await bob.chat.unblock_users(["alice"])
    assert kept.retry()
    assert not kept.retry()
    await kept.result()
    await bob.ears.until(lambda: bob.ears.texts == ["to bob"])
    assert again.chat.queued_messages() == []


@spec("K5")
async def test_queued_message_can_be_cancelled_until_it_is_being_sent(stage: Stage):
    alice, bob = await stage.enter("alice", outbox=True), await stage.enter("bob")
    stage.network.cut()
    first, second = alice.chat.queue_message(text("first")), alice.chat.queue_message(text("second"))
    await stage.pass_time(0.1)
    assert not first.cancel()  # it is being sent
    assert second.cancel()
    assert not second.cancel()
    with pytest.raises(CometChatException) as caught:
        await second.result()
    assert (caught.value.code, second.status) == ("OUTBOX_CANCELLED", CANCELLED)
    stage.network.restore()
    await first.result()
    await bob.ears.until(lambda: bob.ears.texts == ["first"])
    await stage.pass_time(10)
    assert (bob.ears.texts, first.status, first.cancel()) == (["first"], SENT, False)


@spec("K5")
async def test_failed_message_is_withdrawn_and_leaves_the_device(stage: Stage, store):
    alice, bob = await stage.enter("alice", outbox=True, store=store), await stage.enter("bob")
    await bob.chat.block_users(["alice"])
    refused = alice.chat.queue_message(text("to bob"))
    with pytest.raises(CometChatException):
        await refused.result()
    assert (refused.status, refused.cancel(), refused.cancel()) == (FAILED, True, False)
    assert (refused.status, refused.retry(), alice.chat.queued_messages()) == (CANCELLED, False, [])
    await alice.chat.aclose()
    again = stage.actor(outbox=True, store=store)
    await again.chat.init()
    assert again.chat.queued_messages() == []


@spec("K5")
async def test_logging_out_removes_the_outbox(stage: Stage, store):
    alice = await stage.enter("alice", outbox=True, store=store)
    stage.network.cut()
    entry = alice.chat.queue_message(text("secret"))
    await stage.pass_time(1)
    await alice.chat.logout()
    assert (entry.status, alice.chat.queued_messages()) == (CANCELLED, [])
    assert not list(store._folder.glob("outbox*"))
    with pytest.raises(CometChatException) as caught:
        alice.chat.queue_message(text("more"))
    assert caught.value.code == "USER_NOT_LOGGED_IN"


@spec("K5")
async def test_entries_of_a_closed_client_do_not_change_the_saved_messages(stage: Stage, store):
    alice, bob = await stage.enter("alice", outbox=True, store=store), await stage.enter("bob")
    await bob.chat.block_users(["alice"])
    failed = alice.chat.queue_message(text("to bob"))
    with pytest.raises(CometChatException, match="ERR_BLOCKED_SENDER"):
        await failed.result()
    stage.network.cut()
    pending = alice.chat.queue_message(text("to carol", "carol"))
    await alice.chat.aclose()
    again = stage.actor(outbox=True, store=store)
    await again.chat.init()
    again.chat.queue_message(text("more", "carol"))
    saved = store.load_outbox(stage.server.app_id, "alice")
    assert (failed.retry(), pending.cancel(), failed.cancel()) == (False, False, False)
    assert store.load_outbox(stage.server.app_id, "alice") == saved
    assert (failed.status, pending.status) == (FAILED, PENDING)
    stage.network.restore()


@spec("K5")
async def test_full_outbox_refuses_further_messages(stage: Stage):
    alice = await stage.enter("alice", outbox=2)
    stage.network.cut()
    for n in range(2):
        alice.chat.queue_message(text(str(n)))
    with pytest.raises(CometChatException) as caught:
        alice.chat.queue_message(text("one too many"))
    assert caught.value.code == "OUTBOX_FULL"


@spec("K5")
async def test_message_with_a_file_to_upload_cannot_be_queued(stage: Stage):
    alice = await stage.enter("alice", outbox=True)
    with pytest.raises(CometChatException) as caught:
        alice.chat.queue_message(MediaMessage(receiver="bob", files=[UploadFile(content=b"x", name="x")]))
    assert caught.value.code == "ERR_INVALID_ARGUMENT"


@spec("K5")
async def test_outbox_has_to_be_enabled(stage: Stage):
    bob = await stage.enter("bob")
    with pytest.raises(CometChatException) as caught:
        bob.chat.queue_message(text("x"))
    assert caught.value.code == "OUTBOX_NOT_ENABLED"


@spec("K5", "T6")
async def test_outbox_obeys_retry_after(stage: Stage, tmp_path):
    await stage.server.stop()
    no_rate_limits = {f"{name}_per_minute": 0 for name in ("requests", "logins", "core", "standard")}
    stage.server = VirtualServer(tmp_path, Settings(data=str(tmp_path), sends_per_minute=4, **no_rate_limits))
    await stage.server.start()
    stage.server.auth_key = (await make_keys(stage.server.parts.store, stage.server.world)).auth_key
    alice = await stage.enter("alice", outbox=True)
    begin = stage.now
    entries = [alice.chat.queue_message(text(str(n))) for n in range(2)]
    for entry in entries:
        await entry.result()
    assert 14 <= stage.now - begin <= 20  # one send in fifteen seconds
    assert stage.server.parts.metrics.requests[429] == 1


@spec("K5")
async def test_invalid_entry_of_the_outbox_file_is_dropped_and_the_others_are_kept(stage: Stage, store, caplog):
    alice = await stage.enter("alice", outbox=True, store=store)
    stage.network.cut()
    for words in ("one", "two"):
        alice.chat.queue_message(text(words))
    await alice.chat.aclose()
    (file,) = store._folder.glob("outbox*")
    saved = json.loads(file.read_text())
    del saved["entries"][0]["body"]["muid"]
    file.write_text(json.dumps(saved))
    again = stage.actor(outbox=True, store=store)
    await again.chat.init()
    assert [e.message.text for e in again.chat.queued_messages()] == ["two"]
    assert "invalid and is dropped" in caplog.text
    stage.network.restore()


@spec("K5")
async def test_outbox_file_that_is_not_json_counts_as_empty(stage: Stage, store):
    alice = await stage.enter("alice", outbox=True, store=store)
    stage.network.cut()
    alice.chat.queue_message(text("one"))
    await alice.chat.aclose()
    (file,) = store._folder.glob("outbox*")
    file.write_text("{")
    again = stage.actor(outbox=True, store=store)
    await again.chat.init()
    assert again.chat.queued_messages() == []
    stage.network.restore()


@spec("K5")
async def test_custom_store_without_outbox_support_is_accepted(stage: Stage):
    class StoreWithoutOutbox:
        def __init__(self):
            kept = MemorySessionStore()
            self.load, self.save, self.clear = kept.load, kept.save, kept.clear

    alice, bob = await stage.enter("alice", outbox=True, store=StoreWithoutOutbox()), await stage.enter("bob")
    await alice.chat.queue_message(text("hello")).result()
    await bob.ears.until(lambda: bob.ears.texts == ["hello"])
    assert alice.status is CONNECTED


@spec("K5")
async def test_users_of_one_device_have_separate_outboxes(stage: Stage, store):
    alice = await stage.enter("alice", outbox=True, store=store)
    stage.network.cut()
    alice.chat.queue_message(text("from alice"))
    await alice.chat.aclose()
    stage.network.restore()
    carol = stage.actor(outbox=True, store=store)
    store.clear(stage.server.app_id)  # alice's session is gone, without a logout
    await carol.chat.init()
    await carol.chat.login("carol", auth_key=stage.server.auth_key)
    assert carol.chat.queued_messages() == []
    await carol.chat.login("alice", auth_key=stage.server.auth_key)
    (entry,) = carol.chat.queued_messages()
    async with asyncio.timeout(30):
        assert (await entry.result()).text == "from alice"
