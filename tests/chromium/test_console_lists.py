"""The console's lists with ten thousand rows, the overview, the connections, and actions on rows."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import sqlite3
import time

import pytest

from chromium.browser import Browser, Page
from chromium.chat_stage import ChatStage
from chromium.console_stage import ConsoleStage, console_stage
from chromium.console_stage import fill as fill_a_little
from chromium.page_stage import until
from chromium.push_service import PushService
from chromium.test_console import (
    DIALOG,
    NO_DIALOG,
    OVERFLOW,
    ROWS,
    confirm,
    open_row,
    press,
    receiver,
    search,
)
from tailwire import AppSettingsBuilder, ChatClient, MemorySessionStore

pytestmark = [pytest.mark.gui, pytest.mark.timeout(400)]

COUNT = 10_000
NUMBERS = f"WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {COUNT}) "
USER = "printf('user-%05d', n)"
FILLS = (
    ("users", "uid, name, role, last_active_at, created_at, updated_at",
     f"{USER}, printf('Person %05d', n), 'default', 0, n, n"),
    ("groups", "guid, name, type, members_count, created_at, updated_at",
     "printf('group-%05d', n), printf('Group %05d', n), 'public', 0, n, n"),
    ("members", "guid, uid, scope, joined_at, joined_after_id", f"'group-00001', {USER}, 'participant', n, 0"),
    ("deliveries", "webhook, trigger, body, attempt, due_at, queued_at, failed_at, problem",
     "'crm', 'message_sent', CAST('{}' AS blob), 3, 0, n, :now - n / 100, 'status 500'"),
    ("notifications", "message_id, token_hash, uid, provider, queued_at, due_at, attempt, failed_at, problem",
     f"n, 'device', {USER}, 'web', n, n, 3, :now - n / 100, 'status 500'"),
    ("audit", "at, kind, actor, key_name, on_behalf_of, action, target, details, address, request_id",
     f":now - n / 100, 'change', 'a', 'k', '', 'POST /users', {USER}, '', '', 'r'"),
    ("flags", "message_id, uid, reason_id, at", "n, 'user-00001', 'spam', :now - n / 100"),
)  # fmt: skip
"""Rows of a table: its columns, and their values by the number n."""
TEXTS = (
    "[...(within ? document.querySelector(within) : document).querySelectorAll('tbody tr')].map((tr) => tr.innerText)"
)


async def fill(stage: ConsoleStage, *tables: str) -> None:
    """Fill the tables, all by default: the messages through the API, the others while the server is stopped."""
    for uid in ("mara", "jonas"):
        await stage.ask("POST", "/users", {"uid": uid, "name": uid.title()})
    hook = {"id": "crm", "name": "Records", "webhookUrl": "http://127.0.0.1:9/x", "triggers": ["message_sent"]}
    await stage.ask("POST", "/webhooks", {**hook, "enabled": False})
    if not tables:
        await ChatStage.fill(stage, "mara", "jonas", COUNT)  # type: ignore[arg-type]
    await stage.server.stop()
    (file,) = stage.server.data.glob("*.db")
    with contextlib.closing(sqlite3.connect(file)) as c:
        for table, columns, values in FILLS:
            if tables and table not in tables:
                continue
            c.execute(f"INSERT INTO {table} ({columns}) {NUMBERS}SELECT {values} FROM s", {"now": int(time.time())})
        c.execute(f"UPDATE groups SET members_count = {COUNT} WHERE guid = 'group-00001'")
        c.commit()
    await stage.server.start()


async def read_on(tab: Page, size: int, within: str = "", pages: int = 4) -> None:
    """Read some pages of a list, and check that each row appears once."""
    for number in range(1, pages + 1):
        await tab.wait_for(f"{TEXTS}.length === rows", rows=size * number, within=within, deadline=20)
        if number < pages:
            await press(tab, "More", f"document.querySelector('{within}')" if within else "document")
    texts = await tab.evaluate(TEXTS, within=within)
    assert len(set(texts)) == len(texts) or within  # deliveries look alike


async def test_lists_of_ten_thousand_rows_are_read_page_by_page(chromium: Browser, tmp_path):
    async with console_stage(chromium, tmp_path) as stage:
        await fill(stage)
        tab = await stage.open()
        for page, size in {
            "users": 100,
            "groups": 100,
            "messages": 50,
            "flags": 100,
            "push": 100,
            "audit": 100,
        }.items():
            await stage.go(tab, page)
            await read_on(tab, size)
            assert await tab.evaluate(OVERFLOW) <= 0, page
        await stage.go(tab, "groups")
        await open_row(tab, "Group 00001")
        await read_on(tab, 100, "dialog")
        await tab.do("press", key="Escape")
        await stage.go(tab, "webhooks")
        await open_row(tab, "Records")
        await read_on(tab, 100, "dialog")
        assert await tab.evaluate(f"{DIALOG}.scrollWidth - {DIALOG}.clientWidth") <= 0


async def test_reports_of_one_second_are_read_on_while_messages_are_removed_and_reported(chromium: Browser, tmp_path):
    first = "(tr) => tr.querySelector('td').innerText.trim()"
    texts = f"[...document.querySelectorAll('tbody tr')].map({first})"
    async with console_stage(chromium, tmp_path) as stage:
        for uid in ("mara", "jonas"):
            await stage.ask("POST", "/users", {"uid": uid, "name": uid.title()})
        await ChatStage.fill(stage, "mara", "jonas", 300)  # type: ignore[arg-type]
        await stage.server.stop()
        (file,) = stage.server.data.glob("*.db")
        with contextlib.closing(sqlite3.connect(file)) as c:
            report = "INSERT INTO flags (message_id, uid, reason_id, at) SELECT id, 'jonas', 'spam', :at FROM messages"
            c.execute(report, {"at": int(time.time()) - 60})
            c.execute("INSERT INTO flags (message_id, uid, reason_id, at) VALUES (999999, 'jonas', 'spam', 1)")
            c.commit()
            ids = [row[0] for row in c.execute("SELECT id FROM messages ORDER BY id DESC")]
        await stage.server.start()
        tab = await stage.open("flags")
        await tab.wait_for(f"{ROWS} === 100")
        lines = await tab.evaluate(texts)
        for place in (1, 2, 3, 150):  # three that are shown, and one that is not
            await stage.ask("DELETE", f"/messages/{ids[place]}", {"permanent": True})
        await stage.ask("POST", f"/messages/{ids[0]}/flagged", {"reasonId": "spam"}, behalf="mara")
        await press(tab, "More")
        await tab.wait_for(f"{ROWS} === 200")
        await press(tab, "More")
        await tab.wait_for(f"{ROWS} === 300")
        await tab.wait_for("!document.querySelector('.table-foot button')")  # nothing is left to read
        read = await tab.evaluate(texts)
        assert read[:100] == lines
        assert len(set(read)) == 300
        assert set(read[:-1]) < {f"line {n}" for n in range(300)}
        assert read[-1] == "Deleted"  # a report whose message no longer exists is listed, and opens nothing
        await tab.run("document.querySelector('tbody tr:last-child .link').click()")
        await open_row(tab, "line 299")
        await tab.wait_for(f"{DIALOG}.innerText.includes('line 299')")


async def test_ten_thousand_rows_in_one_table_stay_usable(chromium: Browser, tmp_path):
    async with console_stage(chromium, tmp_path) as stage:
        await fill(stage, "users")
        tab = await stage.open("users")
        read_all = """
        const rows = () => document.querySelectorAll('tbody tr').length;
        for (let before = rows(); document.querySelector('.table-foot button'); before = rows()) {
          document.querySelector('.table-foot button').click();
          while (rows() === before) await new Promise(requestAnimationFrame);
        }"""
        await tab.do("run", code=read_all, args={}, timeout_of_call=300)
        names = await tab.evaluate("[...document.querySelectorAll('tbody small')].map((e) => e.innerText)")
        assert sorted(names) == sorted([*(f"user-{n:05}" for n in range(1, COUNT + 1)), "jonas", "mara"])
        await press(tab, "Name")
        await press(tab, "Name ↑")
        await tab.wait_for("document.querySelector('tbody small').innerText === 'user-10000'")
        await open_row(tab, "Person 09999")
        await tab.do("press", key="Escape")
        await search(tab, "Person 07777")
        await tab.wait_for(f"{ROWS} === 1")


async def test_overview_shows_current_and_earlier_load_from_one_stream(chromium: Browser, tmp_path):
    streams = """
    const Real = EventSource;
    window.EventSource = class extends Real { constructor(url) { super(url); heard("stream", url); } };"""
    texts = "(e) => ['.tile-name', 'strong'].map((one) => e.querySelector(one).innerText)"
    tiles = f"Object.fromEntries([...document.querySelectorAll('.tile')].map({texts}))"
    async with console_stage(chromium, tmp_path) as stage:
        for uid in ("mara", "jonas"):
            await stage.ask("POST", "/users", {"uid": uid, "name": uid.title()})
        async with stage.client("mara"), stage.client("jonas"):
            for n in range(40):
                await stage.say("mara", "jonas", f"line {n}")
                assert (await stage.rest.get("/users/nobody")).status_code == 404
            tab = await stage.opened("overview", await stage.link(), before=streams)
            filled = "((all) => Number(all['Messages per second']) > 0 && all['Connections'] === '2' && all)"
            sizes = await tab.wait_for(f"{filled}({tiles})")
            assert float(sizes["Refusals per second"]) > 0
            assert sizes["Sends, p99"].endswith(" ms")
            assert sizes["Event loop lag"].endswith(" ms")
            free = shutil.disk_usage(tmp_path).free / 1e9
            assert float(sizes["Free disk space"].removesuffix(" GB")) == pytest.approx(free, rel=0.2)
            samples = "(await import('/console/live.js')).live.samples.map((one) => one.at)"
            for page in ("users", "audit", "overview"):
                await stage.go(tab, page)
            await tab.wait_for(f"({samples}).length >= 3")
            assert tab.all("stream") == ["api/stats/stream"]
            before = await tab.evaluate(samples)
            later = await stage.open()
            await later.wait_for(f"((found) => before.every((at) => found.includes(at)))({samples})", before=before)
            await later.wait_for(f"{tiles}['Messages per second'] !== '–'")


async def test_connections_are_shown_with_their_states_and_why_they_ended(chromium: Browser, tmp_path):
    async with console_stage(chromium, tmp_path) as stage:
        for uid in ("mara", "jonas"):
            await stage.ask("POST", "/users", {"uid": uid, "name": uid.title()})
        settings = AppSettingsBuilder().override_client_host(stage.server.url)
        manual = settings.auto_establish_socket_connection(False).build()
        row = "[...document.querySelectorAll('tbody tr')].find((tr) => tr.innerText.startsWith(uid))?.innerText"
        async with (
            stage.client("jonas"),
            ChatClient(stage.server.app_id, manual, session_store=MemorySessionStore()) as mara,
        ):
            await mara.login("mara", auth_key=stage.server.auth_key)
            await mara.connect()
            await mara.wait_connected(timeout=20)
            tab = await stage.open("connections")
            shown = await tab.wait_for(row, uid="jonas")
            assert "127.0.0.1" in shown
            assert "foreground" in shown
            assert shown.rstrip().endswith(" B")  # the queue
            mara.set_app_state("background")
            await tab.wait_for(f"{row}?.includes('background')", uid="mara", deadline=20)  # it is read again by itself
            await stage.ask("DELETE", "/users/jonas/auth_tokens")
            await tab.wait_for(f"!{row}", uid="jonas", deadline=20)
            await press(tab, "Ended")
            ended = await tab.wait_for(row, uid="jonas")
            assert "server" in ended
            await search(tab, "nobody")
            await tab.wait_for(f"{ROWS} === 0")
            await search(tab, "jonas")
            await tab.wait_for(f"{ROWS} === 1")


async def test_group_and_reported_message_are_deleted(chromium: Browser, tmp_path):
    async with console_stage(chromium, tmp_path) as stage:
        await fill_a_little(stage)
        tab = await stage.open("groups")
        await open_row(tab, "Night trains")
        await confirm(tab, "Delete the group")
        await tab.wait_for(f"{NO_DIALOG} && !document.querySelector('main').innerText.includes('Night trains')")
        assert (await stage.rest.get("/groups/night-trains")).status_code == 404
        reported = await stage.say("jonas", "mara", "An advertisement")
        flag = {"reasonId": "spam", "remark": "Again"}
        await stage.ask("POST", f"/messages/{reported['id']}/flagged", flag, behalf="mara")
        await stage.go(tab, "flags")
        await open_row(tab, "An advertisement")
        await confirm(tab, "Delete the message")
        await tab.wait_for(f"{NO_DIALOG} && !document.querySelector('main').innerText.includes('An advertisement')")
        assert (await stage.ask("GET", f"/messages/{reported['id']}"))["deletedAt"]


async def test_all_failed_deliveries_of_a_webhook_are_sent_again(chromium: Browser, tmp_path):
    server, received, answers = await receiver(b"500 Broken")
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, console_stage(chromium, tmp_path) as stage:
        for uid in ("mara", "jonas"):
            await stage.ask("POST", "/users", {"uid": uid, "name": uid.title()})
        hook = {"id": "crm", "name": "Records", "webhookUrl": f"{url}/hook", "triggers": ["message_sent"]}
        await stage.ask("POST", "/webhooks", {**hook, "enabled": True, "retryOnFailure": False})
        for n in range(3):
            await stage.say("mara", "jonas", f"line {n}")
        failed = "/webhooks/crm/deliveries?status=failed"

        async def all_failed() -> bool:
            return len(await stage.ask("GET", failed)) == 3

        await until(all_failed)
        answers[0] = b"200 OK"
        before = len(received)
        tab = await stage.open("webhooks")
        await open_row(tab, "Records")
        await tab.wait_for(f"{DIALOG}.querySelectorAll('tbody .link').length === 3")
        await confirm(tab, "Send all again")
        await tab.wait_for(f"{DIALOG}.innerText.includes('No deliveries.')")
        await until(lambda: asyncio.sleep(0, len(received) >= before + 3))
        assert {f"line {n}" for n in range(3)} == {
            json.loads(body)["data"]["message"]["data"]["text"] for body in received[before:]
        }


async def test_all_failed_notifications_are_sent_again(chromium: Browser, tmp_path):
    server, received, answers = await receiver(b"400 Broken")
    origin = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    settings = {"TAILWIRE_PUSH_CONTACT": "mailto:admin@example.com", "TAILWIRE_PUSH_TARGETS": "127.0.0.1/32",
                "TAILWIRE_PUSH_DELAY": "0.1"}  # fmt: skip
    async with server, console_stage(chromium, tmp_path, settings) as stage:
        await fill_a_little(stage)
        token = (await stage.ask("POST", "/users/priya/auth_tokens", {}))["authToken"]
        device = {"platform": "web_push", "authToken": token}
        device["subscription"] = PushService().subscription(f"{origin}/priya")
        await stage.ask("POST", "/notifications/push/v1/tokens", device, behalf="priya")
        for n in range(3):
            await stage.say("mara", "priya", f"line {n}")

        async def all_failed() -> bool:
            return len(await stage.ask("GET", "/notifications/push/v1/deliveries?status=failed")) == 3

        await until(all_failed)
        answers[0], before = b"201 Created", len(received)
        tab = await stage.open("push")
        await tab.wait_for(f"{ROWS} === 3")
        await press(tab, "Send all again")
        await tab.wait_for(DIALOG)
        await press(tab, "Send all again", DIALOG)
        await tab.wait_for(f"{NO_DIALOG} && {ROWS} === 0")
        await until(lambda: asyncio.sleep(0, len(received) == before + 3))
        await press(tab, "Sent")
        await tab.wait_for(f"{ROWS} === 3")
