"""What the blocking client makes: requests, queued messages, and a look at the connection."""

from __future__ import annotations

from typing import Any, TypeVar, overload

from tailwire.sdk.calls.lists import ReactionsRequestBuilder, _Builder
from tailwire.sdk.calls.requests import MessagesRequestBuilder
from tailwire.sdk.client import ChatClient
from tailwire.sync.calling import Calling
from tailwire.sync.faces import Connection, ListRequest, OutboxEntry, Request, UploadFileRequest
from tailwire.wire.entities import BaseMessage, Reaction

T = TypeVar("T")
F = TypeVar("F", bound=Calling)


class Making(Calling):
    """The part of the blocking client that makes what has blocking calls of its own."""

    _target: ChatClient

    @overload
    def request(self, builder: MessagesRequestBuilder) -> Request[BaseMessage]: ...
    @overload
    def request(self, builder: ReactionsRequestBuilder) -> Request[Reaction]: ...
    @overload
    def request(self, builder: _Builder[T]) -> ListRequest[T]: ...
    def request(self, builder: Any) -> Any:
        """Return the request of a builder, to be fetched with this client.

        ```python
        page = chat.request(MessagesRequestBuilder().set_uid("bob").set_limit(50)).fetch_previous()
        ```

        Args:
            builder: any of the request builders; not built yet.
        """
        if not isinstance(builder, MessagesRequestBuilder | ReactionsRequestBuilder | _Builder):
            raise TypeError(f"this is a {type(builder).__name__}: give a request builder, before build()")
        request = builder.build(self._target)
        kind = Request if hasattr(request, "fetch_previous") else ListRequest
        return self._face(kind, request)

    def create_upload_file_request(self, receiver_id: str, receiver_type: str = "user") -> UploadFileRequest:
        """Return a request that uploads files for a message to a user or group, and tells a listener of each."""
        made = self._do(
            "create_upload_file_request", lambda: self._target.create_upload_file_request(receiver_id, receiver_type)
        )
        return self._face(UploadFileRequest, made)

    def queue_message(self, message: BaseMessage) -> OutboxEntry:
        """Send a message as soon as there is a network: now, later, or after the next start of the app.

        When this returns the message is on the device. Queued messages are sent in order, each once.

        Raises:
            CometChatException: `OUTBOX_NOT_ENABLED`, `OUTBOX_FULL`, `USER_NOT_LOGGED_IN`, `ERR_INVALID_ARGUMENT`.
        """
        return self._face(OutboxEntry, self._do("queue_message", lambda: self._target.queue_message(message)))

    def queued_messages(self) -> list[OutboxEntry]:
        """Return what waits, and what failed and was not queued again, in order.

        Raises:
            CometChatException: `OUTBOX_NOT_ENABLED`.
        """
        listed = self._do("queued_messages", self._target.queued_messages)
        return [self._face(OutboxEntry, entry) for entry in listed]

    @property
    def connection(self) -> Connection:
        """Status, explanation, history and dump of the connection."""
        return self._face(Connection, self._do("connection", lambda: self._target.connection))

    def _face(self, kind: type[F], made: Any) -> F:
        return kind(self._held, made, self._limit)
