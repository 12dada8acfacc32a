"""The web console in a real browser: each page, what it does, and what happens when something fails."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import shutil
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

import tailwire
from chromium.browser import FOLDER, Browser, Page
from chromium.console_stage import console_stage, fill
from chromium.page_stage import until
from sizes import size

pytestmark = [pytest.mark.gui, pytest.mark.timeout(240)]

PAGES = re.findall(
    r'{ name: "(\w+)", Page: ', (Path(tailwire.__file__).parent / "web/console/pages.js").read_text(encoding="utf-8")
)
WITH_ROWS = [page for page in PAGES if page not in ("overview", "push")]
ROWS = "document.querySelectorAll('tbody tr').length"
MAIN = "document.querySelector('main').innerText"
DIALOG = "document.querySelector('dialog[open]')"
NO_DIALOG = "!document.querySelector('dialog')"
SIGN_IN = "document.querySelector('.sign-in')"
SESSION_REQUESTS = (
    "performance.getEntriesByType('resource').filter((one) => one.name.endsWith('/console/session')).length"
)
OVERFLOW = "document.scrollingElement.scrollWidth - innerWidth"
WEB = Path(tailwire.__file__).parent / "web"
AXE = FOLDER / "node_modules" / "axe-core" / "axe.min.js"
RUN_AXE = """
const found = await axe.run(document, { resultTypes: ["violations"] });
return found.violations.map(({ id, nodes }) => [id, nodes.slice(0, 3).map((one) => one.html.slice(0, 200) + " " + one.failureSummary)]);
"""


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves files, and logs nothing."""

    def log_message(self, *args: object) -> None:
        """Log nothing."""


async def violations(tab: Page) -> list:
    """Return the violations of accessibility rules that axe-core finds."""
    if not await tab.evaluate("'axe' in window"):
        if not AXE.exists():
            pytest.skip("axe-core is not installed: make chromium")
        await tab.run(AXE.read_text() + "\nwindow.axe = axe;")
    return await tab.run(RUN_AXE)


async def press(tab: Page, text: str, within: str = "document") -> None:
    """Press the button with a text."""
    find = f"[...({within}?.querySelectorAll('button, a.button') ?? [])].find((b) => b.innerText.trim() === text)"
    await tab.wait_for(find, text=text)
    await tab.run(f"{find}.click()", text=text)


async def receiver(status: bytes) -> tuple[asyncio.Server, list[bytes], list[bytes]]:
    """Start a server that receives requests. Return it, their bodies, and a list with its status line, to change."""
    received, answers = list[bytes](), [status]

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        size = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        received.append(await reader.readexactly(size))
        writer.write(b"HTTP/1.1 %b\r\ncontent-length: 0\r\nconnection: close\r\n\r\n" % answers[0])
        await writer.drain()
        writer.close()

    return await asyncio.start_server(take, "127.0.0.1", 0), received, answers


async def open_row(tab: Page, text: str) -> None:
    """Open the table row that contains a text."""
    find = "[...document.querySelectorAll('tbody .link')].find((b) => b.innerText.includes(text))"
    await tab.wait_for(find, text=text)
    await tab.run(f"{find}.click()", text=text)
    await tab.wait_for(DIALOG)


async def confirm(tab: Page, text: str) -> None:
    """Press a button that asks for confirmation, and confirm."""
    await press(tab, text, DIALOG)
    await tab.wait_for("document.querySelectorAll('dialog[open]').length === 2")
    await tab.run(
        "document.querySelector('dialog[open] dialog[open] footer button, dialog[open] ~ dialog[open] footer button').click()"
    )


async def search(tab: Page, text: str) -> None:
    """Write into the search field of the page."""
    await tab.run(
        "const f = document.querySelector('main input[type=search]'); f.value = text; f.dispatchEvent(new Event('input'))",
        text=text,
    )


