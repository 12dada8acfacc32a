"""Who may do what: every cell of the table, over HTTP."""

from __future__ import annotations

from typing import get_args

import msgspec
import pytest

from rest import Rest
from sizes import size
from tailwire.server.rules import permissions

MEMBERS = {"participant": "pat", "moderator": "mod", "admin": "ann", "owner": "own"}
OTHERS = {"participant": "pat2", "moderator": "mod2", "admin": "ann2", "owner": "own"}
LISTS = {"participant": "participants", "moderator": "moderators", "admin": "admins"}
JOIN = {"json": {}}


async def make_group(rest: Rest, kind: str = "public") -> None:
    """Create a group with one user of each role, and a second one of each role that can be acted on."""
    await rest("POST", "/groups", behalf="own", json={"guid": "g", "name": "G", "type": kind})
    for names in (MEMBERS, OTHERS):
        lists = {LISTS[scope]: [uid] for scope, uid in names.items() if scope != "owner"}
        await rest("POST", "/groups/g/members", json=lists)
    await rest("POST", "/groups/g/bannedusers/ban")


def group_requests(uid: str) -> dict[str, list[tuple[str, str, dict]]]:
    """Return the requests of each operation in the table of groups."""
    text = {"receiver": "g", "receiverType": "group", "data": {"text": "hi"}}
    requests = {
        "see": [("GET", "/groups/g", {})],
        "join": [("POST", "/groups/g/members", JOIN)],
        "leave": [("DELETE", "/groups/g/members", {})],
        "read": [("GET", "/groups/g/messages", {}), ("POST", "/groups/g/conversation/read", JOIN)],
        "write": [("POST", "/messages", {"json": text})],
        "list_members": [("GET", "/groups/g/members", {})],
        "list_banned": [("GET", "/groups/g/bannedusers", {}), ("GET", "/groups/g/banned_members", {})],
        "update": [("PUT", "/groups/g", {"json": {"name": "New"}})],
        "delete": [("DELETE", "/groups/g", {})],
        "transfer": [("PATCH", "/groups/g/owner", {"json": {"owner": "pat2"}})],
        "add_member": [("PUT", "/groups/g/members", {"json": {"participants": ["new"]}})],
        "unban": [("DELETE", "/groups/g/bannedusers/ban", {})],
    }
    for scope, other in OTHERS.items():
        kick = ("DELETE", f"/groups/g/members/{other}", {})
        requests[f"remove_{scope}"] = [kick, ("POST", f"/groups/g/bannedusers/{other}", {})]
        to = "moderator" if scope == "participant" else "participant"
        requests[f"change_{scope}"] = [("PUT", f"/groups/g/members/{other}", {"json": {"scope": to}})]
    for scope, name in LISTS.items():
        requests[f"make_{scope}"] = [("PUT", "/groups/g/members", {"json": {name: ["new"]}})]
    return requests


@pytest.mark.thorough
@pytest.mark.parametrize("operation", list(permissions._GROUPS)[:: size(3, 1)])
async def test_each_cell_of_the_table_of_groups_holds_over_http(stage, operation):
    async with Rest(stage) as rest:
        await rest.add_users("own", "pat", "mod", "ann", "pat2", "mod2", "ann2", "ban", "str", "new")
        for role, code in permissions._GROUPS[operation].items():
            uid = {**MEMBERS, "outsider": "str", "stranger": "str", "banned": "ban"}[role]
            for method, path, more in group_requests(uid)[operation]:
                await make_group(rest, "private" if role == "outsider" else "public")
                if code:
                    await rest.refused(code, method, path, as_=uid, **more)
                    before = await rest("GET", "/groups/g")
                    assert (before["name"], before["owner"], before["membersCount"]) == ("G", "own", 7)
                else:
                    answer = await rest.answer(method, path, as_=uid, **more)
                    assert answer.status_code == 200, (role, method, path, answer.text)
                if operation != "delete" or code:
                    await rest("DELETE", "/groups/g")
            # The app itself may do everything.
            if operation not in ("join", "leave", "remove_owner", "change_owner"):
                await make_group(rest, "private" if role == "outsider" else "public")
                method, path, more = group_requests("")[operation][0]
                assert (await rest.answer(method, path, **more)).status_code == 200, (operation, "app")
                if operation != "delete":
                    await rest("DELETE", "/groups/g")


