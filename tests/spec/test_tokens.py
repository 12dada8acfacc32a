"""Expiring tokens: a new one is fetched in time and offered on the open socket; failure is reported (C22; the token provider)."""

from __future__ import annotations

import asyncio
import json

import pytest
from websockets.asyncio.client import connect

from harness import CONNECTED, DISCONNECTED, Actor, Stage
from tailwire import CometChatException, MemorySessionStore, TextMessage
from tailwire.server.config import Settings
from tailwire.testing.virtual.world import PORT, VirtualServer
from tailwire.wire.frames import CLIENT_FEATURES

LIFETIME = 600.0


def use_token_lifetime(stage: Stage, folder, seconds: float, features: str = ",".join(CLIENT_FEATURES)) -> None:
    no_rate_limits = {f"{name}_per_minute": 0 for name in ("sends", "requests", "logins", "core", "standard")}
    stage.server = VirtualServer(
        folder, Settings(data=str(folder), token_lifetime=seconds, features=features, **no_rate_limits)
    )


@pytest.fixture(autouse=True)
def short_token_lifetime(stage: Stage, tmp_path) -> None:
    use_token_lifetime(stage, tmp_path, LIFETIME)


class Provider:
    """Provides a user's tokens as a backend would; can fail, be slow, or return an invalid token."""

    def __init__(self, stage: Stage, uid: str = "alice") -> None:
        self._stage = stage
        self.uid = uid
        self.call_times: list[float] = []
        self.fails = False
        self.next_token = ""
        self.seconds = 0.0
        self.under_way = self.most_at_once = 0

    async def __call__(self) -> str:
        self.call_times.append(self._stage.now)
        self.under_way += 1
        self.most_at_once = max(self.most_at_once, self.under_way)
        try:
            await asyncio.sleep(self.seconds)
            if self.fails:
                raise OSError("the backend is down")
            if self.next_token:
                return self.next_token
            return (await self._stage.server.parts.actions.sessions.create_token(self.uid)).token
        finally:
            self.under_way -= 1


async def code_of(call) -> str:
    with pytest.raises(CometChatException) as caught:
        await call
    return caught.value.code


async def enter(stage: Stage, provider: Provider | None = None, **more) -> tuple[Actor, Provider]:
    provider = provider or Provider(stage)
    return await stage.enter("alice", provider=provider, **more), provider


@pytest.mark.parametrize("auto", [True, False])
async def test_token_is_renewed_before_expiry_on_the_same_socket(stage: Stage, auto: bool):
    store = MemorySessionStore()
    alice, provider = await enter(stage, store=store, auto=auto)
    if not auto:
        await alice.chat.connect()
    bob, sent = await stage.enter("bob", provider=Provider(stage, "bob")), []
    first, begin = store.load(stage.server.app_id)["auth_token"], stage.now
    while stage.now - begin < 6 * LIFETIME:
        sent.append((await bob.say("alice", f"{len(sent)}")).text)
        await stage.pass_time(31)
    await alice.ears.until(lambda: alice.ears.texts == sent)
    assert alice.ears.statuses.count(CONNECTED) == bob.ears.statuses.count(CONNECTED) == 1
    assert 6 <= len(provider.call_times) <= 7
    gaps = [b - a for a, b in zip([begin, *provider.call_times], provider.call_times, strict=False)]
    assert all(LIFETIME - 61 <= gap <= LIFETIME - 29 for gap in gaps)  # one minute before at most, half at least
    assert len({round(gap, 3) for gap in gaps}) > 1  # spread at random
    assert store.load(stage.server.app_id)["auth_token"] != first
    assert stage.server.parts.metrics.renewals >= 12
    assert stage.server.parts.metrics.closes["token rejected"] == 0
    assert (await alice.say("bob", "with the newest")).id


async def test_old_token_may_be_revoked_after_renewal(stage: Stage):
    store = MemorySessionStore()
    alice, provider = await enter(stage, store=store)
    old = store.load(stage.server.app_id)["auth_token"]
    await stage.pass_time(LIFETIME - 20)
    assert len(provider.call_times) == 1
    actions = stage.server.parts.actions
    await actions.sessions.logout(await actions.sessions.caller(old, ""))
    await stage.pass_time(60)
    assert alice.ears.statuses.count(CONNECTED) == 1
    assert alice.status is CONNECTED


