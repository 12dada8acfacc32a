"""What the blocking `Admin` does in its own way; `admin` adds the parts of `tailwire.admin.Admin`."""

from __future__ import annotations

import ssl
from typing import Any, Generic, Self, TypeVar, cast

from tailwire.admin.client import Admin as AsyncAdmin
from tailwire.sdk.app_settings import AppSettings
from tailwire.sdk.io.world import World
from tailwire.sync.client_thread import ClientThread
from tailwire.sync.closing import Closable, NotCopied
from tailwire.sync.iterating import Iterating
from tailwire.sync.proxy import BlockingProxy, ClientHandle, checked_seconds

T = TypeVar("T")


class Listing(BlockingProxy, Generic[T]):
    """A list to walk through with `for`. Each walk asks the server anew, a page of 100 at a time.

    What changes while an app walks may be missed, or come twice, where the server counts pages; histories of messages
    are walked by id and never miss any.
    """

    def __iter__(self) -> Iterating[T]:
        return Iterating(self._handle, aiter(self._target), "listing", self._limit, ends=False)

    def first(self, most: int = 1000) -> list[T]:
        """Return the entries as a list.

        Args:
            most: at most so many.

        Raises:
            CometChatException: as the server refused it.
            TimeoutError: it has not ended in time.
        """
        return cast("list[T]", self._call("first", (most,), {}))


class AdminBridge(Closable, NotCopied):
    """The part of the blocking `Admin` that is not the same as in the async one."""

    _parts: dict[str, type[BlockingProxy]]

    def __init__(
        self,
        app_id: str,
        settings: AppSettings,
        api_key: str,
        *,
        timeout: float | None = 30.0,
        tls: ssl.SSLContext | None = None,
        world: World | None = None,
    ) -> None:
        limit, client_thread = checked_seconds(timeout), ClientThread(None, "Admin")

        async def started(_: AsyncAdmin) -> None:
            return  # it asks nothing before the first call

        made = client_thread.open(lambda: AsyncAdmin(app_id, settings, api_key, tls=tls, world=world), started, limit)
        self._take(ClientHandle(client_thread), made, limit)

    def _take(self, handle: ClientHandle, target: Any, limit: float | None) -> None:
        self._handle, self._target, self._limit = handle, target, limit
        for name, kind in self._parts.items():
            setattr(self, name, kind(handle, getattr(target, name), limit))

    def with_timeout(self, seconds: float | None) -> Self:
        """Return a view of the same client whose calls may take other than the client's seconds.

        Args:
            seconds: None waits for ever.
        """
        view = object.__new__(type(self))
        view._take(self._handle, self._target, checked_seconds(seconds))
        return view

    def close(self, timeout: float | None = 10.0) -> None:
        """Close the client, and wait for the end of its thread. Twice is once.

        Calls that wait in other threads end with `ERR_CLIENT_CLOSED`, and so does every later one.

        Raises:
            TimeoutError: it has not ended within so many seconds; it goes on ending.
            RuntimeError: from the client's own thread.
        """
        self._handle.client_thread.close(checked_seconds(timeout))
