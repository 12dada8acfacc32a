"""Auto and manual mode: when a socket exists (S1 to S15, C1 to C23). Real client, real server, virtual time."""

from __future__ import annotations

import asyncio

import pytest
from websockets.asyncio.client import ClientConnection

from harness import CONNECTED, CONNECTING, DISCONNECTED, Stage
from tailwire import AppSettingsBuilder, CometChatException, MemorySessionStore
from tailwire.server.gateway.protocol import SocketProtocol

spec = pytest.mark.spec


async def code_of(call) -> str:
    with pytest.raises(CometChatException) as caught:
        await call
    return caught.value.code


# Auto mode.


@spec("S1", "S5", "C2", "S23")
async def test_login_saves_the_user_and_connects(stage: Stage):
    store = MemorySessionStore()
    alice = await stage.enter("alice", store=store)
    assert alice.ears.statuses[-2:] == [CONNECTING, CONNECTED]
    assert store.load(stage.server.app_id)["user"]["uid"] == "alice"
    assert alice.chat.get_logged_in_user().uid == "alice"


@spec("S3", "C1", "S20")
async def test_init_with_a_saved_session_connects_by_itself(stage: Stage):
    store = MemorySessionStore()
    first = await stage.enter("alice", store=store)
    await first.chat.aclose()
    again = stage.actor(store=store)
    await again.chat.init()
    again.listen()
    assert again.chat.get_logged_in_user().uid == "alice"
    await again.wait_connected()


@spec("S3", "S7", "S16")
async def test_init_needs_no_network(stage: Stage):
    store = MemorySessionStore()
    first = await stage.enter("alice", store=store)
    await first.chat.aclose()
    stage.network.cut()
    again = stage.actor(store=store)
    assert await again.chat.init() == "Initialization completed successfully"
    again.listen()
    await stage.pass_time(30)
    assert again.status is not CONNECTED
    stage.network.restore()
    await again.wait_connected()


@spec("S4", "S24")
async def test_auto_mode_is_the_default():
    assert AppSettingsBuilder().build().auto_establish is True
    assert AppSettingsBuilder().auto_establish_socket_connection(True).build() == AppSettingsBuilder().build()
    assert AppSettingsBuilder().auto_establish_socket_connection(False).build().auto_establish is False


@spec("S6", "C3", "C9", "I1")
async def test_background_closes_at_once_and_foreground_connects_again(stage: Stage):
    alice = await stage.enter("alice")
    alice.chat.set_app_state("background")
    assert alice.status is DISCONNECTED
    await stage.pass_time(0.1)
    assert not [t for t in stage.network.open if isinstance(t.protocol, SocketProtocol)]
    await stage.pass_time(3600)
    assert alice.status is DISCONNECTED
    before = stage.now
    alice.chat.set_app_state("foreground")
    assert alice.status is CONNECTING
    await alice.wait_connected()
    assert stage.now - before < 0.1


@spec("C3")
async def test_background_drops_a_pending_attempt(stage: Stage):
    alice = await stage.enter("alice")
    stage.network.cut()
    await stage.pass_time(5)
    alice.chat.set_app_state("background")
    stage.network.restore()
    connections = stage.network.connection_count
    await stage.pass_time(600)
    assert (alice.status, stage.network.connection_count) == (DISCONNECTED, connections)


@spec("S7", "C10", "S23", "T4")
async def test_lost_connection_is_retried_without_limit(stage: Stage):
    alice = await stage.enter("alice")
    alice.ears.heard.clear()
    stage.network.cut()
    await stage.pass_time(7200)
    assert alice.status is not CONNECTED
    assert alice.ears.statuses[:3] == [DISCONNECTED, CONNECTING, DISCONNECTED]
    stage.network.restore()
    before = stage.now
    await alice.wait_connected()
    assert stage.now - before <= 20 + 1


