"""The vendor's JavaScript SDK, unchanged: a scenario for every row of the protocol's tables. See `versions`."""

from __future__ import annotations

import asyncio
import json
import sys

import httpx2
import pytest

from interop.stage import LISTEN, START, Stage
from interop.versions import MISSING, NEEDING, VERSIONS, versions_for


def pytest_generate_tests(metafunc):
    metafunc.parametrize("version", versions_for(metafunc.function.__name__))


@pytest.fixture
def cast(server, browser, version):
    return Stage(server, browser, VERSIONS[version])


async def test_login_settings_socket_and_logout_work(cast):
    async with cast:
        alice = cast.user("alice")
        page = await cast.page(alice)
        me = await page.run("return (await CometChat.getLoggedinUser()).getUid()")
        assert me == alice
        assert await page.run("return CometChat.getConnectionStatus()") == "connected"
        token = cast.ask("POST", f"/users/{alice}/auth_tokens")["authToken"]
        await page.run("await CometChat.logout()")
        await page.hears("logoutSuccess")
        again = await cast.page(alice, name="again", token=token)
        assert await again.run("return (await CometChat.getLoggedinUser()).getUid()") == alice


async def test_sent_text_arrives_at_the_receiver_and_not_at_the_sender(cast):
    async with cast:
        alice, bob = cast.user("alice"), cast.user("bob")
        pa, pb = await cast.page(alice), await cast.page(bob)
        sent = await pa.run(
            """const m = new CometChat.TextMessage(to, "hello", CometChat.RECEIVER_TYPE.USER);
            m.setMetadata({ k: 1 }); m.setTags(["t"]);
            return await CometChat.sendMessage(m);""",
            to=bob,
        )
        assert sent["text"] == "hello"
        got = await pb.hears("onTextMessageReceived")
        assert (got["text"], got["id"], got["sender"]["uid"]) == ("hello", sent["id"], alice)
        assert not pa.all("onTextMessageReceived")


SEND = """const m = new CometChat.TextMessage(to, text, kind || "user");
for (const [k, v] of Object.entries(more || {})) m[k](v);
return await CometChat.sendMessage(m);"""


async def say(page, to, text, kind="user", **more):
    """Send a text; `more` are setters and their values."""
    return await page.run(SEND, to=to, text=text, kind=kind, more=more)


WALK = """let b = new CometChat.MessagesRequestBuilder().setLimit(2);
for (const [k, v] of Object.entries(which)) b = b[k](v);
const request = b.build(), found = [];
for (let i = 0; i < pages; i++) found.push((await request[direction]()).map((m) => (m.getText ? m.getText() : m.getAction())));
return found;"""


async def fetch(page, which, direction="fetchPrevious", **setters):
    """Return messages as the SDK fetches them."""
    return await page.run(
        """let b = new CometChat.MessagesRequestBuilder().setLimit(30);
        for (const [k, v] of Object.entries({ ...which, ...setters })) b = b[k](v);
        return await b.build()[direction]();""",
        which=which, setters=setters, direction=direction,
    )  # fmt: skip


async def test_history_within_one_second_is_paged_in_both_directions(cast):
    async with cast:
        alice, bob = cast.user("alice"), cast.user("bob")
        page = await cast.page(alice)
        guid = alice.replace("alice", "busy")
        cast.ask("POST", "/groups", as_=bob, json={"guid": guid, "name": "Busy", "type": "public"})
        cast.ask("POST", f"/groups/{guid}/members", json={"participants": [alice]})
        for to, kind, which in ((alice, "user", {"setUID": bob}), (guid, "group", {"setGUID": guid})):
            sent = [
                cast.ask("POST", "/messages", as_=bob, json={"receiver": to, "receiverType": kind, "data": {"text": str(n)}})
                for n in range(9)
            ]  # fmt: skip
            seconds = [m["sentAt"] for m in sent]
            assert len(set(seconds)) < len(seconds), "no two in one second: nothing is shown"
            first = {"setMessageId": int(sent[0]["id"]) - 1}
            pages = await page.run(WALK, which=which, direction="fetchPrevious", pages=7)
            assert [[m for m in p if m.isdigit()] for p in pages[:5]] == [
                ["7", "8"],
                ["5", "6"],
                ["3", "4"],
                ["1", "2"],
                ["0"],
            ]
            assert pages[6] == []
            pages = await page.run(WALK, which={**which, **first}, direction="fetchNext", pages=6)
            assert pages == [["0", "1"], ["2", "3"], ["4", "5"], ["6", "7"], ["8"], []]
            since = {"setTimestamp": seconds[0] - 1}
            pages = await page.run(WALK, which={**which, **since}, direction="fetchNext", pages=7)
            assert [text for p in pages for text in p if text.isdigit()] == [str(n) for n in range(9)]
        # At the end a request continues when there are more messages.
        await page.run(
            "window.last = new CometChat.MessagesRequestBuilder().setLimit(9).setUID(u).setMessageId(1).build()", u=bob
        )
        await page.run("while ((await last.fetchNext()).length);")
        cast.ask(
            "POST", "/messages", as_=bob, json={"receiver": alice, "receiverType": "user", "data": {"text": "late"}}
        )
        assert [m["text"] for m in await page.run("return await last.fetchNext()")] == ["late"]


