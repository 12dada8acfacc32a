"""Init, login, logout, status and listeners (S16, S20 to S27)."""

from __future__ import annotations

import asyncio
import json
import threading

import pytest

from harness import CONNECTED, CONNECTING, DISCONNECTED, Actor, Ears, Stage
from rest import Rest
from tailwire import (
    AppSettingsBuilder,
    ChatClient,
    CometChat,
    CometChatException,
    ConnectionChanged,
    ConnectionListener,
    MemorySessionStore,
    MessageListener,
    MessageReceived,
)
from tailwire.sdk.dispatch import queue as callback_queue

spec = pytest.mark.spec


@spec("S16")
@pytest.mark.parametrize(
    ("app_id", "builder"),
    [
        ("", AppSettingsBuilder().set_region("us")),
        ("  ", AppSettingsBuilder().set_region("us")),
        ("app", AppSettingsBuilder()),
        ("app", AppSettingsBuilder().set_region("no region!")),
        ("app", AppSettingsBuilder().override_client_host("ftp://host")),
        ("app", AppSettingsBuilder().override_client_host("host:notaport")),
    ],
)
@pytest.mark.virtual
async def test_init_refuses_invalid_settings(app_id: str, builder: AppSettingsBuilder):
    chat = ChatClient(app_id, builder.build(), session_store=MemorySessionStore())
    with pytest.raises(CometChatException) as caught:
        await chat.init()
    e = caught.value
    assert (e.code, e.message) == ("ERR_CHAT_API_FAILURE", "SDK initialization failed.")
    assert e.details.startswith("Please verify your App ID and region, then try again.")
    assert isinstance(e.__cause__, ValueError)
    assert str(e.__cause__) in e.details  # names the invalid setting


@spec("S16")
async def test_init_succeeds_and_may_be_called_again(stage: Stage):
    alice = stage.actor()
    assert await alice.chat.init() == "Initialization completed successfully"
    assert await alice.chat.init() == "Initialization completed successfully"


@spec("S16")
@pytest.mark.virtual
@pytest.mark.parametrize("settings", [AppSettingsBuilder().set_region("us"), "http://127.0.0.1:8480", None])
async def test_init_refuses_values_that_are_not_settings(settings):
    chat = ChatClient("app", settings, session_store=MemorySessionStore())
    with pytest.raises(CometChatException, match=r"ERR_CHAT_API_FAILURE.*build\(\)"):
        await chat.init()
    await chat.aclose()


@pytest.mark.virtual
async def test_call_before_init_is_refused():
    chat = ChatClient("app", AppSettingsBuilder().set_region("us").build(), session_store=MemorySessionStore())
    with pytest.raises(CometChatException, match="COMETCHAT_INITIALIZATION_NOT_DONE"):
        await chat.login("alice", auth_key="k")
    with pytest.raises(CometChatException, match="COMETCHAT_INITIALIZATION_NOT_DONE"):
        await CometChat.login("alice", auth_key="k")
    await chat.aclose()


@spec("S25", "S26")
async def test_login_with_a_wrong_uid_or_key_is_refused_and_reported(stage: Stage):
    alice = stage.actor()
    await alice.chat.init()
    alice.listen()
    for uid, key, code in (
        ("nobody", stage.server.auth_key, "ERR_UID_NOT_FOUND"),
        ("alice", "wrong", "AUTH_ERR_APIKEY_NOT_FOUND"),
        ("alice", "", "AUTH_ERR_EMPTY_APIKEY"),
        ("not a uid!", stage.server.auth_key, "ERR_BAD_REQUEST"),
    ):
        with pytest.raises(CometChatException, match=code):
            await alice.chat.login(uid, auth_key=key)
        await alice.ears.until(lambda code=code: alice.ears.all("login failure")[-1:] == [code])
    assert alice.chat.get_logged_in_user() is None


@spec("S25", "S26")
async def test_login_with_an_unknown_auth_token_is_refused(stage: Stage):
    alice = stage.actor()
    await alice.chat.init()
    with pytest.raises(CometChatException, match="AUTH_ERR_AUTH_TOKEN_NOT_FOUND"):
        await alice.chat.login_with_auth_token("alice_1_nonsense")
    assert alice.chat.get_logged_in_user() is None


