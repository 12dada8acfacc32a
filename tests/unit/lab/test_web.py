"""The page's web app only serves this machine, the secret path and the page itself; its colours have contrast."""

from __future__ import annotations

import asyncio
import re
from importlib.resources import files
from types import SimpleNamespace
from typing import Any, cast

import httpx2
import pytest
from starlette.responses import StreamingResponse

from tailwire.lab.event_log import EventLog
from tailwire.lab.web import KEEPALIVE_SECONDS, POLICY, Endpoints, web_app

REPLAY = {"names": ["phone"], "events": [], "steps": [], "machine": {}, "name": "dump.json"}
HERE = "http://127.0.0.1:4321"


async def ask(method: str, path: str, **more) -> httpx2.Response:
    app = web_app(None, REPLAY, token="secret", port=4321)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=HERE) as http:
        return await http.request(method, path, **more)


@pytest.mark.parametrize(
    ("path", "kind"),
    [("", "text/html"), ("main.js", "text/javascript"), ("lab.css", "text/css"), ("about.json", "application/json")],
)
async def test_page_is_served_at_the_secret_path(path, kind):
    answer = await ask("GET", f"/secret/{path}")
    assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, kind)
    assert answer.headers["content-security-policy"] == POLICY
    assert answer.headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/secret",
        "/Secret/",
        "//secret/",
        "/other/main.js",
        "/secret/../secret",
        "/secret/web.py",
        "/secret/nothing.js",
    ],
)
async def test_paths_without_the_secret_are_not_found(path):
    assert (await ask("GET", path)).status_code == 404


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "evil.example:4321"])
async def test_other_host_names_are_refused(host):
    assert (await ask("GET", "/secret/", headers={"host": host})).status_code == 403


@pytest.mark.parametrize(
    "origin", [None, "null", "http://evil.example", "https://127.0.0.1:4321", "http://127.0.0.1:1", HERE + "/"]
)
async def test_requests_of_other_origins_cannot_operate_the_lab(origin):
    headers = {"origin": origin} if origin else {}
    answer = await ask("POST", "/secret/do", json={"whom": "alice", "what": "ping"}, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (403, "other pages may not use this lab")


async def test_actions_on_a_shown_recording_are_refused():
    answer = await ask("POST", "/secret/do", json={"whom": "alice", "what": "ping"}, headers={"origin": HERE})
    assert (answer.status_code, "recording" in answer.json()["error"]) == (409, True)
    assert (await ask("GET", "/secret/events")).status_code == 404
    assert (await ask("GET", "/secret/save")).status_code == 409


def client() -> httpx2.AsyncClient:
    app = web_app(None, REPLAY, token="secret", port=4321, once="first")
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=HERE)


async def test_single_use_url_works_once():
    async with client() as http:
        answer = await http.get("/first/")
        assert (answer.status_code, answer.headers["referrer-policy"]) == (303, "no-referrer")
        own = answer.headers["location"]
        assert "secret" not in own
        assert "first" not in own
        assert (await http.get(own)).status_code == 200
        assert (await http.get(f"{own}about.json")).status_code == 200
        assert (await http.get("/first/about.json")).status_code == 404


async def test_reused_single_use_url_revokes_the_page_and_keeps_the_printed_url():
    async with client() as http:
        own = (await http.get("/first/")).headers["location"]
        answer = await http.get("/first/")
        assert (answer.status_code, "by another user" in answer.json()["error"]) == (410, True)
        assert (await http.get(own)).status_code == 404
        assert (await http.get("/first/")).status_code == 410
        assert (await http.get("/secret/")).status_code == 200


async def test_refused_requests_do_not_consume_the_single_use_url():
    async with client() as http:
        assert (await http.post("/first/", headers={"origin": HERE})).status_code == 404
        assert (await http.get("/first/", headers={"host": "evil.example"})).status_code == 403
        assert (await http.get("/first/")).status_code == 303


def colours() -> list[dict[str, str]]:
    """Return the variables of the page's style: dark, then light."""
    style = (files("tailwire.lab") / "page" / "lab.css").read_text()
    return [
        dict(re.findall(r"--([\w-]+): (#\w+)", block)) for block in re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    ]


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * d for d in colour[1:])
    parts = [int(digits[n : n + 2], 16) / 255 for n in (0, 2, 4)]
    linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


PAIRS = [
    *((text, ground) for text in ("text", "muted") for ground in ("bg", "glow", "panel", "raised", "left-dim", "right-dim")),
    *((name, ground) for name in ("left", "right") for ground in ("bg", "panel")),
    *(("on-token", name) for name in ("left", "right")),
    ("good-text", "good-dim"), ("bad-text", "bad-dim"), ("bad-text", "bg"), ("text", "busy-dim"), ("text", "hot-dim"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "ground"), PAIRS)
def test_text_has_contrast_in_dark_and_light_mode(text, ground):
    for scheme in colours():
        one, other = sorted((luminance(scheme[text]), luminance(scheme[ground])))
        assert (other + 0.05) / (one + 0.05) >= 4.5, (text, ground, scheme[text], scheme[ground])


@pytest.mark.virtual
async def test_page_receives_each_event_and_a_comment_while_there_is_none():
    """Proxies and browsers end a stream in which nothing comes."""
    loop, log = asyncio.get_running_loop(), EventLog()
    endpoints = Endpoints(cast(Any, SimpleNamespace(log=log)), None, 1.0)
    stream = cast(StreamingResponse, await endpoints.events(cast(Any, None))).body_iterator
    assert (await anext(stream)).startswith("event: log\n")
    begun = loop.time()
    assert await anext(stream) == ": keep-alive\n\n"
    assert loop.time() - begun == pytest.approx(KEEPALIVE_SECONDS)
    log.add("status", status="connected")
    assert '"connected"' in await anext(stream)
    assert await anext(stream) == ": keep-alive\n\n"
    await stream.aclose()
    assert not log._listeners


@pytest.mark.virtual
async def test_page_receives_an_event_once_that_comes_while_it_opens():
    log = EventLog()
    endpoints = Endpoints(cast(Any, SimpleNamespace(log=log)), None, 1.0)
    stream = cast(StreamingResponse, await endpoints.events(cast(Any, None))).body_iterator
    log.add("typed", id="1")
    assert "typed" not in await anext(stream)
    assert "typed" in await anext(stream)
    await stream.aclose()
