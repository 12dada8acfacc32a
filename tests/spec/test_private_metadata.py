"""What is private in a user's metadata (`@private`) is shown to the user and to the app's backend only."""

from __future__ import annotations

import json
from typing import Any

import pytest
from websockets.asyncio.client import connect

from harness import Stage
from rest import Rest
from tailwire import TransientMessage
from tailwire.testing.virtual.world import PORT

PRIVATE = {"email": "alice@example.com", "contactNumber": "555"}
METADATA = {"city": "Rome", "@private": PRIVATE}
ESCAPED = '{"metadata":{"city":"Rome","\\u0040private":{"email":"alice@example.com"}}}'
SECRET = "alice@example.com"


async def prepare(rest: Rest) -> str:
    """Give alice private metadata, and make them appear wherever a user is shown. Return the id of a message to them."""
    await rest("PUT", "/users/alice", json={"metadata": METADATA})
    await rest("POST", "/groups", as_="bob", json={"guid": "g", "name": "G", "type": "public"})
    await rest("PUT", "/groups/g/members", as_="bob", json={"participants": ["alice"]})
    await rest("POST", "/groups", as_="bob", json={"guid": "without", "name": "G", "type": "public"})
    await rest("PUT", "/groups/without/members", as_="bob", json={"usersToBan": ["alice"]})
    await rest("POST", "/users/bob/friends", json={"accepted": ["alice"]})
    await rest(
        "POST", "/messages", as_="bob", json={"receiver": "alice", "receiverType": "user", "data": {"text": "x"}}
    )
    sent = await rest(
        "POST",
        "/messages",
        as_="bob",
        json={"receiver": "g", "receiverType": "group", "data": {"text": "<@uid:alice>"}},
    )
    await rest("POST", f"/messages/{sent['id']}/reactions/x", as_="alice")
    await rest("POST", "/groups/g/conversation/read", as_="alice")
    text: str = sent["id"]
    return text


async def test_private_metadata_is_not_shown_to_other_users_over_rest(stage: Stage):
    async with Rest(stage) as rest:
        sent = await prepare(rest)
        paths = ["/users/alice", "/users", "/users?cursor=start", "/friends", "/groups/g/members", "/conversations",
                 "/groups/g/members?cursor=start", "/groups/without/bannedusers", f"/messages/{sent}/reactions",
                 f"/messages/{sent}", "/groups/g/messages", "/users/alice/messages"]  # fmt: skip
        for caller in ({"as_": "bob"}, {"behalf": "bob"}):
            found = {path: json.dumps(await rest("GET", path, **caller)) for path in paths}
            assert [path for path, text in found.items() if "alice" not in text] == []
            assert [path for path, text in found.items() if "private" in text or SECRET in text] == []
            assert all("Rome" in found[path] for path in paths[:9]), "the rest of the metadata is shown"
        await rest("POST", "/blockedusers", as_="bob", json={"blockedUids": ["alice"]})
        for path in ("/users/alice", "/blockedusers", "/conversations"):
            text = json.dumps(await rest("GET", path, as_="bob"))
            assert "Rome" in text
            assert SECRET not in text


async def test_private_metadata_is_shown_to_its_user_and_to_a_rest_key(stage: Stage):
    async with Rest(stage) as rest:
        await prepare(rest)
        for path, caller in (("/me", {"as_": "alice"}), ("/users/alice", {"as_": "alice"}), ("/users/alice", {})):
            assert (await rest("GET", path, **caller))["metadata"] == METADATA
        for path in ("/users", "/users?cursor=start", "/groups/g/members", "/groups/without/bannedusers"):
            (alice,) = [user for user in await rest("GET", path) if user["uid"] == "alice"]
            assert alice["metadata"] == METADATA
        made = await rest("POST", "/users/alice/auth_tokens", json={})
        assert made["metadata"] == METADATA


@pytest.mark.parametrize("city", ["Rome", "a \\u0040private place"])
async def test_private_metadata_with_an_escaped_name_is_not_shown(stage: Stage, city):
    async with Rest(stage) as rest:
        await rest("PUT", "/me", as_="alice", content=ESCAPED.replace("Rome", city).encode())
        own = (await rest("GET", "/users/alice", as_="alice"))["metadata"]
        assert own["@private"] == {"email": SECRET}
        assert (await rest("GET", "/users/alice", as_="bob"))["metadata"] == {"city": own["city"]}


async def test_private_metadata_is_in_no_frame(stage: Stage):
    async with Rest(stage) as rest:
        await prepare(rest)
        sessions = stage.server.parts.actions.sessions
        token = await rest.token("bob")
        me = await sessions.me(await sessions.caller(token, "raw"), token)
        async with connect(f"ws://server:{PORT}/", ping_interval=None) as ws:
            body = {"auth": me.signed_pass, "deviceId": "raw", "presenceSubscription": "ALL_USERS"}
            await ws.send(json.dumps({"type": "auth", "deviceId": "raw", "body": body}))
            alice = await stage.enter("alice")
            message = await rest(
                "POST",
                "/messages",
                as_="bob",
                json={"receiver": "alice", "receiverType": "user", "data": {"text": "x"}},
            )
            await alice.ears.until(lambda: len(alice.ears.texts) == 1)
            await alice.chat.start_typing("bob", "user")
            await alice.chat.send_transient_message(TransientMessage("bob", "user", {"a": 1}))
            await alice.chat.mark_as_read(alice.ears.all("text")[0])
            await alice.chat.add_reaction(int(message["id"]), "x")
            await alice.say("bob", "hello")
            seen: dict[str, str] = {}
            wanted = {"presence", "typing_indicator", "transient_message", "receipts", "reaction", "message"}
            while not wanted <= set(seen):
                text: Any = await ws.recv()
                seen[json.loads(text)["type"]] = text
                assert SECRET not in text
        assert all("Rome" in seen[kind] for kind in wanted - {"message"})
