"""The web chat for everyone: accessible, by keyboard, at any width, from right to left, in two languages; and hostile texts."""

from __future__ import annotations

import pytest

from chromium.browser import Browser, Page
from chromium.chat_stage import LOG, WORDS, ChatStage, chat_stage, choose, press, write
from chromium.test_console import violations
from tailwire import TransientMessage

pytestmark = [pytest.mark.gui, pytest.mark.timeout(240)]

OVERFLOW = "document.scrollingElement.scrollWidth - innerWidth"
WIDER = """[...document.querySelectorAll('.chat, .side, nav, main, .conversation, .log, .thread, .composer, dialog')]
  .filter((e) => e.offsetParent && e.scrollWidth > e.clientWidth + 1).map((e) => e.className || e.tagName)"""
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


async def fill(stage: ChatStage) -> str:
    """Create a group, conversations with a thread and reactions; return the id of the message with them."""
    await stage.ask("POST", "/groups", {"guid": "trains", "name": "Night trains", "type": "public", "owner": "alice"})
    await stage.ask("POST", "/groups/trains/members", {"participants": ["bob", "carol"]})
    await stage.say("bob", "trains", "The 22:40 leaves from platform 7.", "group")
    await stage.say("carol", "alice", "Where is the invoice?")
    await stage.say("alice", "bob", "Are you coming to the harbour?")
    message = await stage.say("bob", "alice", "Yes, at six: https://example.com/harbour")
    await stage.ask("POST", f"/messages/{message['id']}/reactions/👍", behalf="bob")
    await stage.say("bob", "alice", "With tickets", parentId=message["id"])
    return str(message["id"])


async def test_main_views_are_accessible_in_light_and_dark(chromium: Browser, tmp_path):
    async with chat_stage(chromium, tmp_path) as stage:
        await fill(stage)

        async def check(tab: Page, view: str) -> None:
            for theme in ("light", "dark"):
                await tab.run("document.documentElement.dataset.theme = theme", theme=theme)
                assert await violations(tab) == [], (view, theme)

        tab = await stage.blank()
        await check(tab, "logging in")
        tab = await stage.open("alice")
        await tab.wait_for("document.querySelectorAll('.entries .entry').length === 3")
        await check(tab, "no conversation")
        await choose(tab, "Bob")
        await tab.wait_for(f"{WORDS}.length === 2")
        await check(tab, "a conversation")
        await tab.run("[...document.querySelectorAll('#messages .dots')].at(-1).click()")
        await check(tab, "actions")
        await press(tab, "1 reply")
        await tab.wait_for("document.querySelector('.thread .log .words')")
        await check(tab, "a thread")
        await press(tab, "New conversation")
        await tab.wait_for("document.querySelector('dialog .entry')")
        await check(tab, "a new conversation")
        await tab.do("press", key="Escape")
        await stage.server.kill()
        await tab.wait_for("document.querySelector('.status').dataset.status === 'waiting'")
        await check(tab, "no connection")


@pytest.mark.parametrize("direction", ["ltr", "rtl"])
async def test_main_views_fit_the_width(chromium: Browser, tmp_path, direction: str):
    async with chat_stage(chromium, tmp_path) as stage:
        await fill(stage)
        for width in (360, 768, 1280):
            tab = await stage.blank(width=width, height=640)
            await tab.run("document.documentElement.dir = direction", direction=direction)
            assert await tab.evaluate(OVERFLOW) <= 0, width
            tab = await stage.open("alice", width=width, height=640)
            await tab.run("document.documentElement.dir = direction", direction=direction)
            await tab.wait_for("document.querySelectorAll('.entries .entry').length === 3")
            assert await tab.evaluate(WIDER) == [], width
            await choose(tab, "Bob")
            assert await tab.evaluate(WIDER) == [], width
            side = await tab.evaluate("getComputedStyle(document.querySelector('.side')).display")
            assert (side == "none") is (width == 360)
            await press(tab, "1 reply")
            await tab.wait_for("document.querySelector('.thread .log .words')")
            assert await tab.evaluate(WIDER) == [], width
            assert await tab.evaluate(OVERFLOW) <= 0, width
            if width == 360:
                await press(tab, "Close", "document.querySelector('.thread')")
                await press(tab, "Back to the conversations")
                await tab.wait_for("getComputedStyle(document.querySelector('.side')).display !== 'none'")
            mine = "document.querySelector('#messages .is-mine .bubble')"
            if width == 1280:
                box = await tab.evaluate(
                    f"((b, l) => [b.left - l.left, l.right - b.right])({mine}.getBoundingClientRect(), {LOG}.getBoundingClientRect())"
                )
                assert (box[0] > box[1]) is (direction == "ltr")  # own messages at the end of the line


