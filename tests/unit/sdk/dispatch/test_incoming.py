"""The time from which missed receipts are requested: the last one up to which none can be missing (K2)."""

from __future__ import annotations

import asyncio

import pytest

from tailwire.sdk.continuity.state import CatchUp, Position
from tailwire.sdk.continuity.updates import MARGIN_SECONDS
from tailwire.sdk.dispatch.incoming import Incoming
from tailwire.sdk.dispatch.queue import EventQueue
from tailwire.sdk.io.link import Granted
from tailwire.wire.codec import message_from_wire
from tailwire.wire.entities import MessageReceipt, User

KNOWN, LATER = 1_000, 5_000
pytestmark = pytest.mark.spec("K2")


class Setup:
    """An `Incoming`, and a server without a change log that answers when the test tells it to."""

    def __init__(self, updated_at: int) -> None:
        self.requests: asyncio.Queue = asyncio.Queue()
        self.handed: list[object] = []
        self.queue = EventQueue()
        self.queue.start(self._handle, lambda: None)
        self.incoming = Incoming(
            self.queue,
            self._fetch,
            "device",
            CatchUp(),
            lambda: 0.5,
            pong=lambda: None,
            throttled=lambda on: None,
            token_answered=lambda granted: None,
        )
        self.incoming.begin_session("alice", Position(5, updated_at=updated_at))

    async def _fetch(self, query):
        answer = asyncio.get_running_loop().create_future()
        self.requests.put_nowait((query, answer))
        return await answer

    async def _handle(self, entry: object) -> None:
        self.handed.append(entry)

    async def __aenter__(self) -> Setup:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.incoming.close()
        await self.queue.close()

    async def connect(self) -> tuple[int, asyncio.Future]:
        """Connect, and miss no messages. Return the time from which receipts are requested, and the answer's future."""
        self.incoming.link_opened(Granted())
        query, answer = await asyncio.wait_for(self.requests.get(), 10.0)
        assert query["id"] == self.incoming.machine.position.last_id
        answer.set_result([])
        query, answer = await asyncio.wait_for(self.requests.get(), 10.0)
        return query["updatedAt"], answer

    async def caught_up(self) -> None:
        """Connect, and miss nothing."""
        _, answer = await self.connect()
        reading = self.incoming._updater
        answer.set_result([])
        await reading

    def receipt(self) -> None:
        self.incoming.take_receipt(MessageReceipt(5, User("bob"), "alice", "user", "read", LATER), None)

    def message(self) -> None:
        self.incoming.take_message(received(6), {})

    def sent(self) -> None:
        self.incoming.record_sent(received(6))


def received(number: int):
    return message_from_wire({"id": number, "category": "message", "type": "text", "updatedAt": LATER, "data": {}})


HAPPENS = pytest.mark.parametrize("what", [Setup.receipt, Setup.message, Setup.sent], ids=lambda what: what.__name__)


@HAPPENS
async def test_event_while_missed_receipts_are_read_does_not_advance_the_time_of_the_next_request(what):
    async with Setup(KNOWN) as setup:
        assert (await setup.connect())[0] == KNOWN - MARGIN_SECONDS
        what(setup)
        setup.incoming.link_ended()  # before the missed ones have come
        assert (await setup.connect())[0] == KNOWN - MARGIN_SECONDS


@HAPPENS
async def test_event_after_missed_receipts_were_read_advances_the_time_of_the_next_request(what):
    async with Setup(KNOWN) as setup:
        await setup.caught_up()
        what(setup)
        setup.incoming.link_ended()
        assert (await setup.connect())[0] == LATER - MARGIN_SECONDS


async def test_message_sent_without_a_socket_does_not_advance_the_time_of_the_next_request():
    async with Setup(KNOWN) as setup:
        await setup.caught_up()
        setup.incoming.link_ended()
        setup.sent()
        assert (await setup.connect())[0] == KNOWN - MARGIN_SECONDS


async def test_first_own_message_of_a_new_session_sets_the_time_of_the_next_request():
    async with Setup(0) as setup:
        setup.sent()
        assert (await setup.connect())[0] == LATER - MARGIN_SECONDS
