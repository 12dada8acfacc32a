"""Operations follow their documentation in details: defaults, fields, codes, and named users."""

from __future__ import annotations

import json

import pytest

from rest import Rest
from tailwire import MessagesRequestBuilder


def text(receiver: str, kind: str = "user") -> dict[str, object]:
    return {"receiver": receiver, "receiverType": kind, "data": {"text": "x"}}


async def test_default_page_has_10_messages_and_100_entries_of_other_lists(stage):
    async with Rest(stage) as rest:
        for _ in range(12):
            await rest("POST", "/messages", behalf="bob", json=text("alice"))
        for path in ("/messages", "/users/bob/messages"):
            assert len(await rest("GET", path, as_="alice")) == 10
        for path in ("/users", "/groups", "/conversations", "/roles", "/apikeys"):
            behalf = "alice" if path == "/conversations" else ""
            answer = (await rest.answer("GET", path, behalf=behalf)).json()
            assert answer["meta"]["pagination"]["per_page"] == 100, path


async def test_calls_without_credentials_are_refused(stage):
    async with Rest(stage) as rest:
        await rest.refused("AUTH_ERR_EMPTY_APIKEY", "GET", "/users", headers={"apikey": ""})
        await rest.refused("AUTH_ERR_EMPTY_APIKEY", "GET", "/apikeys", headers={"apikey": ""})
        # A client names its device.
        await rest.refused("AUTH_ERR_EMPTY_AUTH_TOKEN", "GET", "/users", headers={"apikey": "", "resource": "r"})


async def test_user_operations_with_a_rest_key_require_on_behalf_of(stage):
    async with Rest(stage) as rest:
        number = (await rest("POST", "/messages", behalf="bob", json=text("alice")))["id"]
        await rest("POST", "/groups", behalf="bob", json={"guid": "g", "name": "G", "type": "public"})
        wanted = [
            ("POST", f"/messages/{number}/reactions/x"), ("DELETE", f"/messages/{number}/reactions/x"),
            ("POST", f"/messages/{number}/thread"), ("POST", f"/messages/{number}/save"),
            ("DELETE", f"/messages/{number}/save"), ("PATCH", f"/messages/{number}/interacted"),
            ("POST", f"/messages/{number}/thread/subscription"), ("DELETE", f"/messages/{number}/thread/subscription"),
            ("GET", "/conversations/alice_user_bob"), ("DELETE", "/conversations/alice_user_bob"),
            *[(method, f"{of}/conversation{more}") for of in ("/users/bob", "/groups/g") for method, more in (
                ("GET", ""), ("PUT", ""), ("DELETE", ""), ("POST", "/read"), ("POST", "/delivered"), ("DELETE", "/read"),
            )],
        ]  # fmt: skip
        for method, path in wanted:
            error = await rest.refused("ERR_BAD_REQUEST", method, path, json=text("alice"))
            assert "onBehalfOf" in error["details"], (method, path)
        assert await rest("GET", "/conversations", behalf="alice")
        assert (await rest("GET", f"/messages/{number}/reactions")) == []
        await rest("POST", f"/messages/{number}/pin")  # called by the app itself


async def test_groups_are_filtered_by_update_time(stage):
    async with Rest(stage) as rest:
        begin = stage.server.world.seconds()
        for n in range(6):
            await rest("POST", "/groups", json={"guid": f"g{n}", "name": f"G{5 - n}", "type": "public"})
            stage.server.world.wall_offset += 10 if n % 2 else 0  # two in each second
        await rest("PUT", "/groups/g0", json={"name": "Changed"})
        order = ["g1", "g2", "g3", "g4", "g5", "g0"]

        async def walk(query: str) -> list[str]:
            found: list[str] = []
            for page in range(1, 9):
                listed = await rest("GET", f"/groups?{query}&perPage=1&page={page}")
                found += [g["guid"] for g in listed]
            return found

        assert await walk(f"updatedAt={begin}&affix=append") == order
        assert await walk(f"updatedAt={begin}") == order
        assert await walk(f"updatedAt={begin + 10}&affix=append") == order[1:]
        assert await walk(f"updatedAt={begin + 10_000}&affix=prepend") == ["g0", "g4", "g5", "g2", "g3", "g1"]
        assert await walk(f"updatedAt={begin}&affix=prepend") == ["g1"]


