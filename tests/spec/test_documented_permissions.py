"""The rights of all callers over HTTP, compared with a table that was written by hand from the documentation."""

from __future__ import annotations

from typing import Any

import pytest
from permission_table import (
    GROUP_MESSAGES,
    GROUPS,
    MESSAGES_OF_TWO,
    OF_A_PASS,
    OF_ANY_KEY,
    OF_ANYONE,
    OF_THE_BACKEND,
    OTHER,
    YES,
    cells,
    listed_operations,
)

from harness import Stage
from rest import Rest

SCOPES = ("participant", "moderator", "admin")
MEMBERS = ("owner", "admin", "moderator", "participant", "author")
TARGETS = {"participant": "other-participant", "moderator": "other-moderator", "admin": "other-admin", "owner": "owner"}
"""On whom a caller acts, by their scope in the group."""
KICKED = ("kicked", "author_kicked")
BANNED = ("banned", "author_banned")
USERS = (
    *MEMBERS, *KICKED, *BANNED, "outsider", "hidden", "banned-before", "new", *[f"other-{scope}" for scope in SCOPES]
)  # fmt: skip
CHANGES_NOTHING = ("see", "read", "list", "mark read", "save", "flag", "follow")
"""Operations, by their first words, that leave the group and its messages as they are for others."""

Request = tuple[str, str, dict[str, Any]]


def _in_group(guid: str) -> dict[str, Request]:
    group = f"/groups/{guid}"
    text = {"receiver": guid, "receiverType": "group", "data": {"text": "hello"}}
    requests: dict[str, Request] = {
        "see": ("GET", group, {}),
        "list messages": ("GET", f"{group}/messages", {}),
        "list members": ("GET", f"{group}/members", {}),
        "list banned": ("GET", f"{group}/bannedusers", {}),
        "send": ("POST", "/messages", {"json": text}),
        "mark read": ("POST", f"{group}/conversation/read", {"json": {}}),
        "join": ("POST", f"{group}/members", {"json": {}}),
        "leave": ("DELETE", f"{group}/members", {}),
        "update": ("PUT", group, {"json": {"name": "New"}}),
        "delete": ("DELETE", group, {}),
        "transfer": ("PATCH", f"{group}/owner", {"json": {"owner": "other-participant"}}),
        "unban": ("DELETE", f"{group}/bannedusers/banned-before", {}),
        "ban outsider": ("POST", f"{group}/bannedusers/new", {}),
    }
    for scope in SCOPES:
        requests[f"add {scope}"] = ("PUT", f"{group}/members", {"json": {f"{scope}s": ["new"]}})
    for scope, uid in TARGETS.items():
        requests[f"kick {scope}"] = ("DELETE", f"{group}/members/{uid}", {})
        requests[f"ban {scope}"] = ("POST", f"{group}/bannedusers/{uid}", {})
        for to in SCOPES:
            requests[f"{scope} to {to}"] = ("PUT", f"{group}/members/{uid}", {"json": {"scope": to}})
    return requests


def _on_message(number: str, receiver: str, kind: str) -> dict[str, Request]:
    one = f"/messages/{number}"
    text = {"receiver": receiver, "receiverType": kind, "data": {"text": "answer"}}
    return {
        "read": ("GET", one, {}),
        "edit": ("PUT", one, {"json": {"data": {"text": "changed"}}}),
        "delete": ("DELETE", one, {"json": {}}),
        "react": ("POST", f"{one}/reactions/x", {}),
        "take back": ("DELETE", f"{one}/reactions/y", {}),
        "list reactions": ("GET", f"{one}/reactions", {}),
        "pin": ("POST", f"{one}/pin", {}),
        "unpin": ("DELETE", f"{one}/pin", {}),
        "save": ("POST", f"{one}/save", {}),
        "flag": ("POST", f"{one}/flagged", {"json": {"id": "spam"}}),
        "reply": ("POST", "/messages", {"json": {**text, "parentId": number}}),
        "quote": ("POST", "/messages", {"json": {**text, "quotedMessageId": number}}),
        "list replies": ("GET", f"{one}/thread", {}),
        "follow": ("POST", f"{one}/thread/subscription", {}),
    }


async def _make_group(rest: Rest, guid: str, kind: str) -> str:
    """Create a group that has all roles, with those who will leave it as members. Return its guid."""
    members = {
        "admins": ["admin", "other-admin"],
        "moderators": ["moderator", "other-moderator"],
        "participants": ["participant", "other-participant", "author", *KICKED, "author_banned"],
        "usersToBan": ["banned", "banned-before"],
    }
    body = {"guid": guid, "name": "G", "type": kind, "owner": "owner", "members": members}
    await rest("POST", "/groups", json=body)
    return guid


async def _say(rest: Rest, author: str, receiver: str, kind: str) -> str:
    body = {"receiver": receiver, "receiverType": kind, "data": {"text": "hello"}}
    return (await rest("POST", "/messages", as_=author, json=body))["id"]


