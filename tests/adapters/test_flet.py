"""Flet: a web app in a real browser; the server says whether its user has a socket."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.web_apps import WebApp
from chromium.browser import Browser
from tailwire.testing.embedded import TestUser

pytest.importorskip("flet", reason="Flet is not installed: pip install flet flet-web")
pytest.importorskip("flet_web", reason="flet-web is not installed: pip install flet-web")
pytestmark = [pytest.mark.gui, pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture
def app(tmp_path: Path) -> Iterator[WebApp]:
    """The app; alice is the user of its pages. Flet gives a page up five seconds after it has lost its tab."""
    app = begun(tmp_path, FLET_SESSION_TIMEOUT="5")
    yield app
    app.close()


def begun(folder: Path, **more: str) -> WebApp:
    """The app with a server of its own."""
    return WebApp("flet_app.py", folder, lambda server: {"TOKEN": server.add_user("alice").token, **more})


@pytest.fixture
def device(tmp_path: Path) -> Iterator[WebApp]:
    """The app as it is on a device: Flet's `Connectivity` is the browser's."""
    app = begun(tmp_path, AS_ON_A_DEVICE="1")
    yield app
    app.close()


async def test_the_socket_follows_the_tab_and_nothing_is_lost(chromium: Browser, app: WebApp):
    alice, bob = TestUser("alice", "Alice", ""), app.server.add_user("bob")
    await app.listens()
    page = await chromium.open("flet", app.url)
    await app.says("knows hidden paused", seconds=40)  # and not the network, which is the browser's
    await app.has_sockets(alice, 1)

    await page.run("dispatchEvent(new Event('blur'))")
    await app.says("app saw INACTIVE")
    assert app.sockets(alice) == 1

    await page.set_visible(False)
    await app.has_sockets(alice, 0)
    await app.says("app saw HIDE")  # the app's own handler goes on to be called
    await app.send(bob, alice, "meanwhile")
    assert "message meanwhile" not in app.said
    await page.set_visible(True)
    await app.has_sockets(alice, 1)
    await app.says("message meanwhile")

    await page.do("reload")  # the same page of Flet, connected again
    await app.has_sockets(alice, 1)
    await app.send(bob, alice, "after")
    await app.says("message after")

    await page.close()
    await app.has_sockets(alice, 0)
    await app.says("client closed", seconds=40)  # Flet looks every ten seconds
    assert [line for line in app.said if line.startswith("message")] == ["message meanwhile", "message after"]


async def test_the_network_of_a_device_is_told(chromium: Browser, device: WebApp):
    await device.listens()
    page = await chromium.open("device", device.url)
    await device.says("knows hidden network paused", seconds=40)

    async def told() -> bool:
        with contextlib.suppress(TimeoutError):
            await device.says("network offline", seconds=1)
        return "network offline" in device.said

    await page.set_online(False)
    for _ in range(15):  # nothing says when Flet's own page listens to the browser
        if await told():
            break
        await page.set_online(True)
        await page.set_online(False)
    assert "network offline" in device.said
    await page.set_online(True)
    await device.says("network online")
