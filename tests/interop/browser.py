"""A real Chromium for tests: pages in contexts of their own, code run in them, and what they heard."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "browser"


class PageError(Exception):
    """Code in a page failed. `code` is the SDK's, where it has one."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        begin = text.find("{")
        try:
            self.error: dict[str, Any] = json.loads(text[begin : text.rfind("}") + 1])
        except ValueError:
            self.error = {}
        self.code = self.error.get("code")


class Browser:
    """The browser's process, driven by lines of JSON."""

    def __init__(self, port: int = 443) -> None:
        # The kits read the language: one that a browser has, not that of a machine without any.
        environment = {**os.environ, "TAILWIRE_PORT": str(port), "LC_ALL": "en_US.UTF-8"}
        self._process = subprocess.Popen(
            ["node", "bridge.mjs"],
            cwd=FOLDER,
            env=environment,
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
            said = json.loads(line)
            with self._changed:
                if "heard" in said:
                    page = self.pages.get(said["page"])
                    if page is not None:
                        page.heard.append(tuple(said["heard"]))
                else:
                    self._answers[said["id"]] = said
                self._changed.notify_all()
        with self._changed:
            self.gone = True
            self._changed.notify_all()

    def ask(self, command: str, page: str, timeout: float = 60, **more: Any) -> Any:
        """Do something in a page; wait for its end."""
        number = next(self._numbers)
        line = json.dumps({"id": number, "do": command, "page": page, **more})
        assert self._process.stdin is not None
        with self._changed:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
            if not self._changed.wait_for(lambda: number in self._answers or self.gone, timeout):
                raise TimeoutError(f"{command} in {page}")
            answer = self._answers.pop(number, {"error": "the browser is gone"})
        if "error" in answer:
            raise PageError(answer["error"])
        return answer["value"]

    def wait(self, condition: Callable[[], bool], timeout: float, what: Callable[[], Any]) -> None:
        """Wait until what was heard fulfils a condition."""
        with self._changed:
            if not self._changed.wait_for(lambda: condition() or self.gone, timeout) or self.gone:
                raise TimeoutError(f"not heard; heard: {what()}")

    async def open(self, name: str, at: str = "sdk.html", **more: Any) -> Page:
        """A page in a context of its own."""
        page = self.pages[name] = Page(self, name)
        await asyncio.to_thread(self.ask, "open", name, at=at, **more)
        return page

    async def close_pages(self) -> None:
        """Close all pages."""
        for name in list(self.pages):
            await asyncio.to_thread(self.ask, "close", name)
            del self.pages[name]

    def close(self) -> None:
        """End the browser."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(20)
        self._thread.join(5)
        if self._process.stdout is not None:
            self._process.stdout.close()


class Page:
    """A page."""

    def __init__(self, browser: Browser, name: str) -> None:
        self._browser = browser
        self.name = name
        self.heard: list[tuple[str, Any]] = []

    async def do(self, command: str, **more: Any) -> Any:
        """One of the bridge's commands."""
        return await asyncio.to_thread(self._browser.ask, command, self.name, **more)

    async def run(self, code: str, **args: Any) -> Any:
        """Run code in the page, as the body of an async function; `args` are names in it."""
        return await self.do("run", code=code, args=args)

    def all(self, what: str) -> list[Any]:
        """All that was heard under a name."""
        return [value for name, value in list(self.heard) if name == what]

    async def hears(self, what: str, condition: Callable[[Any], bool] = lambda _: True, timeout: float = 10) -> Any:
        """Wait for something to be heard; answers it."""

        def found() -> list[Any]:
            return [value for value in self.all(what) if condition(value)]

        def heard() -> Any:
            return [(n, str(v)[:300]) for n, v in self.heard[-30:]]

        await asyncio.to_thread(self._browser.wait, lambda: bool(found()), timeout, heard)
        return found()[0]