async def test_each_page_shows_its_data_and_breaks_no_rule_of_accessibility(chromium: Browser, tmp_path):
    async with console_stage(chromium, tmp_path) as stage:
        await fill(stage)
        async with stage.client("mara"):
            tab = await stage.open()
            await tab.wait_for("[...document.querySelectorAll('.tile strong')].every((e) => e.innerText !== '')")
            await tab.wait_for("document.querySelectorAll('.chart canvas').length === 6")
            for page in PAGES:
                await stage.go(tab, page)
                if page in WITH_ROWS:
                    await tab.wait_for(f"{ROWS} > 0")
                for theme in ("light", "dark"):
                    await tab.run("document.documentElement.dataset.theme = theme", theme=theme)
                    assert await violations(tab) == [], (page, theme)
                titles = await tab.evaluate("[document.title, document.querySelector('h1').innerText]")
                assert titles[0].startswith(titles[1]), page


@pytest.mark.parametrize("width", [360, 768, 1280])
@pytest.mark.parametrize("direction", ["ltr", "rtl"])
async def test_each_page_fits_the_width(chromium: Browser, tmp_path, width: int, direction: str):
    async with console_stage(chromium, tmp_path) as stage:
        await fill(stage)
        tab = await stage.open(width=width, height=740)
        await tab.run("document.documentElement.dir = direction", direction=direction)
        for page in PAGES:
            await stage.go(tab, page)
            assert await tab.evaluate(OVERFLOW) <= 0, page
            if page in ("users", "groups", "messages", "webhooks"):
                await tab.run("document.querySelector('tbody .link').click()")
                await tab.wait_for(DIALOG)
                assert await tab.evaluate(f"{DIALOG}.scrollWidth - {DIALOG}.clientWidth") <= 0, page
                await tab.do("press", key="Escape")
                await tab.wait_for(NO_DIALOG)
        if width == 360:
            assert await tab.evaluate("getComputedStyle(document.querySelector('#menu')).display") == "none"
            await press(tab, "Menu")
            await tab.wait_for("getComputedStyle(document.querySelector('#menu')).display !== 'none'")
            assert await violations(tab) == []


async def test_overview_updates_the_number_of_users_online(chromium: Browser, tmp_path):
    async with console_stage(chromium, tmp_path) as stage:
        await stage.ask("POST", "/users", {"uid": "mara", "name": "Mara"})
        tab = await stage.open()
        first = "document.querySelector('.tile strong').innerText"
        await tab.wait_for("document.querySelector('.status.is-live')")
        await tab.wait_for(f"{first} === '0'")
        async with stage.client("mara"):
            await tab.wait_for(f"{first} === '1'")
        await tab.wait_for(f"{first} === '0'")


async def test_connection_is_shown_alongside_the_dump_of_its_client(chromium: Browser, tmp_path):
    async with console_stage(chromium, tmp_path) as stage:
        await stage.ask("POST", "/users", {"uid": "mara", "name": "Mara"})
        dump = tmp_path / "dump.json"
        async with stage.client("mara") as chat:
            chat.connection.dump(dump)
            tab = await stage.open("connections")
            await open_row(tab, "mara")
            await tab.wait_for("document.querySelectorAll('.steps li').length === 2")
            server = await tab.evaluate("document.querySelector('.steps').innerText")
            assert server.index("opened") < server.index("authenticated")
            requests = "performance.getEntriesByType('resource').length"
            before = await tab.evaluate(requests)
            await tab.do("choose_file", text="Open a dump() of the client", path=str(dump))
            client = await tab.wait_for("document.querySelectorAll('.steps')[1]?.innerText")
            for step in json.loads(dump.read_text())["inputs"]:
                assert step["input"] in client
            assert await tab.evaluate(requests) == before
            assert await violations(tab) == []
            dump.write_text("<img src=x onerror=heard('ran')>")
            await tab.do("choose_file", text="Open a dump() of the client", path=str(dump))
            await tab.wait_for("document.querySelector('dialog .notice')?.innerText.includes('not a dump')")
            await tab.do("press", key="Escape")
        await press(tab, "Ended")
        await open_row(tab, "mara")
        await tab.wait_for("document.querySelectorAll('.steps li').length === 3")
        assert "client" in await tab.evaluate("document.querySelector('.facts').innerText")
        assert tab.all("ran") == []


