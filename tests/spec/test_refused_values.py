"""Values that the REST API refuses because of a bound or a contradiction, each with the documented code."""

from __future__ import annotations

import base64
from collections import defaultdict

import pytest

from harness import Stage
from rest import Rest
from tailwire.server.rest.operations import choices_of

HOOK = {"name": "H", "webhookUrl": "https://receiver.example/hook", "triggers": ["message_sent"]}


def webhook_secret(count: int) -> str:
    return "whsec_" + base64.b64encode(b"x" * count).decode()


async def test_query_value_that_the_document_does_not_name_is_refused(stage: Stage):
    async with Rest(stage) as rest:
        tried = 0
        for operation in stage.server.parts.api.operations:
            for name in choices_of(operation.query) if operation.query else ():
                path = operation.path.format_map(defaultdict(lambda: "1"))
                error = await rest.refused("ERR_BAD_REQUEST", operation.method, f"{path}?{name}=bogus")
                assert error["details"][name].startswith("Use ")
                tried += 1
        assert tried > 15


async def test_lists_are_sorted_as_asked_for_in_any_case(stage: Stage):
    async with Rest(stage) as rest:
        for path in ("/users?sortOrder=DESC", "/users?sortBy=NAME&sortOrder=desc"):
            assert [user["uid"] for user in await rest("GET", path)] == ["carol", "bob", "alice"]


async def test_app_has_at_most_twenty_five_keys(stage: Stage):
    async with Rest(stage) as rest:
        there = len(await rest("GET", "/apikeys"))
        for n in range(25 - there):
            await rest("POST", "/apikeys", json={"name": f"key {n}", "scope": "authOnly"})
        error = await rest.refused("ERR_LIMIT_EXCEEDED", "POST", "/apikeys", json={"name": "x", "scope": "authOnly"})
        assert "25" in str(error["details"])
        assert len(await rest("GET", "/apikeys?perPage=100")) == 25


async def test_status_message_has_at_most_five_hundred_characters(stage: Stage):
    async with Rest(stage) as rest:
        assert (await rest("PUT", "/users/alice", json={"statusMessage": "x" * 500}))["statusMessage"] == "x" * 500
        await rest.refused("ERR_BAD_REQUEST", "PUT", "/users/alice", json={"statusMessage": "x" * 501})
        assert (await rest("GET", "/users/alice"))["statusMessage"] == "x" * 500


async def test_user_that_does_not_exist_is_not_deleted(stage: Stage):
    async with Rest(stage) as rest:
        await rest.refused("ERR_UID_NOT_FOUND", "DELETE", "/users/nobody")
        await rest.refused("ERR_UID_NOT_FOUND", "DELETE", "/users/nobody", json={"permanent": True})


async def test_group_is_transferred_to_a_member_only(stage: Stage):
    async with Rest(stage) as rest:
        await rest("POST", "/groups", as_="alice", json={"guid": "g", "name": "G"})
        await rest.refused("ERR_NOT_A_MEMBER", "PATCH", "/groups/g/owner", as_="alice", json={"owner": "bob"})
        await rest("POST", "/groups/g/members", as_="bob")
        await rest("PATCH", "/groups/g/owner", as_="alice", json={"owner": "bob"})
        assert (await rest("GET", "/groups/g"))["owner"] == "bob"


async def test_tags_of_a_group_are_changed(stage: Stage):
    async with Rest(stage) as rest:
        await rest("POST", "/groups", as_="alice", json={"guid": "g", "name": "G", "tags": ["a"]})
        await rest("PUT", "/groups/g", as_="alice", json={"tags": ["b", "c"]})
        assert (await rest("GET", "/groups/g"))["tags"] == ["b", "c"]


async def test_banned_user_sees_that_they_are_banned_until_the_ban_is_lifted(stage: Stage):
    async with Rest(stage) as rest:
        await rest("POST", "/groups", as_="alice", json={"guid": "g", "name": "G"})
        await rest("POST", "/groups/g/members", as_="bob")
        assert "isBanned" not in await rest("GET", "/groups/g", as_="bob")
        await rest.refused("ERR_NOT_A_BANNED_USER", "DELETE", "/groups/g/bannedusers/bob", as_="alice")
        await rest("POST", "/groups/g/bannedusers/bob", as_="alice")
        for path in ("/groups", "/groups?cursor=start"):
            assert (await rest("GET", path, as_="bob"))[0]["isBanned"] is True
            assert "isBanned" not in (await rest("GET", path, as_="carol"))[0]
            assert "isBanned" not in (await rest("GET", path, as_="alice"))[0]
        assert (await rest("GET", "/groups/g", as_="bob"))["isBanned"] is True
        await rest("DELETE", "/groups/g/bannedusers/bob", as_="alice")
        assert "isBanned" not in await rest("GET", "/groups/g", as_="bob")
        assert "isBanned" not in (await rest("GET", "/groups", as_="bob"))[0]