async def test_private_group_does_not_exist_for_outsiders(stage):
    async with Rest(stage) as rest:
        await rest.add_users("own", "str")
        await rest("POST", "/groups", behalf="own", json={"guid": "g", "name": "G", "type": "private"})
        for operation in permissions._GROUPS:
            for method, path, more in group_requests("str").get(operation, ()):
                for other in ("pat2", "mod2", "ann2"):
                    path = path.replace(other, "own")
                there = await rest.answer(method, path, as_="str", **more)
                if path == "/messages":
                    more = {"json": {**more["json"], "receiver": "none"}}
                not_there = await rest.answer(method, path.replace("/groups/g", "/groups/none"), as_="str", **more)
                assert (there.status_code, there.json()) == (not_there.status_code, not_there.json())
        assert await rest("GET", "/groups", as_="str") == []
        await rest.refused("ERR_GROUP_JOIN_NOT_ALLOWED", "POST", "/groups/g/members", behalf="str", json={})


MESSAGE_REQUESTS = {
    "read": [("GET", "", {}), ("GET", "/reactions", {}), ("GET", "/thread", {})],
    "edit": [("PUT", "", {"json": {"data": {"text": "changed"}}})],
    "delete": [("DELETE", "", {"json": {}})],
    "react": [("POST", "/reactions/x", {}), ("DELETE", "/reactions/x", {})],
    "flag": [("POST", "/flagged", {"json": {"id": "spam"}})],
    "save": [("POST", "/save", {}), ("DELETE", "/save", {})],
    "follow": [("POST", "/thread/subscription", {}), ("DELETE", "/thread/subscription", {})],
    "pin": [("POST", "/pin", {}), ("DELETE", "/pin", {})],
}


@pytest.mark.parametrize("operation", list(permissions._MESSAGES))
async def test_each_cell_of_the_table_of_messages_holds_over_http(stage, operation):
    async with Rest(stage) as rest:
        await rest.add_users("own", "pat", "mod", "ann", "pat2", "mod2", "ann2", "ban", "str")
        await make_group(rest)
        form = {"category": "interactive", "type": "form", "data": {"interactiveData": {}}}
        for role, code in permissions._MESSAGES[operation].items():
            for to in ("user", "group"):
                who = {**MEMBERS, "stranger": "str", "sender": "pat2", "author": "pat2", "receiver": "pat"}[role]
                if (role in ("author", *MEMBERS)) != (to == "group") and role != "stranger":
                    continue
                place = {"receiver": "g" if to == "group" else "pat", "receiverType": to}
                for n in range(len(MESSAGE_REQUESTS.get(operation, (1,)))):
                    content = form if operation == "interact" else {"data": {"text": "hi"}}
                    made = await rest("POST", "/messages", as_="pat2", json={**place, **content})
                    if operation in ("reply", "quote"):
                        key = {"reply": "parentId", "quote": "quotedMessageId"}[operation]
                        where = {"receiver": "pat2", "receiverType": "user"} if role == "receiver" else place
                        if role == "stranger":
                            where = {"receiver": "pat2", "receiverType": "user"}
                        request = ("POST", "/messages", {"json": {**where, "data": {"text": "a"}, key: made["id"]}})
                    elif operation == "interact":
                        request = ("PATCH", f"/messages/{made['id']}/interacted", {"json": {"interactions": ["ok"]}})
                    else:
                        method, path, more = MESSAGE_REQUESTS[operation][n]
                        request = (method, f"/messages/{made['id']}{path}", more)
                    if code:
                        await rest.refused(code, request[0], request[1], as_=who, **request[2])
                        if role == "stranger":
                            none = request[1].replace(f"/{made['id']}", "/999999")
                            await rest.refused(
                                code, request[0], none, as_=who, **_of_no_message(request[2], made["id"])
                            )
                    else:
                        await rest(request[0], request[1], as_=who, **request[2])
                        if role in ("sender", "author"):  # another device of the user
                            other = {"headers": {"resource": "another device"}}
                            if operation != "delete":
                                await rest(request[0], request[1], as_=who, **other, **request[2])


def _of_no_message(more: dict, message_id: str) -> dict:
    json = more.get("json")
    return {"json": {k: "999999" if v == message_id else v for k, v in json.items()}} if json else more


