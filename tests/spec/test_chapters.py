"""The chapters of the documented surface, each method once: client and server together on virtual time."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from harness import Stage
from rest import Rest
from tailwire import (
    AppSettingsBuilder,
    Attachment,
    BannedGroupMembersRequestBuilder,
    BlockedUsersRequestBuilder,
    CometChatException,
    CometChatHelper,
    ConversationPinned,
    ConversationsRequestBuilder,
    CustomMessage,
    FlagDetail,
    Group,
    GroupMember,
    GroupMembersRequestBuilder,
    GroupsRequestBuilder,
    InteractiveMessage,
    MediaMessage,
    MessagesRequestBuilder,
    ModerationStatus,
    Reaction,
    ReactionCount,
    ReactionsRequestBuilder,
    TextMessage,
    TransientMessage,
    UploadAttachment,
    UploadFile,
    UploadFileListener,
    User,
    UsersRequestBuilder,
)
from tailwire.testing.virtual.world import PORT


async def assert_refused(code, call):
    """Assert that a call is refused with a code."""
    with pytest.raises(CometChatException) as caught:
        await call
    assert caught.value.code == code, caught.value


async def test_reaction_is_added_to_the_message_and_received_by_the_other_user(stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    sent = await alice.say("bob", "nice")
    reacted = await bob.chat.add_reaction(sent.id, "😀")
    assert [(r.reaction, r.count, r.reacted_by_me) for r in reacted.reactions] == [("😀", 1, True)]
    await alice.ears.until(lambda: bool(alice.ears.all("reaction")))
    ((added, event),) = alice.ears.all("reaction")
    assert (added, event.reaction.reaction, event.reaction.uid) == (True, "😀", "bob")
    assert (event.reaction.message_id, event.receiver_id, event.conversation_id) == (sent.id, "alice", "alice_user_bob")
    seen = (await alice.chat.get_message(sent.id)).reactions
    assert [(r.reaction, r.count, r.reacted_by_me) for r in seen] == [("😀", 1, False)]


async def test_reactions_of_a_message_are_listed_in_order_and_by_emoji(stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    sent = await alice.say("bob", "nice")
    await bob.chat.add_reaction(sent.id, "😀")
    await alice.chat.add_reaction(sent.id, "👍/👎")
    request = ReactionsRequestBuilder().set_message_id(sent.id).set_limit(1).build(alice.chat)
    assert [[r.uid for r in await request.fetch_next()] for _ in range(3)] == [["bob"], ["alice"], []]
    thumbs = ReactionsRequestBuilder().set_message_id(sent.id).set_reaction("👍/👎").build(alice.chat)
    assert [r.uid for r in await thumbs.fetch_next()] == ["alice"]


async def test_removal_of_a_reaction_is_received_by_the_other_user(stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    sent = await alice.say("bob", "nice")
    await bob.chat.add_reaction(sent.id, "😀")
    assert (await bob.chat.remove_reaction(sent.id, "😀")).reactions == []
    await alice.ears.until(lambda: len(alice.ears.all("reaction")) == 2)
    added, event = alice.ears.all("reaction")[1]
    assert (added, event.reaction.reaction, event.reaction.uid) == (False, "😀", "bob")


async def test_device_that_reacts_does_not_receive_its_own_reaction(stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    sent = await alice.say("bob", "nice")
    await bob.chat.add_reaction(sent.id, "😀")
    await bob.chat.remove_reaction(sent.id, "😀")
    await alice.ears.until(lambda: len(alice.ears.all("reaction")) == 2)
    await stage.pass_time(1)
    assert bob.ears.all("reaction") == []


async def test_reaction_that_is_too_long_or_to_an_unknown_message_is_refused(stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    sent = await alice.say("bob", "nice")
    await assert_refused("ERR_MESSAGE_ID_NOT_FOUND", bob.chat.add_reaction(999, "x"))
    await assert_refused("ERR_BAD_REQUEST", bob.chat.add_reaction(sent.id, "x" * 101))


async def test_reaction_helper_updates_messages_kept_by_the_app(stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    kept = await alice.say("bob", "nice")
    count = CometChatHelper.update_message_with_reaction_info
    for change, action in ((bob.chat.add_reaction, "REACTION_ADDED"), (bob.chat.remove_reaction, "REACTION_REMOVED")):
        alice.ears.heard.clear()
        await change(kept.id, "😀")
        await alice.ears.until(lambda: bool(alice.ears.all("reaction")))
        count(kept, alice.ears.all("reaction")[0][1].reaction, action)
        assert kept.reactions == (await alice.chat.get_message(kept.id)).reactions
        if action == "REACTION_ADDED":
            mine = Reaction(0, kept.id, "😀", "alice")
            assert count(kept, mine, action, by_me=True).reactions == [ReactionCount("😀", 2, True)]
            assert count(kept, mine, "REACTION_REMOVED", by_me=True).reactions == [ReactionCount("😀", 1, False)]
    other = Reaction(0, kept.id + 1, "😀", "bob")
    assert count(kept, other, "REACTION_ADDED").reactions == []
    assert count(kept, Reaction(0, kept.id, "x", "bob"), "NOTHING").reactions == []


async def test_replies_belong_to_the_thread_of_their_parent(stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    parent = await alice.say("bob", "parent")
    reply = await bob.say("alice", "reply", parent_message_id=parent.id)
    assert reply.parent_message_id == parent.id
    assert (await alice.chat.get_message(parent.id)).reply_count == 1
    thread = MessagesRequestBuilder().set_parent_message_id(parent.id).build(alice.chat)
    assert [m.text for m in await thread.fetch_previous()] == ["reply"]
    plain = MessagesRequestBuilder().set_uid("bob").hide_replies().build(alice.chat)
    assert [m.text for m in await plain.fetch_previous()] == ["parent"]


async def test_reply_to_a_reply_or_to_a_message_of_another_conversation_is_refused(stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    parent = await alice.say("bob", "parent")
    reply = await bob.say("alice", "reply", parent_message_id=parent.id)
    await assert_refused("ERR_MESSAGE_THREAD_NESTING", bob.say("alice", "deeper", parent_message_id=reply.id))
    await assert_refused("ERR_MESSAGE_ID_NOT_FOUND", bob.say("carol", "elsewhere", parent_message_id=999))
    await assert_refused("ERR_WRONG_MESSAGE_THREAD", bob.say("carol", "elsewhere", parent_message_id=parent.id))


async def test_thread_is_listed_for_a_user_from_subscribe_to_unsubscribe(stage):
    alice = await stage.enter("alice")
    parent = await alice.say("bob", "parent")
    async with Rest(stage) as rest:
        assert await rest("GET", "/threads", as_="alice") == []
        assert "subscribed" in await alice.chat.subscribe_to_thread(parent.id)
        assert [thread["id"] for thread in await rest("GET", "/threads", as_="alice")] == [str(parent.id)]
        assert "unsubscribed" in await alice.chat.unsubscribe_from_thread(parent.id)
        assert await rest("GET", "/threads", as_="alice") == []


async def test_quote_contains_the_message_that_it_names(stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    parent = await alice.say("bob", "parent")
    quote = await bob.say("alice", "as you said", quoted_message_id=parent.id)
    assert (quote.quoted_message_id, quote.quoted_message.text) == (parent.id, "parent")
    await alice.ears.until(lambda: "as you said" in alice.ears.texts)
    assert alice.ears.all("text")[-1].quoted_message.text == "parent"
    without = MessagesRequestBuilder().set_uid("bob").hide_quoted_messages().build(alice.chat)
    assert [m.id for m in await without.fetch_previous()] == [parent.id]


async def test_message_names_the_users_who_are_mentioned_in_it(stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    await bob.say("alice", "hi")
    named = await bob.say("alice", "hi <@uid:alice> and <@uid:nobody>")
    assert [u.uid for u in named.mentioned_users] == ["alice"]
    assert named.mentions("alice")
    found = MessagesRequestBuilder().set_uid("bob").with_content(mentions=True).build(alice.chat)
    assert [m.id for m in await found.fetch_previous()] == [named.id]


async def enter_with_three_unread(stage):
    """Return alice, bob, and the three messages that bob has received from alice and not read."""
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    for n in range(3):
        await alice.say("bob", f"text {n}")
    await bob.ears.until(lambda: len(bob.ears.texts) == 3)
    return alice, bob, bob.ears.all("text")


async def test_unread_messages_are_counted_in_all_and_by_user_and_group(stage):
    _, bob, received = await enter_with_three_unread(stage)
    assert await bob.chat.get_unread_message_count() == {"user": {"alice": 3}, "group": {}}
    assert await bob.chat.get_unread_message_count_for_user("alice") == {"alice": 3}
    await bob.chat.mark_as_read(received[1])
    await stage.pass_time(1)
    assert await bob.chat.get_unread_message_count_for_all_users() == {"alice": 1}
    assert await bob.chat.get_unread_message_count_for_all_groups() == {}


async def test_conversation_is_marked_as_delivered_and_read_and_its_sender_receives_it(stage):
    alice, bob, received = await enter_with_three_unread(stage)
    conversation = await bob.chat.get_conversation("alice")
    await bob.chat.mark_conversation_as_delivered(conversation)
    assert "read" in await bob.chat.mark_conversation_as_read(conversation)
    await alice.ears.until(lambda: bool(alice.ears.all("read")))
    assert [receipt.message_id for receipt in alice.ears.all("read")] == [received[2].id]
    assert (await bob.chat.get_conversation("alice")).unread_message_count == 0


async def test_last_delivered_message_is_the_last_that_was_handed_over_to_the_app(stage):
    _, bob, received = await enter_with_three_unread(stage)
    await stage.pass_time(1)
    assert bob.chat.get_last_delivered_message_id() == received[2].id


async def test_message_marked_as_unread_and_all_later_ones_are_listed_as_unread(stage):
    _, bob, received = await enter_with_three_unread(stage)
    await bob.chat.mark_conversation_as_read(await bob.chat.get_conversation("alice"))
    assert (await bob.chat.mark_message_as_unread(received[1])).unread_message_count == 2
    unread = MessagesRequestBuilder().set_uid("alice").set_unread().build(bob.chat)
    assert [m.text for m in await unread.fetch_previous()] == ["text 1", "text 2"]


async def test_receipts_of_a_message_are_listed_with_their_times(stage):
    alice, bob, received = await enter_with_three_unread(stage)
    await bob.chat.mark_as_read(received[0])
    await alice.ears.until(lambda: bool(alice.ears.all("read")))
    (receipt,) = await alice.chat.get_message_receipts(received[0].id)
    assert (receipt.sender.uid, bool(receipt.delivered_at), bool(receipt.read_at)) == ("bob", True, True)


async def test_marking_a_message_as_read_or_unread_covers_the_conversation_and_its_threads(stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")

    async def unread() -> int:
        return (await bob.chat.get_conversation("alice")).unread_message_count

    root = await alice.say("bob", "root")
    for text, parent in (("reply 1", root.id), ("last", None), ("reply 2", root.id)):
        await alice.chat.send_message(TextMessage(receiver="bob", text=text, parent_message_id=parent))
    await bob.ears.until(lambda: len(bob.ears.texts) == 4)
    heard = {message.text: message for message in bob.ears.all("text")}
    assert await unread() == 4
    for text, left in (("last", 1), ("reply 2", 0), ("root", 0)):  # the mark does not go back
        await bob.chat.mark_as_read(heard[text])
        await alice.ears.until(lambda: bool(alice.ears.all("read")))
        await stage.pass_time(2)
        assert await unread() == left, text
    await bob.chat.mark_message_as_unread(heard["reply 1"])
    assert await unread() == 3
    await bob.chat.mark_conversation_as_read(await bob.chat.get_conversation("alice"))
    assert await unread() == 0


async def test_receipts_of_a_group_are_counted_and_reach_the_sender(stage):
    alice, bob, carol = [await stage.enter(uid) for uid in ("alice", "bob", "carol")]
    await alice.chat.create_group(Group("team", "Team"))
    await bob.chat.join_group("team")
    await carol.chat.join_group("team")
    sent = await alice.say("team", "to all", "group")
    for actor in (bob, carol):
        await actor.ears.until(lambda actor=actor: actor.ears.texts == ["to all"])
    assert await bob.chat.get_unread_message_count_for_group("team") == {"team": 1}
    await bob.chat.mark_as_read(bob.ears.all("text")[0])
    await alice.ears.until(lambda: bool(alice.ears.all("read")))
    await stage.pass_time(1)
    assert not alice.ears.all("read by all")
    await carol.chat.mark_as_delivered(carol.ears.all("text")[0])
    await alice.ears.until(lambda: bool(alice.ears.all("delivered to all")))
    await carol.chat.mark_as_read(carol.ears.all("text")[0])
    await alice.ears.until(lambda: bool(alice.ears.all("read by all")))
    assert alice.ears.all("read by all")[0].message_id == sent.id
    assert {r.sender.uid for r in await alice.chat.get_message_receipts(sent.id)} == {"bob", "carol"}
    stored = await alice.chat.get_message(sent.id)
    assert stored.delivered_at
    assert stored.read_at


async def test_late_members_do_not_delay_read_by_all(stage):
    alice, bob, carol = [await stage.enter(uid) for uid in ("alice", "bob", "carol")]
    await alice.chat.create_group(Group("team", "Team"))
    await bob.chat.join_group("team")
    sent = await alice.say("team", "before carol", "group")
    await bob.ears.until(lambda: bob.ears.texts == ["before carol"])
    await carol.chat.join_group("team")
    await bob.chat.mark_as_read(bob.ears.all("text")[0])
    await alice.ears.until(lambda: bool(alice.ears.all("read by all")))
    assert alice.ears.all("read by all")[0].message_id == sent.id


@pytest.mark.parametrize("how", ["leaves", "is kicked"])
async def test_message_that_only_a_member_who_leaves_had_not_read_is_read_by_all(stage, how):
    alice, bob, carol = [await stage.enter(uid) for uid in ("alice", "bob", "carol")]
    await alice.chat.create_group(Group("team", "Team"))
    await bob.chat.join_group("team")
    await carol.chat.join_group("team")
    sent = await alice.say("team", "to all", "group")
    await bob.ears.until(lambda: bob.ears.texts == ["to all"])
    await bob.chat.mark_as_read(bob.ears.all("text")[0])
    await alice.ears.until(lambda: bool(alice.ears.all("read")))
    await stage.pass_time(1)
    assert not alice.ears.all("read by all")
    await (carol.chat.leave_group("team") if how == "leaves" else alice.chat.kick_group_member("team", "carol"))
    await alice.ears.until(lambda: bool(alice.ears.all("read by all")))
    (receipt,) = alice.ears.all("read by all")
    assert (receipt.message_id, receipt.sender.uid) == (sent.id, "carol")
    assert (await alice.chat.get_message(sent.id)).read_at


async def test_message_that_only_a_deleted_user_had_not_read_is_read_by_all_when_it_is_loaded_again(stage):
    alice, bob, carol = [await stage.enter(uid) for uid in ("alice", "bob", "carol")]
    await alice.chat.create_group(Group("team", "Team"))
    await bob.chat.join_group("team")
    await carol.chat.join_group("team")
    sent = await alice.say("team", "to all", "group")
    await bob.ears.until(lambda: bob.ears.texts == ["to all"])
    await bob.chat.mark_as_read(bob.ears.all("text")[0])
    await alice.ears.until(lambda: bool(alice.ears.all("read")))
    assert not (await alice.chat.get_message(sent.id)).read_at
    async with Rest(stage) as rest:
        await rest("DELETE", "/users/carol")
    stored = await alice.chat.get_message(sent.id)
    assert stored.delivered_at
    assert stored.read_at
    await stage.pass_time(2)
    assert not alice.ears.all("read by all")


@pytest.mark.parametrize("how", ["deleted", "deactivated"])
@pytest.mark.parametrize("kind", ["user", "group"])
async def test_message_stays_read_when_a_user_who_had_read_it_is_deleted_or_deactivated(stage, kind, how):
    alice, bob, carol = [await stage.enter(uid) for uid in ("alice", "bob", "carol")]
    await alice.chat.create_group(Group("team", "Team"))
    for member in (bob, carol):
        await member.chat.join_group("team")
    sent = await alice.say("team" if kind == "group" else "bob", "hello", kind)
    for reader in (bob, carol) if kind == "group" else (bob,):
        await reader.ears.until(lambda reader=reader: reader.ears.texts == ["hello"])
        await reader.chat.mark_as_read(reader.ears.all("text")[0])
    await stage.pass_time(2)
    async with Rest(stage) as rest:
        if how == "deleted":
            await rest("DELETE", "/users/bob")
        else:
            await rest("DELETE", "/users", json={"uidsToDeactivate": ["bob"]})
    assert (await alice.chat.get_message(sent.id)).read_at
    remaining = ["carol"] if kind == "group" else []
    assert [receipt.sender.uid for receipt in await alice.chat.get_message_receipts(sent.id)] == remaining


async def test_sender_who_has_left_the_group_does_not_learn_what_all_others_have_read_later(stage):
    alice, bob, carol = [await stage.enter(uid) for uid in ("alice", "bob", "carol")]
    await alice.chat.create_user(User("dave", "Dave"), stage.server.auth_key)
    dave = await stage.enter("dave")
    await alice.chat.create_group(Group("team", "Team"))
    for member in (bob, carol, dave):
        await member.chat.join_group("team")
    await dave.say("team", "from dave", "group")
    sent = await alice.say("team", "from alice", "group")
    await bob.ears.until(lambda: bob.ears.texts == ["from dave", "from alice"])
    await bob.chat.mark_as_read(bob.ears.all("text")[1])
    await alice.chat.mark_as_read(alice.ears.all("text")[0])
    await dave.chat.leave_group("team")
    await carol.chat.leave_group("team")
    await alice.ears.until(lambda: bool(alice.ears.all("read by all")))
    await stage.pass_time(5)
    assert [receipt.message_id for receipt in alice.ears.all("read by all")] == [sent.id]
    assert not dave.ears.all("read by all")


async def enter_with_two_conversations(stage):
    """Return alice, bob and carol: bob has written to alice, and carol did so two seconds later."""
    alice, bob, carol = [await stage.enter(uid) for uid in ("alice", "bob", "carol")]
    await bob.say("alice", "from bob")
    await stage.pass_time(2)
    await carol.say("alice", "from carol")
    return alice, bob, carol


async def listed_uids(builder, chat):
    """Return the uids of the other users in the first page of a list of conversations, in order."""
    return [c.conversation_with.uid for c in await builder.build(chat).fetch_next()]


async def test_conversations_are_listed_in_pages_from_the_newest(stage):
    alice, _, _ = await enter_with_two_conversations(stage)
    request = ConversationsRequestBuilder().set_limit(1).build(alice.chat)
    pages = [await request.fetch_next() for _ in range(3)]
    assert [[c.conversation_with.uid for c in page] for page in pages] == [["carol"], ["bob"], []]
    assert (pages[0][0].last_message.text, pages[0][0].unread_message_count) == ("from carol", 1)


async def test_conversation_of_a_message_is_derived_from_the_message(stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    received = await bob.say("alice", "from bob")
    assert alice.chat.get_conversation_from_message(received).conversation_with.uid == "bob"
    assert bob.chat.get_conversation_from_message(received).conversation_with.uid == "alice"


async def test_tag_of_a_conversation_filters_the_list_and_is_shown_on_request(stage):
    alice, _, _ = await enter_with_two_conversations(stage)
    assert (await alice.chat.tag_conversation("bob", "user", ["vip"])).tags == ["vip"]
    assert await listed_uids(ConversationsRequestBuilder().set_tags(["vip"]), alice.chat) == ["bob"]
    for builder, tags in ((ConversationsRequestBuilder().with_tags(), ["vip"]), (ConversationsRequestBuilder(), [])):
        shown = {c.conversation_with.uid: c.tags for c in await builder.build(alice.chat).fetch_next()}
        assert shown == {"bob": tags, "carol": []}


async def test_pinned_conversation_comes_first_until_it_is_unpinned(stage):
    alice, _, _ = await enter_with_two_conversations(stage)
    assert (await alice.chat.pin_conversation("bob")).pinned_at
    assert await listed_uids(ConversationsRequestBuilder(), alice.chat) == ["bob", "carol"]
    assert not (await alice.chat.unpin_conversation("bob")).pinned_at
    assert await listed_uids(ConversationsRequestBuilder(), alice.chat) == ["carol", "bob"]


async def test_pinned_conversation_is_reported_to_the_other_devices_of_the_user(stage):
    alice, bob, phone = await stage.enter("alice"), await stage.enter("bob"), await stage.enter("alice")
    events = phone.chat.events()
    await bob.say("alice", "from bob")
    await alice.chat.pin_conversation("bob")
    event = await anext(e async for e in events if isinstance(e, ConversationPinned))
    assert (event.pinned, event.conversation.conversation_with.uid) == (True, "bob")


async def test_conversations_are_found_by_a_word_and_by_unread_messages(stage):
    alice, bob, _ = await enter_with_two_conversations(stage)
    assert await listed_uids(ConversationsRequestBuilder().set_search_keyword("car"), alice.chat) == ["carol"]
    await alice.ears.until(lambda: len(alice.ears.texts) == 2)
    await alice.chat.mark_as_read(alice.ears.all("text")[0])
    await bob.ears.until(lambda: bool(bob.ears.all("read")))
    unread = ConversationsRequestBuilder().set_unread().set_conversation_type("user")
    assert await listed_uids(unread, alice.chat) == ["carol"]


async def test_conversation_is_deleted_for_the_user_who_deletes_it(stage):
    alice, bob, _ = await enter_with_two_conversations(stage)
    assert "deleted" in await alice.chat.delete_conversation("bob")
    await assert_refused("ERR_CONVERSATION_NOT_ACCESSIBLE", alice.chat.get_conversation("bob"))
    assert await listed_uids(ConversationsRequestBuilder(), alice.chat) == ["carol"]
    assert (await bob.chat.get_conversation("alice")).last_message.text == "from bob"


async def test_deleted_conversation_returns_with_the_next_message_and_no_earlier_ones(stage):
    alice, bob, _ = await enter_with_two_conversations(stage)
    await alice.chat.delete_conversation("bob")
    await bob.say("alice", "again")
    assert await listed_uids(ConversationsRequestBuilder(), alice.chat) == ["bob", "carol"]
    assert [m.text async for m in alice.chat.messages(uid="bob")] == ["again"]


async def test_conversation_of_an_unknown_type_is_refused(stage):
    alice = await stage.enter("alice")
    await assert_refused("INVALID_CONVERSATION_TYPE", alice.chat.get_conversation("bob", "planet"))


async def test_conversations_are_filtered_by_the_tags_of_their_users_and_groups(stage):
    alice = await stage.enter("alice")
    async with Rest(stage) as rest:
        await rest.add_users("vera", tags=["vip"])
        await rest("POST", "/groups", json={"guid": "team", "name": "T", "type": "public", "tags": ["work", "x"]})
    await alice.chat.join_group("team")
    for uid in ("vera", "bob"):
        await alice.say(uid, "hi")
    await alice.say("team", "hi", "group")

    async def find_names(builder):
        listed = await builder.build(alice.chat).fetch_next()
        return {getattr(c.conversation_with, "uid", None) or c.conversation_with.guid: c for c in listed}

    assert set(await find_names(ConversationsRequestBuilder().set_user_tags(["vip"]))) == {"vera"}
    assert set(await find_names(ConversationsRequestBuilder().set_group_tags(["work"]))) == {"team"}
    tagged = await find_names(ConversationsRequestBuilder().with_user_and_group_tags())
    shown = {name: c.conversation_with.tags for name, c in tagged.items()}
    assert shown == {"vera": ["vip"], "bob": [], "team": ["work", "x"]}
    second = ConversationsRequestBuilder().set_limit(1).set_page(2).build(alice.chat)
    ((first,), (last,)) = await second.fetch_next(), await second.fetch_next()
    assert {first.conversation_with.uid, last.conversation_with.uid} == {"bob", "vera"}


async def test_user_changes_their_name_metadata_and_tags(stage):
    bob = await stage.enter("bob")
    changed = await bob.chat.update_current_user_details(User("bob", "Bobby", metadata={"k": 1}, tags=["t"]))
    assert (changed.name, changed.metadata, changed.tags) == ("Bobby", {"k": 1}, ["t"])


async def test_users_are_fetched_in_pages_and_iterated_from_the_next_page_of_the_request(stage):
    alice, names = await stage.enter("alice"), ["Alice", "Bob", "Carol"]
    request = UsersRequestBuilder().set_limit(2).build(alice.chat)
    assert [u.name for _ in range(3) for u in await request.fetch_next()] == names
    assert [u.name async for u in UsersRequestBuilder().set_limit(2).build(alice.chat)] == names
    begun = UsersRequestBuilder().set_limit(2).build(alice.chat)
    await begun.fetch_next()
    assert [u.name async for u in begun] == names[2:]


async def test_users_are_filtered_and_sorted(stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    await bob.chat.update_current_user_details(User("bob", "Bobby", tags=["t"]))
    async with Rest(stage) as rest:
        await rest("POST", "/users/alice/friends", json={"accepted": ["carol"]})
    for builder, uids in (
        (UsersRequestBuilder().set_search_keyword("bo"), ["bob"]),
        (UsersRequestBuilder().set_search_keyword("bobb").search_in(["uid"]), []),
        (UsersRequestBuilder().set_tags(["t"]).with_tags(), ["bob"]),
        (UsersRequestBuilder().set_uids(["carol"]), ["carol"]),
        (UsersRequestBuilder().set_user_status("offline"), ["carol"]),
        (UsersRequestBuilder().set_user_status("online"), ["alice", "bob"]),
        (UsersRequestBuilder().set_roles(["default"]).sort_by("name").sort_by_order("desc"), ["carol", "bob", "alice"]),
        (UsersRequestBuilder().friends_only(), ["carol"]),
    ):
        assert [u.uid for u in await builder.build(alice.chat).fetch_next()] == uids


async def test_online_users_are_counted(stage):
    alice, _ = await stage.enter("alice"), await stage.enter("bob")
    assert await alice.chat.get_online_user_count() == 2


@pytest.mark.parametrize(
    ("client_host", "socket_host", "base_url"),
    [
        (f"http://[::1]:{PORT}", "", f"http://[::1]:{PORT}"),
        (f"http://chat.test:{PORT}", "elsewhere.test", f"http://elsewhere.test:{PORT}"),
        (f"http://chat.test:{PORT}", "::1", f"http://[::1]:{PORT}"),
        (f"http://chat.test:{PORT}", "[::1]", f"http://[::1]:{PORT}"),
    ],
)
async def test_online_users_are_counted_by_the_host_of_the_socket(
    stage: Stage, client_host: str, socket_host: str, base_url: str
):
    stage.settings = lambda **_: (
        AppSettingsBuilder().override_client_host(client_host).set_web_socket_host(socket_host).build()
    )
    alice = await stage.enter("alice")
    http, urls = alice.chat._parts.http, []
    real_ask = http.ask

    async def ask(method, path, **more):
        urls.append(path)
        return await real_ask(method, path, **more)

    http.ask = ask
    assert await alice.chat.get_online_user_count() == 1
    assert urls[-1] == f"{base_url}/api/v3.0/online-members"


async def test_users_with_a_block_between_them_cannot_write_until_it_is_lifted(stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    assert await alice.chat.block_users(["bob", "nobody"]) == {"bob": "success", "nobody": "fail"}
    assert (await alice.chat.get_user("bob")).blocked_by_me
    assert (await bob.chat.get_user("alice")).has_blocked_me
    await assert_refused("ERR_BLOCKED_SENDER", bob.say("alice", "do you hear me"))
    await assert_refused("ERR_BLOCKED_RECEIVER", alice.say("bob", "no"))
    assert await alice.chat.unblock_users(["bob"]) == {"bob": "success"}
    await bob.say("alice", "and now")


async def test_blocked_users_are_listed_by_direction_and_word_and_hidden_on_request(stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    await alice.chat.block_users(["bob"])
    for builder, chat, uids in (
        (BlockedUsersRequestBuilder().set_direction("blockedByMe"), alice.chat, ["bob"]),
        (BlockedUsersRequestBuilder().set_direction("hasBlockedMe"), alice.chat, []),
        (BlockedUsersRequestBuilder(), bob.chat, ["alice"]),
        (BlockedUsersRequestBuilder().set_search_keyword("al"), bob.chat, ["alice"]),
        (BlockedUsersRequestBuilder().set_search_keyword("ca"), bob.chat, []),
        (UsersRequestBuilder().hide_blocked_users(), alice.chat, ["alice", "carol"]),
    ):
        assert [u.uid for u in await builder.build(chat).fetch_next()] == uids


async def test_blocking_nobody_or_oneself_fails(stage):
    alice = await stage.enter("alice")
    await assert_refused("EMPTY_USERS_LIST", alice.chat.block_users([]))
    assert await alice.chat.block_users(["alice"]) == {"alice": "fail"}


async def test_blocked_users_are_left_out_of_conversations_messages_and_counts(stage):
    alice = await stage.enter("alice")
    await alice.chat.create_group(Group("team", "Team"))
    async with Rest(stage) as rest:
        await rest("POST", "/groups/team/members", json={"participants": ["bob", "carol"]})
        for uid in ("bob", "carol"):
            body = {"receiver": "team", "receiverType": "group", "data": {"text": f"from {uid}"}}
            await rest("POST", "/messages", as_=uid, json=body)
    await alice.say("carol", "first")
    await stage.pass_time(1)
    await alice.say("bob", "then")
    await stage.pass_time(1)
    await alice.chat.block_users(["bob"])
    users = lambda: ConversationsRequestBuilder().set_conversation_type("user")  # noqa: E731
    shown = users().include_blocked_users(False).build(alice.chat)
    assert [c.conversation_with.uid for c in await shown.fetch_next()] == ["carol"]
    shown = users().include_blocked_users(True).with_blocked_info().build(alice.chat)
    blocked = {c.conversation_with.uid: c.conversation_with.blocked_by_me for c in await shown.fetch_next()}
    assert blocked == {"bob": True, "carol": False}
    team = lambda: MessagesRequestBuilder().set_guid("team").set_categories(["message"])  # noqa: E731
    assert [m.text for m in await team().build(alice.chat).fetch_previous()] == ["from bob", "from carol"]
    hidden = team().hide_messages_from_blocked_users().build(alice.chat)
    assert [m.text for m in await hidden.fetch_previous()] == ["from carol"]
    assert await alice.chat.get_unread_message_count() == {"user": {}, "group": {"team": 2}}
    assert await alice.chat.get_unread_message_count(True) == {"user": {}, "group": {"team": 1}}


async def test_auth_key_creates_users_and_changes_none(stage):
    alice = await stage.enter("alice")
    made = await alice.chat.create_user(User("dave", "Dave"), stage.server.auth_key)
    assert made.name == "Dave"
    await assert_refused("AUTH_ERR_NO_ACCESS", alice.chat.update_user(User("dave", "D"), stage.server.auth_key))


async def enter_a_club(stage):
    """Return alice, bob and carol: the owner, a moderator and a participant of the private group `club`."""
    alice, bob, carol = [await stage.enter(uid) for uid in ("alice", "bob", "carol")]
    members = [GroupMember("bob", scope="moderator"), GroupMember("carol")]
    await alice.chat.create_group_with_members(Group("club", "Club", "private"), members)
    return alice, bob, carol


async def test_group_is_created_with_members_and_more_are_added(stage):
    alice, bob, carol = [await stage.enter(uid) for uid in ("alice", "bob", "carol")]
    group, failed = await alice.chat.create_group_with_members(
        Group("club", "Club", "private"), [GroupMember("bob", scope="moderator"), GroupMember("nobody")]
    )
    assert (group.members_count, list(failed)) == (2, ["nobody"])
    await bob.ears.until(lambda: bool(bob.ears.all("added")))
    assert await alice.chat.add_members_to_group("club", [GroupMember("carol")]) == {"carol": "success"}
    await carol.ears.until(lambda: carol.ears.all("added") == [("carol", "alice", "club")])


async def test_members_of_a_group_are_listed_by_scope_name_and_status(stage):
    alice, _, _ = await enter_a_club(stage)
    members = GroupMembersRequestBuilder("club").set_limit(2).build(alice.chat)
    listed = [(m.uid, m.scope) for _ in range(3) for m in await members.fetch_next()]
    assert listed == [("alice", "admin"), ("bob", "moderator"), ("carol", "participant")]
    only = GroupMembersRequestBuilder("club").set_scopes(["moderator"]).set_search_keyword("b").build(alice.chat)
    assert [m.uid for m in await only.fetch_next()] == ["bob"]
    assert await alice.chat.get_online_group_member_count(["club"]) == {"club": 3}
    for status, uids in (("online", ["alice", "bob", "carol"]), ("offline", [])):
        found = GroupMembersRequestBuilder("club").set_status(status).build(alice.chat)
        assert [m.uid for m in await found.fetch_next()] == uids


async def test_scope_of_a_member_is_changed_and_reported(stage):
    alice, _, carol = await enter_a_club(stage)
    assert await alice.chat.update_group_member_scope("club", "carol", "moderator") == "club scope changed successfully"
    await carol.ears.until(lambda: bool(carol.ears.all("scope")))
    assert carol.ears.all("scope") == [("carol", "alice", "moderator", "participant", "club")]
    await assert_refused("ERR_SAME_SCOPE", alice.chat.update_group_member_scope("club", "carol", "moderator"))
    await assert_refused("INVALID_SCOPE_VALUE", alice.chat.update_group_member_scope("club", "carol", "king"))


async def test_member_is_kicked_by_one_with_a_higher_scope(stage):
    alice, bob, carol = await enter_a_club(stage)
    await alice.chat.update_group_member_scope("club", "carol", "moderator")
    await assert_refused("ERR_GROUP_NO_SCOPE_CLEARANCE", bob.chat.kick_group_member("club", "carol"))
    await alice.chat.kick_group_member("club", "carol")
    await carol.ears.until(lambda: carol.ears.all("kicked") == [("carol", "alice", "club")])


async def test_banned_user_is_listed_and_not_added_until_they_are_unbanned(stage):
    alice, bob, carol = await enter_a_club(stage)
    await alice.chat.ban_group_member("club", "carol")
    await carol.ears.until(lambda: bool(carol.ears.all("banned")))
    for builder, uids in (
        (BannedGroupMembersRequestBuilder("club"), ["carol"]),
        (BannedGroupMembersRequestBuilder("club").set_search_keyword("car").set_scopes(["participant"]), ["carol"]),
        (BannedGroupMembersRequestBuilder("club").set_search_keyword("bo"), []),
        (BannedGroupMembersRequestBuilder("club").set_scopes(["admin"]), []),
    ):
        assert [m.uid for m in await builder.build(alice.chat).fetch_next()] == uids
    assert "banned" in (await alice.chat.add_members_to_group("club", [GroupMember("carol")]))["carol"]
    await alice.chat.unban_group_member("club", "carol")
    await bob.ears.until(lambda: bool(bob.ears.all("unbanned")))
    assert await alice.chat.add_members_to_group("club", [GroupMember("carol")]) == {"carol": "success"}


async def test_group_is_changed_and_found_by_its_members(stage):
    alice, bob, carol = await enter_a_club(stage)
    await carol.chat.leave_group("club")
    changed = await alice.chat.update_group(Group("club", "Renamed", description="d", tags=["t"]))
    assert (changed.name, changed.description, changed.tags, changed.type) == ("Renamed", "d", ["t"], "private")
    for builder, chat, guids in (
        (GroupsRequestBuilder().joined_only(), alice.chat, ["club"]),
        (GroupsRequestBuilder().set_tags(["t"]).with_tags(), bob.chat, ["club"]),
        (GroupsRequestBuilder().set_search_keyword("ren"), bob.chat, ["club"]),
        (GroupsRequestBuilder().set_search_keyword("ren"), carol.chat, []),
    ):
        assert [g.guid for g in await builder.build(chat).fetch_next()] == guids


async def test_group_keeps_what_a_change_does_not_name(stage):
    alice, *_ = await enter_a_club(stage)
    before = await alice.chat.get_group("club")
    described = await alice.chat.update_group(Group("club", description="d"))
    assert (described.name, described.description) == (before.name, "d")
    emptied = await alice.chat.update_group(Group("club", description="", metadata={"n": 1}))
    assert (emptied.name, emptied.description, emptied.metadata) == (before.name, None, {"n": 1})
    renamed = await alice.chat.update_group(Group("club", "Renamed"))
    assert (renamed.name, renamed.metadata) == ("Renamed", {"n": 1})


async def test_owner_transfers_a_group_and_the_new_one_deletes_it(stage):
    alice, bob, _ = await enter_a_club(stage)
    await assert_refused("ERR_GROUP_NO_CLEARANCE", bob.chat.transfer_group_ownership("club", "bob"))
    await alice.chat.transfer_group_ownership("club", "bob")
    assert await alice.chat.leave_group("club") == "club left successfully"
    assert "deleted" in await bob.chat.delete_group("club")
    await assert_refused("ERR_GUID_NOT_FOUND", bob.chat.get_group("club"))


async def test_pinned_message_is_listed_and_reported_to_both_users(stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    sent = await bob.say("alice", "keep this")
    assert (alice.chat.is_pin_message_enabled(), alice.chat.get_pinned_messages_limit()) == (True, 100)
    pinned = await alice.chat.pin_message(sent.id)
    assert (bool(pinned.pinned_at), pinned.pinned_by) == (True, "alice")
    await bob.ears.until(lambda: bob.ears.all("pinned") == [sent.id])
    await alice.ears.until(lambda: alice.ears.all("pinned") == [sent.id])
    for reader, other in ((alice, "bob"), (bob, "alice")):
        listed = MessagesRequestBuilder().set_uid(other).set_pinned().build(reader.chat)
        assert [m.id for m in await listed.fetch_previous()] == [sent.id]
    assert not (await bob.chat.unpin_message(sent.id)).pinned_at
    await alice.ears.until(lambda: alice.ears.all("unpinned") == [sent.id])


async def test_request_whose_filters_are_turned_off_again_is_paged_from_its_message_in_both_directions(stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    ids = [(await bob.say("alice", str(n))).id for n in range(6)]
    builder = MessagesRequestBuilder().set_uid("bob").set_pinned().set_pinned(False).set_saved(False)
    request = builder.set_limit(2).set_message_id(ids[3]).build(alice.chat)
    steps = (request.fetch_previous, request.fetch_next, request.fetch_previous)
    pages = [[message.id for message in await step()] for step in steps]
    assert pages == [ids[1:3], ids[4:], ids[:1]]


async def test_saved_message_is_listed_for_the_user_who_saved_it_on_all_devices(stage):
    alice, bob, tablet = await stage.enter("alice"), await stage.enter("bob"), await stage.enter("alice")
    sent = await bob.say("alice", "keep this")
    assert (alice.chat.is_save_message_enabled(), alice.chat.get_saved_messages_limit()) == (True, 100)
    assert (await alice.chat.save_message(sent.id)).saved_at
    await tablet.ears.until(lambda: tablet.ears.all("saved") == [sent.id])
    for device in (alice, tablet):
        saved = MessagesRequestBuilder().set_saved().build(device.chat)
        assert [m.id for m in await saved.fetch_previous()] == [sent.id]
    assert not (await bob.chat.get_message(sent.id)).saved_at
    assert not (await alice.chat.unsave_message(sent.id)).saved_at
    await tablet.ears.until(lambda: tablet.ears.all("unsaved") == [sent.id])


async def test_message_is_reported_with_one_of_the_listed_reasons(stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    sent = await bob.say("alice", "buy this")
    reasons = await alice.chat.get_flag_reasons()
    assert "spam" in [r.id for r in reasons]
    assert await alice.chat.flag_message(sent.id, FlagDetail("spam", "r")) == (
        f"Message {sent.id} has been flagged successfully."
    )
    await assert_refused("INVALID_REASON_ID", alice.chat.flag_message(sent.id, FlagDetail("because")))


async def test_custom_message_is_stored_with_its_content(stage):
    alice = await stage.enter("alice")
    custom = CustomMessage(
        receiver="bob", type="place", custom_data={"lat": 1}, sub_type="s", conversation_text="c",
        send_notification=False,
    )  # fmt: skip
    stored = await alice.chat.send_custom_message(custom)
    assert (stored.custom_data, stored.sub_type, stored.conversation_text) == ({"lat": 1}, "s", "c")
    assert (stored.send_notification, stored.update_conversation) == (False, True)
    assert stored.moderation_status == ModerationStatus.UNMODERATED


async def send_a_form(writer):
    """Send an interactive message with one button to bob, and return what was stored."""
    form = InteractiveMessage(
        receiver="bob", interactive_data={"title": "T"}, interaction_goal={"type": "anyAction", "elementIds": ["ok"]}
    )
    return await writer.chat.send_interactive_message(form)


async def test_interactive_message_is_received_with_its_content(stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    stored = await send_a_form(alice)
    await bob.ears.until(lambda: bool(bob.ears.all("interactive")))
    (received,) = bob.ears.all("interactive")
    assert (received.id, received.interactive_data) == (stored.id, {"title": "T"})
    assert received.interaction_goal == {"type": "anyAction", "elementIds": ["ok"]}


async def test_interaction_is_kept_for_the_user_who_interacted(stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    stored = await send_a_form(alice)
    await bob.chat.mark_as_interacted(stored.id, ["ok"])
    assert list((await bob.chat.get_message(stored.id)).interactions) == ["ok"]
    assert (await alice.chat.get_message(stored.id)).interactions == {}


async def test_transient_message_is_received_with_its_data(stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    await alice.chat.send_transient_message(TransientMessage("bob", "user", {"cheer": 1}))
    await bob.ears.until(lambda: bool(bob.ears.all("transient")))
    (received,) = bob.ears.all("transient")
    assert (received.data, received.sender.uid) == ({"cheer": 1}, "alice")


async def test_media_message_keeps_its_attachment_when_its_caption_is_edited(stage):
    alice = await stage.enter("alice")
    media = MediaMessage(receiver="bob", type="image", caption="c", attachments=[Attachment("https://x.test/a.png")])
    stored = await alice.chat.send_media_message(media)
    assert (stored.caption, stored.attachment.url) == ("c", "https://x.test/a.png")
    stored.caption = "another"
    edited = await alice.chat.edit_message(stored)
    assert (edited.caption, edited.attachment.url) == ("another", "https://x.test/a.png")


async def test_media_message_without_a_file_is_refused(stage):
    alice = await stage.enter("alice")
    await assert_refused("ERR_EMPTY_MESSAGE_FILE", alice.chat.send_media_message(MediaMessage(receiver="bob")))


async def test_files_are_uploaded_with_progress_and_received_as_attachments(stage, tmp_path):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    picture = io.BytesIO()
    Image.new("RGB", (640, 480), "teal").save(picture, "PNG")
    notes = tmp_path / "notes.txt"
    notes.write_bytes(b"x" * 200_000)
    heard = []
    media = MediaMessage(
        receiver="bob", type="file", files=[notes, UploadFile(content=picture.getvalue(), name="../teal picture.png")]
    )
    stored = await alice.chat.send_media_message(media, on_progress=lambda *what: heard.append(what))
    text, image = stored.attachments
    assert (text.name, text.mime_type, text.size) == ("notes.txt", "text/plain", 200_000)
    assert (image.name, image.mime_type, image.width, image.height) == ("teal picture.png", "image/png", 640, 480)
    assert heard[0][0] == "notes.txt"
    assert heard[0][1] <= 65_536
    of_notes = [sent for name, sent, _ in heard if name == "notes.txt"]
    assert of_notes == sorted(of_notes)
    assert of_notes[-1] == 200_000
    await bob.ears.until(lambda: bool(bob.ears.all("media")))
    assert bob.ears.all("media")[0].attachments[1].thumbnail.endswith("?thumbnail=1")
    found = MessagesRequestBuilder().set_uid("alice").with_content(attachments=True).build(bob.chat)
    assert [m.id for m in await found.fetch_previous()] == [stored.id]


async def test_media_message_with_a_missing_file_or_too_many_files_is_refused(stage, tmp_path):
    alice = await stage.enter("alice")
    gone = MediaMessage(receiver="bob", type="file", files=[tmp_path / "none.txt"])
    await assert_refused("ERR_INVALID_FILE_OBJECT", alice.chat.send_media_message(gone))
    many = MediaMessage(receiver="bob", type="file", files=[UploadFile(content=b"x", name=f"{n}") for n in range(11)])
    await assert_refused("ERR_FILE_COUNT_EXCEEDED", alice.chat.send_media_message(many))


def dropping_line(stage, times):
    """Return a callback of an upload that drops its connection in the middle, and a list that counts how often."""
    cuts = []

    def on_progress(name, sent, total):
        if sent == 131_072 and len(cuts) < times:
            cuts.append(sent)
            stage.network.drop()

    return on_progress, cuts


FILE = UploadFile(content=bytes(range(256)) * 1000, name="a.bin")


async def test_upload_is_restarted_after_a_network_failure(stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    on_progress, cuts = dropping_line(stage, 2)
    (done,) = await alice.chat.upload_attachments("bob", "user", [FILE], on_progress=on_progress)
    assert len(cuts) == 2
    await alice.chat.send_media_message(MediaMessage(receiver="bob", type="file", attachments=[done]))
    await bob.ears.until(lambda: bool(bob.ears.all("media")))
    async with Rest(stage) as rest:
        answer = await rest.answer("GET", bob.ears.all("media")[0].attachment.url)
        assert answer.content == FILE.content


async def test_upload_that_fails_three_times_is_given_up_and_leaves_nothing_on_the_server(stage, tmp_path):
    alice = await stage.enter("alice")
    folder, large = tmp_path / "uploads", UploadFile(content=bytes(8_000_000), name="a.bin")
    await alice.chat.upload_attachments("bob", "user", [UploadFile(content=b"kept", name="b.bin")])
    (kept,) = [path for path in folder.rglob("*") if path.is_file()]
    stage.network.set_line("", 1e6, 1e6, 0.01)
    cuts = []

    def on_progress(name, sent, total):
        if sent > 4_000_000:
            arriving = [path for path in folder.rglob("*") if path.is_file() and path != kept]
            cuts.append(len(arriving))
            stage.network.drop()

    upload = alice.chat.upload_attachments("bob", "user", [large], on_progress=on_progress)
    await assert_refused("NO_INTERNET_CONNECTION", upload)
    await stage.pass_time(1)
    assert len(cuts) == 3
    assert min(cuts) > 0  # a part had arrived each time
    assert [path for path in folder.rglob("*") if path.is_file()] == [kept]


class UploadEars(UploadFileListener):
    def __init__(self) -> None:
        self.heard = []

    def all(self, what):
        return [values for name, *values in self.heard if name == what]

    def on_file_progress(self, file_id, loaded, total, percent):
        self.heard.append(("progress", file_id, loaded, total, percent))

    async def on_file_uploaded(self, file_id, attachment):
        self.heard.append(("uploaded", file_id, attachment.name))

    def on_file_error(self, file_id, exception):
        self.heard.append(("rejected", file_id, exception.code))

    def on_file_failure(self, file_id, exception):
        self.heard.append(("failed", file_id, exception.code))

    def on_complete(self, result):
        self.heard.append(("complete", result))


def large_upload(name):
    """Return an upload of 200,000 bytes, whose id is its name."""
    return UploadAttachment(name, UploadFile(content=bytes(200_000), name=f"{name}.bin"))


async def test_upload_listener_receives_the_progress_the_end_and_a_file_that_is_missing(stage, tmp_path):
    alice = await stage.enter("alice")
    request, ears = alice.chat.create_upload_file_request("bob", "user"), UploadEars()
    missing = UploadAttachment("missing", UploadFile(tmp_path / "not-there"))
    result = await request.upload_attachments([large_upload("good"), missing], ears)
    assert ears.all("progress")[0] == ["good", 65_536, 200_000, 33]
    assert ears.all("progress")[-1] == ["good", 200_000, 200_000, 100]
    assert ears.all("uploaded") == [["good", "good.bin"]]
    assert ears.all("rejected") == [["missing", "ERR_INVALID_FILE_OBJECT"]]
    assert ears.all("complete") == [[result]]
    assert (list(result.successful), list(result.rejected), list(result.failed)) == (["good"], ["missing"], [])


@pytest.mark.parametrize(("concurrency", "begun"), [(1, {"one"}), (2, {"one", "two"})])
async def test_upload_request_uploads_as_many_files_at_once_as_was_set(stage, concurrency, begun):
    alice = await stage.enter("alice")
    request, ears = alice.chat.create_upload_file_request("bob", "user").set_concurrency(concurrency), UploadEars()
    await request.upload_attachments([large_upload("one"), large_upload("two")], ears)
    first_end = [what for what, *_ in ears.heard].index("uploaded")
    assert {file_id for what, file_id, *_ in ears.heard[:first_end] if what == "progress"} == begun


async def test_upload_that_failed_can_be_repeated_with_the_same_request(stage):
    alice = await stage.enter("alice")
    request, ears = alice.chat.create_upload_file_request("bob", "user"), UploadEars()
    upload = UploadAttachment("again", UploadFile(content=b"more", name="b.bin"))
    stage.network.cut()
    result = await request.upload_attachments([upload], ears)
    assert ears.all("failed") == [["again", "NO_INTERNET_CONNECTION"]]
    assert (list(result.successful), list(result.failed)) == ([], ["again"])
    stage.network.restore()
    result = await request.upload_attachments([upload])
    assert (list(result.successful), list(result.failed)) == (["again"], [])


async def test_upload_request_collects_the_attachments_of_a_message(stage):
    alice = await stage.enter("alice")
    request = alice.chat.create_upload_file_request("bob", "user")
    await request.upload_attachments([large_upload("one"), large_upload("two")])
    await request.upload_attachments([UploadAttachment("small", UploadFile(content=b"more", name="b.bin"))])
    assert [a.name for a in request.get_attachments()] == ["one.bin", "two.bin", "b.bin"]
    sent = await alice.chat.send_media_message(
        MediaMessage(receiver="bob", type="file", attachments=request.get_attachments())
    )
    assert [a.url for a in sent.attachments] == [a.url for a in request.get_attachments()]


async def test_messages_are_searched_by_their_words(stage):
    alice, bob, carol = [await stage.enter(uid) for uid in ("alice", "bob", "carol")]
    for text in ("the quick brown fox", "a lazy dog", "see https://x.test/page"):
        await bob.say("alice", text)
    await carol.say("bob", "quick, but not for alice")

    async def search(words, **where):
        builder = MessagesRequestBuilder().set_search_keyword(words)
        if where:
            builder.set_uid(where["uid"])
        return [m.text for m in await builder.build(alice.chat).fetch_previous()]

    assert await search("quick") == ["the quick brown fox"]
    assert await search("fox quick") == ["the quick brown fox"]
    assert await search("LAZ") == ["a lazy dog"]
    assert await search("uick") == []
    assert await search('"; DROP TABLE messages', uid="bob") == []
    assert await search("...", uid="bob") == []
    (fox, *_) = [m async for m in bob.chat.messages(uid="alice") if m.text.startswith("the quick")]
    fox.text = "the slow brown fox"
    await bob.chat.edit_message(fox)
    assert (await search("quick"), await search("slow", uid="bob")) == ([], ["the slow brown fox"])
    await bob.chat.delete_message(fox.id)
    assert await search("slow") == []
    links = MessagesRequestBuilder().set_uid("bob").with_content(links=True).build(alice.chat)
    assert [m.text for m in await links.fetch_previous()] == ["see https://x.test/page"]


async def enter_team_with_two_messages(stage):
    """Return alice and bob, and bob's messages to their group `team`: one is edited, and a later one deleted."""
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    await alice.chat.create_group(Group("team", "Team"))
    await bob.chat.join_group("team")
    first = await bob.say("team", "one", "group")
    await stage.pass_time(5)
    second = await bob.say("team", "two", "group")
    await stage.pass_time(5)
    first.text = "one, edited"
    edited = await bob.chat.edit_message(first)
    await bob.chat.delete_message(second.id)
    return alice, bob, edited, second


