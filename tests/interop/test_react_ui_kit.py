"""The vendor's React UI kit, unchanged: its components in a small app, inspected and clicked."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from interop.stage import Stage
from tailwire import ConversationPinned

PICTURES = Path(os.environ.get("TAILWIRE_PICTURES", Path(__file__).parent / "browser" / "pictures"))


@pytest.fixture
def cast(server, browser):
    return Stage(server, browser)


async def kit(cast, uid, at="kit.html"):
    """Open the kit's app for a user."""
    page = await cast.browser.open(uid, at=at)
    await page.run(
        "await begin({ appId, host, authKey, uid })",
        appId=cast.server.keys["app_id"], host=cast.server.host, authKey=cast.server.keys["auth_key"], uid=uid,
    )  # fmt: skip
    await page.hears("app")
    return page


async def picture(page, name, but="nothing else"):
    """Save a picture of the page, and check that it has no errors (except those with a text)."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    await page.do("screenshot", path=str(PICTURES / f"{name}.png"))
    assert [e for e in page.all("uncaught") + page.all("page error") if but not in e] == []


COMPOSER = "[contenteditable=true]"
REACTION = ".cometchat-reactions__chip"
MENTIONS = ".cometchat-message-composer__mentions-list"
LIST = "[class*=message-list]"


async def open_menu(page, text):
    """Open the menu of the first message that contains `text`, and its "More options" if there is such an entry."""
    await page.run(
        """const row = [...document.querySelectorAll("[data-message-id]")].find((e) => e.innerText.includes(text));
        row.querySelector(".cometchat-message-bubble__body-container").dispatchEvent(new MouseEvent("mouseover", { bubbles: true }));
        const more = row.querySelector("[aria-label='More options'], .cometchat-context-menu__trigger");
        if (more) more.click();""",
        text=text,
    )


async def of_member(page, name, label):
    """Choose an item from the menu of a member."""
    row = f".cometchat-group-members__item[aria-label^={name}]"
    await page.do("hover", selector=row)
    await page.do("click", selector=f"{row} .cometchat-context-menu__trigger")
    await page.do("click", text=label)


async def choose(page, text, label):
    """Choose an item from the menu of a message."""
    await open_menu(page, text)
    await page.run(
        """for (let i = 0; i < 100; i++) {
          const row = [...document.querySelectorAll("[data-message-id]")].find((e) => e.innerText.includes(text));
          const item = [...document.querySelectorAll("[role=menuitem], .cometchat-context-menu__dropdown-item, .cometchat-context-menu__top-menu-item")]
            .find((e) => (row.contains(e) || !e.closest("[data-message-id]")) && (e.getAttribute("aria-label") === label || e.innerText.trim() === label));
          if (item) { item.click(); return; }
          await new Promise((r) => setTimeout(r, 50));
        }
        throw new Error("no " + label + " in " + [...document.querySelectorAll("[role=menuitem]")].map((e) => e.innerText).join());""",
        text=text, label=label,
    )  # fmt: skip


async def test_conversations_messages_and_the_composer_work(cast):
    async with cast:
        alice, bob = cast.user("alice"), cast.user("bob")
        bp = await cast.python(bob)
        await bp.say(alice, "hello from Python")
        page = await kit(cast, alice)
        await page.do("see", text="hello from Python")
        await page.do("click", selector=".cometchat-conversations__item")
        await page.do("see", text="hello from Python", selector=LIST)
        await bp.ears.until(lambda: bool(bp.ears.all("read")))
        await page.do("type", selector=COMPOSER, text="hello from the kit")
        await page.do("press", key="Enter")
        await bp.ears.until(lambda: bp.ears.texts == ["hello from the kit"])
        await page.do("see", text="hello from the kit", selector=LIST)
        await bp.chat.mark_as_read(bp.ears.all("text")[0])
        await page.do("hover", selector=".cometchat-receipts-read")
        for n in range(5):
            await bp.say(alice, f"live {n}")
        await page.do("see", text="live 4", selector=LIST)
        count = await page.run("return [...document.querySelectorAll('[data-message-id]')].length")
        assert count == 7  # each once
        await bp.chat.start_typing(alice)
        await page.do("see", text="yping")
        await picture(page, "messages")


async def test_edits_deletions_reactions_and_threads_are_shown(cast):
    async with cast:
        alice, bob = cast.user("alice"), cast.user("bob")
        bp = await cast.python(bob)
        first = await bp.say(alice, "the first of us")
        page = await kit(cast, alice)
        await page.run("await show({ uid })", uid=bob)
        await page.do("see", text="the first of us", selector=LIST)
        cast.ask("POST", f"/messages/{first.id}/reactions/%F0%9F%98%80", as_=bob)
        await page.do("see", text="1", selector="[class*=reaction]")
        await page.do("click", selector=REACTION)  # alice adds the same reaction, and removes it
        await page.do("see", text="2", selector=REACTION)
        await bp.ears.until(  # the page shows it before the server has confirmed it
            lambda: [(added, e.reaction.uid) for added, e in bp.ears.all("reaction")][-1:] == [(True, alice)]
        )
        await page.do("click", selector=REACTION)
        await page.do("see", text="1", selector=REACTION)
        await bp.ears.until(lambda: not bp.ears.all("reaction")[-1][0])
        await open_menu(page, "the first of us")
        await page.run("document.querySelector('[data-message-id] [aria-label=React]').click()")
        await page.do("click", selector=".cometchat-emoji-keyboard [aria-label=joy]")
        await bp.ears.until(lambda: bp.ears.all("reaction")[-1][1].reaction.reaction == "😂")
        first.text = "the first, edited"
        await bp.chat.edit_message(first)
        await page.do("see", text="the first, edited", selector=LIST)
        cast.ask(
            "POST",
            f"/messages/{first.id}/thread",
            as_=bob,
            json={"receiver": alice, "receiverType": "user", "data": {"text": "in thread"}},
        )
        await page.do("see", text="1 Repl", selector=LIST)
        await page.run("await show({ uid, threadOf: id })", uid=bob, id=str(first.id))
        await page.do("see", text="in thread", selector=LIST)
        await page.do("type", selector=COMPOSER, text="and my answer")
        await page.do("press", key="Enter")
        await bp.ears.until(lambda: "and my answer" in bp.ears.texts)
        assert bp.ears.all("text")[-1].parent_message_id == first.id
        await page.do("see", text="and my answer", selector=LIST)
        await picture(page, "thread")
        await page.run("await show({ uid })", uid=bob)
        second = await bp.say(alice, "soon gone")
        await page.do("see", text="soon gone", selector=LIST)
        await bp.chat.delete_message(second.id)
        await page.do("see", text="deleted", selector=LIST)
        await picture(page, "reactions")


async def test_group_members_and_search_are_shown(cast):
    async with cast:
        alice, bob, carol = cast.user("alice"), cast.user("bob"), cast.user("carol")
        guid = alice.replace("alice", "team")
        cast.ask("POST", "/groups", as_=alice, json={"guid": guid, "name": "The Team", "type": "public"})
        bp = await cast.python(bob)
        await bp.chat.join_group(guid)
        await bp.say(guid, "good morning, team", "group")
        page = await kit(cast, alice)
        await page.run("await show({ guid, side: 'members' })", guid=guid)
        await page.do("see", text="good morning, team", selector=LIST)
        await page.do("see", text="Bob", selector="[class*=group-members]")
        cast.ask("POST", f"/groups/{guid}/members", as_=alice, json={"participants": [carol]})
        await page.do("see", text="3 ", selector="[class*=message-header]")
        await picture(page, "group-members")
        await page.run("await show({ guid, side: 'search', search: 'morning' })", guid=guid)
        await page.do("see", text="good morning", selector="[class*=search]")
        await picture(page, "search")
        await page.run("await show({ side: 'groups' })")
        await page.do("see", text="The Team", selector="[class*=groups]")
        await page.run("await show({ side: 'users' })")
        await page.do("see", text="Bob", selector="[class*=users]")
        await picture(page, "users")


async def test_members_are_mentioned_changed_kicked_and_banned(cast):
    async with cast:
        alice, bob, carol = cast.user("alice"), cast.user("bob"), cast.user("carol")
        guid = alice.replace("alice", "club")
        cast.ask("POST", "/groups", as_=alice, json={"guid": guid, "name": "The Club", "type": "public"})
        bp, cp = await cast.python(bob), await cast.python(carol)
        for actor in (bp, cp):
            await actor.chat.join_group(guid)
        page = await kit(cast, alice)
        await page.run("await show({ guid, side: 'members' })", guid=guid)
        await page.do("see", text="Carol", selector=".cometchat-group-members")
        await page.do("type", selector=COMPOSER, text="hi @Bo")
        await page.do("see", text="Bob", selector=MENTIONS)
        await page.do("click", selector=f"{MENTIONS} [aria-label^=Bob]")
        await picture(page, "mention")
        await page.do("press", key="Enter")
        await bp.ears.until(lambda: bool(bp.ears.texts))
        (message,) = bp.ears.all("text")
        assert (message.text.strip(), [u.uid for u in message.mentioned_users]) == (f"hi <@uid:{bob}>", [bob])
        await of_member(page, "Bob", "Change Scope")
        await page.do("click", selector=".cometchat-change-scope label:has([value=moderator])")
        await page.do("click", selector=".cometchat-change-scope__submit-button button")
        await bp.ears.until(lambda: bp.ears.all("scope") == [(bob, alice, "moderator", "participant", guid)])
        await of_member(page, "Carol", "Kick")
        await bp.ears.until(lambda: bp.ears.all("kicked") == [(carol, alice, guid)])
        await of_member(page, "Bob", "Ban")
        await bp.ears.until(lambda: bp.ears.all("banned") == [(bob, alice, guid)])
        await picture(page, "members-changed")


async def test_pinned_and_saved_messages_and_the_menu_work(cast):
    async with cast:
        alice, bob = cast.user("alice"), cast.user("bob")
        bp = await cast.python(bob)
        events = (await cast.python(alice)).chat.events()
        message = await bp.say(alice, "worth keeping")
        page = await kit(cast, alice)
        await page.run("await show({ uid })", uid=bob)
        await page.do("see", text="worth keeping", selector=LIST)
        await choose(page, "worth keeping", "Organize")
        await page.do("see", text="Save message", selector=".cometchat-context-menu__submenu-panel")
        await page.run(
            """[...document.querySelectorAll(".cometchat-context-menu__submenu-panel *")]
              .filter((e) => e.innerText?.trim() === "Pin message").pop().click()"""
        )
        await bp.ears.until(lambda: bp.ears.all("pinned") == [message.id])
        await page.run("await show({})")
        await page.run("await show({ uid })", uid=bob)
        await page.do("see", text="worth keeping", selector=LIST)
        await choose(page, "worth keeping", "Report")
        await page.do("see", text="Harassment")
        await picture(page, "report")
        await page.run("await show({})")
        await page.run(
            """document.querySelector(".cometchat-conversations__item .cometchat-context-menu__trigger").click();
            for (let i = 0; i < 100; i++) {
              const item = [...document.querySelectorAll(".cometchat-conversations [role=menuitem]")].find((e) => e.textContent.includes("Pin conversation"));
              if (item) return item.click();
              await new Promise((r) => setTimeout(r, 50));
            }
            throw new Error("not offered");"""
        )
        async with asyncio.timeout(30):
            while not isinstance(event := await anext(events), ConversationPinned):
                pass
        assert (event.pinned, event.conversation.conversation_with.uid) == (True, bob)
        await page.run("await CometChat.saveMessage(id)", id=str(message.id))
        await page.run("await show({ uid, side: 'pinned' })", uid=bob)
        await page.do("see", text="worth keeping", selector="[class*=pinned]")
        await page.run("await show({ uid, side: 'saved' })", uid=bob)
        await page.do("see", text="worth keeping", selector="[class*=saved]")
        await picture(page, "saved")


async def test_attachment_is_sent_from_the_composer(cast, tmp_path):
    file = tmp_path / "kit.txt"
    file.write_text("a file of the kit")
    async with cast:
        alice, bob = cast.user("alice"), cast.user("bob")
        bp = await cast.python(bob)
        await bp.say(alice, "send me a file")
        page = await kit(cast, alice)
        await page.run("await show({ uid })", uid=bob)
        await page.do("see", text="send me a file", selector=LIST)
        await page.do("click", selector=".cometchat-message-composer__attachment-button")
        await page.do("choose_file", text="Attach File", path=str(file))
        await page.do("see", text="kit", selector="[class*=composer]")
        await page.do("click", selector=".cometchat-message-composer__send-button:not([disabled])")
        await bp.ears.until(lambda: bool(bp.ears.all("media")))
        attachment = bp.ears.all("media")[0].attachment
        assert (attachment.name, attachment.mime_type, attachment.size) == ("kit.txt", "text/plain", 17)
        with cast.server.http() as http:
            assert http.get(attachment.url).text == "a file of the kit"
        await page.do("see", text="kit.txt", selector=LIST)
        await picture(page, "attachment")


async def test_page_receives_messages_after_a_reload(cast):
    async with cast:
        alice, bob = cast.user("alice"), cast.user("bob")
        bp = await cast.python(bob)
        await bp.say(alice, "before the reload")
        page = await kit(cast, alice)
        await page.do("see", text="before the reload")
        for n in range(3):
            page.heard.clear()
            await page.do("reload")
            await page.run(
                "await begin({ appId, host, authKey, uid })",
                appId=cast.server.keys["app_id"], host=cast.server.host, authKey="none", uid=alice,
            )  # fmt: skip
            await page.hears("app")
            await page.do("see", text="Chats")
            await cast.online(page)
            await bp.say(alice, f"after reload {n}")
            await page.do("see", text=f"after reload {n}", timeout=15000)
        await picture(page, "reloaded")