async def test_user_is_found_signed_out_deactivated_and_deleted(chromium: Browser, tmp_path):
    async with console_stage(chromium, tmp_path) as stage:
        await fill(stage)
        async with stage.client("yuki") as chat:
            tab = await stage.open("users")
            await search(tab, "yuki t")
            await tab.wait_for(f"{ROWS} === 1")
            await open_row(tab, "Yuki Tanaka")
            await confirm(tab, "Sign out all devices")
            await tab.wait_for("document.querySelector('dialog').innerText.includes('No device is signed in')")
            async with asyncio.timeout(20):
                while chat.connection.status.value == "connected":
                    await asyncio.sleep(0.05)
        await confirm(tab, "Deactivate")
        await tab.wait_for(f"{MAIN}.includes('deactivated')")
        await open_row(tab, "Yuki Tanaka")
        await confirm(tab, "Reactivate")
        await tab.wait_for(f"{NO_DIALOG} && {MAIN}.includes('offline')")
        assert (await stage.ask("GET", "/users/yuki"))["name"] == "Yuki Tanaka"
        await open_row(tab, "Yuki Tanaka")
        await confirm(tab, "Delete for good")
        await tab.wait_for(f"{ROWS} === 0")
        assert (await stage.rest.get("/users/yuki")).status_code == 404
        actions = [entry["action"] for entry in await stage.ask("GET", "/audit?kind=change")][:4]
        assert actions == ["DELETE /users/{uid}", "PUT /users", "DELETE /users", "DELETE /users/{uid}/auth_tokens"]


async def test_message_is_found_shown_among_its_neighbours_and_deleted(chromium: Browser, tmp_path):
    async with console_stage(chromium, tmp_path) as stage:
        await fill(stage)
        tab = await stage.open("messages")
        await search(tab, "invoice")
        await tab.wait_for(f"{ROWS} === 1")
        await open_row(tab, "Where is the invoice?")
        await tab.wait_for("document.querySelectorAll('.context li').length === 2")
        around = await tab.evaluate("[...document.querySelectorAll('.context p')].map((p) => p.innerText)")
        assert around == ["Where is the invoice?", "Found it."]
        await confirm(tab, "Delete the message")
        await tab.wait_for(NO_DIALOG)
        await search(tab, "")
        await tab.wait_for(f"{ROWS} > 10")
        assert "invoice" not in await tab.evaluate(MAIN)
        await stage.go(tab, "groups")
        await open_row(tab, "Night trains")
        await press(tab, "Messages of the group", DIALOG)
        await stage.loaded(tab)
        await tab.wait_for(f"location.hash === '#/messages/group_night-trains' && {ROWS} > 10")
        receivers = await tab.evaluate(
            "[...document.querySelectorAll('tbody td:nth-child(3)')].map((td) => td.innerText)"
        )
        assert {one.split()[0] for one in receivers} == {"night-trains"}


async def test_reported_message_is_opened(chromium: Browser, tmp_path):
    async with console_stage(chromium, tmp_path) as stage:
        await fill(stage)
        tab = await stage.open("flags")
        await tab.wait_for(f"{MAIN}.includes('The same advertisement again')")
        await tab.run("document.querySelector('tbody .link').click()")
        await tab.wait_for("document.querySelectorAll('.context li').length > 5")


async def test_failed_delivery_is_shown_with_its_body_and_sent_again(chromium: Browser, tmp_path):
    server, received, answers = await receiver(b"500 Broken")
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    async with server, console_stage(chromium, tmp_path) as stage:
        for uid in ("mara", "jonas"):
            await stage.ask("POST", "/users", {"uid": uid, "name": uid.title()})
        hook = {"id": "crm", "name": "Records", "webhookUrl": url, "triggers": ["message_sent"], "enabled": True,
                "retryOnFailure": False}  # fmt: skip
        await stage.ask("POST", "/webhooks", hook)
        await stage.say("mara", "jonas", "remember <b>this</b>")
        async with asyncio.timeout(20):
            while not await stage.ask("GET", "/webhooks/crm/deliveries?status=failed"):
                await asyncio.sleep(0.05)
        answers[0] = b"200 OK"
        tab = await stage.open("webhooks")
        await open_row(tab, "Records")
        await tab.wait_for(f"{DIALOG}.querySelectorAll('tbody .link').length === 1")
        await tab.run(f"{DIALOG}.querySelector('tbody .link').click()")
        await tab.wait_for(f"{DIALOG}.querySelector('.json')?.innerText.includes('remember <b>this</b>')")
        assert await violations(tab) == []
        before = len(received)
        await confirm(tab, "Send again")
        await tab.wait_for(f"{DIALOG}.innerText.includes('No deliveries.')")
        async with asyncio.timeout(20):
            while len(received) == before:
                await asyncio.sleep(0.02)
        assert b"remember <b>this</b>" in received[-1]


