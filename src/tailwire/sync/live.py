"""Lists that are kept up to date by events, for the blocking client."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any, Generic, TypeVar, cast

from tailwire.sdk.exceptions import CometChatException, failure
from tailwire.sdk.live.changes import Change, ChangeKind
from tailwire.sdk.live.conversation_list import LiveConversation
from tailwire.sdk.live.message_list import LiveMessage
from tailwire.sync.closing import Closable
from tailwire.sync.iterating import Iterating
from tailwire.sync.proxies import OutboxEntry
from tailwire.sync.proxy import BlockingProxy, checked_seconds
from tailwire.sync.pumping import pump
from tailwire.wire.entities import User

T = TypeVar("T")


class LiveList(BlockingProxy, Closable, Generic[T]):
    """A list that is kept up to date by the client's events. It may be used from several threads.

    It is updated until it is closed, even if nothing refers to it. So close it when it is no longer shown.
    """

    @property
    def items(self) -> tuple[T, ...]:
        """The current items, in order. Functions that are called with changes should use the changes instead."""
        return tuple(self._as_blocking(item) for item in self._target.items)

    @property
    def closed(self) -> bool:
        """Whether the list is closed. Its last items can still be read."""
        return cast(bool, self._target.closed)

    @property
    def error(self) -> CometChatException | None:
        """Why the last request to the server failed; None if it succeeded. It is retried if that may help."""
        return cast("CometChatException | None", self._target.error)

    @property
    def uid(self) -> str:
        """The uid of the user who was logged in when the list was created."""
        return cast(str, self._target.uid)

    def subscribe(self, callback: Callable[[Change[T]], object]) -> Callable[[], None]:
        """Call a function with the current items and each change from then on.

        The first change is a `reset` with all items. A Python list to which all changes are applied in order has the
        same content as `items`.

        ```python
        rows = []
        stop = messages.subscribe(lambda change: change.apply(rows))
        ```

        Args:
            callback: a plain function. It is called in the app's thread if the client has a `post`, else in the
                client's own thread, one call at a time. If 1,000 changes wait for it, they are replaced by one `reset`.
                Its exceptions are logged.

        Returns:
            A function that ends the subscription, from any thread. It may be called more than once.

        Raises:
            TypeError: `callback` is not a plain function.
            CometChatException: `LIVE_LIST_CLOSED` or `ERR_CLIENT_CLOSED` if the list or the client is closed.
        """
        if not callable(callback) or inspect.iscoroutinefunction(callback):
            raise TypeError("give a plain function, which is called with each change")

        def begin() -> Callable[[], None]:
            if self._target.closed:
                raise failure("LIVE_LIST_CLOSED")
            return pump(
                _Changes(self._target, self._as_blocking), callback, self._client_thread, "tailwire live list changes"
            )

        stop: Callable[[], None] = self._run("subscribe", begin)
        return stop

    def changes(self, timeout: float | None = None) -> Iterating[Change[T]]:
        """Return an iterator over the changes, first a `reset` with all items. It ends when the list is closed.

        Args:
            timeout: seconds without a change after which the iterator ends; None for no limit.

        Raises:
            TypeError: `timeout` is not a number.
            ValueError: `timeout` is not above 0, or is infinite.
            CometChatException: `ERR_CLIENT_CLOSED`.
        """
        limit = checked_seconds(timeout)
        source = self._run("changes", lambda: _Changes(self._target, self._as_blocking))
        return Iterating(self._handle, source, "changes", limit, ends=True)

    def refresh(self) -> None:
        """Read the list from the server again.

        Raises:
            CometChatException: `LIVE_LIST_CLOSED` if the list is closed, or another code of the server.
            TimeoutError: the call took longer than the client's timeout.
        """
        self._call("refresh", (), {})

    def close(self) -> None:
        """Stop updating the list, without waiting. Iterators over its changes end. May be called more than once."""
        try:
            self._client_thread.call_soon(self._target.close)
        except CometChatException as e:
            if e.code != "ERR_CLIENT_CLOSED":  # in which case the list is closed
                raise

    def _as_blocking(self, item: Any) -> T:
        # Convert an item of the async list.
        return cast(T, item)


class LiveConversations(LiveList[LiveConversation]):
    """The user's conversations: pinned ones first, then the most recent. Created by `Client.live_conversations()`."""

    @property
    def complete(self) -> bool:
        """Whether the list contains all conversations, so that `more()` would add none."""
        return cast(bool, self._target.complete)

    def more(self, count: int = 0) -> int:
        """Read the next conversations from the server, and return how many were added to the list.

        Args:
            count: how many to read, 1 to 50; 0 for as many as when the list was created.

        Raises:
            CometChatException: `LIVE_LIST_CLOSED` if the list is closed; `ERROR_NON_POSITIVE_LIMIT` or
                `ERROR_LIMIT_EXCEEDED` if `count` is out of range; or another code of the server.
            TimeoutError: the call took longer than the client's timeout.
        """
        return cast(int, self._call("more", (count,), {}))


class LiveMessages(LiveList[LiveMessage]):
    """The messages of a conversation, oldest first. Created by `Client.live_messages()`.

    A message that is queued on the device has an `entry` (`OutboxEntry`), with blocking methods.
    """

    @property
    def complete(self) -> bool:
        """Whether the list contains the first message of the conversation or thread."""
        return cast(bool, self._target.complete)

    @property
    def typing(self) -> tuple[User, ...]:
        """The users who are typing in this conversation."""
        return cast("tuple[User, ...]", self._run("typing", lambda: self._target.typing))

    @property
    def gone(self) -> bool:
        """Whether the user is no longer a member of the group, because they left it, were removed, or it was deleted.

        The items stay in the list, unless an event reports the deletion of the group, which empties the list.
        """
        return cast(bool, self._target.gone)

    def older(self, count: int = 0) -> int:
        """Read older messages from the server, and return how many were added to the list.

        Args:
            count: how many to read, 1 to 100; 0 for as many as when the list was created.

        Raises:
            CometChatException: `LIVE_LIST_CLOSED` if the list is closed; `ERROR_NON_POSITIVE_LIMIT` or
                `ERROR_LIMIT_EXCEEDED` if `count` is out of range; or another code of the server.
            TimeoutError: the call took longer than the client's timeout.
        """
        return cast(int, self._call("older", (count,), {}))

    def _as_blocking(self, item: LiveMessage) -> LiveMessage:
        if item.entry is None:
            return item
        return replace(item, entry=OutboxEntry(self._handle, item.entry, self._limit))


class _Changes(Generic[T]):
    """Iterates over a `reset` with the current items of an async live list, and then its changes.

    Must be created in the client's thread.

    Args:
        live: the async live list.
        item: converts an item of the async list to one of the blocking list.
    """

    def __init__(self, live: Any, item: Callable[[Any], T]) -> None:
        self._as_blocking = item
        self._first: Change[Any] | None = Change(ChangeKind.RESET, items=live.items)
        self._rest: AsyncIterator[Change[Any]] = live.changes()

    def __aiter__(self) -> AsyncIterator[Change[T]]:
        return self

    async def __anext__(self) -> Change[T]:
        change, self._first = self._first, None
        if change is None:
            change = await self._rest.__anext__()
        item = None if change.item is None else self._as_blocking(change.item)
        return replace(change, item=item, items=tuple(map(self._as_blocking, change.items)))


LIVE_LISTS: dict[str, type[LiveConversations | LiveMessages]] = {
    "live_conversations": LiveConversations,
    "live_messages": LiveMessages,
}
"""The classes of live lists, by the names of the client's methods that create them."""
