"""Queue messages in the outbox, for apps that have enabled it."""

from __future__ import annotations

from tailwire.sdk.calls.parts import Parts
from tailwire.sdk.exceptions import failure
from tailwire.sdk.outbox import Outbox, OutboxEntry
from tailwire.wire.entities import BaseMessage


class OutboxCalls:
    """The calls that queue messages in the outbox, and list the queued ones."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def queue_message(self, message: BaseMessage) -> OutboxEntry:
        """Send a message as soon as there is a network: now, later, or after the next start of the app.

        The message is saved on the device before this returns. Queued messages are sent in order, and stored once each.
        A message that is sent with `send_message` does not wait for them.

        ```python
        entry = chat.queue_message(TextMessage(receiver="bob", receiver_type="user", text="hello"))
        sent = await entry.result()
        ```

        Args:
            message: a text, custom or interactive message, or media by URL.

        Returns:
            The entry: its status, the error when it failed, `cancel()`, `retry()`, and `result()` to wait for it.
            `on_queued_message_changed` is called with each change.

        Raises:
            CometChatException: `OUTBOX_NOT_ENABLED`, `OUTBOX_FULL`, `OUTBOX_NOT_SAVED`, `USER_NOT_LOGGED_IN`,
                `ERR_INVALID_ARGUMENT`.
        """
        self._parts.sessions.require()
        return self._outbox().add(message)

    def queued_messages(self) -> list[OutboxEntry]:
        """Return the entries that are pending or have failed, in order.

        Raises:
            CometChatException: `OUTBOX_NOT_ENABLED`.
        """
        return self._outbox().entries

    def _outbox(self) -> Outbox:
        if self._parts.outbox is None:
            raise failure("OUTBOX_NOT_ENABLED")
        return self._parts.outbox
