"""A real Chromium for tests: pages in separate contexts, code that runs in them, and what they report."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import os
import subprocess
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Frame:
    """A picture of a page, as the browser drew it.

    Attributes:
        at: seconds since 1970.
        image: a PNG.
    """

    at: float
    image: bytes


class PageError(Exception):
    """Code in a page failed. `code` is the SDK's error code, if there is one."""

    def __init__(self, text: str) -> None:
        begin = text.find("{")
        try:
            self.error: dict[str, Any] = json.loads(text[begin : text.rfind("}") + 1])
        except ValueError:
            self.error = {}
        super().__init__(self.error["message"] if self.error.get("name") == "PythonError" else text)
        self.code = self.error.get("code")


class Browser:
    """The browser's process, driven by lines of JSON (driver.mjs).

    Args:
        folder: the folder of `bridge.mjs` and its `node_modules`.
        environment: additional variables of its environment.
    """

    def __init__(self, folder: Path = FOLDER, environment: Mapping[str, str] | None = None) -> None:
        # Pages read the language: use one that browsers have, not that of a machine without a locale.
        self._process = subprocess.Popen(
            ["node", "bridge.mjs"],
            cwd=folder,
            env={**os.environ, "LC_ALL": "en_US.UTF-8", **(environment or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._numbers = itertools.count(1)
        self._answers: dict[int, dict[str, Any]] = {}
        self._changed = threading.Condition()
        self.pages: dict[str, Page] = {}
        self.gone = False
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            message = json.loads(line)
            with self._changed:
                if "heard" in message:
                    page = self.pages.get(message["page"])
                    if page is not None:
                        page.take(*message["heard"])
                else:
                    self._answers[message["id"]] = message
                self._changed.notify_all()
        with self._changed:
            self.gone = True
            self._changed.notify_all()

    def ask(self, command: str, page: str = "", *, timeout_of_call: float = 60, **more: Any) -> Any:
        """Run a command in a page and wait for its result."""
        number = next(self._numbers)
        line = json.dumps({"id": number, "do": command, "page": page, **more})
        assert self._process.stdin is not None
        with self._changed:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
            if not self._changed.wait_for(lambda: number in self._answers or self.gone, timeout_of_call):
                raise TimeoutError(f"{command} in {page}")
            answer = self._answers.pop(number, {"error": "the browser is gone"})
        if "error" in answer:
            raise PageError(answer["error"])
        return answer["value"]

    def wait(self, condition: Callable[[], bool], timeout: float, what: Callable[[], Any]) -> None:
        """Wait until the recorded reports fulfil a condition."""
        with self._changed:
            if not self._changed.wait_for(lambda: condition() or self.gone, timeout) or self.gone:
                raise TimeoutError(f"not reported; reports: {what()}")

    async def open(self, name: str, at: str, **more: Any) -> Page:
        """Open a URL in a page with its own cookies and storage.

        Args:
            name: the page's name in messages; must not be in use.
            more: `width` and `height` of the viewport, 1280×800 by default; `languages` that the browser prefers;
                `before`: code to run in each document before its own.
        """
        page = self.pages[name] = Page(self, name)
        await asyncio.to_thread(self.ask, "open", name, at=at, **more)
        return page

    async def close_pages(self) -> None:
        """Close all pages."""
        for page in list(self.pages.values()):
            await page.close()

    def close(self) -> None:
        """Stop the browser."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(20)
        self._thread.join(5)
        if self._process.stdout is not None:
            self._process.stdout.close()


class Page:
    """A page.

    Attributes:
        heard: reports of the page, in order: `heard(name, value)` in its code; `console`, `console error`, `page error`
            and `violation` (of its Content-Security-Policy) are reported automatically.
        frames: the recorded frames.
    """

    def __init__(self, browser: Browser, name: str) -> None:
        self._browser = browser
        self.name = name
        self.heard: list[tuple[str, Any]] = []
        self.frames: list[Frame] = []

    def take(self, name: str, value: Any) -> None:
        """Record a report (for the browser)."""
        if name == "frame":
            self.frames.append(Frame(value["at"], base64.b64decode(value["data"])))
        else:
            self.heard.append((name, value))

    async def do(self, command: str, **more: Any) -> Any:
        """Run one of the driver's commands."""
        return await asyncio.to_thread(self._browser.ask, command, self.name, **more)

    async def run(self, code: str, /, **args: Any) -> Any:
        """Run code in the page, as the body of an async function; `args` are names in it.

        Raises:
            PageError: the code failed.
        """
        return await self.do("run", code=code, args=args)

    async def evaluate(self, expression: str, /, **args: Any) -> Any:
        """Return the value of an expression, which may contain `await`."""
        return await self.run(f"return ({expression});", **args)

    async def in_worker(self, code: str, /, **args: Any) -> Any:
        """Run code in the service worker of the page's browser context, as `run` does in the page."""
        return await self.do("in_worker", code=code, args=args)

    async def wait_for(self, condition: str, /, deadline: float = 10.0, **args: Any) -> Any:
        """Wait until an expression is true in the page; return its value.

        Raises:
            PageError: it is not true within `deadline` seconds.
        """
        return await self.do(
            "wait_for", condition=condition, args=args, timeout=deadline * 1000, timeout_of_call=deadline + 20
        )

    async def screenshot(self, path: str | os.PathLike[str]) -> None:
        """Write a picture of the page (PNG)."""
        await self.do("screenshot", path=str(Path(path).resolve()))

    @asynccontextmanager
    async def recording(self, width: int = 1280, height: int = 800) -> AsyncIterator[list[Frame]]:
        """Record what is drawn during the block; yields the growing list of frames."""
        self.frames = []
        await self.do("record", width=width, height=height)
        try:
            yield self.frames
        finally:
            await self.do("stop_recording")

    async def set_visible(self, visible: bool) -> None:
        """Tell the page that it is hidden, or visible again."""
        await self.do("visibility", value="visible" if visible else "hidden")

    async def set_online(self, online: bool) -> None:
        """Take the page offline, or back online."""
        await self.do("offline", value=not online)

    async def close(self) -> None:
        """Close the page."""
        if self._browser.pages.pop(self.name, None) is not None:
            await self.do("close")

    @property
    def console(self) -> list[dict[str, str]]:
        """Console messages: `type` and `text` of each."""
        return self.all("console")

    @property
    def violations(self) -> list[dict[str, Any]]:
        """Violations of the Content-Security-Policy."""
        return self.all("violation")

    def all(self, what: str) -> list[Any]:
        """Return all values reported under a name."""
        return [value for name, value in list(self.heard) if name == what]

    async def hears(self, what: str, condition: Callable[[Any], bool] = lambda _: True, timeout: float = 10) -> Any:
        """Wait for a report and return it."""

        def found() -> list[Any]:
            return [value for value in self.all(what) if condition(value)]

        def recent_reports() -> Any:
            return [(n, str(v)[:300]) for n, v in self.heard[-30:]]

        await asyncio.to_thread(self._browser.wait, lambda: bool(found()), timeout, recent_reports)
        return found()[0]
