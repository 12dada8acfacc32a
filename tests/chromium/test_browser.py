"""The harness itself: what a test can do with a page, and what it can observe."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from chromium.browser import Browser, PageError

pytestmark = pytest.mark.gui
POLICY = "default-src 'none'; script-src 'self'; img-src data:; require-trusted-types-for 'script'"


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/html; charset=utf-8")
        self.send_header("content-security-policy", POLICY)
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>t</title><link rel=icon href='data:,'><p id=p>here</p>")

    def log_message(self, *args: object) -> None:
        """Log nothing."""


@pytest.fixture
def strict() -> Iterator[str]:
    """The URL of a page with a strict policy."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Page)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://localhost:{server.server_address[1]}/"
    server.shutdown()
    thread.join()
    server.server_close()


async def test_code_runs_under_a_strict_policy_and_violations_are_reported(chromium: Browser, strict: str):
    page = await chromium.open("strict", strict)
    assert await page.evaluate("document.title + more", more="!") == "t!"
    assert await page.evaluate("navigator.language") == "en-US"
    with pytest.raises(PageError, match="no such"):
        await page.run("throw new Error('no such thing')")
    await page.run("document.body.append(Object.assign(document.createElement('style'), { textContent: 'p {}' }))")
    await page.hears("violation", lambda v: v["directive"] == "style-src-elem")
    assert page.violations[0]["blocked"] == "inline"


async def test_conditions_are_waited_for_until_a_deadline(chromium: Browser, strict: str):
    page = await chromium.open("waiting", strict)
    await page.run("setTimeout(() => { document.title = 'late'; console.warn('changed'); }, 100)")
    assert await page.wait_for("document.title === wanted && document.title", wanted="late") == "late"
    await page.hears("console", lambda message: message == {"type": "warn", "text": "changed"})
    with pytest.raises(PageError, match="not so within"):
        await page.wait_for("document.title === 'never'", deadline=0.1)


async def test_page_is_notified_of_visibility_and_network(chromium: Browser, strict: str):
    page = await chromium.open("told", strict)
    await page.run(
        "document.addEventListener('visibilitychange', () => heard('seen', document.visibilityState));"
        "for (const name of ['online', 'offline']) addEventListener(name, () => heard('network', navigator.onLine));"
    )
    await page.set_visible(False)
    await page.set_visible(True)
    await page.set_online(False)
    await page.set_online(True)
    await page.hears("network", lambda online: online is True)
    assert page.all("seen") == ["hidden", "visible"]
    assert page.all("network") == [False, True]


async def test_screenshots_and_recordings_are_pictures(chromium: Browser, strict: str, tmp_path):
    page = await chromium.open("drawn", strict, width=200, height=100)
    await page.screenshot(tmp_path / "page.png")
    assert (tmp_path / "page.png").read_bytes().startswith(b"\x89PNG")
    async with page.recording(200, 100) as frames:
        await page.run(
            "for (let n = 0; n < 5; n++) { document.getElementById('p').textContent = n;"
            " await new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))); }"
        )
        await page.wait_for("true")
    assert frames
    assert all(frame.image.startswith(b"\x89PNG") for frame in frames)
