"""Web Push in a real browser, as far as a headless one supports it: it has no push service and shows no notifications.

The server sends to a push service of this test. The browser verifies the signature of the request with its own
cryptography, and the worker of the documentation gets what arrived as a `PushEvent`. What the worker then shows is
recorded in place of the notification.
"""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from chromium.browser import Browser, Page
from chromium.console_stage import console_stage
from chromium.page_stage import until
from chromium.push_service import PushService

pytestmark = [pytest.mark.gui, pytest.mark.timeout(240)]
DOCUMENTATION = Path(__file__).parents[2] / "docs" / "push.md"
RECORDED = """
const shown = [];
self.registration.showNotification = async (title, options) => {
  const at = shown.findIndex((one) => one.tag === options.tag);
  shown.splice(at < 0 ? shown.length : at, at < 0 ? 0 : 1, { title, ...options });
};
self.registration.getNotifications = async ({ tag }) => shown.filter((one) => one.tag === tag)
  .map((one) => ({ close: () => shown.splice(shown.indexOf(one), 1) }));
self.addEventListener("message", async (event) => {
  const waits = [], push = new PushEvent("push", { data: event.data });
  push.waitUntil = (one) => waits.push(one);  // a browser only waits for events of its own
  self.dispatchEvent(push);
  await Promise.all(waits);
  event.ports[0].postMessage({ shown, waited: waits.length });
});
const focused = [], opened = [];  // only a real click may do either
WindowClient.prototype.focus = async function () { focused.push(this.url); return this; };
self.clients.openWindow = async (url) => { opened.push(String(url)); return null; };
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
"""
VERIFY = """
const bytes = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
const [, token, key] = /^vapid t=([^,]+), k=(\\S+)$/.exec(header);
const [head, claims, signature] = token.split(".");
const imported = await crypto.subtle.importKey("raw", bytes(key), { name: "ECDSA", namedCurve: "P-256" }, false, ["verify"]);
const check = (text) => crypto.subtle.verify({ name: "ECDSA", hash: "SHA-256" }, imported, bytes(signature), new TextEncoder().encode(text));
const read = (part) => JSON.parse(new TextDecoder().decode(bytes(part)));
return { key, head: read(head), claims: read(claims), good: await check(`${head}.${claims}`), bad: await check(`${head}.${claims}x`) };
"""
PUSH = """
const worker = (await navigator.serviceWorker.ready).active;
const { port1, port2 } = new MessageChannel();
const answer = new Promise((done) => { port1.onmessage = ({ data }) => done(data); });
worker.postMessage(message, [port2]);
return await answer;
"""


def worker_of_the_documentation() -> str:
    """Return the service worker printed on the documentation's page about push."""
    blocks = re.findall(r"```js\n(.*?)```", DOCUMENTATION.read_text(encoding="utf-8"), re.S)
    (worker,) = [block for block in blocks if 'addEventListener("push"' in block]
    return str(worker)


def page_of_the_documentation() -> str:
    """Return the function for a page printed on the documentation's page about push."""
    blocks = re.findall(r"```js\n(.*?)```", DOCUMENTATION.read_text(encoding="utf-8"), re.S)
    (page,) = [block for block in blocks if "pushManager.subscribe" in block]
    return str(page)


class _Site(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        script = self.path == "/push-worker.js"
        body = (
            worker_of_the_documentation() + RECORDED
            if script
            else "<!doctype html><title>t</title><link rel=icon href='data:,'>"
        )
        self.send_response(200)
        self.send_header("content-type", "text/javascript" if script else "text/html")
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *args: object) -> None:
        """Log nothing."""


