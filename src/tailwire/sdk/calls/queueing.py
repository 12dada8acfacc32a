"""Messages that wait for a network: the outbox, for those who switch it on."""

from __future__ import annotations

from tailwire.sdk.calls.messages import MessageCalls
from tailwire.sdk.exceptions import failure
from tailwire.sdk.outbox import Outbox, OutboxEntry
from tailwire.wire.entities import BaseMessage


class QueueCalls(MessageCalls):
    """The part of a client that sends messages, and keeps what cannot be sent yet."""

    _outbox: Outbox | None = None

    def queue_message(self, message: BaseMessage) -> OutboxEntry:
        """Send a message as soon as there is a network: now, later, or after the next start of the app.

        When this returns the message is on the device. Queued messages are sent in order, each once. A message that
        `send_message` sends meanwhile does not wait for them.

        Args:
            message: a text, custom or interactive message, or media by URL.

        Returns:
            The entry: its status, the reason when it failed, `cancel()`, `retry()`, and `result()` to wait for it.
            `on_queued_message_changed` hears of each change.

        Raises:
            CometChatException: `OUTBOX_NOT_ENABLED`, `OUTBOX_FULL`, `USER_NOT_LOGGED_IN`, `ERR_INVALID_ARGUMENT`.
        """
        self._logged_in()
        return self._queue_of_messages().put(message)

    def queued_messages(self) -> list[OutboxEntry]:
        """What waits, and what failed and was not queued again, in order.

        Raises:
            CometChatException: `OUTBOX_NOT_ENABLED`.
        """
        return self._queue_of_messages().entries

    def _queue_of_messages(self) -> Outbox:
        self._reached()
        if self._outbox is None:
            raise failure("OUTBOX_NOT_ENABLED")
        return self._outbox
