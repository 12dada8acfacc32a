"""What opening a conversation leaves behind when it is cancelled."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tui.marks import needs_textual

pytestmark = [pytest.mark.gui, needs_textual]


async def test_list_that_has_arrived_is_closed_when_opening_its_conversation_is_cancelled():
    from tailwire.tui.pane import Pane
    from tailwire.tui.wording import Place
    from tui.scenes import BOB, MESSAGES, FixedClient, FixedList, SceneApp, chat

    class CountedList(FixedList):
        def close(self) -> None:
            self.closed = True

    class CountingClient(FixedClient):
        def __init__(self) -> None:
            super().__init__()
            self.lists: list[CountedList] = []

        async def live_messages(self, **place: Any) -> CountedList:
            self.lists.append(CountedList(MESSAGES))
            return self.lists[-1]

    app = SceneApp(chat())
    async with app.run_test() as pilot:
        await pilot.pause()
        pane, client = app.screen.query(Pane).first(), CountingClient()
        prepared = asyncio.Event()
        opening = asyncio.create_task(pane.open(client, Place("user", "bob", BOB.name), prepared.wait()))
        async with asyncio.timeout(20):
            while not client.lists:
                await pilot.pause(0.01)
            opening.cancel()
            await asyncio.wait([opening])
            while not client.lists[0].closed:
                await pilot.pause(0.01)
    assert opening.cancelled()
