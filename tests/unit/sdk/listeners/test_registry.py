"""Streams of events: what is left of those for a user who is no longer logged in."""

from __future__ import annotations

import pytest

from tailwire.sdk.connection.state import ConnectionStatus
from tailwire.sdk.listeners.events import ConnectionChanged, Event, MessageReceived
from tailwire.sdk.listeners.registry import Streams
from tailwire.wire.entities import TextMessage

pytestmark = pytest.mark.virtual


class Held:
    """`HeldEvents` that holds the events that it is told to hold."""

    def __init__(self) -> None:
        self.wanted: list[Event] = []

    def hold(self, event: Event) -> bool:
        return any(event is one for one in self.wanted)

    def release(self, event: object) -> bool:
        return True

    def substitute(self, event: object, stand_in: object) -> None:
        pass


async def test_event_that_was_dropped_with_its_session_needs_no_acknowledgement_later():
    held = Held()
    streams = Streams(held)
    stream = streams.open_acknowledged()
    event = MessageReceived(TextMessage(receiver="bob", text="hello"))
    held.wanted.append(event)
    await streams.put(event, streams.session)
    streams.end_session()
    held.wanted.clear()
    await streams.put(event, streams.session)  # stands for any later event, which may get the same `id()`
    assert await anext(stream) is event
    assert stream.not_done == 0


async def test_end_of_a_session_leaves_what_is_about_the_connection():
    streams = Streams()
    stream = streams.open()
    before, session = ConnectionChanged(ConnectionStatus.CONNECTED), streams.session
    await streams.put(before, session)
    await streams.put(MessageReceived(TextMessage(receiver="bob", text="hello")), session)
    streams.end_session()
    late, after = (
        MessageReceived(TextMessage(receiver="bob", text="late")),
        ConnectionChanged(ConnectionStatus.CONNECTING),
    )
    await streams.put(late, session)
    await streams.put(after, session)
    streams.close()
    assert [event async for event in stream] == [before, after]