async def test_key_is_created_shown_once_and_ended_after_a_grace_period(chromium: Browser, tmp_path):
    async with console_stage(chromium, tmp_path) as stage:
        tab = await stage.open("keys")
        await press(tab, "New key")
        await tab.wait_for(DIALOG)
        assert await violations(tab) == []
        name = '<b onclick="heard(1)">Back'
        await tab.run(
            f"{DIALOG}.querySelector('input').value = name; {DIALOG}.querySelector('select').value = 'fullAccess'",
            name=name,
        )
        await press(tab, "Create", DIALOG)
        key = await tab.wait_for(f"{DIALOG}.querySelector('pre')?.innerText")
        answer = await stage.rest.get("/users", headers={"apikey": key})
        assert answer.status_code == 200
        assert await violations(tab) == []
        await tab.do("press", key="Escape")
        await tab.wait_for(NO_DIALOG)
        assert key not in await tab.evaluate("document.documentElement.outerHTML")
        await open_row(tab, name)
        await tab.run(f"{DIALOG}.querySelector('select').value = '3600'")
        await press(tab, "End the key", DIALOG)
        await tab.wait_for(NO_DIALOG)
        await tab.wait_for(
            f"{MAIN}.includes('in 1 hr') || {MAIN}.includes('in 60 min') || {MAIN}.includes('in 59 min')"
        )
        assert (await stage.rest.get("/users", headers={"apikey": key})).status_code == 200
        await open_row(tab, name)
        await press(tab, "End the key", DIALOG)
        await tab.wait_for(f"{NO_DIALOG} && !{MAIN}.includes('onclick')")
        assert (await stage.rest.get("/users", headers={"apikey": key})).status_code == 401
        actions = [entry["action"] for entry in await stage.ask("GET", "/audit?kind=change")][:3]
        assert actions == ["DELETE /apikeys/{key}", "DELETE /apikeys/{key}", "POST /apikeys"]


async def test_console_cannot_end_the_key_that_it_is_signed_in_with(chromium: Browser, tmp_path):
    async with console_stage(chromium, tmp_path) as stage:
        tab = await stage.open("keys")
        own = (await stage.ask("GET", f"/apikeys/{stage.server.api_key}"))["id"]
        row = "[...document.querySelectorAll('tbody tr')].find((tr) => tr.innerText.includes(own))"
        await tab.wait_for(row, own=own)
        await tab.run(f"{row}.querySelector('.link').click()", own=own)
        await press(tab, "End the key", DIALOG)
        await tab.wait_for(f"{DIALOG}.querySelector('[role=alert]')?.innerText.includes('ERR_APIKEY_NO_SELF_ACTION')")
        assert (await stage.rest.get("/users")).status_code == 200