async def test_token_without_a_provider_expires_and_a_new_login_starts_fresh(stage: Stage):
    store = MemorySessionStore()
    alice = await stage.enter("alice", store=store)
    await stage.pass_time(LIFETIME - 5)
    assert alice.status is CONNECTED
    await stage.pass_time(10)
    assert alice.status is DISCONNECTED
    assert stage.server.parts.metrics.closes["token expired"] == 1
    assert store.load(stage.server.app_id)["expired"] is True
    assert [e.code for e in alice.ears.all("error")] == []  # a lost socket, not a failed attempt
    assert await code_of(alice.say("bob", "x")) == "ERR_AUTH_TOKEN_EXPIRED"
    assert await code_of(alice.chat.connect()) == "ERR_AUTH_TOKEN_EXPIRED"
    assert await code_of(alice.chat.login_with_auth_token(store.load(stage.server.app_id)["auth_token"])) == (
        "ERR_AUTH_TOKEN_EXPIRED"
    )
    await alice.chat.login("alice", auth_key=stage.server.auth_key)
    await alice.wait_connected()
    assert (await alice.say("bob", "x")).id


async def test_failing_provider_is_retried_with_its_own_backoff(stage: Stage):
    alice, provider = await enter(stage)
    provider.fails = True
    await stage.pass_time(LIFETIME - 25)
    assert alice.status is CONNECTED
    assert "could not be renewed" in alice.chat.connection.explain()
    tries = len(provider.call_times)
    gaps = [b - a for a, b in zip(provider.call_times, provider.call_times[1:], strict=False)]
    assert 2 <= tries <= 12
    assert all(0.25 <= gap <= 21 for gap in gaps)
    assert gaps[-1] > gaps[0]
    provider.fails = False
    await stage.pass_time(25)
    assert len(provider.call_times) == tries + 1
    await stage.pass_time(60)
    assert alice.ears.statuses.count(CONNECTED) == 1
    assert "could not be renewed" not in alice.chat.connection.explain()


async def test_long_provider_failure_closes_the_socket_and_keeps_the_session(stage: Stage):
    store = MemorySessionStore()
    alice, provider = await enter(stage, store=store)
    provider.fails = True
    await stage.pass_time(LIFETIME + 100)
    assert alice.status is not CONNECTED
    assert store.load(stage.server.app_id)["expired"] is False
    provider.fails = False
    await alice.wait_connected()
    assert provider.most_at_once == 1
    assert (await alice.say("bob", "back")).id


@pytest.mark.parametrize("what", ["nonsense", "somebody else's"])
async def test_refused_new_token_has_no_effect_until_the_old_one_expires(stage: Stage, what: str):
    alice, provider = await enter(stage)
    sessions = stage.server.parts.actions.sessions
    provider.next_token = what if what == "nonsense" else (await sessions.create_token("bob")).token
    await stage.pass_time(LIFETIME - 29)
    assert provider.call_times
    assert alice.status is CONNECTED
    provider.next_token = ""
    await stage.pass_time(28)
    await stage.pass_time(60)
    assert alice.ears.statuses.count(CONNECTED) == 1
    assert alice.chat.get_logged_in_user().uid == "alice"
    assert (await alice.say("bob", "still alice")).sender.uid == "alice"


async def test_provided_token_of_another_user_ends_the_session(stage: Stage):
    store = MemorySessionStore()
    alice, provider = await enter(stage, store=store)
    sessions = stage.server.parts.actions.sessions
    alice.chat.set_app_state("background")
    await stage.pass_time(LIFETIME + 10)
    provider.next_token = (await sessions.create_token("bob")).token
    assert await code_of(alice.say("carol", "x")) == "ERR_AUTH_TOKEN_EXPIRED"  # and not as bob
    alice.chat.set_app_state("foreground")
    await stage.pass_time(30)
    assert alice.status is DISCONNECTED
    assert not stage.server.parts.gateway._hub.is_online("bob")
    before = len(provider.call_times)
    await stage.pass_time(300)
    assert await code_of(alice.say("carol", "x")) == "ERR_AUTH_TOKEN_EXPIRED"
    assert len(provider.call_times) == before  # the session has ended: only a login changes that
    assert store.load(stage.server.app_id)["expired"] is True