def of_team():
    """Return a builder for the messages of the group `team`."""
    return MessagesRequestBuilder().set_guid("team")


async def fetched_texts(builder, chat):
    """Return the texts of a page of messages, or their types if they have none."""
    return [getattr(m, "text", m.type) for m in await builder.build(chat).fetch_previous()]


async def test_messages_are_filtered_by_category_type_deletion_and_tag(stage):
    alice, *_ = await enter_team_with_two_messages(stage)
    for builder, texts in (
        (of_team().set_categories(["message"]), ["one, edited", ""]),
        (of_team().set_categories(["message"]).hide_deleted_messages(), ["one, edited"]),
        (of_team().set_categories(["action"]).set_types(["groupMember"]), ["groupMember"]),
        (of_team().set_tags(["none"]).with_tags(), []),
    ):
        assert await fetched_texts(builder, alice.chat) == texts
    await alice.chat.send_message(TextMessage(receiver="team", receiver_type="group", text="tagged", tags=["t"]))
    assert await fetched_texts(of_team().set_tags(["t"]), alice.chat) == ["tagged"]


async def test_messages_are_filtered_by_the_time_of_their_update_and_of_the_send(stage):
    alice, _, edited, deleted = await enter_team_with_two_messages(stage)
    updated = of_team().set_updated_after(edited.edited_at).updates_only().set_categories(["message"])
    assert [m.id for m in await updated.build(alice.chat).fetch_next()] == [edited.id, deleted.id]
    earlier = of_team().set_categories(["message"]).set_timestamp(deleted.sent_at)
    assert await fetched_texts(earlier, alice.chat) == ["one, edited"]