async def test_push_page_shows_devices_and_failures_and_sends_them_again(chromium: Browser, tmp_path):
    service, received, answers = await receiver(b"400 Broken")
    endpoint = f"http://127.0.0.1:{service.sockets[0].getsockname()[1]}/mara"
    settings = {"TAILWIRE_PUSH_CONTACT": "mailto:admin@example.com", "TAILWIRE_PUSH_TARGETS": "127.0.0.1/32",
                "TAILWIRE_PUSH_DELAY": "0.1"}  # fmt: skip
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    point = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    keys = {
        name: base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
        for name, raw in (("p256dh", point), ("auth", b"a" * 16))
    }
    async with service, console_stage(chromium, tmp_path, settings) as stage:
        for uid in ("mara", "jonas"):
            await stage.ask("POST", "/users", {"uid": uid, "name": uid.title()})
        token = (await stage.ask("POST", "/users/mara/auth_tokens", {}))["authToken"]
        body = {"platform": "web_push", "authToken": token, "subscription": {"endpoint": endpoint, "keys": keys}}
        await stage.ask("POST", "/notifications/push/v1/tokens", body, behalf="mara")
        await stage.say("jonas", "mara", "remember <b>this</b>")
        await until(lambda: stage.ask("GET", "/notifications/push/v1/deliveries"))
        tab = await stage.open("push")
        await tab.wait_for(f"{ROWS} === 1")
        assert await violations(tab) == []
        await press(tab, "Devices")
        await tab.wait_for(f"{MAIN}.includes('web_push')")
        assert await violations(tab) == []
        assert endpoint not in await tab.evaluate("document.documentElement.outerHTML")
        await press(tab, "Failed")
        await open_row(tab, "mara")
        await tab.wait_for(f"{DIALOG}.querySelector('.json')?.innerText.includes('remember <b>this</b>')")
        assert "status 400" in await tab.evaluate(f"{DIALOG}.innerText")
        assert await violations(tab) == []
        answers[0], before = b"201 Created", len(received)
        await confirm(tab, "Send again")
        await tab.wait_for(f"{NO_DIALOG} && {MAIN}.includes('No notifications.')")
        await until(lambda: asyncio.sleep(0, len(received) > before))
        await press(tab, "Sent")
        await tab.wait_for(f"{ROWS} === 1")
        await search(tab, "jonas")
        await tab.wait_for(f"{MAIN}.includes('No notifications.')")


async def test_settings_are_shown_with_their_sources(chromium: Browser, tmp_path):
    async with console_stage(chromium, tmp_path, {"TAILWIRE_REGION": "eu"}) as stage:
        tab = await stage.open("settings")
        await press(tab, "Changed")
        row = "[...document.querySelectorAll('tbody tr')].find((tr) => tr.innerText.startsWith('region'))?.innerText"
        assert (await tab.wait_for(row)).split()[:3] == ["region", "eu", "TAILWIRE_REGION"]
        await search(tab, "region")
        await tab.wait_for(f"{ROWS} === 1")


@pytest.mark.parametrize("width", [768, 1280])
async def test_source_of_a_setting_is_on_one_line(chromium: Browser, tmp_path, width):
    settings = {"TAILWIRE_REGION": "eu", "TAILWIRE_DELETED_FILES_AFTER": "60"}
    async with console_stage(chromium, tmp_path, settings) as stage:
        tab = await stage.open("settings", width=width)
        badges = await tab.evaluate(
            "[...document.querySelectorAll('.source .badge')].map((e) => [e.innerText, e.offsetHeight < 1.9 *"
            " parseFloat(getComputedStyle(e).lineHeight)])"
        )
        assert dict(badges)["TAILWIRE_DELETED_FILES_AFTER"] is True
        assert [text for text, one_line in badges if not one_line] == []
        lines = "[...document.querySelectorAll('.value')].map((e) => [e.innerText, e.offsetHeight / parseFloat(getComputedStyle(e).lineHeight)])"
        for value, height in await tab.evaluate(lines):
            assert height < 1.9 or len(value) > 15, f"a short value is not broken: {value}"
        assert await tab.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_pages_say_how_a_user_is_created_and_how_exact_the_last_use_of_a_key_is(chromium: Browser, tmp_path):
    async with console_stage(chromium, tmp_path) as stage:
        tab = await stage.open("users")
        assert "tailwire user create" in await tab.evaluate(MAIN)
        await stage.go(tab, "keys")
        assert "to the hour" in await tab.evaluate(MAIN)


@pytest.mark.parametrize("languages", [["en"], ["de"]])
async def test_sign_in_page_does_not_break_commands_across_lines(chromium: Browser, tmp_path, languages: list[str]):
    async with console_stage(chromium, tmp_path) as stage:
        for width in (320, 390, 640):
            tab = await stage.opened(
                "console", f"{stage.server.url}/console/", width=width, height=640, languages=languages
            )
            await tab.wait_for("document.querySelectorAll('.sign-in code').length === 2")
            label = await tab.evaluate(
                "[...document.querySelectorAll('.sign-in code')].map((one) => [one.innerText, one.getClientRects().length])"
            )
            assert label == [[".tailwire", 1], ["--data", 1]], width
            assert "`" not in await tab.evaluate("document.body.innerText")


