"""The previous major version of the React UI kit, unchanged: reading, writing, reacting, threads, groups."""

from __future__ import annotations

import pytest

from interop.stage import Stage
from interop.test_react_ui_kit import kit, picture

LIST = ".cometchat-message-list"
COMPOSER = ".cometchat-message-composer [contenteditable]"


@pytest.fixture
def cast(server, browser):
    return Stage(server, browser)


async def test_message_is_read_and_answered(cast):
    async with cast:
        alice, bob = cast.user("alice"), cast.user("bob")
        bp = await cast.python(bob)
        first = await bp.say(alice, "hello from Python")
        page = await kit(cast, alice, at="kit-6.html")
        await page.do("see", text="hello from Python")
        await page.do("click", selector=".cometchat-conversations .cometchat-list-item")
        await page.do("see", text="hello from Python", selector=LIST)
        await bp.ears.until(lambda: bool(bp.ears.all("read")))
        await page.do("type", selector=COMPOSER, text="hello from the kit")
        await page.do("press", key="Enter")
        await bp.ears.until(lambda: bp.ears.texts == ["hello from the kit"])
        await page.do("see", text="hello from the kit", selector=LIST)
        await bp.say(alice, "live")
        await page.do("see", text="live", selector=LIST)
        cast.ask("POST", f"/messages/{first.id}/reactions/%F0%9F%98%80", as_=bob)
        await page.do("see", text="😀", selector=LIST)
        first.text = "the first, edited"
        await bp.chat.edit_message(first)
        await page.do("see", text="the first, edited", selector=LIST)
        body = {"receiver": alice, "receiverType": "user", "data": {"text": "in thread"}}
        cast.ask("POST", f"/messages/{first.id}/thread", as_=bob, json=body)
        await page.do("see", text="1 Repl", selector=LIST)
        await page.run("await show({ uid, thread: id })", uid=bob, id=str(first.id))
        await page.do("see", text="in thread", selector=LIST)
        await picture(page, "kit-6", but="no supported source")  # the headless browser plays no sounds


async def test_history_and_members_of_a_group_are_shown(cast):
    async with cast:
        alice, bob = cast.user("alice"), cast.user("bob")
        guid = alice.replace("alice", "group")
        cast.ask("POST", "/groups", as_=bob, json={"guid": guid, "name": "Chess", "type": "public"})
        cast.ask("POST", f"/groups/{guid}/members", json={"participants": [alice]})
        for n in range(35):
            body = {"receiver": guid, "receiverType": "group", "data": {"text": f"move {n}."}}
            cast.ask("POST", "/messages", as_=bob, json=body)
        page = await kit(cast, alice, at="kit-6.html")
        await page.do("see", text="Chess")
        await page.run("await show({ guid, members: true })", guid=guid)
        await page.do("see", text="move 34.", selector=LIST)
        await page.do("see", text="Bob", selector=".cometchat-group-members")
        await picture(page, "kit-6-group")
