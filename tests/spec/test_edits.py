"""Many edits of a message occupy one place in history, and do not count towards the catch-up limit."""

from __future__ import annotations

import pytest

from harness import DISCONNECTED, Stage
from rest import Rest
from tailwire import Action, Group, MemorySessionStore, TextMessage


@pytest.mark.spec("K1", "K2")
async def test_many_edits_of_a_message_take_one_place_in_catch_up_and_history(stage: Stage):
    store = MemorySessionStore()
    bob = await stage.enter("bob", store=store, limit=5)
    alice = await stage.enter("alice", auto=False)
    await bob.chat.aclose()
    answer = await alice.say("bob", "…")
    for n in range(60):
        await alice.chat.edit_message(TextMessage(receiver="bob", id=answer.id, text=f"token {n}"))
    await alice.say("bob", "important")
    again = stage.actor(store=store, limit=5)
    again.listen()
    await again.chat.init()
    await again.ears.until(lambda: again.ears.texts[-1:] == ["important"], timeout=60)
    assert again.ears.texts == ["token 59", "important"]
    assert [m.text for m in again.ears.all("edited")] == ["token 59"]
    assert again.ears.all("gap") == []
    listed = [m async for m in again.chat.messages(uid="alice")]
    assert [m.category for m in listed] == ["message", "action", "message"]
    without = [m.text async for m in again.chat.messages(uid="alice", actions=False)]
    assert without == ["important", "token 59"]


@pytest.mark.spec("K1", "K2")
async def test_edits_of_many_messages_do_not_count_towards_the_limit(stage: Stage):
    store = MemorySessionStore()
    alice = await stage.enter("alice", auto=False)
    bob = await stage.enter("bob", store=store, limit=5)
    sent = [await alice.say("bob", str(n)) for n in range(30)]
    await bob.ears.until(lambda: len(bob.ears.texts) == 30)
    await bob.chat.aclose()
    for message in sent:
        await alice.chat.edit_message(TextMessage(receiver="bob", id=message.id, text=f"{message.text}!"))
    for n in range(4):
        await alice.say("bob", f"new {n}")
    again = stage.actor(store=store, limit=5)
    again.listen()
    await again.chat.init()
    await again.ears.until(lambda: len(again.ears.texts) == 4, timeout=60)
    assert [m.text for m in again.ears.all("edited")] == [f"{n}!" for n in range(30)]
    assert again.ears.all("gap") == []


@pytest.mark.spec("K2")
async def test_connected_clients_receive_each_edit(stage: Stage):
    alice, bob = await stage.enter("alice", auto=False), await stage.enter("bob")
    message = await alice.say("bob", "…")
    for n in range(20):
        await alice.chat.edit_message(TextMessage(receiver="bob", id=message.id, text=str(n)))
    await bob.ears.until(lambda: len(bob.ears.all("edited")) == 20)
    assert [m.text for m in bob.ears.all("edited")] == [str(n) for n in range(20)]


@pytest.mark.spec("K2")
async def test_history_contains_no_edits_of_a_deleted_message(stage: Stage):
    alice, bob = await stage.enter("alice", auto=False), await stage.enter("bob")
    message = await alice.say("bob", "…")
    await alice.chat.edit_message(TextMessage(receiver="bob", id=message.id, text="edited"))
    await alice.chat.delete_message(message.id)
    await bob.ears.until(lambda: len(bob.ears.all("deleted")) == 1)
    kinds = [m.raw["data"]["action"] async for m in bob.chat.messages(uid="alice") if m.category == "action"]
    assert kinds == ["deleted"]  # the action message contained the text, so it was removed with the message


async def count_stored(stage: Stage, word: bytes) -> int:
    """Return the number of stored messages that contain a word."""
    rows = await stage.server.parts.store.database.rows("SELECT body FROM messages", ())
    return sum(word in row[0] for row in rows)


@pytest.mark.parametrize("how", ["deleted", "removed for good", "their user removed"])
async def test_action_message_of_an_edit_is_removed_with_the_message(stage: Stage, how: str):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    async with Rest(stage) as rest:
        await rest("POST", "/groups", as_="bob", json={"guid": "g", "name": "G", "type": "public"})
        await alice.chat.join_group("g")
        sent = await alice.say("g", "before", "group")
        # The owner of the group edits alice's message: bob is the sender of the action message.
        await bob.chat.edit_message(TextMessage(receiver="g", receiver_type="group", id=sent.id, text="Xylophone"))
        action = (await bob.chat.messages(guid="g").__anext__()).id
        await rest("POST", f"/messages/{action}/thread/subscription", as_="bob")
        assert await count_stored(stage, b"Xylophone") == 2
        if how == "deleted":
            await alice.chat.delete_message(sent.id)
        elif how == "removed for good":
            await rest("DELETE", f"/messages/{sent.id}", json={"permanent": True})
        else:
            await rest("DELETE", "/users/alice", json={"permanent": True})
        assert await count_stored(stage, b"Xylophone") == 0
        left = await stage.server.parts.store.database.rows(
            "SELECT 1 FROM subscriptions WHERE message_id = ?", (action,)
        )
        assert left == []


