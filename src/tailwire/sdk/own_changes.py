"""Changes that this client made itself: its listeners are not called, but its position and its live lists follow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from tailwire.sdk.dispatch.incoming import Incoming
from tailwire.sdk.dispatch.queue import EventQueue
from tailwire.sdk.listeners.own import MessageStored
from tailwire.sdk.session_holder import SessionHolder
from tailwire.wire.entities import BaseMessage


class EventSink(Protocol):
    """Something that follows all events of a client: its live lists."""

    @property
    def opened(self) -> Mapping[Any, None]:
        """The open lists, as keys."""

    def notify(self, event: object, uid: str) -> None:
        """Process an event of the server, or a change of this client, for the logged-in user with this uid."""


class OwnChanges:
    """Records what this client changed, and passes it and all other events to the live lists."""

    def __init__(self, sessions: SessionHolder, incoming: Incoming, queue: EventQueue, lists: EventSink) -> None:
        self._sessions = sessions
        self._incoming = incoming
        self._queue = queue
        self._lists = lists

    def notify(self, event: object) -> None:
        """Pass an event of the server, or a change of this client (see `listeners.own`), to the live lists."""
        if self._lists.opened:
            self._lists.notify(event, self._sessions.uid)

    def record_stored(self, message: BaseMessage) -> None:
        """Record that the server stored a message of this client: catch-up must not hand it over as missed."""
        self._incoming.record_sent(message)
        self._sessions.served.record_sent_ahead(message.id)
        self.advance_position()
        self.notify(MessageStored(message))

    def advance_position(self) -> None:
        """Move the served position to that of the catch-up, if nothing waits to be handed over."""
        if self._queue.empty:
            self._sessions.served.record_all_handed_over(self._incoming.machine.position)
            self._sessions.save_soon()