async def test_features_missing_in_a_version_are_listed(cast, version):
    async with cast:
        page = await cast.browser.open("missing", at=f"{cast.sdk}.html")
        code = """return names.filter((n) => {
          const [what, method] = n.split(".");
          return method ? CometChat[what].prototype[method] === undefined : CometChat[what] === undefined;
        });"""
        found = await page.run(code, names=sorted(set().union(*NEEDING.values())))
        assert found == sorted(MISSING[version])


async def test_python_and_javascript_exchange_messages(cast):
    async with cast:
        alice, bob = cast.user("alice"), cast.user("bob")
        pa, bp = await cast.page(alice), await cast.python(bob)
        sent = await say(pa, bob, "from the browser")
        await bp.ears.until(lambda: bp.ears.texts == ["from the browser"])
        (message,) = bp.ears.all("text")
        assert str(message.id) == sent["id"]
        answered = await bp.say(alice, "from Python")
        got = await pa.hears("onTextMessageReceived")
        assert (got["text"], got["id"], got["sender"]["uid"]) == ("from Python", str(answered.id), bob)
        await bp.chat.start_typing(alice)
        assert (await pa.hears("onTypingStarted"))["sender"]["uid"] == bob
        await pa.run("CometChat.startTyping(new CometChat.TypingIndicator(to, 'user', {}))", to=bob)
        await bp.ears.until(lambda: bp.ears.all("typing") == [alice])
        await bp.chat.mark_as_read(message)
        assert (await pa.hears("onMessagesRead"))["messageId"] == sent["id"]
        await pa.run(
            """const [m] = await new CometChat.MessagesRequestBuilder().setUID(to).setLimit(1).build().fetchPrevious();
            await CometChat.markAsRead(m);""",
            to=bob,
        )
        await bp.ears.until(lambda: bool(bp.ears.all("read")))
        assert bp.ears.all("read")[-1].message_id == answered.id


async def test_media_are_sent_by_url_and_by_upload(cast):
    async with cast:
        alice, bob = cast.user("alice"), cast.user("bob")
        pa, pb, bp = await cast.page(alice), await cast.page(bob), await cast.python(bob)
        sent = await pa.run(
            """const m = new CometChat.MediaMessage(to, "", "image", "user");
            m.setAttachment(new CometChat.Attachment({ name: "cat", extension: "png", mimeType: "image/png", url: "https://x.test/cat.png", size: 7 }));
            m.setCaption("a cat");
            return await CometChat.sendMediaMessage(m);""",
            to=bob,
        )
        got = await pb.hears("onMediaMessageReceived")
        assert got["id"] == sent["id"]
        await bp.ears.until(lambda: bool(bp.ears.all("media")))
        assert bp.ears.all("media")[0].attachment.url == "https://x.test/cat.png"
        assert bp.ears.all("media")[0].caption == "a cat"
        sent = await pa.run(
            """const file = new File(["hello file"], "notes.txt", { type: "text/plain" });
            const m = new CometChat.MediaMessage(to, file, "file", "user");
            const done = await CometChat.sendMediaMessage(m);
            return { id: done.getId(), url: done.getURL(), list: done.getAttachments().map((a) => [a.getName(), a.getMimeType(), a.getUrl(), a.getSize()]) };""",
            to=bob,
        )
        ((name, mime, url, size),) = sent["list"]
        assert (name, mime, url, int(size)) == ("notes.txt", "text/plain", sent["url"], 10)
        await pb.hears("onMediaMessageReceived", lambda m: m["id"] == sent["id"])
        assert await pb.run("return await (await fetch(url)).text()", url=url) == "hello file"


async def test_custom_messages_are_received_with_their_data(cast):
    async with cast:
        alice, bob = cast.user("alice"), cast.user("bob")
        pa, pb, bp = await cast.page(alice), await cast.page(bob), await cast.python(bob)
        sent = await pa.run(
            """const m = new CometChat.CustomMessage(to, "user", "location", { lat: 1.5 });
            m.setSubType("place"); m.setConversationText?.("a place");
            return await CometChat.sendCustomMessage(m);""",
            to=bob,
        )
        got = await pb.hears("onCustomMessageReceived")
        assert (got["id"], got["data"]["customData"]) == (sent["id"], {"lat": 1.5})
        await bp.ears.until(lambda: bool(bp.ears.all("custom")))
        assert bp.ears.all("custom")[0].custom_data == {"lat": 1.5}


async def test_interactive_messages_are_answered(cast):
    async with cast:
        alice, bob = cast.user("alice"), cast.user("bob")
        pa, pb = await cast.page(alice), await cast.page(bob)
        sent = await pa.run(
            """const m = new CometChat.InteractiveMessage(to, "user", "form", { title: "Survey", formFields: [] });
            m.setInteractionGoal(new CometChat.InteractionGoal(CometChat.GoalType.ANY_ACTION, ["submit"]));
            return await CometChat.sendInteractiveMessage(m);""",
            to=bob,
        )
        got = await pb.hears("onInteractiveMessageReceived")
        assert got["id"] == sent["id"]
        await pb.run("return await CometChat.markAsInteracted(Number(id), 'submit')", id=sent["id"])
        message = cast.ask("GET", f"/messages/{sent['id']}", as_=bob)
        assert message["data"]["interactions"][0]["elementId"] == "submit"


