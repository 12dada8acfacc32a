"""Signing in to the console: a link works once, and a session has the rights of its key, for its own page only."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from typing import Any

import pytest

from harness import Stage
from rest import Rest
from tailwire.server.web.sessions import START_LINK_SECONDS


class Browser:
    """A browser at the console's page: its cookie, and the token that its page knows."""

    def __init__(self, stage: Stage, rest: Rest) -> None:
        self._stage, self._rest = stage, rest
        self.cookie = self.token = ""

    async def request(self, method: str, path: str, headers: dict[str, str] | None = None, **more: Any) -> Any:
        """Return the response to a request of the page; `headers` replace its own."""
        own = {"cookie": self.cookie, "x-console-token": self.token, "origin": self._stage.server.url,
               "sec-fetch-site": "same-origin", "apikey": ""}  # fmt: skip
        url = f"{self._stage.server.url}/console{path}"
        self._rest._http.cookies.clear()  # which the client would add to those of this browser
        return await self._rest.answer(method, url, headers={**own, **(headers or {})}, **more)

    async def sign_in(self, link: str = "") -> Any:
        """Use a link, a new one by default; return the response."""
        answer = await self.request("POST", "/session", json={"link": link or await new_link(self._rest)})
        if answer.status_code == 200:
            self.token = answer.json()["data"]["token"]
            self.cookie = answer.headers["set-cookie"].partition(";")[0]
        return answer


async def new_link(rest: Rest) -> str:
    made = await rest("POST", "/console/links")
    assert made["seconds"] == 60
    path, _, secret = made["path"].partition("#")
    assert path == "/console/"
    assert len(secret) >= 43  # at least 256 bits, in any encoding
    return secret


def is_refused(answer: Any, code: str) -> bool:
    return answer.status_code >= 400 and answer.json()["error"]["code"] == code and "set-cookie" not in answer.headers


async def test_link_opens_one_session(stage: Stage):
    async with Rest(stage) as rest:
        link, browser, other = await new_link(rest), Browser(stage, rest), Browser(stage, rest)
        answer = await browser.sign_in(link)
        assert answer.status_code == 200
        cookie = answer.headers["set-cookie"]
        assert re.search(r"; Path=/console;", cookie)
        assert re.search(r"; HttpOnly", cookie)
        assert re.search(r"; SameSite=Strict", cookie)
        assert stage.server.api_key not in answer.text + str(answer.headers)
        assert is_refused(await other.sign_in(link), "ERR_CONSOLE_LINK")
        assert (await browser.request("GET", "/api/users")).status_code == 200


async def test_cookie_is_sent_over_tls_only_where_the_browser_uses_tls(stage: Stage):
    stage.server._settings = replace(stage.server._settings, console="on", trusted_proxies="127.0.0.1")
    await stage.server.stop()
    await stage.server.start()
    async with Rest(stage) as rest:
        for scheme in ("https", "http"):
            headers = {"x-forwarded-proto": scheme, "x-forwarded-for": "192.0.2.1", "origin": ""}
            answer = await Browser(stage, rest).request(
                "POST", "/session", headers, json={"link": await new_link(rest)}
            )
            assert answer.status_code == 200
            assert ("Secure" in answer.headers["set-cookie"].split("; ")) is (scheme == "https")


async def test_link_ends_after_sixty_seconds(stage: Stage):
    async with Rest(stage) as rest:
        early, late = await new_link(rest), await new_link(rest)
        await stage.pass_time(58)
        assert (await Browser(stage, rest).sign_in(early)).status_code == 200
        await stage.pass_time(3)
        assert is_refused(await Browser(stage, rest).sign_in(late), "ERR_CONSOLE_LINK")


async def test_link_that_a_server_prints_at_its_start_ends_after_ten_minutes(stage: Stage):
    parts = stage.server.parts
    early, late = (
        parts.console.create_link(parts.keys.api_key, START_LINK_SECONDS).partition("#")[2] for _ in range(2)
    )
    async with Rest(stage) as rest:
        await stage.pass_time(598)
        assert (await Browser(stage, rest).sign_in(early)).status_code == 200
        await stage.pass_time(3)
        assert is_refused(await Browser(stage, rest).sign_in(late), "ERR_CONSOLE_LINK")


async def test_link_needs_a_key_of_full_scope(stage: Stage):
    async with Rest(stage) as rest:
        await rest.refused("AUTH_ERR_NO_ACCESS", "POST", "/console/links", headers={"apikey": stage.server.auth_key})
        await rest.refused("AUTH_ERR_EMPTY_APIKEY", "POST", "/console/links", as_="bob", headers={"apikey": ""})


