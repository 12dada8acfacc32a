"""The pages that the server shows: their headers, and when they are shown."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness import Stage
from rest import Rest
from tailwire.server.app.pages import is_shown
from tailwire.server.config import BadSetting, load

RULES_OF_ALL_PAGES = {
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "connect-src 'self'",
    "img-src 'self' data: blob:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
}
RULES_OF_ONE_PAGE = {"console": {"trusted-types 'none'"}, "chat": {"trusted-types chat-worker", "media-src 'self'"}}
"""The chat starts a service worker, whose address goes through a policy of this name, and plays files."""


async def get_page(stage: Stage, rest: Rest, path: str, method: str = "GET", **headers: str):
    return await rest.answer(method, f"{stage.server.url}{path}", headers=headers)


@pytest.mark.parametrize("page", ["console", "chat"])
async def test_page_has_a_strict_policy(stage: Stage, page: str):
    async with Rest(stage) as rest:
        answer = await get_page(stage, rest, f"/{page}/")
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        rules = set(answer.headers["content-security-policy"].split("; "))
        assert rules == RULES_OF_ALL_PAGES | RULES_OF_ONE_PAGE[page]
        assert not any("unsafe" in rule or "*" in rule or "http" in rule for rule in rules)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert "access-control-allow-origin" not in answer.headers
        script = await get_page(stage, rest, f"/{page}/vendor/preact.mjs")
        assert script.headers["content-type"] == "text/javascript; charset=utf-8"


@pytest.mark.parametrize("page", ["console", "chat"])
async def test_page_that_a_browser_has_kept_is_not_sent_again_until_it_changes(stage: Stage, page: str):
    async with Rest(stage) as rest:
        answer = await get_page(stage, rest, f"/{page}/")
        again = await get_page(stage, rest, f"/{page}/", **{"if-none-match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        other = await get_page(stage, rest, f"/{page}/", **{"if-none-match": '"another"'})
        assert other.status_code == 200
        assert other.content == answer.content


@pytest.mark.parametrize("page", ["console", "chat"])
async def test_address_of_a_page_without_a_slash_is_redirected(stage: Stage, page: str):
    async with Rest(stage) as rest:
        answer = await get_page(stage, rest, f"/{page}")
        assert (answer.status_code, answer.headers["location"]) == (308, f"/{page}/")


@pytest.mark.parametrize("page", ["console", "chat"])
async def test_page_serves_only_its_files(stage: Stage, page: str):
    async with Rest(stage) as rest:
        for path in ("nothing.js", "../../keys.json", "..%2f..%2fkeys.json", "index.html.bak", "%00", "vendor/"):
            answer = await get_page(stage, rest, f"/{page}/{path}")
            assert answer.status_code == 404, path
        assert (await get_page(stage, rest, f"/{page}/", "POST")).status_code == 405
        assert (await get_page(stage, rest, f"/{page}s/")).headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("settings", "shown"),
    [
        ({}, True),
        ({"console": "off"}, False),
        ({"host": "localhost"}, True),
        ({"host": "0.0.0.0"}, False),
        ({"host": "192.0.2.7"}, False),
        ({"host": "chat.example.com"}, False),
        ({"public_url": "https://chat.example.com"}, False),
        ({"trusted_proxies": "127.0.0.1"}, False),
        ({"host": "0.0.0.0", "console": "on"}, True),
    ],
)
def test_pages_are_shown_by_default_only_where_only_this_machine_reaches_them(settings, shown):
    loaded = load(settings, {})
    assert is_shown(loaded.console, loaded) is shown


def test_invalid_value_of_the_console_setting_is_refused():
    with pytest.raises(BadSetting, match="console must be one of auto, on, off"):
        load({"console": "maybe"}, {})


async def test_server_without_pages_answers_as_for_any_unknown_path(stage: Stage):
    stage.server._settings = replace(stage.server._settings, console="off")
    await stage.server.stop()
    await stage.server.start()
    async with Rest(stage) as rest:
        for page in ("console/", "console/session"):
            answer = await get_page(stage, rest, f"/{page}")
            assert answer.status_code == 404
            assert answer.json()["error"]["code"] == "ERR_API_NOT_FOUND"
