"""API keys that were replaced: their end, their last use, and what does not end with them (docs/server.md)."""

from __future__ import annotations

from harness import CONNECTED, Stage
from rest import Rest
from tailwire.server.auth.secrets import fingerprint
from tailwire.testing.virtual.world import EPOCH


async def listed_keys(rest: Rest) -> dict[str, dict]:
    return {key["name"]: key for key in await rest("GET", "/apikeys")}


async def test_replaced_key_works_until_its_end_and_sockets_stay_open(stage: Stage):
    store = stage.server.parts.store
    alice = await stage.enter("alice")
    async with Rest(stage) as rest:
        new = await rest("POST", "/apikeys", json={"name": "new", "scope": "fullAccess"})
        now = stage.server.world.seconds()
        await store.keys.end_others([fingerprint(new["apiKey"])], now + 3600, now)
        await stage.pass_time(3590)
        assert (await listed_keys(rest))["REST API Key"]["expiresAt"] == now + 3600
        path, login = "/users/alice/auth_tokens", {"headers": {"apikey": stage.server.auth_key}}
        assert (await rest("POST", path, json={}, **login))["authToken"]
        await stage.pass_time(20)
        await rest.refused("AUTH_ERR_APIKEY_NOT_FOUND", "GET", "/users")
        await rest.refused("AUTH_ERR_APIKEY_NOT_FOUND", "POST", path, json={}, **login)
        assert await rest("GET", "/users", headers={"apikey": new["apiKey"]})
    # The session of a user depends on their auth token only.
    assert alice.ears.statuses.count(CONNECTED) == 1
    assert alice.status is CONNECTED
    assert (await alice.say("bob", "still here")).id


async def test_last_use_of_a_key_is_known_to_the_hour(stage: Stage):
    async with Rest(stage) as rest:
        first = (await listed_keys(rest))["REST API Key"]
        assert "lastUsedAt" not in (await listed_keys(rest))["Auth Key"]
        assert first["lastUsedAt"] == int(EPOCH + stage.now)
        await stage.pass_time(1800)
        assert (await listed_keys(rest))["REST API Key"]["lastUsedAt"] == first["lastUsedAt"]
        await stage.pass_time(1801)
        assert (await listed_keys(rest))["REST API Key"]["lastUsedAt"] == int(EPOCH + stage.now)
        found = {key.name: key async for key in stage.admin().keys.list()}
        assert found["REST API Key"].last_used_at == int(EPOCH + stage.now)
        assert (found["Auth Key"].last_used_at, found["Auth Key"].expires_at) == (0, 0)


async def test_request_is_served_if_the_last_use_cannot_be_stored(stage: Stage, monkeypatch):
    async def fails(key_hash: str, now: int) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(stage.server.parts.store.keys, "record_use", fails)
    async with Rest(stage) as rest:
        assert await rest("GET", "/users")