async def test_block_and_deactivation_times_are_returned(stage):
    async with Rest(stage) as rest:
        now = stage.server.world.seconds()
        await rest("POST", "/users/alice/blockedusers", json={"blockedUids": ["bob"]})
        (blocked,) = await rest("GET", "/users/alice/blockedusers")
        assert (blocked["blockedByMe"], blocked["blockedByMeAt"], blocked["blockedAt"]) == (True, now, now)
        await rest("DELETE", "/users", json={"uidsToDeactivate": ["bob"]})
        (gone,) = await rest("GET", "/users?onlyDeactivated=true")
        assert gone["deactivatedAt"] == now
        assert all("deactivatedAt" not in user for user in await rest("GET", "/users"))


async def test_restricted_features_are_listed_in_pages(stage):
    async with Rest(stage) as rest:
        await rest("POST", "/roles", json={"role": "r", "name": "R"})
        await rest("POST", "/roles/r/restrictedfeatures", json={"featuresToRestrict": ["u.listGroups", "u.getUser"]})
        answer = (await rest.answer("GET", "/roles/r/restrictedfeatures?perPage=1&page=2")).json()
        assert [f["key"] for f in answer["data"]] == ["u.listGroups"]
        page = {"total": 2, "count": 1, "per_page": 1, "current_page": 2, "total_pages": 2}
        assert answer["meta"]["pagination"] == page


async def test_restricted_feature_is_refused_to_users_of_the_role(stage):
    async with Rest(stage) as rest:
        await rest("POST", "/roles", json={"role": "r", "name": "R"})
        await rest("PUT", "/users/bob", json={"role": "r"})
        await rest("POST", "/roles/r/restrictedfeatures", json={"featuresToRestrict": ["u.listGroups"]})
        await rest.refused("ERR_FEATURE_RESTRICTED", "GET", "/groups", as_="bob")
        await rest.refused("ERR_FEATURE_RESTRICTED", "GET", "/groups", behalf="bob")
        assert (await rest("GET", "/groups")) == []  # the app itself has no role


async def test_role_that_may_not_reply_in_threads_is_refused_wherever_it_names_a_parent(stage):
    async with Rest(stage) as rest:
        await rest("POST", "/roles", json={"role": "r", "name": "R"})
        await rest("PUT", "/users/bob", json={"role": "r"})
        sent = await rest("POST", "/messages", behalf="alice", json=text("bob"))
        await rest("POST", "/roles/r/restrictedfeatures", json={"featuresToRestrict": ["u.createMessageThread"]})
        for name in ("parentId", "parentMessageId"):
            reply = {**text("alice"), name: sent["id"]}
            await rest.refused("ERR_FEATURE_RESTRICTED", "POST", "/messages", behalf="bob", json=reply)
            fields = {k: v if isinstance(v, str) else json.dumps(v) for k, v in reply.items()}
            refused = await rest.answer("POST", "/messages", behalf="bob", data=fields, files={"f": ("a.txt", b"a")})
            assert refused.json()["error"]["code"] == "ERR_FEATURE_RESTRICTED"
        path = f"/messages/{sent['id']}/thread"
        await rest.refused("ERR_FEATURE_RESTRICTED", "POST", path, behalf="bob", json=text("alice"))
        assert await rest("GET", path) == []
        await rest("POST", "/messages", behalf="bob", json=text("alice"))
        await rest("POST", "/messages", behalf="alice", json={**text("bob"), "parentId": sent["id"]})


async def test_role_that_may_not_read_threads_is_refused_wherever_it_names_a_parent(stage):
    async with Rest(stage) as rest:
        await rest("POST", "/roles", json={"role": "r", "name": "R"})
        await rest("PUT", "/users/bob", json={"role": "r"})
        await rest(
            "POST", "/groups", json={"guid": "g", "name": "G", "type": "public", "members": {"participants": ["bob"]}}
        )
        sent = await rest("POST", "/messages", behalf="alice", json=text("bob"))
        await rest("POST", "/roles/r/restrictedfeatures", json={"featuresToRestrict": ["u.listThreadedMessages"]})
        paths = ("/messages", "/users/alice/messages", "/groups/g/messages")
        for query in ("", "&affix=append&id=0&mark=none&changes=none", "&affix=append&id=0&mark=none&changes=0"):
            for path in paths:
                one = f"{path}?parentId={sent['id']}{query}"
                await rest.refused("ERR_FEATURE_RESTRICTED", "GET", one, behalf="bob")
        await rest.refused("ERR_FEATURE_RESTRICTED", "GET", f"/messages/{sent['id']}/thread", behalf="bob")
        for path in paths:
            await rest("GET", path, behalf="bob")
            await rest("GET", f"{path}?parentId={sent['id']}")


