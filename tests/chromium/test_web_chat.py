"""The web chat in a real browser: logging in and writing; nothing is lost or duplicated."""

from __future__ import annotations

import asyncio

import pytest

from chromium.browser import Browser, Page
from chromium.chat_stage import CONNECTED, LOG, WORDS, chat_stage, choose, log_in, press, write
from chromium.page_stage import until

pytestmark = [pytest.mark.gui, pytest.mark.timeout(240)]

LOG_IN = "document.querySelector('.sign-in')"
IDS = "[...document.querySelectorAll('#messages [data-id]')].map((e) => Number(e.dataset.id))"
STATUS = "document.querySelector('.status').dataset.status"


async def shows(tab: Page, *texts: str) -> None:
    """Wait until the open conversation has exactly these texts, in this order."""
    await tab.wait_for(f"JSON.stringify({WORDS}) === JSON.stringify(texts)", texts=list(texts))


async def test_two_browsers_chat_with_each_other(chromium: Browser, tmp_path):
    async with chat_stage(chromium, tmp_path) as stage:
        alice, bob = await stage.open("alice", "Bob"), await stage.open("bob")
        await write(alice, "Hello Bob")
        await bob.wait_for("document.querySelector('.entries .count')?.innerText.startsWith('1')")
        assert await bob.evaluate("document.querySelector('.entry-last').innerText") == "Hello Bob"
        assert await bob.evaluate("document.title") == "(1) Tailwire Chat"
        await choose(bob, "Alice")
        await shows(bob, "Hello Bob")
        await bob.wait_for("!document.querySelector('.entries .count')")
        for n in range(3):
            await write(bob, f"answer {n}")
            await write(alice, f"question {n}")
        await alice.wait_for(f"{WORDS}.length === 7")
        await bob.wait_for(f"{WORDS}.length === 7")
        assert await alice.evaluate(WORDS) == await bob.evaluate(WORDS)
        listed = await stage.ask("GET", "/users/bob/messages?affix=append", behalf="alice")
        assert [one["data"]["text"] for one in listed] == await alice.evaluate(WORDS)


async def test_browser_and_python_client_chat_with_each_other(chromium: Browser, tmp_path):
    async with chat_stage(chromium, tmp_path) as stage, stage.client("bob") as bob:
        tab = await stage.open("alice", "Bob")
        events = bob.events()
        await write(tab, "from the page")
        async with asyncio.timeout(10):
            async for event in events:
                if (message := getattr(event, "message", None)) and getattr(message, "text", "") == "from the page":
                    break
        await stage.say("bob", "alice", "from Python")
        await shows(tab, "from the page", "from Python")


async def test_hidden_page_closes_its_socket_and_catches_up_when_it_is_visible_again(chromium: Browser, tmp_path):
    async with chat_stage(chromium, tmp_path) as stage:
        tab = await stage.open("alice", "Bob")
        await stage.say("bob", "alice", "before")
        await shows(tab, "before")

        async def live() -> list:
            return await stage.ask("GET", "/connections?uid=alice&state=live")

        assert len(await live()) == 1
        for turn in range(3):
            await tab.set_visible(False)
            assert await tab.evaluate(STATUS) == "paused"
            await until(lambda: _none(live))
            for n in range(130 if turn == 1 else 2):
                await stage.say("bob", "alice", f"missed {turn} {n}")
            assert await tab.evaluate(f"{WORDS}.length") == {0: 1, 1: 3, 2: 133}[turn]
            await tab.set_visible(True)
            await tab.wait_for(CONNECTED)
            await tab.wait_for(f"{WORDS}.length === expected", expected={0: 3, 1: 133, 2: 135}[turn])
        await stage.say("bob", "alice", "after")
        await tab.wait_for(f"{WORDS}.at(-1) === 'after'")
        texts = await tab.evaluate(WORDS)
        stored = await stage.ask("GET", "/users/bob/messages?affix=append&per_page=1000", behalf="alice")
        assert texts == [one["data"]["text"] for one in stored]


async def _none(ask) -> bool:
    return not await ask()


async def test_message_that_arrives_while_the_page_is_hidden_stays_unread_until_it_is_seen(chromium: Browser, tmp_path):
    async with chat_stage(chromium, tmp_path) as stage:
        tab = await stage.open("alice", "Bob")
        await tab.set_visible(False)
        await stage.say("bob", "alice", "one")
        await stage.say("bob", "alice", "two")
        entry = await stage.ask("GET", "/users/bob/conversation", behalf="alice")
        assert entry["unreadMessageCount"] == "2"
        await tab.set_visible(True)
        await shows(tab, "one", "two")

        async def read() -> bool:
            entry = await stage.ask("GET", "/users/bob/conversation", behalf="alice")
            return entry["unreadMessageCount"] == "0"

        await until(read)