async def test_edits_and_deletions_are_received(cast):
    async with cast:
        alice, bob = cast.user("alice"), cast.user("bob")
        pa, pb, bp = await cast.page(alice), await cast.page(bob), await cast.python(bob)
        sent = await say(pa, bob, "first")
        edited = await pa.run(
            """const m = new CometChat.TextMessage(to, "second", "user"); m.setId(Number(id));
            return await CometChat.editMessage(m);""",
            to=bob, id=sent["id"],
        )  # fmt: skip
        assert edited["text"] == "second"
        got = await pb.hears("onMessageEdited")
        assert (got["text"], got["id"], got["editedBy"]) == ("second", sent["id"], alice)
        await bp.ears.until(lambda: bool(bp.ears.all("edited")))
        await pa.run("return await CometChat.deleteMessage(id)", id=sent["id"])
        got = await pb.hears("onMessageDeleted")
        assert (got["id"], got["deletedBy"]) == (sent["id"], alice)
        assert not pa.all("onMessageEdited")
        history = await fetch(pb, {"setUID": alice}, hideDeletedMessages=True)
        assert all(m["id"] != sent["id"] for m in history)


async def test_threads_and_message_details_are_fetched(cast):
    async with cast:
        alice, bob = cast.user("alice"), cast.user("bob")
        pa, pb = await cast.page(alice), await cast.page(bob)
        parent = await say(pa, bob, "parent")
        reply = await say(pb, alice, "reply", setParentMessageId=int(parent["id"]))
        assert str(reply["parentMessageId"]) == parent["id"]
        got = await pa.hears("onTextMessageReceived", lambda m: m["text"] == "reply")
        assert str(got["parentMessageId"]) == parent["id"]
        thread = await fetch(pa, {"setParentMessageId": int(parent["id"])})
        assert [m["text"] for m in thread] == ["reply"]
        message = await pa.run("return await CometChat.getMessageDetails(id)", id=parent["id"])
        assert message["replyCount"] == 1
        without = await fetch(pa, {"setUID": bob}, hideReplies=True)
        assert "reply" not in [m.get("text") for m in without]


async def test_quotes_and_mentions_arrive_and_threads_are_followed(cast):
    async with cast:
        alice, bob = cast.user("alice"), cast.user("bob")
        pa, pb = await cast.page(alice), await cast.page(bob)
        parent = await say(pa, bob, "parent")
        quote = await say(pa, bob, "as I said", setQuotedMessageId=int(parent["id"]))
        got = await pb.hears("onTextMessageReceived", lambda m: m["text"] == "as I said")
        assert got["quotedMessage"]["text"] == "parent"
        assert quote["quotedMessageId"] in (parent["id"], int(parent["id"]))
        await say(pa, bob, f"hi <@uid:{bob}>")
        got = await pb.run(
            """for (let i = 0; i < 100; i++) {
              const [m] = (await new CometChat.MessagesRequestBuilder().setUID(from).setLimit(1).build().fetchPrevious());
              if (m.getText && m.getText().startsWith("hi")) return { users: m.getMentionedUsers().map((u) => u.getUid()), me: m.hasMentionedMe() };
              await new Promise((r) => setTimeout(r, 50));
            }""",
            **{"from": alice},
        )
        assert got == {"users": [bob], "me": True}

        def is_followed() -> bool:
            query = {"withThreadSubscribed": "true"}
            return cast.ask("GET", f"/messages/{parent['id']}", as_=alice, params=query)["threadSubscribed"]

        assert not is_followed()
        await pa.run("return await CometChat.subscribeToThread(Number(id))", id=parent["id"])
        assert is_followed()
        await pa.run("return await CometChat.unsubscribeFromThread(Number(id))", id=parent["id"])
        assert not is_followed()


async def test_reactions_are_received_listed_and_removed(cast):
    async with cast:
        alice, bob = cast.user("alice"), cast.user("bob")
        pa, pb = await cast.page(alice), await cast.page(bob)
        sent = await say(pa, bob, "nice")
        changed = await pb.run("return (await CometChat.addReaction(id, '😀')).getReactions()", id=sent["id"])
        assert [(r["reaction"], r["count"], r["reactedByMe"]) for r in changed] == [("😀", 1, True)]
        got = await pa.hears("onMessageReactionAdded")
        assert (got["reaction"]["reaction"], got["reaction"]["uid"]) == ("😀", bob)
        assert str(got["reaction"]["messageId"]) == sent["id"]
        assert not pb.all("onMessageReactionAdded")
        listed = await pa.run(
            "return await new CometChat.ReactionsRequestBuilder().setMessageId(Number(id)).setLimit(10).build().fetchNext()",
            id=sent["id"],
        )
        assert [(r["reaction"], r["uid"]) for r in listed] == [("😀", bob)]
        fetched = await pa.run(
            "return (await new CometChat.MessagesRequestBuilder().setUID(b).setLimit(1).build().fetchPrevious())[0].getReactions()",
            b=bob,
        )
        assert [(r["count"], bool(r.get("reactedByMe"))) for r in fetched] == [(1, False)]
        await pb.run("return await CometChat.removeReaction(id, '😀')", id=sent["id"])
        await pa.hears("onMessageReactionRemoved")


