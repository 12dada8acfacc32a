"""Webhooks: events, envelopes, retries, and persistence over restarts."""

from __future__ import annotations

import base64
import dataclasses
import json
import os
import re
from pathlib import Path

import pytest

from receiver import Receiver, until
from rest import Rest
from tailwire.server.config import Settings
from tailwire.server.rules.triggers import TRIGGERS
from tailwire.testing.server import UNLIMITED
from tailwire.testing.virtual.world import VirtualServer

HOOK = Receiver().hook


async def cause_every_event(stage, rest, receiver):
    """Cause every event. Return the webhook, the envelopes by trigger, and the first message."""
    receiver.listen()
    made = await rest("POST", "/webhooks", json={
        **HOOK, "id": "backend", "triggers": list(TRIGGERS), "username": "u", "password": "p"
    })  # fmt: skip
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    sent = await alice.say("bob", "hi <@uid:bob>")
    await bob.ears.until(lambda: bool(bob.ears.texts))
    await bob.chat.mark_as_delivered(bob.ears.all("text")[0])
    await bob.chat.mark_as_read(bob.ears.all("text")[0])
    await bob.chat.add_reaction(sent.id, "x")
    await bob.chat.remove_reaction(sent.id, "x")
    sent.text = "changed"
    await alice.chat.edit_message(sent)
    await alice.chat.delete_message(sent.id)
    await alice.chat.block_users(["bob"])
    await alice.chat.unblock_users(["bob"])
    await rest("POST", "/groups", behalf="alice", json={"guid": "g", "name": "G"})
    await bob.chat.join_group("g")
    await bob.chat.leave_group("g")
    await rest("PUT", "/groups/g", json={"name": "New"})
    await rest("POST", "/groups/g/members", json={"participants": ["bob"]})
    await rest("PUT", "/groups/g/members/bob", json={"scope": "moderator"})
    await rest("DELETE", "/groups/g/members/bob")
    await rest("POST", "/groups/g/bannedusers/bob")
    await rest("DELETE", "/groups/g/bannedusers/bob")
    await rest("POST", "/groups/g/members", json={"participants": ["bob"]})
    await rest("PATCH", "/groups/g/owner", json={"owner": "bob"})
    await rest("DELETE", "/groups/g")
    await until(stage, lambda: "group_deleted" in receiver.triggers)
    envelopes: dict = {}
    for envelope in receiver.received:
        envelopes.setdefault(envelope["trigger"], envelope)
    return made, envelopes, sent


async def test_webhook_envelopes_are_as_documented(stage):
    receiver = Receiver()
    async with Rest(stage) as rest:
        made, envelopes, sent = await cause_every_event(stage, rest, receiver)
        assert set(envelopes) == set(TRIGGERS)
        envelope = envelopes["message_sent"]
        assert set(envelope) == {"trigger", "data", "appId", "region", "webhook"}
        assert (envelope["appId"], envelope["webhook"]) == (stage.server.app_id, made["id"])
        assert envelope["data"]["message"]["id"] == str(sent.id)
        assert envelopes["message_edited"]["data"]["message"]["data"]["action"] == "edited"
        read = envelopes["message_read_receipt"]["data"]
        assert (read["sender"], read["messageSender"], read["body"]["messageId"]) == ("bob", "alice", str(sent.id))
        assert envelopes["message_reaction_added"]["data"]["reaction"]["reaction"] == "x"
        assert list(envelopes["user_blocked"]["data"]["users"]) == ["bob"]
        assert envelopes["group_member_kicked"]["data"]["by"]["uid"] == "app_system"
        assert envelopes["user_connection_status_changed"]["data"]["userPresenceChanged"] is True
        assert receiver.headers[0]["authorization"] == "Basic " + base64.b64encode(b"u:p").decode()


PAGE = Path(__file__).parents[2] / "docs" / "webhooks.md"


async def test_payloads_on_the_page_have_the_keys_and_types_of_those_that_are_sent(stage):
    """TAILWIRE_DOCS=write updates the payloads of the page."""
    async with Rest(stage) as rest:
        _, envelopes, _ = await cause_every_event(stage, rest, Receiver())
    page = PAGE.read_text(encoding="utf-8")
    if os.environ.get("TAILWIRE_DOCS") == "write":
        page = page[: page.index("### `")] + "\n".join(section(name, envelopes[name]) for name in TRIGGERS)
        PAGE.write_text(page, encoding="utf-8")
    examples = dict(re.findall(r"^### `(\w+)`\n.*?```json\n(.*?)```", page, re.MULTILINE | re.DOTALL))
    assert list(examples) == list(TRIGGERS)
    for trigger, example in examples.items():
        assert section(trigger, envelopes[trigger]).partition("```")[0] in page
        assert shape(json.loads(example)) == shape(envelopes[trigger]), f"{trigger}: TAILWIRE_DOCS=write writes it anew"


def section(trigger, envelope):
    """Return the section of the page about a trigger."""
    description = TRIGGERS[trigger]
    return f"### `{trigger}`\n\n{description[0].upper()}{description[1:]}.\n\n```json\n{compact(envelope)}\n```\n"