async def test_provider_calls_do_not_overlap(stage: Stage):
    alice, provider = await enter(stage)
    provider.seconds = 15.0  # longer than the timeout of an attempt
    await stage.pass_time(LIFETIME + 30)
    provider.seconds = 1.0
    await alice.wait_connected()
    await stage.pass_time(2 * LIFETIME)
    assert provider.most_at_once == 1
    assert alice.status is CONNECTED


@pytest.mark.parametrize("lost", [False, True])
async def test_provider_call_times_out(stage: Stage, lost: bool):
    alice, provider = await enter(stage)
    provider.seconds = 1e9
    await stage.pass_time(LIFETIME - 29)
    assert provider.under_way == 1
    if lost:
        stage.network.drop()
    await stage.pass_time(2)
    provider.seconds = 0.1
    await stage.pass_time(60)
    assert provider.most_at_once == 1
    assert provider.under_way == 0
    assert alice.status is CONNECTED
    assert alice.ears.statuses.count(CONNECTED) == 1 + lost


async def test_hanging_provider_does_not_delay_the_end_of_an_expired_token(stage: Stage):
    alice, provider = await enter(stage)
    provider.seconds = 1e9
    await stage.pass_time(LIFETIME + 5)
    assert alice.status is not CONNECTED
    provider.seconds = 0.1
    await stage.pass_time(60)
    assert alice.status is CONNECTED
    assert (provider.most_at_once, provider.under_way) == (1, 0)


async def test_token_provided_while_the_socket_closes_is_used(stage: Stage):
    alice, provider = await enter(stage)
    provider.seconds = 5.0
    await stage.pass_time(LIFETIME - 61)
    while not provider.under_way:
        await stage.pass_time(0.5)
    stage.network.drop()
    await stage.pass_time(LIFETIME)
    assert alice.status is CONNECTED
    assert len(provider.call_times) == 2  # once per lifetime


async def test_network_failure_does_not_call_the_provider_again(stage: Stage):
    alice, provider = await enter(stage)
    me = alice.chat._parts.connector.fetch_me

    async def cut_first(token):
        if provider.call_times:
            stage.network.cut()
        return await me(token)

    alice.chat._parts.tokens._fetch_me = (
        cut_first  # the provider has returned a token, and the server cannot be reached with it
    )
    await stage.pass_time(LIFETIME - 20)
    assert alice.status is not CONNECTED
    assert len(provider.call_times) == 1
    alice.chat._parts.tokens._fetch_me = me
    stage.network.restore()
    await alice.wait_connected()
    assert len(provider.call_times) == 1
    await stage.pass_time(LIFETIME / 2)
    assert alice.status is CONNECTED
    assert len(provider.call_times) == 1


async def test_provided_token_that_expired_before_the_server_was_reached_is_replaced(stage: Stage):
    alice, provider = await enter(stage)
    stage.network.cut()  # the provider is reached another way
    await stage.pass_time(LIFETIME + 30)
    assert len(provider.call_times) == 1
    await stage.pass_time(LIFETIME + 30)
    assert len(provider.call_times) == 1
    stage.network.restore()
    await alice.ears.until(lambda: alice.status is CONNECTED, timeout=61)
    assert len(provider.call_times) == 2
    assert provider.most_at_once == 1
    assert (await alice.say("bob", "with the newest")).id


async def test_session_ends_when_the_token_that_replaces_an_expired_one_is_rejected_too(stage: Stage):
    alice, provider = await enter(stage)
    stage.network.cut()
    await stage.pass_time(2 * LIFETIME + 60)
    provider.next_token = "no token"
    stage.network.restore()
    await stage.pass_time(120)
    assert len(provider.call_times) == 2
    assert alice.status is DISCONNECTED
    assert await code_of(alice.say("bob", "x")) == "ERR_AUTH_TOKEN_EXPIRED"


