"""Two clients that keep sending during a fault. Afterwards, delivery of all acknowledged messages is checked."""

from __future__ import annotations

import asyncio
from typing import Any

from harness import Actor, LiveStage
from tailwire import CometChatException

SEND_INTERVAL_SECONDS = 0.03


class Traffic:
    """Messages from alice to bob, one after the other.

    Attributes:
        acknowledged: texts of acknowledged messages, by id.
        failures: error codes of sends that failed.
    """

    def __init__(self, live: LiveStage) -> None:
        self._live = live
        self.acknowledged: dict[int, str] = {}
        self.failures: list[str] = []
        self._task: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._ended = False
        self.bob: Any = None

    async def __aenter__(self) -> Traffic:
        self.alice: Actor = await self._live.enter("alice")
        self.bob = await self._live.enter("bob")
        self._task = asyncio.create_task(self._send())
        return self

    async def _send(self) -> None:
        count = 0
        while not self._ended:
            count += 1
            text = f"w{count}"
            try:
                stored = await self.alice.say("bob", text, muid=text)
            except CometChatException as e:
                self.failures.append(e.code)
            else:
                assert stored.id not in self.acknowledged, "an id was used twice"
                self.acknowledged[stored.id] = text
            self._changed.set()
            self._changed = asyncio.Event()
            await asyncio.sleep(SEND_INTERVAL_SECONDS)

    async def until(self, more: int, seconds: float = 40) -> None:
        """Wait until `more` further messages are acknowledged."""
        goal = len(self.acknowledged) + more
        async with asyncio.timeout(seconds):
            while len(self.acknowledged) < goal:
                await self._changed.wait()

    async def until_failure(self, seconds: float = 40) -> None:
        """Wait until a send fails."""
        goal = len(self.failures) + 1
        async with asyncio.timeout(seconds):
            while len(self.failures) < goal:
                await self._changed.wait()

    async def __aexit__(self, *error: Any) -> None:
        self._ended = True
        assert self._task is not None
        if error[0] is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            return
        await self._task
        await self.check()

    def missing(self) -> list[int]:
        """Return the ids that bob has neither received nor been notified of as a gap (K1)."""
        heard = self.bob.ears
        known = {m.id for m in heard.all("text")}
        gaps = [(gap.from_id, gap.to_id) for gap in heard.all("gap")]
        return [n for n in self.acknowledged if n not in known and not any(a < n <= b for a, b in gaps)]

    async def check(self) -> None:
        """Check that bob received every acknowledged message once and in order, except in reported gaps."""
        heard = self.bob.ears
        try:
            await heard.until(lambda: not self.missing(), 60)
        except TimeoutError:
            explained = self.bob.chat.connection.explain()
            raise AssertionError(f"bob has not heard {self.missing()[:5]} …: {explained}") from None
        ids = [m.id for m in heard.all("text")]
        assert ids == sorted(set(ids))
        received = {m.id: m.text for m in heard.all("text")}
        assert all(received[n] == text for n, text in self.acknowledged.items() if n in received)
        assert len(set(received.values())) == len(received), "a muid was stored twice"
