"""The client for backends against a real server, for each resource of the REST API."""

from __future__ import annotations

import asyncio
import base64

import pytest

from harness import CONNECTED, Stage
from receiver import Receiver, until
from rest import Rest
from tailwire import AppSettingsBuilder, CometChatException, CustomMessage, Group, GroupMember, TextMessage
from tailwire.admin import Admin, verify_webhook


async def code_of(call) -> str:
    with pytest.raises(CometChatException) as caught:
        await call
    return caught.value.code


async def test_users_are_created_changed_found_and_deleted(stage: Stage):
    admin = stage.admin()
    made = await admin.users.create(
        "dora", name="Dora", avatar="https://a.example/d.png", metadata={"n": 1}, tags=["x"]
    )
    assert (made.uid, made.name, made.avatar, made.metadata) == ("dora", "Dora", "https://a.example/d.png", {"n": 1})
    changed = await admin.users.update("dora", name="Dora D.", unset=["avatar"])
    assert (changed.name, changed.avatar) == ("Dora D.", None)
    assert (await admin.users.get("dora")).metadata == {"n": 1}
    assert [u.uid for u in await admin.users.list(search="dor").first()] == ["dora"]
    assert [u.uid for u in await admin.users.list(tags=["x"]).first()] == ["dora"]
    await admin.users.deactivate(["dora"])
    assert [u.uid for u in await admin.users.list(search="dor").first()] == []
    assert [u.uid for u in await admin.users.list(deactivated="only").first()] == ["dora"]
    await admin.users.reactivate(["dora"])
    assert [u.uid for u in await admin.users.list(search="dor").first()] == ["dora"]
    await admin.users.delete("dora")
    assert await code_of(admin.users.get("dora")) == "ERR_UID_NOT_FOUND"


async def test_existing_user_is_refused(stage: Stage):
    admin = stage.admin()
    assert await code_of(admin.users.create("alice", name="Alice")) == "ERR_UID_ALREADY_EXISTS"


@pytest.mark.parametrize(("fate", "left"), [("keep", "Alice"), ("anonymous", "Deleted user"), ("remove", None)])
async def test_messages_of_a_deleted_user_are_kept_removed_or_made_anonymous(stage: Stage, fate, left):
    admin = stage.admin()
    await admin.groups.create(Group("g", "G"), members=[GroupMember("alice"), GroupMember("bob")])
    sent = await admin.messages.send(
        TextMessage(receiver="g", receiver_type="group", text="mine"), on_behalf_of="alice"
    )
    await admin.users.delete("alice", messages=fate)
    found = {m.id: m.sender.name for m in await admin.messages.in_group("g").first()}
    assert found.get(sent.id) == left


async def test_unknown_deletion_mode_deletes_nobody(stage: Stage):
    admin = stage.admin()
    with pytest.raises(ValueError, match="keep"):
        await admin.users.delete("alice", messages="burn")
    assert (await admin.users.get("alice")).uid == "alice"


async def test_client_logs_in_with_a_backend_token_until_it_is_revoked(stage: Stage):
    admin = stage.admin()
    token = await admin.tokens.create("alice", platform="ios")
    assert token.uid == "alice"
    assert token.token not in repr([t async for t in admin.tokens.list("alice")])
    assert [t.platform async for t in admin.tokens.list("alice")] == ["ios"]
    alice = stage.actor()
    await alice.chat.init()
    alice.listen()
    await alice.chat.login_with_auth_token(token.token)
    await alice.wait_connected()
    await admin.tokens.revoke("alice", token.token)
    await alice.ears.until(lambda: alice.status is not CONNECTED)
    second = await admin.tokens.create("alice")
    await admin.tokens.revoke_all("alice")
    other = stage.actor()
    await other.chat.init()
    assert await code_of(other.chat.login_with_auth_token(second.token)) == "AUTH_ERR_AUTH_TOKEN_NOT_FOUND"