@spec("S25", "S26")
async def test_login_with_an_auth_token_connects_and_is_reported(stage: Stage):
    alice = stage.actor()
    await alice.chat.init()
    alice.listen()
    made = await stage.server.parts.actions.sessions.create_token("alice")
    user = await alice.chat.login_with_auth_token(made.token)
    assert (user.uid, user.name) == ("alice", "Alice")
    await alice.wait_connected()
    await alice.ears.until(lambda: alice.ears.all("login") == ["alice"])


async def test_login_without_a_network_fails(stage: Stage):
    alice = stage.actor()
    await alice.chat.init()
    stage.network.cut()
    with pytest.raises(CometChatException, match="NO_INTERNET_CONNECTION"):
        await alice.chat.login("alice", auth_key=stage.server.auth_key)
    stage.network.restore()


async def test_second_login_during_a_login_is_refused(stage: Stage):
    alice = stage.actor()
    await alice.chat.init()
    first = asyncio.create_task(alice.chat.login("alice", auth_key=stage.server.auth_key))
    await stage.pass_time(0.001)
    with pytest.raises(CometChatException, match="LOGIN_IN_PROGRESS"):
        await alice.chat.login("alice", auth_key=stage.server.auth_key)
    assert (await first).uid == "alice"


class StatusRecorder(ConnectionListener):
    """Records each callback with the status that the client shows meanwhile."""

    def __init__(self, actor: Actor) -> None:
        self.actor, self.calls = actor, []

    def on_connected(self):
        self.calls.append(("connected", str(self.actor.status)))

    def on_disconnected(self):
        self.calls.append(("disconnected", "-"))


@spec("S21", "S22", "S23")
async def test_connection_listener_receives_the_current_status_and_each_change(stage: Stage):
    alice = await stage.enter("alice")
    assert alice.chat.get_connection_status() == alice.chat.connection.status == "connected"
    recorder = StatusRecorder(alice)
    alice.chat.add_connection_listener("recorder", recorder)
    await stage.pass_time(0.1)
    assert recorder.calls == [("connected", "connected")]
    stage.network.drop()
    await stage.pass_time(5)
    assert recorder.calls[1:] == [("disconnected", "-"), ("connected", "connected")]


@spec("S21", "S22", "S23")
@pytest.mark.parametrize("ends", ["account switch", "logout"])
async def test_connection_listener_added_directly_before_the_session_ends_is_called(stage: Stage, ends: str):
    alice = await stage.enter("alice")
    recorder = StatusRecorder(alice)
    alice.chat.add_connection_listener("recorder", recorder)
    if ends == "logout":
        await alice.chat.logout()
    await alice.chat.login("bob", auth_key=stage.server.auth_key)
    await alice.wait_connected()
    await stage.pass_time(0.1)
    assert [called for called, _ in recorder.calls] == ["connected", "disconnected", "connected"]


@spec("S21", "S22", "S23")
async def test_removed_connection_listener_is_not_called(stage: Stage):
    alice = await stage.enter("alice")
    recorder = StatusRecorder(alice)
    alice.chat.add_connection_listener("recorder", recorder)
    await stage.pass_time(0.1)
    assert recorder.calls
    recorder.calls.clear()
    alice.chat.remove_connection_listener("recorder")
    stage.network.drop()
    await alice.ears.until(lambda: alice.ears.statuses.count(CONNECTED) == 2, 60)
    await stage.pass_time(1)
    assert recorder.calls == []


