"""The parts of the blocking `Admin` that differ from the async one."""

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
    """A list of the server, to iterate with `for`. It fetches a page of 100 entries whenever it needs one.

    Each iteration fetches the list again. It raises `CometChatException` or `TimeoutError` if a page cannot be fetched.
    If the list changes during an iteration, entries may be missed or repeated. No message is missed, because lists of
    messages are paged by id.
    """

    def __iter__(self) -> Iterating[T]:
        return Iterating(self._handle, aiter(self._target), "listing", self._limit, ends=False)

    def first(self, most: int = 1000) -> list[T]:
        """Return the first entries of the list as a Python list.

        Args:
            most: the maximum number of entries; for 0 or less, the result is empty.

        Raises:
            CometChatException: a page cannot be fetched, with the code from the server.
            TimeoutError: the call took longer than the client's timeout.
        """
        return cast("list[T]", self._call("first", (most,), {}))


class AdminBridge(Closable, NotCopied):
    """The base of the blocking `Admin`: the constructor, and the methods that the async one does not have."""

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
            return  # it sends nothing before the first call

        made = client_thread.open(lambda: AsyncAdmin(app_id, settings, api_key, tls=tls, world=world), started, limit)
        self._set_target(ClientHandle(client_thread), made, limit)

    def _set_target(self, handle: ClientHandle, target: Any, limit: float | None) -> None:
        self._handle, self._target, self._limit = handle, target, limit
        for name, kind in self._parts.items():
            setattr(self, name, kind(handle, getattr(target, name), limit))

    def with_timeout(self, seconds: float | None) -> Self:
        """Return an object that uses the same client and connection with another timeout.

        Args:
            seconds: the timeout of a call; None for no limit.

        Raises:
            TypeError: `seconds` is not a number.
            ValueError: `seconds` is not above 0, or is infinite.
        """
        view = object.__new__(type(self))
        view._set_target(self._handle, self._target, checked_seconds(seconds))
        return view

    def close(self, timeout: float | None = 10.0) -> None:
        """Close the client, and wait until its thread has ended. May be called more than once.

        Pending calls in other threads and all later calls raise `ERR_CLIENT_CLOSED`.

        Args:
            timeout: seconds to wait; None for no limit.

        Raises:
            TypeError: `timeout` is not a number.
            ValueError: `timeout` is not above 0, or is infinite.
            TimeoutError: the thread has not ended in time; it continues to shut down.
            RuntimeError: called in the client's own thread.
        """
        self._handle.client_thread.close(checked_seconds(timeout))
