"""How long frames wait for messages that other processes have stored, on virtual time."""

from __future__ import annotations

import asyncio

import pytest

from tailwire.server.fanout import held
from tailwire.server.fanout.held import HELD_SECONDS, HeldFrames
from tailwire.server.fanout.order import Order
from tailwire.server.ports.broker import MembershipChange

pytestmark = pytest.mark.virtual


class Local:
    """Records deliveries to the sockets of this process."""

    def __init__(self) -> None:
        self.subjects = {"user.alice"}
        self.delivered: list[str] = []

    def deliver(self, subject: str, publication: MembershipChange) -> None:
        self.delivered.append(publication.guid)


class Stage:
    """An order that waits for messages of another process, and frames that are held until these arrive."""

    def __init__(self) -> None:
        self.local = Local()
        self.frames = HeldFrames(self.local, asyncio.get_running_loop())  # type: ignore[arg-type]
        self.order: Order[str] = Order(10)

    def wait_for(self, highest: int) -> None:
        self.order.record_highest(highest)

    def take(self, guid: str, subject: str = "user.alice") -> None:
        self.frames.deliver_or_hold(self.order, subject, MembershipChange(guid, True))


async def test_frame_is_delivered_at_once_if_nothing_is_missing():
    stage = Stage()
    stage.take("a")
    assert stage.local.delivered == ["a"]
    assert not stage.frames.has_frames


async def test_each_frame_is_delivered_once_the_messages_stored_before_it_are_released():
    stage = Stage()
    stage.wait_for(13)
    stage.take("a")
    stage.wait_for(15)
    stage.take("b")
    assert stage.local.delivered == []
    stage.frames.release(12)
    assert stage.local.delivered == []
    stage.frames.release(13)
    assert stage.local.delivered == ["a"]
    stage.frames.release(20)
    assert stage.local.delivered == ["a", "b"]


async def test_frame_without_a_local_receiver_is_not_held():
    stage = Stage()
    stage.wait_for(13)
    stage.take("a", subject="user.bob")
    assert stage.local.delivered == ["a"]


async def test_each_frame_is_held_for_the_time_limit_counted_from_its_own_arrival():
    stage = Stage()
    stage.wait_for(13)
    for guid in ("a", "b"):
        stage.take(guid)
        await asyncio.sleep(HELD_SECONDS / 2)
    assert stage.local.delivered == ["a"]
    await asyncio.sleep(HELD_SECONDS / 2)
    assert stage.local.delivered == ["a", "b"]
    stage.take("c")
    await asyncio.sleep(HELD_SECONDS * 0.9)
    assert stage.local.delivered == ["a", "b"]
    await asyncio.sleep(HELD_SECONDS * 0.2)
    assert stage.local.delivered == ["a", "b", "c"]


async def test_oldest_held_frame_is_delivered_early_above_the_limit_of_held_frames(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(held, "MAX_HELD_FRAMES", 2)
    stage = Stage()
    stage.wait_for(13)
    for guid in ("a", "b", "c"):
        stage.take(guid)
    assert stage.local.delivered == ["a"]
    stage.frames.close()
    await asyncio.sleep(2 * HELD_SECONDS)
    assert stage.local.delivered == ["a"]
