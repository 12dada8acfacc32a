"""One entry of the queue reaches live lists, listeners and streams, and moves the position once it was handed over."""

from __future__ import annotations

import asyncio

import pytest

from tailwire import ConnectionChanged, ConnectionListener, ConnectionStatus, MessageListener, MessageReceived
from tailwire.sdk.continuity.state import Position
from tailwire.sdk.dispatch.callbacks import Callbacks, ListenerRegistries, StatusChanged
from tailwire.sdk.dispatch.dispatcher import Dispatcher, Positioned
from tailwire.sdk.dispatch.served import Served
from tailwire.wire.codec import message_from_wire

MESSAGE = MessageReceived(
    message_from_wire({"id": "7", "category": "message", "type": "text", "data": {"text": "hello"}})
)


class Setup:
    """A dispatcher, what it called, and its parts."""

    def __init__(self) -> None:
        self.registries, self.served, self.calls = ListenerRegistries(), Served(), []
        self.closing = False
        self.served.begin(Position(6))
        self.stream = self.registries.streams.open()
        self.dispatcher = Dispatcher(
            Callbacks(self.registries),
            self.served,
            observe=lambda entry: self.calls.append(("observed", entry)),
            moved=lambda: self.calls.append("moved"),
            connected=lambda: self.calls.append("connected"),
            closing=lambda: self.closing,
        )

    def listen(self, on_message):
        class Listener(MessageListener):
            async def on_text_message_received(self, message):
                await on_message()

        self.registries.message.add("it", Listener())


async def test_position_moves_after_the_listener_has_returned():
    setup, places = Setup(), []

    async def listener():
        places.append(setup.served.position.last_id)

    setup.listen(listener)
    await setup.dispatcher.handle(Positioned(MESSAGE, Position(7)))
    assert (places, setup.served.position.last_id) == ([6], 7)
    assert setup.calls == [("observed", MESSAGE), "moved"]
    assert await anext(setup.stream) is MESSAGE


@pytest.mark.parametrize(("closing", "place"), [(True, 6), (False, 7)])
async def test_interrupted_listener_moves_the_position_unless_the_client_is_closing(closing, place):
    setup, begun = Setup(), asyncio.Event()

    async def listener():
        begun.set()
        await asyncio.Event().wait()

    setup.listen(listener)
    task = asyncio.create_task(setup.dispatcher.handle(Positioned(MESSAGE, Position(7))))
    await begun.wait()
    setup.closing = closing
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert setup.served.position.last_id == place


@pytest.mark.parametrize("status", ConnectionStatus)
async def test_each_status_reaches_listeners_and_each_but_connected_reaches_streams(status):
    setup, heard = Setup(), []

    class Listener(ConnectionListener):
        def on_connected(self):
            heard.append(ConnectionStatus.CONNECTED)

        def on_connecting(self):
            heard.append(ConnectionStatus.CONNECTING)

        def on_disconnected(self):
            heard.append(ConnectionStatus.DISCONNECTED)

        def on_feature_throttled(self):
            heard.append(ConnectionStatus.FEATURE_THROTTLED)

    setup.registries.connection.add("it", Listener())
    await setup.dispatcher.handle(StatusChanged(status))
    connected = status is ConnectionStatus.CONNECTED
    assert heard == [status]
    assert ("connected" in setup.calls) == connected
    setup.stream.close()
    assert [event async for event in setup.stream] == ([] if connected else [ConnectionChanged(status)])


async def test_streams_are_notified_when_throttling_ends():
    setup = Setup()
    for status in (ConnectionStatus.FEATURE_THROTTLED, ConnectionStatus.CONNECTED, ConnectionStatus.CONNECTED):
        await setup.dispatcher.handle(StatusChanged(status))
    setup.stream.close()
    throttled, connected = (
        ConnectionChanged(ConnectionStatus.FEATURE_THROTTLED),
        ConnectionChanged(ConnectionStatus.CONNECTED),
    )
    assert [event async for event in setup.stream] == [throttled, connected]
    assert ("observed", throttled) in setup.calls
    assert ("observed", connected) not in setup.calls  # live lists would request everything twice
