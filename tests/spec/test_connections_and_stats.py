"""The connections and the load of a server, as operators see them over the REST API."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest

from harness import CONNECTED, DISCONNECTED, Stage
from rest import Rest
from tailwire.server.config import SECRET_SETTINGS
from tailwire.server.setting_sources import sources


async def test_live_connection_is_listed_with_its_user_and_device(stage: Stage):
    alice = await stage.enter("alice")
    async with Rest(stage) as rest:
        (one,) = await rest("GET", "/connections")
        assert (one["uid"], one["appState"], one["slow"], one["buffered"]) == ("alice", "foreground", False, 0)
        assert one["device"]
        assert "chain" in one["features"]
        assert "end" not in one
        again = await rest("GET", f"/connections/{one['id']}")
        assert {**again, "life": 0} == {**one, "life": 0}
        alice.chat.set_app_state("background")
        await alice.ears.until(lambda: alice.ears.statuses[-1] is DISCONNECTED)
        assert await rest("GET", "/connections") == []
        (ended,) = await rest("GET", "/connections?state=ended")
        assert ended["id"] == one["id"]
        assert ended["end"]["by"] == "client"
        assert ended["end"]["code"] == 1000


async def test_events_of_a_connection_are_listed_in_order(stage: Stage):
    await stage.enter("alice")
    async with Rest(stage) as rest:
        (one,) = await rest("GET", "/connections?uid=ALICE")
        assert await rest("GET", "/connections?uid=bob") == []
        await rest("DELETE", "/users/alice/auth_tokens")
        await stage.pass_time(1)
        events = await rest("GET", f"/connections/{one['id']}/events")
        assert [event["kind"] for event in events] == ["opened", "authenticated", "ended"]
        assert events[0]["detail"] == one["address"]
        assert events == sorted(events, key=lambda event: event["at"])
        ended = await rest("GET", f"/connections/{one['id']}")
        assert ended["end"]["cause"] or ended["end"]["code"]
        assert ended["life"] == pytest.approx(events[-1]["at"] - events[0]["at"], abs=0.01)


async def test_lists_of_connections_are_read_page_by_page(stage: Stage):
    bobs = [await stage.enter("bob") for _ in range(5)]
    async with Rest(stage) as rest:
        for state in ("live", "ended"):
            seen, before = [], ""
            while True:
                answer = (await rest.answer("GET", f"/connections?state={state}&limit=2{before}")).json()
                seen += [one["id"] for one in answer["data"]]
                assert len(seen) <= 5
                if not answer["meta"]["next"]:
                    break
                assert len(answer["data"]) == 2
                before = f"&before={answer['meta']['next']['before']}"
            assert len(seen) == len(set(seen)) == 5
            if state == "live":
                assert seen == sorted(seen, key=int, reverse=True)
                for bob in bobs:
                    await bob.chat.logout()
                await stage.pass_time(1)
        assert await rest("GET", "/connections") == []


async def test_connections_and_stats_need_a_rest_key(stage: Stage):
    await stage.enter("alice")
    async with Rest(stage) as rest:
        for path in ("/connections", "/connections/1", "/connections/1/events", "/stats", "/stats/stream"):
            answer = await rest.answer("GET", path, as_="alice")
            assert answer.status_code in (400, 401, 403), path
            assert "alice" not in answer.text


@pytest.mark.parametrize("name", ["0", "99", "x", "9" * 30, "%00"])
async def test_connection_without_a_valid_id_is_not_found(stage: Stage, name: str):
    await stage.enter("alice")
    async with Rest(stage) as rest:
        assert (await rest.answer("GET", f"/connections/{name}")).status_code in (400, 404)


@pytest.mark.parametrize("path", ["/connections?state=all", "/connections?limit=1001", "/stats?window=1h"])
async def test_invalid_query_about_connections_or_stats_is_refused(stage: Stage, path: str):
    async with Rest(stage) as rest:
        await rest.refused("ERR_BAD_REQUEST", "GET", path)


async def test_stats_reach_back_fifteen_minutes_and_have_rates(stage: Stage):
    alice = await stage.enter("alice")
    async with Rest(stage) as rest:
        stats = stage.server.parts.observers.stats
        await stage.pass_time(2)
        stats.tick()
        for n in range(6):
            await alice.say("bob", f"message {n}")
        await stage.pass_time(2)
        stats.tick()
        recent = await rest("GET", "/stats?window=10s")
        newest = recent["samples"][-1]
        assert newest["messages"] == pytest.approx(3, rel=0.1)
        assert (newest["connections"], newest["users"]) == (1, 1)
        assert 0 < newest["sendP50"] <= newest["sendP99"]
        assert "sendP50" not in recent["samples"][0]
        assert recent["process"]["servers"] == 1
        assert recent["sizes"]["free"] > 0
        for _ in range(500):
            await stage.pass_time(2)
            stats.tick()
        everything = (await rest("GET", "/stats?window=99m"))["samples"]
        assert len(everything) == 450
        assert everything[-1]["at"] - everything[0]["at"] <= 900
        assert alice.status is CONNECTED


async def test_stream_sends_each_sample_and_ends_with_the_server(stage: Stage):
    async with Rest(stage) as rest:
        stats = stage.server.parts.observers.stats
        heard: list[tuple[str, dict]] = []

        async def listen() -> None:
            headers = {"apikey": stage.server.api_key}
            async with rest._http.stream("GET", f"{stage.server.url}/v3/stats/stream", headers=headers) as answer:
                assert answer.headers["content-type"] == "text/event-stream"
                name = ""
                async for line in answer.aiter_lines():
                    if line.startswith("event: "):
                        name = line[7:]
                    elif line.startswith("data: "):
                        heard.append((name, json.loads(line[6:])))

        listening = asyncio.create_task(listen())
        await stage.pass_time(1)
        for n in range(3):
            await stage.pass_time(2)
            stats.tick()
            await stage.pass_time(0.1)
            assert [name for name, _ in heard] == ["about", *["sample"] * (n + 1)]
        assert heard[-1][1] == (await rest("GET", "/stats"))["samples"][-1]
        stats.close()
        await asyncio.wait_for(listening, 5)


async def test_settings_are_listed_with_their_values_and_without_secrets(stage: Stage):
    async with Rest(stage) as rest:
        settings = {one["name"]: one for one in await rest("GET", "/configuration")}
        assert settings["port"] == {
            "name": "port", "value": "8480", "default": "8480", "source": "default",
            "meaning": "the port to listen on; 0 picks a free one",
        }  # fmt: skip
        assert await rest("GET", "/processes")
        hidden = {name: f"hidden-{name}" for name in SECRET_SETTINGS}
        stage.server._settings = replace(stage.server._settings, **hidden)
        await stage.server.stop()
        await stage.server.start()
        answer = await rest.answer("GET", "/configuration")
        assert "hidden" not in answer.text
        for name in SECRET_SETTINGS:
            assert f'"name":"{name}","value":"***"' in answer.text


def test_source_of_a_setting_is_the_argument_then_the_variable_then_the_file(tmp_path):
    file = tmp_path / "server.toml"
    file.write_text("port = 1\nhost = 'localhost'\nregion = 'eu'\n")
    environment = {"TAILWIRE_PORT": "2", "TAILWIRE_HOST": "127.0.0.1", "TAILWIRE_API_KEY": "secret", "HOME": "/"}
    found = sources({"port": 3, "docs": None, "verb": "x"}, str(file), environment)
    assert found == {"port": "--port", "host": "TAILWIRE_HOST", "region": str(file)}


@pytest.mark.parametrize("ended", ["revoked", "after a grace", "without the scope"])
async def test_stream_of_stats_ends_when_its_api_key_ends_or_loses_its_scope(stage: Stage, ended: str):
    async with Rest(stage) as rest:
        stats = stage.server.parts.observers.stats
        key = (await rest("POST", "/apikeys", json={"name": "Dashboard", "scope": "fullAccess"}))["apiKey"]
        heard: list[str] = []

        async def listen() -> None:
            url, headers = f"{stage.server.url}/v3/stats/stream", {"apikey": key}
            async with rest._http.stream("GET", url, headers=headers, timeout=None) as answer:
                async for line in answer.aiter_lines():
                    if line.startswith("event: "):
                        heard.append(line)

        listening = asyncio.create_task(listen())
        await stage.pass_time(2)
        stats.tick()
        await stage.pass_time(2)
        if ended == "without the scope":
            await rest("PUT", f"/apikeys/{key}", json={"name": "Dashboard", "scope": "authOnly"})
        else:
            await rest("DELETE", f"/apikeys/{key}", json={"grace": 60 if ended == "after a grace" else 0})
        if ended == "after a grace":
            stats.tick()
            await stage.pass_time(61)
        assert not listening.done()
        await stage.pass_time(2)
        stats.tick()
        await asyncio.wait_for(listening, 5)
        assert heard == ["event: about", *["event: sample"] * (2 if ended == "after a grace" else 1)]
