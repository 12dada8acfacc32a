"""Lists of the REST API that are read by cursor: `cursor=start`, then `meta.next.cursor`, until there is none."""

from __future__ import annotations

import base64
import json

import pytest
from test_push_notifications import push_service, register, send

from receiver import until
from rest import Rest


async def read_all(rest, path, size):
    """Return all rows of a list, page by page; every page but the last is full, and none has a total."""
    rows, cursor, joint = [], "start", "&" if "?" in path else "?"
    while cursor:
        answer = (await rest.answer("GET", f"{path}{joint}cursor={cursor}&limit={size}")).json()
        assert set(answer.get("meta", ())) == {"next"}, answer
        rows += answer["data"]
        cursor = answer["meta"]["next"].get("cursor", "")
        assert len(answer["data"]) == size or not cursor
    return rows


async def test_users_groups_and_members_are_read_to_the_end(stage):
    async with Rest(stage) as rest:
        for n in range(7):
            await rest("POST", "/users", json={"uid": f"person-{n}", "name": f"Same name {n % 2}"})
            await rest("POST", "/groups", json={"guid": f"group-{n}", "name": f"G{n % 3}", "type": "public"})
        people = [f"person-{n}" for n in range(7)]
        await rest("POST", "/groups/group-0/members", json={"participants": people})
        for sort_by, order in (("name", "asc"), ("name", "desc"), ("uid", "desc"), ("createdAt", "asc")):
            found = await read_all(rest, f"/users?searchKey=same&sortBy={sort_by}&sortOrder={order}", 3)
            names = [(user["name"] if sort_by == "name" else "", user["uid"]) for user in found]
            assert names == sorted(names, reverse=order == "desc")
            assert len(set(names)) == 7
        groups = await read_all(rest, "/groups?sortBy=guid", 2)
        assert [group["guid"] for group in groups] == sorted(group["guid"] for group in groups)
        assert {f"group-{n}" for n in range(7)} <= {group["guid"] for group in groups}
        assert [member["uid"] for member in await read_all(rest, "/groups/group-0/members", 3)] == people
        keys = await read_all(rest, "/apikeys", 1)
        assert len({key["id"] for key in keys}) == len(keys) >= 2


async def test_lists_by_cursor_show_only_what_the_reader_may_see(stage):
    async with Rest(stage) as rest:
        await rest("POST", "/groups", json={"guid": "hidden", "name": "Hidden", "type": "private", "owner": "alice"})
        await rest("POST", "/groups", json={"guid": "open", "name": "Open", "type": "public", "owner": "alice"})
        seen = await rest("GET", "/groups?cursor=start", as_="bob")
        assert [group["guid"] for group in seen] == ["open"]
        assert {one["guid"] for one in await rest("GET", "/groups?cursor=start", as_="alice")} == {"hidden", "open"}
        await rest.refused("ERR_NOT_A_MEMBER", "GET", "/groups/open/members?cursor=start", as_="bob")


def encoded(*values):
    return base64.urlsafe_b64encode(json.dumps(values).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "cursor",
    [
        "begin", "A", "é", encoded(), encoded("name"), encoded("name", "a"), encoded("name", 5, "a"), encoded("name", "a\0", "b"),
        encoded("name", "a", "b", "c"), encoded("-name", "a", "b"), encoded("name", ["a"], "b"), encoded("uid", "a", "b"),
        base64.urlsafe_b64encode(b"[" * 700).decode(), "A" * 1001,
    ],
)  # fmt: skip
async def test_cursor_that_no_page_returned_is_refused(stage, cursor):
    async with Rest(stage) as rest:
        error = await rest.refused("ERR_BAD_REQUEST", "GET", f"/users?cursor={cursor}")
        assert "cursor" in error["details"]


@pytest.mark.parametrize("values", [("createdAt", 2**63, "a"), ("createdAt", -1, "a"), ("createdAt", True, "a")])
async def test_number_out_of_range_in_a_cursor_is_refused(stage, values):
    async with Rest(stage) as rest:
        await rest.refused("ERR_BAD_REQUEST", "GET", f"/users?sortBy=createdAt&cursor={encoded(*values)}")


async def test_order_without_an_index_is_refused_with_a_cursor(stage):
    async with Rest(stage) as rest:
        error = await rest.refused("ERR_BAD_REQUEST", "GET", "/users?cursor=start&sortBy=status")
        assert "createdAt" in error["details"]["sortBy"]
        await rest.refused("ERR_BAD_REQUEST", "GET", "/groups?cursor=start&updatedAt=5")