async def test_receipts_arrive_and_change_unread_counts(cast):
    async with cast:
        alice, bob = cast.user("alice"), cast.user("bob")
        pa, pb = await cast.page(alice), await cast.page(bob)
        sent = [await say(pa, bob, f"text {n}") for n in range(3)]
        await pb.hears("onTextMessageReceived", lambda m: m["text"] == "text 2")
        counts = await pb.run("return await CometChat.getUnreadMessageCount()")
        assert counts["users"] == {alice: 3}
        assert await pb.run("return await CometChat.getUnreadMessageCountForUser(u)", u=alice) == {alice: 3}
        last = """const list = await new CometChat.MessagesRequestBuilder().setUID(from).setLimit(3).build().fetchPrevious();"""
        await pb.run(last + "await CometChat.markAsDelivered(list[2]);", **{"from": alice})
        got = await pa.hears("onMessagesDelivered")
        assert (got["messageId"], got["sender"]["uid"]) == (sent[2]["id"], bob)
        await pb.run(last + "await CometChat.markAsRead(list[1]);", **{"from": alice})
        got = await pa.hears("onMessagesRead")
        assert got["messageId"] == sent[1]["id"]
        assert await pb.run("return await CometChat.getUnreadMessageCountForAllUsers()") == {alice: 1}


async def test_conversation_is_marked_as_read_and_unread(cast):
    async with cast:
        alice, bob = cast.user("alice"), cast.user("bob")
        pa, pb = await cast.page(alice), await cast.page(bob)
        sent = [await say(pa, bob, f"text {n}") for n in range(3)]
        await pb.hears("onTextMessageReceived", lambda m: m["text"] == "text 2")
        last = """const list = await new CometChat.MessagesRequestBuilder().setUID(from).setLimit(3).build().fetchPrevious();"""
        await pb.run("await CometChat.markConversationAsRead(from, 'user')", **{"from": alice})
        await pa.hears("onMessagesRead", lambda r: r["messageId"] == sent[2]["id"])
        assert await pb.run("return await CometChat.getUnreadMessageCountForAllUsers()") == {}
        conversation = await pb.run(last + "return await CometChat.markMessageAsUnread(list[1]);", **{"from": alice})
        assert conversation["unreadMessageCount"] == 2
        history = await fetch(pa, {"setUID": bob})
        assert all(m["readAt"] for m in history)


async def test_group_receipts_arrive_when_all_have_read(cast):
    async with cast:
        alice, bob, carol = cast.user("alice"), cast.user("bob"), cast.user("carol")
        guid = alice.replace("alice", "group")
        pa, pb, cp = await cast.page(alice), await cast.page(bob), await cast.python(carol)
        await pa.run("await CometChat.createGroup(new CometChat.Group(g, 'Team', 'public'))", g=guid)
        await pb.run("await CometChat.joinGroup(g, 'public', '')", g=guid)
        await cp.chat.join_group(guid)
        sent = await say(pa, guid, "to all", "group")
        await pb.hears("onTextMessageReceived")
        await cp.ears.until(lambda: cp.ears.texts == ["to all"])
        read = """const [m] = await new CometChat.MessagesRequestBuilder().setGUID(g).setLimit(1).build().fetchPrevious();
        await CometChat.markAsRead(m);"""
        await pb.run(read, g=guid)
        got = await pa.hears("onMessagesRead")
        assert (got["messageId"], got["sender"]["uid"]) == (sent["id"], bob)
        assert not pa.all("onMessagesReadByAll")
        await cp.chat.mark_as_read(cp.ears.all("text")[0])
        assert (await pa.hears("onMessagesReadByAll"))["messageId"] == sent["id"]
        assert (await pa.hears("onMessagesDeliveredToAll"))["messageId"] == sent["id"]
        receipts = await pa.run("return await CometChat.getMessageReceipts(id)", id=sent["id"])
        assert {r["sender"]["uid"] for r in receipts} == {bob, carol}


async def test_typing_transients_and_presence_are_received(cast):
    async with cast:
        alice, bob = cast.user("alice"), cast.user("bob")
        pa, pb = await cast.page(alice), await cast.page(bob)
        assert (await pa.hears("onUserOnline", lambda u: u["uid"] == bob))["status"] == "online"
        await pb.run("CometChat.startTyping(new CometChat.TypingIndicator(to, 'user', { k: 1 }))", to=alice)
        assert (await pa.hears("onTypingStarted"))["metadata"] == {"k": 1}
        await pb.run("CometChat.endTyping(new CometChat.TypingIndicator(to, 'user', {}))", to=alice)
        await pa.hears("onTypingEnded")
        await pb.run(
            "CometChat.sendTransientMessage(new CometChat.TransientMessage(to, 'user', { cheer: 3 }))", to=alice
        )
        got = await pa.hears("onTransientMessageReceived")
        assert (got["data"], got["sender"]["uid"]) == ({"cheer": 3}, bob)
        await pb.run("await CometChat.logout()")
        got = await pa.hears("onUserOffline", lambda u: u["uid"] == bob)
        assert got["lastActiveAt"]


async def test_presence_is_limited_to_friends(cast):
    async with cast:
        alice, bob, carol = cast.user("alice"), cast.user("bob"), cast.user("carol")
        cast.ask("POST", f"/users/{alice}/friends", json={"accepted": [bob]})
        page = await cast.page(alice, presence="friends")
        await cast.python(carol)
        await cast.python(bob)
        await page.hears("onUserOnline", lambda u: u["uid"] == bob)
        assert {u["uid"] for u in page.all("onUserOnline")} <= {bob, alice}


async def test_presence_is_limited_to_a_role(cast):
    async with cast:
        role = cast.user("role")
        cast.ask("POST", "/roles", json={"role": role, "name": "R"})
        dora, bob, carol = cast.user("dora"), cast.user("bob"), cast.user("carol", role=role)
        page = await cast.page(dora, presence=[role])
        await cast.python(bob)
        await cast.python(carol)
        await page.hears("onUserOnline", lambda u: u["uid"] == carol)
        assert {u["uid"] for u in page.all("onUserOnline")} <= {carol}


