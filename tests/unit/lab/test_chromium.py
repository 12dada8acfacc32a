"""The connection to a browser."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosedError

from tailwire.lab.chromium import Browser, ChromiumUnavailable


class KilledSocket:
    """A connection to a browser that is killed once it has received a call."""

    def __init__(self) -> None:
        self.called = asyncio.Event()

    async def send(self, text: str) -> None:
        if self.called.is_set():
            raise ConnectionClosedError(None, None)
        self.called.set()

    async def __aiter__(self) -> Any:
        await self.called.wait()
        raise ConnectionClosedError(None, None)
        yield ""


@pytest.mark.virtual
async def test_calls_fail_at_once_when_the_browser_is_killed():
    socket: Any = KilledSocket()
    browser = Browser(socket)
    async with asyncio.timeout(1):
        reading = asyncio.create_task(browser.read())
        for _ in range(2):
            with pytest.raises(ChromiumUnavailable, match="has ended"):
                await browser.call("Page.enable")
        await reading