async def test_backend_sends_edits_reacts_and_deletes_on_behalf_of_a_user(stage: Stage):
    admin = stage.admin()
    bob = await stage.enter("bob")
    sent = await admin.messages.send(TextMessage(receiver="bob", text="hello"), on_behalf_of="alice")
    assert (sent.sender.uid, sent.text, sent.id > 0) == ("alice", "hello", True)
    await bob.ears.until(lambda: bob.ears.texts == ["hello"])
    edited = await admin.messages.edit(TextMessage(receiver="bob", id=sent.id, text="hello!"), on_behalf_of="alice")
    assert edited.text == "hello!"
    await admin.messages.react(sent.id, "👋", on_behalf_of="bob")
    assert (await admin.messages.get(sent.id, on_behalf_of="bob")).text == "hello!"
    assert [c.conversation_with.uid async for c in admin.messages.conversations("alice")] == ["bob"]
    await admin.messages.delete(sent.id, on_behalf_of="alice")
    await bob.ears.until(lambda: len(bob.ears.all("deleted")) == 1)


async def test_requests_on_behalf_of_a_user_have_their_permissions(stage: Stage):
    admin = stage.admin()
    await admin.groups.create(Group("g", "G", "private"), members=[GroupMember("bob")])
    message = TextMessage(receiver="g", receiver_type="group", text="let me in")
    assert await code_of(admin.messages.send(message, on_behalf_of="alice")) == "ERR_NOT_A_MEMBER"
    assert await code_of(admin.messages.send(message, on_behalf_of="nobody")) == "ERR_UID_NOT_FOUND"


async def test_message_is_stored_once_if_the_response_is_lost(stage: Stage):
    admin = stage.admin()
    await admin.users.get("alice")
    sending = asyncio.create_task(admin.messages.send(TextMessage(receiver="bob", text="once"), on_behalf_of="alice"))
    stored = stage.server.parts.store
    while not await stored.database.rows("SELECT 1 FROM messages", ()):
        await stage.pass_time(0.001)
    stage.network.drop()  # stored, but the response is lost
    sent = await sending
    assert [m.id for m in await admin.messages.between("alice", "bob").first()] == [sent.id]


async def test_messages_sent_concurrently_by_a_backend_are_stored_in_the_order_of_the_calls(stage: Stage):
    admin = stage.admin()
    texts = [str(n) for n in range(30)]
    await asyncio.gather(*(
        admin.messages.send(TextMessage(receiver="bob", text=text), on_behalf_of="alice") for text in texts
    ))  # fmt: skip
    assert [m.text async for m in admin.messages.between("alice", "bob")] == texts


async def test_long_history_is_complete_in_both_orders(stage: Stage):
    admin = stage.admin()
    for n in range(230):
        await admin.messages.send(
            CustomMessage(receiver="bob", custom_data={"n": n}, sub_type="t"), on_behalf_of="alice"
        )
    forth = [m.custom_data["n"] async for m in admin.messages.between("alice", "bob")]
    assert forth == list(range(230))
    back = [m.custom_data["n"] async for m in admin.messages.between("bob", "alice", newest_first=True)]
    assert back == forth[::-1]
    assert len(await admin.messages.between("alice", "bob").first(150)) == 150
    assert await admin.messages.between("alice", "bob").first(0) == []
    everything = [m.id async for m in admin.messages.all()]
    assert len(everything) == len(set(everything)) == 230


async def test_paging_returns_each_user_once(stage: Stage):
    admin = stage.admin()
    await stage.server.add_users(*(f"user{n:03}" for n in range(250)))
    uids = [u.uid async for u in admin.users.list(search="user")]
    assert uids == [f"user{n:03}" for n in range(250)]


