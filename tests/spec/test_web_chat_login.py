"""The requests of the web chat's page: who may log in by a click, and from where."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness import Stage
from rest import Rest

FROM_THIS_MACHINE = {"host": "localhost"}


async def page_request(rest: Rest, stage: Stage, method: str, path: str, uid: str = "", **headers: str):
    """Return the response to a request of the page."""
    named = {name.replace("_", "-"): value for name, value in {**FROM_THIS_MACHINE, **headers}.items()}
    body = {"uid": uid} if uid else None
    return await rest.answer(method, f"{stage.server.url}/chat/{path}", headers=named, json=body)


async def restart_with(stage: Stage, **settings) -> None:
    """Start the server again with other settings."""
    stage.server._settings = replace(stage.server._settings, **settings)
    await stage.server.stop()
    await stage.server.start()


async def test_demo_user_logs_in_without_a_key(stage: Stage):
    await restart_with(stage, demo_users=True)
    async with Rest(stage) as rest:
        about = (await page_request(rest, stage, "GET", "about")).json()["data"]
        assert [user["uid"] for user in about["demoUsers"]] == ["alice", "bob", "carol"]
        answer = await page_request(rest, stage, "POST", "login", "alice")
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-store"
        assert "access-control-allow-origin" not in answer.headers
        token = answer.json()["data"]["authToken"]
        me = await rest.answer("GET", "/me", headers={"authtoken": token, "appid": about["appId"]})
        assert me.json()["data"]["uid"] == "alice"


@pytest.mark.parametrize("uid", ["dora", "app_system", "ALICE", "../alice"])
async def test_user_who_is_not_a_demo_user_cannot_log_in_by_a_click(stage: Stage, uid: str):
    await restart_with(stage, demo_users=True)
    async with Rest(stage) as rest:
        answer = await page_request(rest, stage, "POST", "login", uid)
        assert answer.json()["error"]["code"] == "ERR_UID_NOT_FOUND"


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},  # another port of this machine
    ],
)
async def test_request_from_another_page_is_refused(stage: Stage, headers: dict[str, str]):
    await restart_with(stage, demo_users=True)
    async with Rest(stage) as rest:
        for method, path in (("POST", "login"), ("GET", "about")):
            answer = await page_request(rest, stage, method, path, "alice" if method == "POST" else "", **headers)
            assert answer.status_code == 403
            assert answer.json()["error"]["code"] == "ERR_CHAT_ORIGIN"


async def test_nobody_logs_in_through_another_host_name_of_this_machine(stage: Stage):
    await restart_with(stage, demo_users=True)
    async with Rest(stage) as rest:
        rebound = {"host": "evil.example:80", "origin": "http://evil.example:80"}
        answer = await page_request(rest, stage, "POST", "login", "alice", **rebound)
        assert answer.status_code == 404
        assert (await page_request(rest, stage, "GET", "about", **rebound)).json()["data"]["demoUsers"] == []
        for name in ("localhost:80", "127.0.0.1", "[::1]:80"):
            assert (await page_request(rest, stage, "POST", "login", "alice", host=name)).status_code == 200, name


@pytest.mark.parametrize(
    "settings",
    [
        {"demo_users": False},
        {"demo_users": True, "chat": "on", "public_url": "https://chat.example.com"},
        {"demo_users": True, "chat": "on", "trusted_proxies": "10.0.0.0/8"},
    ],
)
async def test_nobody_logs_in_by_a_click_where_others_reach_the_server_or_there_are_no_demo_users(
    stage: Stage, settings
):
    await restart_with(stage, **settings)
    async with Rest(stage) as rest:
        assert (await page_request(rest, stage, "GET", "about")).json()["data"]["demoUsers"] == []
        answer = await page_request(rest, stage, "POST", "login", "alice")
        assert answer.json()["error"]["code"] == "ERR_API_NOT_FOUND"


async def test_chat_and_console_are_switched_off_independently(stage: Stage):
    for settings in ({"chat": "off", "console": "auto"}, {"chat": "auto", "console": "off"}):
        await restart_with(stage, **settings)
        async with Rest(stage) as rest:
            for page in ("chat", "console"):
                answer = await rest.answer("GET", f"{stage.server.url}/{page}/")
                assert answer.status_code == (404 if settings[page] == "off" else 200), (settings, page)


async def test_unknown_paths_of_the_chat_are_refused(stage: Stage):
    await restart_with(stage, demo_users=True)
    async with Rest(stage) as rest:
        for method, path in (("GET", "login"), ("POST", "about"), ("POST", "login/more"), ("GET", "about/")):
            answer = await page_request(rest, stage, method, path, "alice" if method == "POST" else "")
            assert answer.json()["error"]["code"] == "ERR_API_NOT_FOUND", (method, path)


async def test_login_with_an_invalid_body_is_refused(stage: Stage):
    await restart_with(stage, demo_users=True)
    async with Rest(stage) as rest:
        url = f"{stage.server.url}/chat/login"
        for body in (b"", b"{", b"[]", b'{"uid":1}'):
            answer = await rest.answer("POST", url, content=body, headers=FROM_THIS_MACHINE)
            assert answer.status_code == 400, body
        assert (await rest.answer("POST", url, content=b" " * 2000, headers=FROM_THIS_MACHINE)).status_code == 413
