"""A token that is revoked while a socket authenticates with it, or renews it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from tailwire.server.actions.sessions import Admitted
from tailwire.server.broker.memory import MemoryBroker
from tailwire.server.config import Settings
from tailwire.server.fanout.hub import Hub
from tailwire.server.gateway.authentication import Authenticator
from tailwire.server.gateway.gateway import Gateway
from tailwire.server.ports.refusal import Refused
from tailwire.server.telemetry.metrics import Metrics
from tailwire.wire.close_codes import CloseCode
from unit.server.gateway.fake_sockets import FakeSocket

pytestmark = pytest.mark.virtual
READ_SECONDS = 1.0


class Entrance:
    """A gateway whose store takes a second to answer who owns a token.

    Attributes:
        valid: the tokens that are valid.
        fails: whether tokens cannot be read after the first time.
        closed: the codes with which sockets were closed.
        frames: what was written to sockets.
    """

    def __init__(self) -> None:
        self.valid = {"first", "second"}
        self.fails = False
        self.closed: list[int] = []
        self.frames: list[bytes] = []
        loop, broker, metrics = asyncio.get_running_loop(), MemoryBroker(), Metrics()
        others: Any = SimpleNamespace(
            admit=self._admit, is_revoked=self._is_revoked, groups_of=self._groups_of, listen=lambda call: None, level=0,
            user_came_online=self._report, user_went_offline=self._report, seconds_until_allowed=lambda *who: 0,
            record_success=lambda *who: None, milliseconds=lambda: 0, socket_opened=lambda **facts: None,
        )  # fmt: skip
        self.hub = Hub(broker, metrics, loop.call_soon, slow_close=1000)
        settings = Settings(data="unused")
        authenticator = Authenticator(
            loop, settings, others, metrics, others, others, others, others, epoch=dict, app_id="app"
        )
        self.gateway = Gateway(
            loop, settings, self.hub, others, others, others, metrics, others, others, authenticator, others
        )

    async def _admit(self, token: str) -> Admitted:
        owned = token in self.valid
        await asyncio.sleep(READ_SECONDS)
        assert owned
        return Admitted("bob", token, None)

    async def _is_revoked(self, token: str) -> bool:
        await asyncio.sleep(READ_SECONDS)
        if self.fails:
            raise Refused("ERR_UNAVAILABLE")
        return token not in self.valid

    async def _groups_of(self, uid: str) -> dict[str, int]:
        return {}

    async def _report(self, *facts: str) -> None:
        """Do nothing: who is online does not matter here."""

    def revoke(self, token: str) -> None:
        """Revoke a token, and close the sockets that are known by it now."""
        self.valid.discard(token)
        self.hub.revoke("bob", token)

    def open(self) -> FakeSocket:
        """Open a socket, and begin to authenticate it."""
        socket = FakeSocket(
            inbox=None, frames=0, held_until=0.0, token_until=0.0, presence=None, chained=False, groups=set(),
            unauthenticated_slot=None, process_more=lambda: None, write=self.frames.append,
            close=lambda code, reason: self.closed.append(code),
        )  # fmt: skip
        self.gateway.register(socket)
        self.authenticate(socket, "first")
        return socket

    def authenticate(self, socket: FakeSocket, token: str) -> None:
        """Receive an auth frame from a socket."""
        frame = b'{"type":"auth","body":{"auth":"%s","params":{"tailwire":{"features":["renew"]}}}}' % token.encode()
        self.gateway.handle_text(socket, frame)


async def test_socket_whose_token_is_revoked_before_the_hub_knows_it_is_closed():
    entrance = Entrance()
    entrance.open()
    await asyncio.sleep(READ_SECONDS / 2)
    entrance.revoke("first")
    assert entrance.closed == []
    await asyncio.sleep(2 * READ_SECONDS)
    assert (entrance.closed, entrance.frames) == ([CloseCode.NORMAL], [])
    await entrance.gateway.close()


async def test_socket_whose_new_token_is_revoked_during_the_renewal_is_closed():
    entrance = Entrance()
    socket = entrance.open()
    await asyncio.sleep(3 * READ_SECONDS)
    assert len(entrance.frames) == 1
    entrance.authenticate(socket, "second")
    await asyncio.sleep(READ_SECONDS / 2)
    entrance.revoke("second")
    assert entrance.closed == []
    await asyncio.sleep(2 * READ_SECONDS)
    assert (entrance.closed, len(entrance.frames)) == ([CloseCode.NORMAL], 1)
    await entrance.gateway.close()


async def test_socket_whose_token_cannot_be_confirmed_is_closed_until_later():
    entrance = Entrance()
    entrance.fails = True
    entrance.open()
    await asyncio.sleep(3 * READ_SECONDS)
    assert (entrance.closed, entrance.frames) == ([CloseCode.TRY_AGAIN_LATER], [])
    await entrance.gateway.close()
