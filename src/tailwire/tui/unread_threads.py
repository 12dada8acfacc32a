"""Which threads have replies of other users that the user has not seen. The chat shows them as `(new)`."""

from __future__ import annotations

from collections.abc import Callable

from tailwire.sdk.calls.message_requests import MessagesRequestBuilder
from tailwire.sdk.client import ChatClient
from tailwire.sdk.exceptions import CometChatException
from tailwire.sdk.listeners.interfaces import MessageListener
from tailwire.tui.wording import Place
from tailwire.wire.entities import BaseMessage, CustomMessage, InteractiveMessage, MediaMessage, TextMessage

MAX_THREADS = 1000
"""Maximum number of marked threads; the marks with the oldest replies are removed."""
MAX_PAGES = 5
"""Maximum number of pages of unread messages to read when a conversation is opened."""
PAGE_SIZE = 100


class UnreadThreads(MessageListener):
    """Marks a thread when a reply arrives, or if a reply in it was unread when its conversation was opened.

    A mark stays until the thread is opened or the user replies in it. The server's read mark cannot be used for this:
    a conversation has only one for its messages and threads, so it also moves while a thread is not read.

    Args:
        me: the user's own uid.
        on_change: called without arguments when a reply in any thread has arrived, also one that the user wrote on
            another device.
    """

    def __init__(self, me: str, on_change: Callable[[], None]) -> None:
        self._me, self._on_change = me, on_change
        self._threads: dict[tuple[str, int], None] = {}

    def marked_in(self, place: Place) -> frozenset[int]:
        """Return the marked threads of a conversation, by the ids of the messages that they reply to."""
        return frozenset(parent for key, parent in self._threads if key == place.key)

    def remove_mark(self, place: Place) -> None:
        """Remove the mark of a thread, because it was opened. Without effect if it has no mark."""
        self._threads.pop((place.key, place.parent), None)

    async def read(self, client: ChatClient, place: Place) -> None:
        """Fetch the unread messages of a conversation, and mark the threads of those that are replies.

        At most `MAX_PAGES` pages are fetched, beginning with the newest. If the server refuses or cannot be reached,
        the marks stay as they are.
        """
        builder = MessagesRequestBuilder().set_unread().set_limit(PAGE_SIZE)
        request = (builder.set_guid(place.id) if place.kind == "group" else builder.set_uid(place.id)).build(client)
        try:
            for _ in range(MAX_PAGES):
                page = await request.fetch_previous()
                for message in page:
                    self._add(message, place.key)
                if len(page) < PAGE_SIZE:
                    return
        except CometChatException:
            return

    def _add(self, message: BaseMessage, key: str) -> None:
        thread = (key, message.parent_message_id)
        if message.parent_message_id and not message.deleted_at:
            self._threads.pop(thread, None)
            self._threads[thread] = None
            if len(self._threads) > MAX_THREADS:
                del self._threads[next(iter(self._threads))]

    def _received(self, message: BaseMessage) -> None:
        mine, group = message.sender.uid == self._me, message.receiver_type == "group"
        key = f"{message.receiver_type}:{message.receiver if group or mine else message.sender.uid}"
        if mine:
            self._threads.pop((key, message.parent_message_id), None)
        else:
            self._add(message, key)
        if message.parent_message_id:
            self._on_change()

    def on_text_message_received(self, message: TextMessage) -> None:
        """Mark the message's thread if it is a reply, or remove the mark if the user wrote it."""
        self._received(message)

    def on_media_message_received(self, message: MediaMessage) -> None:
        """Mark the thread or remove its mark, as for a text message."""
        self._received(message)

    def on_custom_message_received(self, message: CustomMessage) -> None:
        """Mark the thread or remove its mark, as for a text message."""
        self._received(message)

    def on_interactive_message_received(self, message: InteractiveMessage) -> None:
        """Mark the thread or remove its mark, as for a text message."""
        self._received(message)
