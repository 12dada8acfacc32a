"""Ids are not case-sensitive: they are stored in lower case, and found however they are written."""

from __future__ import annotations

import asyncio

import pytest

from harness import Stage
from rest import Rest


async def test_messages_are_found_by_sender_and_mentioned_users_in_any_case(stage: Stage):
    async with Rest(stage) as rest:
        body = {"receiver": "bob", "receiverType": "user", "category": "message", "type": "text"}
        sent = await rest("POST", "/messages", behalf="alice", json={**body, "data": {"text": "<@uid:Carol> hello"}})
        for filter_by in ("sender=ALICE", "sender=alice", "mentionedUids=Carol", "mentionedUids=carol"):
            for as_ in ("", "bob"):
                found = await rest("GET", f"/messages?{filter_by}", as_=as_)
                assert [one["id"] for one in found] == [sent["id"]], filter_by
        assert await rest("GET", "/messages?sender=BOB") == []


async def test_role_is_found_changed_restricted_and_deleted_in_any_case(stage: Stage):
    async with Rest(stage) as rest:
        await rest("POST", "/roles", json={"role": "Boss", "name": "Boss"})
        await rest("PUT", "/users/bob", json={"role": "BOSS"})
        for filter_by in ("roles=Boss", "roles=other,BOSS", "role=BOSS"):
            assert [one["uid"] for one in await rest("GET", f"/users?{filter_by}")] == ["bob"], filter_by
        changed = await rest("PUT", "/roles/BOSS", json={"name": "The boss"})
        assert (changed["role"], changed["name"]) == ("boss", "The boss")
        assert await rest("GET", "/roles/Boss") == await rest("GET", "/roles/boss")
        restricted = "/roles/Boss/restrictedfeatures"
        await rest("POST", restricted, json={"featuresToRestrict": ["blockUser"]})
        assert len(await rest("GET", restricted)) == 1
        await rest("DELETE", restricted, json={"allowAll": True})
        assert await rest("GET", restricted) == []
        await rest("DELETE", "/roles/Boss")
        await rest.refused("ERR_ROLE_NOT_FOUND", "GET", "/roles/boss")
        assert (await rest("GET", "/users/bob"))["role"] == "default"
        await rest.refused("ERR_ROLE_DELETE_DENIED", "DELETE", "/roles/Default")


async def test_audit_log_names_users_groups_and_roles_as_they_are_stored(stage: Stage):
    async with Rest(stage) as rest:
        await rest("POST", "/roles", json={"role": "Boss", "name": "Boss"})
        await rest("PUT", "/users/ALICE", json={"role": "Boss"})
        await rest("POST", "/groups", json={"guid": "Team", "name": "T", "type": "public"})
        await rest("DELETE", "/groups/TEAM")
        sent = {"receiver": "BOB", "receiverType": "user", "category": "message", "type": "text", "data": {"text": "x"}}
        number = (await rest("POST", "/messages", behalf="alice", json=sent))["id"]
        await rest("POST", f"/messages/{number}/reactions/Yes", behalf="alice")
        targets = [one["target"] for one in await rest("GET", "/audit?action=PUT /users/{uid}")]
        assert targets == ["alice"]
        for target, count in (("boss", 1), ("ALICE", 1), ("alice", 1), ("Team", 2), ("team", 2), ("bob", 1)):
            assert len(await rest("GET", f"/audit?target={target}")) == count, target
        for target in (f"{number} Yes", f"{number} yes"):
            assert len(await rest("GET", f"/audit?target={target}")) == (1 if "Yes" in target else 0)


@pytest.mark.parametrize("roles", [["Boss"], ["other", "BOSS"]])
async def test_client_subscribes_to_the_presence_of_a_role_in_any_case(stage: Stage, roles: list[str]):
    async with Rest(stage) as rest:
        await rest("POST", "/roles", json={"role": "boss", "name": "Boss"})
        await rest("PUT", "/users/bob", json={"role": "boss"})
    alice = await stage.enter("alice", presence=roles)
    await asyncio.gather(stage.enter("bob"), stage.enter("carol"))
    await alice.ears.until(lambda: alice.ears.all("online") == ["bob"])
