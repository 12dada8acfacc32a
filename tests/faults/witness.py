"""Two real clients who go on writing to each other, whatever happens: what they were promised is looked at afterwards."""

from __future__ import annotations

import asyncio
from typing import Any

from harness import Actor, LiveStage
from tailwire import CometChatException

PACE = 0.01


class Witness:
    """Sends from alice to bob, one after the other.

    Attributes:
        acknowledged: text by id.
        failures: codes of sends that were not acknowledged.
    """

    def __init__(self, live: LiveStage) -> None:
        self._live = live
        self.acknowledged: dict[int, str] = {}
        self.failures: list[str] = []
        self._task: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._ended = False
        self.bob: Any = None

    async def __aenter__(self) -> Witness:
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
                assert stored.id not in self.acknowledged, "an id was given twice"
                self.acknowledged[stored.id] = text
            self._changed.set()
            self._changed = asyncio.Event()
            await asyncio.sleep(PACE)

    async def until(self, more: int, seconds: float = 40) -> None:
        """Wait until so many more are acknowledged."""
        goal = len(self.acknowledged) + more
        async with asyncio.timeout(seconds):
            while len(self.acknowledged) < goal:
                await self._changed.wait()

    async def until_one_fails(self, seconds: float = 40) -> None:
        """Wait until a send is not acknowledged."""
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
        """What bob has neither heard nor been told that it is in a gap: more than he wants to catch up (K1)."""
        heard = self.bob.ears
        known = {m.id for m in heard.all("text")}
        gaps = [(gap.from_id, gap.to_id) for gap in heard.all("gap")]
        return [n for n in self.acknowledged if n not in known and not any(a < n <= b for a, b in gaps)]

    async def check(self) -> None:
        """Every acknowledged message is there, at its receiver once and in order, but for a gap that she was told of."""
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
