"""The blocking faces of live lists: conversations, and the messages of one."""

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
    """A list that is kept as the server has it. Any number of threads may look at it.

    It is kept until it is closed, also when nobody holds it: close it when nobody looks at it any more.
    """

    @property
    def items(self) -> tuple[T, ...]:
        """The items, in order, as they are now. What follows `subscribe` draws from the changes instead."""
        return tuple(self._item(item) for item in self._target.items)

    @property
    def closed(self) -> bool:
        """Whether the list is kept no longer. Its last items can still be read."""
        return cast(bool, self._target.closed)

    @property
    def error(self) -> CometChatException | None:
        """Why the server could not be asked at the last try; None when all is well. It is tried again."""
        return cast("CometChatException | None", self._target.error)

    @property
    def uid(self) -> str:
        """The user whose list it is."""
        return cast(str, self._target.uid)

    def subscribe(self, callback: Callable[[Change[T]], object]) -> Callable[[], None]:
        """Hear of the items of now and of each change from then on.

        The first change is a `reset` with all items: applied one after the other to an empty list, the changes keep
        it equal to `items`, whatever happens meanwhile in the client's thread.

        ```python
        rows = []
        stop = messages.subscribe(lambda change: change.apply(rows))
        ```

        Args:
            callback: called with each `Change`, in order, in the app's thread where the client has a `post`, else in
                the client's own. The next comes when it has returned. One that falls 1,000 changes behind gets one
                `reset` in their place. What it raises is logged.

        Returns:
            What ends it, from any thread. BlockingProxy it twice does no harm.

        Raises:
            TypeError: when it cannot be called, or is async.
            CometChatException: `LIVE_LIST_CLOSED`, `ERR_CLIENT_CLOSED`.
        """
        if not callable(callback) or inspect.iscoroutinefunction(callback):
            raise TypeError("give a plain function, which is called with each change")

        def begin() -> Callable[[], None]:
            if self._target.closed:
                raise failure("LIVE_LIST_CLOSED")
            return pump(_Changes(self._target, self._item), callback, self._client_thread, "tailwire live list changes")

        stop: Callable[[], None] = self._do("subscribe", begin)
        return stop

    def changes(self, timeout: float | None = None) -> Iterating[Change[T]]:
        """Iterate over the changes, for scripts: first a `reset` with the items of now; ends when the list is closed.

        Args:
            timeout: it also ends when no change has come for so many seconds; None waits for ever.
        """
        limit = checked_seconds(timeout)
        source = self._do("changes", lambda: _Changes(self._target, self._item))
        return Iterating(self._handle, source, "changes", limit, ends=True)

    def refresh(self) -> None:
        """Read what is shown from the server now.

        Raises:
            CometChatException: `LIVE_LIST_CLOSED`, or as the server refused it.
            TimeoutError: it has not ended in time.
        """
        self._call("refresh", (), {})

    def close(self) -> None:
        """Keep the list no longer; does not wait. Whoever iterates over changes comes to the end."""
        try:
            self._client_thread.soon(self._target.close)
        except CometChatException as e:
            if e.code != "ERR_CLIENT_CLOSED":  # then it is closed
                raise

    def _item(self, item: Any) -> T:
        # An item of the async list as it is given out.
        return cast(T, item)


class LiveConversations(LiveList[LiveConversation]):
    """The user's conversations, pinned ones first, then the latest. Made by `Client.live_conversations()`."""

    @property
    def complete(self) -> bool:
        """Whether there are no conversations further down."""
        return cast(bool, self._target.complete)

    def more(self, limit: int = 0) -> int:
        """Read conversations further down, and return how many came.

        Args:
            limit: how many, 1 to 50; as many as the list began with by default.

        Raises:
            CometChatException: `LIVE_LIST_CLOSED`, `ERROR_NON_POSITIVE_LIMIT`, `ERROR_LIMIT_EXCEEDED`, or as the server
                refused it.
            TimeoutError: it has not ended in time.
        """
        return cast(int, self._call("more", (limit,), {}))


class LiveMessages(LiveList[LiveMessage]):
    """The messages of a conversation, oldest first. Made by `Client.live_messages()`.

    The `entry` of a queued one has blocking calls: `retry()`, `cancel()`, `result()`.
    """

    @property
    def complete(self) -> bool:
        """Whether the list reaches back to the first message."""
        return cast(bool, self._target.complete)

    @property
    def typing(self) -> tuple[User, ...]:
        """Who types here."""
        return cast("tuple[User, ...]", self._do("typing", lambda: self._target.typing))

    @property
    def gone(self) -> bool:
        """Whether the user is no longer in the group, or the group is no more. The items stay."""
        return cast(bool, self._target.gone)

    def older(self, limit: int = 0) -> int:
        """Read older messages, before those that are shown, and return how many came.

        Args:
            limit: how many, 1 to 100; as many as the list began with by default.

        Raises:
            CometChatException: `LIVE_LIST_CLOSED`, `ERROR_NON_POSITIVE_LIMIT`, `ERROR_LIMIT_EXCEEDED`, or as the server
                refused it.
            TimeoutError: it has not ended in time.
        """
        return cast(int, self._call("older", (limit,), {}))

    def _item(self, item: LiveMessage) -> LiveMessage:
        if item.entry is None:
            return item
        return replace(item, entry=OutboxEntry(self._handle, item.entry, self._limit))


class _Changes(Generic[T]):
    """The items of now as a `reset`, and the changes from then on; made in the client's thread."""

    def __init__(self, live: Any, item: Callable[[Any], T]) -> None:
        self._item = item
        self._first: Change[Any] | None = Change(ChangeKind.RESET, items=live.items)
        self._rest: AsyncIterator[Change[Any]] = live.changes()

    def __aiter__(self) -> AsyncIterator[Change[T]]:
        return self

    async def __anext__(self) -> Change[T]:
        change, self._first = self._first, None
        if change is None:
            change = await self._rest.__anext__()
        item = None if change.item is None else self._item(change.item)
        return replace(change, item=item, items=tuple(map(self._item, change.items)))


LIVE: dict[str, type[LiveConversations | LiveMessages]] = {
    "live_conversations": LiveConversations,
    "live_messages": LiveMessages,
}
"""The calls that make a live list, and the faces of what they make."""