LIST_CONVERSATIONS = "return await new CometChat.ConversationsRequestBuilder().setLimit(10).build().fetchNext()"


async def page_after_two_messages(cast, alice, bob, carol):
    """Open the page of Alice. Return it when two users, first Bob and then Carol, have sent Alice a message."""
    page = await cast.page(alice)
    for uid in (bob, carol):
        await (await cast.python(uid)).say(alice, f"from {uid}")
    return page


async def test_conversations_are_listed_with_their_last_message_and_unread_count(cast):
    async with cast:
        alice, bob, carol = cast.user("alice"), cast.user("bob"), cast.user("carol")
        page = await page_after_two_messages(cast, alice, bob, carol)
        listed = await page.run(LIST_CONVERSATIONS)
        assert [(c["conversationWith"]["uid"], c["unreadMessageCount"]) for c in listed] == [(carol, 1), (bob, 1)]
        assert listed[0]["lastMessage"]["text"] == f"from {carol}"
        one = await page.run("return await CometChat.getConversation(u, 'user')", u=bob)
        assert one["lastMessage"]["text"] == f"from {bob}"


async def test_conversations_are_found_by_their_tags(cast):
    async with cast:
        bob = cast.user("bob")
        page = await page_after_two_messages(cast, cast.user("alice"), bob, cast.user("carol"))
        tagged = await page.run("return await CometChat.tagConversation(u, 'user', ['vip'])", u=bob)
        assert tagged["tags"] == ["vip"]
        found = await page.run(
            "return await new CometChat.ConversationsRequestBuilder().setLimit(10).setTags(['vip']).withTags(true).build().fetchNext()"
        )
        assert [c["conversationWith"]["uid"] for c in found] == [bob]


async def test_deleted_conversation_is_gone_until_the_next_message(cast):
    async with cast:
        alice, bob, carol = cast.user("alice"), cast.user("bob"), cast.user("carol")
        page = await page_after_two_messages(cast, alice, bob, carol)
        await page.run("return await CometChat.deleteConversation(u, 'user')", u=bob)
        assert [c["conversationWith"]["uid"] for c in await page.run(LIST_CONVERSATIONS)] == [carol]
        assert await fetch(page, {"setUID": bob}) == []
        with pytest.raises(Exception, match="ERR_CONVERSATION_NOT_ACCESSIBLE"):
            await page.run("return await CometChat.getConversation(u, 'user')", u=bob)
        await (await cast.python(bob)).say(alice, "again")
        await page.hears("onTextMessageReceived", lambda m: m["text"] == "again")
        assert [m["text"] for m in await fetch(page, {"setUID": bob})] == ["again"]


async def test_pinned_conversations_are_listed_first(cast):
    async with cast:
        alice, bob, carol = cast.user("alice"), cast.user("bob"), cast.user("carol")
        page = await page_after_two_messages(cast, alice, bob, carol)
        await page.run("return await CometChat.pinConversation(u, 'user')", u=bob)
        assert [c["conversationWith"]["uid"] for c in await page.run(LIST_CONVERSATIONS)] == [bob, carol]
        await page.run("return await CometChat.unpinConversation(u, 'user')", u=bob)
        assert [c["conversationWith"]["uid"] for c in await page.run(LIST_CONVERSATIONS)] == [carol, bob]


async def test_users_blocks_and_own_details_are_managed(cast):
    async with cast:
        alice, bob = cast.user("alice"), cast.user("bob", tags=["t"], avatar="https://x.test/b.png")
        pa, bp = await cast.page(alice), await cast.python(bob)
        got = await pa.run("return await CometChat.getUser(u)", u=bob)
        assert (got["name"], got["avatar"], got["status"]) == ("Bob", "https://x.test/b.png", "online")
        found = await pa.run(
            "return await new CometChat.UsersRequestBuilder().setLimit(5).setUIDs([u]).withTags(true).build().fetchNext()",
            u=bob,
        )
        assert [u["uid"] for u in found] == [bob]
        found = await pa.run(
            "return await new CometChat.UsersRequestBuilder().setLimit(5).setSearchKeyword(u).build().fetchNext()",
            u=bob,
        )
        assert [u["uid"] for u in found] == [bob]
        assert await pa.run("return await CometChat.getOnlineUserCount()") >= 2
        assert await pa.run("return await CometChat.blockUsers([u])", u=bob)
        blocked = await pa.run(
            "return await new CometChat.BlockedUsersRequestBuilder().setLimit(5).blockedByMe().build().fetchNext()"
        )
        assert [u["uid"] for u in blocked] == [bob]
        with pytest.raises(Exception, match="ERR_BLOCKED_SENDER"):
            await bp.say(alice, "do you hear me")
        with pytest.raises(Exception, match="ERR_BLOCKED_RECEIVER"):
            await say(pa, bob, "no")
        await pa.run("return await CometChat.unblockUsers([u])", u=bob)
        await bp.say(alice, "and now")
        await pa.hears("onTextMessageReceived", lambda m: m["text"] == "and now")
        changed = await pa.run(
            "const u = new CometChat.User(me); u.setName('Alicia'); return await CometChat.updateCurrentUserDetails(u)",
            me=alice,
        )
        assert changed["name"] == "Alicia"
        key = cast.server.keys["api_key"]
        made = await pa.run(
            "const u = new CometChat.User(n); u.setName('New'); return await CometChat.createUser(u, key)",
            n=alice + "x",
            key=key,
        )
        assert made["uid"] == alice + "x"
        made = await pa.run(
            "const u = new CometChat.User(n); u.setName('Newer'); return await CometChat.updateUser(u, key)",
            n=alice + "x",
            key=key,
        )
        assert made["name"] == "Newer"