async def _kick_and_ban(rest: Rest, guid: str) -> None:
    for uid in KICKED:
        await rest("DELETE", f"/groups/{guid}/members/{uid}")
    await rest("POST", f"/groups/{guid}/bannedusers/author_banned")


class Groups:
    """Groups with a message, all alike, for one caller after another.

    A group is used again as long as nobody has changed it, because making one takes ten requests.
    """

    def __init__(self, rest: Rest) -> None:
        self._rest = rest
        self._unchanged: dict[tuple[str, str], tuple[str, str, Any]] = {}
        self._count = 0

    async def take(self, kind: str, author: str = "author") -> tuple[str, str]:
        """Return the guid of a group and the id of its message."""
        if (kind, author) not in self._unchanged:
            self._count += 1
            guid = await _make_group(self._rest, f"g-{self._count}", kind)
            number = await _say(self._rest, author, guid, "group")
            await _kick_and_ban(self._rest, guid)
            self._unchanged[kind, author] = guid, number, await _seen(self._rest, guid)
        return self._unchanged[kind, author][:2]

    async def look(self, kind: str, author: str) -> None:
        """Read again what others see of a group that was prepared further."""
        guid, number, _ = self._unchanged[kind, author]
        self._unchanged[kind, author] = guid, number, await _seen(self._rest, guid)

    async def is_changed(self, kind: str, author: str = "author") -> bool:
        """Return whether others see something else than before. If so, the group is not used again."""
        guid, _, before = self._unchanged[kind, author]
        changed = await _seen(self._rest, guid) != before
        if changed:
            del self._unchanged[kind, author]
        return changed


async def _seen(rest: Rest, guid: str) -> Any:
    # All that others can see of a group.
    found = await rest.answer("GET", f"/groups/{guid}")
    if found.status_code == 404:
        return None
    group = found.json()["data"]
    members = {m["uid"]: m["scope"] for m in await rest("GET", f"/groups/{guid}/members")}
    banned = {b["uid"] for b in await rest("GET", f"/groups/{guid}/bannedusers")}
    messages = await rest("GET", f"/groups/{guid}/messages?limit=100")
    return group["name"], group["owner"], members, banned, [_shown(m) for m in messages]


def _shown(message: dict[str, Any]) -> Any:
    kept = ("id", "editedAt", "deletedAt", "pinnedAt", "replyCount")
    reactions = [(r["reaction"], r["count"]) for r in message.get("data", {}).get("reactions", ())]
    return [message.get(k) for k in kept], message.get("data", {}).get("text"), reactions


async def _ask(rest: Rest, who: str, request: Request, expected: str, what: str) -> None:
    method, path, more = request
    as_ = "" if who == "app" else who
    if expected == YES:
        answer = await rest.answer(method, path, as_=as_, **more)
        assert answer.status_code == 200, (what, who, answer.text)
        if what.startswith("add "):
            [result] = answer.json()["data"][f"{what.removeprefix('add ')}s"].values()
            assert result["success"], (what, who, result)
    else:
        answer = await rest.answer(method, path, as_=as_, **more)
        assert answer.status_code >= 400, (what, who, answer.text)
        assert answer.json()["error"]["code"] == expected, (what, who, answer.text)


@pytest.mark.parametrize("what", cells(GROUPS))
async def test_operations_on_groups_need_the_documented_rights(stage: Stage, what: str):
    async with Rest(stage) as rest:
        await rest.add_users(*USERS)
        groups = Groups(rest)
        for who, expected in cells(GROUPS)[what].items():
            if expected == OTHER:
                continue
            kind = "private" if who == "hidden" else "public"
            guid, _ = await groups.take(kind)
            await _ask(rest, who, _in_group(guid)[what], expected, what)
            changes = expected == YES and not what.startswith(CHANGES_NOTHING)
            assert await groups.is_changed(kind) is changes, (what, who)


@pytest.mark.parametrize("what", cells(GROUPS))
async def test_key_on_behalf_of_a_user_may_do_what_the_user_may(stage: Stage, what: str):
    async with Rest(stage) as rest:
        await rest.add_users(*USERS)
        groups = Groups(rest)
        for who, expected in cells(GROUPS)[what].items():
            # With a key, `POST /members` adds members, and private groups are known.
            if who in ("app", "hidden") or (what == "join" and who in MEMBERS):
                continue
            guid, _ = await groups.take("public")
            method, path, more = _in_group(guid)[what]
            answer = await rest.answer(method, path, behalf=who, **more)
            code = YES if answer.status_code == 200 else answer.json()["error"]["code"]
            assert code == expected, (what, who, answer.text)
            changed = await groups.is_changed("public")
            assert not changed or expected == YES, (what, who)