async def test_group_and_its_members_are_created_changed_and_deleted(stage: Stage):
    admin = stage.admin()
    made = await admin.groups.create(
        Group("g", "G", "password", password="secret", description="d"),
        owner="alice",
        members=[GroupMember("bob", scope="moderator")],
    )
    assert (made.guid, made.owner, made.type) == ("g", "alice", "password")
    assert (await admin.groups.get("g")).members_count == 2
    assert {m.uid: m.scope async for m in admin.groups.members("g")} == {"alice": "admin", "bob": "moderator"}
    outcome = await admin.groups.add_members("g", [GroupMember("carol"), GroupMember("nobody")])
    assert outcome["carol"] == "success"
    assert outcome["nobody"] != "success"
    await admin.groups.change_scope("g", "carol", "moderator")
    assert [m.uid async for m in admin.groups.members("g", scopes=["moderator"])] == ["bob", "carol"]
    await admin.groups.ban("g", "carol")
    assert [u.uid async for u in admin.groups.banned("g")] == ["carol"]
    await admin.groups.unban("g", "carol")
    await admin.groups.transfer("g", "bob")
    await admin.groups.kick("g", "alice")
    changed = await admin.groups.update("g", name="New", unset=["description"])
    assert (changed.name, changed.owner, changed.description) == ("New", "bob", None)
    assert [g.guid async for g in admin.groups.list(search="New")] == ["g"]
    await admin.groups.delete("g")
    assert await code_of(admin.groups.get("g")) == "ERR_GUID_NOT_FOUND"


async def test_invalid_scope_is_refused_by_the_client(stage: Stage):
    admin = stage.admin()
    assert await code_of(admin.groups.add_members("g", [GroupMember("bob", scope="king")])) == "INVALID_SCOPE_VALUE"


async def test_role_restricts_features(stage: Stage):
    admin = stage.admin()
    made = await admin.roles.create("guest", name="Guest", lists_users="friendsOnly")
    assert (made.role, made.lists_users, made.sends_to) == ("guest", "friendsOnly", "all")
    changed = await admin.roles.update("guest", sends_to="friendsOnly")
    assert (changed.lists_users, changed.sends_to) == ("friendsOnly", "friendsOnly")
    await admin.roles.restrict("guest", ["u.createGroup"])
    assert [f.key async for f in admin.roles.restricted("guest")] == ["u.createGroup"]
    await admin.users.update("alice", role="guest")
    alice = await stage.enter("alice")
    assert await code_of(alice.chat.create_group(Group("g", "G"))) == "ERR_FEATURE_RESTRICTED"
    await admin.roles.allow("guest", ["createGroup"])
    await alice.chat.create_group(Group("g", "G"))
    assert "guest" in [r.role async for r in admin.roles.list()]
    await admin.users.update("alice", role="default")
    await admin.roles.delete("guest")
    assert await code_of(admin.roles.get("guest")) == "ERR_ROLE_NOT_FOUND"


async def test_friends_and_blocks_of_a_user_are_changed_and_listed(stage: Stage):
    admin = stage.admin()
    await admin.users.befriend("alice", ["bob"])
    assert [u.uid async for u in admin.users.friends("alice")] == ["bob"]
    await admin.users.unfriend("alice", ["bob"])
    assert [u.uid async for u in admin.users.friends("alice")] == []
    await admin.users.block("alice", ["bob"])
    assert [u.uid async for u in admin.users.blocked("alice")] == ["bob"]
    message = TextMessage(receiver="alice", text="hi")
    assert (await code_of(admin.messages.send(message, on_behalf_of="bob"))).startswith("ERR_BLOCKED")
    await admin.users.unblock("alice", ["bob"])
    await admin.messages.send(message, on_behalf_of="bob")


async def test_webhook_delivery_has_a_signature_that_the_backend_verifies(stage: Stage):
    admin = stage.admin()
    receiver = Receiver()
    receiver.listen()
    hook = await admin.webhooks.create("Backend", receiver.hook["webhookUrl"], ["message_sent"])
    await admin.messages.send(TextMessage(receiver="bob", text="grüß Gott"), on_behalf_of="alice")
    await until(stage, lambda: bool(receiver.triggers))
    headers, body = receiver.headers[0], receiver.bodies[0]
    assert verify_webhook(hook.secret, headers, body, now=float(headers["webhook-timestamp"])) == headers["webhook-id"]


async def test_webhook_is_created_changed_listed_and_deleted(stage: Stage):
    admin = stage.admin()
    hook = await admin.webhooks.create("Backend", "https://hook.example/in", ["message_sent"], webhook_id="w")
    assert hook.id == "w"
    assert hook.secret not in repr(hook)
    assert (await admin.webhooks.get("w")).secret == "", "it is shown once"
    assert "message_sent" in [t.trigger for t in await admin.webhooks.triggers()]
    changed = await admin.webhooks.update("w", enabled=False)
    assert (changed.enabled, changed.triggers) == (False, ["message_sent"])
    assert [w.id for w in await admin.webhooks.list()] == ["w"]
    await admin.webhooks.delete("w")
    assert await code_of(admin.webhooks.get("w")) == "ERR_WEBHOOK_NOT_FOUND"


