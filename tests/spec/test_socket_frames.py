"""What a WebSocket answers to frames that no client of ours sends, and what it tells to clients with a feature."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from harness import Stage
from rest import Rest
from tailwire.server.config import Settings
from tailwire.server.fanout.overload import Level
from tailwire.server.gateway.gateway import Gateway
from tailwire.testing.virtual.world import PORT, VirtualServer


@pytest.fixture
def settings(stage: Stage, tmp_path: Path, request: pytest.FixtureRequest) -> dict[str, Any]:
    """Give the server some settings."""
    stage.server = VirtualServer(tmp_path, Settings(data=str(tmp_path), **request.param))
    settings: dict[str, Any] = request.param
    return settings


async def auth_frame(stage: Stage, uid: str, *features: str) -> str:
    sessions = stage.server.parts.actions.sessions
    token = (await sessions.create_token(uid)).token
    me = await sessions.me(await sessions.caller(token, "raw"), token)
    params = {"params": {"platform": "raw", "tailwire": {"features": list(features)}}} if features else {}
    body = {"auth": me.signed_pass, "deviceId": "raw", **params}
    return json.dumps({"type": "auth", "deviceId": "raw", "body": body})


@asynccontextmanager
async def raw_socket(stage: Stage, uid: str, *features: str, auth: bool = True) -> AsyncIterator[ClientConnection]:
    async with connect(f"ws://server:{PORT}/", ping_interval=None) as ws:
        if auth:
            await ws.send(await auth_frame(stage, uid, *features))
            assert json.loads(await ws.recv())["body"]["status"] == "OK"
        yield ws


async def next_frame(ws: ClientConnection) -> Any:
    return json.loads(await asyncio.wait_for(ws.recv(), 5))


async def close_code(ws: ClientConnection) -> int | None:
    await asyncio.wait_for(ws.wait_closed(), 60)
    return ws.close_code


def app_state(state: str, **more: Any) -> str:
    return json.dumps({"type": "app_state", "body": {"state": state, **more}})


async def still_open(ws: ClientConnection) -> bool:
    await ws.send('{"action":"ping","ack":"true"}')
    return (await next_frame(ws))["action"] == "pong"


async def test_invalid_frames_are_answered_with_an_error_and_too_many_of_them_end_the_socket(stage: Stage):
    await stage.enter("alice")
    async with raw_socket(stage, "alice", "grace") as ws:
        for text in ["{", '{"type": "no such type"}'] * 10:
            await ws.send(text)
            error = await next_frame(ws)
            assert error["body"]["action"] == "error"
            assert error["body"]["error"]["code"] == "ERR_BAD_REQUEST"
        assert "no such type" in json.dumps(error)
        assert await still_open(ws)
        await ws.send("{")
        assert await close_code(ws) == 1008


async def test_error_repeats_at_most_fifty_characters_of_an_unknown_type(stage: Stage):
    await stage.enter("alice")
    async with raw_socket(stage, "alice", "grace") as ws:
        await ws.send(json.dumps({"type": "y" * 60}))
        assert f"'{'y' * 50}'" in json.dumps(await next_frame(ws))


async def test_typing_for_another_type_of_receiver_is_refused(stage: Stage):
    await stage.enter("alice")
    async with raw_socket(stage, "alice", "grace") as ws:
        typing = {"type": "typing_indicator", "receiver": "bob", "body": {"action": "started"}}
        await ws.send(json.dumps({**typing, "receiverType": "planet"}))
        assert (await next_frame(ws))["body"]["error"]["code"] == "ERR_INVALID_RECEIVER_TYPE"
        await ws.send(json.dumps({**typing, "receiverType": "user"}))
        assert await still_open(ws)  # the next frame is the answer to the ping


async def test_client_without_features_is_sent_no_error_frame(stage: Stage):
    await stage.enter("alice")
    async with raw_socket(stage, "alice") as ws:
        await ws.send("{")
        assert await still_open(ws)


async def test_frame_before_authentication_ends_the_socket(stage: Stage):
    await stage.enter("alice")
    async with raw_socket(stage, "alice", auth=False) as ws:
        await ws.send(app_state("foreground"))
        assert await close_code(ws) == 4003


async def test_fragmented_text_is_understood(stage: Stage):
    await stage.enter("alice")
    async with raw_socket(stage, "alice") as ws:
        await ws.send(iter(['{"action":', '"ping",', '"ack":"true"}']))
        assert (await next_frame(ws))["action"] == "pong"
        assert await still_open(ws)


async def test_binary_message_ends_the_socket(stage: Stage):
    await stage.enter("alice")
    async with raw_socket(stage, "alice") as ws:
        await ws.send(b"{}")
        assert await close_code(ws) == 1003


@pytest.mark.parametrize("window", [0, -1, 120.5])
async def test_background_window_outside_its_bounds_is_refused(stage: Stage, window: float):
    await stage.enter("alice")
    async with raw_socket(stage, "alice", "appState") as ws:
        await ws.send(app_state("background", window=window))
        error = await next_frame(ws)
        assert error["body"]["error"]["code"] == "ERR_BAD_REQUEST"
        assert "up to 120 s" in json.dumps(error)


async def test_unknown_app_state_is_refused(stage: Stage):
    await stage.enter("alice")
    async with raw_socket(stage, "alice", "appState") as ws:
        await ws.send(app_state("asleep"))
        assert (await next_frame(ws))["body"]["action"] == "error"
        assert await still_open(ws)


@pytest.mark.parametrize("window", [1, 40])
async def test_background_app_is_disconnected_five_seconds_after_its_window(stage: Stage, window: float):
    await stage.enter("alice")
    async with raw_socket(stage, "alice", "appState") as ws:
        await ws.send(app_state("background", window=window))
        begin = stage.now
        assert await close_code(ws) == 4010
        assert window + 5 <= stage.now - begin <= window + 7.5  # a sweep comes every two seconds


async def test_ping_in_the_background_restarts_the_window_at_the_server(stage: Stage):
    await stage.enter("alice")
    async with raw_socket(stage, "alice", "appState") as ws:
        await ws.send(app_state("background", window=120))  # the longest
        for _ in range(8):
            await stage.pass_time(40)
            assert await still_open(ws)


async def test_app_that_came_back_to_the_foreground_has_no_window(stage: Stage):
    await stage.enter("alice")
    async with raw_socket(stage, "alice", "appState") as ws, Rest(stage) as rest:
        await ws.send(app_state("background", window=5))
        await stage.pass_time(1)
        await ws.send(app_state("foreground"))
        await stage.pass_time(30)
        assert await still_open(ws)
        (row,) = [one for one in await rest("GET", "/connections") if one["device"] == "raw"]
        assert row["appState"] == "foreground"
        events = await rest("GET", f"/connections/{row['id']}/events")
        assert [event["kind"] for event in events] == ["opened", "authenticated", "background", "foreground"]
        assert events[2]["detail"] == "for 5 s"


async def test_load_is_reported_to_clients_with_the_feature_when_it_begins_and_ends(stage: Stage):
    await stage.enter("alice")
    overload = stage.server.parts.overload
    async with raw_socket(stage, "alice", "throttled") as announced, raw_socket(stage, "alice", "grace") as other:
        for level in (Level.TYPING, Level.PRESENCE, Level.RECEIPTS, Level.NONE):
            overload.set(level)
        assert [(await next_frame(announced))["body"] for _ in range(3)] == [
            {"action": "throttled", "shed": ["typing"]},
            {"action": "throttled", "shed": ["typing", "presence", "receipts"]},
            {"action": "throttledNoMore"},
        ]
        assert await still_open(other)  # the next frame is the answer to the ping


@pytest.mark.parametrize(
    ("settings", "within"),  # at least `restart_window`, and at most 30 s
    [({}, 2.0), ({"returns_per_second": 0.3}, 13.3), ({"returns_per_second": 0.1}, 30.0)],
    indirect=["settings"],
)
async def test_restart_window_announced_to_clients_follows_the_setting_returns_per_second(
    stage: Stage, settings: dict[str, Any], within: float
):
    await stage.enter("alice")
    gateway = stage.server.parts.gateway
    async with (
        raw_socket(stage, "alice", "restart") as one,
        raw_socket(stage, "alice", "grace") as other,
        raw_socket(stage, "alice", "restart") as last,
    ):
        gateway.close_all()
        for socket in (one, last):
            assert (await next_frame(socket))["body"] == {"action": "restarting", "within": within}
        assert await close_code(other) == 1012


@pytest.mark.parametrize("settings", [{"returns_per_second": 0.3}], indirect=True)
async def test_restart_window_counts_only_the_clients_of_the_same_restart(stage: Stage, settings: dict[str, Any]):
    await stage.enter("alice", auto=False)
    gateway = stage.server.parts.gateway
    for count, within in ((4, 13.3), (2, 6.7)):
        async with AsyncExitStack() as stack:
            sockets = [await stack.enter_async_context(raw_socket(stage, "alice", "restart")) for _ in range(count)]
            if count == 4:
                gateway.close_all()
            else:
                for socket in list(gateway._sockets):
                    socket.shutdown()
            for ws in sockets:
                assert (await next_frame(ws))["body"]["within"] == within
        await stage.pass_time(5)


@pytest.mark.parametrize("settings", [{"wrong_tokens_per_minute": 3}], indirect=True)
async def test_wrong_tokens_are_refused_and_their_number_is_limited(stage: Stage, settings: dict[str, Any]):
    await stage.enter("alice")
    metrics = stage.server.parts.metrics
    before = metrics.authenticated
    codes = []
    for n in range(8):
        async with raw_socket(stage, "alice", auth=False) as ws:
            body = {"auth": f"a guess {n}", "deviceId": "raw"}
            await ws.send(json.dumps({"type": "auth", "deviceId": "raw", "body": body}))
            codes.append(await close_code(ws))
    assert codes[:3] == [4501] * 3
    assert set(codes[3:]) == {4501, 1013}  # time passes while sockets close, so another guess is allowed
    assert metrics.authenticated == before
    assert stage.server.parts.gateway._hub.users_with_sockets() == ["alice"]
    failures = metrics.failed_authentications
    assert (failures["invalid pass"], failures["too many guesses"]) == (codes.count(4501), codes.count(1013))


async def test_upload_form_in_place_of_a_pass_is_a_wrong_token(stage: Stage, caplog: pytest.LogCaptureFixture):
    async with Rest(stage) as rest:
        wanted = {"f": {"fileId": "f", "name": "a.txt", "size": 5, "mimeType": "text/plain"}}
        form = (await rest("POST", "/files/upload-url", as_="alice", json={"files": wanted}))["f"]["request"]["body"]
        signed = "\n".join(form[name] for name in ("key", "name", "uid", "size", "expires"))
        async with raw_socket(stage, "alice", auth=False) as ws:
            body = {"auth": f"{signed}.{form['signature']}", "deviceId": "raw"}
            await ws.send(json.dumps({"type": "auth", "deviceId": "raw", "body": body}))
            assert await close_code(ws) == 4501
    assert stage.server.parts.metrics.failed_authentications["invalid pass"] == 1
    assert not [record for record in caplog.records if record.exc_info]


async def test_client_that_connects_under_load_receives_the_list_of_omitted_kinds_of_events(stage: Stage):
    await stage.enter("alice")
    stage.server.parts.overload.set(Level.PRESENCE)
    async with raw_socket(stage, "alice", auth=False) as ws:
        await ws.send(await auth_frame(stage, "alice", "throttled"))
        assert (await next_frame(ws))["body"]["tailwire"]["shed"] == ["typing", "presence"]
    async with raw_socket(stage, "alice", auth=False) as ws:
        await ws.send(await auth_frame(stage, "alice", "grace"))
        assert "shed" not in (await next_frame(ws))["body"]["tailwire"]


@pytest.mark.parametrize("settings", [{"token_lifetime": 600.0}], indirect=True)
async def test_client_with_renewal_receives_the_remaining_lifetime_of_its_token(stage: Stage, settings: dict[str, Any]):
    await stage.enter("alice")
    async with raw_socket(stage, "alice", auth=False) as ws:
        await ws.send(await auth_frame(stage, "alice", "renew"))
        assert 599 <= (await next_frame(ws))["body"]["tailwire"]["tokenLeft"] <= 600
    async with raw_socket(stage, "alice", auth=False) as ws:
        await ws.send(await auth_frame(stage, "alice", "grace"))
        assert "tokenLeft" not in (await next_frame(ws))["body"]["tailwire"]


async def test_users_of_a_failed_network_go_offline_a_few_in_each_turn_of_the_event_loop(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
):
    uids = [f"user-{n}" for n in range(30)]
    observer = await stage.enter("alice", presence=True)
    offline_in_turns = [0]
    continue_sweep, went_offline = Gateway._continue_sweep, Gateway._report_offline

    def new_turn(gateway: Gateway) -> None:
        offline_in_turns.append(0)
        continue_sweep(gateway)

    def count(gateway: Gateway, uid: str) -> None:
        offline_in_turns[-1] += 1
        went_offline(gateway, uid)

    monkeypatch.setattr(Gateway, "_continue_sweep", new_turn)
    monkeypatch.setattr(Gateway, "_report_offline", count)
    async with AsyncExitStack() as stack:
        await (await stack.enter_async_context(Rest(stage))).add_users(*uids)
        sockets = [await stack.enter_async_context(raw_socket(stage, uid, "grace")) for uid in uids]
        for ws in sockets:
            ws.transport.abort()
    await stage.pass_time(60)
    assert sorted(observer.ears.all("offline")) == sorted(uids)
    assert (sum(offline_in_turns), max(offline_in_turns)) == (30, 2)


async def test_user_whose_first_socket_is_lost_while_it_authenticates_is_announced_with_the_next_one(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
):
    observer = await stage.enter("alice", presence=True)
    gateway = stage.server.parts.gateway
    read_groups = gateway._sessions.groups_of

    async def read_slowly(uid: str) -> dict[str, int]:
        await asyncio.sleep(1)
        return await read_groups(uid)

    with monkeypatch.context() as patch:
        patch.setattr(gateway._sessions, "groups_of", read_slowly)
        async with raw_socket(stage, "bob", auth=False) as ws:
            await ws.send(await auth_frame(stage, "bob", "grace"))
            await stage.pass_time(0.5)
            ws.transport.abort()
        await stage.pass_time(2)
    assert "bob" not in observer.ears.all("online")
    async with raw_socket(stage, "bob", "grace"):
        await observer.ears.until(lambda: "bob" in observer.ears.all("online"))
    await observer.ears.until(lambda: observer.ears.all("offline") == ["bob"])