@pytest.mark.parametrize("what", cells(GROUP_MESSAGES))
async def test_operations_on_messages_of_a_group_need_the_documented_rights(stage: Stage, what: str):
    async with Rest(stage) as rest:
        await rest.add_users(*USERS)
        groups = Groups(rest)
        for who, expected in cells(GROUP_MESSAGES)[what].items():
            kind = "private" if who == "hidden" else "public"
            author = who if who.startswith("author") else "author"
            guid, number = await groups.take(kind, author)
            if what == "take back" and who in MEMBERS:
                await rest("POST", f"/messages/{number}/reactions/y", as_=who)
                await groups.look(kind, author)
            if what == "unpin":
                await rest("POST", f"/messages/{number}/pin")
                await groups.look(kind, author)
            await _ask(rest, who, _on_message(number, guid, "group")[what], expected, what)
            changes = expected == YES and not what.startswith(CHANGES_NOTHING)
            assert await groups.is_changed(kind, author) is changes, (what, who)


@pytest.mark.parametrize("what", cells(MESSAGES_OF_TWO))
async def test_operations_on_messages_of_two_users_need_the_documented_rights(stage: Stage, what: str):
    async with Rest(stage) as rest:
        for who, expected in cells(MESSAGES_OF_TWO)[what].items():
            if expected == OTHER:
                continue
            one, two = f"{who}-from", f"{who}-to"
            await rest.add_users(one, two, *(("third",) if who == "third" else ()))
            caller = {"third": "third", "app": "app"}.get(who, two if who.endswith(("receiver", "_2")) else one)
            other = one if caller == two else two
            number = await _say(rest, one, two, "user")
            if what == "take back" and caller not in ("app", "third"):
                await rest("POST", f"/messages/{number}/reactions/y", as_=caller)
            if what == "unpin":
                await rest("POST", f"/messages/{number}/pin")
            if who.startswith(("blocker", "blocked")):
                by, on = (caller, other) if who.startswith("blocker") else (other, caller)
                await rest("POST", f"/users/{by}/blockedusers", json={"blockedUids": [on]})
            text = {"receiver": other, "receiverType": "user", "data": {"text": "hello"}}
            requests = {
                **_on_message(number, other, "user"),
                "see the other": ("GET", f"/users/{other}", {}),
                "send": ("POST", "/messages", {"json": text}),
                "list messages": ("GET", f"/users/{other}/messages", {}),
            }
            before = _shown(await rest("GET", f"/messages/{number}"))
            await _ask(rest, caller, requests[what], expected, what)
            changes = expected == YES and not what.startswith((*CHANGES_NOTHING, "send"))
            assert (_shown(await rest("GET", f"/messages/{number}")) != before) is changes, (what, who)


async def test_user_cannot_add_someone_whom_they_block_or_who_blocks_them(stage: Stage):
    async with Rest(stage) as rest:
        await rest.add_users("ann", "ben")
        await rest("POST", "/groups", as_="ann", json={"guid": "g", "name": "G", "type": "public"})
        for by, on in (("ann", "ben"), ("ben", "ann")):
            await rest("POST", f"/users/{by}/blockedusers", json={"blockedUids": [on]})
            await rest.answer("PUT", "/groups/g/members", as_="ann", json={"participants": ["ben"]})
            assert [m["uid"] for m in await rest("GET", "/groups/g/members")] == ["ann"]
            await rest("DELETE", f"/users/{by}/blockedusers", json={"blockedUids": [on]})
        await rest("PUT", "/groups/g/members", as_="ann", json={"participants": ["ben"]})
        assert {m["uid"] for m in await rest("GET", "/groups/g/members")} == {"ann", "ben"}


async def test_operations_need_the_documented_caller(stage: Stage):
    """Each operation of the server is called without credentials, as a user, and with a key of each kind."""
    anyone, backend, any_key = (
        listed_operations(OF_ANYONE),
        listed_operations(OF_THE_BACKEND),
        listed_operations(OF_ANY_KEY),
    )
    operations = {f"{o.method} {o.path}" for o in stage.server.parts.api.operations}
    assert operations >= anyone | backend | any_key | {OF_A_PASS}
    async with Rest(stage) as rest:
        token = await rest.token("alice")
        callers: dict[str, dict[str, str]] = {
            "nobody": {"apikey": "", "resource": "device"},
            "auth key": {"apikey": stage.server.auth_key},
            "user": {"apikey": "", "authtoken": token, "resource": "device"},
        }
        for operation in sorted(operations - anyone - {"GET /stats/stream"}):
            method, path = operation.split()
            path = path.replace("{", "").replace("}", "")  # such as /users/uid, which does not exist
            if operation == OF_A_PASS:
                path = f"{stage.server.url}{path}"
            for who, headers in callers.items():
                if (who == "auth key" and operation in any_key) or (who == "user" and operation == "DELETE /me"):
                    continue
                answer = await rest.answer(method, path, headers=headers, json={})
                code = answer.json()["error"]["code"] if answer.status_code >= 400 else ""
                for_user = operation not in backend | any_key | {OF_A_PASS}
                if who == "user" and for_user:
                    assert not code.startswith("AUTH_"), (operation, who, answer.text)
                else:
                    assert code.startswith("AUTH_ERR_"), (operation, who, answer.text)
                    assert answer.status_code in (401, 403), (operation, who, answer.text)