async def test_ensuring_a_webhook_creates_it_once_or_updates_it(stage: Stage):
    admin = stage.admin()
    secrets = ["whsec_" + base64.b64encode(bytes([n]) * 32).decode() for n in (1, 2)]
    receiver = Receiver()
    receiver.listen()
    url = receiver.hook["webhookUrl"]
    made = await admin.webhooks.ensure("w", url="https://old.example/", triggers=["message_deleted"], secret=secrets[0])
    assert (made.id, made.name, made.triggers) == ("w", "w", ["message_deleted"])
    again = await asyncio.gather(*(
        admin.webhooks.ensure(name, name="Backend", url=url, triggers=["message_sent"], secret=secrets[1])
        for name in ("w", "new", "new", "new")  # three processes start at once
    ))  # fmt: skip
    assert {(one.id, one.name, tuple(one.triggers)) for one in again} == {
        ("w", "Backend", ("message_sent",)),
        ("new", "Backend", ("message_sent",)),
    }
    assert sorted(hook.id for hook in await admin.webhooks.list()) == ["new", "w"]
    await admin.webhooks.delete("new")
    await admin.messages.send(TextMessage(receiver="bob", text="hi"), on_behalf_of="alice")
    await until(stage, lambda: bool(receiver.triggers))
    headers, body = receiver.headers[0], receiver.bodies[0]
    assert verify_webhook(secrets[1], headers, body, now=float(headers["webhook-timestamp"]))
    wrong = {"url": url, "triggers": ["no_such_trigger"], "secret": secrets[1]}
    assert await code_of(admin.webhooks.ensure("w", **wrong)) == "ERR_TRIGGER_NOT_FOUND"
    assert await code_of(admin.webhooks.ensure("other", **wrong)) == "ERR_TRIGGER_NOT_FOUND"


async def test_webhook_is_found_by_its_id_in_any_case(stage: Stage):
    admin = stage.admin()
    place = {"url": "http://receiver/hook", "secret": "whsec_" + base64.b64encode(bytes(32)).decode()}
    for trigger in ("message_deleted", "message_sent"):  # a backend calls it at each start
        hook = await admin.webhooks.ensure("Backend", triggers=[trigger], retry_on_failure=False, **place)
        assert (hook.id, hook.name, hook.triggers) == ("backend", "Backend", [trigger])
    assert await admin.webhooks.get("BACKEND") == await admin.webhooks.get("backend")
    await admin.messages.send(TextMessage(receiver="bob", text="hi"), on_behalf_of="alice")
    await stage.pass_time(30)
    (failed,) = [d async for d in admin.webhooks.deliveries("Backend")]
    assert (await admin.webhooks.delivery("Backend", failed.id)).data
    await admin.webhooks.retry("Backend", failed.id)
    await stage.pass_time(30)
    await admin.webhooks.retry_all("Backend")
    await admin.webhooks.delete("Backend")
    assert await admin.webhooks.list() == ()


async def test_failed_deliveries_are_listed_and_retried(stage: Stage):
    admin = stage.admin()
    receiver = Receiver()
    hook = {"webhook_id": "w", "retry_on_failure": False}
    await admin.webhooks.create("Backend", receiver.hook["webhookUrl"], ["message_sent"], **hook)
    await admin.messages.send(TextMessage(receiver="bob", text="hi"), on_behalf_of="alice")
    await stage.pass_time(30)
    (failed,) = [d async for d in admin.webhooks.deliveries("w")]
    assert (failed.trigger, failed.status, failed.attempts, failed.data) == ("message_sent", "failed", 1, {})
    assert failed.problem
    assert (await admin.webhooks.get("w")).state.failed == 1
    assert (await admin.webhooks.delivery("w", failed.id)).data
    receiver.listen()
    await admin.webhooks.retry("w", failed.id)
    await until(stage, lambda: receiver.triggers == ["message_sent"])
    await admin.webhooks.retry_all("w")
    assert await code_of(admin.webhooks.delivery("w", "0")) == "ERR_DELIVERY_NOT_FOUND"