async def test_rejected_requests_without_a_socket_share_one_provider_call(stage: Stage):
    alice, provider = await enter(stage)
    alice.chat.set_app_state("background")
    await stage.pass_time(LIFETIME + 10)
    assert provider.call_times == []  # no token is needed
    stored = await asyncio.gather(*(alice.say("bob", f"{n}") for n in range(5)), alice.say("carol", "x"))
    assert [m.text for m in stored] == ["0", "1", "2", "3", "4", "x"]
    assert len(provider.call_times) == 1
    alice.chat.set_app_state("foreground")
    await alice.wait_connected()
    assert len(provider.call_times) == 1
    assert stage.server.parts.metrics.closes["token rejected"] == 0


async def test_requests_respect_the_provider_backoff(stage: Stage):
    alice, provider = await enter(stage)
    provider.fails = True
    alice.chat.set_app_state("background")
    await stage.pass_time(LIFETIME + 10)
    for _ in range(50):
        assert await code_of(alice.chat.get_message(1)) == "ERR_AUTH_TOKEN_EXPIRED"
        await stage.pass_time(0.1)
    assert 1 <= len(provider.call_times) <= 4  # waits of at least 0.5, 1, 2 and 4 seconds within 5 seconds
    provider.fails = False
    await stage.pass_time(60)
    assert (await alice.say("bob", "x")).id


async def test_provided_token_with_a_line_break_is_refused_with_the_reason_and_the_provider_called_again(
    stage: Stage, caplog
):
    alice, provider = await enter(stage)
    provider.next_token = await stage.server.token_for("alice") + "\n"
    alice.chat.set_app_state("background")
    await stage.pass_time(LIFETIME + 10)
    assert await code_of(alice.say("bob", "x")) == "ERR_AUTH_TOKEN_EXPIRED"
    assert "returned a token with a line break" in caplog.text
    provider.next_token = ""
    await stage.pass_time(60)
    assert (await alice.say("bob", "x")).id
    assert len(provider.call_times) == 2


class CancelledProvider(Provider):
    """Waits for a task that was cancelled, as the callers of a request that they share do, while it `fails`."""

    async def __call__(self) -> str:
        if self.fails:
            self.call_times.append(self._stage.now)
            shared = asyncio.create_task(asyncio.sleep(1))
            shared.cancel()
            await shared
        return await super().__call__()


async def test_provider_that_waits_for_something_cancelled_does_not_stop_the_outbox(stage: Stage):
    alice, provider = await enter(stage, CancelledProvider(stage), outbox=True)
    alice.chat.set_app_state("background")
    await stage.pass_time(LIFETIME + 10)
    provider.fails = True
    entry = alice.chat.queue_message(TextMessage(receiver="bob", text="x"))
    await stage.pass_time(30)
    assert entry.error.code == "ERR_AUTH_TOKEN_EXPIRED"
    provider.fails = False
    assert (await asyncio.wait_for(entry.result(), 120)).id


async def test_token_that_expired_while_disconnected_is_not_tried(stage: Stage):
    alice, provider = await enter(stage)
    stage.network.cut()
    provider.seconds = 0.5
    await stage.pass_time(LIFETIME + 10)
    stage.network.restore()
    await alice.ears.until(lambda: alice.status is CONNECTED, timeout=61)
    assert len(provider.call_times) == 1
    assert stage.server.parts.metrics.requests[401] == 0
    assert stage.server.parts.metrics.closes["token rejected"] == 0


async def test_logging_out_during_a_renewal_discards_the_token(stage: Stage):
    store = MemorySessionStore()
    alice, provider = await enter(stage, store=store)
    provider.seconds = 5.0
    await stage.pass_time(LIFETIME - 61)
    while not provider.under_way:
        await stage.pass_time(1)
    await alice.chat.logout()
    await stage.pass_time(10)
    assert store.load(stage.server.app_id) is None
    assert provider.under_way == 0
    await alice.chat.login("bob", auth_key=stage.server.auth_key)
    await alice.wait_connected()
    assert (await alice.say("carol", "x")).sender.uid == "bob"