async def test_ten_thousand_messages_are_read_page_by_page_and_the_page_stays_bounded(chromium: Browser, tmp_path):
    async with chat_stage(chromium, tmp_path) as stage:
        await stage.fill("bob", "alice", 10_000)
        tab = await stage.open("alice", "Bob")
        await tab.wait_for(f"{WORDS}.length === 50")
        assert await tab.evaluate(f"{LOG}.scrollHeight - {LOG}.scrollTop - {LOG}.clientHeight < 5")
        visible_ids = await tab.evaluate(IDS)
        for _ in range(14):
            first = visible_ids[0]
            await tab.run(f"{LOG}.scrollTop = 400")
            await press(tab, "Older messages")
            await tab.wait_for(f"{IDS}[0] < first", first=first)
            page = await tab.evaluate(IDS)
            assert len(page) <= 500
            visible_ids = [*(one for one in page if one < first), *visible_ids]
        assert visible_ids == list(range(visible_ids[0], 10_001))
        await stage.say("bob", "alice", "the newest")
        await press(tab, "To the newest messages")
        await tab.wait_for(f"{WORDS}.at(-1) === 'the newest'")
        assert (await tab.evaluate(IDS))[-1] == 10_001


async def test_message_is_sent_once_although_responses_were_lost(chromium: Browser, tmp_path):
    async with chat_stage(chromium, tmp_path) as stage:
        tab = await stage.open("alice", "Bob")
        # The first two requests arrive, but their responses do not.
        await tab.run("""
            const real = window.fetch;
            window.lost = 0;
            window.fetch = async (path, options) => {
              const answer = await real(path, options);
              if (options?.method === "POST" && String(path).endsWith("/messages") && window.lost < 2) {
                window.lost += 1;
                throw new TypeError("the connection was lost");
              }
              return answer;
            };""")
        await write(tab, "once")
        await write(tab, "and then this")
        await shows(tab, "once", "and then this")
        await tab.wait_for("!document.querySelector('.is-pending')")
        assert await tab.evaluate("window.lost") == 2
        stored = await stage.ask("GET", "/users/bob/messages?affix=append", behalf="alice")
        assert [one["data"]["text"] for one in stored] == ["once", "and then this"]


async def test_message_written_without_a_server_is_sent_when_the_server_returns(chromium: Browser, tmp_path):
    async with chat_stage(chromium, tmp_path) as stage:
        tab = await stage.open("alice", "Bob")
        await stage.server.kill()
        await tab.wait_for("document.querySelector('.status').innerText.includes('No connection')")
        await write(tab, "written without a server")
        await tab.wait_for("document.querySelectorAll('.is-pending').length === 1")
        await stage.server.start()
        await tab.wait_for(CONNECTED, deadline=40)
        await shows(tab, "written without a server")
        await stage.say("bob", "alice", "still live")
        await shows(tab, "written without a server", "still live")
        await tab.do("reload")
        await tab.wait_for(CONNECTED)
        await choose(tab, "Bob")
        await shows(tab, "written without a server", "still live")


async def test_refused_message_is_shown_and_can_be_discarded(chromium: Browser, tmp_path):
    async with chat_stage(chromium, tmp_path) as stage:
        tab = await stage.open("alice", "Bob")
        await stage.ask("POST", "/users/alice/blockedusers", {"blockedUids": ["bob"]})
        await write(tab, "nobody may have this")
        await tab.wait_for("document.querySelector('.is-failed [role=alert]')?.innerText.includes('ERR_')")
        await press(tab, "Discard")
        await tab.wait_for("!document.querySelector('.is-pending')")
        assert await stage.ask("GET", "/users/bob/messages", behalf="alice") == []


async def test_token_logs_in_and_a_revoked_one_logs_out(chromium: Browser, tmp_path):
    async with chat_stage(chromium, tmp_path) as stage:
        token = (await stage.ask("POST", "/users/carol/auth_tokens", {}))["authToken"]
        tab = await stage.blank()
        await tab.do("type", selector=".token input", text="not-a-token")
        await press(tab, "Log in")
        await tab.wait_for("document.querySelector('[role=alert]')")
        await tab.run("document.querySelector('.token input').value = ''")
        await tab.do("type", selector=".token input", text=token)
        await press(tab, "Log in")
        await tab.wait_for(CONNECTED)
        assert await tab.evaluate("document.querySelector('.me strong').innerText") == "Carol"
        await stage.ask("DELETE", "/users/carol/auth_tokens")
        await tab.wait_for(LOG_IN)
        await tab.wait_for("document.body.innerText.includes('no longer accepts the token')")
        await tab.do("reload")
        await tab.wait_for(f"document.body.dataset.ready && {LOG_IN}")


async def test_page_contains_no_key_and_forgets_the_token_at_logout(chromium: Browser, tmp_path):
    async with chat_stage(chromium, tmp_path) as stage:
        tab = await stage.open("alice", "Bob")
        everything = """(await Promise.all(performance.getEntriesByType("resource").map((one) => one.name)
            .filter((name) => name.includes("/chat/") && !name.endsWith("/login")).map(async (name) => (await fetch(name)).text()))).join("")
            + document.documentElement.outerHTML + JSON.stringify([localStorage, sessionStorage])"""
        texts = await tab.evaluate(everything)
        assert "demoUsers" in texts
        assert stage.server.auth_key not in texts
        assert stage.server.api_key not in texts
        token = await tab.evaluate("sessionStorage.getItem('tailwire-chat-token')")
        await press(tab, "Log out")
        await tab.wait_for(LOG_IN)
        assert await tab.evaluate("JSON.stringify([localStorage, sessionStorage])") == "[{},{}]"
        answer = await stage.rest.get("/me", headers={"authtoken": token, "appid": stage.server.app_id, "apikey": ""})
        assert answer.status_code == 401
        await log_in(tab, "bob")
