"""Protocol features beyond the documented ones, each of them optional."""

from __future__ import annotations

import pytest

from harness import CONNECTED, Stage
from rest import Rest
from tailwire import Group, GroupMember
from tailwire.server.config import Settings
from tailwire.server.ports.broker import group_subject, user_subject
from tailwire.server.telemetry.metrics import Metrics
from tailwire.testing.virtual.world import VirtualServer
from tailwire.wire.frames import CLIENT_FEATURES, CLIENT_HEADER


def use_server_with(stage: Stage, folder, features: str, **more) -> None:
    no_rate_limits = {f"{name}_per_minute": 0 for name in ("sends", "requests", "logins", "core", "standard")}
    stage.server = VirtualServer(folder, Settings(data=str(folder), features=features, **no_rate_limits, **more))


class LossyBroker:
    """Loses publications on their way from the broker to the sockets."""

    def __init__(self, stage: Stage) -> None:
        broker = stage.server.parts.gateway._hub.broker
        self._publish = broker.publish
        self.subjects: set[str] = set()
        self.lost = 0
        broker.publish = self.publish

    def publish(self, subject, publication) -> None:
        if subject in self.subjects:
            self.lost += 1
        else:
            self._publish(subject, publication)


@pytest.mark.spec("K1")
async def test_lost_live_message_is_fetched_from_history(stage: Stage):
    alice, bob, carol = [await stage.enter(uid) for uid in ("alice", "bob", "carol")]
    losing = LossyBroker(stage)
    await alice.say("bob", "one")
    losing.subjects = {user_subject("bob")}
    await alice.say("bob", "two")
    await carol.say("bob", "also lost")
    losing.subjects = set()
    begin = stage.now
    await alice.say("bob", "three")
    await bob.ears.until(lambda: "three" in bob.ears.texts)
    assert losing.lost == 2
    assert bob.ears.texts == ["one", "two", "also lost", "three"]
    assert 0.5 <= stage.now - begin <= 0.7
    await alice.say("bob", "four")
    await bob.ears.until(lambda: bob.ears.texts[-1] == "four")
    assert len(bob.ears.texts) == 5
    assert bob.ears.statuses.count(CONNECTED) == 1


@pytest.mark.spec("K1")
async def test_lost_message_is_fetched_although_this_device_has_sent_one_since(stage: Stage):
    alice, bob = [await stage.enter(uid) for uid in ("alice", "bob")]
    await bob.say("alice", "one")
    losing = LossyBroker(stage)
    losing.subjects = {user_subject("alice")}
    lost = await bob.say("alice", "two")
    losing.subjects = set()
    begin = stage.now
    sent = await alice.say("bob", "three")
    assert sent.raw["before"] == lost.id
    await alice.ears.until(lambda: "two" in alice.ears.texts)
    assert 0.5 <= stage.now - begin <= 0.7
    losing.subjects = {user_subject("alice")}
    await bob.say("alice", "four")
    losing.subjects = set()
    await alice.chat.delete_message(sent.id)  # the frame of the deletion names a predecessor, too
    await alice.ears.until(lambda: "four" in alice.ears.texts)
    await bob.say("alice", "five")
    await alice.ears.until(lambda: "five" in alice.ears.texts)
    assert alice.ears.texts == ["one", "two", "four", "five"]
    assert alice.ears.statuses.count(CONNECTED) == 1


@pytest.mark.spec("K1")
async def test_own_message_sent_while_disconnected_fetches_no_missed_message_before_the_next_connection(stage: Stage):
    alice, bob = await stage.enter("alice", auto=False), await stage.enter("bob")
    await alice.chat.connect()
    await bob.say("alice", "one")
    await alice.ears.until(lambda: alice.ears.texts == ["one"])
    await alice.chat.disconnect()
    missed = await bob.say("alice", "two")
    assert (await alice.say("bob", "three")).raw["before"] == missed.id
    await stage.pass_time(60)
    assert alice.ears.texts == ["one"]
    await alice.chat.connect()
    await bob.say("alice", "four")
    await alice.ears.until(lambda: "four" in alice.ears.texts)
    assert alice.ears.texts == ["one", "two", "four"]


