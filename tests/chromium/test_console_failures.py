"""Each page of the console when something fails: no server, a revoked key, late responses, unknown fragments."""

from __future__ import annotations

import re

import pytest

from chromium.browser import Browser
from chromium.console_stage import console_stage, fill
from chromium.page_stage import until
from chromium.push_service import PushService
from chromium.test_console import (
    DIALOG,
    HOSTILE,
    OVERFLOW,
    PAGES,
    ROWS,
    SIGN_IN,
    confirm,
    open_row,
    press,
    receiver,
    search,
    violations,
)

pytestmark = [pytest.mark.gui, pytest.mark.timeout(300)]

ALERT = "document.querySelector('main [role=alert]')"
LISTS = [page for page in PAGES if page != "overview"]


async def test_each_page_with_a_table_reports_an_unreachable_server_and_reads_again_on_request(
    chromium: Browser, tmp_path
):
    async with console_stage(chromium, tmp_path) as stage:
        await fill(stage)
        async with stage.client("mara"):
            tab = await stage.open()
            await tab.wait_for("document.querySelector('.status.is-live')")
            for page in LISTS:
                await tab.set_online(False)
                await tab.run("location.hash = `#/${page}`", page=page)
                await tab.wait_for(f"{ALERT}?.innerText.includes('does not answer')")
                assert await violations(tab) == [], page
                await tab.set_online(True)
                await press(tab, "Try again", "document.querySelector('main')")
                await tab.wait_for(f"!{ALERT} && document.querySelector('main table')")
                if page != "push":
                    await tab.wait_for(f"{ROWS} > 0")
            await stage.server.kill()
            await tab.wait_for("document.querySelector('.status.is-gone')")
            for page in LISTS:
                await stage.go(tab, page)
                await tab.wait_for(f"{ALERT}?.innerText.includes('does not answer')")
            await tab.run("location.hash = '#/overview'")
            await tab.wait_for("document.querySelectorAll('.chart canvas').length === 6")
            assert await violations(tab) == []


async def test_rows_stay_and_a_dialog_reports_the_error_when_the_server_does_not_answer(chromium: Browser, tmp_path):
    async with console_stage(chromium, tmp_path) as stage:
        await fill(stage)
        tab = await stage.open("users")
        await tab.wait_for(f"{ROWS} > 5")
        rows = await tab.evaluate(ROWS)
        await tab.set_online(False)
        await search(tab, "mara")
        await tab.wait_for(f"{ALERT}?.innerText.includes('does not answer')")
        assert await tab.evaluate(ROWS) == rows
        await tab.run("document.querySelector('tbody .link').click()")
        await tab.wait_for(f"{DIALOG}?.querySelector('[role=alert]')?.innerText.includes('does not answer')")
        await press(tab, "Delete for good", DIALOG)
        await tab.wait_for("document.querySelectorAll('dialog[open]').length === 2")
        asks = "[...document.querySelectorAll('dialog[open]')].at(-1)"
        await tab.run(f"{asks}.querySelector('footer button').click()")
        await tab.wait_for(f"{asks}.querySelector('[role=alert]')?.innerText.includes('does not answer')")
        await tab.set_online(True)
        assert (await stage.rest.get("/users?perPage=100")).json()["meta"]["pagination"]["total"] == rows


async def test_each_page_returns_to_signing_in_by_itself_when_its_key_is_revoked(chromium: Browser, tmp_path):
    async with console_stage(chromium, tmp_path) as stage:
        await fill(stage)
        tabs = {}
        async with stage.client("mara"):
            for page in PAGES:
                key = (await stage.ask("POST", "/apikeys", {"name": page, "scope": "fullAccess"}))["apiKey"]
                made = await stage.rest.post("/console/links", headers={"apikey": key})
                tab = await stage.opened(page, stage.server.url + made.json()["data"]["path"])
                await stage.go(tab, page)
                await tab.wait_for("document.querySelector('.status.is-live')")
                assert not await tab.evaluate(f"Boolean({SIGN_IN})"), page
                tabs[key] = tab
            for key in tabs:
                await stage.ask("DELETE", f"/apikeys/{key}")
            for tab in tabs.values():
                await tab.wait_for(SIGN_IN, deadline=30)
                await tab.wait_for("document.body.innerText.includes('session has ended')")
                assert not await tab.evaluate("document.querySelector('table, .tile, dialog')"), tab.name


