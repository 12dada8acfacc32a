"""The server stores uids and guids in lower case; an app may write them in upper case in each call."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from harness import Stage
from tailwire import ChatClient, Group, MemorySessionStore, TextMessage
from tailwire.bot import Bot, Context
from tailwire.testing.virtual.world import VirtualSdkWorld


async def until(condition, seconds: float = 30.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.1)


async def test_login_continues_the_saved_session(stage: Stage):
    store = MemorySessionStore()
    phone = stage.actor(store=store)
    await phone.chat.init()
    await phone.chat.login("BOB", auth_key=stage.server.auth_key)
    await phone.chat.aclose()
    token = store.load(stage.server.app_id)["auth_token"]
    stage.network.cut()
    again = stage.actor(store=store)
    await again.chat.init()
    assert (await again.chat.login("Bob", auth_key=stage.server.auth_key)).uid == "bob"
    stage.network.restore()
    assert store.load(stage.server.app_id)["auth_token"] == token


async def test_live_messages_follow_a_conversation_and_a_group(stage: Stage):
    alice, bob = await stage.enter("alice", outbox=True), await stage.enter("bob")
    await alice.chat.create_group(Group("Club", "Club", "public"))
    await bob.chat.join_group("Club")
    with_bob, in_club = await alice.chat.live_messages(uid="Bob"), await alice.chat.live_messages(guid="CLUB")
    queued_for_bob = await alice.chat.live_messages(uid="bob")
    await bob.say("ALICE", "hi")
    await bob.say("Club", "all", receiver_type="group")
    await until(lambda: [i.message.text for i in with_bob.items] == ["hi"])
    await until(lambda: bool(in_club.items) and getattr(in_club.items[-1].message, "text", "") == "all")
    stage.network.cut()
    alice.chat.queue_message(TextMessage(receiver="Bob", text="queued"))
    for live in (with_bob, queued_for_bob):
        await until(lambda live=live: [(i.message.text, i.state) for i in live.items][-1] == ("queued", "pending"))
    stage.network.restore()
    await until(lambda: with_bob.items[-1].state == "sent", 120)
    await alice.chat.delete_group("CLUB")
    assert not in_club.items
    await alice.chat.delete_conversation("BOB")
    assert not with_bob.items


async def test_live_conversations_show_what_the_user_changed(stage: Stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    await alice.chat.create_group(Group("club", "Club", "public"))
    await bob.chat.join_group("club")
    await bob.say("alice", "hi")
    await bob.say("club", "all", receiver_type="group")
    live = await alice.chat.live_conversations()
    assert [i.key for i in live.items] == ["group/club", "user/bob"]
    await alice.chat.transfer_group_ownership("CLUB", "Bob")
    await until(lambda: live.items[0].conversation.conversation_with.owner == "bob")
    await alice.chat.delete_conversation("BOB")
    assert [i.key for i in live.items] == ["group/club"]
    await bob.chat.delete_group("Club")
    await until(lambda: not live.items)


async def test_counts_have_the_ids_that_the_app_gave(stage: Stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    await alice.chat.create_group(Group("club", "Club", "public"))
    await bob.chat.join_group("club")
    await bob.say("alice", "hi")
    await bob.say("club", "all", receiver_type="group")
    assert await alice.chat.get_unread_message_count_for_user("Bob") == {"Bob": 1}
    assert (await alice.chat.get_unread_message_count_for_group("CLUB"))["CLUB"] > 0
    assert await alice.chat.get_online_group_member_count(["Club"]) == {"Club": 2}


async def test_messages_to_one_user_are_sent_one_after_the_other(stage: Stage):
    alice = await stage.enter("alice")
    requests, running, most = alice.chat._parts.requests, 0, 0
    real_ask = requests.ask

    async def ask(*arguments, **more):
        nonlocal running, most
        running += 1
        most = max(most, running)
        try:
            return await real_ask(*arguments, **more)
        finally:
            running -= 1

    requests.ask = ask
    await asyncio.gather(*(alice.say(uid, "hi") for uid in ("Bob", "bob", "BOB")))
    assert most == 1


async def test_bot_serves_its_user_and_group(stage: Stage):
    bob, store, heard = await stage.enter("bob"), MemorySessionStore(), []
    bot = Bot(stage.server.app_id, stage.settings(), uid="Carol", auth_key=stage.server.auth_key)
    assert bot.uid == "carol"

    @bot.on_message(group="Club", mentioned=True)
    async def on_mention(ctx: Context) -> None:
        heard.append((ctx.text, ctx.message.mentions("CAROL")))
        await ctx.reply("I am here")

    @bot.on_message
    async def on_rest(ctx: Context) -> None:
        heard.append((ctx.text, False))

    await bob.chat.create_group(Group("club", "Club", "public"))
    chat = ChatClient(stage.server.app_id, stage.settings(), session_store=store, world=VirtualSdkWorld(77))
    serving = asyncio.create_task(bot._serve(chat, bot._auth_key))
    await until(lambda: store.load(stage.server.app_id) is not None)
    await chat.join_group("CLUB")
    await bob.say("club", "<@uid:carol> are you there?", receiver_type="group")
    await bob.ears.until(lambda: bob.ears.texts == ["I am here"])
    await stage.pass_time(5)
    assert heard == [("<@uid:carol> are you there?", True)]
    serving.cancel()
    with suppress(asyncio.CancelledError):
        await serving
