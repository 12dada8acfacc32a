"""The blocking faces of what a client makes: requests, uploads, queued messages, and the connection."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Generic, TypeVar, cast

from tailwire.sdk.calls.upload_request import UploadAttachment
from tailwire.sdk.connection.history import Transition
from tailwire.sdk.connection.state import Status
from tailwire.sdk.exceptions import CometChatException
from tailwire.sdk.listeners.events import UploadResult
from tailwire.sdk.listeners.interfaces import UploadFileListener
from tailwire.sdk.outbox import OutboxStatus
from tailwire.sync.listening import through
from tailwire.sync.proxy import BlockingProxy
from tailwire.wire.entities import Attachment, BaseMessage

T = TypeVar("T")


class ListRequest(BlockingProxy, Generic[T]):
    """Fetches a list page by page. Made by `Client.request()`."""

    def fetch_next(self) -> list[T]:
        """Fetch the next page; empty at the end.

        Raises:
            CometChatException: `NOT_ENOUGH_PARAMETERS`, `REQUEST_IN_PROGRESS`, or as the server refused it.
            TimeoutError: it has not ended in time.
        """
        return cast(list[T], self._call("fetch_next", (), {}))


class Request(ListRequest[T]):
    """Fetches messages or reactions page by page, in both directions. Made by `Client.request()`."""

    def fetch_previous(self) -> list[T]:
        """Fetch the page before, oldest first; from the newest on at the first call.

        Raises:
            CometChatException: `REQUEST_IN_PROGRESS`, or as the server refused it.
            TimeoutError: it has not ended in time.
        """
        return cast(list[T], self._call("fetch_previous", (), {}))


class UploadFileRequest(BlockingProxy):
    """Uploads files for a message to one receiver. Made by `Client.create_upload_file_request()`."""

    def set_concurrency(self, files: int) -> UploadFileRequest:
        """Set how many files are sent at a time (1)."""
        self._do("set_concurrency", lambda: self._target.set_concurrency(files))
        return self

    def upload_attachments(
        self, attachments: Sequence[UploadAttachment], listener: UploadFileListener | None = None
    ) -> UploadResult:
        """Upload files. One that fails keeps none of the others back; what failed can be given again.

        Args:
            listener: hears how each gets on, and at last `on_complete`; called where the client's listeners are.

        Raises:
            TimeoutError: it has not ended in time: give large files longer, with the client's `with_timeout()`.
        """
        return cast(UploadResult, self._call("upload_attachments", (attachments, listener), {}))

    def _prepared(
        self, call: str, arguments: tuple[Any, ...], named: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        def heard(given: Any) -> Any:
            return given and through(UploadFileListener, given, self._client_thread.callbacks)

        if "listener" in named:
            named = {**named, "listener": heard(named["listener"])}
        return (*arguments[:1], *map(heard, arguments[1:])), named

    def get_attachments(self) -> list[Attachment]:
        """Return what has been uploaded, to be sent with a `MediaMessage`."""
        return cast(list[Attachment], self._do("get_attachments", self._target.get_attachments))


class OutboxEntry(BlockingProxy):
    """A queued message. Made by `Client.queue_message()` and `Client.queued_messages()`.

    Listeners and `OutboxChanged` tell of the `tailwire.OutboxEntry` in the client's thread, which is to be looked at.
    To cancel it, take the one with its `muid` from `queued_messages()`.
    """

    @property
    def message(self) -> BaseMessage:
        """What was queued; what the server stored, once it is sent."""
        return cast(BaseMessage, self._target.message)

    @property
    def status(self) -> OutboxStatus:
        """`pending`, `sent`, `failed` or `cancelled`."""
        return cast(OutboxStatus, self._target.status)

    @property
    def error(self) -> CometChatException | None:
        """Why it failed; while it waits, why it was not sent at the last try."""
        return cast("CometChatException | None", self._target.error)

    @property
    def muid(self) -> str:
        """The id under which the server stores it once."""
        return cast(str, self._target.muid)

    def cancel(self) -> bool:
        """Do not send it. False when it is too late: it is on its way, or has come to its end."""
        return cast(bool, self._do("cancel", self._target.cancel))

    def retry(self) -> bool:
        """Queue it again, as the last one. False unless it has failed."""
        return cast(bool, self._do("retry", self._target.retry))

    def result(self) -> BaseMessage:
        """Wait until it has come to its end, and return the message as the server stored it.

        Raises:
            CometChatException: why it failed; `OUTBOX_CANCELLED`; `ERR_CLIENT_CLOSED` when it still waits on the
                device.
            TimeoutError: it still waits when the client's timeout is over; it stays queued.
        """
        return cast(BaseMessage, self._call("result", (), {}))


class Connection(BlockingProxy):
    """The connection of a client, to look at."""

    @property
    def status(self) -> Status:
        """`connected`, `connecting`, `disconnected` or `featureThrottled`."""
        return cast(Status, self._do("status", lambda: self._target.status))

    def explain(self) -> str:
        """Return one sentence: what the state is, why, and what will change it."""
        return cast(str, self._do("explain", self._target.explain))

    @property
    def history(self) -> tuple[Transition, ...]:
        """The last 100 transitions with causes and times, oldest first."""
        return cast("tuple[Transition, ...]", self._do("history", lambda: self._target.history))

    def subscribe(self, told: Callable[[Transition], object]) -> Callable[[], None]:
        """Be told each transition as it happens.

        Args:
            told: a plain function, called in the app's thread where the client has a `post`, else in the client's own.

        Returns:
            A function that ends it, from any thread; calling it again does nothing.

        Raises:
            TypeError: when `told` is no plain function.
        """
        if not callable(told) or inspect.iscoroutinefunction(told):
            raise TypeError("give a plain function, which is told each transition")
        client_thread, stopped = self._client_thread, False

        @functools.wraps(told)
        def tell(transition: Transition) -> object:
            return None if stopped else told(transition)

        end = self._do(
            "subscribe",
            lambda: self._target.subscribe(lambda transition: client_thread.callbacks.tell(tell, (transition,))),
        )

        def stop() -> None:
            nonlocal stopped
            stopped = True
            with suppress(CometChatException):  # a client that is closed has ended it
                client_thread.soon(end)

        return stop

    @property
    def window_left(self) -> float | None:
        """The seconds until manual mode closes the socket in the background; None while it does not."""
        return cast("float | None", self._do("window_left", lambda: self._target.window_left))

    def dump(self, path: str | os.PathLike[str]) -> None:
        """Write the machine's last inputs to a file. `tailwire replay FILE` runs them again. Holds no secret."""
        self._do("dump", lambda: self._target.dump(path))
