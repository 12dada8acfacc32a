"""Record a scripted scene of the lab as an animated picture: the script uses switches, Chromium records the page."""

from __future__ import annotations

import asyncio
import base64
import io
import tempfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

from tailwire.lab.chromium import Browser, ChromiumUnavailable, find, launched
from tailwire.lab.lab import Lab
from tailwire.lab.running import listening_socket, serve_page

WIDTH, HEIGHT = 1280, 800
OUTPUT_SIZE = (864, 540)
WEBP_QUALITY = 38
SLOWDOWN_FACTOR = 2.0
MIN_FRAME_SECONDS = 0.19  # between two frames
FINAL_SECONDS = 3.0
TIMEOUT_SECONDS = 40.0

SCENE_STEPS: list[tuple[float, str, str, str]] = [
    (1.0, "alice", "send", "Is the 23:10 still going?"),
    (0.9, "bob", "send", "Yes, platform 7"),
    (0.9, "bob", "background", ""),
    (0.7, "alice", "send", "Bring the tickets"),
    (0.6, "alice", "send", "and the cat"),
    (1.4, "bob", "foreground", ""),
    (2.2, "alice", "offline", ""),
    (0.8, "bob", "send", "In the tunnel now?"),
    (0.6, "bob", "send", "Hello?"),
    (1.4, "alice", "online", ""),
    (2.4, "server", "kill", ""),
    (0.6, "server", "restart", ""),
    (0.6, "alice", "send", "Nothing gets lost here."),
]
"""The steps of the scene: seconds to wait before it, and the arguments of `Lab.do` (phone or server, switch, text)."""


class ScreencastFailed(Exception):
    """The scene could not be recorded. The message says why, or what to do."""


class Frames:
    """Collects the frames of a screencast.

    Attributes:
        taken: the kept frames in order: the time in seconds since 1970, and the content of a PNG file.
    """

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._acknowledging: set[asyncio.Task[None]] = set()
        self.taken: list[tuple[float, bytes]] = []

    def take(self, event: dict[str, Any]) -> None:
        """Process an event with a new frame, and request the next one by acknowledging it.

        The frame is kept if `MIN_FRAME_SECONDS` have passed since the last one that was kept.

        Args:
            event: the parameters of the event `screencastFrame` of the domain `Page` of the DevTools protocol.
        """
        at = float(event["metadata"]["timestamp"])
        if not self.taken or at - self.taken[-1][0] >= MIN_FRAME_SECONDS:
            self.taken.append((at, base64.b64decode(event["data"])))
        task = asyncio.create_task(self._browser.notify("Page.screencastFrameAck", sessionId=event["sessionId"]))
        self._acknowledging.add(task)
        task.add_done_callback(self._acknowledging.discard)


async def record(file: Path, *, chromium: str = "", report: Callable[[str], None]) -> None:
    """Run a lab, play the scene (`SCENE_STEPS`), and write its recording to a file.

    Args:
        file: the file for the animated picture (WebP).
        chromium: path or name of a Chromium or Chrome; "" to search for one (see `chromium.find`).
        report: called with progress messages.

    Raises:
        ScreencastFailed: if Pillow, Chromium or the file's folder is missing, or the page does not become idle.
        RuntimeError: if the server of the lab does not start.
    """
    try:
        import PIL  # noqa: F401
    except ModuleNotFoundError:
        raise ScreencastFailed("recording needs Pillow: pip install pillow") from None
    if not file.parent.is_dir():
        raise ScreencastFailed(f"the folder {file.parent} does not exist")
    try:
        taken = await _record_scene(find(chromium), report)
    except ChromiumUnavailable as e:
        raise ScreencastFailed(str(e)) from e
    report(f"writing {len(taken)} pictures …")
    size = await asyncio.to_thread(_write, file, taken)
    report(f"{file}: {size / 1000:.0f} KB")


async def _record_scene(program: str, report: Callable[[str], None]) -> list[tuple[float, bytes]]:
    with tempfile.TemporaryDirectory(prefix="tailwire-lab-", ignore_cleanup_errors=True) as folder:
        async with (
            Lab(Path(folder), slow=SLOWDOWN_FACTOR) as lab,
            serve_page(listening_socket(), lab, slow=SLOWDOWN_FACTOR) as url,
            launched(program) as browser,
        ):
            frames = Frames(browser)
            browser.on_event("Page.screencastFrame", frames.take)
            await browser.open(url, WIDTH, HEIGHT)
            dark = {"name": "prefers-color-scheme", "value": "dark"}
            await browser.call("Emulation.setEmulatedMedia", features=[dark])
            await _wait_until(browser, "document.body?.dataset.ready === 'yes' && " + _IDLE_CONDITION)
            report("recording …")
            await browser.call("Page.startScreencast", format="png", maxWidth=WIDTH, maxHeight=HEIGHT)
            for pause, whom, what, text in SCENE_STEPS:
                await asyncio.sleep(pause)  # the pace of the scene
                if whom == "server":
                    await lab.wait_server_settled()
                if what == "kill":
                    await _wait_until(browser, _IDLE_CONDITION)
                lab.do(whom, what, text)
            await _wait_until(browser, _IDLE_CONDITION)
            await asyncio.sleep(FINAL_SECONDS)  # time to look at the final state
            await browser.call("Page.stopScreencast")
            return frames.taken


_IDLE_CONDITION = (
    "([...document.querySelectorAll('.pill')].every((pill) => pill.dataset.status === 'connected') "
    "&& !document.querySelector('.arc.pending'))"
)


async def _wait_until(browser: Browser, condition: str) -> None:
    code = f"new Promise((done) => {{ const look = () => {condition} ? done() : setTimeout(look, 50); look(); }})"
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await browser.evaluate(code)
    except TimeoutError:
        raise ScreencastFailed(f"the page did not become idle within {TIMEOUT_SECONDS:.0f} s") from None


def _write(file: Path, taken: list[tuple[float, bytes]]) -> int:
    from PIL import Image

    pictures = [
        Image.open(io.BytesIO(data)).convert("RGB").resize(OUTPUT_SIZE, Image.Resampling.LANCZOS) for _, data in taken
    ]
    times = [at for at, _ in taken]
    durations = [max(1, round((b - a) * 1000)) for a, b in pairwise(times)] + [round(FINAL_SECONDS * 1000)]
    pictures[0].save(
        file, save_all=True, append_images=pictures[1:], duration=durations, loop=0, quality=WEBP_QUALITY, method=4
    )
    return file.stat().st_size
