"""Methods of the blocking client that create objects with blocking calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeVar, cast, overload

from tailwire.sdk.calls.list_requests import _Builder
from tailwire.sdk.calls.message_requests import MessagesRequestBuilder
from tailwire.sdk.calls.reaction_requests import ReactionsRequestBuilder
from tailwire.sdk.client import ChatClient
from tailwire.sdk.live.calling import MAX_CONVERSATIONS, MAX_MESSAGES
from tailwire.sync.future import CallFuture
from tailwire.sync.live import LIVE_LISTS, LiveConversations, LiveMessages
from tailwire.sync.proxies import Connection, ListRequest, OutboxEntry, Request, UploadFileRequest
from tailwire.sync.proxy import BlockingProxy
from tailwire.wire.constants import ReceiverTypeName
from tailwire.wire.entities import BaseMessage, Reaction

T = TypeVar("T")
F = TypeVar("F", bound=BlockingProxy)


class FactoryCalls(BlockingProxy):
    """The methods of the blocking client that create requests, live lists and outbox entries."""

    _target: ChatClient

    @overload
    def request(self, builder: MessagesRequestBuilder) -> Request[BaseMessage]: ...
    @overload
    def request(self, builder: ReactionsRequestBuilder) -> Request[Reaction]: ...
    @overload
    def request(self, builder: _Builder[T]) -> ListRequest[T]: ...
    def request(self, builder: Any) -> Any:
        """Return a request for pages of a list, as described by a builder. Nothing is sent yet.

        ```python
        page = chat.request(MessagesRequestBuilder().set_uid("bob").set_limit(50)).fetch_previous()
        ```

        Args:
            builder: a request builder, before `build()`.

        Raises:
            TypeError: `builder` is not a request builder.
            CometChatException: as for `build()` of the builder, such as `ERROR_INVALID_MESSAGE_ID`.
        """
        if not isinstance(builder, MessagesRequestBuilder | ReactionsRequestBuilder | _Builder):
            raise TypeError(f"this is a {type(builder).__name__}: give a request builder, before build()")
        request = builder.build(self._target)
        kind = Request if hasattr(request, "fetch_previous") else ListRequest
        return self._proxy(kind, request)

    def create_upload_file_request(
        self, receiver_id: str, receiver_type: ReceiverTypeName = "user"
    ) -> UploadFileRequest:
        """Return a request that uploads files for a message, and reports their progress to a listener.

        Args:
            receiver_id: the uid or guid of the message's receiver.
            receiver_type: `user` or `group`.

        Raises:
            CometChatException: as for `ChatClient.create_upload_file_request`.
        """
        made = self._run(
            "create_upload_file_request", lambda: self._target.create_upload_file_request(receiver_id, receiver_type)
        )
        return self._proxy(UploadFileRequest, made)

    def queue_message(self, message: BaseMessage) -> OutboxEntry:
        """Queue a message on the device, to be sent as soon as the server is reachable.

        Queued messages are saved, so that they are sent even after a restart of the app, in order and once each.

        Args:
            message: a text, custom or interactive message, or media by URL.

        Returns:
            The entry of the queue, with the message's status and error, and methods to cancel it, retry it and wait
            for its result.

        Raises:
            CometChatException: `OUTBOX_NOT_ENABLED` if the settings do not enable the outbox; `OUTBOX_FULL` if it holds
                its maximum; `OUTBOX_NOT_SAVED` if it cannot be saved on the device; `USER_NOT_LOGGED_IN`;
                `ERR_INVALID_ARGUMENT` for another kind of message.
        """
        return self._proxy(OutboxEntry, self._run("queue_message", lambda: self._target.queue_message(message)))

    def queued_messages(self) -> list[OutboxEntry]:
        """Return the pending and the failed messages of the queue, in order.

        Raises:
            CometChatException: `OUTBOX_NOT_ENABLED` if the settings do not enable the outbox.
        """
        listed = self._run("queued_messages", self._target.queued_messages)
        return [self._proxy(OutboxEntry, entry) for entry in listed]

    def live_conversations(
        self,
        *,
        conversation_type: ReceiverTypeName | Literal[""] = "",
        page_size: int = 30,
        most: int = MAX_CONVERSATIONS,
    ) -> LiveConversations:
        """Return a list of the user's conversations that is kept up to date.

        This includes their order, unread counts and last messages, and who is typing.

        ```python
        with chat.live_conversations() as conversations:
            for change in conversations.changes():
                ...
        ```

        Args:
            conversation_type: only conversations with a `user`, or of a `group`; both by default.
            page_size: the number of conversations to begin with, 1 to 50, and that `more()` adds by default.
            most: the maximum number of conversations to keep, up to 200.

        Raises:
            CometChatException: as for `ChatClient.live_conversations`.
            TimeoutError: the call took longer than the client's timeout.
        """
        named = {"conversation_type": conversation_type, "page_size": page_size, "most": most}
        return cast(LiveConversations, self._call("live_conversations", (), named))

    def live_messages(
        self,
        *,
        uid: str = "",
        guid: str = "",
        parent_message_id: int = 0,
        replies: bool = False,
        page_size: int = 30,
        most: int = MAX_MESSAGES,
    ) -> LiveMessages:
        """Return a list of the messages of a conversation, followed by queued ones, that is kept up to date.

        Args:
            uid: the conversation with this user. Give either `uid` or `guid`.
            guid: the conversation of this group.
            parent_message_id: only the replies in the thread of the message with this id; 0 for the conversation.
            replies: whether the messages of a conversation include the replies in threads.
            page_size: the number of messages to begin with, 1 to 100, and that `older()` adds by default.
            most: the maximum number of messages to keep, up to 1,000; the oldest are dropped when newer ones arrive.

        Raises:
            CometChatException: as for `ChatClient.live_messages`.
            TimeoutError: the call took longer than the client's timeout.
        """
        named = {"uid": uid, "guid": guid, "parent_message_id": parent_message_id, "replies": replies}
        return cast(LiveMessages, self._call("live_messages", (), {**named, "page_size": page_size, "most": most}))

    @property
    def connection(self) -> Connection:
        """The client's connection to the server, with its status and history."""
        return self._proxy(Connection, self._run("connection", lambda: self._target.connection))

    def _begin(self, method: Callable[..., Any], arguments: tuple[Any, ...], named: dict[str, Any]) -> CallFuture[Any]:
        kind = LIVE_LISTS.get(getattr(method, "__name__", ""))
        if kind is None:
            return super()._begin(method, arguments, named)

        async def open_list() -> Any:
            return self._proxy(kind, await method(*arguments, **named))

        return self._client_thread.begin(open_list)

    def _proxy(self, kind: type[F], made: Any) -> F:
        return kind(self._handle, made, self._limit)
