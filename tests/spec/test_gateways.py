"""A gateway answers in the server's place after the server has stored a message: the send is in doubt, never refused."""

from __future__ import annotations

import asyncio

import pytest

from harness import Stage
from tailwire import CometChatException, OutboxStatus, TextMessage
from tailwire.testing.virtual.middleboxes import GATEWAYS, gateway

IN_DOUBT = ("NO_INTERNET_CONNECTION", "ERR_UNAVAILABLE", "ERR_MISSION_FAILED")
"""The codes after which a message may be stored (docs/reliability.md)."""


async def stored_messages(stage: Stage) -> list[tuple[str, str]]:
    """Return the muid and the sender of each stored message."""
    rows = await stage.server.parts.store.database.rows("SELECT muid, sender FROM messages WHERE category = 'message'")
    return [tuple(row) for row in rows]


@pytest.mark.spec("K3")
@pytest.mark.parametrize("kind", GATEWAYS)
async def test_send_with_an_unknown_outcome_is_stored_once(stage: Stage, kind: str):
    alice = await stage.enter("alice", auto=False)
    stage.network.middleboxes[""] = gateway(kind)
    stage.network.drop()
    message = TextMessage(receiver="bob", text="hello", muid="m1")
    with pytest.raises(CometChatException) as caught:
        await alice.chat.send_message(message)
    assert caught.value.code in IN_DOUBT
    assert await stored_messages(stage) == [("m1", "alice")]  # the server stored it, whatever the client received
    stage.network.middleboxes.clear()
    stage.network.drop()
    again = await alice.chat.send_message(message)
    assert (again.muid, await stored_messages(stage)) == ("m1", [("m1", "alice")])


@pytest.mark.spec("K5")
@pytest.mark.parametrize("kind", ["408", "500 with a code", "nothing stored"])
async def test_queued_message_is_sent_once_after_a_gateway_error(stage: Stage, kind: str):
    alice, bob = await stage.enter("alice", auto=False, outbox=True), await stage.enter("bob")
    stage.network.middleboxes[""] = gateway(kind)
    stage.network.drop()
    entry = alice.chat.queue_message(TextMessage(receiver="bob", text="hello", muid="m1"))
    await stage.pass_time(30)
    assert entry.status is OutboxStatus.PENDING
    stage.network.middleboxes.clear()
    stage.network.drop()
    await asyncio.wait_for(entry.result(), 90)
    await bob.ears.until(lambda: bob.ears.texts == ["hello"])
    assert await stored_messages(stage) == [("m1", "alice")]


@pytest.mark.spec("K3")
async def test_single_gateway_error_is_hidden_by_a_retry(stage: Stage):
    alice, bob = await stage.enter("alice", auto=False), await stage.enter("bob")
    stage.network.middleboxes[""] = gateway("500")
    stage.network.drop()
    sending = asyncio.ensure_future(alice.say("bob", "hello"))
    await stage.pass_time(0.1)
    stage.network.middleboxes.clear()
    assert (await sending).text == "hello"
    await bob.ears.until(lambda: bob.ears.texts == ["hello"])