async def test_unreachable_server_is_reported_until_it_is_back(chromium: Browser, tmp_path):
    async with console_stage(chromium, tmp_path) as stage:
        tab = await stage.open("users")
        await tab.wait_for("document.querySelector('.status.is-live')")
        await stage.server.kill()
        await tab.wait_for("document.querySelector('.status.is-gone')?.innerText.includes('does not answer')")
        await search(tab, "mara")
        await tab.wait_for("document.querySelector('main [role=alert]')?.innerText.includes('does not answer')")
        await stage.go(tab, "groups")
        await tab.wait_for("document.querySelector('main [role=alert]')")
        assert await violations(tab) == []
        await stage.server.start()
        await tab.wait_for(SIGN_IN, deadline=30)  # the sessions ended with the process
        text = await tab.evaluate("document.body.innerText")
        assert "tailwire console" in text
        assert "The session has ended" in text
        assert "the server was restarted" in text


async def test_console_starts_when_the_browser_language_is_not_a_valid_tag(chromium: Browser, tmp_path):
    language = (
        "Object.defineProperty(Navigator.prototype, 'language', { get: () => 'en-US@posix', configurable: true });"
    )
    async with console_stage(chromium, tmp_path) as stage:
        tab = await stage.opened("posix", await stage.link(), before=language, languages=["en-US@posix"])
        await tab.wait_for("document.querySelectorAll('.chart canvas').length === 6")


@pytest.mark.parametrize("page", ["console", "chat"])
@pytest.mark.parametrize(
    ("before", "why"),
    [
        ("delete Intl.PluralRules", "PluralRules is not a constructor"),
        ("delete globalThis.Intl", "Intl is not defined"),
    ],
)
async def test_page_reports_that_its_script_could_not_start(chromium: Browser, tmp_path, page, before, why):
    async with console_stage(chromium, tmp_path) as stage:
        tab = await chromium.open(page, f"{stage.server.url}/{page}/", before=before)
        text = await tab.wait_for("document.querySelector('#app > [role=alert]')?.innerText")
        assert text.startswith("This page could not start: ")
        assert why in text
        assert await tab.evaluate("document.querySelectorAll('#app > [role=alert]').length") == 1
        assert tab.violations == []


async def test_page_reports_that_a_file_of_its_script_was_not_loaded(chromium: Browser, tmp_path):
    shutil.copytree(WEB / "console", tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("api.js"))
    for folder in ("shared", "vendor"):
        shutil.copytree(WEB / folder, tmp_path / folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(tmp_path))) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            tab = await chromium.open("incomplete", f"http://127.0.0.1:{server.server_port}/")
            text = await tab.wait_for("document.querySelector('#app > [role=alert]')?.innerText")
        finally:
            await asyncio.to_thread(server.shutdown)
    assert "app.js was not loaded" in text


async def test_link_signs_in_the_tab_that_asks_for_it(chromium: Browser, tmp_path):
    async with console_stage(chromium, tmp_path) as stage:
        tab = await stage.opened("asks", f"{stage.server.url}/console/")
        await tab.wait_for(SIGN_IN)
        assert "--data" in await tab.evaluate("document.body.innerText")
        assert str(tmp_path) not in await tab.evaluate("document.documentElement.outerHTML")
        await tab.run("location.href = link", link=await stage.link())
        await tab.wait_for(f"!{SIGN_IN} && document.querySelector('.status.is-live')")
        assert await tab.evaluate("location.hash") == ""
        requests = await tab.evaluate(SESSION_REQUESTS)
        await tab.run("location.hash = '#used-up'")
        await tab.wait_for(f"location.hash === '' && {SESSION_REQUESTS} === asked + 2", asked=requests)
        assert not await tab.evaluate(f"Boolean({SIGN_IN})")