async def test_message_lost_before_a_member_joins_is_detected(stage: Stage):
    alice, bob, carol = [await stage.enter(uid) for uid in ("alice", "bob", "carol")]
    await alice.chat.create_group(Group("team", "Team"))
    await bob.chat.join_group("team")
    losing = LossyBroker(stage)
    losing.subjects = {group_subject("team")}
    await alice.say("team", "lost", "group")
    losing.subjects = set()
    begin = stage.now
    await carol.chat.join_group("team")
    await bob.ears.until(lambda: bob.ears.texts == ["lost"])
    assert stage.now - begin <= 0.7


async def test_lost_message_from_before_a_join_does_not_delay_the_new_member(stage: Stage):
    alice, carol = [await stage.enter(uid) for uid in ("alice", "carol")]
    await alice.chat.create_group(Group("team", "Team"))
    losing = LossyBroker(stage)
    losing.subjects = {group_subject("team")}
    await alice.say("team", "lost", "group")
    losing.subjects = set()
    await carol.chat.join_group("team")
    begin = stage.now
    await alice.say("team", "hello", "group")
    await carol.ears.until(lambda: carol.ears.texts == ["hello"])
    assert stage.now - begin <= 0.1


@pytest.mark.spec("K1")
async def test_lost_removal_from_a_group_is_detected_by_the_user_who_joins_again(stage: Stage):
    alice, bob, carol = [await stage.enter(uid) for uid in ("alice", "bob", "carol")]
    desk = await stage.enter("carol")
    await alice.chat.create_group(Group("team", "Team"))
    for member in (bob, carol):
        await member.chat.join_group("team")
    losing = LossyBroker(stage)
    for again in range(1, 3):
        await carol.ears.until(lambda n=again: len(carol.ears.all("kicked")) == n - 1)
        losing.subjects = {group_subject("team")}
        await alice.chat.kick_group_member("team", "carol")
        losing.subjects = set()
        assert losing.lost == again
        await alice.say("team", "not for carol", "group")
        begin = stage.now
        if again == 1:
            await carol.chat.join_group("team")
        else:
            await alice.chat.add_members_to_group("team", [GroupMember("carol", "participant")])
        for device in (carol, desk):
            await device.ears.until(lambda d=device, n=again: len(d.ears.all("kicked")) == n)
        assert 0.5 <= stage.now - begin <= 0.8
    await alice.say("team", "for carol", "group")
    for device in (carol, desk):
        await device.ears.until(lambda d=device: d.ears.texts == ["for carol"])
        assert len(device.ears.all("kicked")) == 2
        assert device.ears.statuses.count(CONNECTED) == 1


async def test_known_removal_from_a_group_does_not_delay_messages_after_the_next_join(stage: Stage):
    alice, carol = [await stage.enter(uid) for uid in ("alice", "carol")]
    await alice.chat.create_group(Group("team", "Team"))
    for n in range(3):
        await carol.chat.join_group("team")
        begin = stage.now
        await alice.say("team", str(n), "group")
        await carol.ears.until(lambda n=n: len(carol.ears.texts) == n + 1)
        assert stage.now - begin <= 0.1
        if n:
            await carol.chat.leave_group("team")
        else:
            await alice.chat.kick_group_member("team", "carol")
            await carol.ears.until(lambda: bool(carol.ears.all("kicked")))


async def test_only_a_request_with_the_client_header_receives_the_id_of_the_previous_message(stage: Stage):
    async with Rest(stage) as rest:
        body = {"receiver": "bob", "receiverType": "user", "data": {"text": "x"}}
        for _ in range(2):
            assert "before" not in await rest("POST", "/messages", as_="alice", json=body)
        named = await rest("POST", "/messages", as_="alice", json=body, headers={CLIENT_HEADER: "1"})
        assert isinstance(named["before"], int)
        assert "before" not in await rest("GET", f"/messages/{named['id']}", as_="alice", headers={CLIENT_HEADER: "1"})


async def test_group_messages_after_a_join_or_an_own_message_are_not_delayed(stage: Stage):
    alice, bob, carol = [await stage.enter(uid) for uid in ("alice", "bob", "carol")]
    await alice.chat.create_group(Group("team", "Team"))
    await bob.chat.join_group("team")
    await alice.say("team", "before carol", "group")
    await carol.chat.join_group("team")
    begin = stage.now
    await alice.say("team", "hello", "group")
    await carol.ears.until(lambda: carol.ears.texts == ["hello"])
    await carol.say("team", "hi", "group")
    await alice.say("team", "how are you", "group")  # follows carol's own message, which carol does not receive
    await carol.ears.until(lambda: len(carol.ears.texts) == 2)
    assert stage.now - begin < 0.3