@pytest.mark.parametrize("cookie", ["", "tailwire_console_8480=", "tailwire_console_8480=guess", "a=b; =;", "x" * 4000])
async def test_request_without_a_valid_session_is_refused(stage: Stage, cookie: str):
    async with Rest(stage) as rest:
        await Browser(stage, rest).sign_in()
        browser = Browser(stage, rest)
        browser.cookie = cookie
        for method, path in (("GET", "/session"), ("GET", "/api/users"), ("GET", "/api/stats"), ("DELETE", "/session")):
            assert is_refused(await browser.request(method, path), "ERR_CONSOLE_SESSION"), path


@pytest.mark.parametrize(
    "other",
    [
        'settings={"a":1}', "spaced name=1", "no value", "=", '"', 'quoted="a;b"', "tailwire_console_84801=x",
        "xtailwire_console_8480=x", "TAILWIRE_CONSOLE_8480=x", "value=tailwire_console_8480=x", "\u00e9=\u00e9",
    ],
)  # fmt: skip
async def test_cookies_of_other_programs_on_the_machine_do_not_sign_an_operator_out(stage: Stage, other: str):
    async with Rest(stage) as rest:
        browser = Browser(stage, rest)
        await browser.sign_in()
        own = browser.cookie
        for cookie in (f"{other}; {own}", f"{own}; {other}", f"{other};{own} ;{other}"):
            headers: Any = {"cookie": cookie.encode()}
            assert (await browser.request("GET", "/session", headers)).status_code == 200, cookie


async def test_change_needs_the_token_of_the_session(stage: Stage):
    async with Rest(stage) as rest:
        browser, other = Browser(stage, rest), Browser(stage, rest)
        await browser.sign_in()
        await other.sign_in()
        new = {"uid": "erin", "name": "Erin"}
        for token in ("", "guess", other.token, browser.cookie.partition("=")[2]):
            answer = await browser.request("POST", "/api/users", {"x-console-token": token}, json=new)
            assert is_refused(answer, "ERR_CONSOLE_ORIGIN")
            assert is_refused(
                await browser.request("DELETE", "/session", {"x-console-token": token}), "ERR_CONSOLE_ORIGIN"
            )
        await rest.refused("ERR_UID_NOT_FOUND", "GET", "/users/erin")
        assert (await browser.request("POST", "/api/users", json=new)).status_code == 200
        assert (await rest("GET", "/users/erin"))["name"] == "Erin"


@pytest.mark.parametrize(
    "foreign",
    [
        {"origin": "https://evil.example", "sec-fetch-site": "cross-site"},
        {"origin": "http://server:3000", "sec-fetch-site": "same-site"},
        {"origin": "null", "sec-fetch-site": "same-origin"},
        {"origin": "", "sec-fetch-site": "same-site"},
        {"origin": "", "sec-fetch-site": "none"},
        {"origin": "http://server.evil.example", "sec-fetch-site": ""},
    ],
)
async def test_requests_of_other_pages_are_refused(stage: Stage, foreign: dict[str, str]):
    async with Rest(stage) as rest:
        browser = Browser(stage, rest)
        await browser.sign_in()
        for method, path in (
            ("GET", "/session"),
            ("GET", "/api/users"),
            ("POST", "/api/users"),
            ("DELETE", "/session"),
        ):
            assert is_refused(await browser.request(method, path, foreign), "ERR_CONSOLE_ORIGIN"), (method, path)
        link = await new_link(rest)
        assert is_refused(await browser.request("POST", "/session", foreign, json={"link": link}), "ERR_CONSOLE_ORIGIN")
        assert (await browser.request("GET", "/api/users")).status_code == 200


async def test_responses_of_the_api_cannot_be_read_by_other_pages(stage: Stage):
    async with Rest(stage) as rest:
        browser = Browser(stage, rest)
        await browser.sign_in()
        for path in ("/api/users", "/api/nothing", "/session"):
            headers = (await browser.request("GET", path)).headers
            assert not [name for name in headers if name.startswith("access-control")]
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["cross-origin-resource-policy"] == "same-origin"
            assert headers["cache-control"] == "no-store"


