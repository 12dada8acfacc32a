"""Flet as a web app in a real browser; the server knows whether its user has a socket."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.test_apps_page import program
from adapters.web_apps import WebApp, until
from chromium.browser import Browser
from tailwire.testing.embedded import EmbeddedServer, TestUser

pytest.importorskip("flet", reason="Flet is not installed: pip install flet flet-web")
pytest.importorskip("flet_web", reason="flet-web is not installed: pip install flet-web")
pytestmark = [pytest.mark.gui, pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture
def app(tmp_path: Path) -> Iterator[WebApp]:
    """The app; alice is the user of its pages. Flet drops a page five seconds after it has lost its tab."""
    app = start_app(tmp_path, FLET_SESSION_TIMEOUT="5")
    yield app
    app.close()


def start_app(folder: Path, **more: str) -> WebApp:
    """Return the app with its own server."""
    return WebApp("flet_app.py", folder, lambda server: {"TOKEN": server.add_user("alice").token, **more})


@pytest.fixture
def device(tmp_path: Path) -> Iterator[WebApp]:
    """The app as it is on a device: Flet's `Connectivity` is the browser's."""
    app = start_app(tmp_path, AS_ON_A_DEVICE="1")
    yield app
    app.close()


async def test_socket_follows_the_tab_without_losing_messages(chromium: Browser, app: WebApp):
    alice, bob = TestUser("alice", "Alice", ""), app.server.add_user("bob")
    await app.listens()
    page = await chromium.open("flet", app.url)
    await app.says("knows hidden paused", seconds=40)  # without network: that is the browser's
    await app.wait_for_sockets(alice, 1)

    await page.run("dispatchEvent(new Event('blur'))")
    await app.says("app saw INACTIVE")
    assert app.sockets(alice) == 1

    await page.set_visible(False)
    await app.wait_for_sockets(alice, 0)
    await app.says("app saw HIDE")  # the app's own handler is still called
    await app.send(bob, alice, "meanwhile")
    assert "message meanwhile" not in app.output
    await page.set_visible(True)
    await app.wait_for_sockets(alice, 1)
    await app.says("message meanwhile")

    await page.set_visible(False)
    await app.wait_for_sockets(alice, 0)
    app.signal(signal.SIGUSR1)
    await app.says("asleep")
    await page.set_visible(True)  # sleep outweighs a visible page
    await app.says("app saw SHOW", times=2)
    assert app.sockets(alice) == 0
    app.signal(signal.SIGUSR1)
    await app.wait_for_sockets(alice, 1)

    await page.do("reload")  # the same Flet page, reconnected
    await app.wait_for_sockets(alice, 1)
    await app.send(bob, alice, "after")
    await app.says("message after")

    await page.close()
    await app.wait_for_sockets(alice, 0)
    await app.says("client closed", seconds=40)  # Flet checks every ten seconds
    assert [line for line in app.output if line.startswith("message")] == ["message meanwhile", "message after"]


async def test_manual_mode_keeps_the_socket_for_the_background_window(chromium: Browser, tmp_path: Path):
    app = start_app(tmp_path, MANUAL="1")
    try:
        alice, bob = TestUser("alice", "Alice", ""), app.server.add_user("bob")
        await app.listens()
        page = await chromium.open("manual", app.url)
        await app.says("knows hidden paused", seconds=40)
        await app.wait_for_sockets(alice, 1)
        hidden_at = time.monotonic()
        await page.set_visible(False)
        await app.says("app saw HIDE")
        await app.wait_for_sockets(alice, 0)
        assert time.monotonic() - hidden_at >= 1.0, "the socket stays for the background's window"
        await app.send(bob, alice, "meanwhile")
        await page.set_visible(True)
        await app.says("app saw SHOW")
        assert app.sockets(alice) == 0, "the socket stays closed after the background window"
    finally:
        app.close()


async def test_documented_program_runs(chromium: Browser, tmp_path: Path):
    def environment_of(server: EmbeddedServer) -> dict[str, str]:
        server.add_user("alice")
        script = program("flet", tmp_path, server.url)
        assert script.name == "app.py"
        return {"AUTH_KEY": server.auth_key, "FLET_FORCE_WEB_SERVER": "true", "FLET_WEB_NO_CDN": "true"}

    app = WebApp(str(tmp_path / "app.py"), tmp_path, environment_of)
    try:
        alice, bob = TestUser("alice", "Alice", ""), app.server.add_user("bob")
        await app.listens()
        page = await chromium.open("printed", app.url)
        await app.wait_for_sockets(alice, 1, seconds=40)
        await page.set_visible(False)
        await app.wait_for_sockets(alice, 0)
        await app.send(bob, alice, "meanwhile")
        await page.set_visible(True)
        await app.wait_for_sockets(alice, 1)
    finally:
        app.close()
    assert not any("Traceback" in line for line in app.output), app.output


async def test_network_of_a_device_is_reported(chromium: Browser, device: WebApp):
    await device.listens()
    page = await chromium.open("device", device.url)
    await device.says("knows hidden network paused", seconds=40)

    async def report(what: str) -> None:
        # A real outage would also cut Flet's own connection, so the browser's events are simulated.
        # The page does not say when it starts to listen, so the event is repeated until it was reported.
        for _ in range(40):
            await page.run(f"dispatchEvent(new Event('{what}'))")
            with contextlib.suppress(TimeoutError):
                return await until(lambda: network() == f"network {what}", lambda: device.output, 1)
        raise AssertionError(device.output)

    def network() -> str:
        return next((line for line in reversed(device.output) if line.startswith("network ")), "")

    await report("offline")
    await report("online")