async def test_key_is_created_shown_once_and_deleted(stage: Stage):
    admin = stage.admin()
    made = await admin.keys.create("Second backend", scope="fullAccess")
    async with stage.admin(made.key) as second:
        assert (await second.users.get("alice")).uid == "alice"
        assert made.key not in repr([k async for k in admin.keys.list()])
        assert (await admin.keys.update(made.key, name="Renamed", scope="fullAccess")).name == "Renamed"
        assert await code_of(second.keys.delete(made.key)) == "ERR_APIKEY_NO_SELF_ACTION"
        await admin.keys.delete(made.key)
        assert await code_of(second.users.get("alice")) == "AUTH_ERR_APIKEY_NOT_FOUND"


async def test_auth_key_cannot_delete_a_user(stage: Stage):
    async with stage.admin(stage.server.auth_key) as weak:
        assert await code_of(weak.users.delete("alice")) == "AUTH_ERR_NO_ACCESS"


async def test_uid_with_special_characters_does_not_become_another_path(stage: Stage):
    admin = stage.admin()
    await admin.users.create("per-son_1", name="P")
    assert (await admin.users.get("per-son_1")).uid == "per-son_1"
    for name in ("a/b?c#d", "../groups", "ä ö", "%2e%2e"):  # an invalid uid must not become another path
        assert await code_of(admin.users.get(name)) == "ERR_BAD_REQUEST"


@pytest.mark.parametrize("name", ["", ".", "..", "\ud800", None, 7])
async def test_invalid_uids_guids_tokens_and_reactions_are_refused_and_change_nothing(stage: Stage, name):
    admin, alice = stage.admin(), await stage.enter("alice")
    await admin.groups.create(Group("g", "G"), owner="alice", members=[GroupMember("bob")])
    sent = await alice.say("bob", "hello")
    token = await admin.tokens.create("bob")
    for call in (
        lambda: admin.tokens.revoke("bob", name),
        lambda: admin.users.delete(name),
        lambda: admin.groups.kick("g", name),
        lambda: admin.groups.unban("g", name),
        lambda: admin.webhooks.delete(name),
        lambda: alice.chat.kick_group_member("g", name),
        lambda: alice.chat.unban_group_member("g", name),
        lambda: alice.chat.update_group_member_scope("g", name, "moderator"),
        lambda: alice.chat.remove_reaction(sent.id, name),
        lambda: alice.chat.leave_group(name),
        lambda: alice.chat.delete_group(name),
        lambda: alice.chat.get_user(name),
        lambda: anext(alice.chat.messages(guid=name or "..")),
    ):
        assert await code_of(call()) == "ERR_INVALID_ARGUMENT"
    assert (await admin.users.get("bob")).uid == "bob"
    assert [t.token[-4:] async for t in admin.tokens.list("bob")] == [token.token[-4:]]
    assert (await admin.groups.get("g")).members_count == 2
    assert (await admin.messages.get(sent.id, on_behalf_of="bob")).text == "hello"


async def test_closed_client_refuses_calls(stage: Stage):
    one = stage.admin()
    await one.users.get("alice")
    await one.aclose()
    await one.aclose()
    assert await code_of(one.users.get("alice")) == "ERR_CLIENT_CLOSED"
    assert await code_of(one.messages.send(TextMessage(receiver="bob", text="x"))) == "ERR_CLIENT_CLOSED"
    assert await code_of(one.users.list().first()) == "ERR_CLIENT_CLOSED"


@pytest.mark.parametrize(
    ("app_id", "key", "host"), [("", "k", "http://h"), ("a", "", "http://h"), ("a", "k", "ftp://h"), ("a", "k", "")]
)
def test_admin_with_an_empty_app_id_or_key_or_an_invalid_host_is_refused(app_id, key, host):
    with pytest.raises(ValueError):
        Admin(app_id, AppSettingsBuilder().override_client_host(host).build(), key)