async def test_deliveries_of_a_webhook_are_read_to_the_end(stage):
    async with Rest(stage) as rest:
        hook = {"id": "w", "name": "W", "webhookUrl": "http://127.0.0.1:9/x", "triggers": ["group_created"],
                "enabled": True, "retryOnFailure": False}  # fmt: skip
        await rest("POST", "/webhooks", json=hook)
        for n in range(5):
            await rest("POST", "/groups", json={"guid": f"new-{n}", "name": "N", "type": "public"})

        async def given_up():
            return len(await rest("GET", "/webhooks/w/deliveries")) == 5

        for _ in range(200):
            if await given_up():
                break
            await stage.pass_time(1)
        rows = await read_all(rest, "/webhooks/w/deliveries", 2)
        assert [row["id"] for row in rows] == [row["id"] for row in await rest("GET", "/webhooks/w/deliveries")]
        assert len(rows) == 5
        assert await read_all(rest, "/webhooks/w/deliveries?status=waiting", 2) == []
        await rest.refused("ERR_BAD_REQUEST", "GET", f"/webhooks/w/deliveries?cursor={encoded('waiting', 5)}")


async def test_reports_are_read_to_the_end_newest_first(stage):
    path = "/moderation/flagged-messages"
    async with Rest(stage) as rest:
        assert await read_all(rest, path, 2) == []
        sent = {"receiver": "bob", "receiverType": "user", "data": {"text": "buy"}}
        for n in range(5):
            made_ = await rest("POST", "/messages", behalf="alice", json=sent)
            await rest("POST", f"/messages/{made_['id']}/flagged", as_="bob", json={"reasonId": "spam"})
            if n == 2:
                await stage.pass_time(5)
        rows = await read_all(rest, path, 2)
        assert len({row["messageId"] for row in rows}) == 5
        times = [(row["flaggedAt"], int(row["messageId"])) for row in rows]
        assert times == sorted(times, reverse=True)
        assert [row["message"]["id"] for row in rows] == [row["messageId"] for row in rows]
        numbered = (await rest.answer("GET", f"{path}?page=2&limit=2")).json()
        assert numbered["data"] == rows[2:4]
        assert numbered["meta"]["pagination"]["total"] == 5
        for cursor in (encoded("updated", 5, 5, "bob"), encoded("reported", 5, "bob", 5), encoded("reported", 5, 5)):
            await rest.refused("ERR_BAD_REQUEST", "GET", f"{path}?cursor={cursor}")
        assert await rest("GET", f"{path}?cursor={encoded('reported', 0, 5, 'bob')}") == []
        answer = await rest.answer("GET", f"{path}?cursor=start", as_="bob")
        assert answer.status_code in (401, 403), answer.text


async def test_devices_and_notifications_of_all_users_are_listed_with_their_content(stage):
    browser = await push_service(stage)
    async with Rest(stage) as rest:
        device = await register(rest, browser, "bob")
        await register(rest, browser, "carol")
        devices = await read_all(rest, "/notifications/push/v1/devices", 1)
        assert {one["uid"] for one in devices} == {"bob", "carol"}
        assert [one["id"] for one in await rest("GET", "/notifications/push/v1/devices?uid=BOB")] == [device["id"]]
        assert browser.subscription("bob") not in json.dumps(devices)
        browser.statuses = [400]
        message = await send(rest, "the one that fails")
        await until(stage, lambda: browser.received)
        await send(rest, "the one that arrives")
        await until(stage, lambda: len(browser.received) == 2)
        await stage.pass_time(2)
        path = "/notifications/push/v1/deliveries"
        (failed,) = await read_all(rest, f"{path}?status=failed", 1)
        assert (failed["status"], failed["uid"], failed["messageId"]) == ("failed", "bob", message["id"])
        assert (failed["attempts"], failed["problem"]) == (1, "status 400")
        (sent,) = await rest("GET", f"{path}?status=sent&uid=bob")
        assert sent["sentAt"]
        assert await rest("GET", f"{path}?status=sent&uid=carol") == []
        assert await rest("GET", f"{path}?status=waiting") == []
        whole = await rest("GET", f"{path}/{failed['id']}")
        assert whole["content"]["title"] == "Alice"
        assert whole["content"]["body"] == "the one that fails"
        assert whole["content"]["data"]["messageId"] == message["id"]
        await rest.refused("ERR_BAD_REQUEST", "GET", f"{path}?status=lost")
        await rest.refused("ERR_NOTIFICATION_NOT_FOUND", "GET", f"{path}/999")
        await rest.refused("ERR_NOTIFICATION_NOT_FOUND", "GET", f"{path}/x")
        for one in (path, f"{path}/{failed['id']}", "/notifications/push/v1/devices"):
            answer = await rest.answer("GET", one, as_="bob")
            assert answer.status_code in (401, 403), answer.text


async def test_failed_notification_is_shown_after_its_lifetime(stage):
    browser = await push_service(stage)
    async with Rest(stage) as rest:
        await register(rest, browser, "bob")
        browser.status = 400
        await send(rest, "late")
        await until(stage, lambda: browser.received)
        await stage.pass_time(3 * 86_400)
        (failed,) = await rest("GET", "/notifications/push/v1/deliveries")
        assert (await rest("GET", f"/notifications/push/v1/deliveries/{failed['id']}"))["content"]["body"] == "late"
