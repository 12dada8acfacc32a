"""Record the changes that this client made itself.

Listeners are not called for them (except for pins and saved messages), but live lists show them, and catch-up must not
hand them over. A change whose answer arrives when another user is logged in is not recorded: it is not one of theirs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from tailwire.sdk.dispatch.incoming import Incoming
from tailwire.sdk.dispatch.queue import EventQueue
from tailwire.sdk.listeners.events import Event
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

    def show(self, event: object) -> None:
        """Pass an event of the server, or a change of the logged-in user, to the open live lists."""
        if self._lists.opened:
            self._lists.notify(event, self._sessions.uid)

    def notify(self, event: object, by: str) -> None:
        """Pass a change of this client (see `listeners.own`) to the open live lists.

        Args:
            by: the user who was logged in when the call began. If it is another one now, this does nothing.
        """
        if by == self._sessions.uid:
            self.show(event)

    def hand_over(self, event: Event, by: str) -> None:
        """Queue an event for a change of this client that its own listeners receive, too.

        Args:
            by: as for `notify`.
        """
        if by == self._sessions.uid:
            self._queue.put(event)

    def record_stored(self, message: BaseMessage, by: str) -> None:
        """Record that the server stored a message of this client, so that catch-up does not hand it over as missed.

        Open live lists show it.

        Args:
            by: as for `notify`. The next user may be a receiver of the message, and has yet to get it.
        """
        if by != self._sessions.uid:
            return
        self._incoming.record_sent(message)
        self._sessions.served.record_sent_ahead(message.id)
        self.advance_position()
        self.show(MessageStored(message))

    def advance_position(self) -> None:
        """Set the served position to that of the catch-up, and save it soon. Does nothing unless the queue is empty."""
        if self._queue.empty:
            self._sessions.served.record_all_handed_over(self._incoming.machine.position)
            self._sessions.save_soon()
