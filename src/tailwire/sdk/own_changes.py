"""Record the changes that this client made itself.

Listeners are not called for them, but live lists show them, and catch-up must not hand them over.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from tailwire.sdk.dispatch.incoming import Incoming
from tailwire.sdk.dispatch.queue import EventQueue
from tailwire.sdk.listeners.own import MessageStored
from tailwire.sdk.session_holder import SessionHolder
from tailwire.wire.entities import BaseMessage


class EventSink(Protocol):
    """The live lists of a client, which are updated by all its events."""

    @property
    def opened(self) -> Mapping[Any, None]:
        """The open lists, as the keys of a mapping; empty if there are none."""

    def notify(self, event: object, uid: str) -> None:
        """Update the open lists.

        Args:
            event: an event from the server, or a change that this client made (see `listeners.own`).
            uid: the logged-in user; "" without one.
        """


class OwnChanges:
    """Records what this client changed, and passes its own changes and all events of the server to the live lists."""

    def __init__(self, sessions: SessionHolder, incoming: Incoming, queue: EventQueue, lists: EventSink) -> None:
        self._sessions = sessions
        self._incoming = incoming
        self._queue = queue
        self._lists = lists

    def notify(self, event: object) -> None:
        """Pass an event of the server, or a change of this client (see `listeners.own`), to the open live lists."""
        if self._lists.opened:
            self._lists.notify(event, self._sessions.uid)

    def record_stored(self, message: BaseMessage) -> None:
        """Record that the server stored a message of this client, so that catch-up does not hand it over as missed.

        Open live lists show it.
        """
        self._incoming.record_sent(message)
        self._sessions.served.record_sent_ahead(message.id)
        self.advance_position()
        self.notify(MessageStored(message))

    def advance_position(self) -> None:
        """Set the served position to that of the catch-up, and save it soon. Does nothing unless the queue is empty."""
        if self._queue.empty:
            self._sessions.served.record_all_handed_over(self._incoming.machine.position)
            self._sessions.save_soon()
