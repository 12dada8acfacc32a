"""Lists of the REST API that are read by cursor: `cursor=start`, then `meta.next.cursor`, until there is none."""

from __future__ import annotations

import base64
import json

import pytest
from test_push_notifications import push_service, register, send

from receiver import until
from rest import Rest

REPORTS = "/moderation/flagged-messages"
DEVICES = "/notifications/push/v1/devices"
NOTIFICATIONS = "/notifications/push/v1/deliveries"


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


async def make_people(rest):
    """Create seven users with two names, and return their uids."""
    for n in range(7):
        await rest("POST", "/users", json={"uid": f"person-{n}", "name": f"Same name {n % 2}"})
    return [f"person-{n}" for n in range(7)]


@pytest.mark.parametrize(
    ("sort_by", "order"), [("name", "asc"), ("name", "desc"), ("uid", "desc"), ("createdAt", "asc")]
)
async def test_users_are_read_to_the_end_in_the_order_that_was_asked_for(stage, sort_by, order):
    async with Rest(stage) as rest:
        await make_people(rest)
        found = await read_all(rest, f"/users?searchKey=same&sortBy={sort_by}&sortOrder={order}", 3)
    names = [(user["name"] if sort_by == "name" else "", user["uid"]) for user in found]
    assert names == sorted(names, reverse=order == "desc")
    assert len(set(names)) == 7


async def test_groups_are_read_to_the_end(stage):
    guids = [f"group-{n}" for n in range(7)]
    async with Rest(stage) as rest:
        for n, guid in enumerate(guids):
            await rest("POST", "/groups", json={"guid": guid, "name": f"G{n % 3}", "type": "public"})
        assert [group["guid"] for group in await read_all(rest, "/groups?sortBy=guid", 2)] == guids


async def test_members_of_a_group_are_read_to_the_end(stage):
    async with Rest(stage) as rest:
        people = await make_people(rest)
        await rest("POST", "/groups", json={"guid": "group", "name": "G", "type": "public"})
        await rest("POST", "/groups/group/members", json={"participants": people})
        assert [member["uid"] for member in await read_all(rest, "/groups/group/members", 3)] == people


async def test_api_keys_are_read_to_the_end(stage):
    async with Rest(stage) as rest:
        keys = await read_all(rest, "/apikeys", 1)
        assert len({key["id"] for key in keys}) == len(keys) >= 2


async def test_groups_and_members_by_cursor_are_only_those_that_the_reader_may_see(stage):
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

        for _ in range(200):
            if len(await rest("GET", "/webhooks/w/deliveries")) == 5:
                break
            await stage.pass_time(1)
        rows = await read_all(rest, "/webhooks/w/deliveries", 2)
        assert [row["id"] for row in rows] == [row["id"] for row in await rest("GET", "/webhooks/w/deliveries")]
        assert len(rows) == 5
        assert await read_all(rest, "/webhooks/w/deliveries?status=waiting", 2) == []


async def test_cursor_of_another_list_is_refused_for_deliveries_of_a_webhook(stage):
    async with Rest(stage) as rest:
        hook = {"id": "w", "name": "W", "webhookUrl": "http://127.0.0.1:9/x", "triggers": ["group_created"]}
        await rest("POST", "/webhooks", json=hook)
        await rest.refused("ERR_BAD_REQUEST", "GET", f"/webhooks/w/deliveries?cursor={encoded('waiting', 5)}")


async def make_reports(stage, rest):
    """Let bob report five messages, the last two of them five seconds later."""
    sent = {"receiver": "bob", "receiverType": "user", "data": {"text": "buy"}}
    for n in range(5):
        message = await rest("POST", "/messages", behalf="alice", json=sent)
        await rest("POST", f"/messages/{message['id']}/flagged", as_="bob", json={"reasonId": "spam"})
        if n == 2:
            await stage.pass_time(5)


async def test_reports_are_read_to_the_end_newest_first(stage):
    async with Rest(stage) as rest:
        assert await read_all(rest, REPORTS, 2) == []
        await make_reports(stage, rest)
        rows = await read_all(rest, REPORTS, 2)
        assert len({row["messageId"] for row in rows}) == 5
        times = [(row["flaggedAt"], int(row["messageId"])) for row in rows]
        assert times == sorted(times, reverse=True)
        assert [row["message"]["id"] for row in rows] == [row["messageId"] for row in rows]


async def test_numbered_pages_of_reports_have_the_same_order_and_a_total(stage):
    async with Rest(stage) as rest:
        await make_reports(stage, rest)
        rows = await read_all(rest, REPORTS, 2)
        numbered = (await rest.answer("GET", f"{REPORTS}?page=2&limit=2")).json()
        assert numbered["data"] == rows[2:4]
        assert numbered["meta"]["pagination"]["total"] == 5


async def test_invalid_cursor_of_reports_is_refused(stage):
    async with Rest(stage) as rest:
        for cursor in (encoded("updated", 5, 5, "bob"), encoded("reported", 5, "bob", 5), encoded("reported", 5, 5)):
            await rest.refused("ERR_BAD_REQUEST", "GET", f"{REPORTS}?cursor={cursor}")
        assert await rest("GET", f"{REPORTS}?cursor={encoded('reported', 0, 5, 'bob')}") == []


@pytest.mark.parametrize("path", [REPORTS, DEVICES, NOTIFICATIONS, f"{NOTIFICATIONS}/1"])
async def test_list_for_the_backend_is_refused_to_a_user(stage, path):
    async with Rest(stage) as rest:
        answer = await rest.answer("GET", f"{path}?cursor=start", as_="bob")
        assert answer.status_code in (401, 403), answer.text


async def test_devices_of_all_users_are_listed_without_their_subscriptions(stage):
    browser = await push_service(stage)
    async with Rest(stage) as rest:
        device = await register(rest, browser, "bob")
        await register(rest, browser, "carol")
        path = "/notifications/push/v1/devices"
        devices = await read_all(rest, path, 1)
        assert {one["uid"] for one in devices} == {"bob", "carol"}
        assert [one["id"] for one in await rest("GET", f"{path}?uid=BOB")] == [device["id"]]
        for uid in ("bob", "carol"):
            for part in json.loads(browser.subscription(uid))["keys"].values():
                assert part not in json.dumps(devices)


async def test_notifications_are_listed_by_status_and_shown_with_their_content(stage):
    browser = await push_service(stage)
    async with Rest(stage) as rest:
        await register(rest, browser, "bob")
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
        content = (await rest("GET", f"{path}/{failed['id']}"))["content"]
        assert (content["title"], content["body"]) == ("Alice", "the one that fails")
        assert content["data"]["messageId"] == message["id"]


async def test_unknown_notification_and_status_are_refused(stage):
    async with Rest(stage) as rest:
        await rest.refused("ERR_BAD_REQUEST", "GET", f"{NOTIFICATIONS}?status=lost")
        await rest.refused("ERR_NOTIFICATION_NOT_FOUND", "GET", f"{NOTIFICATIONS}/999")
        await rest.refused("ERR_NOTIFICATION_NOT_FOUND", "GET", f"{NOTIFICATIONS}/x")


async def test_failed_notification_is_shown_after_its_lifetime(stage):
    browser = await push_service(stage)
    async with Rest(stage) as rest:
        await register(rest, browser, "bob")
        browser.status = 400
        await send(rest, "late")
        await until(stage, lambda: browser.received)
        await stage.pass_time(3 * 86_400)
        (failed,) = await rest("GET", NOTIFICATIONS)
        assert (await rest("GET", f"{NOTIFICATIONS}/{failed['id']}"))["content"]["body"] == "late"