def compact(value, indent=""):
    """Return JSON with one line for each value that fits."""
    flat = json.dumps(value, ensure_ascii=False)
    if len(indent) + len(flat) <= 110 or not isinstance(value, dict):
        return flat
    inner = indent + "  "
    lines = (f"{inner}{json.dumps(key)}: {compact(one, inner)}" for key, one in value.items())
    return "{\n" + ",\n".join(lines) + f"\n{indent}}}"


def shape(value):
    """Return the keys and types of a JSON value."""
    if isinstance(value, dict):
        return {key: shape(one) for key, one in value.items()}
    return [shape(one) for one in value] if isinstance(value, list) else type(value).__name__


async def test_away_users_are_not_reported_offline(stage):
    receiver = Receiver()
    receiver.listen()
    async with Rest(stage) as rest:
        await rest("POST", "/webhooks", json={**HOOK, "triggers": ["user_connection_status_changed"]})
        bob = await stage.enter("bob", auto=False)
        await bob.chat.connect()
        await until(stage, lambda: len(receiver.received) == 1)
        bob.chat.set_app_state("background")
        await stage.pass_time(10)
        assert len(receiver.received) == 1
        await bob.chat.disconnect()
        await until(stage, lambda: len(receiver.received) == 2)


async def give_up_after_three_tries(stage):
    """Restart the server so that it tries each delivery three times, the fewest that are possible."""
    settings = stage.server._settings
    await stage.server.stop()
    stage.server._settings = dataclasses.replace(settings, webhook_retry_for=0.0)
    await stage.server.start()


async def test_delivery_is_tried_three_times_at_growing_intervals(stage):
    await give_up_after_three_tries(stage)
    receiver = Receiver()
    receiver.status = 500
    receiver.listen()
    async with Rest(stage) as rest:
        await rest("POST", "/webhooks", json={**HOOK, "triggers": ["message_sent"], "retryOnFailure": True})
        text = {"receiver": "bob", "receiverType": "user", "data": {"text": "one"}}
        begin = stage.now
        await rest("POST", "/messages", json=text)
        times = []
        for n in range(1, 4):
            await until(stage, lambda n=n: len(receiver.received) == n)
            times.append(stage.now - begin)
        assert times[0] < 2
        assert 9 < times[1] - times[0] < 13
        assert 29 < times[2] - times[1] < 34
        await stage.pass_time(120)
        assert len(receiver.received) == 3
        assert stage.server.parts.metrics.webhooks == {"put off": 2, "given up": 1}


async def test_slow_response_is_a_failure_and_a_success_ends_the_retries(stage):
    receiver = Receiver()
    receiver.listen()
    async with Rest(stage) as rest:
        await rest("POST", "/webhooks", json={**HOOK, "triggers": ["message_sent"], "retryOnFailure": True})
        receiver.seconds = 5.0
        await rest("POST", "/messages", json={"receiver": "bob", "receiverType": "user", "data": {"text": "one"}})
        await stage.pass_time(8)
        receiver.seconds = 0.0
        await stage.pass_time(60)
        assert stage.server.parts.metrics.webhooks == {"put off": 1, "sent": 1}


# On PostgreSQL the lease of a killed server ends by the clock of the database, for which virtual time does not wait;
# tests/postgres/test_servers_together.py has what another server does then.
@pytest.mark.sqlite
async def test_restart_loses_no_delivery(stage):
    receiver = Receiver()
    async with Rest(stage) as rest:
        await rest("POST", "/webhooks", json={**HOOK, "triggers": ["message_sent"]})
        text = {"receiver": "bob", "receiverType": "user", "data": {"text": "one"}}
        for _ in range(3):
            await rest("POST", "/messages", json=text)
        await stage.server.kill()
        receiver.listen()
        await stage.server.start()
        await until(stage, lambda: len(receiver.received) == 3)
        assert sorted(t["data"]["message"]["id"] for t in receiver.received) == ["1", "2", "3"]


async def test_webhooks_are_created_changed_and_deleted(stage):
    async with Rest(stage) as rest:
        made = await rest("POST", "/webhooks", json={**HOOK, "id": "Mine", "triggers": ["message_sent"]})
        assert (made["id"], made["triggers"], made["enabled"]) == ("mine", ["message_sent"], True)
        assert "password" not in made
        changed = await rest("PUT", "/webhooks/mine", json={"enabled": False, "triggers": ["user_blocked"]})
        assert (changed["enabled"], changed["triggers"], changed["name"]) == (False, ["user_blocked"], "H")
        assert await rest("GET", "/webhooks") == [changed]
        assert await rest("GET", "/webhooks/mine") == changed
        await rest("DELETE", "/webhooks/mine")
        await rest.refused("ERR_WEBHOOK_NOT_FOUND", "GET", "/webhooks/mine")


