"""Which user is reported as online and offline, whenever their sockets are lost, on virtual time."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from tailwire.server.broker.memory import MemoryBroker
from tailwire.server.config import Settings
from tailwire.server.fanout.hub import Hub
from tailwire.server.gateway.gateway import Gateway
from tailwire.server.ports.refusal import Refused
from tailwire.server.telemetry.metrics import Metrics
from tailwire.wire.close_codes import CloseCode
from unit.server.gateway.fake_sockets import FakeSocket

pytestmark = pytest.mark.virtual


class Entrance:
    """A gateway. Reading the groups of a user takes a second.

    Attributes:
        reported: the states in which users were reported, in order.
        refuses: what cannot be read, so that sockets are closed while they authenticate: "groups" or "messages".
        closed: the codes with which the gateway has closed sockets.
    """

    def __init__(self) -> None:
        self.reported: list[str] = []
        self.refuses = ""
        self.closed: list[int] = []
        loop, broker, metrics = asyncio.get_running_loop(), MemoryBroker(), Metrics()
        broker.passed = self._passed  # type: ignore[method-assign]
        others: Any = SimpleNamespace(
            groups_of=self._read_groups, admit=self._admit, confirm=self._confirm, welcome=lambda socket: None, renew=None,
            user_came_online=self._came_online, user_went_offline=self._went_offline, listen=lambda call: None,
            socket_opened=lambda **facts: None, socket_closed=lambda **facts: None,
        )  # fmt: skip
        self.hub = Hub(broker, metrics, loop.call_soon, slow_close=1000)
        self._settings = Settings(data="unused")
        self._gateway = Gateway(
            loop, self._settings, self.hub, others, others, others, metrics, others, others, others, others
        )
        self.pause = self._settings.presence_grace + 2 * self._settings.sweep_interval

    async def _admit(self, socket: FakeSocket, auth: Any) -> bool:
        socket.uid = "bob"
        return True

    async def _confirm(self, socket: FakeSocket) -> bool:
        return True

    async def _read_groups(self, uid: str) -> dict[str, int]:
        await asyncio.sleep(1)
        if self.refuses == "groups":
            raise Refused("ERR_UNAVAILABLE")
        return {}

    async def _passed(self, number: int) -> None:
        if self.refuses == "messages":
            raise Refused("ERR_UNAVAILABLE")

    async def _came_online(self, uid: str, platform: str) -> None:
        self.reported.append("online")

    async def _went_offline(self, uid: str) -> None:
        self.reported.append("offline")

    def open(self, *features: str) -> FakeSocket:
        """Open a socket, and begin to authenticate it, which takes a second."""
        socket = FakeSocket(
            inbox=None, frames=0, held_until=0.0, token_until=0.0, presence=None, chained=False, groups=set(),
            closed_on_purpose=False, features=frozenset(features), heard_at=asyncio.get_running_loop().time(),
            process_more=lambda: None, close=lambda code, reason: self._close(socket, code), write=lambda data: None,
        )  # fmt: skip
        self._gateway.register(socket)
        self._gateway.handle_text(socket, b'{"type":"auth","body":{"auth":"pass"}}')
        return socket

    def _close(self, socket: FakeSocket, code: int) -> None:
        self.closed.append(code)
        self.lose(socket)

    def lose(self, socket: FakeSocket) -> None:
        """Let the gateway notice that a socket is lost."""
        self._gateway.forget(socket)

    async def close(self, *sockets: FakeSocket) -> None:
        """Lose sockets, wait until nobody is online, and stop the gateway."""
        for socket in sockets:
            self.lose(socket)
        await asyncio.sleep(self.pause)
        assert self.hub.users_online == 0
        await self._gateway.close()


async def test_user_whose_first_socket_is_lost_while_it_authenticates_is_reported_with_the_next_one():
    entrance = Entrance()
    lost = entrance.open("grace")
    await asyncio.sleep(0.5)
    entrance.lose(lost)
    await asyncio.sleep(1)
    assert entrance.reported == []
    later = entrance.open("grace")
    await asyncio.sleep(1.5)
    assert entrance.reported == ["online"]
    await entrance.close(later)
    assert entrance.reported == ["online", "offline"]


@pytest.mark.parametrize("features", [(), ("grace",)], ids=["no grace", "grace"])
async def test_user_is_reported_although_the_first_of_two_devices_is_lost_while_both_authenticate(features):
    entrance = Entrance()
    lost = entrance.open(*features)
    await asyncio.sleep(0.5)
    other = entrance.open(*features)
    await asyncio.sleep(0.2)
    entrance.lose(lost)
    await asyncio.sleep(2)
    assert entrance.reported == ["online"]
    await entrance.close(other)
    assert entrance.reported == ["online", "offline"]


@pytest.mark.parametrize("unreadable", ["groups", "messages"])
async def test_socket_that_cannot_be_admitted_is_closed_and_its_user_reported_with_the_next_one(unreadable):
    entrance = Entrance()
    entrance.refuses = unreadable
    entrance.open("grace")
    await asyncio.sleep(1.5)
    assert entrance.closed == [CloseCode.TRY_AGAIN_LATER]
    entrance.refuses = ""
    later = entrance.open("grace")
    await asyncio.sleep(1.5)
    assert entrance.reported == ["online"]
    await entrance.close(later)


async def test_user_with_several_devices_is_reported_once():
    entrance = Entrance()
    first, second = entrance.open("grace"), entrance.open("grace")
    await asyncio.sleep(1.5)
    third = entrance.open("grace")
    await asyncio.sleep(1.5)
    entrance.lose(third)
    fourth = entrance.open("grace")
    await asyncio.sleep(1.5)
    assert entrance.reported == ["online"]
    await entrance.close(first, second, fourth)
    assert entrance.reported == ["online", "offline"]


async def test_user_who_comes_back_is_reported_again():
    entrance = Entrance()
    for round in (1, 2):
        socket = entrance.open("grace")
        await asyncio.sleep(1.5)
        entrance.lose(socket)
        await asyncio.sleep(entrance.pause)
        assert entrance.reported == ["online", "offline"] * round
    await entrance.close()