@spec("C12")
async def test_disconnect_lasts_until_connect_or_the_next_foreground(stage: Stage):
    alice = await stage.enter("alice")
    assert await alice.chat.disconnect() == "Web socket disconnection successful"
    await stage.pass_time(600)
    assert alice.status is DISCONNECTED
    assert "disconnect() was called" in alice.chat.connection.explain()
    await alice.chat.connect()
    assert alice.status is CONNECTED
    await alice.chat.disconnect()
    alice.chat.set_app_state("background")
    await stage.pass_time(1)
    assert alice.status is DISCONNECTED
    alice.chat.set_app_state("foreground")
    await alice.wait_connected()


@spec("C12", "S1")
async def test_login_connects_again_after_a_disconnect(stage: Stage):
    alice = await stage.enter("alice")
    await alice.chat.disconnect()
    await alice.chat.login("alice", auth_key=stage.server.auth_key)
    await alice.wait_connected()


@spec("C18")
async def test_connect_in_the_background_of_auto_mode_is_an_error(stage: Stage):
    alice = await stage.enter("alice")
    alice.chat.set_app_state("background")
    assert await code_of(alice.chat.connect()) == "ERR_APP_IN_BACKGROUND"
    await stage.pass_time(60)
    assert alice.status is DISCONNECTED


@spec("C19", "I7")
@pytest.mark.parametrize("initials", ["bfb", "bfbf", "fbfbfbfb", "bfbfbfbfbfbfbf"])
async def test_last_state_change_within_one_loop_iteration_wins(stage: Stage, initials: str):
    alice = await stage.enter("alice")
    for initial in initials:
        alice.chat.set_app_state("background" if initial == "b" else "foreground")
    await stage.pass_time(5)
    assert (alice.status is CONNECTED) == initials.endswith("f")
    sockets = [t for t in stage.network.open if isinstance(t.protocol, SocketProtocol)]
    assert len(sockets) == (1 if initials.endswith("f") else 0)


# Manual mode.


@spec("S8", "C1", "C2", "I3")
async def test_manual_mode_waits_for_connect(stage: Stage):
    store = MemorySessionStore()
    alice = await stage.enter("alice", auto=False, store=store)
    await stage.pass_time(600)
    assert alice.status is DISCONNECTED
    await alice.chat.aclose()
    again = stage.actor(auto=False, store=store)
    await again.chat.init()
    await stage.pass_time(600)
    assert again.status is DISCONNECTED
    assert await again.chat.connect() == "Web socket connection successful"
    assert again.status is CONNECTED


@spec("S9", "S15", "C12", "C14")
async def test_disconnect_stops_events_until_connect(stage: Stage):
    alice = await stage.enter("alice")
    bob = await stage.enter("bob", auto=False)
    await bob.chat.connect()
    assert await bob.chat.disconnect() == "Web socket disconnection successful"
    assert await bob.chat.disconnect() == "Web socket disconnection successful"
    await alice.say("bob", "unheard")
    bob.chat.set_app_state("background")
    bob.chat.set_app_state("foreground")
    bob.chat.set_network("offline")
    bob.chat.set_network("online")
    await stage.pass_time(600)
    assert (bob.status, bob.ears.texts) == (DISCONNECTED, [])
    await bob.chat.connect()
    await bob.ears.until(lambda: bob.ears.texts == ["unheard"])


@spec("S10", "C7", "I4", "S13")
async def test_background_window_lasts_exactly_thirty_seconds(stage: Stage):
    alice = await stage.enter("alice", auto=False)
    await alice.chat.connect()
    alice.chat.set_app_state("background")
    await stage.pass_time(29.99)
    assert alice.status is CONNECTED
    await stage.pass_time(0.02)
    assert alice.status is DISCONNECTED
    assert "window" in alice.chat.connection.explain()