async def test_signing_out_that_fails_is_reported_and_can_be_tried_again(chromium: Browser, tmp_path):
    async with console_stage(chromium, tmp_path) as stage:
        tab = await stage.open("settings")
        await tab.set_online(False)
        await press(tab, "Sign out")
        await tab.wait_for(f"{ALERT}?.innerText.includes('does not answer')")
        assert await violations(tab) == []
        await tab.run("location.hash = '#/keys'")
        await tab.wait_for("document.querySelectorAll('main [role=alert]').length === 1")
        await press(tab, "Sign out")
        await tab.wait_for("document.querySelectorAll('main [role=alert]').length === 2")
        await tab.set_online(True)
        await press(tab, "Try again", ALERT)
        await tab.wait_for(SIGN_IN)


async def test_changes_succeed_after_the_browser_signed_in_again_in_another_tab(chromium: Browser, tmp_path):
    async with console_stage(chromium, tmp_path) as stage:
        await fill(stage)
        tab = await stage.open("users")
        link = (await stage.link()).partition("#")[2]
        signed_in = """await fetch("session", { method: "POST", headers: { "content-type": "application/json" },
          body: JSON.stringify({ link }) })"""
        assert await tab.evaluate(f"({signed_in}).status", link=link) == 200
        await search(tab, "yuki t")
        await tab.wait_for(f"{ROWS} === 1")
        await open_row(tab, "Yuki Tanaka")
        await confirm(tab, "Deactivate")
        await tab.wait_for("document.querySelector('main').innerText.includes('deactivated')")
        link = (await stage.link()).partition("#")[2]
        assert await tab.evaluate(f"({signed_in}).status", link=link) == 200
        await press(tab, "Sign out")
        await tab.wait_for(SIGN_IN)
        await tab.do("reload")
        await tab.wait_for(f"document.body.dataset.ready && {SIGN_IN}")


async def test_late_rows_do_not_replace_those_of_a_later_search(chromium: Browser, tmp_path):
    async with console_stage(chromium, tmp_path) as stage:
        for n in range(120):
            await stage.ask("POST", "/users", {"uid": f"user-{n:03}", "name": f"Person {n:03}"})
        tab = await stage.open("users")
        await tab.wait_for(f"{ROWS} === 100")
        await tab.run("""
            const real = window.fetch;
            window.fetch = async (path, options) => {
              const answer = await real(path, options);
              if (!/cursor=start/.test(path)) await new Promise((go) => { window.letGo = go; });
              return answer;
            };""")
        await press(tab, "More")
        await tab.wait_for("Boolean(window.letGo)")
        await search(tab, "Person 007")
        await tab.wait_for(f"{ROWS} === 1")
        await tab.run(
            "window.letGo(); await new Promise((done) => setTimeout(done)); await new Promise(requestAnimationFrame);"
        )
        await tab.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        assert await tab.evaluate(ROWS) == 1
        assert await tab.evaluate("document.querySelector('.table-frame').getAttribute('aria-busy')") == "false"
        await search(tab, "")
        await tab.wait_for(f"{ROWS} === 100")


@pytest.mark.parametrize("address", ["#/messages/%E0%A4%A", "#/messages/%", "#/nothing", "#/", "#/users/%00/../x"])
async def test_unknown_fragment_shows_a_page(chromium: Browser, tmp_path, address: str):
    async with console_stage(chromium, tmp_path) as stage:
        tab = await stage.open("users")
        await tab.run("location.hash = address", address=address)
        await tab.wait_for("document.querySelector('h1')?.innerText")
        await tab.do("reload")
        await tab.wait_for("document.body.dataset.ready === 'yes' && document.querySelector('h1')?.innerText")
        await stage.loaded(tab)