@pytest.mark.spec("K1")
async def test_lost_message_of_a_group_is_fetched_by_a_member_who_joined_late(stage: Stage):
    alice, bob, carol = [await stage.enter(uid) for uid in ("alice", "bob", "carol")]
    await alice.chat.create_group(Group("team", "Team"))
    await bob.chat.join_group("team")
    await alice.say("team", "before carol", "group")
    await carol.chat.join_group("team")
    losing = LossyBroker(stage)
    losing.subjects = {group_subject("team")}
    await alice.say("team", "lost", "group")
    losing.subjects = set()
    await bob.say("team", "found", "group")
    await carol.ears.until(lambda: carol.ears.texts[-1:] == ["found"])
    assert carol.ears.texts == ["lost", "found"]


async def test_short_disconnects_are_not_published_as_offline(stage: Stage):
    alice = await stage.enter("alice", presence=True)
    bob = await stage.enter("bob")
    await alice.ears.until(lambda: "bob" in alice.ears.all("online"))
    stage.network.cut()
    await stage.pass_time(3)
    stage.network.restore()
    await alice.wait_connected()
    await bob.wait_connected()
    await stage.pass_time(30)
    assert "bob" not in alice.ears.all("offline")
    assert alice.ears.all("online").count("bob") == 1


async def test_user_who_does_not_come_back_is_offline_after_the_grace_period(stage: Stage):
    alice = await stage.enter("alice", presence=True)
    bob = await stage.enter("bob")
    await alice.ears.until(lambda: "bob" in alice.ears.all("online"))
    begin = stage.now
    stage.network.drop()
    bob.chat.set_network("offline")
    stage.network.refusing = True
    await stage.pass_time(5)
    async with Rest(stage) as rest:
        stage.network.refusing = False
        assert (await rest("GET", "/users/bob"))["status"] == "available"
    bob.chat.set_app_state("background")  # it does not come back
    await alice.ears.until(lambda: "bob" in alice.ears.all("offline"))
    assert 10 <= stage.now - begin <= 13
    assert bob.status is not CONNECTED


async def test_clean_close_makes_a_user_offline_immediately(stage: Stage):
    alice = await stage.enter("alice", presence=True)
    bob = await stage.enter("bob")
    await alice.ears.until(lambda: "bob" in alice.ears.all("online"))
    begin = stage.now
    bob.chat.set_app_state("background")
    await alice.ears.until(lambda: "bob" in alice.ears.all("offline"))
    assert stage.now - begin < 1


async def test_last_user_becomes_offline_when_nobody_else_is_connected(stage: Stage):
    bob = await stage.enter("bob")
    stage.network.refusing = True
    stage.network.drop()
    bob.chat.set_app_state("background")  # bob does not come back, and no socket is left
    await stage.pass_time(2)
    stage.network.refusing = False
    async with Rest(stage) as rest:
        assert (await rest("GET", "/users/bob"))["status"] == "available"  # within the grace period
        await stage.pass_time(20)
        assert (await rest("GET", "/users/bob"))["status"] == "offline"


async def test_ending_the_background_window_makes_a_user_offline_immediately(stage: Stage):
    alice = await stage.enter("alice", presence=True)
    bob = await stage.enter("bob", auto=False)
    await bob.chat.connect()
    bob.chat.set_app_state("background")
    await stage.pass_time(1)
    begin = stage.now
    bob.chat._parts.driver._timer.cancel()  # the system has frozen the app
    await alice.ears.until(lambda: alice.ears.all("offline") == ["bob"], timeout=60)
    assert 33 <= stage.now - begin <= 38  # the window, five seconds, and a sweep, without a grace period