async def test_token_command_is_not_broken_across_lines_on_the_login_page(chromium: Browser, tmp_path):
    async with chat_stage(chromium, tmp_path) as stage:
        for width in (320, 1280):
            tab = await stage.blank(width=width, height=640)
            shown_codes = "[...document.querySelectorAll('#token-hint code')].map((one) => [one.innerText, one.getClientRects().length])"
            await tab.wait_for("document.querySelector('#token-hint code')")
            assert await tab.evaluate(shown_codes) == [["tailwire token create UID", 1]]
            assert await tab.evaluate(OVERFLOW) <= 0, width


@pytest.mark.parametrize("direction", ["ltr", "rtl"])
async def test_list_line_is_truncated_at_the_end_of_its_text(chromium: Browser, tmp_path, direction: str):
    async with chat_stage(chromium, tmp_path) as stage:
        people = {
            "latin": ("Tomás Herrera", "From left to right. " * 9),
            "arabic": ("ليلى حداد", "من اليمين إلى اليسار. " * 9),
        }
        for uid, (name, text) in people.items():
            await stage.ask("POST", "/users", {"uid": uid, "name": name})
            await stage.say(uid, "alice", text)
        tab = await stage.open("alice")
        await tab.run("document.documentElement.dir = direction", direction=direction)
        await tab.wait_for("document.querySelectorAll('.entries .entry').length === 2")
        lines = await tab.evaluate("""[...document.querySelectorAll('.entries .entry')].map((entry) => {
            const [name, text] = ['.entry-name', '.entry-last'].map((one) => entry.querySelector(`${one} > .text`));
            const [place, box] = [entry.querySelector('.entry-name'), name].map((one) => one.getBoundingClientRect());
            return { whose: name.innerText, way: getComputedStyle(text).direction, cut: text.scrollWidth > text.clientWidth,
                     begins: document.documentElement.dir === 'rtl' ? place.right - box.right : box.left - place.left };
        })""")
        assert {one["whose"]: one["way"] for one in lines} == {"Tomás Herrera": "ltr", "ليلى حداد": "rtl"}
        assert all(one["cut"] for one in lines)
        assert [round(one["begins"]) for one in lines] == [0, 0], "names stand where the page begins its lines"


async def test_own_message_in_the_list_keeps_its_direction_after_the_word_you(chromium: Browser, tmp_path):
    async with chat_stage(chromium, tmp_path) as stage:
        await stage.say("alice", "bob", "إلى اللقاء!")
        tab = await stage.open("alice")
        await tab.wait_for("document.querySelector('.entry-last')?.innerText === 'You: إلى اللقاء!'")
        ways = "[...document.querySelectorAll('.entry-last .text')].map((one) => getComputedStyle(one).direction)"
        assert await tab.evaluate(ways) == ["ltr", "rtl"]


async def test_hostile_names_and_texts_do_nothing_and_fit(chromium: Browser, tmp_path):
    async with chat_stage(chromium, tmp_path) as stage:
        for n, text in enumerate(HOSTILE):
            await stage.ask("POST", "/users", {"uid": f"user{n}", "name": text[:100], "statusMessage": text})
            await stage.say(f"user{n}", "alice", text * 5)
            last = await stage.say(f"user{n}", "alice", text)
            await stage.ask(
                "POST", "/groups", {"guid": f"group{n}", "name": text[:100], "type": "public", "owner": f"user{n}"}
            )
            await stage.ask("POST", f"/groups/group{n}/members", {"participants": ["alice"]})
            await stage.say(f"user{n}", f"group{n}", text * 3, "group")
            await stage.say(f"user{n}", "alice", text, parentId=last["id"])
            await stage.ask("POST", "/messages", {
                "receiver": "alice", "receiverType": "user", "category": "message", "type": "file",
                "data": {"attachments": [
                    {"url": "data:image/svg+xml,<svg onload=heard('ran')>", "name": text, "mimeType": "image/png", "size": 1},
                    {"url": "https://evil.example/x.png", "name": text, "mimeType": "image/png", "size": 1},
                    {"url": f"{stage.server.url}/v3/users/alice", "name": text, "mimeType": "image/svg+xml", "size": 1},
                ]},
            }, behalf=f"user{n}")  # fmt: skip
        for width in (1280, 360):
            tab = await stage.open("alice", width=width, height=740)
            await tab.wait_for("document.querySelectorAll('.entries .entry').length === 16")
            assert await tab.evaluate(WIDER) == []
            assert max(await tab.evaluate("[...document.querySelectorAll('.entry')].map((e) => e.offsetHeight)")) < 70
            for n in range(16):
                if width == 360 and n:
                    await press(tab, "Back to the conversations")
                await tab.run(f"document.querySelectorAll('.entries .entry')[{n}].click()")
                await tab.wait_for(f"{LOG}?.getAttribute('aria-busy') === 'false' && {WORDS}.length > 0")
                assert await tab.evaluate(WIDER) == [], (n, width)
                assert await tab.evaluate(OVERFLOW) <= 0, (n, width)
            elements = "document.querySelectorAll('.chat script, .chat iframe, .chat [onerror], .log img').length"
            assert await tab.evaluate(elements) == 0
            links = await tab.evaluate("[...document.querySelectorAll('.log a')].map((a) => a.protocol)")
            assert set(links) <= {"http:", "https:"}
            assert tab.all("ran") == []
            loaded = await tab.evaluate("performance.getEntriesByType('resource').map((one) => new URL(one.name).host)")
            assert set(loaded) == {stage.server.url.removeprefix("http://")}


