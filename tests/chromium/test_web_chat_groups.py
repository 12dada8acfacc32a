"""Groups and pinned messages in the web chat: finding, joining and leaving; pinning for all, and showing in place."""

from __future__ import annotations

import pytest

from chromium.browser import Browser, Page
from chromium.chat_stage import WORDS, ChatStage, chat_stage, choose, press, write
from chromium.page_stage import until
from chromium.test_console import violations
from chromium.test_web_chat_features import open_menu

pytestmark = [pytest.mark.gui, pytest.mark.timeout(240)]

DIALOG = "document.querySelector('dialog')"
HEAD = "document.querySelector('.head h2')?.innerText"
NAMES = "[...document.querySelectorAll('dialog .entry-name')].map((e) => e.innerText)"
ENTRIES = "[...document.querySelectorAll('.entries .entry-name')].map((e) => e.innerText)"


async def create(stage: ChatStage, guid: str, name: str, kind: str = "public", **more: str) -> None:
    """Create a group of Bob's."""
    await stage.ask("POST", "/groups", {"guid": guid, "name": name, "type": kind, "owner": "bob", **more})


async def members(stage: ChatStage, guid: str) -> list[str]:
    """Return the uids of the members of a group."""
    return sorted(one["uid"] for one in await stage.ask("GET", f"/groups/{guid}/members"))


async def check(tab: Page) -> None:
    """Fail if the view breaks a rule of accessibility, or is wider than the page."""
    for theme in ("light", "dark"):
        await tab.run("document.documentElement.dataset.theme = theme", theme=theme)
        assert await violations(tab) == [], theme
    assert await tab.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
    assert await tab.evaluate(
        "!document.querySelector('dialog') || document.querySelector('dialog').scrollWidth <= innerWidth"
    )


async def test_public_group_is_found_joined_and_left(chromium: Browser, tmp_path):
    async with chat_stage(chromium, tmp_path) as stage:
        await create(stage, "trains", "Night trains")
        await create(stage, "secret", "Secret", "private")
        await stage.say("bob", "trains", "The 22:40 leaves from platform 7.", "group")
        alice, bob = await stage.open("alice"), await stage.open("bob", "Night trains")
        await press(alice, "Groups")
        await alice.wait_for(f"{NAMES}.length > 0")
        assert await alice.evaluate(NAMES) == ["Night trains"]  # users do not see groups that they may not join
        await press(alice, "Join Night trains")
        await alice.wait_for(f"!{DIALOG} && {HEAD} === 'Night trains'")
        await alice.wait_for(f"{WORDS}[0] === 'The 22:40 leaves from platform 7.'")
        assert await members(stage, "trains") == ["alice", "bob"]
        await bob.wait_for(
            "[...document.querySelectorAll('#messages .note')].some((e) => e.innerText.includes('Alice joined'))"
        )
        await write(alice, "I am here")
        await bob.wait_for(f"{WORDS}.at(-1) === 'I am here'")

        await press(alice, "Groups")
        await press(alice, "Open Night trains")
        await alice.wait_for(f"!{DIALOG}")
        await press(alice, "Details")
        await press(alice, "Leave the group")
        await press(alice, "Leave")
        await alice.wait_for(f"!{DIALOG} && !document.querySelector('.head') && !{ENTRIES}.length")
        assert await members(stage, "trains") == ["bob"]
        await stage.say("bob", "trains", "nobody hears this", "group")
        await stage.say("bob", "alice", "you do")
        await alice.wait_for(f"{ENTRIES}.length === 1 && {ENTRIES}[0].startsWith('Bob')")


async def test_group_with_a_password_is_joined_only_with_the_right_one(chromium: Browser, tmp_path):
    async with chat_stage(chromium, tmp_path) as stage:
        await create(stage, "depot", "Depot", "password", password="seven keys")
        tab = await stage.open("alice")
        await press(tab, "Groups")
        await press(tab, "Join Depot")
        field = "document.querySelector('dialog .password input')"
        await tab.wait_for(f"document.activeElement === {field}")
        await tab.do("type", selector="dialog .password input", text="six keys")
        await tab.do("press", key="Enter")
        await tab.wait_for("document.querySelector('dialog [role=alert]')?.innerText.includes('password is wrong')")
        assert await members(stage, "depot") == ["bob"]
        await check(tab)
        await tab.run(f"{field}.select()")
        await tab.do("type", selector="dialog .password input", text="seven keys")
        await tab.do("press", key="Enter")
        await tab.wait_for(f"!{DIALOG} && {HEAD} === 'Depot'")
        assert await members(stage, "depot") == ["alice", "bob"]


async def test_groups_are_searched_and_read_page_by_page(chromium: Browser, tmp_path):
    async with chat_stage(chromium, tmp_path) as stage:
        for n in range(65):
            await create(stage, f"g{n:02}", f"Group {n:02}")
        tab = await stage.open("alice")
        await press(tab, "Groups")
        for shown in (30, 60, 65):
            await tab.wait_for(f"{NAMES}.length === {shown}")
            if shown < 65:
                await press(tab, "More groups")
        assert sorted(await tab.evaluate(NAMES)) == [f"Group {n:02}" for n in range(65)]
        assert await tab.evaluate(
            "![...document.querySelectorAll('button')].some((b) => b.innerText === 'More groups')"
        )
        await tab.do("type", selector="dialog input[type=search]", text="Group 64")
        await tab.wait_for(f"JSON.stringify({NAMES}) === '[\"Group 64\"]'")
        await tab.do("type", selector="dialog input[type=search]", text=" nothing")
        await tab.wait_for("document.querySelector('dialog').innerText.includes('No groups that you can join.')")


