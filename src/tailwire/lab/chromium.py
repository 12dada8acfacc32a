"""Drive a headless Chromium over its DevTools protocol, as far as recording a page needs it."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

PATH_VARIABLE = "TAILWIRE_CHROMIUM"
PROGRAM_NAMES = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "chrome-headless-shell",
)
TIMEOUT_SECONDS = 30.0
_LISTENS = "DevTools listening on "


class ChromiumUnavailable(Exception):
    """Chromium is missing, does not start, or has failed. The message says why, or what to do."""


def find(program: str = "") -> str:
    """Return the path of a Chromium or Chrome.

    Args:
        program: its path or name; "" for the one that `$TAILWIRE_CHROMIUM` names, or the first known one on the PATH.

    Raises:
        ChromiumUnavailable: if the program is not found.
    """
    named = program or os.environ.get(PATH_VARIABLE, "")
    if named:
        found = shutil.which(named)
        if found is None:
            raise ChromiumUnavailable(f"{named} is not a program: give the path of a Chromium or Chrome")
        return found
    for name in PROGRAM_NAMES:
        found = shutil.which(name)
        if found is not None:
            return found
    raise ChromiumUnavailable(
        f"recording needs a Chromium or Chrome: install one, or name it with --chromium FILE or ${PATH_VARIABLE} "
        f"(looked for {', '.join(PROGRAM_NAMES)} on the PATH)"
    )


class Browser:
    """A DevTools connection to a running browser, for a single page. Made by `launched`."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._handlers: dict[str, Callable[[dict[str, Any]], None]] = {}
        self._session = ""

    async def read(self) -> None:
        """Process the browser's messages until the connection ends; pending calls then raise `ChromiumUnavailable`."""
        with suppress(ConnectionClosed):  # as when the browser crashes or is killed
            async for text in self._socket:
                self._take(json.loads(text))
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(ChromiumUnavailable("the browser has ended"))

    def _take(self, message: dict[str, Any]) -> None:
        if "id" not in message:
            if message.get("method") in self._handlers:
                self._handlers[message["method"]](message["params"])
            return
        future = self._waiting.pop(message["id"], None)
        if future is None or future.done():
            return
        if "error" in message:
            future.set_exception(ChromiumUnavailable(f"the browser refused: {message['error'].get('message')}"))
        else:
            future.set_result(message["result"])

    async def call(self, method: str, **parameters: Any) -> Any:
        """Call a DevTools method and return its result.

        Raises:
            ChromiumUnavailable: if the call fails or takes more than a minute, or the browser has ended.
        """
        number = next(self._numbers)
        future = self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            await self._send_call(number, method, parameters)
            async with asyncio.timeout(2 * TIMEOUT_SECONDS):
                return await future
        except ConnectionClosed:
            self._waiting.pop(number, None)
            raise ChromiumUnavailable("the browser has ended") from None
        except TimeoutError:
            self._waiting.pop(number, None)
            raise ChromiumUnavailable(f"the browser did not respond to {method}") from None

    async def notify(self, method: str, **parameters: Any) -> None:
        """Call a DevTools method without waiting for its result, which is discarded.

        Raises:
            websockets.exceptions.ConnectionClosed: if the browser has ended.
        """
        await self._send_call(next(self._numbers), method, parameters)

    async def _send_call(self, number: int, method: str, parameters: dict[str, Any]) -> None:
        request = {"id": number, "method": method, "params": parameters}
        await self._socket.send(json.dumps(request | ({"sessionId": self._session} if self._session else {})))

    def on_event(self, event: str, handler: Callable[[dict[str, Any]], None]) -> None:
        """Set the function that is called with the parameters of each DevTools event of this name.

        It replaces the function that was set before.
        """
        self._handlers[event] = handler

    async def open(self, url: str, width: int, height: int) -> None:
        """Open a page in a new tab, to which later calls then refer. Does not wait until the page has loaded.

        Args:
            url: the URL of the page.
            width: the width of its viewport in pixels.
            height: the height of its viewport in pixels.

        Raises:
            ChromiumUnavailable: as for `call`.
        """
        target = await self.call("Target.createTarget", url="about:blank", width=width, height=height)
        attached = await self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = attached["sessionId"]
        await self.call("Page.enable")
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )
        await self.call("Page.navigate", url=url)

    async def evaluate(self, code: str) -> Any:
        """Run JavaScript in the page and return its value, as JSON carries it. Promises are awaited.

        Raises:
            ChromiumUnavailable: if the code fails, or as for `call`.
        """
        answer = await self.call("Runtime.evaluate", expression=code, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise ChromiumUnavailable(f"the page failed: {answer['exceptionDetails'].get('text')}")
        return answer["result"].get("value")


@asynccontextmanager
async def launched(program: str) -> AsyncIterator[Browser]:
    """Start a headless Chromium with an empty profile, and yield a connection to it. It is killed at the end.

    Args:
        program: the path of the Chromium, as returned by `find`.

    Raises:
        ChromiumUnavailable: if the browser does not start.
    """
    with tempfile.TemporaryDirectory(prefix="tailwire-chromium-", ignore_cleanup_errors=True) as folder:
        options = ["--headless", "--remote-debugging-port=0", "--disable-gpu", "--hide-scrollbars"]
        options += [f"--user-data-dir={Path(folder) / 'profile'}", "--no-first-run", "--disable-dev-shm-usage"]
        if sys.platform == "linux" and os.geteuid() == 0:
            options.append("--no-sandbox")  # Chromium's own sandbox does not work as root
        process = await asyncio.create_subprocess_exec(
            program, *options, stderr=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL
        )
        try:
            async with connect(await _read_address(process), max_size=None, ping_interval=None, proxy=None) as socket:
                browser = Browser(socket)
                reading = asyncio.create_task(browser.read(), name="tailwire lab browser")
                try:
                    yield browser
                finally:
                    reading.cancel()
                    await asyncio.wait([reading])
        finally:
            if process.returncode is None:
                process.kill()
            await process.communicate()


async def _read_address(process: asyncio.subprocess.Process) -> str:
    assert process.stderr is not None
    output: list[str] = []
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while line := (await process.stderr.readline()).decode(errors="replace"):
                output = [*output[-5:], line.strip()]
                if line.startswith(_LISTENS):
                    return line.removeprefix(_LISTENS).strip()
    except TimeoutError:
        output.append(f"it did not start to listen within {TIMEOUT_SECONDS:.0f} s")
    raise ChromiumUnavailable("the browser does not start: " + " / ".join(output))