async def test_messages_carry_the_conversation_id_of_the_receiver(stage):
    async with Rest(stage) as rest:
        sent = await rest("POST", "/messages", behalf="bob", json=text("alice"))
        receiver = sent["data"]["entities"]["receiver"]["entity"]
        assert (receiver["uid"], receiver["conversationId"]) == ("alice", "alice_user_bob")
        assert "conversationId" not in sent["data"]["entities"]["sender"]["entity"]


async def test_invalid_url_of_a_webhook_is_refused_by_its_field(stage):
    async with Rest(stage) as rest:
        error = await rest.refused("ERR_BAD_REQUEST", "POST", "/webhooks", json={"name": "W", "webhookUrl": "x"})
        assert [*error["details"]] == ["webhookUrl"]


async def queued_for_a_webhook(stage, rest: Rest, trigger: str) -> list[dict]:
    """Create a webhook. Return a list to which the data of its events are appended when they are queued."""
    body = {"name": "W", "webhookUrl": "http://hooks.test/w", "triggers": [trigger]}
    await rest("POST", "/webhooks", json=body)
    queued: list[dict] = []
    webhooks = stage.server.parts.store.webhooks
    enqueue = webhooks.enqueue

    def recorded(c, events, row):
        queued.extend(json.loads(event.data) for event in events if event.trigger == trigger)
        enqueue(c, events, row)

    webhooks.enqueue = recorded
    return queued


@pytest.mark.sqlite
async def test_change_of_a_scope_is_queued_for_webhooks_with_the_old_and_the_new_one(stage):
    async with Rest(stage) as rest:
        queued = await queued_for_a_webhook(stage, rest, "group_member_scope_changed")
        await rest("POST", "/groups", behalf="alice", json={"guid": "g", "name": "G", "type": "public"})
        await rest("POST", "/groups/g/members", json={"participants": ["bob"]})
        await rest("PUT", "/groups/g/members/bob", behalf="alice", json={"scope": "moderator"})
    (change,) = queued
    assert {*change} == {"group", "members", "by"}
    member = change["members"]["bob"]
    assert (member["uid"], member["scope"], member["oldScope"]) == ("bob", "moderator", "participant")


@pytest.mark.sqlite
async def test_begin_and_end_of_a_connection_are_queued_for_webhooks_with_its_platform(stage):
    async with Rest(stage) as rest:
        queued = await queued_for_a_webhook(stage, rest, "user_connection_status_changed")
        bob = await stage.enter("bob")
        await bob.chat.logout()
        await stage.pass_time(60)
    connections = [data["currentConnection"] for data in queued]
    assert [(c["action"], c["platform"]) for c in connections] == [("connected", "python"), ("disconnected", "python")]


@pytest.mark.parametrize("kind", ["read", "delivered"])
async def test_live_receipts_carry_their_time(stage, kind):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    await alice.say("bob", "hi")
    await bob.ears.until(lambda: bool(bob.ears.texts))
    await getattr(bob.chat, f"mark_as_{kind}")(bob.ears.all("text")[0])
    await alice.ears.until(lambda: bool(alice.ears.all(kind)))
    receipt = alice.ears.all(kind)[0]
    times = {"read": receipt.read_at, "delivered": receipt.delivered_at}
    assert times.pop(kind) == receipt.timestamp > 0
    assert [*times.values()] == [0]


