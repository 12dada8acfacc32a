"""Messages arrive by polling where a proxy refuses WebSockets (T8)."""

from __future__ import annotations

from contextlib import contextmanager

import pytest

from harness import CONNECTED, Actor, Stage
from tailwire.sdk.connection.causes import Cause
from tailwire.testing.virtual.middleboxes import refusing_proxy
from tailwire.testing.virtual.network import current_process

spec = pytest.mark.spec


@contextmanager
def behind_a_proxy(stage: Stage, status: int = 426):
    """Let connections that begin inside go through a proxy that refuses WebSockets."""
    stage.network.middleboxes["device"] = refusing_proxy(status)
    before = current_process.set("device")
    try:
        yield
    finally:
        current_process.reset(before)


async def log_in(stage: Stage, uid: str, **settings) -> Actor:
    """Log a user in, even if no socket can be opened."""
    actor = stage.actor(**settings)
    await actor.chat.init()
    actor.listen()
    await actor.chat.login(uid, auth_key=stage.server.auth_key)
    return actor


@spec("T8")
@pytest.mark.parametrize("status", [426, 403, 200])
async def test_polling_delivers_messages_and_reports_the_reason(stage: Stage, status: int):
    with behind_a_proxy(stage, status):
        bob = await log_in(stage, "bob")
    alice = await stage.enter("alice")
    for n in range(3):
        await alice.say("bob", str(n))
        await stage.pass_time(20)
    await bob.ears.until(lambda: bob.ears.texts == ["0", "1", "2"], timeout=31)
    assert CONNECTED not in bob.ears.statuses
    error = bob.ears.all("error")[-1]
    assert (error.code, error.cause) == ("WS_CONNECTION_FAIL", Cause.WEBSOCKET_REFUSED)
    assert f"HTTP {status}" in error.details
    assert "a proxy refuses WebSockets" in bob.chat.connection.explain()
    assert "read from history every 30 s" in bob.chat.connection.explain()


@spec("T8", "K1")
async def test_socket_takes_over_from_polling_without_duplicates(stage: Stage):
    with behind_a_proxy(stage):
        bob = await log_in(stage, "bob")
    alice = await stage.enter("alice")
    await alice.say("bob", "by history")
    await bob.ears.until(lambda: bob.ears.texts == ["by history"], timeout=61)
    await alice.say("bob", "between")
    stage.network.middleboxes.clear()
    await bob.chat.connect()
    await alice.say("bob", "by the socket")
    await stage.pass_time(120)
    assert bob.ears.texts == ["by history", "between", "by the socket"]
    assert bob.status is CONNECTED


@spec("T8")
async def test_polling_can_be_switched_off(stage: Stage):
    with behind_a_proxy(stage):
        bob = await log_in(stage, "bob", polls=False)
    alice = await stage.enter("alice")
    await alice.say("bob", "not without a socket")
    await stage.pass_time(300)
    assert bob.ears.texts == []
    assert "history" not in bob.chat.connection.explain()


@spec("T8")
async def test_polling_stops_in_the_background_and_continues_in_the_foreground(stage: Stage):
    with behind_a_proxy(stage):
        bob = await log_in(stage, "bob")
    alice = await stage.enter("alice")
    await stage.pass_time(60)
    bob.chat.set_app_state("background")
    await alice.say("bob", "unheard")
    await stage.pass_time(300)
    assert bob.ears.texts == []
    bob.chat.set_app_state("foreground")
    await bob.ears.until(lambda: bob.ears.texts == ["unheard"], timeout=61)


@spec("T8")
async def test_polling_stops_after_disconnect(stage: Stage):
    with behind_a_proxy(stage):
        bob = await log_in(stage, "bob")
    alice = await stage.enter("alice")
    await alice.say("bob", "heard")
    await bob.ears.until(lambda: bob.ears.texts == ["heard"], timeout=61)
    await bob.chat.disconnect()
    await alice.say("bob", "unheard")
    await stage.pass_time(300)
    assert bob.ears.texts == ["heard"]


@spec("T8", "I6")
async def test_going_to_the_background_stops_reading_a_long_history(stage: Stage):
    with behind_a_proxy(stage):
        bob = await log_in(stage, "bob")
    alice = await stage.enter("alice")
    await stage.pass_time(35)
    for n in range(300):
        await alice.say("bob", f"{n} " + "x" * 200)
    stage.network.set_line("device", 2_000, 2_000, 5.0)
    await bob.ears.until(lambda: len(bob.ears.texts) > 0, timeout=120)
    bob.chat.set_app_state("background")
    await stage.pass_time(1)
    heard = len(bob.ears.texts)
    await stage.pass_time(300)
    assert heard == len(bob.ears.texts) < 300
    stage.network.restore()