@spec("S13", "S15", "C9")
async def test_messages_sent_after_the_window_arrive_with_the_next_connection(stage: Stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob", auto=False)
    await bob.chat.connect()
    bob.chat.set_app_state("background")
    await stage.pass_time(31)
    await alice.say("bob", "while you were away")
    bob.chat.set_app_state("foreground")
    await stage.pass_time(600)
    assert (bob.status, bob.ears.texts) == (DISCONNECTED, [])
    await bob.chat.connect()
    await bob.ears.until(lambda: bob.ears.texts == ["while you were away"])


@spec("S11", "C5")
async def test_ping_restarts_the_window(stage: Stage):
    alice = await stage.enter("alice", auto=False)
    await alice.chat.connect()
    alice.chat.set_app_state("background")
    await stage.pass_time(29)
    called = stage.now
    assert await alice.chat.ping() == "ping successful"
    await stage.pass_time(called + 29.99 - stage.now)
    assert alice.status is CONNECTED
    await stage.pass_time(0.02)
    assert alice.status is DISCONNECTED


@spec("S12")
async def test_ping_loop_keeps_the_connection_for_hours(stage: Stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob", auto=False)
    await bob.chat.connect()
    bob.chat.set_app_state("background")
    bob.ears.heard.clear()
    for n in range(5 * 3600 // 25):
        await stage.pass_time(25)
        await bob.chat.ping()
        if n % 100 == 0:
            await alice.say("bob", str(n))
    assert (bob.status, bob.ears.statuses) == (CONNECTED, [])
    assert bob.ears.texts == [str(n) for n in range(0, 720, 100)]


@spec("S11")
async def test_ping_extends_the_background_window_at_the_server(stage: Stage):
    alice = await stage.enter("alice", auto=False)
    await alice.chat.connect()
    alice.chat.set_app_state("background")
    await stage.pass_time(20)
    (socket,) = stage.server.parts.gateway._sockets
    before = socket.background_until
    await stage.pass_time(1)
    assert socket.background_until == before > stage.now  # no heartbeat in between
    await alice.chat.ping()
    assert socket.background_until > before + 1


@spec("S14", "C10")
async def test_manual_mode_reconnects_by_itself_in_the_foreground(stage: Stage):
    alice = await stage.enter("alice", auto=False)
    await alice.chat.connect()
    stage.network.cut()
    await stage.pass_time(100)
    assert alice.status is not CONNECTED
    stage.network.restore()
    await alice.wait_connected()


@spec("C11", "S15")
async def test_connection_lost_in_the_background_of_manual_mode_needs_connect(stage: Stage):
    alice = await stage.enter("alice", auto=False)
    await alice.chat.connect()
    alice.chat.set_app_state("background")
    await stage.pass_time(1)
    stage.network.drop()
    await stage.pass_time(20)
    alice.chat.set_app_state("foreground")
    await stage.pass_time(600)
    assert alice.status is DISCONNECTED
    await alice.chat.connect()


@spec("C8")
async def test_foreground_with_the_socket_up_cancels_the_window_and_probes(stage: Stage):
    alice = await stage.enter("alice", auto=False)
    await alice.chat.connect()
    alice.chat.set_app_state("background")
    await stage.pass_time(20)
    before = stage.server.parts.metrics.frames_in
    alice.chat.set_app_state("foreground")
    await stage.pass_time(1)
    assert stage.server.parts.metrics.frames_in == before + 2  # the app state, and the probe
    await stage.pass_time(3600)
    assert alice.status is CONNECTED


@spec("C18")
async def test_connect_in_the_background_of_manual_mode_starts_a_window(stage: Stage):
    alice = await stage.enter("alice", auto=False)
    alice.chat.set_app_state("background")
    await stage.pass_time(100)
    called = stage.now
    await alice.chat.connect()
    await stage.pass_time(called + 29.9 - stage.now)
    assert alice.status is CONNECTED
    await stage.pass_time(0.2)
    assert alice.status is DISCONNECTED


@spec("C18")
async def test_connect_in_the_background_restarts_the_window_of_client_and_server(stage: Stage):
    alice, bob = await stage.enter("alice", auto=False), await stage.enter("bob")
    await alice.chat.connect()
    alice.chat.set_app_state("background")
    await stage.pass_time(26)
    await alice.chat.start_typing("bob", "user")  # both sides have sent and received frames, so neither pings
    called = stage.now
    await alice.chat.connect()
    while stage.now < called + 27:
        await bob.say("alice", "are you there?")
        await stage.pass_time(2)
    assert alice.status is CONNECTED  # the server measures the window, too
    await stage.pass_time(called + 30.1 - stage.now)
    assert alice.status is DISCONNECTED


# Calls, in both modes.


@spec("C4", "C6", "S19")
@pytest.mark.parametrize("auto", [True, False])
async def test_ping_requires_a_socket(stage: Stage, auto: bool):
    alice = await stage.enter("alice", auto=auto)
    await alice.chat.connect()
    assert await alice.chat.ping() == "ping successful"
    await alice.chat.disconnect()
    assert await code_of(alice.chat.ping()) == "NO_WEBSOCKET_CONNECTION"


@spec("C13", "I9")
@pytest.mark.parametrize("auto", [True, False])
async def test_failed_connect_is_still_retried(stage: Stage, auto: bool):
    alice = await stage.enter("alice", auto=auto)
    await alice.chat.disconnect()
    stage.network.cut()
    with pytest.raises(CometChatException, match="WS_CONNECTION_FAIL"):
        await alice.chat.connect()
    assert alice.ears.all("error")[-1].code == "WS_CONNECTION_FAIL"
    stage.network.restore()
    await alice.wait_connected()


@spec("C15")
@pytest.mark.parametrize("auto", [True, False])
async def test_disconnect_while_connecting_abandons_the_attempt(stage: Stage, auto: bool):
    alice = await stage.enter("alice", auto=auto)
    await alice.chat.disconnect()
    stage.network.delay = 1.0
    waiting = asyncio.create_task(alice.chat.connect())
    await stage.pass_time(0.5)
    assert alice.status is CONNECTING
    await alice.chat.disconnect()
    assert await code_of(waiting) == "WS_CONNECTION_FAIL"
    await stage.pass_time(60)
    assert alice.status is DISCONNECTED
    stage.network.delay = 0.005


@spec("C16", "C17")
async def test_concurrent_calls_of_connect_share_one_attempt(stage: Stage):
    alice = await stage.enter("alice", auto=False)
    together = await asyncio.gather(*(alice.chat.connect() for _ in range(5)))
    assert together == ["Web socket connection successful"] * 5
    assert alice.chat.connection.history[-1].epoch == 1
    assert await alice.chat.connect() == "Web socket connection successful"
    assert alice.chat.connection.history[-1].epoch == 1


@spec("C17", "T4")
async def test_connect_ends_the_delay_before_the_next_attempt(stage: Stage):
    alice = await stage.enter("alice")
    stage.network.cut()
    await stage.pass_time(300)
    tries = alice.ears.statuses.count(CONNECTING)
    await alice.ears.until(lambda: alice.ears.statuses.count(CONNECTING) > tries and alice.status is DISCONNECTED, 60)
    stage.network.restore()
    await stage.pass_time(1)
    assert alice.status is DISCONNECTED  # it waits before the next attempt
    before = stage.now
    await alice.chat.connect()
    assert stage.now - before < 0.1


@spec("C20", "T5")
async def test_online_hint_ends_the_delay_before_the_next_attempt(stage: Stage):
    alice = await stage.enter("alice")
    stage.network.cut()
    alice.chat.set_network("offline")
    await stage.pass_time(300)
    assert alice.status is not CONNECTED
    stage.network.restore()
    await stage.pass_time(1)
    assert alice.status is DISCONNECTED  # it waits before the next attempt
    before = stage.now
    alice.chat.set_network("online")
    await alice.wait_connected()
    assert stage.now - before < 0.1


@spec("C20")
async def test_online_hint_replaces_a_hanging_attempt(stage: Stage):
    alice = await stage.enter("alice")
    alice.chat.set_network("offline")
    stage.network.swallowing = True
    await stage.pass_time(60)
    stage.network.restore()
    before = stage.now
    alice.chat.set_network("online")
    await alice.wait_connected()
    assert stage.now - before < 0.2


@spec("C21", "T3")
async def test_offline_hint_closes_the_socket_only_if_the_probe_fails(stage: Stage):
    alice = await stage.enter("alice")
    alice.chat.set_network("offline")
    await stage.pass_time(60)
    assert alice.status is CONNECTED
    alice.chat.set_network("online")
    stage.network.swallowing = True
    alice.chat.set_network("offline")
    await stage.pass_time(3.1)
    assert alice.status is not CONNECTED
    assert alice.chat.connection.history[-1].cause == "probe_failed"


@spec("C22", "I2")
async def test_rejected_token_ends_the_session(stage: Stage):
    store = MemorySessionStore()
    alice = await stage.enter("alice", store=store)
    await stage.server.parts.store.tokens.remove(_hash_of(store, stage))
    stage.network.drop()
    await alice.ears.until(lambda: any(e.code == "ERR_AUTH_TOKEN_EXPIRED" for e in alice.ears.all("error")))
    connections = stage.network.connection_count
    await stage.pass_time(600)
    assert (alice.status, stage.network.connection_count) == (DISCONNECTED, connections)
    assert store.load(stage.server.app_id)["expired"] is True
    assert await code_of(alice.chat.connect()) == "ERR_AUTH_TOKEN_EXPIRED"
    await alice.chat.login("alice", auth_key=stage.server.auth_key)
    await alice.wait_connected()


@spec("C22")
async def test_token_provider_is_called_once_for_a_rejected_token(stage: Stage):
    store, calls = MemorySessionStore(), []

    async def provide() -> str:
        calls.append(stage.now)
        return (await stage.server.parts.actions.sessions.create_token("alice")).token

    alice = await stage.enter("alice", store=store, provider=provide)
    await stage.server.parts.store.tokens.remove(_hash_of(store, stage))
    stage.network.drop()
    await alice.ears.until(lambda: alice.ears.statuses[-1] is DISCONNECTED)
    await alice.wait_connected()
    assert len(calls) == 1
    assert alice.status is CONNECTED


@spec("C22")
async def test_token_provider_with_invalid_tokens_is_not_called_forever(stage: Stage):
    store, calls = MemorySessionStore(), []

    async def provide() -> str:
        calls.append(stage.now)
        return "nonsense"

    await stage.enter("alice", store=store, provider=provide)
    await stage.server.parts.store.tokens.remove(_hash_of(store, stage))
    stage.network.drop()
    await stage.pass_time(600)
    assert len(calls) == 1
    assert store.load(stage.server.app_id)["expired"] is True


def _hash_of(store: MemorySessionStore, stage: Stage) -> str:
    from tailwire.server.auth.secrets import fingerprint

    return fingerprint(store.load(stage.server.app_id)["auth_token"])


@spec("C23", "S25", "I8")
async def test_logout_closes_the_socket_and_forgets_the_session(stage: Stage):
    store = MemorySessionStore()
    alice = await stage.enter("alice", store=store)
    token = store.load(stage.server.app_id)["auth_token"]
    await alice.chat.logout()
    assert alice.status is DISCONNECTED
    await stage.pass_time(600)
    assert alice.ears.statuses[-1] is DISCONNECTED
    assert alice.ears.heard[-1][1] == "logout"
    assert (store.load(stage.server.app_id), alice.chat.get_logged_in_user()) == (None, None)
    assert await code_of(alice.chat.login_with_auth_token(token)) == "AUTH_ERR_AUTH_TOKEN_NOT_FOUND"


@spec("S17", "S18", "S19")
async def test_calls_without_a_login_are_refused(stage: Stage):
    nobody = stage.actor()
    await nobody.chat.init()
    for call, details in (
        (nobody.chat.connect, "Please log in before establishing a WebSocket connection."),
        (nobody.chat.disconnect, "Please log in before disconnecting the WebSocket connection."),
        (nobody.chat.ping, "Please log in before sending a ping to the server."),
    ):
        with pytest.raises(CometChatException) as caught:
            await call()
        e = caught.value
        assert (e.code, e.message, e.details) == ("ERR_NOT_LOGGED_IN", "No active user session.", details)


@spec("I9")
async def test_cancelled_connect_does_not_end_its_attempt(stage: Stage):
    alice = await stage.enter("alice", auto=False)
    stage.network.delay = 0.5
    waiting = asyncio.create_task(alice.chat.connect())
    await stage.pass_time(0.1)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await alice.wait_connected()
    stage.network.delay = 0.005


@spec("I10")
async def test_aclose_ends_everything_in_progress(stage: Stage):
    alice = await stage.enter("alice", auto=False)
    stage.network.delay = 0.5
    waiting = asyncio.create_task(alice.chat.connect())
    await stage.pass_time(0.1)
    await alice.chat.aclose()
    assert await code_of(waiting) == "ERR_CLIENT_CLOSED"
    assert await code_of(alice.chat.connect()) == "ERR_CLIENT_CLOSED"
    heard = len(alice.ears.heard)
    await stage.pass_time(100)
    assert len(alice.ears.heard) == heard
    stage.network.delay = 0.005


@spec("I7")
async def test_next_socket_opens_after_the_last_is_closed(stage: Stage):
    alice = await stage.enter("alice")
    stage.network.delay = 0.05
    alice.chat.set_app_state("background")
    alice.chat.set_app_state("foreground")
    most = 0
    while alice.status is not CONNECTED:
        await stage.pass_time(0.01)
        most = max(most, sum(t.name == "client" and _is_websocket(t) for t in stage.network.open))
    assert most == 1
    stage.network.delay = 0.005


def _is_websocket(transport) -> bool:
    return isinstance(transport.protocol, ClientConnection)


# Several sources of the app's state.


async def test_client_is_in_the_background_while_any_source_reports_it(stage: Stage):
    alice = await stage.enter("alice")
    alice.chat.set_app_state("background", reason="window")
    alice.chat.set_app_state("background", reason="sleep")
    await alice.ears.until(lambda: alice.status is DISCONNECTED)
    alice.chat.set_app_state("foreground", reason="sleep")  # awake again, and still hidden
    await stage.pass_time(60)
    assert alice.status is DISCONNECTED
    alice.chat.set_app_state("foreground", reason="window")
    await alice.wait_connected()


async def test_explain_names_the_sources_of_background(stage: Stage):
    alice = await stage.enter("alice")
    alice.chat.set_app_state("background")
    assert "the app is in the background and" in alice.chat.connection.explain()
    alice.chat.set_app_state("background", reason="window")
    alice.chat.set_app_state("background", reason="sleep")
    alice.chat.set_app_state("foreground")
    assert "the app is in the background (sleep, window) and" in alice.chat.connection.explain()


@pytest.mark.parametrize("state", ["background", "foreground"])
async def test_invalid_reason_names_are_refused(stage: Stage, state):
    alice = await stage.enter("alice")
    for reason in (["window"], None, 5, b"window"):
        with pytest.raises(TypeError, match="give a name, as text"):
            alice.chat.set_app_state(state, reason=reason)
    for reason in ("", "x" * 101, "a\nb", "\ud800"):
        with pytest.raises(ValueError, match="1 to 100 printable characters"):
            alice.chat.set_app_state(state, reason=reason)
    assert alice.status is CONNECTED


async def test_background_reasons_are_limited_to_a_hundred(stage: Stage):
    alice = await stage.enter("alice")
    for n in range(100):
        alice.chat.set_app_state("background", reason=f"window {n}")
    with pytest.raises(RuntimeError, match="100 reasons keep the app in the background"):
        alice.chat.set_app_state("background", reason="one more")
    alice.chat.set_app_state("background", reason="window 0")
    for n in range(100):
        alice.chat.set_app_state("foreground", reason=f"window {n}")
    await alice.wait_connected()


async def test_unknown_app_state_is_refused_and_changes_nothing(stage: Stage):
    alice = await stage.enter("alice")
    with pytest.raises(ValueError, match="asleep"):
        alice.chat.set_app_state("asleep", reason="sleep")
    await stage.pass_time(60)
    assert alice.status is CONNECTED