async def test_groups_members_scopes_and_bans_change(cast):
    async with cast:
        alice, bob, carol = cast.user("alice"), cast.user("bob"), cast.user("carol")
        guid = alice.replace("alice", "club")
        pa, pb, cp = await cast.page(alice), await cast.page(bob), await cast.python(carol)
        made = await pa.run(
            "return await CometChat.createGroup(new CometChat.Group(g, 'Club', 'password', 'secret'))", g=guid
        )
        assert (made["guid"], made["hasJoined"], made["scope"]) == (guid, True, "admin")
        with pytest.raises(Exception, match="ERR_WRONG_GROUP_PASS"):
            await pb.run("return await CometChat.joinGroup(g, 'password', 'wrong')", g=guid)
        joined = await pb.run("return await CometChat.joinGroup(g, 'password', 'secret')", g=guid)
        assert joined["hasJoined"]
        got = await pa.hears("onGroupMemberJoined")
        assert (got[1]["uid"], got[2]["membersCount"]) == (bob, 2)
        added = await pa.run(
            "return await CometChat.addMembersToGroup(g, [new CometChat.GroupMember(c, 'participant')], [])",
            g=guid,
            c=carol,
        )
        assert added == {carol: "success"}
        got = await pb.hears("onMemberAddedToGroup")
        assert {got[1]["uid"], got[2]["uid"]} == {alice, carol}
        await cp.ears.until(lambda: bool(cp.ears.all("added")))
        await pa.run("return await CometChat.updateGroupMemberScope(g, b, 'moderator')", g=guid, b=bob)
        got = await pb.hears("onGroupMemberScopeChanged")
        assert (got[1]["uid"], got[2], got[3]) == (bob, "moderator", "participant")
        members = await pa.run(
            "return await new CometChat.GroupMembersRequestBuilder(g).setLimit(10).build().fetchNext()", g=guid
        )
        assert {m["uid"]: m["scope"] for m in members} == {alice: "admin", bob: "moderator", carol: "participant"}
        await pb.run("return await CometChat.kickGroupMember(g, c)", g=guid, c=carol)
        assert (await pa.hears("onGroupMemberKicked"))[1]["uid"] == carol
        await cp.ears.until(lambda: bool(cp.ears.all("kicked")))
        await pb.run("return await CometChat.banGroupMember(g, c)", g=guid, c=carol)
        await pa.hears("onGroupMemberBanned")
        banned = await pa.run(
            "return await new CometChat.BannedMembersRequestBuilder(g).setLimit(10).build().fetchNext()", g=guid
        )
        assert [u["uid"] for u in banned] == [carol]
        await pa.run("return await CometChat.unbanGroupMember(g, c)", g=guid, c=carol)
        await pb.hears("onGroupMemberUnbanned")
        count = await pa.run("return await CometChat.getOnlineGroupMemberCount([g])", g=guid)
        assert count == {guid: 2}
        changed = await pa.run(
            "const g2 = new CometChat.Group(g, 'Renamed', 'password'); g2.setDescription('d'); return await CometChat.updateGroup(g2)",
            g=guid,
        )
        assert (changed["name"], changed["description"]) == ("Renamed", "d")
        found = await pa.run(
            "return await new CometChat.GroupsRequestBuilder().setLimit(5).setSearchKeyword('Renamed').joinedOnly(true).build().fetchNext()"
        )
        assert [g["guid"] for g in found] == [guid]
        with pytest.raises(Exception, match="ERR_OWNER_EXIT_FORBIDDEN"):
            await pa.run("return await CometChat.leaveGroup(g)", g=guid)
        await pa.run("return await CometChat.transferGroupOwnership(g, b)", g=guid, b=bob)
        await pa.run("return await CometChat.leaveGroup(g)", g=guid)
        assert (await pb.hears("onGroupMemberLeft"))[1]["uid"] == alice
        await pb.run("return await CometChat.deleteGroup(g)", g=guid)
        with pytest.raises(Exception, match="ERR_GUID_NOT_FOUND"):
            await pb.run("return await CometChat.getGroup(g)", g=guid)


async def test_group_is_created_with_members(cast):
    async with cast:
        alice, bob, carol = cast.user("alice"), cast.user("bob"), cast.user("carol")
        guid = alice.replace("alice", "crew")
        pa, pb = await cast.page(alice), await cast.page(bob)
        made = await pa.run(
            """const members = [new CometChat.GroupMember(b, "participant")];
            return await CometChat.createGroupWithMembers(new CometChat.Group(g, "Crew", "private"), members, [c]);""",
            g=guid, b=bob, c=carol,
        )  # fmt: skip
        assert made["group"]["guid"] == guid
        await pb.hears("onMemberAddedToGroup")
        assert (await pb.run("return await CometChat.getGroup(g)", g=guid))["membersCount"] == 2