async def test_owner_who_tries_to_leave_a_group_is_shown_why_they_cannot(chromium: Browser, tmp_path):
    async with chat_stage(chromium, tmp_path) as stage:
        await create(stage, "trains", "Night trains")
        await stage.say("bob", "trains", "mine", "group")
        tab = await stage.open("bob", "Night trains")
        await press(tab, "Details")
        await press(tab, "Leave the group")
        await check(tab)
        await press(tab, "Leave")
        await tab.wait_for("document.querySelector('dialog [role=alert]')?.innerText.includes('owner cannot leave')")
        assert await members(stage, "trains") == ["bob"]


async def test_found_message_is_pinned_and_unpinned_for_sender_and_receiver(chromium: Browser, tmp_path):
    async with chat_stage(chromium, tmp_path) as stage:
        await stage.say("bob", "alice", "the keys are at the depot")
        await stage.fill("bob", "alice", 200)
        alice, bob = await stage.open("alice", "Bob"), await stage.open("bob", "Alice")
        await press(bob, "Search")
        await bob.do("type", selector="dialog input", text="depot")
        await bob.wait_for("document.querySelector('dialog .found .entry')")
        await bob.run("document.querySelector('dialog .found .entry').click()")
        await open_menu(bob, "the keys are at the depot")
        await press(bob, "Pin")
        pinned = "[...document.querySelectorAll('#messages .message')].find((m) => m.querySelector('footer')?.innerText.includes('pinned'))"
        await bob.wait_for(f"{pinned}?.innerText.includes('the keys are at the depot')")

        await press(alice, "Details")
        found = "document.querySelector('dialog .pinned .entry')"
        await alice.wait_for(f"{found}?.innerText.includes('the keys are at the depot')")
        await check(alice)
        await alice.run(f"{found}.click()")
        await alice.wait_for(f"{WORDS}[0] === 'the keys are at the depot'")
        await alice.wait_for("document.activeElement.innerText?.includes('the keys are at the depot')")
        await alice.wait_for(pinned)
        await press(alice, "Details")
        await press(alice, "Unpin", DIALOG)
        await alice.wait_for(f"{DIALOG}.innerText.includes('No message is pinned here.')")
        for tab in (alice, bob):
            await tab.wait_for(f"!{pinned}")  # live, for the other as well

        async def none_pinned() -> bool:
            return await stage.ask("GET", "/users/bob/messages?pinned=1", behalf="alice") == []

        await until(none_pinned)


async def test_participants_of_a_group_see_its_pins_and_moderators_change_them(chromium: Browser, tmp_path):
    async with chat_stage(chromium, tmp_path) as stage:
        await create(stage, "trains", "Night trains")
        await stage.ask("POST", "/groups/trains/members", {"participants": ["alice"], "moderators": ["carol"]})
        sent = await stage.say("bob", "trains", "platform 7", "group")
        await stage.ask("POST", f"/messages/{sent['id']}/pin", behalf="bob")
        buttons = "[...document.querySelectorAll('#messages .menu button, dialog button')].map((b) => b.innerText)"
        for uid, may in (("alice", False), ("carol", True)):
            tab = await stage.open(uid, "Night trains")
            await open_menu(tab, "platform 7")
            assert ("Unpin" in await tab.evaluate(buttons)) is may
            await press(tab, "Details")
            await tab.wait_for("document.querySelector('dialog .pinned .entry')?.innerText.includes('platform 7')")
            assert (
                "Unpin" in await tab.evaluate("[...document.querySelectorAll('dialog button')].map((b) => b.innerText)")
            ) is may


async def test_missed_pin_is_caught_up(chromium: Browser, tmp_path):
    async with chat_stage(chromium, tmp_path) as stage:
        message = await stage.say("bob", "alice", "remember this")
        tab = await stage.open("alice", "Bob")
        await tab.wait_for(f"{WORDS}.length === 1")
        await tab.set_visible(False)
        await stage.ask("POST", f"/messages/{message['id']}/pin", behalf="bob")
        await tab.set_visible(True)
        await tab.wait_for("document.querySelector('#messages .message footer').innerText.includes('pinned')")


async def test_groups_and_details_fit_a_phone_and_work_by_keyboard_in_german(chromium: Browser, tmp_path):
    async with chat_stage(chromium, tmp_path) as stage:
        hostile = "<img src=x onerror=\"heard('ran')\">" + "W" * 60
        await create(stage, "depot", hostile, "password", password="k")
        await create(stage, "trains", "Nachtzüge")
        await stage.ask("POST", "/groups/trains/members", {"participants": ["alice"]})
        sent = await stage.say("bob", "trains", hostile, "group")
        await stage.ask("POST", f"/messages/{sent['id']}/pin", behalf="bob")
        tab = await stage.blank(width=360, height=640, languages=["de-DE"])
        await tab.run(
            "[...document.querySelectorAll('.demo-users button')].find((b) => b.innerText.trim().endsWith('Alice')).click()"
        )
        await tab.wait_for(f"{ENTRIES}.length === 1")
        await check(tab)
        await tab.run("[...document.querySelectorAll('button')].find((b) => b.innerText === 'Gruppen').focus()")
        await tab.do("press", key="Enter")
        await tab.wait_for(f"{NAMES}.length === 2")
        await press(tab, f"{hostile} beitreten")
        await tab.wait_for("document.querySelector('dialog .password input')")
        await check(tab)
        await tab.do("press", key="Escape")
        await tab.wait_for(f"!{DIALOG}")
        await choose(tab, "Nachtzüge")
        await press(tab, "Details")
        await tab.wait_for("document.querySelector('dialog .pinned')")
        await press(tab, "Gruppe verlassen")
        await check(tab)
        assert tab.all("ran") == []