@pytest.mark.spec("K2")
async def test_both_users_learn_what_the_app_edits_and_deletes_in_their_conversation(stage: Stage):
    """Also the author of the message, who is neither the sender nor the receiver of the action message."""
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    edited, deleted = [(await bob.say("alice", text)).id for text in ("one", "two")]
    async with Rest(stage) as rest:
        await rest("PUT", f"/messages/{edited}", json={"data": {"text": "corrected"}})
        await rest("DELETE", f"/messages/{deleted}")
        for actor in (alice, bob):
            await actor.ears.until(lambda: len(actor.ears.all("deleted")) == 1)  # noqa: B023 - awaited at once
            assert [m.text for m in actor.ears.all("edited")] == ["corrected"]

        bob.chat.set_app_state("background")
        await bob.ears.until(lambda: bob.status is DISCONNECTED)
        await rest("PUT", f"/messages/{edited}", json={"data": {"text": "corrected again"}})
        bob.chat.set_app_state("foreground")
        await bob.ears.until(lambda: len(bob.ears.all("edited")) == 2)
        await stage.pass_time(5)
    for actor in (alice, bob):
        assert [m.text for m in actor.ears.all("edited")] == ["corrected", "corrected again"]
        assert len(actor.ears.all("deleted")) == 1


@pytest.mark.spec("K2")
@pytest.mark.parametrize(("me", "other"), [("alice", "bob"), ("bob", "alice")])
async def test_calls_take_the_other_user_from_the_message_that_reports_an_edit_by_the_app(
    stage: Stage, me: str, other: str
):
    """For the author of the message as well as for the other user."""
    actors = {uid: await stage.enter(uid) for uid in ("alice", "bob")}
    mine, chat = actors[me], actors[me].chat
    live = await chat.live_conversations()
    sent = await actors["bob"].say("alice", "typo")
    async with Rest(stage) as rest:
        await rest("PUT", f"/messages/{sent.id}", json={"data": {"text": "corrected"}})
    await mine.ears.until(lambda: len(mine.ears.all("edited")) == 1)
    action = await anext(chat.messages(uid=other))
    assert (type(action), action.sender.uid) == (Action, "app_system")
    assert chat.get_conversation_from_message(action).conversation_with.uid == other
    assert (await chat.mark_message_as_unread(action)).conversation_with.uid == other
    await chat.mark_as_read(action)
    assert [(i.key, i.conversation.unread_message_count) for i in live.items] == [(f"user/{other}", 0)]
    await actors[other].ears.until(lambda: len(actors[other].ears.all("read")) == 1)


async def test_conversation_is_found_from_the_message_that_reports_an_edit_in_a_group(stage: Stage):
    alice = await stage.enter("alice")
    await alice.chat.create_group(Group("club", "Club", "public"))
    sent = await alice.say("club", "typo", receiver_type="group")
    await alice.chat.edit_message(TextMessage(receiver="club", receiver_type="group", id=sent.id, text="corrected"))
    action = await anext(alice.chat.messages(guid="club"))
    assert isinstance(action, Action)
    assert alice.chat.get_conversation_from_message(action).conversation_with.guid == "club"


@pytest.mark.parametrize("action", ["delivered", "read"])
async def test_author_gets_the_receipt_for_a_conversation_that_ends_with_an_edit_by_the_app(stage: Stage, action: str):
    await stage.enter("alice", auto=False)
    bob = await stage.enter("bob")
    async with Rest(stage) as rest:
        sent = (await bob.say("alice", "typo")).id
        await rest("PUT", f"/messages/{sent}", json={"data": {"text": "corrected"}})
        await rest("POST", f"/users/bob/conversation/{action}", as_="alice")
        await bob.ears.until(lambda: len(bob.ears.all(action)) == 1)

        bob.chat.set_app_state("background")
        await bob.ears.until(lambda: bob.status is DISCONNECTED)
        await rest("DELETE", f"/messages/{sent}")
        await rest("POST", f"/users/bob/conversation/{action}", as_="alice")
        bob.chat.set_app_state("foreground")
        await bob.ears.until(lambda: len(bob.ears.all(action)) == 2)
    first, second = bob.ears.all(action)
    assert sent < first.message_id < second.message_id
    assert {(one.sender.uid, one.receiver_id, one.receiver_type) for one in (first, second)} == {
        ("alice", "bob", "user")
    }
