"""The changes that the console's page makes: each needs the token of the session, and has an entry in the audit log."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest

from harness import Stage
from push_receivers import Browser as PushBrowser
from rest import Rest
from spec.test_console_sign_in import Browser, is_refused
from spec.test_push_notifications import push_service, register
from tailwire.server.web.page_files import read_page

CHANGES = {
    "DELETE /groups/{guid}": ("DELETE", "/groups/team", None),
    "DELETE /messages/{id}": ("DELETE", "/messages/{message}", None),
    "DELETE /users/{uid}/auth_tokens": ("DELETE", "/users/bob/auth_tokens", None),
    "DELETE /users": ("DELETE", "/users", {"uidsToDeactivate": ["bob"]}),
    "PUT /users": ("PUT", "/users", {"uidsToActivate": ["carol"]}),
    "DELETE /users/{uid}": ("DELETE", "/users/carol", {"permanent": True}),
    "POST /apikeys": ("POST", "/apikeys", {"name": "Second", "scope": "authOnly"}),
    "DELETE /apikeys/{key}": ("DELETE", "/apikeys/{key}", {"grace": 0}),
    "POST /webhooks/{id}/deliveries/{delivery}/retry": ("POST", "/webhooks/crm/deliveries/{delivery}/retry", None),
    "POST /webhooks/{id}/deliveries/retry": ("POST", "/webhooks/crm/deliveries/retry", None),
    "POST /notifications/push/v1/failed/{id}/retry": ("POST", "/notifications/push/v1/failed/{push}/retry", None),
    "POST /notifications/push/v1/failed/retry": ("POST", "/notifications/push/v1/failed/retry", None),
}
"""What the pages request besides reads: method, path and body by the action in the audit log."""


def test_list_of_tested_changes_contains_each_change_in_the_code_of_the_pages():
    code = "".join(file.body.decode() for path, file in read_page("console").items() if path.startswith("pages/"))
    # The path begins with a text, with `path("users", …)`, or with a constant that is the beginning of a path.
    begins = r'request\("(POST|PUT|PATCH|DELETE)", (?:"/(\w+)|`?(?:\$\{)?path\("(\w+)"|`\$\{([A-Z]+)\})'
    constants = dict(re.findall(r'const ([A-Z]+) = "/(\w+)', code))
    found = re.findall(begins, code)
    assert len(found) == len(re.findall(r'request\("(?!GET)', code))
    made = Counter((method, text or part or constants[name]) for method, text, part, name in found)
    assert made == Counter((method, path.split("/")[1]) for method, path, _ in CHANGES.values())


async def create_objects(stage: Stage, rest: Rest, browser: PushBrowser) -> dict[str, Any]:
    """Create what the changes need; return the parts of their paths."""
    await register(rest, browser, "bob")
    await rest("POST", "/groups", json={"guid": "team", "name": "Team", "type": "public", "owner": "alice"})
    key = await rest("POST", "/apikeys", json={"name": "Other", "scope": "authOnly"})
    hook = {"id": "crm", "name": "Records", "webhookUrl": "https://nobody.example/", "triggers": ["message_sent"]}
    await rest("POST", "/webhooks", json={**hook, "enabled": True, "retryOnFailure": False})
    body = {"receiver": "bob", "receiverType": "user", "category": "message", "type": "text", "data": {"text": "hi"}}
    message = await rest("POST", "/messages", as_="alice", json=body)
    parts = {"message": message["id"], "key": key["id"]}
    lists = {"delivery": "/webhooks/crm/deliveries", "push": "/notifications/push/v1/deliveries"}
    for name, path in lists.items():
        for _ in range(60):
            if failed := await rest("GET", f"{path}?status=failed"):
                parts[name] = failed[0]["id"]
                break
            await stage.pass_time(1)
    return parts


async def entries(rest: Rest) -> list[dict[str, Any]]:
    """Return the changes in the audit log, newest first."""
    return await rest("GET", "/audit?kind=change&limit=100")


@pytest.mark.parametrize("action", CHANGES)
async def test_change_needs_the_console_token_and_is_recorded_in_the_audit_log(stage: Stage, action: str):
    method, path, body = CHANGES[action]
    receiver = await push_service(stage)
    receiver.status = 400
    async with Rest(stage) as rest:
        path = path.format(**await create_objects(stage, rest, receiver))
        browser, other = Browser(stage, rest), Browser(stage, rest)
        await browser.sign_in()
        await other.sign_in()
        before = await entries(rest)
        more = {} if body is None else {"json": body}
        for token in ("", other.token):
            answer = await browser.request(method, f"/api{path}", {"x-console-token": token}, **more)
            assert is_refused(answer, "ERR_CONSOLE_ORIGIN")
        assert await entries(rest) == before
        answer = await browser.request(method, f"/api{path}", **more)
        assert answer.status_code == 200, answer.text
        key_id = (await browser.request("GET", "/session")).json()["data"]["keyId"]
        (entry,) = [one for one in await entries(rest) if one not in before]
        assert (entry["action"], entry["actor"], "onBehalfOf" in entry) == (action, key_id, False)
        assert entry["address"]
