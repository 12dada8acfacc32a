"""An overloaded server: low-priority frames are shed, clients are notified, and no message is lost."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest

from harness import CONNECTED, Actor, Stage
from rest import Rest
from tailwire import CometChatException, ConnectionStatus
from tailwire.server.fanout.overload import TICK_SECONDS
from tailwire.testing.virtual.world import virtual_loop

THROTTLED = ConnectionStatus.FEATURE_THROTTLED


async def delay_the_server(stage: Stage, by: float, ticks: int = 30) -> None:
    """Make the server's loop late: its clock advances faster than its ticks connect_user."""
    overload = stage.server.parts.overload
    for _ in range(ticks):
        now = (overload._ticked_at or 0.0) + TICK_SECONDS + by
        overload._clock = lambda now=now: now
        overload.tick()
    await stage.pass_time(0.1)


@pytest.mark.spec("S21", "S22")
async def test_overload_is_reported_from_start_to_end(stage: Stage):
    alice = await stage.enter("alice")
    await delay_the_server(stage, 0.35)
    assert alice.status is THROTTLED
    assert alice.ears.statuses[-2:] == [CONNECTED, THROTTLED]
    assert "featureThrottled" in alice.chat.connection.explain()
    bob = stage.actor()
    await bob.chat.init()
    bob.listen()
    stage.server.parts.overload.level = type(stage.server.parts.overload.level)(2)  # new sockets are admitted again
    await bob.chat.login("bob", auth_key=stage.server.auth_key)
    await bob.ears.until(lambda: THROTTLED in bob.ears.statuses)  # later clients are notified, too
    await delay_the_server(stage, 0.0)
    assert (alice.status, bob.status) == (CONNECTED, CONNECTED)
    assert alice.ears.statuses[-1] is CONNECTED


async def test_overload_sheds_typing_then_presence_then_receipts_but_no_messages(stage: Stage):
    alice, bob = await stage.enter("alice", presence=True), await stage.enter("bob")
    message = await bob.say("alice", "hello")

    async def connect_user(uid: str) -> Actor:
        actor = await stage.enter(uid, auto=False)
        await actor.chat.connect()
        return actor

    async def kinds_that_pass() -> list[str]:
        alice.ears.heard.clear()
        bob.ears.heard.clear()
        await bob.chat.start_typing("alice")
        carol = await connect_user("carol") if stage.server.parts.overload.level < 3 else None
        message.sender = bob.chat.get_logged_in_user()
        refused: list[str] = []
        try:
            await alice.chat.mark_as_read(message)
        except CometChatException as error:
            refused.append(error.code)
        assert refused == ["RECEIPTS_TEMPORARILY_BLOCKED"] * (stage.server.parts.overload.level >= 3)
        await bob.say("alice", "still")
        await stage.pass_time(1)
        if carol is not None:
            await carol.chat.logout()
            await carol.chat.aclose()
        found = [name for name in ("typing", "online", "text") if alice.ears.all(name)]
        return found + [name for name in ("read",) if bob.ears.all(name)]

    assert await kinds_that_pass() == ["typing", "online", "text", "read"]
    await delay_the_server(stage, 0.15)
    message = await bob.say("alice", "again")
    assert await kinds_that_pass() == ["online", "text", "read"]
    await delay_the_server(stage, 0.25)
    message = await bob.say("alice", "again")
    assert await kinds_that_pass() == ["text", "read"]
    await delay_the_server(stage, 0.35)
    message = await bob.say("alice", "again")
    assert await kinds_that_pass() == ["text"]
    assert set(stage.server.parts.metrics.shed) == {"typing", "presence"}  # the receipt was not even sent
    async with Rest(stage) as rest:
        assert "tailwire_overload_level 3.0" in (await rest.answer("GET", "/metrics")).text
        answer = await rest.answer("POST", "/users/alice/conversation/read", behalf="bob")
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "RECEIPTS_TEMPORARILY_BLOCKED")
        assert 1 <= int(answer.headers["retry-after"]) <= 5
    assert stage.server.parts.metrics.shed["receipts"] == 1


async def test_skipped_presence_changes_are_published_after_the_load(stage: Stage):
    alice = await stage.enter("alice", presence=True)
    bob = await stage.enter("bob")
    await alice.ears.until(lambda: "bob" in alice.ears.all("online"))
    await delay_the_server(stage, 0.25)
    carol = await stage.enter("carol", auto=False)
    await carol.chat.connect()
    await bob.chat.logout()
    await stage.pass_time(30)
    assert alice.ears.all("offline") == []
    assert "carol" not in alice.ears.all("online")
    await delay_the_server(stage, 0.0)
    assert alice.ears.all("offline") == ["bob"]
    assert alice.ears.all("online")[-1] == "carol"
    assert carol.status is CONNECTED


async def test_new_sockets_are_refused_under_load_and_retry(stage: Stage):
    alice = await stage.enter("alice", auto=False)
    await delay_the_server(stage, 0.35)
    with pytest.raises(CometChatException) as caught:
        await alice.chat.connect()
    assert caught.value.code == "WS_CONNECTION_FAIL"
    assert "as the server asked" in alice.chat.connection.explain()
    await delay_the_server(stage, 0.0)
    await alice.wait_connected()


@pytest.mark.spec("K3")
@pytest.mark.sqlite  # whose work can be made slow on virtual time
async def test_sends_refused_under_load_are_sent_later(stage: Stage):
    overload = stage.server.parts.overload
    overload._most_sends = overload._allowed = 2
    virtual_loop().executor_seconds = lambda: 0.05  # the store is slow, so that sends overlap
    actors = [await stage.enter(uid) for uid in ("alice", "bob", "carol")]
    sends = [p.say(to, f"{n}") for n in range(4) for p, to in zip(actors, ("bob", "carol", "alice"), strict=True)]
    sent = await asyncio.gather(*sends)
    assert stage.server.parts.metrics.sends_refused >= 1
    assert stage.server.parts.metrics.requests[429] == stage.server.parts.metrics.sends_refused
    assert len({message.id for message in sent}) == 12
    for person in actors:
        await person.ears.until(lambda person=person: len(person.ears.texts) == 4)
        assert person.ears.texts == ["0", "1", "2", "3"]


async def test_client_without_the_feature_is_not_notified_of_the_load(stage: Stage):
    alice = await stage.enter("alice")
    (socket,) = stage.server.parts.gateway._sockets
    bob = await stage.enter("bob")
    written: list[bytes] = []
    socket.write = written.append
    socket.features = frozenset()
    await delay_the_server(stage, 0.5)
    await delay_the_server(stage, 0.0)
    assert "featureThrottled" in bob.ears.statuses
    assert written == []
    assert alice.status is CONNECTED


async def test_suppressed_presence_is_not_published_after_the_load(stage: Stage):
    stage.server._settings = dataclasses.replace(stage.server._settings, max_presence_users=0)
    await stage.server.stop()
    await stage.server.start()
    alice = await stage.enter("alice", presence=True)
    await delay_the_server(stage, 0.25)
    bob = await stage.enter("bob", auto=False)
    await bob.chat.connect()
    await delay_the_server(stage, 0.0)
    assert alice.ears.all("online") == []
