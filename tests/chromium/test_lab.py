"""The lab in a real browser: each switch works, and no message is lost whatever fails."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest

from chromium.browser import Browser, Page
from tailwire import ConnectionStatus
from tailwire.lab.lab import Lab
from tailwire.lab.recording import read_recording, recording_of
from tailwire.lab.running import listening_socket, serve_page

pytestmark = [pytest.mark.gui, pytest.mark.slow]


class Shown:
    """A lab, and its page in a browser."""

    def __init__(self, lab: Lab, page: Page) -> None:
        self.lab, self.page = lab, page

    async def press(self, whom: str, what: str) -> None:
        where = "#server" if whom == "server" else f'[aria-label="{whom}\'s phone"]'
        await self.page.do("click", selector=f"{where} [data-what={what}]")

    async def write(self, whom: str, text: str) -> None:
        await self.page.do("type", selector=f"[aria-label='message from {whom}']", text=text, delay=0)
        await self.page.do("press", key="Enter")
        await self.page.wait_for(
            "document.querySelector(field).value === ''", field=f"[aria-label='message from {whom}']"
        )

    async def sees(self, whom: str, status: str, deadline: float = 20) -> None:
        """Wait until the page shows a state of a client."""
        await self.page.wait_for(
            "document.querySelector(phone).dataset.status === status", deadline,
            phone=f"[aria-label=\"{whom}'s phone\"] .pill", status=status,
        )  # fmt: skip

    async def wait_pressed(self, whom: str, what: str, pressed: bool = True) -> None:
        """Wait until a switch of a phone is on, or off."""
        selector = f'[aria-label="{whom}\'s phone"] [data-what={what}][aria-pressed={str(pressed).lower()}]'
        await self.page.wait_for("document.querySelector(s)", s=selector)

    async def pressed(self, whom: str) -> set[str]:
        selector = f'[aria-label="{whom}\'s phone"] [aria-pressed=true]'
        return set(await self.page.evaluate("[...document.querySelectorAll(s)].map((b) => b.dataset.what)", s=selector))

    async def talk(self, whom: str) -> list[str]:
        selector = f'[aria-label="{whom}\'s chat"] .text'
        return await self.page.evaluate("[...document.querySelectorAll(s)].map((t) => t.textContent)", s=selector)

    async def sockets(self, number: int) -> None:
        """Wait until the server has this many sockets."""
        async with httpx2.AsyncClient(trust_env=False) as http, asyncio.timeout(15):
            while f"tailwire_sockets {number}.0" not in (await http.get(f"{self.lab.server.url}/metrics")).text:
                await asyncio.sleep(0.05)

    async def lights(self, *edges: str) -> None:
        """Wait until each of these edges has been highlighted (the page records them)."""
        await self.page.wait_for("edges.every((e) => window.lit.has(e))", 15, edges=list(edges))

    def client(self, whom: str) -> ConnectionStatus:
        return self.lab.phones[whom].chat.connection.status


NOTE_EDGES = """
window.lit = new Set();
new MutationObserver((changes) => {
  for (const { target } of changes) if (/lit-|trail-/.test(target.getAttribute("class"))) window.lit.add(target.dataset.edge);
}).observe(document.querySelector("#machine"), { subtree: true, attributes: true, attributeFilter: ["class"] });
"""


@asynccontextmanager
async def showing(chromium: Browser, folder: Path, **settings: str) -> AsyncIterator[Shown]:
    """Show a lab, whose server has these settings. At the end the page must have no errors and no policy violations."""
    lab = Lab(folder)
    lab.server._settings |= {f"TAILWIRE_{name.upper()}": value for name, value in settings.items()}
    async with lab, serve_page(listening_socket(), lab) as url:
        tab = await chromium.open("lab", url)
        try:
            shown = Shown(lab, tab)
            await tab.wait_for("document.body.dataset.ready === 'yes'")
            await tab.run(NOTE_EDGES)
            for name in ("alice", "bob"):
                await shown.sees(name, "connected")
            yield shown
            problems = tab.violations + tab.all("page error") + tab.all("console error")
            assert problems == []
        finally:
            await tab.close()


@pytest.mark.timeout(240)
async def test_switches_of_app_network_token_and_overload_work(chromium: Browser, tmp_path):
    # With these heartbeats a tunnel is detected soon.
    async with showing(chromium, tmp_path, heartbeat_interval="1", heartbeat_timeout="1") as s:
        await s.sockets(2)
        assert await s.pressed("bob") == {"foreground", "online", "auto"}

        await s.press("bob", "background")
        await s.sees("bob", "disconnected")
        await s.sockets(1)
        await s.lights("open idle")
        await s.wait_pressed("bob", "background")
        await s.press("bob", "foreground")
        await s.sees("bob", "connected")
        await s.lights("idle connecting", "connecting open")

        for how in ("offline", "cut", "tunnel"):
            await s.press("alice", how)
            await s.sees("alice", "disconnected")
            assert s.client("alice") is not ConnectionStatus.CONNECTED
            await s.wait_pressed("alice", how)
            await s.press("alice", "online")
            await s.sees("alice", "connected")
        await s.sockets(2)

        await s.press("alice", "expire")
        await s.lights("connecting renewing", "renewing connecting")
        await s.sees("alice", "connected")
        await s.press("alice", "revoke")
        await s.lights("renewing idle")
        await s.page.wait_for("document.querySelector('.is-left [data-what=login]').classList.contains('wanted')")
        await s.sockets(1)
        await s.press("alice", "login")
        await s.sees("alice", "connected")

        await s.press("server", "overload")
        await s.sees("alice", "featureThrottled")
        await s.press("server", "overload")
        await s.sees("alice", "connected")


@pytest.mark.timeout(240)
async def test_manual_mode_shows_the_window_that_ping_extends(chromium: Browser, tmp_path):
    async with showing(chromium, tmp_path) as s:
        await s.press("bob", "manual")
        await s.sees("bob", "disconnected")
        await s.sockets(1)
        await s.press("bob", "connect")
        await s.sees("bob", "connected")
        await s.press("bob", "background")
        ring = "Number(document.querySelector('.is-right .ring').getAttribute('stroke-dashoffset'))"
        await s.page.wait_for("document.querySelector('.phone.is-right').classList.contains('has-window')")
        await s.page.wait_for(f"{ring} > 6")
        await s.press("bob", "ping")
        await s.page.wait_for(f"{ring} < 4")
        assert s.client("bob") is ConnectionStatus.CONNECTED
        await s.press("bob", "foreground")
        await s.page.wait_for("!document.querySelector('.phone.is-right').classList.contains('has-window')")

        await s.press("alice", "slow")
        await s.wait_pressed("alice", "slow")
        await s.write("bob", "are you there?")
        await s.page.wait_for("document.querySelector('.arc.late.is-right')")  # delivered late, although it had arrived
        assert await s.talk("alice") == ["are you there?"]
        await s.press("alice", "slow")
        await s.wait_pressed("alice", "slow", False)


@pytest.mark.timeout(240)
async def test_messages_during_a_server_kill_arrive_once_in_order_and_are_replayed(chromium: Browser, tmp_path):
    written = ["one", "two", "three"]
    async with showing(chromium, tmp_path) as s:
        await s.write("alice", "before")
        await s.page.wait_for("document.querySelector('.arc.live')")
        await s.press("server", "kill")
        await s.sees("alice", "disconnected")
        await s.sees("bob", "disconnected")
        for text in written:
            await s.write("alice", text)
        await s.write("bob", "four")
        assert await s.page.wait_for("document.querySelectorAll('.arc.pending').length === 4")
        assert await s.talk("bob") == ["before", "four"]
        await s.press("server", "restart")
        await s.page.wait_for("document.querySelectorAll('.arc.late').length === 4", 60)
        assert await s.page.evaluate("document.querySelectorAll('.arc.pending').length") == 0
        assert await s.talk("bob") == ["before", "four", *written]
        assert await s.talk("alice") == ["before", *written, "four"]
        counts = await s.page.evaluate("document.querySelector('#counts').textContent")
        assert counts.split("  ·  ") == ["5 written", "5 handed over", "0 under way", "0 twice"]

        saved = await s.page.evaluate("await (await fetch('save')).json()")
        assert saved.keys() == recording_of(s.lab).keys()
    for event in saved["events"]:
        if event["kind"] == "transition":  # later than the input that caused it, as on a busy machine
            event["at"] = round(event["at"] + 0.02, 3)
    file = tmp_path / "lab.json"
    file.write_text(json.dumps(saved))
    async with serve_page(listening_socket(), None, read_recording(file)) as url:
        again = await chromium.open("replay", url)
        await again.wait_for("document.body.dataset.ready === 'yes'")
        end = "document.querySelector('#player input')"
        assert await again.evaluate("document.querySelectorAll('.phone .talk li').length") == 0
        await again.run(f"const s = {end}; s.value = s.max; s.dispatchEvent(new Event('input'))")
        await again.wait_for("document.querySelectorAll('.arc.late').length === 4")
        assert (
            await again.evaluate("[...document.querySelectorAll('.pill')].map((p) => p.textContent)")
            == ["connected"] * 2
        )
        steps = int(await again.evaluate(f"{end}.max"))
        assert steps == sum(len(dump["inputs"]) for dumps in saved["dumps"].values() for dump in dumps)
        assert await again.evaluate("document.querySelector('#player output').textContent") == f"{steps} / {steps}"
        fell = ("SocketLost", "disconnected")  # a socket may also be lost while it is being opened
        lost = next(
            n for n, step in enumerate(read_recording(file)["steps"], 1) if (step["input"], step["status"]) == fell
        )
        await again.run(f"const s = {end}; s.value = at; s.dispatchEvent(new Event('input'))", at=lost)
        await again.wait_for("document.querySelector('.pill[data-status=disconnected]')")
        assert "SocketLost" in await again.evaluate("document.querySelector('.said').textContent")
        assert again.violations + again.all("page error") == []


async def test_dump_is_shown_step_by_step(chromium: Browser, tmp_path):
    from tailwire.sdk.connection import inputs as i
    from tailwire.sdk.connection.history import History
    from tailwire.sdk.connection.machine import step
    from tailwire.sdk.connection.state import AppState, State

    state, history = State(), None
    for n, happened in enumerate((i.LoggedIn(), i.AttemptSucceeded(1), i.AppStateChanged(AppState.BACKGROUND))):
        after, _ = step(state, happened, 50.0 + n, 0.5)
        history = history or History(state)
        history.record(state, happened, 50.0 + n, 0.5, after)
        state = after
    file = tmp_path / "dump.json"
    file.write_text(json.dumps(history.dump()))
    async with serve_page(listening_socket(), None, read_recording(file)) as url:
        tab = await chromium.open("dump", url)
        await tab.wait_for("document.body.dataset.ready === 'yes'")
        pill = "document.querySelector('.pill').textContent"
        for status in ("connecting", "connected", "disconnected"):
            await tab.do("click", selector="#player [aria-label='one step forward']")
            await tab.wait_for(f"{pill} === status", status=status)
        assert "in the background" in await tab.evaluate("document.querySelector('.explain').textContent")
        assert await tab.evaluate("document.querySelectorAll('.phone').length") == 1
        assert await tab.evaluate("document.querySelector('.inputs .current .input').textContent") == "AppStateChanged"
        await tab.do("click", selector="#player [aria-label='one step back']")
        await tab.wait_for(f"{pill} === 'connected'")
        for width in (1280, 700, 400):
            other = await chromium.open(f"width {width}", url, width=width, height=800)
            await other.wait_for("document.body.dataset.ready === 'yes'")
            wide = await other.evaluate("document.scrollingElement.scrollWidth - innerWidth")
            assert wide <= 0, width
        assert tab.violations + tab.all("page error") == []


@pytest.mark.timeout(120)
async def test_page_fits_and_is_usable_by_keyboard(chromium: Browser, tmp_path):
    async with showing(chromium, tmp_path) as s:
        over = """[...document.querySelectorAll('button, input, .pill, h2')].filter((e) => {
          const box = e.getBoundingClientRect(), phone = (e.closest('.phone') ?? document.body).getBoundingClientRect();
          return box.right > phone.right || box.bottom > innerHeight || e.scrollWidth > e.clientWidth + 1;
        }).map((e) => e.textContent)"""
        assert await s.page.evaluate(over) == []  # at 1280×800
        assert await s.page.evaluate("document.scrollingElement.scrollHeight - innerHeight") <= 0
        await s.page.run("document.querySelector('.is-right [data-what=foreground]').focus()")
        await s.page.do("press", key="Tab")
        await s.page.do("press", key="Space")
        await s.sees("bob", "disconnected")
        assert await s.page.evaluate(
            "[...document.querySelectorAll('button, input')].every((e) => e.ariaLabel || e.textContent)"
        )