async def test_messages_are_filtered_by_the_users_who_are_mentioned(stage):
    alice, bob, *_ = await enter_team_with_two_messages(stage)
    named = await bob.say("team", "hi <@uid:alice>", "group")
    assert await fetched_texts(of_team().set_mentioned_uids(["alice", "carol"]), alice.chat) == [named.text]
    assert await fetched_texts(of_team().set_mentioned_uids(["carol"]), alice.chat) == []


async def test_messages_are_filtered_by_the_types_of_their_attachments(stage):
    alice, bob, *_ = await enter_team_with_two_messages(stage)
    for kind in ("image", "file"):
        attachment = Attachment(f"https://files/{kind}", kind, "bin", "application/octet-stream", 1)
        await bob.chat.send_media_message(
            MediaMessage(receiver="team", receiver_type="group", type=kind, attachments=[attachment])
        )
    assert await fetched_texts(of_team().set_attachment_types(["image"]), alice.chat) == ["image"]
    assert await fetched_texts(of_team().set_attachment_types(["image", "file"]), alice.chat) == ["image", "file"]


async def test_undelivered_messages_are_filtered(stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    await bob.say("alice", "one")
    await alice.ears.until(lambda: alice.ears.texts == ["one"])
    await alice.chat.mark_as_delivered(alice.ears.all("text")[0])
    await stage.pass_time(1)
    await alice.chat.logout()
    await bob.say("alice", "two")
    later = await stage.enter("alice", catch_up=False)
    request = MessagesRequestBuilder().set_uid("bob").set_undelivered().build(later.chat)
    assert [m.text for m in await request.fetch_previous()] == ["two"]


async def test_attachments_can_be_uploaded_in_advance(stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    (uploaded,) = await alice.chat.upload_attachments("bob", "user", [UploadFile(content=b"hello", name="a.txt")])
    assert (uploaded.name, uploaded.size) == ("a.txt", 5)
    await alice.chat.send_media_message(MediaMessage(receiver="bob", type="file", attachments=[uploaded]))
    await bob.ears.until(lambda: bool(bob.ears.all("media")))
    assert bob.ears.all("media")[0].attachment.mime_type == "text/plain"


async def test_logout_and_its_failure_are_reported_to_listeners(stage):
    alice = await stage.enter("alice")
    await alice.chat.logout()
    await alice.ears.until(lambda: bool(alice.ears.all("logout")))
    await assert_refused("USER_NOT_LOGGED_IN", alice.chat.logout())
    await alice.ears.until(lambda: alice.ears.all("logout failure") == ["USER_NOT_LOGGED_IN"])


@pytest.mark.spec("K3")
async def test_retried_send_returns_the_stored_message_after_losing_permission(stage):
    async with Rest(stage) as rest:
        await rest("POST", "/groups", json={"guid": "team", "name": "Team", "type": "public"})
        await rest("POST", "/groups/team/members", json={"participants": ["alice"]})
        body = {"receiver": "team", "receiverType": "group", "category": "message", "type": "text"}
        first = await rest("POST", "/messages", as_="alice", json={**body, "muid": "m1", "data": {"text": "one"}})
        await rest("DELETE", "/groups/team/members", as_="alice")
        again = await rest("POST", "/messages", as_="alice", json={**body, "muid": "m1", "data": {"text": "one"}})
        assert again["id"] == first["id"]
        other = {**body, "muid": "m2", "data": {"text": "two"}}
        await rest.refused("ERR_NOT_A_MEMBER", "POST", "/messages", as_="alice", json=other)
        await rest.refused("ERR_NOT_A_MEMBER", "POST", "/messages", as_="bob", json={**other, "muid": "m1"})


async def test_lists_and_counts_can_hide_messages_of_users_whom_the_caller_has_blocked(stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    await alice.chat.create_group(Group("team", "Team"))
    async with Rest(stage) as rest:
        await rest("POST", "/groups/team/members", json={"participants": ["bob"]})
        for receiver, kind in (("alice", "user"), ("team", "group")):
            body = {"receiver": receiver, "receiverType": kind, "data": {"text": "from bob"}}
            await rest("POST", "/messages", as_="bob", json=body)
        hidden = "hideMessagesFromBlockedUsers=1&unread=1"

        async def shown() -> tuple[list[str], dict[str, int]]:
            listed = await rest("GET", f"/messages?{hidden}", as_="alice")
            counted = await rest("GET", f"/messages?{hidden}&count=1", as_="alice")
            return sorted(m["receiver"] for m in listed), {c["entityId"]: c["count"] for c in counted}

        everything = (["alice", "team"], {"bob": 1, "team": 1})
        assert await shown() == everything
        await bob.chat.block_users(["alice"])
        assert await shown() == everything, "it is bob who has blocked"
        await bob.chat.unblock_users(["alice"])
        await alice.chat.block_users(["bob"])
        assert await shown() == ([], {})
        assert await alice.chat.get_unread_message_count(True) == {"user": {}, "group": {}}
        assert await alice.chat.get_unread_message_count_for_user("bob", True) == {"bob": 0}
        assert await rest("GET", f"/groups/team/messages?{hidden}&count=1", as_="alice") == []
        assert await alice.chat.get_unread_message_count() == {"user": {"bob": 1}, "group": {"team": 1}}
