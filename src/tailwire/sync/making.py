"""What the blocking client makes: requests, queued messages, and a look at the connection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast, overload

from tailwire.sdk.calls.list_requests import ReactionsRequestBuilder, _Builder
from tailwire.sdk.calls.message_requests import MessagesRequestBuilder
from tailwire.sdk.client import ChatClient
from tailwire.sdk.live.calling import MAX_CONVERSATIONS, MAX_MESSAGES
from tailwire.sync.calling import Calling
from tailwire.sync.faces import Connection, ListRequest, OutboxEntry, Request, UploadFileRequest
from tailwire.sync.future import CallFuture
from tailwire.sync.live import LIVE, LiveConversations, LiveMessages
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

    def live_conversations(
        self, *, conversation_type: str = "", limit: int = 30, most: int = MAX_CONVERSATIONS
    ) -> LiveConversations:
        """Return the user's conversations, kept as the server has them: order, unread counts, last message, who types.

        ```python
        with chat.live_conversations() as conversations:
            for change in conversations.changes():
                ...
        ```

        Args:
            conversation_type: only those with a `user`, or of a `group`; both by default.
            limit: how many it begins with, 1 to 50; `more()` reads further down.
            most: how many it holds, up to 200.

        Raises:
            CometChatException: as `ChatClient.live_conversations`.
            TimeoutError: it has not ended in time.
        """
        named = {"conversation_type": conversation_type, "limit": limit, "most": most}
        return cast(LiveConversations, self._call("live_conversations", (), named))

    def live_messages(
        self,
        *,
        uid: str = "",
        guid: str = "",
        parent_message_id: int = 0,
        replies: bool = False,
        limit: int = 30,
        most: int = MAX_MESSAGES,
    ) -> LiveMessages:
        """Return the messages of a conversation, kept as the server has them, with those that are queued behind them.

        Args:
            uid: the conversation with a user; or
            guid: of a group.
            parent_message_id: only the replies in the thread of this message.
            replies: with the replies in threads; without them by default.
            limit: how many it begins with, 1 to 100; `older()` reads further back.
            most: how many it holds, up to 1,000; the oldest are let go when newer ones come.

        Raises:
            CometChatException: as `ChatClient.live_messages`.
            TimeoutError: it has not ended in time.
        """
        named = {"uid": uid, "guid": guid, "parent_message_id": parent_message_id, "replies": replies}
        return cast(LiveMessages, self._call("live_messages", (), {**named, "limit": limit, "most": most}))

    @property
    def connection(self) -> Connection:
        """Status, explanation, history and dump of the connection."""
        return self._face(Connection, self._do("connection", lambda: self._target.connection))

    def _begin(self, method: Callable[..., Any], arguments: tuple[Any, ...], named: dict[str, Any]) -> CallFuture[Any]:
        kind = LIVE.get(getattr(method, "__name__", ""))
        if kind is None:
            return super()._begin(method, arguments, named)

        async def open_list() -> Any:
            return self._face(kind, await method(*arguments, **named))

        return self._portal.begin(open_list)

    def _face(self, kind: type[F], made: Any) -> F:
        return kind(self._held, made, self._limit)
