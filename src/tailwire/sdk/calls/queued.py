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
        """Queue a message, to be sent as soon as the server can be reached: now, later, or after a restart of the app.

        The message is saved on the device before this returns. Queued messages are sent in the order in which they were
        queued; the server stores each of them once. `send_message` does not wait for queued messages.

        ```python
        entry = chat.queue_message(TextMessage(receiver="bob", receiver_type="user", text="hello"))
        sent = await entry.result()
        ```

        Args:
            message: a text, custom or interactive message, or media by URL.

        Returns:
            The entry: its status, the error when it failed, `cancel()`, `retry()`, and `result()` to wait for it.
            The message listener's `on_queued_message_changed` is called with it when it is queued and when it changes.

        Raises:
            CometChatException: `USER_NOT_LOGGED_IN`; `OUTBOX_NOT_ENABLED` without
                `AppSettingsBuilder.keep_unsent_messages()`; `OUTBOX_FULL` when the maximum number of messages is
                pending; `OUTBOX_NOT_SAVED` when the device cannot store it; `ERR_INVALID_ARGUMENT` when it has files
                that are not uploaded.
        """
        self._parts.sessions.require()
        return self._require_outbox().add(message)

    def queued_messages(self) -> list[OutboxEntry]:
        """Return the entries of messages that are pending or have failed, in the order of the queue.

        Raises:
            CometChatException: `OUTBOX_NOT_ENABLED` without `AppSettingsBuilder.keep_unsent_messages()`.
        """
        return self._require_outbox().entries

    def _require_outbox(self) -> Outbox:
        if self._parts.outbox is None:
            raise failure("OUTBOX_NOT_ENABLED")
        return self._parts.outbox