async def test_link_signs_in_again_in_the_tab_whose_session_has_ended(chromium: Browser, tmp_path):
    async with console_stage(chromium, tmp_path) as stage:
        tab = await stage.open("users")
        await tab.wait_for("document.querySelector('.status.is-live')")
        await stage.server.kill()
        await stage.server.start()
        await tab.wait_for(SIGN_IN, deadline=30)
        await tab.run("location.href = link", link=await stage.link())
        await tab.wait_for(f"!{SIGN_IN} && document.querySelector('.status.is-live')")
        assert "has ended" not in await tab.evaluate("document.body.innerText")


async def test_page_returns_to_signing_in_when_its_key_is_revoked(chromium: Browser, tmp_path):
    async with console_stage(chromium, tmp_path) as stage:
        key = (await stage.ask("POST", "/apikeys", {"name": "For the console", "scope": "fullAccess"}))["apiKey"]
        made = await stage.rest.post("/console/links", headers={"apikey": key})
        tab = await stage._chromium.open("revoked", stage.server.url + made.json()["data"]["path"])
        stage.pages.append(tab)
        await tab.wait_for(f"document.body.dataset.ready && !{SIGN_IN}")
        assert await tab.evaluate("location.hash") == ""
        await stage.ask("DELETE", f"/apikeys/{key}")
        await tab.run("location.hash = '#/users'")
        await tab.wait_for(SIGN_IN)
        await tab.wait_for("document.body.innerText.includes('session has ended')")
        assert await violations(tab) == []


async def test_link_works_once_and_signing_out_ends_the_session(chromium: Browser, tmp_path):
    async with console_stage(chromium, tmp_path) as stage:
        link = await stage.link()
        tab = await stage._chromium.open("first", link)
        other = await stage._chromium.open("second", link)
        stage.pages += [tab, other]
        await other.wait_for(SIGN_IN)
        await other.wait_for("document.body.innerText.includes('The link to the console is not valid')")
        await tab.do("reload")
        await tab.wait_for(f"document.body.dataset.ready && !{SIGN_IN}")
        assert await tab.evaluate("document.cookie") == ""
        stored = await tab.evaluate("JSON.stringify([localStorage, sessionStorage, [...document.scripts].length])")
        assert stage.server.api_key not in stored
        await press(tab, "Sign out")
        await tab.wait_for(SIGN_IN)
        await tab.do("reload")
        await tab.wait_for(f"document.body.dataset.ready && {SIGN_IN}")
        assert await tab.evaluate("(await fetch('api/users')).status") == 401