async def test_user_is_away_while_all_their_apps_are_in_the_background(stage: Stage):
    alice = await stage.enter("alice", presence=True)
    phone, desk = await stage.enter("bob", auto=False), await stage.enter("bob", auto=False)
    for device in (phone, desk):
        await device.chat.connect()
    await alice.ears.until(lambda: alice.ears.all("online") == ["alice", "bob"])
    phone.chat.set_app_state("background")
    await stage.pass_time(1)
    assert alice.ears.all("away") == []  # alice is active
    desk.chat.set_app_state("background")
    await alice.ears.until(lambda: alice.ears.all("away") == ["bob"])
    phone.chat.set_app_state("foreground")
    await alice.ears.until(lambda: alice.ears.all("online") == ["alice", "bob", "bob"])
    await phone.chat.disconnect()
    await alice.ears.until(lambda: alice.ears.all("away") == ["bob", "bob"])
    tablet = await stage.enter("bob", auto=False)
    await tablet.chat.connect()  # another app, in the foreground
    await alice.ears.until(lambda: alice.ears.all("online") == ["alice", "bob", "bob", "bob"])
    await tablet.chat.disconnect()
    await alice.ears.until(lambda: alice.ears.all("away") == ["bob", "bob", "bob"])
    await stage.pass_time(40)  # the window of the desk has ended
    assert alice.ears.all("offline") == ["bob"]


async def test_server_counts_reconnect_reasons(stage: Stage):
    alice = await stage.enter("alice")
    await stage.pass_time(20)
    stage.network.drop()
    await alice.ears.until(lambda: alice.ears.statuses.count(CONNECTED) == 2)
    metrics = stage.server.parts.metrics
    (cause,) = metrics.returns
    assert cause == str(alice.chat.connection.history[-1].cause or "connection_reset")
    assert (metrics.attempts[cause], dict(metrics.lived)) == (1, {"under 1 min": 1})
    async with Rest(stage) as rest:
        counters = (await rest.answer("GET", "/metrics")).text
    assert f'tailwire_returns_total{{cause="{cause}"}} 1.0' in counters


def test_counted_reconnect_reasons_are_bounded():
    metrics = Metrics()
    metrics.count_reconnect("no such thing!", -1.0, -5)
    metrics.count_reconnect("x" * 100, 1e9, 10**9)
    assert (metrics.returns["other"], metrics.attempts["other"]) == (2, 1000)
    for n in range(100):
        metrics.count_reconnect(f"made_up_{'abcdefghij'[n // 10]}{'abcdefghij'[n % 10]}", 0, 0)
    assert len(metrics.returns) <= 51


@pytest.fixture(params=["", *CLIENT_FEATURES])
def missing_feature(request, stage: Stage, tmp_path) -> str:
    """Use a server that lacks one feature, or all of them. Return its name, or "" for all."""
    missing = request.param
    use_server_with(stage, tmp_path, ",".join(f for f in CLIENT_FEATURES if missing and f != missing))
    return missing


async def test_client_chats_and_reconnects_on_a_server_that_lacks_a_feature(stage: Stage, missing_feature: str):
    alice = await stage.enter("alice", presence=True)
    bob, carol = await stage.enter("bob"), await stage.enter("carol", auto=False)
    await carol.chat.connect()
    offered = {f for f in CLIENT_FEATURES if missing_feature and f != missing_feature}
    assert {socket.features for socket in stage.server.parts.gateway._sockets} == {frozenset(offered)}
    await alice.say("bob", "one")
    await bob.ears.until(lambda: bob.ears.texts == ["one"])
    await bob.chat.start_typing("alice")
    await alice.ears.until(lambda: alice.ears.all("typing") == ["bob"])
    carol.chat.set_app_state("background")
    await stage.pass_time(25)
    assert await carol.chat.ping() == "ping successful"
    await stage.pass_time(25)
    assert carol.status is CONNECTED
    await stage.pass_time(10)
    assert carol.status is not CONNECTED  # the window is measured by the SDK
    stage.network.cut()
    await stage.pass_time(1)
    stage.network.restore()
    await alice.wait_connected()
    await bob.wait_connected()
    await alice.say("bob", "two")
    await bob.ears.until(lambda: bob.ears.texts == ["one", "two"])
    await stage.server.stop()
    await alice.ears.until(lambda: alice.status is not CONNECTED)
    await stage.server.start()
    await alice.wait_connected()
    await bob.wait_connected()
    await alice.say("bob", "three")
    await bob.ears.until(lambda: bob.ears.texts == ["one", "two", "three"])
    alice.chat.set_app_state("background")
    await stage.pass_time(1)
    assert alice.status is not CONNECTED


def test_unknown_feature_setting_is_refused():
    from tailwire.server.config import BadSetting, load

    assert load({"features": "heartbeat, grace"}, {}).features == "heartbeat, grace"
    assert load({"features": ""}, {}).features == ""
    with pytest.raises(BadSetting, match="no feature 'telepathy'"):
        load({"features": "heartbeat,telepathy"}, {})