async def test_messages_are_pinned_saved_and_flagged(cast):
    async with cast:
        alice, bob = cast.user("alice"), cast.user("bob")
        pa, pb, other = await cast.page(alice), await cast.page(bob), await cast.page(alice, name="tablet")
        sent = await say(pa, bob, "keep this")
        assert await pa.run(
            "return [CometChat.isPinMessageEnabled(), CometChat.isSaveMessageEnabled()].map(Boolean)"
        ) == [True, True]
        pinned = await pa.run("return await CometChat.pinMessage(id)", id=sent["id"])
        assert pinned["pinnedBy"] in (alice, {"uid": alice}) or pinned["pinnedAt"]
        await pb.hears("onMessagePinned")
        listed = await fetch(pb, {"setUID": alice}, setPinned=True)
        assert [m["id"] for m in listed] == [sent["id"]]
        await pa.run("return await CometChat.unpinMessage(id)", id=sent["id"])
        await pb.hears("onMessageUnpinned")
        await pa.run("return await CometChat.saveMessage(id)", id=sent["id"])
        await other.hears("onMessageSaved")
        assert not pb.all("onMessageSaved")
        assert [m["id"] for m in await fetch(pa, {}, setSaved=True)] == [sent["id"]]
        await pa.run("return await CometChat.unsaveMessage(id)", id=sent["id"])
        await other.hears("onMessageUnsaved")
        reasons = await pb.run("return await CometChat.getFlagReasons()")
        assert "spam" in [r["id"] for r in reasons]
        await pb.run("return await CometChat.flagMessage(id, { reasonId: 'spam', remark: 'r' })", id=sent["id"])
        assert cast.ask("GET", "/moderation/flagged-messages")[0]["flaggedBy"] == bob


async def test_messages_are_searched_by_their_words(cast):
    async with cast:
        alice, bob = cast.user("alice"), cast.user("bob")
        pa, bp = await cast.page(alice), await cast.python(bob)
        for text in ("the quick brown fox", "a lazy dog", "see https://x.test/page"):
            await bp.say(alice, text)
        found = await fetch(pa, {"setUID": bob}, setSearchKeyword="quick")
        assert [m["text"] for m in found] == ["the quick brown fox"]
        assert [m["text"] for m in await fetch(pa, {}, setSearchKeyword="laz")] == ["a lazy dog"]
        missed = await fetch(pa, {"setUID": bob}, "fetchNext", setMessageId=1)
        assert len(missed) == 3


async def test_messages_with_links_are_found(cast):
    async with cast:
        alice, bob = cast.user("alice"), cast.user("bob")
        pa, bp = await cast.page(alice), await cast.python(bob)
        await bp.say(alice, "see https://x.test/page")
        await bp.say(alice, "no more")
        assert [m["text"] for m in await fetch(pa, {"setUID": bob}, hasLinks=True)] == ["see https://x.test/page"]


async def test_several_devices_receive_messages_and_receipts(cast):
    async with cast:
        alice, bob = cast.user("alice"), cast.user("bob")
        phone, tablet, pb = (
            await cast.page(alice, name="phone"),
            await cast.page(alice, name="tablet"),
            await cast.page(bob),
        )
        sent = await say(phone, bob, "from my phone")
        got = await tablet.hears("onTextMessageReceived")
        assert got["id"] == sent["id"]
        assert not phone.all("onTextMessageReceived")
        answer = await say(pb, alice, "to both")
        await phone.hears("onTextMessageReceived")
        await tablet.hears("onTextMessageReceived", lambda m: m["id"] == answer["id"])
        await phone.run(
            """const [m] = await new CometChat.MessagesRequestBuilder().setUID(b).setLimit(1).build().fetchPrevious();
            await CometChat.markAsRead(m);""",
            b=bob,
        )
        assert (await tablet.hears("onMessagesRead"))["messageId"] == answer["id"]


async def test_upload_request_reports_to_its_listener(cast):
    async with cast:
        alice, bob = cast.user("alice"), cast.user("bob")
        pa, bp = await cast.page(alice), await cast.python(bob)
        await pa.run(
            """const file = new File(["a file of the sdk"], "a.txt", { type: "text/plain" });
            const request = CometChat.createUploadFileRequest(to, "user");
            const names = ["onFileProgress", "onFileUploaded", "onFileError", "onFileFailure", "onComplete"];
            const listener = new CometChat.UploadFileListener(Object.fromEntries(names.map((n) => [n, (...w) => heard(n, plain(w))])));
            request.uploadAttachments([{ fileId: "x1", file }], listener);
            window.request = request;""",
            to=bob,
        )
        (result,) = await pa.hears("onComplete")
        assert await pa.hears("onFileUploaded")
        assert [done["fileId"] for done in result["successful"]] == ["x1"]
        assert (pa.all("onFileProgress")[-1][3], pa.all("onFileError") + pa.all("onFileFailure")) == (100, [])
        await pa.run(
            """const message = new CometChat.MediaMessage(to, "", "file", "user");
            message.setAttachments(request.getAttachments());
            await CometChat.sendMediaMessage(message);""",
            to=bob,
        )
        await bp.ears.until(lambda: bool(bp.ears.all("media")))
        attachment = bp.ears.all("media")[0].attachment
        with cast.server.http() as http:
            assert http.get(attachment.url).text == "a file of the sdk"


async def test_reloaded_page_receives_events_on_a_slow_line(cast):
    async with cast:
        alice, bob = cast.user("alice"), cast.user("bob")
        pa, bp = await cast.page(alice), await cast.python(bob)
        await pa.do("slow", latency=400)  # of requests; the socket opens before their responses arrive
        await pa.do("reload")
        pa.heard.clear()
        await pa.run(START, appId=cast.server.keys["app_id"], host=cast.server.host, presence="all", auto=True)
        await pa.run(LISTEN)
        await pa.hears("onUserOnline", lambda u: u["uid"] == alice, timeout=40)
        await bp.say(alice, "after the reload")
        await pa.hears("onTextMessageReceived")


