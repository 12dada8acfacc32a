"""What the server logs about requests, WebSockets and failed authentications (docs/operating.md)."""

from __future__ import annotations

import json
import logging
from contextlib import suppress
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from harness import Stage
from rest import Rest
from tailwire.server.config import Settings
from tailwire.testing.server import UNLIMITED
from tailwire.testing.virtual.world import PORT, VirtualServer


@pytest.fixture
def records(caplog):
    """Return a function that returns the fields of all logged events of a name."""
    caplog.set_level(logging.INFO, "tailwire.server")

    def of(event: str) -> list[dict[str, Any]]:
        return [r.fields for r in caplog.records if r.getMessage() == event]

    of.text = lambda: "\n".join(f"{r.getMessage()} {getattr(r, 'fields', '')}" for r in caplog.records)
    return of


@pytest.fixture
def logging_stage(stage: Stage, tmp_path, request) -> Stage:
    settings = {"access_log": True, **UNLIMITED, **getattr(request, "param", {})}
    stage.server = VirtualServer(tmp_path, Settings(data=str(tmp_path), **settings))
    return stage


async def test_each_request_has_a_log_line(stage: Stage, logging_stage: Stage, records):
    async with Rest(stage) as rest:
        answer = await rest.answer("GET", "/users/bob?secret=in-the-query", as_="alice")
        await rest.answer("GET", "/users/nobody", headers={"X-Request-Id": "from-the-proxy_1"})
        keys = (await rest.answer("GET", "/apikeys")).json()["data"]
    seen, refused, _ = records("request")
    assert (seen["method"], seen["path"], seen["status"], seen["uid"]) == ("GET", "/v3/users/bob", 200, "alice")
    assert seen["key"] == ""
    assert seen["bytes"] == len(answer.content)
    assert 0 <= seen["ms"] < 10_000
    assert seen["address"]
    assert seen["request_id"] == answer.headers["x-request-id"]
    assert (refused["status"], refused["request_id"]) == (404, "from-the-proxy_1")
    full = next(key for key in keys if key["scope"] == "fullAccess")
    assert (refused["key"], refused["uid"]) == (full["id"], "app_system")
    assert stage.server.api_key not in records.text()
    assert "in-the-query" not in records.text()


@pytest.mark.parametrize("request_id", ["", "two words", "ü", "x" * 101, 'quote"', "a;b"])
async def test_invalid_request_ids_are_replaced(stage: Stage, request_id):
    async with Rest(stage) as rest:
        headers = {"X-Request-Id": request_id.encode("latin-1")}
        first = (await rest.answer("GET", "/health", headers=headers)).headers["x-request-id"]
        second = (await rest.answer("GET", "/health", headers=headers)).headers["x-request-id"]
    assert first != request_id
    assert first != second
    assert len(first) == 16


async def test_secrets_in_paths_are_not_logged(stage: Stage, logging_stage: Stage, records):
    async with Rest(stage) as rest:
        made = await rest("POST", "/apikeys", json={"name": "new", "scope": "authOnly"})
        token = await rest.token("alice")
        await rest("GET", f"/users/alice/auth_tokens/{token}")
        await rest("DELETE", f"/apikeys/{made['apiKey']}")
        await rest.answer("PATCH", f"/apikeys/{made['apiKey']}")
        await rest.answer("GET", f"/no/such/path/{made['apiKey']}")
    text = records.text()
    assert "/v3/apikeys/…" in text
    assert made["apiKey"] not in text
    assert token not in text


async def test_no_request_is_logged_without_the_setting(stage: Stage, records):
    async with Rest(stage) as rest:
        await rest("GET", "/users/bob", as_="alice")
    assert records("request") == []


async def test_websockets_have_a_log_line_at_their_start_and_end(stage: Stage, logging_stage: Stage, records):
    alice = await stage.enter("alice")
    await stage.enter("bob")
    await stage.pass_time(10)
    await alice.chat.disconnect()
    await stage.pass_time(1)
    stage.network.drop()
    await stage.pass_time(5)
    opened = {fields["uid"]: fields for fields in records("socket opened")}
    assert set(opened) == {"alice", "bob"}
    assert opened["alice"]["address"]
    closed = {fields["uid"]: fields for fields in records("socket closed")}
    assert set(closed) == {"alice", "bob"}
    assert closed["alice"]["cause"] == "client: 1000"
    assert 9 <= closed["alice"]["seconds"] <= 12
    assert closed["bob"]["cause"].startswith("connection lost") or closed["bob"]["cause"] == "client: no close frame"


async def test_cause_of_a_socket_that_the_server_closes_is_logged(stage: Stage, logging_stage: Stage, records):
    await stage.enter("alice")
    await stage.admin().users.deactivate(["alice"])
    await stage.pass_time(1)
    closed = records("socket closed")[0]  # the client tries once more, and is refused
    assert closed["uid"] == "alice"
    assert closed["cause"] == "server: 1000 logged out"


# Failed authentications.