@pytest.mark.parametrize("operation", list(permissions._USERS))
async def test_each_cell_of_the_table_of_users_holds_over_http(stage, operation):
    async with Rest(stage) as rest:
        for role, code in permissions._USERS[operation].items():
            me, other = f"me-{role}", "me-self" if role == "self" else f"other-{role}"
            await rest.add_users(*{me, other})
            text = {"receiver": other, "receiverType": "user", "data": {"text": "hi"}}
            sent = f"/messages/{(await rest('POST', '/messages', as_=me, json=text))['id']}"
            heard = {**text, "receiver": me}
            heard_at = f"/messages/{(await rest('POST', '/messages', as_=other, json=heard))['id']}"
            if role == "blocker":
                await rest("POST", f"/users/{me}/blockedusers", json={"blockedUids": [other]})
            if role == "blocked":
                await rest("POST", f"/users/{other}/blockedusers", json={"blockedUids": [me]})
            if operation == "see":
                await rest("GET", f"/users/{other}", as_=me)
            elif operation == "write":
                if code:
                    await rest.refused(code, "POST", "/messages", as_=me, json=text)
                else:
                    await rest("POST", "/messages", as_=me, json=text)
            elif operation == "change":
                reaction = ("POST", f"{heard_at}/reactions/x", {})
                taken_back = ("DELETE", f"{heard_at}/reactions/x", {})
                edit = ("PUT", sent, {"json": {"data": {"text": "changed"}}})
                pins = [(method, f"{path}/pin", {}) for method in ("POST", "DELETE") for path in (sent, heard_at)]
                for method, path, more in (edit, reaction, taken_back, *pins):
                    if code:
                        await rest.refused(code, method, path, as_=me, **more)
                    else:
                        await rest(method, path, as_=me, **more)
                view = await rest("GET", sent, as_=other)
                assert view["data"]["text"] == ("hi" if code else "changed")
                await rest("DELETE", sent, as_=me, json={})  # senders may always delete their messages
            elif operation == "block":
                done = await rest("POST", "/blockedusers", as_=me, json={"blockedUids": [other]})
                assert done[other].get("error", {}).get("code", "") == code
            elif operation == "befriend":
                done = await rest("POST", f"/users/{me}/friends", json={"accepted": [other]})
                assert done["accepted"][other].get("error", {}).get("code", "") == code
            else:
                actions = stage.server.parts.actions
                caller = await actions.sessions.caller(await rest.token(me), "d")
                call = actions.ephemeral.publish_typing(caller, other, "user", "started", msgspec.Raw(b"null"))
                if code:
                    with pytest.raises(Exception, match=code):
                        await call
                else:
                    await call


KEY_REQUESTS = {
    "create_user": ("POST", "/users", {"json": {"uid": "made", "name": "M"}}),
    "create_token": ("POST", "/users/alice/auth_tokens", {"json": {}}),
    "administer": ("PUT", "/users/alice", {"json": {"name": "A"}}),
}


@pytest.mark.parametrize("operation", list(permissions._KEYS))
async def test_each_cell_of_the_table_of_keys_holds_over_http(stage, operation):
    async with Rest(stage) as rest:
        method, path, more = KEY_REQUESTS[operation]
        for role, code in permissions._KEYS[operation].items():
            keys = {"none": "", "unknown": "x" * 40, "auth": stage.server.auth_key, "rest": stage.server.api_key}
            headers = {"apikey": keys.get(role, "")}
            if role == "token":
                headers["authtoken"] = await rest.token("alice")
            if operation == "create_user":
                more = {"json": {"uid": f"made-{role}", "name": "M"}}
            if code:
                await rest.refused(code, method, path, headers=headers, **more)
            else:
                await rest(method, path, headers=headers, **more)


@pytest.mark.parametrize(
    ("operations", "table"),
    [
        (permissions.GroupOperation, permissions.GROUPS),
        (permissions.MessageOperation, permissions.MESSAGES),
        (permissions.UserOperation, permissions.USERS),
        (permissions.KeyOperation, permissions.KEYS),
    ],
)
def test_every_declared_operation_has_a_row(operations, table):
    assert list(get_args(operations)) == list(permissions.read_table(table))


async def test_every_admin_operation_needs_a_rest_key(stage):
    async with Rest(stage) as rest:
        from tailwire.server.rest.operations import Access

        admin = [o for o in stage.server.parts.api.operations if o.access is Access.ADMIN]
        assert len(admin) > 30
        for o in admin:
            path = o.path.replace("{", "").replace("}", "")
            auth = {"apikey": stage.server.auth_key}
            await rest.refused("AUTH_ERR_NO_ACCESS", o.method, path, headers=auth)
            await rest.refused("AUTH_ERR_EMPTY_APIKEY", o.method, path, as_="alice")