async def test_requests_of_the_pages_are_documented_operations(chromium: Browser, tmp_path):
    async with console_stage(chromium, tmp_path) as stage:
        await fill(stage)
        tab = await stage.open()
        for page in PAGES:
            await stage.go(tab, page)
            if page in ("users", "groups", "messages", "webhooks"):
                await tab.run("document.querySelector('tbody .link').click()")
                await tab.wait_for(DIALOG)
                await stage.loaded(tab)
                await tab.do("press", key="Escape")
        requests = await tab.evaluate(
            'performance.getEntriesByType("resource").map((one) => new URL(one.name))'
            '.filter((one) => one.pathname.startsWith("/console/api/")).map((one) => one.pathname.slice(12))'
        )
        described = (await stage.rest.get("/openapi.json")).json()["paths"]
        known = [re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path))) for path in described]
        assert len(set(requests)) > 14
        assert [path for path in requests if not any(one.fullmatch(path) for one in known)] == []


async def test_hostile_responses_of_receivers_and_texts_of_notifications_do_nothing(chromium: Browser, tmp_path):
    server, _, _ = await receiver(b"400 " + HOSTILE[0].encode())
    origin = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    settings = {"TAILWIRE_PUSH_CONTACT": "mailto:admin@example.com", "TAILWIRE_PUSH_TARGETS": "127.0.0.1/32",
                "TAILWIRE_PUSH_DELAY": "0.1"}  # fmt: skip
    async with server, console_stage(chromium, tmp_path, settings) as stage:
        for n, text in enumerate(HOSTILE):
            await stage.ask("POST", "/users", {"uid": f"user{n}", "name": text[:100]})
        token = (await stage.ask("POST", "/users/user0/auth_tokens", {}))["authToken"]
        device = {"platform": "web_push", "authToken": token, "providerId": "<b onclick=heard('ran')>"[:20]}
        device["subscription"] = PushService().subscription(f"{origin}/<script>heard('ran')</script>")
        await stage.rest.post("/notifications/push/v1/tokens", json=device, headers={"onBehalfOf": "user0"})
        hook = {"id": "crm", "name": HOSTILE[0], "webhookUrl": f"{origin}/hook", "triggers": ["message_sent"],
                "enabled": True, "retryOnFailure": False}  # fmt: skip
        await stage.ask("POST", "/webhooks", hook)
        for n, text in enumerate(HOSTILE[1:], 1):
            await stage.say(f"user{n}", "user0", text)
        push, failed = "/notifications/push/v1/deliveries", "/webhooks/crm/deliveries?status=failed"
        await until(lambda: stage.ask("GET", failed), 30)
        await until(lambda: stage.ask("GET", push), 30)
        for width in (1280, 380):
            tab = await stage.open("push", width=width)
            await tab.wait_for(f"{ROWS} > 0")
            assert await tab.evaluate(OVERFLOW) <= 0
            await tab.run("document.querySelector('tbody .link').click()")
            await tab.wait_for(f"{DIALOG}?.querySelector('.json')")
            assert await tab.evaluate(f"{DIALOG}.scrollWidth - {DIALOG}.clientWidth") <= 0
            await tab.do("press", key="Escape")
            await press(tab, "Devices")
            await tab.wait_for(f"{ROWS} > 0 && document.querySelector('main').innerText.includes('web_push')")
            assert await tab.evaluate(OVERFLOW) <= 0
            await stage.go(tab, "webhooks")
            await tab.run("document.querySelector('tbody .link').click()")
            await tab.wait_for(f"{DIALOG}?.querySelectorAll('tbody .link').length > 0")
            assert "<img src=x" in await tab.evaluate(f"{DIALOG}.innerText")
            await tab.run(f"{DIALOG}.querySelector('tbody .link').click()")
            await tab.wait_for(f"{DIALOG}.querySelector('.json')")
            assert await tab.evaluate(f"{DIALOG}.scrollWidth - {DIALOG}.clientWidth") <= 0
            await tab.do("press", key="Escape")
            await stage.go(tab, "overview")
            assert await tab.evaluate("document.querySelectorAll('main img, main script, main [onerror]').length") == 0
            assert tab.all("ran") == []
