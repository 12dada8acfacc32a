"""The documented NiceGUI recipe in a real browser: one client for each user, shared by their tabs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.web_apps import WebApp
from chromium.browser import Browser
from tailwire.testing.embedded import EmbeddedServer, TestUser

pytest.importorskip("nicegui", reason="NiceGUI is not installed: pip install nicegui")
pytestmark = [pytest.mark.gui, pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture
def people() -> dict[str, TestUser]:
    """The users, by uid."""
    return {}


@pytest.fixture
def app(tmp_path: Path, people: dict[str, TestUser]) -> Iterator[WebApp]:
    """The app; a tab is deleted one second after it was lost."""

    def tokens(server: EmbeddedServer) -> dict[str, str]:
        for uid in ("alice", "bob", "carol"):
            people[uid] = server.add_user(uid)
        return {f"TOKEN_{uid.upper()}": user.token for uid, user in people.items()}

    app = WebApp("nicegui_app.py", tmp_path, tokens)
    yield app
    app.close()


async def test_two_tabs_of_a_user_share_one_client(chromium: Browser, app: WebApp, people: dict[str, TestUser]):
    alice, bob, carol = people["alice"], people["bob"], people["carol"]
    await app.listens()
    first = await chromium.open("first", f"{app.url}alice")
    second = await chromium.open("second", f"{app.url}alice")
    other = await chromium.open("other", f"{app.url}bob")
    for page, uid in ((first, "alice"), (second, "alice"), (other, "bob")):
        await page.do("see", text=f"ready {uid}", timeout=20_000)
    await app.wait_for_sockets(alice, 1)
    await app.wait_for_sockets(bob, 1)

    await app.send(carol, alice, "to both")
    await first.do("see", text="to both")
    await second.do("see", text="to both")
    assert not await other.evaluate("document.body.innerText.includes('to both')")

    await first.set_visible(False)
    await app.send(carol, alice, "one of them is seen")
    await second.do("see", text="one of them is seen")
    assert app.sockets(alice) == 1
    await second.set_visible(False)
    await app.wait_for_sockets(alice, 0)
    await app.send(carol, alice, "meanwhile")
    await first.set_visible(True)
    await app.wait_for_sockets(alice, 1)
    await second.do("see", text="meanwhile")
    for page in (first, second):
        texts = await page.evaluate("document.body.innerText")
        assert [texts.count(text) for text in ("to both", "one of them is seen", "meanwhile")] == [1, 1, 1]

    await second.close()
    await first.do("reload")
    await first.do("see", text="ready alice")
    await app.send(carol, alice, "after the reload")
    await first.do("see", text="after the reload")
    assert app.sockets(alice) == 1
    await first.close()
    await app.wait_for_sockets(alice, 0)
    assert app.sockets(bob) == 1