@pytest.mark.parametrize(
    "secret",
    [
        "x" * 40,
        "whsec_!!!!",
        webhook_secret(23),
        webhook_secret(65),
        webhook_secret(32)[6:],
        "whsec_",
        webhook_secret(32) + "*",
    ],
    ids=["no prefix", "no Base64", "too short", "too long", "not prefixed", "empty", "more"],
)
async def test_malformed_secret_of_a_webhook_is_refused(stage: Stage, secret: str):
    async with Rest(stage) as rest:
        error = await rest.refused("ERR_BAD_REQUEST", "POST", "/webhooks", json={**HOOK, "secret": secret})
        assert "secret" in error["details"]


@pytest.mark.parametrize("count", [24, 64])
async def test_secret_of_a_webhook_with_24_or_64_bytes_is_accepted(stage: Stage, count: int):
    async with Rest(stage) as rest:
        secret = webhook_secret(count)
        assert (await rest("POST", "/webhooks", json={**HOOK, "secret": secret}))["secret"] == secret


async def test_deliveries_of_a_webhook_that_does_not_exist_are_not_retried(stage: Stage):
    async with Rest(stage) as rest:
        await rest.refused("ERR_WEBHOOK_NOT_FOUND", "POST", "/webhooks/nothing/deliveries/retry")


async def test_muting_no_conversation_or_more_than_a_hundred_at_once_is_refused(stage: Stage):
    path = "/notifications/v1/preferences/mute"
    async with Rest(stage) as rest:
        for count in (0, 101):
            mutes = [{"id": f"u{n}", "type": "oneOnOne", "until": 0} for n in range(count)]
            error = await rest.refused("ERR_BAD_REQUEST", "PUT", path, as_="alice", json={"conversations": mutes})
            assert "1 to 100" in str(error["details"])


async def test_interactive_message_keeps_its_goal(stage: Stage):
    sent = {
        "category": "interactive", "type": "form", "receiver": "bob", "receiverType": "user",
        "data": {"interactiveData": {"title": "T"}, "interactionGoal": {"type": "anyAction", "elementIds": ["a"]}},
    }  # fmt: skip
    async with Rest(stage) as rest:
        made = await rest("POST", "/messages", as_="alice", json=sent)
        assert made["data"]["interactionGoal"] == {"type": "anyAction", "elementIds": ["a"]}
        del sent["data"]["interactionGoal"]
        made = await rest("POST", "/messages", as_="alice", json=sent)
        assert "interactionGoal" not in made["data"]


async def test_quote_of_a_message_of_another_conversation_is_refused(stage: Stage):
    def to(receiver: str, **more: object) -> dict[str, object]:
        return {
            "category": "message", "type": "text", "receiver": receiver, "receiverType": "user",
            "data": {"text": "t"}, **more,
        }  # fmt: skip

    async with Rest(stage) as rest:
        first = await rest("POST", "/messages", as_="alice", json=to("bob"))
        second = await rest("POST", "/messages", as_="alice", json=to("bob", quotedMessageId=int(first["id"])))
        assert second["quotedMessageId"] == first["id"]
        quote = to("carol", quotedMessageId=int(first["id"]))
        await rest.refused("ERR_MESSAGE_ID_NOT_FOUND", "POST", "/messages", as_="alice", json=quote)


async def test_new_content_of_a_message_that_is_not_an_object_is_refused(stage: Stage):
    sent = {
        "category": "message", "type": "image", "receiver": "bob", "receiverType": "user",
        "data": {"url": "https://files.example/a.png", "attachments": [{"url": "https://files.example/a.png"}]},
    }  # fmt: skip
    async with Rest(stage) as rest:
        made = await rest("POST", "/messages", as_="alice", json=sent)
        for data in ([1], 5, "text"):
            answer = await rest.answer("PUT", f"/messages/{made['id']}", as_="alice", json={"data": data})
            assert answer.status_code == 400, answer.text
        assert (await rest("GET", f"/messages/{made['id']}", as_="alice"))["data"]["url"] == sent["data"]["url"]


@pytest.mark.parametrize(("field", "longest"), [("platform", 100), ("userAgent", 1000)])
async def test_facts_about_a_device_are_limited_in_length(stage: Stage, field: str, longest: int):
    path = "/users/alice/auth_tokens"
    async with Rest(stage) as rest:
        await rest("POST", path, json={field: "x" * longest})
        error = await rest.refused("ERR_BAD_REQUEST", "POST", path, json={field: "x" * (longest + 1)})
        assert str(longest) in str(error["details"])
