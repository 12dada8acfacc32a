"""API keys that are created, and end at once or after a grace period, over REST."""

from __future__ import annotations

import pytest

from rest import Rest


async def test_key_ends_after_its_grace_period_and_not_before(stage):
    async with Rest(stage) as rest:
        made = await rest("POST", "/apikeys", json={"name": "Old backend", "scope": "fullAccess"})
        key, name = {"apikey": made["apiKey"]}, made["id"]
        ended = await rest("DELETE", f"/apikeys/{name}", json={"grace": 60})
        assert ended["success"]
        assert (await rest("GET", f"/apikeys/{name}"))["expiresAt"] == ended["expiresAt"]
        await stage.pass_time(50)
        assert (await rest.answer("GET", "/users", headers=key)).status_code == 200
        await stage.pass_time(15)
        assert (await rest.answer("GET", "/users", headers=key)).status_code == 401


async def test_second_end_of_a_key_with_a_longer_grace_period_does_not_prolong_it(stage):
    async with Rest(stage) as rest:
        name = (await rest("POST", "/apikeys", json={"name": "Old backend", "scope": "fullAccess"}))["id"]
        ended = await rest("DELETE", f"/apikeys/{name}", json={"grace": 60})
        again = await rest("DELETE", f"/apikeys/{name}", json={"grace": 3600})
        assert again["expiresAt"] == ended["expiresAt"]


async def test_each_end_of_a_key_is_in_the_audit_log(stage):
    async with Rest(stage) as rest:
        name = (await rest("POST", "/apikeys", json={"name": "Old backend", "scope": "fullAccess"}))["id"]
        for grace in (60, 30):
            await rest("DELETE", f"/apikeys/{name}", json={"grace": grace})
        entries = await rest("GET", f"/audit?target={name}&kind=change")
        assert [entry["action"] for entry in entries] == ["DELETE /apikeys/{key}", "DELETE /apikeys/{key}"]


async def test_key_that_is_read_by_its_id_is_shown_by_its_last_characters(stage):
    async with Rest(stage) as rest:
        made = await rest("POST", "/apikeys", json={"name": "Backend", "scope": "authOnly"})
        assert await rest("GET", f"/apikeys/{made['apiKey']}") == made
        by_id = await rest("GET", f"/apikeys/{made['id']}")
        assert by_id == {**made, "apiKey": f"…{made['apiKey'][-4:]}"}


async def test_key_is_renamed_and_ended_by_its_id(stage):
    async with Rest(stage) as rest:
        name = (await rest("POST", "/apikeys", json={"name": "Backend", "scope": "authOnly"}))["id"]
        assert (await rest("PUT", f"/apikeys/{name}", json={"name": "New"}))["name"] == "New"
        await rest("DELETE", f"/apikeys/{name}")
        await rest.refused("ERR_APIKEY_NOT_FOUND", "GET", f"/apikeys/{name}")


async def test_unknown_id_of_a_key_is_refused(stage):
    async with Rest(stage) as rest:
        await rest.refused("ERR_APIKEY_NOT_FOUND", "GET", "/apikeys/000000000000")


async def test_key_cannot_end_itself_by_its_id(stage):
    async with Rest(stage) as rest:
        made = await rest("POST", "/apikeys", json={"name": "Own", "scope": "fullAccess"})
        for body in ({}, {"grace": 60}):
            await rest.refused(
                "ERR_APIKEY_NO_SELF_ACTION", "DELETE", f"/apikeys/{made['id']}",
                headers={"apikey": made["apiKey"]}, json=body,
            )  # fmt: skip
        assert "expiresAt" not in await rest("GET", f"/apikeys/{made['id']}")


@pytest.mark.parametrize("grace", [-1, 30 * 86_400 + 1, "1h", 1.5, 2**70])
async def test_invalid_grace_period_is_refused(stage, grace):
    async with Rest(stage) as rest:
        made = await rest("POST", "/apikeys", json={"name": "K", "scope": "authOnly"})
        error = await rest.refused("ERR_BAD_REQUEST", "DELETE", f"/apikeys/{made['id']}", json={"grace": grace})
        assert "grace" in error["details"]
