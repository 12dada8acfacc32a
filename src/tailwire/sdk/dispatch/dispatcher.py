"""Dispatch the entries of the event queue to live lists, listeners and streams, and record how far the app was served.

An event with a position counts as served when it has been handed over, even if a listener raised. If closing the
client interrupts the hand-over, it does not count, and the next start hands it over again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tailwire.sdk.connection.state import ConnectionStatus
from tailwire.sdk.continuity.state import Position
from tailwire.sdk.dispatch.callbacks import Callbacks, StatusChanged
from tailwire.sdk.dispatch.served import Served
from tailwire.sdk.listeners.events import ConnectionChanged, Event

_CONNECTED = StatusChanged(ConnectionStatus.CONNECTED)


@dataclass(slots=True)
class Positioned:
    """A queue entry: an event that moves the position.

    Attributes:
        event: what the app receives.
        position: how far the app has been served once it has received the event; None while no position is known.
    """

    event: Event
    position: Position | None


class Dispatcher:
    """Handles the queue entries one after the other.

    Args:
        callbacks: calls the listeners and fills the streams.
        served: records the position.
        observe: called with every entry before the app is, for the live lists.
        moved: called when `served.position` may have moved, so that it can be saved.
        connected: called when the status becomes `connected`.
        closing: returns whether the client is being closed. An event whose hand-over is interrupted meanwhile does not
            count as served.
    """

    def __init__(
        self,
        callbacks: Callbacks,
        served: Served,
        *,
        observe: Callable[[object], None],
        moved: Callable[[], None],
        connected: Callable[[], None],
        closing: Callable[[], bool],
    ) -> None:
        self._callbacks = callbacks
        self._served = served
        self._observe = observe
        self._moved = moved
        self._connected = connected
        self._closing = closing
        self._throttled = False
        self._running: Event | None = None

    async def handle(self, entry: object) -> None:
        """Hand an entry of the queue over to live lists, listeners and streams, and wait until they have taken it.

        An exception of the app's code is logged and not raised.
        """
        if type(entry) is not Positioned:
            self._running = None
            if entry == _CONNECTED:
                self._connected()
            self._observe(entry)
            await self._callbacks.handle(entry)
            if type(entry) is StatusChanged:
                await self._report_to_streams(entry.status)
            return
        event = self._running = entry.event
        self._served.open(event, entry.position)
        try:
            self._observe(event)
            await self._callbacks.handle(event)
        except BaseException:
            if not self._closing() and self._served.release(event):
                self._moved()
            raise
        if self._running is None:  # a listener has closed the client
            return
        if self._served.release(event):  # false if a stream holds it, or another login has replaced the position
            self._moved()

    def finish_running(self) -> None:
        """Count the event that is being handed over as served, because one of its listeners closes the client.

        Streams receive it before, as their last event.
        """
        event, self._running = self._running, None
        if event is not None:
            self._callbacks.put_last(event)
            self._served.release(event)

    async def _report_to_streams(self, status: ConnectionStatus) -> None:
        was_throttled, self._throttled = self._throttled, status is ConnectionStatus.FEATURE_THROTTLED
        event = ConnectionChanged(status)
        if status is not ConnectionStatus.CONNECTED:
            self._observe(event)
        elif not was_throttled:
            return  # a new socket: `Incoming` queues the event with its continuity
        # The same socket is no longer throttled: nothing was missed, and live lists act on `StatusChanged`.
        await self._callbacks.handle(event)
