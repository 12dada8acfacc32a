"""Clocks, heartbeats and waiting times (T1 to T7)."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from dataclasses import replace

import pytest

from harness import CONNECTED, CONNECTING, DISCONNECTED, Stage
from tailwire import CometChatException
from tailwire.testing.virtual.world import virtual_loop

spec = pytest.mark.spec


@spec("T1", "S10")
async def test_frozen_background_app_detects_the_end_of_its_window(stage: Stage):
    alice = await stage.enter("alice", auto=False)
    await alice.chat.connect()
    alice.chat.set_app_state("background")
    await stage.pass_time(2)
    virtual_loop().sleep_machine(3600)
    alice.chat.set_app_state("foreground")  # the first thing that happens after waking
    assert alice.status is DISCONNECTED
    assert "window" in alice.chat.connection.explain()


@spec("T1", "T2", "T5")
async def test_foreground_app_reconnects_after_a_long_sleep(stage: Stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    virtual_loop().sleep_machine(8 * 3600)
    stage.network.swallowing = True  # the old socket is dead, although it looks open
    await stage.pass_time(15)
    assert bob.chat.connection.history[-1].status is CONNECTED  # probed before it is abandoned
    await stage.pass_time(3.1)
    assert bob.status is not CONNECTED
    causes = [t.cause for t in bob.chat.connection.history]
    assert "slept" in causes
    stage.network.restore()
    await bob.wait_connected()
    await alice.wait_connected()
    await alice.say("bob", "good morning")
    await bob.ears.until(lambda: bob.ears.texts == ["good morning"])


@spec("T2")
async def test_socket_that_survived_a_sleep_stays_connected_and_is_pinged(stage: Stage):
    alice = await stage.enter("alice")
    alice.ears.heard.clear()
    before = stage.server.parts.metrics.frames_in
    virtual_loop().sleep_machine(3600)
    await stage.pass_time(16)
    assert stage.server.parts.metrics.frames_in == before + 1
    await stage.pass_time(44)
    assert (alice.status, alice.ears.statuses) == (CONNECTED, [])


@spec("T3")
async def test_dead_connection_is_detected_within_eighteen_seconds(stage: Stage):
    alice = await stage.enter("alice")
    begin = stage.now
    stage.network.swallowing = True
    await alice.ears.until(lambda: alice.ears.statuses[-1] is DISCONNECTED)
    assert stage.now - begin <= 18.0
    assert "heartbeat_timeout" in [t.cause for t in alice.chat.connection.history]
    stage.network.restore()


@spec("T3")
async def test_incoming_frames_replace_heartbeats(stage: Stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    before = stage.server.parts.metrics.frames_in
    for n in range(20):
        await stage.pass_time(5)
        await alice.say("bob", str(n))
    # Alice receives nothing (sends go over HTTP) and pings at each interval; Bob receives, and pings at every second one.
    assert stage.server.parts.metrics.frames_in - before <= 100 / 15 + 1 + 100 / 30
    assert bob.status is CONNECTED


@spec("T3")
async def test_heartbeat_interval_of_the_server_is_used(stage: Stage):
    authenticator = stage.server.parts.gateway._authenticator
    authenticator._settings = replace(authenticator._settings, heartbeat_interval=5.0)
    alice = await stage.enter("alice")
    before = stage.server.parts.metrics.frames_in
    await stage.pass_time(51)
    assert stage.server.parts.metrics.frames_in - before in (9, 10)
    assert alice.status is CONNECTED


@spec("T4")
async def test_retry_delays_grow_during_an_outage(stage: Stage):
    alice = await stage.enter("alice")
    begin = stage.now
    stage.network.cut()
    await stage.pass_time(1200)
    attempts = [t.at - begin for t in alice.chat.connection.history if t.status is CONNECTING and t.at > begin]
    pairs = list(itertools.pairwise(attempts))
    assert all(b - a <= 4.1 for a, b in pairs if a < 29)
    assert all(4.9 <= b - a <= 20.1 for a, b in pairs if 31 < a < 299)
    assert all(14.9 <= b - a <= 60.1 for a, b in pairs if a > 301)
    assert attempts[-1] > 1100  # it retries without limit


@spec("T4", "S24")
async def test_number_of_attempts_can_be_limited(stage: Stage):
    alice = await stage.enter("alice", attempts=3)
    await stage.pass_time(600)  # the loss of a stable connection does not count as a failure
    before = alice.ears.statuses.count(CONNECTING)
    stage.network.cut()
    await stage.pass_time(3600)
    assert len(alice.ears.all("error")) <= 4
    assert alice.ears.statuses.count(CONNECTING) - before == 3
    stage.network.restore()
    await stage.pass_time(3600)
    assert alice.status is DISCONNECTED
    await alice.chat.connect()
    assert alice.status is CONNECTED


@spec("T5")
async def test_clients_reconnect_spread_over_a_second_after_a_close(stage: Stage):
    bobs = [await stage.enter("bob") for _ in range(20)]
    await stage.pass_time(60)
    begin = stage.now
    stage.network.drop()
    for bob in bobs:
        await bob.wait_connected()
    back = [b.chat.connection.history[-2].at - begin for b in bobs]
    assert max(back) <= 1.1
    assert max(back) - min(back) > 0.3


@spec("T6")
async def test_restart_window_is_respected_and_shown(stage: Stage):
    bobs = [await stage.enter("bob") for _ in range(10)]
    await stage.pass_time(60)
    await stage.server.stop()
    lost = [next(t for t in b.chat.connection.history if t.trigger == "SocketLost") for b in bobs]
    assert {t.cause for t in lost} == {"server_restarting"}
    assert any("as the server asked" in b.chat.connection.explain() for b in bobs)
    await stage.server.start()
    for bob in bobs:
        await bob.wait_connected()
    begin = lost[0].at
    first = [next(t.at for t in b.chat.connection.history if t.at > begin and t.status is CONNECTING) for b in bobs]
    assert max(first) - min(first) > 0.5  # spread over the two seconds of the restart window


@spec("T7")
async def test_attempt_times_out_after_ten_seconds(stage: Stage):
    alice = await stage.enter("alice", auto=False)
    stage.network.swallowing = True
    begin = stage.now
    with pytest.raises(Exception, match="WS_CONNECTION_FAIL"):
        await alice.chat.connect()
    assert 9.9 < stage.now - begin < 10.1
    stage.network.restore()
    await alice.wait_connected()


@spec("I7", "T1")
async def test_socket_closed_after_a_sleep_beyond_the_window_delivers_no_later_message(stage: Stage):
    alice, bob = await stage.enter("alice", auto=False), await stage.enter("bob")
    await alice.chat.connect()
    alice.chat.set_app_state("background")
    pinging = asyncio.create_task(alice.chat.ping())
    await stage.pass_time(0.006)  # the ping has arrived, and its answer is on the way back
    virtual_loop().sleep_machine(3600)
    await bob.say("alice", "too late for this socket")
    await stage.pass_time(1)
    assert isinstance((await asyncio.gather(pinging, return_exceptions=True))[0], CometChatException)
    inputs = [i["input"] for i in alice.chat._parts.driver.history.dump()["inputs"]]
    assert "PongReceived" in inputs  # the answer revealed that the window had ended
    assert "SocketLost" not in inputs
    assert (alice.status, alice.ears.texts) == (DISCONNECTED, [])
    await alice.chat.connect()
    await alice.ears.until(lambda: alice.ears.texts == ["too late for this socket"])


@spec("T5", "T6")
async def test_slow_server_restart_spreads_early_clients(stage: Stage):
    """A client that retries before the server is back tries again in the rest of the restart window."""
    stage.server._settings = replace(stage.server._settings, restart_window=20.0)
    await stage.server.stop()
    await stage.server.start()
    bobs = [await stage.enter("bob") for _ in range(60)]
    await stage.pass_time(60)
    begin = stage.now
    await stage.server.stop()
    await stage.pass_time(6)
    await stage.server.start()
    for bob in bobs:
        await bob.wait_connected()
    attempts = [
        t.at - begin for b in bobs for t in b.chat.connection.history if t.at > begin and t.status is CONNECTING
    ]
    assert len([at for at in attempts if at < 6]) > 10  # they retried while the server was still down
    assert max(Counter(int(at) for at in attempts).values()) <= 12
    assert max(attempts) <= 20.5