@pytest.mark.parametrize("width", [1280, 360])
async def test_hostile_texts_do_nothing_in_threads_dialogs_notes_and_drafts(chromium: Browser, tmp_path, width: int):
    async with chat_stage(chromium, tmp_path) as stage:
        for n, text in enumerate(HOSTILE):
            await stage.ask("POST", "/users", {"uid": f"user{n}", "name": text[:100]})
            guid = {"guid": f"group{n}", "name": text[:100], "type": "public", "owner": f"user{n}"}
            await stage.ask("POST", "/groups", guid)
        await stage.ask("POST", "/groups", {"guid": "all", "name": "All of them", "type": "public", "owner": "alice"})
        everybody = [f"user{n}" for n in range(len(HOSTILE))]
        await stage.ask("POST", "/groups/all/members", {"participants": everybody}, behalf="alice")
        first = await stage.say("alice", "all", "the first one", "group")
        for n, text in enumerate(HOSTILE):
            await stage.say(f"user{n}", "all", text, "group", parentId=first["id"])
            announcement = await stage.say(f"user{n}", "all", f"needle {text}", "group", quotedMessageId=first["id"])
            await stage.ask("POST", f"/messages/{announcement['id']}/pin", behalf="alice")
            await stage.ask("DELETE", f"/groups/all/members/user{n}", behalf="alice")
            await stage.ask("POST", "/groups/all/members", {"participants": [f"user{n}"]}, behalf="alice")

        tab = await stage.open("alice", "All of them", width=width, height=740)

        async def harmless(view: str) -> None:
            assert await tab.evaluate(WIDER) == [], view
            assert await tab.evaluate(OVERFLOW) <= 0, view
            elements = (
                "document.querySelectorAll('#app script, #app iframe, #app [onerror], #app [onclick], .log img').length"
            )
            assert await tab.evaluate(elements) == 0, view
            assert tab.all("ran") == [], view

        notes = "[...document.querySelectorAll('#messages .note')].map((e) => e.innerText).join()"
        await tab.wait_for(f"{notes}.includes('<img src=x')")
        await harmless("notes")
        async with stage.client("user0") as writer, stage.client("user1") as one, stage.client("user2") as other:
            for seq, chat in enumerate((one, other)):
                data = {"draft": HOSTILE[0], "seq": seq, "text": HOSTILE[seq] * 9}
                await chat.send_transient_message(TransientMessage("all", "group", data))
            await writer.start_typing("all", "group")
            await tab.wait_for("document.querySelectorAll('.is-draft').length === 2")
            await tab.wait_for("document.querySelector('.typing').innerText.includes('<img src=x')")
            await harmless("drafts")
        await press(tab, "8 replies")
        await tab.wait_for("document.querySelectorAll('.thread .log .words').length >= 8")
        await harmless("a thread")
        await press(tab, "Close", "document.querySelector('.thread')")
        await press(tab, "Search")
        await tab.do("type", selector="dialog input", text="needle")
        await tab.wait_for("document.querySelectorAll('dialog .found .entry').length === 8")
        await harmless("search")
        await press(tab, "Close", "document.querySelector('dialog')")
        for button, entry in (("Details", ".pinned"), ("Groups", ".is-group"), ("New conversation", ".entry")):
            if width == 360 and button == "Groups":
                await press(tab, "Back to the conversations")
            await tab.wait_for("!document.querySelector('dialog')")
            await press(tab, button)
            await tab.wait_for("document.querySelectorAll(`dialog .found ${entry}`).length >= 8", entry=entry)
            await harmless(button)
            await press(tab, "Close", "document.querySelector('dialog')")


