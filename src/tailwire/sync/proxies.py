"""Blocking counterparts of objects that a client creates: requests, uploads, queued messages, the connection."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Generic, TypeVar, cast

from tailwire.sdk.calls.upload_request import UploadAttachment
from tailwire.sdk.connection.history import Transition
from tailwire.sdk.connection.state import ConnectionStatus
from tailwire.sdk.exceptions import CometChatException
from tailwire.sdk.listeners.events import UploadResult
from tailwire.sdk.listeners.interfaces import UploadFileListener
from tailwire.sdk.outbox import OutboxStatus
from tailwire.sync.listening import forwarding_listener
from tailwire.sync.proxy import BlockingProxy
from tailwire.wire.entities import Attachment, BaseMessage

T = TypeVar("T")


class ListRequest(BlockingProxy, Generic[T]):
    """Fetches a list page by page. Created by `Client.request()`."""

    def fetch_next(self) -> list[T]:
        """Fetch and return the next page. It is an empty list after the last page.

        Raises:
            CometChatException: `NOT_ENOUGH_PARAMETERS` if this is the first page of messages, and the builder has no
                message id, timestamp or `set_updated_after` to begin with; `REQUEST_IN_PROGRESS` if a page
                is being fetched already; or another code of the server.
            TimeoutError: the call took longer than the client's timeout.
        """
        return cast(list[T], self._call("fetch_next", (), {}))


class Request(ListRequest[T]):
    """Fetches messages or reactions page by page, in both directions. Created by `Client.request()`."""

    def fetch_previous(self) -> list[T]:
        """Fetch the previous page, and return it with the oldest entry first. The first call fetches the newest page.

        Raises:
            CometChatException: `REQUEST_IN_PROGRESS` if a page is being fetched already, or another code of the server.
            TimeoutError: the call took longer than the client's timeout.
        """
        return cast(list[T], self._call("fetch_previous", (), {}))


class UploadFileRequest(BlockingProxy):
    """Uploads files for a message to one receiver. Created by `Client.create_upload_file_request()`."""

    def set_concurrency(self, files: int) -> UploadFileRequest:
        """Set how many files are uploaded at the same time (default: 1), and return this request.

        Args:
            files: the number of files, at least 1.
        """
        self._run("set_concurrency", lambda: self._target.set_concurrency(files))
        return self

    def upload_attachments(
        self, attachments: Sequence[UploadAttachment], listener: UploadFileListener | None = None
    ) -> UploadResult:
        """Upload files, and wait for all. If one fails, the others are still uploaded; failed ones can be passed again.

        Args:
            attachments: the files.
            listener: called with the progress and the result of each file, and `on_complete` at the end. It is called
                in the same thread as the client's other listeners.

        Returns:
            The outcomes of the files, by `file_id`.

        Raises:
            CometChatException: `ERR_INVALID_ARGUMENT` if the listener is of another class, cannot be called, or has an
                async method although the client has a `post`; `ERR_CLIENT_CLOSED`.
            TimeoutError: the uploads took longer than the client's timeout. Use `with_timeout()` for large files.
        """
        return cast(UploadResult, self._call("upload_attachments", (attachments, listener), {}))

    def _prepare_arguments(
        self, call: str, arguments: tuple[Any, ...], named: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        def forwarding(listener: Any) -> Any:
            return listener and forwarding_listener(UploadFileListener, listener, self._client_thread.callbacks)

        if "listener" in named:
            named = {**named, "listener": forwarding(named["listener"])}
        return (*arguments[:1], *map(forwarding, arguments[1:])), named

    def get_attachments(self) -> list[Attachment]:
        """Return the files that were uploaded successfully, to send them with a `MediaMessage`."""
        return cast(list[Attachment], self._run("get_attachments", self._target.get_attachments))


class OutboxEntry(BlockingProxy):
    """A queued message. Created by `Client.queue_message()` and `Client.queued_messages()`.

    Listeners and `OutboxChanged` events contain the entry of the async client (`tailwire.OutboxEntry`) instead. Its
    attributes may be read, but its methods must not be called. To cancel such a message, use the entry with the same
    `muid` from `queued_messages()`.
    """

    @property
    def message(self) -> BaseMessage:
        """The queued message; once it was sent, the message as the server stored it."""
        return cast(BaseMessage, self._target.message)

    @property
    def status(self) -> OutboxStatus:
        """The status: `pending`, `sent`, `failed` or `cancelled`."""
        return cast(OutboxStatus, self._target.status)

    @property
    def error(self) -> CometChatException | None:
        """Why the message failed; while it is pending, why the last attempt failed."""
        return cast("CometChatException | None", self._target.error)

    @property
    def muid(self) -> str:
        """The client's own id of the message, by which the server recognises that it was sent again."""
        return cast(str, self._target.muid)

    def cancel(self) -> bool:
        """Remove the message from the queue. Return False if it is being sent, or was sent or cancelled before."""
        return cast(bool, self._run("cancel", self._target.cancel))

    def retry(self) -> bool:
        """Queue a failed message again, behind all others. Return False if the message has not failed."""
        return cast(bool, self._run("retry", self._target.retry))

    def result(self) -> BaseMessage:
        """Wait until the message is sent, and return it as the server stored it.

        Raises:
            CometChatException: sending it failed; `OUTBOX_CANCELLED` if it was cancelled; `ERR_CLIENT_CLOSED` if the
                client was closed and the message is still queued on the device.
            TimeoutError: the message is still pending after the client's timeout; it stays queued.
        """
        return cast(BaseMessage, self._call("result", (), {}))


