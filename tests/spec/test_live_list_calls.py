"""Live lists as an app uses them: initial content, paging, typing, the outbox, gaps, and misuse."""

from __future__ import annotations

import asyncio
import gc

import pytest

from harness import Actor, Stage
from rest import Rest
from tailwire import (
    ChangeKind,
    CometChatException,
    Conversation,
    Group,
    GroupMember,
    MemorySessionStore,
    TextMessage,
    User,
)
from tailwire.sdk.listeners.own import ConversationOutdated
from tailwire.sdk.live import calling, live_list


def texts(live):
    return [getattr(i.message, "text", "") for i in live.items]


async def pair(stage: Stage, **settings) -> tuple[Actor, Actor]:
    return await stage.enter("alice", presence=True, **settings), await stage.enter("bob", presence=True)


async def until(condition, seconds: float = 30.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


def record_requests(actor: Actor) -> list[str]:
    """Return a list to which the path of each further request is added."""
    paths: list[str] = []
    real_ask = actor.chat._parts.requests.ask

    async def ask(method, path, **more):
        paths.append(path)
        return await real_ask(method, path, **more)

    actor.chat._parts.requests.ask = ask
    return paths


async def test_events_update_live_lists_without_requests(stage: Stage):
    alice, bob = await pair(stage)
    await bob.say("alice", "first")
    conversations, messages = await alice.chat.live_conversations(), await alice.chat.live_messages(uid="bob")
    await asyncio.sleep(5)
    paths = record_requests(alice)
    for n in range(50):
        await bob.say("alice", f"{n}")
    await asyncio.sleep(5)
    assert texts(messages) == ["first", *map(str, range(50))][-51:]
    (item,) = conversations.items
    assert (item.conversation.unread_message_count, item.conversation.last_message.text) == (51, "49")
    await alice.chat.mark_as_read(messages.items[-1].message)
    assert conversations.items[0].conversation.unread_message_count == 0, "at once"
    await asyncio.sleep(5)
    assert paths == []


async def test_new_conversation_and_a_burst_need_at_most_three_requests(stage: Stage):
    alice, bob = await pair(stage)
    carol = await stage.enter("carol")
    live = await alice.chat.live_conversations()
    paths = record_requests(alice)
    for _ in range(20):
        await asyncio.gather(bob.say("alice", "b"), carol.say("alice", "c"))
    await asyncio.sleep(5)
    assert {i.key: i.conversation.unread_message_count for i in live.items} == {"user/bob": 20, "user/carol": 20}
    assert len(paths) <= 3


async def test_typing_is_shown_until_it_ends(stage: Stage):
    alice, bob = await pair(stage)
    await bob.say("alice", "hello")
    conversations, messages = await alice.chat.live_conversations(), await alice.chat.live_messages(uid="bob")
    changes = []
    messages.subscribe(changes.append)
    await bob.chat.start_typing("alice")
    await asyncio.sleep(1)
    assert [u.uid for u in messages.typing] == ["bob"] == [u.uid for u in conversations.items[0].typing]
    assert [c.kind for c in changes] == [ChangeKind.STATUS]
    await asyncio.sleep(20)
    assert messages.typing == () == conversations.items[0].typing
    await bob.chat.start_typing("alice")
    await bob.say("alice", "there")
    await asyncio.sleep(1)
    assert messages.typing == () == conversations.items[0].typing, "a message ends the typing indicator"


async def test_live_conversations_show_the_presence_of_users(stage: Stage):
    alice, bob = await pair(stage)
    await bob.say("alice", "hello")
    live = await alice.chat.live_conversations()
    assert live.items[0].conversation.conversation_with.status == "online"
    await bob.chat.logout()
    await asyncio.sleep(5)
    assert live.items[0].conversation.conversation_with.status == "offline"


async def test_queued_message_keeps_its_position_and_key_when_it_is_sent(stage: Stage):
    alice, bob = await pair(stage, outbox=True)
    await bob.say("alice", "before")
    live = await alice.chat.live_messages(uid="bob")
    stage.network.cut()
    alice.chat.queue_message(TextMessage(receiver="bob", text="one"))
    two = alice.chat.queue_message(TextMessage(receiver="bob", text="two"))
    alice.chat.queue_message(TextMessage(receiver="carol", text="elsewhere"))
    await until(lambda: len(live.items) == 3)
    assert [(i.message.text, i.state) for i in live.items[1:]] == [("one", "pending"), ("two", "pending")]
    keys = [i.key for i in live.items]
    assert two.cancel()
    await until(lambda: len(live.items) == 2)
    stage.network.restore()
    alice.chat.set_network("online")
    await until(lambda: live.items[-1].state == "sent", 120)
    assert [i.key for i in live.items] == keys[:2]
    assert texts(live) == ["before", "one"]


async def test_failed_message_is_shown_as_failed_and_retried(stage: Stage):
    alice, bob = await pair(stage, outbox=True)
    await bob.chat.block_users(["alice"])
    store = alice.chat._sessions.store
    entry = alice.chat.queue_message(TextMessage(receiver="bob", text="one"))
    live = await alice.chat.live_messages(uid="bob")
    await until(lambda: bool(live.items) and live.items[0].state == "failed")
    assert live.items[0].error.code == "ERR_BLOCKED_SENDER"
    assert live.items[0].entry is entry
    await alice.chat.aclose()
    assert live.closed
    once_more = await stage.enter("alice", outbox=True, store=store)
    shown = await once_more.chat.live_messages(uid="bob")
    assert [(i.message.text, i.state) for i in shown.items] == [("one", "failed")]
    await bob.chat.unblock_users(["alice"])
    assert shown.items[0].entry.retry()
    await until(lambda: shown.items[0].state == "sent")


async def test_older_messages_are_loaded_in_pages_until_the_list_is_full(stage: Stage):
    alice, bob = await pair(stage)
    for n in range(25):
        await bob.say("alice", f"{n}")
    live = await alice.chat.live_messages(uid="bob", page_size=10, most=30)
    rows = list(live.items)
    live.subscribe(lambda change: change.apply(rows))
    assert (texts(live), live.complete) == ([f"{n}" for n in range(15, 25)], False)
    assert await live.older() == 10
    assert await live.older(10) == 5
    assert (texts(live), live.complete) == ([f"{n}" for n in range(25)], True)
    assert await live.older() == 0
    for n in range(25, 40):
        await bob.say("alice", f"{n}")
    await asyncio.sleep(2)
    assert (texts(live), live.complete) == ([f"{n}" for n in range(10, 40)], False), "the oldest are dropped"
    assert await live.older() == 0, "it holds as many as it may"
    assert rows == list(live.items)


async def test_more_conversations_are_loaded_despite_new_events(stage: Stage):
    names = [f"u{n}" for n in range(12)]
    await stage.server.add_users(*names)
    alice = await stage.enter("alice")
    others = {}
    for name in names:
        others[name] = await stage.enter(name, auto=False)
        await others[name].say("alice", "hello")
        await asyncio.sleep(1)
    live = await alice.chat.live_conversations(page_size=5)

    def shown_uids():
        return [i.key.removeprefix("user/") for i in live.items]

    assert (shown_uids(), live.complete) == (names[:-6:-1], False)
    await others["u0"].say("alice", "to the top")
    await asyncio.sleep(2)
    assert shown_uids()[:2] == ["u0", "u11"]
    while await live.more():
        pass
    assert (shown_uids(), live.complete) == (["u0", *names[:0:-1]], True)
    await alice.chat.pin_conversation("u3", "user")
    assert shown_uids()[0] == "u3"
    await alice.chat.unpin_conversation("u3", "user")
    assert shown_uids() == ["u0", *names[:0:-1]]


async def test_thread_has_its_own_list(stage: Stage):
    alice, bob = await pair(stage)
    start = await bob.say("alice", "start")
    main = await alice.chat.live_messages(uid="bob")
    thread = await alice.chat.live_messages(uid="bob", parent_message_id=start.id)
    both = await alice.chat.live_messages(uid="bob", replies=True)
    await bob.say("alice", "reply", parent_message_id=start.id)
    await alice.say("bob", "mine", parent_message_id=start.id)
    await bob.say("alice", "beside")
    await asyncio.sleep(5)
    assert (texts(main), texts(thread)) == (["start", "beside"], ["reply", "mine"])
    assert texts(both) == ["start", "reply", "mine", "beside"]
    assert main.items[0].message.reply_count == 2 == both.items[0].message.reply_count


async def test_list_is_rebuilt_without_holes_after_a_gap(stage: Stage):
    alice, bob = await pair(stage, limit=10)
    for n in range(5):
        await bob.say("alice", f"{n}")
    live = await alice.chat.live_messages(uid="bob", page_size=10)
    assert len(live.items) == 5
    alice.chat.set_app_state("background")
    for n in range(5, 60):
        await bob.say("alice", f"{n}")
    alice.chat.set_app_state("foreground")
    await asyncio.sleep(20)
    shown = [int(t) for t in texts(live)]
    assert shown == list(range(60))[-len(shown) :], "no hole"
    while await live.older():
        pass
    assert texts(live) == [f"{n}" for n in range(60)]


async def test_lists_show_that_a_member_was_kicked_and_has_rejoined(stage: Stage):
    alice, bob = await pair(stage)
    await bob.chat.create_group(Group("g", "Group"))
    await bob.chat.add_members_to_group("g", [GroupMember("alice")])
    conversations, messages = await alice.chat.live_conversations(), await alice.chat.live_messages(guid="g")
    await bob.chat.kick_group_member("g", "alice")
    await asyncio.sleep(2)
    assert messages.gone
    assert conversations.items == ()
    await bob.say("g", "without alice", "group")
    await alice.chat.join_group("g")
    await asyncio.sleep(5)
    assert not messages.gone
    assert "without alice" in texts(messages)
    assert [i.key for i in conversations.items] == ["group/g"]
    await alice.chat.leave_group("g")
    assert (messages.gone, conversations.items) == (True, ())


async def test_slow_reader_gets_a_reset_with_the_current_state(stage: Stage, monkeypatch):
    monkeypatch.setattr(live_list, "MAX_QUEUED_CHANGES", 5)
    alice, bob = await pair(stage)
    live = await alice.chat.live_messages(uid="bob")
    changes, rows = live.changes(), []
    for n in range(20):
        await bob.say("alice", f"{n}")
    await asyncio.sleep(1)
    change = await anext(changes)
    assert change.kind is ChangeKind.RESET
    change.apply(rows)
    await bob.say("alice", "more")
    (await anext(changes)).apply(rows)
    assert rows == list(live.items)


async def test_waiting_reader_ends_when_its_list_is_closed(stage: Stage):
    alice, _ = await pair(stage)
    live = await alice.chat.live_messages(uid="bob")
    waiting = asyncio.ensure_future(anext(live.changes()))
    await asyncio.sleep(0)
    live.close()
    with pytest.raises(StopAsyncIteration):
        await waiting


async def test_iterator_of_changes_without_references_is_released_by_its_list(stage: Stage):
    alice, _ = await pair(stage)
    live = await alice.chat.live_messages(uid="bob")
    changes = live.changes()
    assert len(live._readers) == 1
    del changes
    gc.collect()
    assert len(live._readers) == 0


async def test_list_reports_an_unreachable_server_and_recovers(stage: Stage):
    alice, bob = await pair(stage)
    await bob.say("alice", "one")
    live = await alice.chat.live_conversations()
    await stage.server.kill()
    live._want_all()
    live._show()
    await asyncio.sleep(90)
    assert live.error is not None
    assert len(live.items) == 1
    await stage.server.start()
    await asyncio.sleep(90)
    assert live.error is None


async def test_list_started_offline_shows_queued_messages_and_fills_later(stage: Stage):
    alice, bob = await pair(stage, outbox=True)
    await bob.say("alice", "before")
    await alice.ears.until(lambda: alice.ears.texts == ["before"])
    stage.network.cut()
    alice.chat.queue_message(TextMessage(receiver="bob", text="from the tunnel"))
    messages, conversations = await alice.chat.live_messages(uid="bob"), await alice.chat.live_conversations()
    for live in (messages, conversations):
        assert live.error is not None
        assert live.error.code == "NO_INTERNET_CONNECTION"
    assert [(texts(messages)[0], messages.items[0].state), *conversations.items] == [("from the tunnel", "pending")]
    stage.network.restore()
    alice.chat.set_network("online")
    await until(lambda: texts(messages) == ["before", "from the tunnel"] and conversations.items, 120)
    assert (messages.error, conversations.error) == (None, None)
    await until(lambda: messages.items[-1].state == "sent", 120)
    assert texts(messages) == ["before", "from the tunnel"]


async def test_updates_dropped_under_load_are_fetched_again(stage: Stage, monkeypatch):
    alice, bob = await pair(stage)
    await alice.say("bob", "one")
    await bob.ears.until(lambda: bob.ears.texts == ["one"])
    live = await alice.chat.live_messages(uid="bob")
    await asyncio.sleep(5)
    paths = record_requests(alice)
    alice.chat._parts.driver.report_throttle(True)
    with monkeypatch.context() as dropping:
        dropping.setattr(stage.server.parts.gateway._hub.broker, "publish", lambda subject, publication: None)
        await bob.chat.mark_as_read(bob.ears.all("text")[0])
        await asyncio.sleep(5)
    assert (paths, live.items[0].message.read_at) == ([], 0)
    alice.chat._parts.driver.report_throttle(False)
    await asyncio.sleep(5)
    assert paths == ["/users/bob/messages"]
    assert texts(live) == ["one"]
    assert live.items[0].message.read_at > 0


async def test_raising_callback_does_not_affect_other_watchers(stage: Stage, caplog):
    alice, bob = await pair(stage)
    live = await alice.chat.live_messages(uid="bob")
    heard = []
    live.subscribe(lambda change: 1 / 0)
    live.subscribe(heard.append)
    await bob.say("alice", "one")
    await asyncio.sleep(1)
    assert len(heard) == 1
    assert "a callback of a live list failed" in caplog.text


async def test_callback_is_not_called_after_its_subscription_or_list_has_ended(stage: Stage):
    alice, bob = await pair(stage)
    live = await alice.chat.live_messages(uid="bob")
    until_stop, until_close = [], []
    stop = live.subscribe(until_stop.append)
    live.subscribe(until_close.append)
    stop()
    stop()  # harmless
    await bob.say("alice", "one")
    await asyncio.sleep(1)
    live.close()
    await bob.say("alice", "two")
    await asyncio.sleep(1)
    assert (len(until_stop), len(until_close)) == (0, 1)


async def test_lists_are_closed_at_logout_and_with_the_client(stage: Stage):
    alice, _ = await pair(stage)
    of_alice = await alice.chat.live_conversations()
    await alice.chat.logout()
    await asyncio.sleep(0.1)
    assert of_alice.closed
    await alice.chat.login("carol", auth_key=stage.server.auth_key)
    of_carol = await alice.chat.live_conversations()
    await alice.chat.aclose()
    assert of_carol.closed
    with pytest.raises(CometChatException) as caught:
        await alice.chat.live_conversations()
    assert caught.value.code == "ERR_CLIENT_CLOSED"


async def test_closed_list_refuses_calls_and_has_no_changes(stage: Stage):
    alice, _ = await pair(stage)
    live = await alice.chat.live_conversations()
    live.close()
    for call in (live.refresh, live.more):
        with pytest.raises(CometChatException) as caught:
            await call()
        assert caught.value.code == "LIVE_LIST_CLOSED"
    with pytest.raises(CometChatException) as caught:
        live.subscribe(print)
    assert caught.value.code == "LIVE_LIST_CLOSED"
    assert [change async for change in live.changes()] == []


async def test_invalid_arguments_of_a_live_list_are_refused(stage: Stage):
    alice, _ = await pair(stage)
    chat = alice.chat
    for call, code in (
        (chat.live_messages(), "ERR_INVALID_ARGUMENT"),
        (chat.live_messages(uid="bob", guid="g"), "ERR_INVALID_ARGUMENT"),
        (chat.live_messages(uid=5), "ERR_INVALID_ARGUMENT"),
        (chat.live_messages(uid="nobody"), "ERR_UID_NOT_FOUND"),
        (chat.live_messages(guid="nothing"), "ERR_GUID_NOT_FOUND"),
        (chat.live_messages(uid="bob", page_size=0), "ERROR_NON_POSITIVE_LIMIT"),
        (chat.live_messages(uid="bob", most=5000), "ERROR_LIMIT_EXCEEDED"),
        (chat.live_messages(uid="bob", parent_message_id="x"), "ERROR_INVALID_MESSAGE_ID"),
        (chat.live_conversations(page_size=51), "ERROR_LIMIT_EXCEEDED"),
        (chat.live_conversations(conversation_type="both"), "INVALID_CONVERSATION_TYPE"),
    ):
        with pytest.raises(CometChatException) as caught:
            await call
        assert caught.value.code == code
    assert not chat._lists.opened, "what could not begin is not kept"


async def test_invalid_number_of_further_conversations_is_refused(stage: Stage):
    alice, _ = await pair(stage)
    live = await alice.chat.live_conversations()
    for call, code in ((live.more(51), "ERROR_LIMIT_EXCEEDED"), (live.more(-1), "ERROR_NON_POSITIVE_LIMIT")):
        with pytest.raises(CometChatException) as caught:
            await call
        assert caught.value.code == code


async def test_callback_that_is_not_a_plain_function_is_refused(stage: Stage):
    alice, _ = await pair(stage)
    live = await alice.chat.live_conversations()

    async def asynchronous(change):
        """Would never run."""

    for callback in (asynchronous, None):
        with pytest.raises(TypeError):
            live.subscribe(callback)


async def test_number_of_open_lists_is_limited(stage: Stage, monkeypatch):
    alice, _ = await pair(stage)
    monkeypatch.setattr(calling, "MAX_LISTS", 1)
    await alice.chat.live_conversations()
    with pytest.raises(CometChatException) as caught:
        await alice.chat.live_conversations()
    assert caught.value.code == "ERR_INVALID_ARGUMENT"


async def test_list_requires_a_login(stage: Stage):
    actor = stage.actor(store=MemorySessionStore())
    await actor.chat.init()
    with pytest.raises(CometChatException) as caught:
        await actor.chat.live_conversations()
    assert caught.value.code == "USER_NOT_LOGGED_IN"


async def test_change_or_deletion_of_a_group_by_another_user_is_shown_without_a_request(stage: Stage):
    alice, bob = await pair(stage)
    await bob.chat.create_group(Group("team", "Team", icon="https://a.example/i.png"))
    await bob.chat.add_members_to_group("team", [GroupMember("alice", scope="moderator")])
    await bob.say("team", "hello", "group")
    carol = await stage.enter("carol")
    live, of_carol = await alice.chat.live_conversations(), await carol.chat.live_conversations()
    messages = await alice.chat.live_messages(guid="team")
    heard = alice.chat.events()
    await asyncio.sleep(5)
    paths = record_requests(alice)
    await bob.chat.update_group(Group("team", "The team", metadata={"n": 1}))
    await asyncio.sleep(5)
    group = live.items[0].conversation.conversation_with
    assert (group.name, group.metadata, group.icon) == ("The team", {"n": 1}, "https://a.example/i.png")
    assert (group.scope, group.has_joined) == ("moderator", True)
    event = await anext(heard)
    assert (event.change, event.conversation_with, event.group.name) == ("group", "team", "The team")
    await bob.chat.delete_group("team")
    await asyncio.sleep(5)
    assert (live.items, messages.items, messages.gone) == ((), (), True)
    assert of_carol.items == ()
    assert paths == []


async def test_list_follows_changes_by_another_device_of_the_user(stage: Stage):
    phone, bob = await pair(stage)
    laptop = await stage.enter("alice")
    await bob.say("alice", "first")
    second = await bob.say("alice", "second")
    live = await phone.chat.live_conversations()
    of_bob = await bob.chat.live_conversations()
    await phone.chat.mark_as_read(second)
    await asyncio.sleep(5)

    def shown_state():
        c = live.items[0].conversation
        return c.unread_message_count, c.tags, bool(c.conversation_with.blocked_by_me)

    assert shown_state() == (0, [], False)
    await laptop.chat.mark_message_as_unread(second)
    await until(lambda: shown_state() == (1, [], False))
    await laptop.chat.tag_conversation("bob", "user", ["work"])
    await until(lambda: shown_state() == (1, ["work"], False))
    await laptop.chat.block_users(["bob"])
    await until(lambda: shown_state() == (1, ["work"], True))
    await laptop.chat.unblock_users(["bob"])
    await until(lambda: shown_state() == (1, ["work"], False))
    before = of_bob.items
    await laptop.chat.delete_conversation("bob", "user")
    await until(lambda: live.items == ())
    await asyncio.sleep(5)
    assert of_bob.items == before, "bob's list does not change"


async def test_conversation_removed_by_the_backend_leaves_the_lists_of_all_its_users(stage: Stage):
    alice, bob = await pair(stage)
    await bob.chat.create_group(Group("team", "Team"))
    await bob.chat.add_members_to_group("team", [GroupMember("alice")])
    await bob.say("alice", "hello")
    await bob.say("team", "hello", "group")
    lists = [await one.chat.live_conversations() for one in (alice, bob)]
    messages = await alice.chat.live_messages(uid="bob")
    of_team = await alice.chat.live_messages(guid="team")
    assert [len(live.items) for live in lists] == [2, 2]
    rest = Rest(stage)
    removed = {"deleteMessagesPermanently": True}
    await rest("DELETE", "/users/bob/conversation", behalf="alice", json=removed)
    await until(lambda: [[i.key for i in live.items] for live in lists] == [["group/team"]] * 2)
    await rest("DELETE", "/groups/team/conversation", behalf="alice", json=removed)
    await until(lambda: [live.items for live in lists] == [(), ()])
    assert (messages.items, of_team.items, of_team.gone) == ((), (), False)
    for live in lists:
        await live.refresh()
        assert live.items == (), "the server says the same"
    await bob.say("team", "again", "group")
    await until(lambda: [len(live.items) for live in lists] == [1, 1] and texts(of_team) == ["again"])


async def test_message_marked_as_unread_after_reading_is_unread_at_once(stage: Stage):
    alice, bob = await pair(stage)
    await bob.say("alice", "first")
    second = await bob.say("alice", "second")
    live = await alice.chat.live_conversations()
    await asyncio.sleep(5)
    counts = []
    live.subscribe(lambda change: counts.append(change.item.conversation.unread_message_count))
    await alice.chat.mark_as_read(second)
    await asyncio.sleep(5)
    paths = record_requests(alice)
    await alice.chat.mark_message_as_unread(second)
    assert counts == [0, 1]
    await asyncio.sleep(10)
    assert counts == [0, 1]
    assert len(paths) <= 2, "the mark, and one request in case that the server has processed the receipt after it"


async def test_message_marked_as_unread_by_another_device_after_reading_is_unread_with_the_next_answer(stage: Stage):
    phone, bob = await pair(stage)
    laptop = await stage.enter("alice")
    message = await bob.say("alice", "first")
    live = await phone.chat.live_conversations()
    await asyncio.sleep(5)
    await phone.chat.mark_as_read(message)
    await asyncio.sleep(5)
    paths = record_requests(phone)
    await laptop.chat.mark_message_as_unread(message)
    await until(lambda: paths)
    await asyncio.sleep(0.5)
    assert live.items[0].conversation.unread_message_count == 1
    await asyncio.sleep(10)
    assert live.items[0].conversation.unread_message_count == 1
    assert len(paths) <= 2


async def test_marks_of_an_app_that_writes_ids_in_upper_case_are_shown_and_need_one_request(stage: Stage):
    alice, bob = await pair(stage)
    await bob.say("alice", "first")
    live = await alice.chat.live_conversations()
    await asyncio.sleep(5)
    paths = record_requests(alice)
    await alice.chat.mark_conversation_as_read(Conversation("", "user", User("BOB")))
    await asyncio.sleep(10)
    assert live.items[0].conversation.unread_message_count == 0
    assert paths == ["/users/BOB/conversation/read", "/users/bob/conversation"]
    second = await bob.say("alice", "second")
    await until(lambda: live.items[0].conversation.unread_message_count == 1)
    await alice.chat.mark_as_read(TextMessage(id=second.id, sender=User("BOB"), receiver="alice"))
    assert live.items[0].conversation.unread_message_count == 0


async def test_conversation_that_was_requested_by_another_form_of_its_id_is_not_requested_again(stage: Stage):
    alice, bob = await pair(stage)
    await bob.say("alice", "first")
    live = await alice.chat.live_conversations()
    await asyncio.sleep(5)
    paths = record_requests(alice)
    alice.chat._parts.own.notify(ConversationOutdated("user", "BOB"), "alice")
    await asyncio.sleep(10)
    assert paths == ["/users/BOB/conversation"]
    assert [i.key for i in live.items] == ["user/bob"]


async def test_callback_or_reader_that_begins_during_a_change_of_several_steps_gets_none_of_them(stage: Stage):
    alice, bob = await pair(stage)
    for text in "abcde":
        await bob.say("alice", text)
    live = await alice.chat.live_messages(uid="bob", page_size=1)
    rows, readers = [], []

    def begin(change):
        if not readers:
            rows.append(list(live.items))
            live.subscribe(lambda change: change.apply(rows[0]))
            rows.append(list(live.items))
            readers.append(live.changes())

    live.subscribe(begin)
    await live.older(4)
    assert rows[0] == list(live.items)
    await bob.say("alice", "f")
    await until(lambda: texts(live)[-1] == "f")
    (await anext(readers[0])).apply(rows[1])
    assert rows == [list(live.items)] * 2