async def test_reloaded_page_receives_events(cast):
    async with cast:
        alice, bob = cast.user("alice"), cast.user("bob")
        pa, bp = await cast.page(alice), await cast.python(bob)
        await pa.do("reload")
        pa.heard.clear()
        await pa.run(START, appId=cast.server.keys["app_id"], host=cast.server.host, presence="all", auto=True)
        await pa.run(LISTEN)
        await cast.reconnected(pa)
        await bp.say(alice, "after the reload")
        await pa.hears("onTextMessageReceived")


@pytest.mark.timeout(300)
async def test_page_that_only_listens_stays_connected(cast):
    """Send a message every 5 s, for longer than the server keeps a silent socket."""
    async with cast:
        alice, bob = cast.user("alice"), cast.user("bob")
        pa, bp = await cast.page(alice), await cast.python(bob)
        await bp.say(alice, "first")
        await pa.hears("onTextMessageReceived")
        pa.heard.clear()
        for n in range(18):
            await bp.say(alice, f"listen {n}")
            await asyncio.sleep(5)
        await pa.hears("onTextMessageReceived", lambda m: m["text"] == "listen 17")
        assert len(pa.all("onTextMessageReceived")) == 18
        assert not pa.all("disconnected")


async def test_manual_mode_connects_and_disconnects_on_request(cast):
    async with cast:
        alice, bob = cast.user("alice"), cast.user("bob")
        pa, bp = await cast.page(alice, auto=False), await cast.python(bob)
        assert not pa.all("connected")
        await pa.run("CometChat.connect()")
        await cast.authenticated(pa)
        await bp.say(alice, "connected by hand")
        await pa.hears("onTextMessageReceived")
        await pa.run("CometChat.disconnect()")


async def test_offline_device_catches_up(cast):
    async with cast:
        alice, bob = cast.user("alice"), cast.user("bob")
        pa, bp = await cast.page(alice), await cast.python(bob)
        before = await bp.say(alice, "before")
        await pa.hears("onTextMessageReceived")
        await pa.do("offline", value=True)
        await pa.hears("disconnected", timeout=30)
        await bp.say(alice, "meanwhile")
        pa.heard.clear()
        await pa.do("offline", value=False)
        await pa.hears("connected", timeout=30)
        missed = await fetch(pa, {"setUID": bob}, "fetchNext", setMessageId=before.id)
        assert [m["text"] for m in missed] == ["meanwhile"]
        await cast.authenticated(pa)
        await bp.say(alice, "live again")
        await pa.hears("onTextMessageReceived", lambda m: m["text"] == "live again")


async def test_page_reconnects_to_a_restarted_server(cast):
    async with cast:
        alice, bob = cast.user("alice"), cast.user("bob")
        pa, bp = await cast.page(alice), await cast.python(bob)
        first = await bp.say(alice, "before")
        await pa.hears("onTextMessageReceived")
        pa.heard.clear()
        cast.server.kill()
        await pa.hears("disconnected", timeout=30)
        cast.server.start()
        await pa.hears("connected", timeout=30)
        await bp.wait_connected()
        await bp.say(alice, "after")
        await cast.authenticated(pa)
        missed = await fetch(pa, {"setUID": bob}, "fetchNext", setMessageId=first.id)
        assert [m["text"] for m in missed] == ["after"]
        await bp.say(alice, "live again")
        await pa.hears("onTextMessageReceived", lambda m: m["text"] == "live again")
        await say(pa, bob, "and back")
        await bp.ears.until(lambda: bp.ears.texts[-1:] == ["and back"])


async def test_sdk_recovers_from_line_faults(cast, tmp_path):
    """The vendor's SDK behind `tailwire wire`: it recovers completely from each fault."""
    ready = tmp_path / "wire.json"
    command = [
        sys.executable,
        "-m",
        "tailwire.cli.main",
        "wire",
        f"127.0.0.1:{cast.server.port}",
        "--ready-file",
        str(ready),
    ]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        for _ in range(2):
            await process.stdout.readline()
        line = json.loads(ready.read_text())
        async with cast, httpx2.AsyncClient(base_url=line["control"]) as control:
            alice, bob = cast.user("dora"), cast.user("emil")
            pa, bp = await cast.page(alice, host=f"localhost:{line['port']}"), await cast.python(bob)
            for n, fault in enumerate(("/drop", "/cut-mid-frame?bytes=7", "/cut")):
                first = await bp.say(alice, f"before {n}")
                await pa.hears("onTextMessageReceived", lambda m, n=n: m["text"] == f"before {n}")
                pa.heard.clear()
                await control.post(fault)
                missed = await bp.say(alice, f"missed {n}")
                await pa.hears("disconnected", timeout=60)
                await control.post("/restore")
                await pa.hears("connected", timeout=60)
                await cast.authenticated(pa)
                found = await fetch(pa, {"setUID": bob}, "fetchNext", setMessageId=first.id)
                assert [m["id"] for m in found] == [str(missed.id)]
            await control.post("/delay?seconds=0.3")
            await bp.say(alice, "late")
            await pa.hears("onTextMessageReceived", lambda m: m["text"] == "late")
    finally:
        process.terminate()
        await process.wait()