async def test_reopened_socket_knows_the_expiry_of_its_token(stage: Stage):
    alice, provider = await enter(stage)
    for _ in range(4):
        await stage.pass_time(LIFETIME / 4 - 30)
        alice.chat.set_app_state("background")
        await stage.pass_time(5)
        alice.chat.set_app_state("foreground")
        await alice.wait_connected()
    assert provider.call_times == []
    await stage.pass_time(80)
    assert len(provider.call_times) == 1
    assert alice.status is CONNECTED


@pytest.fixture
def without_the_feature(stage: Stage, tmp_path) -> None:
    use_token_lifetime(stage, tmp_path, LIFETIME, ",".join(f for f in CLIENT_FEATURES if f != "renew"))


async def test_provider_is_called_after_rejection_by_a_server_without_renewal(stage: Stage, without_the_feature):
    alice, provider = await enter(stage)
    await stage.pass_time(LIFETIME - 2)
    assert provider.call_times == []
    await stage.pass_time(20)
    assert len(provider.call_times) == 1
    assert alice.status is CONNECTED
    assert alice.ears.statuses.count(CONNECTED) == 2


PING, PONG = '{"action":"ping","ack":"true"}', {"action": "pong", "ack": "true"}
WITH_RENEWAL = {"tailwire": {"features": ["renew"]}}
REFUSED = {"status": "ERROR", "code": "401"}


async def auth_frame(stage: Stage, uid: str, params: dict | None = None) -> str:
    """Return a frame that authenticates a user with a new token, and requests features with the parameters."""
    sessions = stage.server.parts.actions.sessions
    token = (await sessions.create_token(uid)).token
    signed = (await sessions.me(await sessions.caller(token, "raw"), token)).signed_pass
    body = {"auth": signed, "deviceId": "raw", "params": params or {}}
    return json.dumps({"type": "auth", "deviceId": "raw", "sender": uid, "body": body})


async def test_second_auth_frame_is_ignored_without_the_renew_feature(stage: Stage):
    async with connect(f"ws://server:{PORT}/", ping_interval=None) as ws:
        await ws.send(await auth_frame(stage, "alice"))
        assert json.loads(await ws.recv())["body"] == {"status": "OK", "code": "200"}
        await ws.send(await auth_frame(stage, "alice"))
        await ws.send(PING)
        assert json.loads(await ws.recv()) == PONG


async def test_renewal_with_a_token_of_another_user_is_refused_and_the_socket_keeps_its_user(stage: Stage):
    await stage.enter("carol")
    async with connect(f"ws://server:{PORT}/", ping_interval=None) as ws:
        await ws.send(await auth_frame(stage, "alice", WITH_RENEWAL))
        granted = json.loads(await ws.recv())["body"]["tailwire"]
        assert granted["features"] == ["renew"]
        assert LIFETIME - 1 <= granted["tokenLeft"] <= LIFETIME
        await ws.send(await auth_frame(stage, "bob", WITH_RENEWAL))
        assert json.loads(await ws.recv())["body"] == REFUSED
        await stage.pass_time(1)
        await ws.send(PING)
        assert json.loads(await ws.recv()) == PONG
        assert stage.server.parts.gateway._hub.is_online("alice")
        assert not stage.server.parts.gateway._hub.is_online("bob")


async def test_refused_renewals_count_as_guesses(stage: Stage):
    await stage.enter("carol")
    async with connect(f"ws://server:{PORT}/", ping_interval=None) as ws:
        await ws.send(await auth_frame(stage, "alice", WITH_RENEWAL))
        await ws.recv()
        before = stage.server.parts.api._guesses._tries.tokens_left("127.0.0.1")
        for _ in range(3):
            await ws.send(json.dumps({"type": "auth", "body": {"auth": "a.b.9999999999.c"}}))
            assert json.loads(await ws.recv())["body"] == REFUSED
        assert stage.server.parts.api._guesses._tries.tokens_left("127.0.0.1") == before - 3


async def test_expired_token_does_not_count_as_a_guess(stage: Stage):
    alice = await stage.enter("alice")
    await stage.pass_time(LIFETIME + 5)
    api = stage.server.parts.api
    for _ in range(400):
        assert await code_of(alice.chat.get_message(1)) == "ERR_AUTH_TOKEN_EXPIRED"
    assert api._guesses._suspects == {}