async def test_session_ends_when_its_api_key_is_deleted(stage: Stage):
    async with Rest(stage) as rest:
        key = await rest("POST", "/apikeys", json={"name": "Console", "scope": "fullAccess"})
        link = (await rest("POST", "/console/links", headers={"apikey": key["apiKey"]}))["path"].partition("#")[2]
        browser = Browser(stage, rest)
        await browser.sign_in(link)
        assert (await browser.request("GET", "/api/users")).status_code == 200
        await rest("DELETE", f"/apikeys/{key['apiKey']}")
        assert (await browser.request("GET", "/api/users")).status_code == 401
        assert is_refused(await browser.request("GET", "/session"), "ERR_CONSOLE_SESSION")


async def test_session_ends_at_sign_out(stage: Stage):
    async with Rest(stage) as rest:
        browser = Browser(stage, rest)
        await browser.sign_in()
        signed_out = await browser.request("DELETE", "/session")
        assert "Max-Age=0" in signed_out.headers["set-cookie"]
        assert is_refused(await browser.request("GET", "/api/users"), "ERR_CONSOLE_SESSION")


async def test_session_ends_after_an_idle_hour(stage: Stage):
    async with Rest(stage) as rest:
        browser = Browser(stage, rest)
        await browser.sign_in()
        await stage.pass_time(3590)
        assert (await browser.request("GET", "/api/users")).status_code == 200
        await stage.pass_time(3601)
        assert is_refused(await browser.request("GET", "/api/users"), "ERR_CONSOLE_SESSION")


async def test_session_in_use_ends_after_twelve_hours(stage: Stage):
    async with Rest(stage) as rest:
        browser = Browser(stage, rest)
        await browser.sign_in()
        for _ in range(23):
            await stage.pass_time(1800)
            assert (await browser.request("GET", "/api/users")).status_code == 200
        await stage.pass_time(1800)
        assert is_refused(await browser.request("GET", "/api/users"), "ERR_CONSOLE_SESSION")


async def test_console_acts_with_the_rights_of_its_key_only(stage: Stage):
    async with Rest(stage) as rest:
        browser = Browser(stage, rest)
        await browser.sign_in()
        borrowed = {"onbehalfof": "bob", "authtoken": await rest.token("bob"), "apikey": "wrong", "appid": "wrong"}
        answer = await browser.request("POST", "/api/users", borrowed, json={"uid": "frank", "name": "Frank"})
        assert answer.status_code == 200
        entries = await rest("GET", "/audit?kind=change")
        key_id = (await browser.request("GET", "/session")).json()["data"]["keyId"]
        made = [e for e in entries if e["action"] == "POST /users" and e["target"] == "frank"]
        assert [e["actor"] for e in made] == [key_id]
        assert "onBehalfOf" not in made[0]
        assert [e["actor"] for e in entries if e["action"] == "console sign-in"] == [key_id]
        await browser.request("DELETE", "/session")
        assert (await rest("GET", "/audit?kind=change"))[0]["action"] == "console sign-out"
        assert not await rest("GET", "/audit?kind=behalf")


async def test_oldest_link_ends_when_there_are_too_many(stage: Stage):
    async with Rest(stage) as rest:
        first = await new_link(rest)
        second, *_ = [await new_link(rest) for _ in range(20)]
        assert is_refused(await Browser(stage, rest).sign_in(first), "ERR_CONSOLE_LINK")
        assert (await Browser(stage, rest).sign_in(second)).status_code == 200


async def test_oldest_session_ends_when_there_are_too_many(stage: Stage):
    async with Rest(stage) as rest:
        browsers = [Browser(stage, rest) for _ in range(101)]
        for browser in browsers:
            await browser.sign_in()
        assert is_refused(await browsers[0].request("GET", "/session"), "ERR_CONSOLE_SESSION")
        assert (await browsers[1].request("GET", "/session")).status_code == 200


async def test_stream_keeps_its_session_in_use_and_ends_with_it(stage: Stage):
    async with Rest(stage) as rest:
        browser, stats = Browser(stage, rest), stage.server.parts.observers.stats
        await browser.sign_in()
        headers = {"cookie": browser.cookie, "sec-fetch-site": "same-origin"}
        ended = asyncio.Event()
        lines: list[str] = []

        async def listen() -> None:
            url = f"{stage.server.url}/console/api/stats/stream"
            async with rest._http.stream("GET", url, headers=headers, timeout=None) as answer:
                async for line in answer.aiter_lines():
                    lines.append(line)
            ended.set()

        listening = asyncio.create_task(listen())
        for _ in range(3):
            await stage.pass_time(1900)
            stats.tick()
            await stage.pass_time(1)
        assert lines.count("event: sample") == 3
        assert not ended.is_set()
        await browser.request("DELETE", "/session")
        await asyncio.wait_for(listening, 5)
        assert ended.is_set()
