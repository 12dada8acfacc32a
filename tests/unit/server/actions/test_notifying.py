"""Which receivers are examined when push notifications are queued again after an interruption or an error, and its end."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from tailwire.server.actions.notifying import (
    BUCKET_SECONDS,
    MEMBERS_AT_ONCE,
    POLL_SECONDS,
    RETRY_SECONDS,
    SWEEP_SECONDS,
    Notifier,
)
from tailwire.server.ports.push_records import NotificationProgress, PossibleReceiver
from tailwire.server.ports.records import MessageRow
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.world import World

pytestmark = pytest.mark.virtual


def message(number: int) -> Any:
    """Return a message in a group, as far as it matters here."""
    nothing = dict.fromkeys(MessageRow._fields)
    fields = {"id": number, "category": "message", "receiver_type": "group", "receiver": "g", "sender": "alice"}
    return MessageRow(**{**nothing, **fields, "body": b"{}", "sent_at": 0})  # type: ignore[arg-type]


class Examined:
    """A notifier whose store has one message, and the members of its group.

    Args:
        pages: how many full pages of members follow what was examined; the last page is empty.
        polls: whether other servers store messages too.

    Attributes:
        begun: the uids after which members were read, in order.
        stored: the stored progress, in order.
        errors: raised by the next readings of the progress, in order.
        cleanup_errors: raised by the next removals of old notifications, in order.
        cleanups: how many of these removals succeeded.
    """

    def __init__(self, number: int, progress: NotificationProgress, pages: int = 0, *, polls: bool = False) -> None:
        self.begun: list[str] = []
        self.stored: list[NotificationProgress] = []
        self._pages = pages
        self.errors: list[Exception] = []
        self.cleanup_errors: list[Exception] = []
        self.cleanups = 0
        self._number, self._progress = number, progress
        rows = SimpleNamespace(
            progress=self._read_progress, messages=self._messages, members=self._members, reactions=self._no_rows,
            newest_id=self._newest_id, count_waiting=self._none, store_progress=self._store, delete_finished=self._clean_up,
        )  # fmt: skip
        devices = SimpleNamespace(any_registered=self._any_device, remove_ended=self._none)
        store: Any = SimpleNamespace(notifications=rows, push_tokens=devices)
        world = World()
        world.seconds = lambda: 10  # type: ignore[method-assign]
        self.notifier = Notifier(
            store, world, delay=0, lifetime=60, is_foreground=lambda uid: False, left_within=lambda uid, age: False,
            queued=lambda: None, polls=polls,
        )  # fmt: skip

    async def _read_progress(self) -> NotificationProgress:
        if self.errors:
            raise self.errors.pop(0)
        return self._progress

    async def _messages(self, after: int, up_to: int, limit: int) -> list[MessageRow]:
        return [message(self._number)] if after < self._number else []

    async def _members(self, row: MessageRow, actor: str, after: str, limit: int) -> list[Any]:
        self.begun.append(after)
        if len(self.begun) > self._pages:
            return []
        return [PossibleReceiver(f"user-{len(self.begun)}", False, "", "", 0, 0, False, False)] * MEMBERS_AT_ONCE

    async def _store(self, progress: NotificationProgress) -> None:
        self.stored.append(progress)

    async def _no_rows(self, *_: Any) -> list[Any]:
        return []

    async def _newest_id(self) -> int:
        return 7

    async def _clean_up(self, *_: Any) -> None:
        if self.cleanup_errors:
            raise self.cleanup_errors.pop(0)
        self.cleanups += 1

    async def _none(self, *_: Any) -> int:
        return 0

    async def _any_device(self) -> bool:
        return True


@pytest.mark.parametrize(("removed", "begins_after"), [(False, "mike"), (True, "")])
async def test_receivers_examined_before_an_interruption_are_skipped_only_for_the_message_they_were_examined_for(
    removed: bool, begins_after: str
):
    """A server has ended after the receivers up to mike of message 6."""
    examined = Examined(7 if removed else 6, NotificationProgress(5, "mike", 0))
    await examined.notifier.start()
    await asyncio.sleep(2)
    assert examined.begun == [begins_after]
    await examined.notifier.close()


async def test_progress_within_a_message_is_stored_with_the_id_directly_below_it_although_that_message_was_removed():
    examined = Examined(7, NotificationProgress(5, "mike", 3), pages=1)
    await examined.notifier.start()
    await asyncio.sleep(2)
    assert examined.begun == ["", "user-1"]
    assert examined.stored == [NotificationProgress(6, "user-1", 3), NotificationProgress(7, "", 3)]
    await examined.notifier.close()


@pytest.mark.parametrize("error", [Refused("ERR_UNAVAILABLE"), KeyError("unexpected")], ids=["refused", "unexpected"])
async def test_message_is_examined_for_notifications_again_after_an_error(
    error: Exception, caplog: pytest.LogCaptureFixture
):
    examined = Examined(6, NotificationProgress(5, "", 0))
    examined.errors = [error, error]
    await examined.notifier.start()
    await asyncio.sleep(3 * RETRY_SECONDS)
    assert examined.begun == [""]
    assert [record.message.partition(";")[0] for record in caplog.records] == [
        "push notifications could not be queued"
    ] * 2
    await examined.notifier.close()


@pytest.mark.parametrize("error", [Refused("ERR_UNAVAILABLE"), KeyError("unexpected")], ids=["refused", "unexpected"])
async def test_messages_of_other_servers_are_looked_for_again_after_an_error(
    error: Exception, caplog: pytest.LogCaptureFixture
):
    examined = Examined(7, NotificationProgress(6, "", 0), polls=True)
    examined.notifier.is_mine = lambda: True
    await examined.notifier.start()
    examined.notifier._noted.clear()
    examined.errors = [error]
    await asyncio.sleep(3 * POLL_SECONDS)
    assert examined.begun == [""]
    assert [record.message.partition(";")[0] for record in caplog.records] == [
        "messages of other servers could not be examined"
    ]
    await examined.notifier.close()


@pytest.mark.parametrize("error", [Refused("ERR_UNAVAILABLE"), KeyError("unexpected")], ids=["refused", "unexpected"])
async def test_old_notifications_are_removed_again_after_an_error(error: Exception, caplog: pytest.LogCaptureFixture):
    examined = Examined(7, NotificationProgress(7, "", 0))
    examined.cleanup_errors = [error]
    await examined.notifier.start()
    await asyncio.sleep(SWEEP_SECONDS + 1)
    assert examined.cleanup_errors == []
    assert examined.cleanups == 1
    assert [record.message.partition(";")[0] for record in caplog.records] == [
        "old push notifications could not be removed"
    ]
    await examined.notifier.close()


@pytest.mark.parametrize("turns", range(5))
async def test_notifier_that_waits_for_another_server_can_be_closed_when_a_message_has_just_come(turns: int):
    """Another server examines messages; this one waits to be the one that does."""
    examined = Examined(6, NotificationProgress(6, "", 0), polls=True)
    examined.notifier.is_mine = lambda: False
    await examined.notifier.start()
    await asyncio.sleep(1.5 * BUCKET_SECONDS)
    examined.notifier.schedule(7)
    for _ in range(turns):
        await asyncio.sleep(0)
    async with asyncio.timeout(60):
        await examined.notifier.close()
    assert (examined.begun, examined.stored) == ([], [])
