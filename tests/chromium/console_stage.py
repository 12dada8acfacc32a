"""A server with users, groups, messages and webhooks, and its console in a browser."""

from __future__ import annotations

import json
from typing import Any

from chromium.browser import Page
from chromium.page_stage import PageStage


class ConsoleStage(PageStage):
    """The server, and the console's pages in a browser."""

    async def link(self) -> str:
        """Return the URL of a new link."""
        return self.server.url + (await self.ask("POST", "/console/links"))["path"]

    async def open(self, page: str = "overview", *, signed_in: bool = True, **size: int) -> Page:
        """Open the console at one of its pages."""
        at = await self.link() if signed_in else f"{self.server.url}/console/"
        tab = await self.opened("console", at, **size)
        await self.go(tab, page)
        return tab

    async def go(self, tab: Page, page: str) -> None:
        """Show a page, and wait until it has read its data."""
        await tab.run("location.hash = `#/${page}`", page=page)
        await self.loaded(tab)

    async def loaded(self, tab: Page) -> None:
        """Wait until nothing on the page loads."""
        await tab.wait_for("!document.querySelector('.loading') && !document.querySelector('[aria-busy=true]')")


console_stage = ConsoleStage.started


async def fill(stage: ConsoleStage) -> None:
    """Create the data that the pages show."""
    people = {"mara": "Mara Lindqvist", "tomas": "Tomás Herrera", "yuki": "Yuki Tanaka", "amina": "Amina Diallo",
              "jonas": "Jonas Weber", "priya": "Priya Raman", "leila": "ليلى حداد", "noam": "נועם ברק"}  # fmt: skip
    for uid, name in people.items():
        await stage.ask("POST", "/users", {"uid": uid, "name": name})
    groups = {"night-trains": "Night trains", "harbour": "Harbour office", "release": "Release 2.4"}
    for guid, name in groups.items():
        kind = "private" if guid == "release" else "public"
        await stage.ask("POST", "/groups", {"guid": guid, "name": name, "type": kind, "owner": "mara"})
        members = ["tomas", "yuki", "amina", "jonas"]
        await stage.ask("POST", f"/groups/{guid}/members", {"participants": members})
    lines = ["The 22:40 leaves from platform 7.", "Who has the keys of the depot?", "I do, back at six.",
             "Through the tunnel. Everything that you wrote arrived.", "Tickets are in the shared folder."]  # fmt: skip
    last: dict[str, Any] = {}
    for n, text in enumerate(lines * 3):
        sender = ["mara", "tomas", "yuki", "amina"][n % 4]
        last = await stage.say(sender, "night-trains", text, "group")
        await stage.say("jonas", "mara", text)
    flag = {"reasonId": "spam", "remark": "The same advertisement again"}
    await stage.ask("POST", f"/messages/{last['id']}/flagged", flag, behalf="yuki")
    hook = {"id": "crm", "name": "Customer records", "webhookUrl": "http://127.0.0.1:9/hooks/chat",
            "triggers": ["message_sent", "group_created"], "enabled": True}  # fmt: skip
    await stage.ask("POST", "/webhooks", hook)
    for text in ("Where is the invoice?", "Found it."):
        await stage.say("priya", "jonas", text)


def text_of(value: Any) -> str:
    """Return a value as it is written in JavaScript."""
    return json.dumps(value)