async def test_pages_of_pinned_and_of_saved_messages_contain_each_message_once(stage):
    async with Rest(stage) as rest:
        numbers = [(await rest("POST", "/messages", behalf="bob", json=text("alice")))["id"] for _ in range(5)]
        order = [3, 0, 4, 1, 2]
        for n in order:
            await rest("POST", f"/messages/{numbers[n]}/pin", behalf="bob")
            await rest("POST", f"/messages/{numbers[n]}/save", behalf="alice")
            stage.server.world.wall_offset += n % 2
        alice = await stage.enter("alice")
        for request in (
            MessagesRequestBuilder().set_uid("bob").set_pinned().set_limit(2).build(alice.chat),
            MessagesRequestBuilder().set_saved().set_limit(2).build(alice.chat),
        ):
            pages = [await request.fetch_previous() for _ in range(4)]
            found = [message.id for page in pages for message in page[::-1]]
            assert sorted(found) == sorted(map(int, numbers))
            assert pages[3] == []


async def test_user_who_is_not_a_member_neither_finds_messages_of_a_group_nor_writes_to_it(stage):
    async with Rest(stage) as rest:
        await rest("POST", "/groups", behalf="bob", json={"guid": "g", "name": "G", "type": "public"})
        number = (await rest("POST", "/messages", behalf="bob", json=text("g", "group")))["id"]
        await rest.refused("ERR_MESSAGE_ID_NOT_FOUND", "GET", f"/messages/{number}", as_="alice")
        await rest.refused("ERR_NOT_A_MEMBER", "POST", "/messages", as_="alice", json=text("g", "group"))


async def test_interaction_with_a_message_that_is_not_interactive_is_refused(stage):
    async with Rest(stage) as rest:
        number = (await rest("POST", "/messages", behalf="bob", json=text("alice")))["id"]
        interacted = {"behalf": "bob", "json": {"interactions": ["e"]}}
        await rest.refused("ERR_INVALID_MESSAGE_CATEGORY", "PATCH", f"/messages/{number}/interacted", **interacted)


async def test_auth_key_does_not_change_a_user(stage):
    async with Rest(stage) as rest:
        auth_key = {"apikey": stage.server.auth_key}
        await rest.refused("AUTH_ERR_NO_ACCESS", "PUT", "/users/bob", headers=auth_key, json={"name": "New"})


@pytest.mark.parametrize(
    "path", ["/groups/g/banned_members", "/messages/1/reactions", "/bots/b/messages", "/data_import/users"]
)
async def test_unsupported_operation_of_the_vendor_is_refused_as_unknown(stage, path):
    async with Rest(stage) as rest:
        await rest.refused("ERR_API_NOT_FOUND", "POST", path, json={})


@pytest.mark.parametrize("trigger", ["before_message", "after_message", "after_connection_status_changed"])
async def test_unsupported_trigger_of_the_vendor_is_refused(stage, trigger):
    async with Rest(stage) as rest:
        body = {"name": "W", "webhookUrl": "http://hooks.test/w", "triggers": [trigger]}
        await rest.refused("ERR_TRIGGER_NOT_FOUND", "POST", "/webhooks", json=body)


async def test_ban_by_either_path_is_listed_by_bannedusers_and_banned_members(stage):
    async with Rest(stage) as rest:
        await rest("POST", "/groups", behalf="bob", json={"guid": "g", "name": "G", "type": "public"})

        async def listed() -> list[list[str]]:
            pages = [await rest("GET", f"/groups/g/{name}") for name in ("bannedusers", "banned_members")]
            return [[user["uid"] for user in page] for page in pages]

        for name in ("bannedusers", "banned_members"):
            await rest("POST", "/groups/g/members", json={"participants": ["alice"]})
            await rest("POST", f"/groups/g/{name}/alice", behalf="bob")
            assert await listed() == [["alice"], ["alice"]]
            await rest("DELETE", f"/groups/g/{name}/alice", behalf="bob")
            assert await listed() == [[], []]


async def test_banned_users_are_listed_by_presence(stage):
    async with Rest(stage) as rest:
        await stage.enter("alice")
        await rest("POST", "/groups", json={"guid": "g", "name": "G", "type": "public"})
        await rest("PUT", "/groups/g/members", json={"usersToBan": ["alice", "bob"]})
        for status, uids in (
            ("", ["alice", "bob"]),
            ("online", ["alice"]),
            ("available", ["alice"]),
            ("offline", ["bob"]),
        ):
            assert [user["uid"] for user in await rest("GET", f"/groups/g/bannedusers?status={status}")] == uids