async def test_chat_is_usable_by_keyboard(chromium: Browser, tmp_path):
    async with chat_stage(chromium, tmp_path) as stage:
        await fill(stage)
        tab = await stage.blank()
        focused = "document.activeElement"

        async def tab_to(condition: str) -> None:
            for _ in range(30):
                await tab.do("press", key="Tab")
                if await tab.evaluate(condition):
                    return
            raise AssertionError(f"not reached by the keyboard: {condition}")

        await tab_to(f"{focused}.innerText?.includes('Alice')")
        await tab.do("press", key="Enter")
        await tab.wait_for("document.querySelectorAll('.entries .entry').length === 3")
        await tab_to(f"{focused}.matches('.entry') && {focused}.innerText.includes('Bob')")
        await tab.do("press", key="Enter")
        await tab.wait_for(f"{WORDS}.length === 2")
        await tab_to(f"{focused}.id === 'messages'")
        await tab.do("press", key="ArrowUp")
        await tab.wait_for(f"{focused}.matches('.message') && {focused}.innerText.includes('at six')")
        await tab.do("press", key="ArrowUp")
        await tab.wait_for(f"{focused}.innerText.includes('harbour?')")
        await tab.do("press", key="Enter")
        await tab.wait_for(f"{focused}.closest('.menu')")
        await tab.do("press", key="Enter")
        await tab.wait_for("document.querySelector('#messages .is-mine .reactions')?.innerText.includes('👍')")
        assert not await tab.evaluate("document.querySelector('.menu')")
        await tab_to(f"{focused}.matches('textarea')")
        await tab.do("type", selector="textarea", text="by keyboard")
        await tab.do("press", key="Enter")
        await tab.wait_for(f"{WORDS}.at(-1) === 'by keyboard'")
        assert await tab.evaluate(f"{focused}.matches('textarea')")


async def test_new_message_and_the_connection_are_read_aloud(chromium: Browser, tmp_path):
    async with chat_stage(chromium, tmp_path) as stage:
        tab = await stage.open("alice", "Bob")
        announcement = "document.querySelector('[role=log][aria-live=polite]').innerText"
        status = "document.querySelector('.me [role=status]').innerText"
        assert await tab.evaluate(status) == "Connected"
        await stage.say("bob", "alice", "can you hear me?")
        await tab.wait_for(f"{announcement} === 'Bob: can you hear me?'")
        await tab.set_visible(False)
        assert await tab.evaluate(status) == "Paused while the tab is hidden"


async def test_page_is_in_german_when_the_browser_prefers_it(chromium: Browser, tmp_path):
    async with chat_stage(chromium, tmp_path) as stage:
        tab = await stage.blank()
        announcement = """
        const { words } = await import("/chat/shared/language.js");
        const { TEXTS } = await import("/chat/words.js");
        const de = words(TEXTS, "de");
        return [de("unread", { n: 1 }), de("unread", { n: 1200 }), de("typing", { n: 2, names: "Alice und Bob" })];
        """
        assert await tab.run(announcement) == [
            "1 ungelesene Nachricht", "1.200 ungelesene Nachrichten", "Alice und Bob schreiben …",
        ]  # fmt: skip
        german = await chromium.open("deutsch", f"{stage.server.url}/chat/", languages=["de-AT", "en"])
        stage.pages.append(german)
        await german.wait_for("document.documentElement.lang === 'de'")
        await german.wait_for("document.body.innerText.includes('Als einer der Demo-Nutzer')")
        await german.run("[...document.querySelectorAll('.demo-users button')][0].click()")
        await german.wait_for("document.querySelector('.status')?.innerText.includes('Verbunden')")
        await choose_new(german)
        await write(german, "Hallo")
        await german.wait_for(f"{WORDS}.at(-1) === 'Hallo'")
        await german.wait_for("document.querySelector('.reached').innerText === 'gesendet'")


async def choose_new(tab: Page) -> None:
    """Begin a conversation with Bob, in German."""
    await press(tab, "Neue Unterhaltung")
    find = "[...document.querySelectorAll('.found .entry')].find((b) => b.innerText.includes('Bob'))"
    await tab.wait_for(find)
    await tab.run(f"{find}.click()")
    await tab.wait_for(f"{LOG}?.getAttribute('aria-busy') === 'false'")
