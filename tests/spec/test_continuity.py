"""Messages and their changes are neither lost nor delivered twice (K1 to K3)."""

from __future__ import annotations

import asyncio

import pytest

from harness import CONNECTED, Actor, Stage
from tailwire import (
    Attachment,
    CometChatException,
    ConnectionChanged,
    CustomMessage,
    Group,
    MediaMessage,
    MemorySessionStore,
    MessageReceived,
    MessagesRequestBuilder,
    TextMessage,
)

spec = pytest.mark.spec


@spec("K1", "S13")
async def test_missed_messages_arrive_in_order_before_live_ones(stage: Stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    await alice.say("bob", "0")
    bob.chat.set_app_state("background")
    for n in range(1, 251):
        await alice.say("bob", str(n))
    bob.chat.set_app_state("foreground")
    for n in range(251, 260):
        await alice.say("bob", str(n))
    await bob.ears.until(lambda: len(bob.ears.texts) >= 260)
    await stage.pass_time(5)
    assert bob.ears.texts == [str(n) for n in range(260)]


@spec("K1")
async def test_connected_event_says_how_many_messages_were_missed_and_comes_before_them(stage: Stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    stream = bob.chat.events()
    bob.chat.set_app_state("background")
    await alice.say("bob", "one")
    await alice.say("bob", "two")
    bob.chat.set_app_state("foreground")
    seen = []
    async for event in stream:
        seen.append(event)
        if isinstance(event, MessageReceived) and event.message.text == "two":
            break
    connected = next(e for e in seen if isinstance(e, ConnectionChanged) and e.status is CONNECTED)
    assert (connected.continuity.kind, connected.continuity.missed) == ("exact", 2)
    assert seen.index(connected) < next(n for n, e in enumerate(seen) if isinstance(e, MessageReceived))
    stream.close()


@spec("K1")
async def test_newest_missed_messages_arrive_after_a_gap_if_more_than_the_limit_were_missed(stage: Stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob", limit=100)
    seen = await alice.say("bob", "seen")
    await bob.ears.until(lambda: bob.ears.texts == ["seen"])
    bob.chat.set_app_state("background")
    sent = [await alice.say("bob", str(n)) for n in range(150)]
    bob.chat.set_app_state("foreground")
    await bob.ears.until(lambda: bool(bob.ears.all("gap")))
    gap = bob.ears.all("gap")[0]
    assert (gap.from_id, gap.to_id) == (seen.id, sent[49].id)
    await alice.say("bob", "live")
    await bob.ears.until(lambda: bob.ears.texts[-1] == "live")
    assert bob.ears.texts == ["seen", *(str(n) for n in range(50, 150)), "live"]
    between = [m.text async for m in bob.chat.messages(uid="alice", after=gap.from_id) if m.id <= gap.to_id]
    assert between == [str(n) for n in range(50)]


@spec("K1", "S27")
async def test_own_messages_do_not_count_towards_the_limit(stage: Stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob", auto=False, limit=10)
    await bob.chat.connect()
    await alice.say("bob", "seen")
    await bob.ears.until(lambda: bob.ears.texts == ["seen"])
    await bob.chat.disconnect()
    missed = [await alice.say("bob", str(n)) for n in range(10)]
    for n in range(30):
        await bob.say("alice", f"mine {n}")
    await bob.chat.connect()
    await bob.ears.until(lambda: len(bob.ears.texts) == 11)
    assert bob.ears.texts == ["seen", *(m.text for m in missed)]
    assert not bob.ears.all("gap")
    await bob.chat.disconnect()
    left_out = await alice.say("bob", "left out")
    for n in range(30):
        await bob.say("alice", f"mine {n}")
    missed = [await alice.say("bob", str(n)) for n in range(10)]
    await bob.chat.connect()
    await bob.ears.until(lambda: len(bob.ears.texts) == 21)
    (gap,) = bob.ears.all("gap")
    assert gap.to_id == left_out.id


@spec("K1")
async def test_continuity_is_unknown_when_the_position_is_of_another_store(stage: Stage):
    store = MemorySessionStore()
    bob = await stage.enter("bob", store=store)
    await stage.pass_time(1)
    await bob.chat.aclose()
    saved = store.load(stage.server.app_id)
    saved["position"] |= {"store": "another", "mark": "f00d-7"}
    store.save(stage.server.app_id, saved)
    again = stage.actor(store=store)
    await again.chat.init()
    stream = again.chat.events()
    async for event in stream:
        if isinstance(event, ConnectionChanged) and event.status is CONNECTED:
            assert event.continuity.kind == "unknown"
            break
    stream.close()


@spec("K1")
async def test_missed_messages_are_not_delivered_with_catch_up_disabled(stage: Stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob", catch_up=False)
    bob.chat.set_app_state("background")
    await alice.say("bob", "only in history")
    bob.chat.set_app_state("foreground")
    await bob.ears.until(lambda: bob.ears.statuses.count(CONNECTED) >= 2)
    await alice.say("bob", "live")
    await bob.ears.until(lambda: bob.ears.texts == ["live"])


@spec("K1", "S3")
async def test_catch_up_continues_after_a_process_restart(stage: Stage):
    store = MemorySessionStore()
    alice, bob = await stage.enter("alice"), await stage.enter("bob", store=store)
    await alice.say("bob", "before")
    await bob.say("alice", "mine, from then")
    await bob.ears.until(lambda: bob.ears.texts == ["before"])
    await bob.chat.aclose()
    await alice.say("bob", "meanwhile")
    again = stage.actor(store=store)
    await again.chat.init()
    again.listen()
    await again.wait_connected()
    await stage.pass_time(5)
    assert again.ears.texts == ["meanwhile"]


@spec("K1", "S2")
async def test_messages_sent_after_the_login_are_not_missed(stage: Stage):
    alice = await stage.enter("alice")
    await alice.say("bob", "before the login")
    bob = await stage.enter("bob", auto=False)
    await alice.say("bob", "after the login")
    await stage.pass_time(100)
    await bob.chat.connect()
    await stage.pass_time(5)
    assert bob.ears.texts == ["after the login"]


@spec("K1")
async def test_failed_history_reads_are_retried(stage: Stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    bob.chat.set_app_state("background")
    await alice.say("bob", "missed")
    real_fetch, failures = bob.chat._parts.incoming._fetch, []

    async def failing(query):
        if len(failures) < 3:
            failures.append(query)
            raise CometChatException("ERR_MISSION_FAILED", "as planned")
        return await real_fetch(query)

    bob.chat._parts.incoming._fetch = failing
    bob.chat.set_app_state("foreground")
    await bob.wait_connected()
    await alice.say("bob", "live, but later")
    await bob.ears.until(lambda: len(bob.ears.texts) == 2)
    assert bob.ears.texts == ["missed", "live, but later"]
    assert len(failures) == 3


@spec("K2")
async def test_missed_edits_deletions_and_membership_changes_are_delivered(stage: Stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    await alice.chat.create_group(Group("club", "The Club"))
    await bob.chat.join_group("club")
    kept = await alice.say("club", "first version", "group")
    gone = await alice.say("club", "to be deleted", "group")
    await bob.ears.until(lambda: len(bob.ears.texts) == 2)
    bob.chat.set_app_state("background")
    kept.text = "second version"
    await alice.chat.edit_message(kept)
    await alice.chat.delete_message(gone.id)
    carol = await stage.enter("carol")
    await carol.chat.join_group("club")
    await carol.chat.leave_group("club")
    bob.chat.set_app_state("foreground")
    await bob.ears.until(lambda: bool(bob.ears.all("left")))
    names = [name for _, name, _ in bob.ears.heard if name in ("edited", "deleted", "joined", "left")]
    assert names == ["edited", "deleted", "joined", "left"]
    assert bob.ears.all("edited")[0].text == "second version"
    deleted = bob.ears.all("deleted")[0]
    assert (deleted.id, deleted.deleted_by) == (gone.id, "alice")
    assert bob.ears.all("joined") == [("carol", "club")]


@spec("K3")
async def test_send_with_a_lost_response_is_stored_once(stage: Stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    sending = asyncio.create_task(alice.say("bob", "once"))
    while not stage.server.parts.metrics.messages_stored:
        await stage.pass_time(0.001)
    stage.network.drop()  # stored, and the response is lost
    stored = await sending
    await bob.ears.until(lambda: bob.ears.texts == ["once"])
    await stage.pass_time(30)
    assert bob.ears.texts == ["once"]
    assert [m.id async for m in bob.chat.messages(uid="alice")] == [stored.id]


@spec("K3")
async def test_concurrent_sends_to_one_conversation_keep_their_order(stage: Stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    await asyncio.gather(*(alice.say("bob", str(n)) for n in range(50)))
    await bob.ears.until(lambda: len(bob.ears.texts) == 50)
    assert bob.ears.texts == [str(n) for n in range(50)]


@spec("K3")
async def test_sends_need_no_socket(stage: Stage):
    alice, bob = await stage.enter("alice", auto=False), await stage.enter("bob")
    await alice.say("bob", "over HTTP")
    await bob.ears.until(lambda: bob.ears.texts == ["over HTTP"])
    assert alice.ears.statuses.count(CONNECTED) == 0


async def test_cancelled_send_does_not_hold_up_the_next(stage: Stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    stage.network.delay = 0.2
    tasks = [asyncio.create_task(alice.say("bob", str(n))) for n in range(3)]
    await stage.pass_time(0.05)
    tasks[1].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    stage.network.delay = 0.005
    await bob.ears.until(lambda: bob.ears.texts == ["0", "2"])


async def test_custom_message_arrives_with_its_content(stage: Stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    await alice.chat.send_custom_message(CustomMessage(receiver="bob", type="location", custom_data={"lat": 1.5}))
    await bob.ears.until(lambda: bool(bob.ears.all("custom")))
    (custom,) = bob.ears.all("custom")
    assert (custom.type, custom.custom_data, custom.sender.name) == ("location", {"lat": 1.5}, "Alice")


async def test_media_message_arrives_with_its_content(stage: Stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    photo = Attachment("https://example.org/a.png", "a.png", "png", "image/png", 1234)
    sent = await alice.chat.send_media_message(
        MediaMessage(receiver="bob", type="image", attachments=[photo], caption="look", tags=["t"], metadata={"k": 1})
    )
    await bob.ears.until(lambda: bool(bob.ears.all("media")))
    (media,) = bob.ears.all("media")
    assert (media.id, media.attachment, media.caption) == (sent.id, photo, "look")
    assert (media.tags, media.metadata, media.receiver_entity.name) == (["t"], {"k": 1}, "Bob")


async def enter_with_75_messages(stage: Stage) -> Actor:
    """Return bob, to whom alice has sent the texts 0 to 74, and carol another message."""
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    for n in range(75):
        await alice.say("bob", str(n))
    await alice.say("carol", "elsewhere")
    return bob


async def test_history_is_read_in_pages_backwards_and_forwards(stage: Stage):
    bob = await enter_with_75_messages(stage)
    request = MessagesRequestBuilder().set_uid("alice").set_limit(30).build(bob.chat)
    pages = [await request.fetch_previous() for _ in range(4)]
    assert [[m.text for m in p] for p in pages] == [
        [str(n) for n in range(45, 75)],
        [str(n) for n in range(15, 45)],
        [str(n) for n in range(15)],
        [],
    ]
    forward = MessagesRequestBuilder().set_uid("alice").set_message_id(pages[0][0].id).build(bob.chat)
    assert [m.text for m in await forward.fetch_next()] == [str(n) for n in range(46, 75)]


async def test_history_is_iterated_from_the_newest_message(stage: Stage):
    bob = await enter_with_75_messages(stage)
    assert [m.text async for m in bob.chat.messages(uid="alice", page_size=20)] == [str(n) for n in range(74, -1, -1)]


async def test_invalid_request_for_history_is_refused(stage: Stage):
    bob = await stage.enter("bob")
    with pytest.raises(CometChatException, match="NOT_ENOUGH_PARAMETERS"):
        await MessagesRequestBuilder().set_uid("alice").build(bob.chat).fetch_next()
    with pytest.raises(CometChatException, match="ERROR_NON_POSITIVE_LIMIT"):
        MessagesRequestBuilder().set_limit(0)
    with pytest.raises(CometChatException, match="ERROR_LIMIT_EXCEEDED"):
        MessagesRequestBuilder().set_limit(101)


async def test_second_fetch_of_a_request_is_refused_while_the_first_is_in_progress(stage: Stage):
    bob = await stage.enter("bob")
    request = MessagesRequestBuilder().set_uid("alice").build(bob.chat)
    both = asyncio.gather(request.fetch_previous(), request.fetch_previous(), return_exceptions=True)
    assert [getattr(r, "code", "") for r in await both] == ["", "REQUEST_IN_PROGRESS"]


async def test_receipts_reach_the_sender(stage: Stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    sent = await alice.say("bob", "read me")
    await bob.ears.until(lambda: bool(bob.ears.texts))
    received = bob.ears.all("text")[0]
    assert await bob.chat.mark_as_delivered(received) == "markAsDelivered success"
    assert await bob.chat.mark_as_read(received) == "markAsRead success"
    await alice.ears.until(lambda: bool(alice.ears.all("read")))
    receipt = alice.ears.all("read")[0]
    assert (receipt.message_id, receipt.sender.uid) == (sent.id, "bob")
    assert len(alice.ears.all("delivered")) == 1
    again = await alice.chat.get_message(sent.id)
    assert again.delivered_at > 0
    assert again.read_at > 0


async def test_typing_reaches_the_receiver(stage: Stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    await alice.chat.start_typing("bob")
    await alice.chat.end_typing("bob")
    await bob.ears.until(lambda: bool(bob.ears.all("typing ended")))
    assert bob.ears.all("typing") == ["alice"]


async def test_receipt_for_an_own_message_is_not_sent(stage: Stage):
    alice, laptop, bob = await stage.enter("alice"), await stage.enter("alice"), await stage.enter("bob")
    await alice.chat.mark_as_read(await alice.say("bob", "read me"))
    await stage.pass_time(1)
    assert bob.ears.all("read") == laptop.ears.all("read") == []


async def test_receipt_without_a_socket_is_refused(stage: Stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    await alice.say("bob", "read me")
    await bob.ears.until(lambda: bool(bob.ears.texts))
    await bob.chat.disconnect()
    with pytest.raises(CometChatException, match="NO_WEBSOCKET_CONNECTION"):
        await bob.chat.mark_as_read(bob.ears.all("text")[0])


async def test_typing_without_a_socket_is_ignored(stage: Stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    await bob.chat.disconnect()
    await bob.chat.start_typing("alice")
    await bob.chat.connect()
    await stage.pass_time(5)
    assert alice.ears.all("typing") == []


async def test_calls_about_groups_that_a_user_may_not_make_are_refused(stage: Stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    await alice.chat.create_group(Group("open", "Open"))
    await alice.chat.create_group(Group("safe", "Safe", type="password", password="sesame"))
    await alice.chat.create_group(Group("mine", "Mine", type="private"))
    for call, code in (
        (bob.chat.join_group("safe", "password", "wrong"), "ERR_WRONG_GROUP_PASS"),
        (bob.chat.join_group("safe", "password"), "ERR_EMPTY_GROUP_PASS"),
        (bob.chat.join_group("mine"), "ERR_GUID_NOT_FOUND"),
        (bob.chat.join_group("nowhere"), "ERR_GUID_NOT_FOUND"),
        (bob.chat.leave_group("open"), "ERR_NOT_A_MEMBER"),
        (alice.chat.leave_group("open"), "ERR_OWNER_EXIT_FORBIDDEN"),
        (alice.chat.create_group(Group("open", "Again")), "ERR_GUID_ALREADY_EXISTS"),
        (bob.say("open", "not in it", "group"), "ERR_NOT_A_MEMBER"),
        (bob.say("mine", "not in it", "group"), "ERR_GUID_NOT_FOUND"),
    ):
        with pytest.raises(CometChatException, match=code):
            await call


async def test_second_join_of_a_group_with_a_password_is_refused(stage: Stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    await alice.chat.create_group(Group("safe", "Safe", type="password", password="sesame"))
    joined = await bob.chat.join_group("safe", "password", "sesame")
    assert (joined.guid, joined.has_joined, joined.members_count) == ("safe", True, 2)
    with pytest.raises(CometChatException, match="ERR_ALREADY_JOINED"):
        await bob.chat.join_group("safe", "password", "sesame")
    await alice.ears.until(lambda: alice.ears.all("joined") == [("bob", "safe")])


async def test_messages_of_a_group_reach_its_members_until_they_leave(stage: Stage):
    alice, bob, carol = await stage.enter("alice"), await stage.enter("bob"), await stage.enter("carol")
    await alice.chat.create_group(Group("open", "Open"))
    await bob.chat.join_group("open")
    await alice.say("open", "to all", "group")
    await bob.ears.until(lambda: bob.ears.texts == ["to all"])
    assert await bob.chat.leave_group("open") == "open left successfully"
    await alice.say("open", "to those who are left", "group")
    await stage.pass_time(5)
    assert bob.ears.texts == ["to all"]
    assert carol.ears.texts == []
    assert (await alice.chat.get_group("open")).members_count == 1


async def test_message_of_a_group_can_be_read_by_its_members_only(stage: Stage):
    alice, bob, carol = await stage.enter("alice"), await stage.enter("bob"), await stage.enter("carol")
    await alice.chat.create_group(Group("open", "Open"))
    await bob.chat.join_group("open")
    sent = await alice.say("open", "to all", "group")
    assert (await bob.chat.get_message(sent.id)).text == "to all"
    with pytest.raises(CometChatException, match="ERR_MESSAGE_ID_NOT_FOUND"):
        await carol.chat.get_message(sent.id)


async def test_message_with_a_given_muid_is_stored_once(stage: Stage):
    alice = await stage.enter("alice")
    first = await alice.say("bob", "hello", muid="mine-1")
    second = await alice.say("bob", "hello", muid="mine-1")
    assert first.id == second.id
    assert [m.id async for m in alice.chat.messages(uid="bob")] == [first.id]


async def test_invalid_messages_are_refused(stage: Stage):
    alice = await stage.enter("alice")
    with pytest.raises(CometChatException, match="ERR_INVALID_ARGUMENT"):
        await alice.chat.send_message("text")
    with pytest.raises(CometChatException, match="ERR_EMPTY_MESSAGE_TEXT"):
        await alice.chat.send_message(TextMessage(receiver="bob", text=" "))
    with pytest.raises(CometChatException, match="ERR_UID_NOT_FOUND"):
        await alice.say("nobody", "hello")


@spec("K2")
async def test_missed_receipts_are_delivered_once(stage: Stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    sent = [await alice.say("bob", str(n)) for n in range(5)]
    await bob.ears.until(lambda: len(bob.ears.texts) == 5)
    await stage.pass_time(20)
    alice.chat.set_app_state("background")
    received = bob.ears.all("text")
    await bob.chat.mark_as_delivered(received[4])
    await bob.chat.mark_as_read(received[2])
    await stage.pass_time(100)
    alice.chat.set_app_state("foreground")
    await alice.ears.until(lambda: bool(alice.ears.all("read")))
    await stage.pass_time(5)
    delivered, read = alice.ears.all("delivered"), alice.ears.all("read")
    assert [(r.message_id, r.sender.uid) for r in delivered] == [(sent[4].id, "bob")]
    assert [(r.message_id, r.sender.uid) for r in read] == [(sent[2].id, "bob")]
    for _ in range(3):  # nothing comes twice
        alice.chat.set_app_state("background")
        alice.chat.set_app_state("foreground")
        await stage.pass_time(5)
    assert (len(alice.ears.all("delivered")), len(alice.ears.all("read"))) == (1, 1)


@spec("K2")
async def test_missed_receipts_of_all_members_are_delivered_after_a_reconnect(stage: Stage):
    alice, bob, carol = [await stage.enter(uid) for uid in ("alice", "bob", "carol")]
    await alice.chat.create_group(Group("team", "Team"))
    await bob.chat.join_group("team")
    await carol.chat.join_group("team")
    sent = [await alice.say("team", str(n), "group") for n in range(3)]
    await bob.ears.until(lambda: len(bob.ears.texts) == 3)
    await carol.ears.until(lambda: len(carol.ears.texts) == 3)
    await stage.pass_time(20)
    alice.chat.set_app_state("background")
    await bob.chat.mark_as_read(bob.ears.all("text")[2])
    await carol.chat.mark_as_delivered(carol.ears.all("text")[2])
    await carol.chat.mark_as_read(carol.ears.all("text")[1])
    await stage.pass_time(100)
    alice.chat.set_app_state("foreground")
    await alice.ears.until(lambda: bool(alice.ears.all("read by all")))
    await stage.pass_time(5)
    assert [r.message_id for r in alice.ears.all("read by all")] == [sent[1].id]
    assert [r.message_id for r in alice.ears.all("delivered to all")] == [sent[2].id]
    assert [r.receiver_id for r in alice.ears.all("read by all")] == ["team"]


@spec("K2")
async def test_receipt_missed_before_a_send_and_a_restart_is_delivered(stage: Stage):
    store = MemorySessionStore()
    alice, bob = await stage.enter("alice", store=store), await stage.enter("bob")
    sent = await alice.say("bob", "before")
    await bob.ears.until(lambda: bool(bob.ears.texts))
    await stage.pass_time(20)
    alice.chat.set_app_state("background")
    await bob.chat.mark_as_read(bob.ears.all("text")[0])
    await stage.pass_time(50)
    await alice.say("bob", "sent without a socket")  # later than the missed receipt
    await alice.chat.aclose()
    again = stage.actor(store=store)
    await again.chat.init()
    again.listen()
    await again.ears.until(lambda: bool(again.ears.all("read")))
    assert again.ears.all("read")[0].message_id == sent.id