@spec("S21", "S22")
async def test_throttled_features_are_reported(stage: Stage):
    alice = await stage.enter("alice")
    await stage.pass_time(1)  # caught up
    stream = alice.chat.events()
    socket = next(iter(stage.server.parts.gateway._sockets))
    from tailwire.server.fanout.frames import text_frame

    socket.write(text_frame(b'{"type":"server","body":{"action":"throttled"}}'))
    await alice.ears.until(lambda: alice.ears.statuses[-1] == "featureThrottled")
    assert alice.status == "featureThrottled"
    assert "features" in alice.chat.connection.explain()
    assert await alice.chat.ping() == "ping successful"
    socket.write(text_frame(b'{"type":"server","body":{"action":"throttledNoMore"}}'))
    await alice.ears.until(lambda: alice.ears.statuses[-1] is CONNECTED)
    await stage.pass_time(0.1)
    stream.close()
    changes = [event.status async for event in stream if isinstance(event, ConnectionChanged)]
    assert changes == ["featureThrottled", CONNECTED]


@spec("S2", "S27")
async def test_messages_reach_the_receiver_and_other_devices_of_the_sender(stage: Stage):
    phone, laptop = await stage.enter("alice"), await stage.enter("alice")
    bob, carol = await stage.enter("bob"), await stage.enter("carol")
    await phone.say("bob", "hello")
    await stage.pass_time(1)
    assert (phone.ears.texts, laptop.ears.texts) == ([], ["hello"])
    assert (bob.ears.texts, carol.ears.texts) == (["hello"], [])


