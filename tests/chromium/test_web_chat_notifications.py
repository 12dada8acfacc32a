"""Notifications of the web chat: turned on by a button, shown by its service worker, opened by a click, ended by logging out.

A headless browser has no push service and shows no notifications, whatever permission it is given: a worker can get no
`Notification`, and so no `NotificationEvent`. So the page gets a subscription at a push service of the tests, what the
worker shows is recorded, and a click is an `ExtendableEvent` with what was shown. Only a real click lets a worker focus
or open a window, so both are recorded, too. The worker, its handlers, and what it tells the page are the browser's.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from chromium.browser import Browser, Page
from chromium.chat_stage import CONNECTED, WORDS, ChatStage, chat_stage, log_in, press
from chromium.page_stage import until
from chromium.push_service import PushService
from chromium.test_console import violations

pytestmark = [pytest.mark.gui, pytest.mark.timeout(240)]

BUTTON = "document.querySelector('.notify')"
ON = f"{BUTTON}?.dataset.on === 'true'"
OFF = f"{BUTTON}?.dataset.on === 'false'"
HEAD = "document.querySelector('.head h2')?.innerText"
# A browser with a push service, whose user answers the request for permission.
WITH_SERVICE = """
const given = (name) => JSON.parse(sessionStorage.getItem(`test ${name}`));
const give = (name, value) => sessionStorage.setItem(`test ${name}`, JSON.stringify(value));
Object.defineProperty(Notification, "permission", { get: () => given("permission") ?? "default" });
Notification.requestPermission = async () => { heard("asked", 1); give("permission", "granted"); return "granted"; };
const made = (key) => ({
  options: { applicationServerKey: new Uint8Array(key).buffer }, toJSON: () => (SUBSCRIPTION),
  unsubscribe: async () => { heard("unsubscribed", 1); give("key", null); return true; },
});
PushManager.prototype.getSubscription = async () => given("key") && made(given("key"));
PushManager.prototype.subscribe = async ({ applicationServerKey: key, userVisibleOnly }) => {
  heard("subscribed", { key: btoa(String.fromCharCode(...key)), userVisibleOnly });
  give("key", [...key]);
  return made([...key]);
};
"""
# In the worker: what is shown, focused and opened is recorded; everything else is unchanged.
RECORD = """
self.shown = []; self.focused = []; self.opened = [];
self.registration.showNotification = async (title, options) => { shown.push({ title, ...options }); };
self.registration.getNotifications = async ({ tag }) => shown.filter((one) => one.tag === tag)
  .map((one) => ({ close: () => shown.splice(shown.indexOf(one), 1) }));
