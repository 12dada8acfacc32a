"""API keys that were replaced: their end, their last use, and what does not end with them (docs/server.md)."""

from __future__ import annotations

from harness import CONNECTED, Stage
from rest import Rest
from tailwire.server.auth.secrets import fingerprint
from tailwire.testing.virtual.world import EPOCH


async def listed_keys(rest: Rest) -> dict[str, dict]:
    return {key["name"]: key for key in await rest("GET", "/apikeys")}


async def replace_keys(stage: Stage, rest: Rest, seconds: int) -> tuple[dict[str, str], int]:
    """Let all keys but a new one end after some seconds. Return the header with the new one, and the end of the others."""
    new = await rest("POST", "/apikeys", json={"name": "new", "scope": "fullAccess"})
    now = stage.server.world.seconds()
    await stage.server.parts.store.keys.end_others([fingerprint(new["apiKey"])], now + seconds, now)
    return {"apikey": new["apiKey"]}, now + seconds


async def test_replaced_keys_are_accepted_until_their_end(stage: Stage):
    async with Rest(stage) as rest:
        new_key, end = await replace_keys(stage, rest, 3600)
        await stage.pass_time(3590)
        assert (await listed_keys(rest))["REST API Key"]["expiresAt"] == end
        path, auth_key = "/users/alice/auth_tokens", {"apikey": stage.server.auth_key}
        assert (await rest("POST", path, json={}, headers=auth_key))["authToken"]
        await stage.pass_time(20)
        await rest.refused("AUTH_ERR_APIKEY_NOT_FOUND", "GET", "/users")
        await rest.refused("AUTH_ERR_APIKEY_NOT_FOUND", "POST", path, json={}, headers=auth_key)
        assert await rest("GET", "/users", headers=new_key)


async def test_session_does_not_end_with_the_key_that_began_it(stage: Stage):
    alice = await stage.enter("alice")
    async with Rest(stage) as rest:
        await replace_keys(stage, rest, 60)
        await stage.pass_time(120)
        await rest.refused("AUTH_ERR_APIKEY_NOT_FOUND", "GET", "/users")
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
    tried: list[str] = []

    async def fails(key_hash: str, now: int) -> None:
        tried.append(key_hash)
        raise OSError("the disk is full")

    monkeypatch.setattr(stage.server.parts.store.keys, "record_use", fails)
    async with Rest(stage) as rest:
        assert await rest("GET", "/users")
    assert tried