def test_admin_with_a_region_but_without_a_host_is_refused():
    with pytest.raises(ValueError, match="the settings have no host"):
        Admin("a", AppSettingsBuilder().set_region("us").build(), "k")
    Admin("a", AppSettingsBuilder().set_region("us").override_admin_host("https://chat.example.com").build(), "k")


async def test_api_key_is_neither_logged_nor_in_the_repr_of_the_admin_client(stage: Stage, caplog):
    admin = stage.admin()
    caplog.set_level(0)
    await admin.users.get("alice")
    assert "/users/alice" in caplog.text  # the request is logged
    assert stage.server.api_key not in caplog.text
    assert "Admin" in repr(admin)
    assert stage.server.api_key not in repr(admin)


async def test_user_that_was_created_over_the_rest_api_is_returned_with_its_metadata(stage: Stage):
    admin = stage.admin()
    async with Rest(stage) as rest:
        await rest.add_users("dora", metadata={"k": 1})
        assert (await admin.users.get("dora")).metadata == {"k": 1}


async def test_message_can_be_retried_after_a_lost_response(stage: Stage):
    admin = stage.admin()
    await admin.users.get("alice")
    message = TextMessage(receiver="bob", text="pay 5")
    stage.network.cut()
    assert await code_of(admin.messages.send(message, on_behalf_of="alice")) == "NO_INTERNET_CONNECTION"
    assert message.muid
    stage.network.restore()
    first = await admin.messages.send(message, on_behalf_of="alice")
    assert (await admin.messages.send(message, on_behalf_of="alice")).id == first.id
    assert len(await admin.messages.between("alice", "bob").first()) == 1


async def test_text_in_place_of_a_list_is_refused(stage: Stage):
    admin = stage.admin()
    await stage.server.add_users("a", "b")
    for call in (
        lambda: admin.users.deactivate("ab"),
        lambda: admin.users.reactivate("ab"),
        lambda: admin.users.befriend("alice", "bob"),
        lambda: admin.users.block("alice", "bob"),
        lambda: admin.users.update("alice", tags="vip"),
        lambda: admin.users.create("dora", name="Dora", tags=[1]),
        lambda: admin.groups.update("g", tags="vip"),
        lambda: admin.roles.restrict("default", "u.createGroup"),
        lambda: admin.webhooks.create("W", "https://hook.example", "message_sent"),
    ):
        assert await code_of(call()) == "ERR_INVALID_ARGUMENT"
    for listing in (
        lambda: admin.users.list(uids="ab"),
        lambda: admin.users.list(tags=["a,b"]),
        lambda: admin.groups.members("g", scopes="admin"),
    ):
        with pytest.raises(CometChatException, match="ERR_INVALID_ARGUMENT"):
            listing()


async def test_users_are_listed_by_their_uids(stage: Stage):
    admin = stage.admin()
    assert await admin.users.list(uids=[]).first() == []
    assert [u.uid async for u in admin.users.list(uids=["alice", "bob"])] == ["alice", "bob"]


async def test_unknown_values_of_the_filters_of_users_are_refused(stage: Stage):
    admin = stage.admin()
    for word in ({"status": "on"}, {"deactivated": "bogus"}):
        with pytest.raises(ValueError, match="give"):
            admin.users.list(**word)


@pytest.mark.parametrize("uid", ["ä", "x\r\ny: z", 7])
async def test_on_behalf_of_an_invalid_uid_is_refused_by_the_client(stage: Stage, uid):
    admin = stage.admin()
    message = TextMessage(receiver="bob", text="x")
    assert await code_of(admin.messages.send(message, on_behalf_of=uid)) == "ERR_INVALID_ARGUMENT"
    assert await code_of(admin.messages.get(1, on_behalf_of=uid)) == "ERR_INVALID_ARGUMENT"
    assert await code_of(admin.messages.send("hi", on_behalf_of="alice")) == "ERR_INVALID_ARGUMENT"
    for number in (True, 1.7, 0):
        assert await code_of(admin.messages.get(number)) == "ERROR_INVALID_MESSAGE_ID"