WindowClient.prototype.focus = async function () { focused.push(this.url); return this; };
self.clients.openWindow = async (url) => { opened.push(String(url)); return null; };
"""
PUSH = """
const waits = [], push = new PushEvent("push", { data: message });
push.waitUntil = (one) => waits.push(one);  // a browser only waits for events of its own
self.dispatchEvent(push);
await Promise.all(waits);
return shown;
"""
CLICK = """
const waits = [], closed = [], notification = { data, close: () => closed.push(1) };
const click = Object.assign(new ExtendableEvent("notificationclick"), { notification, waitUntil: (one) => waits.push(one) });
self.dispatchEvent(click);
await Promise.all(waits);
return { focused, opened, closed: closed.length };
"""


@asynccontextmanager
async def pushing(chromium: Browser, folder: Path) -> AsyncIterator[tuple[ChatStage, PushService, str]]:
    """A server that sends Web Push, the push service, and code that gives a page a subscription there."""
    service = PushService()
    listening = await asyncio.start_server(service.take, "127.0.0.1", 0)
    origin = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    settings = {"TAILWIRE_PUSH_CONTACT": "mailto:admin@example.com", "TAILWIRE_PUSH_TARGETS": "127.0.0.1/32",
                "TAILWIRE_PUSH_DELAY": "0.1"}  # fmt: skip
    before = WITH_SERVICE.replace("SUBSCRIPTION", json.dumps(service.subscription(f"{origin}/browser")))
    async with listening, chat_stage(chromium, folder, settings) as stage:
        yield stage, service, before


async def devices(stage: ChatStage, uid: str) -> list[Any]:
    """Return the devices of a user that receive push notifications."""
    return list(await stage.ask("GET", f"/notifications/push/v1/devices?uid={uid}"))


async def nobody_connected(stage: ChatStage) -> bool:
    """Return whether the server has no connection of a user."""
    return not await stage.ask("GET", "/connections?state=live")


def received_notifications(service: PushService, action: str) -> list[Any]:
    """Return the notifications of an action that the push service received."""
    sent = [json.loads(service.received(n)) for n in range(len(service.requests))]
    return [one for one in sent if one["action"] == action]


async def notified(stage: ChatStage, service: PushService) -> bool:
    """Send a message; return whether there is a notification within a second."""
    await stage.say("bob", "alice", "the <b>22:40</b> is late")
    try:
        return bool(await until(lambda: asyncio.sleep(0, len(service.requests) > 0), 1))
    except TimeoutError:
        return False


async def turn_on(tab: Page) -> None:
    """Turn notifications on."""
    await press(tab, "Notifications: off")
    await tab.wait_for(ON)


async def test_notification_is_shown_while_the_page_is_hidden_and_a_click_opens_the_conversation(
    chromium: Browser, tmp_path
):
    async with pushing(chromium, tmp_path) as (stage, service, before):
        tab = await stage.open("alice", before=before)
        await tab.wait_for(OFF)
        assert tab.all("asked") == []  # only when the user wants it
        assert await tab.evaluate("(await navigator.serviceWorker.getRegistrations()).length") == 0
        await turn_on(tab)
        assert tab.all("asked") == [1]
        key = (await stage.ask("GET", "/notifications/push/v1/web", behalf="alice"))["publicKey"]
        (subscribed,) = tab.all("subscribed")
        assert subscribed["userVisibleOnly"] is True
        assert subscribed["key"].replace("+", "-").replace("/", "_").rstrip("=") == key.rstrip("=")
        assert [one["platform"] for one in await devices(stage, "alice")] == ["web_push"]

        await stage.say("bob", "alice", "seen at once")
        await tab.wait_for("document.querySelector('.entry-last')?.innerText === 'seen at once'")
        await tab.set_visible(False)
        await until(lambda: nobody_connected(stage))
        # For a second, the server counts messages as seen by the app that has just left the foreground.
        await until(lambda: notified(stage, service), 30)
        await tab.in_worker(RECORD)
        pushed = json.loads(service.received(0))
        (shown,) = await tab.in_worker(PUSH, message=service.received(0))
        assert (shown["title"], shown["body"]) == ("Bob", "the <b>22:40</b> is late")
        assert shown["tag"] == f"m{pushed['messageId']}"

        clicked = await tab.in_worker(CLICK, data=shown["data"])
        assert clicked == {"focused": [f"{stage.server.url}/chat/"], "opened": [], "closed": 1}
        await tab.wait_for(f"{HEAD} === 'Bob'")
        await stage.ask("DELETE", f"/messages/{pushed['messageId']}", behalf="bob")
        withdrawn = await until(lambda: asyncio.sleep(0, received_notifications(service, "deleted")), 30)
        assert await tab.in_worker(PUSH, message=json.dumps(withdrawn[0])) == []
        await tab.set_visible(True)
        await tab.wait_for(CONNECTED)


async def test_logging_out_ends_notifications_and_a_click_opens_a_page_that_shows_the_conversation_after_login(
    chromium: Browser, tmp_path
):
    async with pushing(chromium, tmp_path) as (stage, _, before):
        await stage.say("bob", "alice", "hello")
        tab = await stage.open("alice", before=before)
        await turn_on(tab)
        first = await devices(stage, "alice")
        await tab.do("reload")
        await tab.wait_for(ON)  # for the same login, without asking again
        assert tab.all("asked") == [1]
        assert [one["id"] for one in await devices(stage, "alice")] == [one["id"] for one in first]
        await press(tab, "Log out")
        await tab.wait_for("document.querySelector('.sign-in')")
        assert await devices(stage, "alice") == []
        assert tab.all("unsubscribed") == [1]
        assert await tab.evaluate("localStorage.length") == 0

        await tab.in_worker(RECORD)
        clicked = await tab.in_worker(CLICK, data={"conversationId": "alice_user_bob", "receiverType": "user"})
        assert clicked["focused"] == []
        (address,) = clicked["opened"]
        page = await stage.opened("clicked", f"{stage.server.url}/chat/{address.removeprefix('./')}")
        await log_in(page, "alice")
        await page.wait_for(f"{HEAD} === 'Bob'")
        assert await page.evaluate("location.hash") == ""
        stranger = await stage.opened("clicked", f"{stage.server.url}/chat/{address.removeprefix('./')}")
        await log_in(stranger, "carol")
        await stranger.wait_for("!document.querySelector('nav .empty')?.innerText.includes('Loading')")
        assert await stranger.evaluate(f"{HEAD} ?? ''") == ""


async def test_notification_without_a_receiver_opens_a_group(chromium: Browser, tmp_path):
    async with pushing(chromium, tmp_path) as (stage, _, before):
        await stage.ask("POST", "/groups", {"guid": "trains", "name": "Trains", "type": "public", "owner": "alice"})
        await stage.say("alice", "trains", "platform 7", "group")
        tab = await stage.open("alice", before=before)
        await turn_on(tab)
        await tab.in_worker(RECORD)
        await tab.in_worker(CLICK, data={"conversationId": "group_trains"})  # as with push_content = "none"
        await tab.wait_for(f"{HEAD} === 'Trains'")


async def test_click_on_a_notification_of_another_user_opens_a_page_instead_of_using_the_open_one(
    chromium: Browser, tmp_path
):
    async with pushing(chromium, tmp_path) as (stage, _, before):
        tab = await stage.open("alice", before=before)
        await turn_on(tab)
        await stage.ask("DELETE", "/users/alice/auth_tokens")
        await tab.wait_for("document.querySelector('.sign-in')")
        await log_in(tab, "bob")
        await tab.wait_for(OFF)
        await tab.in_worker(RECORD)
        clicked = await tab.in_worker(CLICK, data={"conversationId": "alice_user_carol", "receiverType": "user"})
        address = "./#conversationId=alice_user_carol&receiverType=user"
        assert clicked == {"focused": [], "opened": [address], "closed": 1}
        assert await tab.evaluate(f"{HEAD} ?? ''") == ""


async def test_click_opens_a_page_if_the_open_one_does_not_answer(chromium: Browser, tmp_path):
    frozen = "navigator.serviceWorker.addEventListener('message', (event) => event.stopImmediatePropagation());"
    async with pushing(chromium, tmp_path) as (stage, _, before):
        await stage.say("bob", "alice", "hello")
        tab = await stage.open("alice", before=before + frozen)
        await turn_on(tab)
        await tab.in_worker(RECORD)
        clicked = await tab.in_worker(CLICK, data={"conversationId": "alice_user_bob", "receiverType": "user"})
        assert clicked["focused"] == []
        assert clicked["opened"] == ["./#conversationId=alice_user_bob&receiverType=user"]


async def test_notifications_are_turned_off(chromium: Browser, tmp_path):
    async with pushing(chromium, tmp_path) as (stage, _, before):
        tab = await stage.open("alice", before=before)
        await turn_on(tab)
        await press(tab, "Notifications: on")
        await tab.wait_for(OFF)
        assert await devices(stage, "alice") == []
        assert tab.all("unsubscribed") == [1]
        await tab.do("reload")
        await tab.wait_for(OFF)
        assert await devices(stage, "alice") == []


async def test_next_user_does_not_inherit_notifications_but_can_turn_them_on(chromium: Browser, tmp_path):
    async with pushing(chromium, tmp_path) as (stage, _, before):
        tab = await stage.open("alice", before=before)
        await turn_on(tab)
        await stage.ask("DELETE", "/users/alice/auth_tokens")
        await tab.wait_for("document.querySelector('.sign-in')")
        await log_in(tab, "bob")
        await tab.wait_for(OFF)
        assert await devices(stage, "bob") == []
        await turn_on(tab)
        assert len(await devices(stage, "bob")) == 1
        assert await devices(stage, "alice") == []


async def test_refusal_by_the_browser_is_shown_and_nothing_is_registered(chromium: Browser, tmp_path):
    async with pushing(chromium, tmp_path) as (stage, _, before):
        announcement = "document.querySelector('.me [role=alert]')?.innerText"
        refusing = await stage.open("alice")  # a headless browser denies notifications by itself
        await press(refusing, "Notifications: off")
        await refusing.wait_for(f"{announcement}?.includes('does not allow notifications')")
        without = await stage.open("alice", before="delete window.PushManager")
        await press(without, "Notifications: off")
        await without.wait_for(f"{announcement}?.includes('has no notifications')")
        failing = "PushManager.prototype.subscribe = async () => { throw new DOMException('gone', 'AbortError'); };"
        offline = await stage.open("alice", before=before + failing)
        await press(offline, "Notifications: off")
        await offline.wait_for(f"{announcement}?.includes('push service was not reached')")
        for tab in (refusing, without, offline):
            assert await tab.evaluate(OFF)
        assert await devices(stage, "alice") == []


async def test_button_is_accessible_fits_a_phone_and_works_by_keyboard_in_german(chromium: Browser, tmp_path):
    async with pushing(chromium, tmp_path) as (stage, _, before):
        tab = await stage.open("alice", before=before, width=360, height=640, languages=["de-DE"])
        await tab.wait_for(OFF)
        for theme in ("light", "dark"):
            await tab.run("document.documentElement.dataset.theme = theme", theme=theme)
            assert await violations(tab) == [], theme
        assert await tab.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
        await tab.run(f"{BUTTON}.focus()")
        await tab.do("press", key="Enter")
        await tab.wait_for(ON)
        assert await tab.evaluate(f"{BUTTON}.innerText") == "Mitteilungen: ein"
        assert await violations(tab) == []


async def test_server_without_web_push_offers_no_button_for_notifications(chromium: Browser, tmp_path):
    async with chat_stage(chromium, tmp_path) as stage:
        tab = await stage.open("alice", "Bob")
        await stage.say("bob", "alice", "hello")
        await tab.wait_for(f"{WORDS}.length === 1")
        is_key_fetched = "performance.getEntriesByType('resource').some((one) => one.name.endsWith('/push/v1/web') && one.responseEnd)"
        await tab.wait_for(is_key_fetched)
        assert await tab.evaluate(BUTTON) is None
