"""Metrics and documentation, and the credentials that they need."""

from __future__ import annotations

import base64
import hashlib
import re

import pytest

from harness import Stage
from rest import Rest
from tailwire.server.config import Settings
from tailwire.server.rest.operations import Access
from tailwire.testing.server import UNLIMITED
from tailwire.testing.virtual.world import VirtualServer


@pytest.fixture
def closed(stage: Stage, tmp_path, request) -> Stage:
    settings = Settings(data=str(tmp_path), metrics=request.param, docs=request.param, **UNLIMITED)
    stage.server = VirtualServer(tmp_path, settings)
    return stage


async def status(rest: Rest, path: str, apikey: str = "") -> int:
    headers = {"apikey": apikey, "appid": ""}
    return (await rest.answer("GET", path, headers=headers)).status_code


@pytest.mark.parametrize("closed", ["key"], indirect=True)
async def test_metrics_and_openapi_document_can_require_the_api_key(stage: Stage, closed: Stage):
    async with Rest(closed) as rest:
        for path in ("/metrics", "/openapi.json"):
            assert await status(rest, path) in (400, 401)
            assert await status(rest, path, closed.server.auth_key) == 403
            assert await status(rest, path, closed.server.api_key) == 200
        assert await status(rest, "/docs") == 200  # it tells nothing, and asks for the key
        assert await status(rest, "/health") == 200


@pytest.mark.parametrize("closed", ["off"], indirect=True)
async def test_metrics_and_docs_can_be_turned_off(stage: Stage, closed: Stage):
    async with Rest(closed) as rest:
        for path in ("/metrics", "/openapi.json", "/docs"):
            assert await status(rest, path, closed.server.api_key) == 404
        assert await status(rest, "/settings") == 200


async def test_docs_page_runs_only_its_own_scripts_and_cannot_be_framed(stage: Stage):
    async with Rest(stage) as rest:
        answer = await rest.answer("GET", "/docs")
    rules = dict(rule.strip().split(" ", 1) for rule in answer.headers["content-security-policy"].split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["connect-src"] == "'self'"
    assert rules["frame-ancestors"] == "'none'"
    assert answer.headers["x-frame-options"] == "DENY"
    for name in ("script", "style"):
        (text,) = re.findall(rf"<{name}>(.*?)</{name}>", answer.text, re.DOTALL)
        assert rules[f"{name}-src"] == f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
    assert not re.search(r"\son\w+=|style=", answer.text)  # nothing that the rules would forbid


async def test_bodies_are_not_read_before_authentication(stage: Stage):
    api = stage.server.parts.api
    operations = api.operations
    assert len(operations) > 50
    assert [o.path for o in operations if o.access is Access.ANYONE and o.body is not None] == []
    assert {o.path for o in operations if o.access is Access.ANYONE and o.form_handler is not None} == {"/files"}
    reads = []

    async def receive():
        reads.append(1)
        raise AssertionError("it was read")

    sent = []

    async def send(message):
        sent.append(message)

    for operation in operations:
        if operation.access is Access.ANYONE:
            continue
        path = re.sub(r"{\w+}", "x", operation.path)
        scope = {
            "type": "http", "method": operation.method, "path": path, "raw_path": path.encode(), "query_string": b"",
            "headers": [(b"appid", stage.server.app_id.encode()), (b"authtoken", b"wrong"), (b"authorization", b"wrong"),
                        (b"apikey", b"wrong"), (b"content-type", b"multipart/form-data; boundary=x")],
            "client": ("192.0.2.1", 1),
        }  # fmt: skip
        sent.clear()
        await api(scope, receive, send)
        assert sent[0]["status"] == 401, (operation, sent)
    assert reads == []