@pytest.fixture
def site() -> Iterator[str]:
    """The URL of a page with the worker."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Site)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://localhost:{server.server_address[1]}/"
    server.shutdown()
    thread.join()
    server.server_close()


async def registered(tab: Page) -> None:
    """Register the worker and wait until it is active."""
    await tab.run("await navigator.serviceWorker.register('/push-worker.js'); await navigator.serviceWorker.ready;")


async def test_message_becomes_a_push_event_and_a_deleted_one_is_withdrawn(chromium: Browser, tmp_path, site: str):
    service = PushService()
    listening = await asyncio.start_server(service.take, "127.0.0.1", 0)
    origin = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    settings = {"TAILWIRE_PUSH_CONTACT": "mailto:admin@example.com", "TAILWIRE_PUSH_TARGETS": "127.0.0.1/32",
                "TAILWIRE_PUSH_DELAY": "0.1"}  # fmt: skip
    async with listening, console_stage(chromium, tmp_path, settings) as stage:
        for uid in ("mara", "jonas"):
            await stage.ask("POST", "/users", {"uid": uid, "name": uid.title()})
        key = (await stage.ask("GET", "/notifications/push/v1/web", behalf="mara"))["publicKey"]
        token = (await stage.ask("POST", "/users/mara/auth_tokens", {}))["authToken"]
        body = {"platform": "web_push", "authToken": token, "subscription": service.subscription(f"{origin}/mara")}
        await stage.ask("POST", "/notifications/push/v1/tokens", body, behalf="mara")
        tab = await chromium.open("push", site)
        await registered(tab)

        message = await stage.say("jonas", "mara", "the <b>22:40</b> is late")
        await until(lambda: asyncio.sleep(0, len(service.requests) > 0), 30)
        headers = service.requests[0][0]
        found = await tab.run(VERIFY, header=headers["authorization"])
        assert (found["good"], found["bad"], found["key"]) == (True, False, key)
        assert found["head"] == {"typ": "JWT", "alg": "ES256"}
        assert (found["claims"]["aud"], found["claims"]["sub"]) == (origin, "mailto:admin@example.com")
        assert headers["content-encoding"] == "aes128gcm"

        answer = await tab.run(PUSH, message=service.received(0))
        (notification,) = answer["shown"]
        assert answer["waited"] == 1
        assert (notification["title"], notification["body"]) == ("Jonas", "the <b>22:40</b> is late")
        assert (notification["tag"], notification["silent"]) == (f"m{message['id']}", False)
        assert notification["data"]["messageId"] == message["id"]

        await stage.ask("DELETE", f"/messages/{message['id']}")
        await until(lambda: asyncio.sleep(0, len(service.requests) > 1), 30)
        assert json.loads(service.received(1))["action"] == "deleted"
        assert (await tab.run(PUSH, message=service.received(1)))["shown"] == []
        assert tab.all("page error") == []


CLICK = """
const waits = [], closed = [], notification = { data: {}, close: () => closed.push(1) };
const click = new ExtendableEvent("notificationclick");  // a headless browser has no Notification for a NotificationEvent
self.dispatchEvent(Object.assign(click, { notification, waitUntil: (one) => waits.push(one) }));
await Promise.all(waits);
return { focused, opened, closed: closed.length, waited: waits.length };
"""


async def test_click_on_a_notification_focuses_the_page_or_opens_one(chromium: Browser, site: str):
    tab = await chromium.open("click", site)
    await registered(tab)
    assert await tab.in_worker(CLICK) == {"focused": [site], "opened": [], "closed": 1, "waited": 1}
    await tab.do("leave")
    clicked = await tab.in_worker(CLICK)
    assert clicked == {"focused": [site], "opened": ["/"], "closed": 1, "waited": 1}


async def test_browser_accepts_the_key_and_the_options_of_a_subscription(chromium: Browser, tmp_path, site: str):
    async with console_stage(chromium, tmp_path, {"TAILWIRE_PUSH_CONTACT": "mailto:admin@example.com"}) as stage:
        await stage.ask("POST", "/users", {"uid": "mara", "name": "Mara"})
        key = (await stage.ask("GET", "/notifications/push/v1/web", behalf="mara"))["publicKey"]
        tab = await chromium.open("subscribe", site)
        await registered(tab)
        subscribe = """
        const { pushManager } = await navigator.serviceWorker.ready;
        try { await pushManager.subscribe(options); return "subscribed"; } catch (error) { return error.name; }
        """
        options = {"userVisibleOnly": True, "applicationServerKey": key}
        # The key passes the checks; then there is no service, or no permission.
        assert await tab.run(subscribe, options=options) in ("AbortError", "NotAllowedError")
        assert await tab.run(subscribe, options={**options, "applicationServerKey": key[:-8]}) == "InvalidAccessError"


async def test_documented_page_registers_its_subscription(chromium: Browser, tmp_path, site: str):
    subscription = PushService().subscription("https://push.example.com/mara")
    push_event = """
    const given = [];
    Notification.requestPermission = async () => "granted";
    PushManager.prototype.subscribe = async (options) => { given.push(options); return subscription; };
    await new Function("SERVER", "APP_ID", "authToken", `${page}; return notifyMe(authToken)`)(server, app, token);
    return given;
    """
    async with console_stage(chromium, tmp_path, {"TAILWIRE_PUSH_CONTACT": "mailto:admin@example.com"}) as stage:
        await stage.ask("POST", "/users", {"uid": "mara", "name": "Mara"})
        key = (await stage.ask("GET", "/notifications/push/v1/web", behalf="mara"))["publicKey"]
        token = (await stage.ask("POST", "/users/mara/auth_tokens", {}))["authToken"]
        tab = await chromium.open("notify", site)
        outcome = await tab.run(push_event, page=page_of_the_documentation(), subscription=subscription, token=token,
                              server=stage.server.url, app=stage.server.app_id)  # fmt: skip
        assert outcome == [{"userVisibleOnly": True, "applicationServerKey": key}]
        (device,) = await stage.ask("GET", "/notifications/push/v1/devices?uid=mara")
        assert device["platform"] == "web_push"
