"""Add and remove listeners, and open streams of events; all of this is possible before `init()`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, overload

from tailwire.sdk.dispatch.callbacks import ListenerRegistries
from tailwire.sdk.listeners.interfaces import (
    ConnectionListener,
    GroupListener,
    LoginListener,
    MessageListener,
    UserListener,
)
from tailwire.sdk.listeners.registry import AcknowledgedStream, EventStream


class ListenerCalls:
    """The calls that register listeners.

    Args:
        added: called by `add_connection_listener` with the id and the listener, so that it can notify the listener of
            the current status.
    """

    def __init__(self, registries: ListenerRegistries, added: Callable[[str, ConnectionListener], None]) -> None:
        self._registries = registries
        self._added = added

    def add_connection_listener(self, listener_id: str, listener: ConnectionListener) -> None:
        """Add a listener for the status of the connection. After `init()`, it is notified of the current status.

        Args:
            listener_id: replaces the connection listener with the same id.
            listener: a subclass of `ConnectionListener` that overrides the methods to call.

        Raises:
            CometChatException: `ERR_INVALID_ARGUMENT` if the listener is not an instance of that class, overrides none
                of its methods, or has a method with other parameters or a misspelt name.
        """
        self._registries.connection.add(listener_id, listener)
        self._added(listener_id, listener)

    def remove_connection_listener(self, listener_id: str) -> None:
        """Remove a connection listener. An unknown id is ignored.

        Args:
            listener_id: the id with which it was added.
        """
        self._registries.connection.remove(listener_id)

    def add_login_listener(self, listener_id: str, listener: LoginListener) -> None:
        """Add a listener for logins and logouts.

        Args:
            listener_id: replaces the login listener with the same id.
            listener: a subclass of `LoginListener` that overrides the methods to call.

        Raises:
            CometChatException: `ERR_INVALID_ARGUMENT` if the listener is not an instance of that class, overrides none
                of its methods, or has a method with other parameters or a misspelt name.
        """
        self._registries.login.add(listener_id, listener)

    def remove_login_listener(self, listener_id: str) -> None:
        """Remove a login listener. An unknown id is ignored.

        Args:
            listener_id: the id with which it was added.
        """
        self._registries.login.remove(listener_id)

    def add_user_listener(self, listener_id: str, listener: UserListener) -> None:
        """Add a listener for the presence of those users to whom `AppSettings.presence` subscribes.

        Args:
            listener_id: replaces the user listener with the same id.
            listener: a subclass of `UserListener` that overrides the methods to call.

        Raises:
            CometChatException: `ERR_INVALID_ARGUMENT` if the listener is not an instance of that class, overrides none
                of its methods, or has a method with other parameters or a misspelt name.
        """
        self._registries.user.add(listener_id, listener)

    def remove_user_listener(self, listener_id: str) -> None:
        """Remove a user listener. An unknown id is ignored.

        Args:
            listener_id: the id with which it was added.
        """
        self._registries.user.remove(listener_id)

    def add_group_listener(self, listener_id: str, listener: GroupListener) -> None:
        """Add a listener for changes of membership in the logged-in user's groups.

        Args:
            listener_id: replaces the group listener with the same id.
            listener: a subclass of `GroupListener` that overrides the methods to call.

        Raises:
            CometChatException: `ERR_INVALID_ARGUMENT` if the listener is not an instance of that class, overrides none
                of its methods, or has a method with other parameters or a misspelt name.
        """
        self._registries.group.add(listener_id, listener)

    def remove_group_listener(self, listener_id: str) -> None:
        """Remove a group listener. An unknown id is ignored.

        Args:
            listener_id: the id with which it was added.
        """
        self._registries.group.remove(listener_id)

    def add_message_listener(self, listener_id: str, listener: MessageListener) -> None:
        """Add a listener for messages, their changes (edits, reactions, pins, receipts), typing indicators and drafts.

        Args:
            listener_id: replaces the message listener with the same id.
            listener: a subclass of `MessageListener` that overrides the methods to call.

        Raises:
            CometChatException: `ERR_INVALID_ARGUMENT` if the listener is not an instance of that class, overrides none
                of its methods, or has a method with other parameters or a misspelt name.
        """
        self._registries.message.add(listener_id, listener)

    def remove_message_listener(self, listener_id: str) -> None:
        """Remove a message listener. An unknown id is ignored.

        Args:
            listener_id: the id with which it was added.
        """
        self._registries.message.remove(listener_id)

    @overload
    def events(self) -> EventStream: ...
    @overload
    def events(self, *, acknowledge: Literal[True]) -> AcknowledgedStream: ...
    @overload
    def events(self, *, acknowledge: bool) -> EventStream: ...

    def events(self, *, acknowledge: bool = False) -> EventStream:
        """Return a new stream of all events from now on, for `async for`. `EventStream` says how it is buffered.

        ```python
        async for event in chat.events():
            if isinstance(event, MessageReceived):
                print(event.message)
        ```

        Args:
            acknowledge: whether the app acknowledges each event, by passing it to `AcknowledgedStream.done`. A message
                that was not acknowledged before the process ended then arrives again after the next start. Open such a
                stream before `init()`, so that it misses nothing.
        """
        return self._registries.streams.open_acknowledged() if acknowledge else self._registries.streams.open()