async def test_reason_and_user_of_requests_that_fail_to_authenticate_are_logged(stage: Stage, records):
    server = stage.server
    async with Rest(stage) as rest:

        async def fail(**headers: str) -> dict[str, Any]:
            headers = {"appid": server.app_id, "resource": "r", "apikey": "", **headers}
            answer = await rest.answer("GET", "/users/bob", headers=headers)
            assert answer.status_code in (400, 401, 403, 404), answer.text
            found = records("authentication failed")[-1]
            assert found["on"] == "request"
            assert found["request_id"] == answer.headers["x-request-id"]
            return found

        tokens = {uid: (await server.parts.actions.sessions.create_token(uid)).token for uid in stage.uids}
        unknown = await fail(authtoken=tokens["alice"][:-1] + ("0" if tokens["alice"][-1] != "0" else "1"))
        assert (unknown["reason"], unknown["uid"], unknown["claimed_uid"]) == ("unknown token", "", "alice")
        assert (await fail(authtoken="nonsense"))["claimed_uid"] == ""
        await rest("DELETE", f"/users/alice/auth_tokens/{tokens['alice']}")
        revoked = await fail(authtoken=tokens["alice"])
        assert (revoked["reason"], revoked["uid"]) == ("revoked token", "alice")
        await rest("DELETE", "/users", json={"uidsToDeactivate": ["bob"]})
        gone = await fail(authtoken=tokens["bob"])
        assert (gone["reason"], gone["uid"]) == ("deactivated user", "bob")
        await rest("DELETE", "/users/carol", json={})
        assert (await fail(authtoken=tokens["carol"]))["reason"] == "deleted user"
        assert (await fail(apikey="wrong"))["reason"] == "unknown key"
        keys = {key["scope"]: key["id"] for key in await rest("GET", "/apikeys")}
        weak = await fail(apikey=server.auth_key)
        assert (weak["reason"], weak["key"]) == ("key without permission", keys["authOnly"])
        assert (await fail(appid="other", authtoken="x"))["reason"] == "wrong app id"
    counts = server.parts.metrics.failed_authentications
    assert counts["unknown token"] == 2
    assert counts["revoked token"] == counts["deactivated user"] == counts["unknown key"] == 1
    text = records.text()
    assert not any(secret in text for secret in [*tokens.values(), server.auth_key, server.api_key])


@pytest.mark.parametrize("logging_stage", [{"token_lifetime": 3600.0}], indirect=True)
async def test_expired_tokens_are_logged_with_their_user(stage: Stage, logging_stage: Stage, records):
    async with Rest(stage) as rest:
        await rest.token("alice")
        await stage.pass_time(4000)
        await rest.refused("ERR_AUTH_TOKEN_EXPIRED", "GET", "/users/bob", as_="alice", headers={"apikey": ""})
    (found,) = records("authentication failed")
    assert (found["reason"], found["uid"]) == ("expired token", "alice")


async def authenticate(stage: Stage, signed: str) -> int | None:
    """Return the code with which the server closes a socket that authenticates with this pass."""
    frame = {"type": "auth", "deviceId": "raw", "body": {"auth": signed, "deviceId": "raw"}}
    async with connect(f"ws://server:{PORT}/", ping_interval=None) as ws:
        await ws.send(json.dumps(frame))
        with suppress(ConnectionClosed):
            while True:
                await ws.recv()
        return ws.close_code


async def test_reason_and_user_of_sockets_that_fail_to_authenticate_are_logged(stage: Stage, records):
    sessions = stage.server.parts.actions.sessions
    made = await sessions.create_token("alice")
    signed = (await sessions.me(await sessions.caller(made.token, "raw"), made.token)).signed_pass
    assert await authenticate(stage, "nonsense") == 4501
    assert await authenticate(stage, signed[:-1] + ("0" if signed[-1] != "0" else "1")) == 4501
    await stage.server.parts.actions.keys.delete_tokens("alice")
    assert await authenticate(stage, signed) == 4501
    await stage.pass_time(90_000)  # longer than `jwt_lifetime`
    assert await authenticate(stage, signed) == 4501
    async with connect(f"ws://server:{PORT}/", ping_interval=None) as ws:
        with suppress(ConnectionClosed):
            await ws.recv()
    found = [(f["reason"], f["uid"], f["on"]) for f in records("authentication failed")]
    assert found == [
        ("invalid pass", "", "socket"),
        ("invalid pass", "", "socket"),
        ("revoked token", "alice", "socket"),
        ("expired pass", "alice", "socket"),
        ("no auth frame in time", "", "socket"),
    ]


@pytest.mark.parametrize("logging_stage", [{"wrong_tokens_per_minute": 5}], indirect=True)
async def test_one_address_cannot_fill_the_log(stage: Stage, logging_stage: Stage, records):
    async with Rest(stage) as rest:
        for _ in range(60):
            await rest.answer("GET", "/users/bob", headers={"apikey": "wrong"})
        lines = records("authentication failed")
        assert 10 <= len(lines) <= 12
        assert {line["reason"] for line in lines} == {"unknown key", "too many guesses"}
        await stage.pass_time(300)
        await rest.answer("GET", "/users/bob", headers={"apikey": "wrong"})
    last = records("authentication failed")[-1]
    counts = stage.server.parts.metrics.failed_authentications
    assert counts["unknown key"] + counts["too many guesses"] == 61
    assert last["not_logged_before"] == 60 - len(lines)