@spec("S27")
async def test_listener_with_the_same_id_is_replaced(stage: Stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    other = Ears()
    bob.chat.add_message_listener("ears", other)
    await alice.say("bob", "hello")
    await stage.pass_time(1)
    assert (bob.ears.texts, other.texts) == ([], ["hello"])


@spec("S27")
async def test_removed_message_listener_is_not_called(stage: Stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    await alice.say("bob", "before")
    await bob.ears.until(lambda: bob.ears.texts == ["before"])
    bob.chat.remove_message_listener("ears")
    await alice.say("bob", "hello")
    await stage.pass_time(1)
    assert bob.ears.texts == ["before"]


@spec("S24")
async def test_presence_is_received_by_subscribers(stage: Stage):
    watching, other = await stage.enter("alice", presence=True), await stage.enter("carol")
    bob = await stage.enter("bob")
    second = await stage.enter("bob")
    await stage.pass_time(1)
    assert watching.ears.all("online")[-1:] == ["bob"]
    assert watching.ears.all("online").count("bob") == 1
    await second.chat.disconnect()
    await stage.pass_time(1)
    assert watching.ears.all("offline") == []
    await bob.chat.disconnect()
    await stage.pass_time(1)
    assert watching.ears.all("offline") == ["bob"]
    assert other.ears.all("online") == other.ears.all("offline") == []


@spec("S24")
async def test_presence_can_be_limited_to_friends_and_roles(stage: Stage):
    async with Rest(stage) as rest:
        await rest("POST", "/roles", json={"role": "staff", "name": "Staff"})
        await rest.add_users("dora", role="staff")
        await rest("POST", "/users/alice/friends", json={"accepted": ["bob"]})
        friends, staff = await stage.enter("alice", presence="friends"), await stage.enter("alice", presence=["staff"])
        everybody = await stage.enter("alice", presence=True)
        await stage.enter("bob")
        await stage.enter("carol")
        await stage.enter("dora")
        await stage.pass_time(1)
        assert friends.ears.all("online") == ["bob"]
        assert staff.ears.all("online") == ["dora"]
        assert everybody.ears.all("online")[-3:] == ["bob", "carol", "dora"]


@spec("S24")
async def test_blocked_user_does_not_learn_that_a_user_goes_offline(stage: Stage):
    alice, bob = [await stage.enter(uid, presence=True) for uid in ("alice", "bob")]
    carol = await stage.enter("carol")
    for observer in (alice, bob):
        await observer.ears.until(lambda observer=observer: "carol" in observer.ears.all("online"))
    await carol.chat.block_users(["alice"])
    await carol.chat.disconnect()
    await bob.ears.until(lambda: bob.ears.all("offline") == ["carol"])
    await stage.pass_time(60)
    assert alice.ears.all("offline") == []


@spec("S20")
async def test_get_logged_in_user_shows_the_session(stage: Stage):
    alice = stage.actor(auto=False)
    await alice.chat.init()
    assert alice.chat.get_logged_in_user() is None
    await alice.chat.login("alice", auth_key=stage.server.auth_key)
    assert alice.chat.get_logged_in_user().name == "Alice"


async def test_static_class_logs_in_receives_and_reads_history_as_documented(stage: Stage):
    settings = stage.settings()
    world = stage.actor().chat._world
    options = {"session_store": MemorySessionStore(), "world": world}
    await CometChat.init(stage.server.app_id, settings, **options)
    stage.actors.append(Actor(CometChat.client))
    first = CometChat.client
    assert await CometChat.init(stage.server.app_id, settings) == "Initialization completed successfully"
    assert CometChat.client is first
    ears = Ears()
    CometChat.add_connection_listener("ears", ears)
    CometChat.add_message_listener("ears", ears)
    user = await CometChat.login("alice", auth_key=stage.server.auth_key)
    assert user.uid == CometChat.get_logged_in_user().uid == "alice"
    await ears.until(lambda: CometChat.get_connection_status() is CONNECTED)
    bob = await stage.enter("bob")
    await bob.say("alice", "hi")
    await ears.until(lambda: ears.texts == ["hi"])
    from tailwire import MessagesRequestBuilder

    request = MessagesRequestBuilder().set_uid("bob").set_limit(10).build()
    assert [m.text for m in await request.fetch_previous()] == ["hi"]
    assert await request.fetch_previous() == []
    await CometChat.logout()
    assert CometChat.get_connection_status() is DISCONNECTED
    await CometChat.aclose()


async def test_static_methods_call_on_success_and_on_error(stage: Stage):
    settings, app_id = stage.settings(), stage.server.app_id
    options = {"session_store": MemorySessionStore(), "world": stage.actor().chat._world}
    results, errors = [], []
    assert await CometChat.init(" ", settings, on_success=results.append, on_error=errors.append, **options) is None
    assert CometChat.client is None
    done = await CometChat.init(app_id, settings, on_success=results.append, on_error=errors.append, **options)
    stage.actors.append(Actor(CometChat.client))
    alice = await CometChat.login("alice", auth_key=stage.server.auth_key, on_success=results.append)
    assert await CometChat.get_user("nobody", on_success=results.append, on_error=errors.append) is None
    assert results == [done, alice]
    assert [e.code for e in errors] == ["ERR_CHAT_API_FAILURE", "ERR_UID_NOT_FOUND"]
    with pytest.raises(CometChatException, match="ERR_UID_NOT_FOUND"):
        await CometChat.get_user("nobody", on_success=results.append)
    await CometChat.aclose()
    assert CometChat.client is None
    assert await CometChat.get_user("bob", on_error=errors.append) is None
    assert errors[-1].code == "COMETCHAT_INITIALIZATION_NOT_DONE"


async def test_wait_connected_returns_at_once_while_connected(stage: Stage):
    alice = await stage.enter("alice")
    begun = stage.now
    await alice.chat.wait_connected(1)
    assert stage.now == begun


async def test_wait_connected_times_out_with_the_reason(stage: Stage):
    alice = await stage.enter("alice")
    await alice.chat.disconnect()
    with pytest.raises(TimeoutError, match=r"disconnect\(\) was called"):
        await alice.chat.wait_connected(2)


async def test_wait_disconnected_returns_when_the_socket_is_closed(stage: Stage):
    alice, bob = await stage.enter("alice", presence=True), await stage.enter("bob")
    waiting = asyncio.ensure_future(bob.chat.wait_disconnected(2))
    await asyncio.sleep(0)
    assert not waiting.done()
    bob.chat.set_app_state("background")
    await waiting
    await alice.ears.until(lambda: "bob" in alice.ears.all("offline"))
    await bob.chat.wait_disconnected()  # returns at once now


async def test_wait_disconnected_times_out_while_connected(stage: Stage):
    bob = await stage.enter("bob")
    with pytest.raises(TimeoutError, match="connected"):
        await bob.chat.wait_disconnected(2)


async def test_wait_disconnected_times_out_while_the_close_is_not_answered(stage: Stage):
    bob = await stage.enter("bob")
    stage.network.half_open("")
    bob.chat.set_app_state("background")
    with pytest.raises(TimeoutError):
        await bob.chat.wait_disconnected(0.2)


async def test_wait_disconnected_of_a_closed_client_is_refused(stage: Stage):
    bob = await stage.enter("bob")
    await bob.chat.aclose()
    with pytest.raises(CometChatException, match="closed"):
        await bob.chat.wait_disconnected()


async def test_event_loop_is_given_only_to_its_own_thread_between_init_and_close(stage: Stage):
    actor = stage.actor()
    with pytest.raises(CometChatException) as refused:
        actor.chat.event_loop()
    assert refused.value.code == "COMETCHAT_INITIALIZATION_NOT_DONE"
    await actor.chat.init()
    assert actor.chat.event_loop() is asyncio.get_running_loop()
    codes_of_another_thread: list[str] = []

    def ask() -> None:
        try:
            actor.chat.event_loop()
        except CometChatException as e:
            codes_of_another_thread.append(e.code)

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    assert codes_of_another_thread == ["ERR_WRONG_EVENT_LOOP"]
    await actor.chat.aclose()
    with pytest.raises(CometChatException) as refused:
        actor.chat.event_loop()
    assert refused.value.code == "ERR_CLIENT_CLOSED"


@spec("K4")
async def test_listeners_may_raise_block_or_call_the_sdk(stage: Stage, caplog):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    order: list[str] = []

    class Raising(MessageListener):
        def on_text_message_received(self, message):
            order.append(f"raise {message.text}")
            raise RuntimeError("as planned")

    class Slow(MessageListener):
        async def on_text_message_received(self, message):
            await asyncio.sleep(5)
            order.append(f"slow {message.text}")

    class Answering(MessageListener):
        async def on_text_message_received(self, message):
            await bob.say("alice", f"re: {message.text}")
            await bob.chat.ping()
            order.append(f"answer {message.text}")

    bob.chat.add_message_listener("a", Raising())
    bob.chat.add_message_listener("b", Slow())
    bob.chat.add_message_listener("c", Answering())
    await alice.say("bob", "1")
    await alice.say("bob", "2")
    await stage.pass_time(60)
    assert order == ["raise 1", "slow 1", "answer 1", "raise 2", "slow 2", "answer 2"]
    assert alice.ears.texts == ["re: 1", "re: 2"]
    assert bob.status is CONNECTED
    assert "as planned" in caplog.text


@spec("K4")
async def test_removed_listener_is_not_called_for_waiting_messages(stage: Stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    got: list[str] = []

    class Once(MessageListener):
        async def on_text_message_received(self, message):
            got.append(message.text)
            bob.chat.remove_message_listener("once")
            await asyncio.sleep(1)

    bob.chat.add_message_listener("once", Once())
    for n in range(5):
        await alice.say("bob", str(n))
    await stage.pass_time(30)
    assert got == ["0"]


@spec("K4", "I10")
async def test_listener_may_close_the_client(stage: Stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")

    class Closing(MessageListener):
        async def on_text_message_received(self, message):
            await bob.chat.aclose()

    bob.chat.add_message_listener("closing", Closing())
    await alice.say("bob", "bye")
    await stage.pass_time(10)
    assert bob.status is DISCONNECTED


async def fall_behind(alice: Actor, bob: Actor, count: int) -> asyncio.Event:
    """Send messages to bob, whose listener does not return from the first one until the returned event is set."""
    gate = asyncio.Event()

    class Blocking(MessageListener):
        async def on_text_message_received(self, message):
            await gate.wait()

    bob.chat.add_message_listener("blocking", Blocking())
    for n in range(count):
        await alice.say("bob", str(n))
    return gate


@spec("K4")
async def test_slow_app_pauses_reading_and_loses_nothing(stage: Stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    gate = await fall_behind(alice, bob, 1300)
    await stage.pass_time(40)
    assert bob.chat.connection.history[-1].status is CONNECTED
    assert len(bob.ears.texts) < 1300
    assert bob.chat._parts.driver.state.paused
    assert len(bob.chat._parts.queue._entries) <= 1001
    gate.set()
    await bob.ears.until(lambda: len(bob.ears.texts) == 1300)
    assert not bob.chat._parts.driver.state.paused
    assert bob.ears.texts == [str(n) for n in range(1300)]


@spec("K4", "C4", "I9")
async def test_ping_of_a_slow_app_succeeds_only_when_its_listener_returns_in_time(stage: Stage, monkeypatch):
    monkeypatch.setattr(callback_queue, "MAX_QUEUED_ENTRIES", 100)
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    gate = await fall_behind(alice, bob, 130)
    await stage.pass_time(1)
    assert bob.chat._parts.driver.state.paused
    ping = asyncio.create_task(bob.chat.ping())
    await stage.pass_time(20)
    assert not ping.done()
    await stage.pass_time(20)
    with pytest.raises(CometChatException) as late:
        await ping
    assert (late.value.code, bob.status) == ("PING_NOT_ANSWERED", CONNECTED)
    ping = asyncio.create_task(bob.chat.ping())
    await stage.pass_time(10)
    gate.set()
    assert await ping == "ping successful"
    await bob.ears.until(lambda: len(bob.ears.texts) == 130)


async def test_two_clients_of_one_user_stay_connected(stage: Stage):
    store = MemorySessionStore()
    one = await stage.enter("alice", store=store)
    two = stage.actor(store=store)
    await two.chat.init()
    two.listen()
    await two.wait_connected()
    await stage.pass_time(120)
    assert one.status is two.status is CONNECTED
    assert one.ears.statuses.count(CONNECTING) <= 1


@spec("S27")
async def test_own_message_echoed_by_the_server_is_ignored(stage: Stage):
    from tailwire.server.fanout.frames import text_frame

    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    sent = await alice.say("bob", "mine")
    await bob.ears.until(lambda: bob.ears.texts == ["mine"])
    device, body = alice.chat._identity.resource, {**sent.raw, "id": str(sent.id + 1)}
    frame = {"type": "message", "deviceId": device, "sender": "alice", "body": body}
    for socket in stage.server.parts.gateway._sockets:
        socket.write(text_frame(json.dumps(frame).encode()))
    await stage.pass_time(1)
    assert alice.ears.texts == []
    assert bob.ears.texts == ["mine", "mine"]


@spec("S25")
async def test_login_that_fails_halfway_keeps_the_session(stage: Stage):
    phone = await stage.enter("alice")

    async def fail(token):
        raise CometChatException("ERR_MISSION_FAILED", "as planned")

    phone.chat._calls.logins._fetch_position, real_position = fail, phone.chat._calls.logins._fetch_position
    with pytest.raises(CometChatException, match="as planned"):
        await phone.chat.login("bob", auth_key=stage.server.auth_key)
    phone.chat._calls.logins._fetch_position = real_position
    assert phone.chat.get_logged_in_user().uid == "alice"
    stage.network.drop()
    await phone.ears.until(lambda: phone.ears.statuses.count(CONNECTED) >= 2)
    carol = await stage.enter("carol")
    await carol.say("bob", "for bob")
    await carol.say("alice", "for alice")
    await stage.pass_time(5)
    assert phone.ears.texts == ["for alice"]


@spec("S25", "C2")
async def test_another_user_may_log_in_on_the_same_client(stage: Stage):
    phone, carol = await stage.enter("alice"), await stage.enter("carol")
    await phone.chat.login("bob", auth_key=stage.server.auth_key)
    await phone.wait_connected()
    await carol.say("alice", "for alice")
    await carol.say("bob", "for bob")
    await stage.pass_time(5)
    assert phone.ears.texts == ["for bob"]


@spec("K4", "S27")
async def test_listener_removed_by_another_is_not_called_for_the_same_message(stage: Stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    heard: list[str] = []

    class First(MessageListener):
        def on_text_message_received(self, message):
            heard.append("first")
            bob.chat.remove_message_listener("second")

    class Second(MessageListener):
        def on_text_message_received(self, message):
            heard.append("second")

    bob.chat.add_message_listener("first", First())
    bob.chat.add_message_listener("second", Second())
    await alice.say("bob", "hello")
    await stage.pass_time(1)
    assert heard == ["first"]


@spec("S24")
async def test_user_who_reconnects_immediately_is_shown_as_online(stage: Stage):
    watching, bob = await stage.enter("alice", presence=True), await stage.enter("bob")
    users = stage.server.parts.store.users
    store_at_once = users.store_last_online

    async def slowly(uid, now):
        await asyncio.sleep(0.5)
        await store_at_once(uid, now)

    users.store_last_online = slowly
    bob.chat.set_app_state("background")
    await stage.pass_time(0.1)
    bob.chat.set_app_state("foreground")
    await stage.pass_time(5)
    names = [name for _, name, value in watching.ears.heard if value == "bob" and name in ("online", "offline")]
    assert names[-1] == "online"
    assert (await watching.chat.get_user("bob")).status == "online"


async def test_socket_that_ends_during_authentication_leaves_no_subscription(stage: Stage):
    alice = await stage.enter("alice", auto=False)
    sessions, hub = stage.server.parts.actions.sessions, stage.server.parts.gateway._hub
    begun: list[str] = []
    for name in ("admit", "groups_of"):
        real_method = getattr(sessions, name)

        async def slowly(argument, real_method=real_method, name=name):
            begun.append(name)
            await asyncio.sleep(0.5)
            return await real_method(argument)

        setattr(sessions, name, slowly)
        waiting = asyncio.create_task(alice.chat.connect())
        await stage.pass_time(0.2)
        await alice.chat.disconnect()
        await asyncio.gather(waiting, return_exceptions=True)
        await stage.pass_time(5)
        setattr(sessions, name, real_method)
        assert begun[-1] == name
        assert hub._by_subject == {}
    await alice.chat.connect()
    assert hub._by_subject != {}


@spec("S24")
async def test_socket_may_use_another_host_and_port(stage: Stage):
    from tailwire.testing.virtual import world

    builder = AppSettingsBuilder().override_client_host(stage.server.url).set_web_socket_host("elsewhere")
    nowhere = builder.set_web_socket_port(9).auto_establish_socket_connection(False).build()
    somewhere = builder.set_web_socket_port(world.PORT).build()
    for settings, listening in ((nowhere, False), (somewhere, True)):
        stage.settings = lambda settings=settings, **_: settings
        alice = await stage.enter("alice", auto=False)
        if listening:
            await alice.chat.connect()
        else:
            with pytest.raises(CometChatException, match="nothing listens"):
                await alice.chat.connect()
            await alice.chat.aclose()


@spec("S25", "S2")
async def test_login_of_the_user_who_is_logged_in_keeps_the_session(stage: Stage):
    store, alice = MemorySessionStore(), await stage.enter("alice")
    phone = stage.actor(store=store)
    await phone.chat.init()
    await phone.chat.login("bob", auth_key=stage.server.auth_key)
    await phone.chat.wait_connected()
    token = store.load(stage.server.app_id)["auth_token"]
    await phone.chat.aclose()
    await alice.say("bob", "missed")
    again = stage.actor(store=store)
    await again.chat.init()
    await stage.pass_time(0.002)  # the connection is being opened: it may hand over what was missed during the login
    assert (await again.chat.login("bob", auth_key=stage.server.auth_key)).name == "Bob"
    events = again.chat.events()
    async with asyncio.timeout(30):
        texts = [e.message.text async for e in first(events, 1)]
        await alice.say("bob", "live")
        texts += [e.message.text async for e in first(events, 1)]
    assert texts == ["missed", "live"]
    assert store.load(stage.server.app_id)["auth_token"] == token
    connected_since = again.chat.connection.history
    await again.chat.login("bob", auth_key=stage.server.auth_key)
    assert again.chat.connection.history == connected_since


async def test_events_during_a_login_are_handed_over_after_it(stage: Stage):
    store, alice = MemorySessionStore(), await stage.enter("alice")
    phone = stage.actor(store=store)
    await phone.chat.init()
    await phone.chat.login("bob", auth_key=stage.server.auth_key)
    await phone.chat.aclose()
    await alice.say("bob", "missed")
    again = stage.actor(store=store)
    await again.chat.init()
    connector = again.chat._parts.connector
    real_me = connector.fetch_me

    async def me(token: str):
        if asyncio.current_task().get_name() != "tailwire connection":  # the connection itself opens quickly
            await asyncio.sleep(5)
        return await real_me(token)

    connector.fetch_me = me
    began = stage.now
    await again.chat.login("bob", auth_key=stage.server.auth_key)
    assert stage.now - began >= 5
    assert again.status is CONNECTED
    async with asyncio.timeout(30):
        assert [e.message.text async for e in first(again.chat.events(), 1)] == ["missed"]


async def test_events_of_one_user_are_not_handed_to_the_next(stage: Stage):
    phone, carol = stage.actor(store=MemorySessionStore()), await stage.enter("carol")
    heard, go_on = [], asyncio.Event()

    class Slow(MessageListener):
        async def on_text_message_received(self, message):
            heard.append((phone.chat.get_logged_in_user().uid, message.text))
            await go_on.wait()

    await phone.chat.init()
    phone.chat.add_message_listener("slow", Slow())
    await phone.chat.login("alice", auth_key=stage.server.auth_key)
    await phone.chat.wait_connected()
    for n in range(4):
        await carol.say("alice", f"to alice {n}")
    await stage.pass_time(1)
    await phone.chat.login("bob", auth_key=stage.server.auth_key)
    await phone.chat.wait_connected()
    go_on.set()
    await carol.say("bob", "to bob")
    await stage.pass_time(1)
    assert heard == [("alice", "to alice 0"), ("bob", "to bob")]
    await phone.chat.logout()


async def first(events, count):
    """Yield the first `count` messages of a stream."""
    async for event in events:
        if isinstance(event, MessageReceived):
            yield event
            count -= 1
            if not count:
                return


@spec("S25")
@pytest.mark.parametrize("kept", ["valid", "expired"])
async def test_login_replaces_a_rejected_token_and_keeps_the_position(stage: Stage, kept):
    store, alice = MemorySessionStore(), await stage.enter("alice")
    phone = stage.actor(store=store)
    await phone.chat.init()
    await phone.chat.login("bob", auth_key=stage.server.auth_key)
    await phone.chat.wait_connected()
    await phone.chat.aclose()
    saved = dict(store.load(stage.server.app_id))
    await alice.say("bob", "missed")
    sessions = stage.server.parts.actions.sessions
    await sessions.logout(await sessions.caller(saved["auth_token"], ""))
    store.save(stage.server.app_id, {**saved, "expired": kept == "expired"})
    again = stage.actor(store=store)
    await again.chat.init()
    again.listen()
    await again.chat.login("bob", auth_key=stage.server.auth_key)
    await again.ears.until(lambda: again.ears.texts == ["missed"])
    await again.wait_connected()
    assert store.load(stage.server.app_id)["auth_token"] != saved["auth_token"]


@spec("S25")
async def test_login_with_another_token_of_the_same_user_keeps_the_position(stage: Stage):
    alice, phone = await stage.enter("alice"), await stage.enter("bob", auto=False)
    await alice.say("bob", "missed")
    made = await stage.server.parts.actions.sessions.create_token("bob")
    await phone.chat.login_with_auth_token(made.token)
    await phone.chat.connect()
    await phone.ears.until(lambda: phone.ears.texts == ["missed"])


@spec("S25", "S16")
async def test_login_of_the_saved_user_needs_no_network(stage: Stage):
    store, alice = MemorySessionStore(), await stage.enter("alice")
    phone = stage.actor(store=store)
    await phone.chat.init()
    await phone.chat.login("bob", auth_key=stage.server.auth_key)
    await phone.chat.aclose()
    stage.network.cut()
    again = stage.actor(store=store)
    await again.chat.init()
    again.listen()
    assert (await again.chat.login("bob", auth_key=stage.server.auth_key)).uid == "bob"
    stage.network.restore()
    await again.wait_connected()
    await alice.say("bob", "hello")
    await again.ears.until(lambda: again.ears.texts == ["hello"])