class Connection(BlockingProxy):
    """The connection of a client to the server: its status, and why it has that status."""

    @property
    def status(self) -> ConnectionStatus:
        """The status: `connected`, `connecting`, `disconnected` or `featureThrottled`."""
        return cast(ConnectionStatus, self._run("status", lambda: self._target.status))

    def explain(self) -> str:
        """Return a sentence for people about the current state: its reason, and what will change it."""
        return cast(str, self._run("explain", self._target.explain))

    @property
    def history(self) -> tuple[Transition, ...]:
        """The last 100 changes of the connection's state, with their causes and times, oldest first."""
        return cast("tuple[Transition, ...]", self._run("history", lambda: self._target.history))

    def subscribe(self, callback: Callable[[Transition], object]) -> Callable[[], None]:
        """Call a function with each change of the connection's state from now on.

        Args:
            callback: a plain function; it is called in the app's thread if the client has a `post`, else in the
                client's own thread.

        Returns:
            A function that ends the subscription, from any thread. It may be called more than once.

        Raises:
            TypeError: `callback` is not a plain function.
        """
        if not callable(callback) or inspect.iscoroutinefunction(callback):
            raise TypeError("give a plain function, which is called with each transition")
        client_thread, stopped = self._client_thread, False

        @functools.wraps(callback)
        def notify(transition: Transition) -> object:
            return None if stopped else callback(transition)

        end = self._run(
            "subscribe",
            lambda: self._target.subscribe(lambda transition: client_thread.callbacks.call_soon(notify, (transition,))),
        )

        def stop() -> None:
            nonlocal stopped
            stopped = True
            with suppress(CometChatException):  # the client is closed, which has ended it
                client_thread.call_soon(end)

        return stop

    @property
    def window_left(self) -> float | None:
        """How many seconds remain until the socket is closed because the app is in the background (manual mode).

        None if the socket is not about to be closed for this reason.
        """
        return cast("float | None", self._run("window_left", lambda: self._target.window_left))

    def dump(self, path: str | os.PathLike[str]) -> None:
        """Write the recent history of the connection to a file, without secrets, to diagnose a problem.

        `tailwire replay FILE` shows it step by step.

        Args:
            path: the path of the file; an existing file is replaced.

        Raises:
            OSError: the file cannot be written.
        """
        self._run("dump", lambda: self._target.dump(path))
