"""Add and remove listeners, and open streams of events."""

from __future__ import annotations

from typing import Literal, overload

from tailwire.sdk.connection.state import ConnectionStatus
from tailwire.sdk.dispatch.callbacks import LateListener, Registries
from tailwire.sdk.dispatch.queue import EventQueue
from tailwire.sdk.listeners.interfaces import (
    ConnectionListener,
    GroupListener,
    LoginListener,
    MessageListener,
    UserListener,
)
from tailwire.sdk.listeners.registry import AcknowledgedStream, EventStream


class ListeningCalls:
    """The part of a client that registers who hears what. The same id replaces the earlier listener.

    A listener that would hear nothing is refused with `ERR_INVALID_ARGUMENT`: one that is not derived from its class,
    or that has a method whose name is almost that of a callback.
    """

    _registries: Registries
    _queue: EventQueue | None

    def get_connection_status(self) -> ConnectionStatus:
        """The status of now."""
        raise NotImplementedError

    def add_connection_listener(self, listener_id: str, listener: ConnectionListener) -> None:
        """Hear of the connection. Added after `init()`, the listener is told the status of now."""
        self._registries.connection.add(listener_id, listener)
        if self._queue is not None:
            self._registries.late.append(listener)
            self._queue.put(LateListener(listener_id, listener, self.get_connection_status()))

    def remove_connection_listener(self, listener_id: str) -> None:
        """Hear of it no more."""
        self._registries.connection.remove(listener_id)

    def add_login_listener(self, listener_id: str, listener: LoginListener) -> None:
        """Hear of logins and logouts."""
        self._registries.login.add(listener_id, listener)

    def remove_login_listener(self, listener_id: str) -> None:
        """Hear of them no more."""
        self._registries.login.remove(listener_id)

    def add_user_listener(self, listener_id: str, listener: UserListener) -> None:
        """Hear of presence."""
        self._registries.user.add(listener_id, listener)

    def remove_user_listener(self, listener_id: str) -> None:
        """Hear of it no more."""
        self._registries.user.remove(listener_id)

    def add_group_listener(self, listener_id: str, listener: GroupListener) -> None:
        """Hear of the membership of the user's groups."""
        self._registries.group.add(listener_id, listener)

    def remove_group_listener(self, listener_id: str) -> None:
        """Hear of it no more."""
        self._registries.group.remove(listener_id)

    def add_message_listener(self, listener_id: str, listener: MessageListener) -> None:
        """Hear of messages, typing and receipts."""
        self._registries.message.add(listener_id, listener)

    def remove_message_listener(self, listener_id: str) -> None:
        """Hear of them no more."""
        self._registries.message.remove(listener_id)

    @overload
    def events(self) -> EventStream: ...
    @overload
    def events(self, *, acknowledge: Literal[True]) -> AcknowledgedStream: ...
    @overload
    def events(self, *, acknowledge: bool) -> EventStream: ...

    def events(self, *, acknowledge: bool = False) -> EventStream:
        """Everything from now on, typed, for `async for`.

        Args:
            acknowledge: the app says of each event when it is done (`AcknowledgedStream.done`). Then a message whose
                work a crash or a kill cut short is handed over again at the next start. Open the stream before
                `init()`, so that it misses nothing.
        """
        return self._registries.streams.open_acknowledged() if acknowledge else self._registries.streams.open()