async def test_webhook_with_an_unknown_trigger_or_an_invalid_url_is_refused(stage):
    async with Rest(stage) as rest:
        await rest("POST", "/webhooks", json={**HOOK, "id": "mine", "triggers": ["message_sent"]})
        await rest.refused("ERR_TRIGGER_NOT_FOUND", "POST", "/webhooks", json={**HOOK, "triggers": ["moon"]})
        await rest.refused("ERR_BAD_REQUEST", "POST", "/webhooks", json={"name": "x", "webhookUrl": "ftp://x"})
        error = await rest.refused("ERR_BAD_REQUEST", "PUT", "/webhooks/mine", json={"webhookUrl": "ftp://x"})
        assert list(error["details"]) == ["webhookUrl"]


async def test_delivery_is_repeated_until_its_success_can_be_stored(stage):
    receiver = Receiver()
    receiver.listen()
    async with Rest(stage) as rest:
        await rest("POST", "/webhooks", json={**HOOK, "triggers": ["message_sent"]})
        receiver.seconds = 1.0
        await rest("POST", "/messages", json={"receiver": "bob", "receiverType": "user", "data": {"text": "one"}})
        await stage.set_read_only(on=True)  # the success cannot be stored, so the delivery is sent again
        await stage.pass_time(20)
        assert len(receiver.received) >= 2
        await stage.set_read_only(on=False)
        await stage.pass_time(20)
        times = len(receiver.received)
        await stage.pass_time(60)
        assert len(receiver.received) == times
        await rest("POST", "/messages", json={"receiver": "bob", "receiverType": "user", "data": {"text": "two"}})
        await until(stage, lambda: len(receiver.received) == times + 1)


@pytest.fixture
def public_server(stage, tmp_path):
    """A server with a public address, whose webhooks must not reach local addresses."""
    stage.server = VirtualServer(
        tmp_path, Settings(data=str(tmp_path), host="0.0.0.0", webhook_targets="10.1.0.0/16", **UNLIMITED)
    )
    return stage


async def test_local_addresses_are_reached_only_if_they_are_allowed(stage, public_server):
    receiver = Receiver()
    receiver.listen("10.1.2.3")
    async with Rest(stage) as rest:
        await rest("POST", "/webhooks", json={**HOOK, "triggers": ["message_sent"], "retryOnFailure": False})
        alice = await stage.enter("alice")
        await alice.say("bob", "1")
        await until(stage, lambda: len(receiver.received) == 1)
        given_up = stage.server.parts.metrics.webhooks
        for n, address in enumerate(["127.0.0.1", "169.254.169.254", "192.168.1.1", "::1", "::ffff:127.0.0.1"]):
            stage.network.names.addresses["hook"] = [address]  # the name resolves to another address now
            await stage.pass_time(10)
            await alice.say("bob", address)
            await until(stage, lambda n=n: given_up["given up"] == n + 1)
        assert len(receiver.received) == 1
        stage.network.names.addresses["hook"] = ["127.0.0.1", "10.1.9.9"]  # one of the addresses is allowed
        await alice.say("bob", "2")
        await until(stage, lambda: len(receiver.received) == 2)


async def test_redirects_are_not_followed(stage):
    receiver, other = Receiver(9000), Receiver(9001)
    other.listen()
    receiver.listen()
    receiver.location = f"http://hook:{other.port}/stolen"
    async with Rest(stage) as rest:
        hook = {**receiver.hook, "triggers": ["message_sent"], "retryOnFailure": False}
        await rest("POST", "/webhooks", json=hook)
        alice = await stage.enter("alice")
        for n, status in enumerate((301, 302, 303, 307, 308), 1):
            receiver.status = status
            await alice.say("bob", str(n))
            await until(stage, lambda n=n: stage.server.parts.metrics.webhooks["given up"] == n)
        assert receiver.messages == [1, 2, 3, 4, 5]
        assert other.received == []


async def test_invalid_urls_are_refused(stage, public_server):
    async with Rest(stage) as rest:
        for url in (
            "http://127.0.0.1/in",
            "http://[::1]/in",
            "http://[::ffff:127.0.0.1]:80/",
            "http://169.254.169.254/",
        ):
            error = await rest.refused(
                "ERR_BAD_REQUEST", "POST", "/webhooks", json={**HOOK, "triggers": ["message_sent"], "webhookUrl": url}
            )
            assert "webhook_targets" in str(error["details"])
        for url in (
            "http://[::1",
            "http://hook:0/",
            "http://hook:x/",
            "ftp://hook/",
            "http:///in",
            "http://a b/",
            "hook",
        ):
            await rest.refused(
                "ERR_BAD_REQUEST", "POST", "/webhooks", json={**HOOK, "triggers": ["message_sent"], "webhookUrl": url}
            )
        secret = {**HOOK, "triggers": ["message_sent"], "webhookUrl": "https://user:secret@hook.example.com/"}
        error = await rest.refused("ERR_BAD_REQUEST", "POST", "/webhooks", json=secret)
        assert "username" in str(error["details"])
        assert await rest("GET", "/webhooks") == []