@pytest.mark.thorough
async def test_thousands_of_rows_are_read_page_by_page(chromium: Browser, tmp_path):
    count = size(600, 2400)
    async with console_stage(chromium, tmp_path) as stage:

        async def create(numbers: range) -> None:
            for n in numbers:
                await stage.ask("POST", "/users", {"uid": f"user-{n:04}", "name": f"Person {n:04}"})

        await asyncio.gather(*(create(range(first, count, 8)) for first in range(8)))
        tab = await stage.open("users")
        await tab.wait_for(f"{ROWS} === 100")
        for pages in range(2, count // 100 + 1):
            await press(tab, "More")
            await tab.wait_for(f"{ROWS} === rows", rows=100 * pages)
        names = await tab.evaluate("[...document.querySelectorAll('tbody small')].map((e) => e.innerText)")
        assert names == [f"user-{n:04}" for n in range(count)]
        assert not await tab.evaluate("[...document.querySelectorAll('.table-foot button')].length")
        await press(tab, "Name")
        await press(tab, "Name ↑")
        assert await tab.evaluate("document.querySelector('tbody small').innerText") == f"user-{count - 1:04}"
        await search(tab, "Person 04")
        await tab.wait_for(f"{ROWS} === 100")


HOSTILE = [
    "<img src=x onerror=\"heard('ran')\">",
    "<script>heard('ran')</script>",
    "{{constructor.constructor('heard(1)')()}} ${heard('ran')}",
    "javascript:heard('ran')",
    "\u202egnp.exe \u2066\u2067\u202d turned around",
    "W" * 99,
    "ﷺ" * 60,
    "Z\u0351\u0329\u0300\u0301" * 20,
]


async def test_hostile_names_and_texts_do_nothing(chromium: Browser, tmp_path):
    async with console_stage(chromium, tmp_path) as stage:
        for n, text in enumerate(HOSTILE):
            uid = f"user{n}"
            fields = {"uid": uid, "name": text[:100], "metadata": {text[:50]: text}, "tags": [text[:100]],
                      "statusMessage": text}  # fmt: skip
            await stage.ask("POST", "/users", fields)
            group = {"guid": f"group{n}", "name": text[:100], "type": "public", "description": text, "owner": uid}
            await stage.ask("POST", "/groups", group)
            message = await stage.say(uid, f"group{n}", text * 5, "group")
            flag = {"reasonId": "spam", "remark": text[:100]}
            await stage.ask("POST", f"/messages/{message['id']}/flagged", flag, behalf=uid)
            hook = {
                "id": f"hook{n}",
                "name": text[:90],
                "webhookUrl": "http://127.0.0.1:9/x",
                "triggers": ["message_sent"],
            }
            await stage.ask("POST", "/webhooks", hook)
        async with stage.client("user0"):
            for width in (1280, 380):
                tab = await stage.open(width=width)
                for page in WITH_ROWS:
                    await stage.go(tab, page)
                    await tab.wait_for(f"{ROWS} > 0")
                    assert await tab.evaluate(OVERFLOW) <= 0, (page, width)
                    tall = "[...document.querySelectorAll('tbody tr')].map((tr) => tr.offsetHeight)"
                    if page not in ("settings", "audit"):
                        assert max(await tab.evaluate(tall)) < 90, (page, width)
                    for n in range(
                        min(
                            8, await tab.evaluate("document.querySelectorAll('main > .table-frame tbody .link').length")
                        )
                    ):
                        await tab.run(f"document.querySelectorAll('main > .table-frame tbody .link')[{n}].click()")
                        await tab.wait_for(DIALOG)
                        await stage.loaded(tab)
                        assert await tab.evaluate(f"{DIALOG}.scrollWidth - {DIALOG}.clientWidth") <= 0, (page, n)
                        await tab.do("press", key="Escape")
                        await tab.wait_for(NO_DIALOG)
                elements = "document.querySelectorAll('main img, main script, main iframe, main [onerror]').length"
                assert await tab.evaluate(elements) == 0
                assert tab.all("ran") == []


async def test_console_is_usable_by_keyboard(chromium: Browser, tmp_path):
    async with console_stage(chromium, tmp_path) as stage:
        await fill(stage)
        tab = await stage.open("users")
        await tab.run("document.activeElement.blur(); window.scrollTo(0, 0)")
        await tab.do("reload")
        await tab.wait_for(f"{ROWS} > 0")
        await tab.do("press", key="Tab")
        assert await tab.evaluate("document.activeElement.className") == "skip"
        await tab.do("press", key="Enter")
        assert await tab.evaluate("document.activeElement.id") == "content"
        for _ in range(20):
            await tab.do("press", key="Tab")
            if await tab.evaluate("document.activeElement.matches('tbody .link')"):
                break
        name = await tab.evaluate("document.activeElement.innerText")
        await tab.do("press", key="Enter")
        await tab.wait_for(DIALOG)
        assert await tab.evaluate(f"{DIALOG}.contains(document.activeElement)")
        await tab.do("press", key="Escape")
        await tab.wait_for(NO_DIALOG)
        assert await tab.evaluate("document.activeElement.innerText") == name


async def test_texts_exist_in_english_and_german(chromium: Browser, tmp_path):
    async with console_stage(chromium, tmp_path) as stage:
        tab = await stage.open()
        announced = """
        const { words, chosen } = await import("/console/shared/language.js");
        const { TEXTS } = await import("/console/words.js");
        const [en, de] = [words(TEXTS, "en"), words(TEXTS, "de")];
        return [chosen(["en", "de"], ["fr-FR", "de-AT"]), chosen(["en", "de"], ["ja"]), chosen(["en", "de"], ["en-US@posix"]),
          en("usersOnline", { n: 1 }), en("usersOnline", { n: 1200 }), de("usersOnline", { n: 1200 }), de("signOut")];
        """
        assert await tab.run(announced) == [
            "de", "en", "en", "1 user online", "1,200 users online", "1.200 Nutzer online", "Abmelden",
        ]  # fmt: skip
