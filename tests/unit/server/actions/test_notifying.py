"""Which receivers are examined when push notifications are queued again after an interruption."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from tailwire.server.actions.notifying import Notifier
from tailwire.server.ports.push_records import Progress
from tailwire.server.ports.records import MessageRow
from tailwire.server.ports.world import World

pytestmark = pytest.mark.virtual


def message(number: int) -> Any:
    """Return a message in a group, as far as it matters here."""
    nothing = dict.fromkeys(MessageRow._fields)
    given = {"id": number, "category": "message", "receiver_type": "group", "receiver": "g", "sender": "alice"}
    return MessageRow(**{**nothing, **given, "body": b"{}", "sent_at": 0})  # type: ignore[arg-type]


@pytest.mark.parametrize(("removed", "begins_after"), [(False, "mike"), (True, "")])
async def test_receivers_of_a_message_do_not_count_as_notified_of_one_before_it_that_was_removed(
    removed: bool, begins_after: str
):
    """A server has ended after the receivers up to mike of message 6."""
    begun: list[str] = []

    async def progress() -> Progress:
        return Progress(5, "mike", 0)

    async def messages(after: int, up_to: int, limit: int) -> list[MessageRow]:
        return [message(7 if removed else 6)] if after < 6 else []

    async def members(row: MessageRow, actor: str, after: str, limit: int) -> list[Any]:
        begun.append(after)
        return []

    async def value(*_: Any) -> Any:
        return 0

    async def nothing(*_: Any) -> list[Any]:
        return []

    async def any_device() -> bool:
        return True

    async def highest() -> int:
        return 7

    rows = SimpleNamespace(
        progress=progress, messages=messages, members=members, count_waiting=value, store_progress=nothing, reactions=nothing,
        newest_id=highest,
    )  # fmt: skip
    devices = SimpleNamespace(any_registered=any_device, remove_ended=value)
    store: Any = SimpleNamespace(
        notifications=SimpleNamespace(**vars(rows), delete_finished=value), push_tokens=devices
    )
    world = World()
    world.seconds = lambda: 10  # type: ignore[method-assign]
    notifier = Notifier(
        store, world, delay=0, lifetime=60, is_foreground=lambda uid: False, left_within=lambda uid, age: False,
        queued=lambda: None, polls=False,
    )  # fmt: skip
    await notifier.start()
    await asyncio.sleep(2)
    assert begun == [begins_after]
    await notifier.close()
