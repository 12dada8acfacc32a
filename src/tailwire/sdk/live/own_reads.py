"""Up to which messages this device has read conversations, while the server may not have processed the receipts."""

from __future__ import annotations

from tailwire.sdk.live.merging import as_read
from tailwire.wire.entities import Conversation

MAX_READ_CHECKS = 3


class OwnReads:
    """The receipts of this device that no response has included yet, by the key of the conversation."""

    def __init__(self) -> None:
        self._reads: dict[str, tuple[int, int]] = {}  # the id of the last message that was read; responses to correct

    def record(self, key: str, up_to: int) -> None:
        """Record that this device has read a conversation up to a message id."""
        self._reads[key] = up_to, MAX_READ_CHECKS

    def doubt(self, key: str) -> None:
        """Record that the user may have marked a conversation as unread since. Its next response is not corrected."""
        if key in self._reads:
            self._reads[key] = self._reads[key][0], 0

    def forget(self, key: str) -> None:
        """Forget a conversation."""
        self._reads.pop(key, None)

    def correct(self, key: str, conversation: Conversation) -> tuple[Conversation, bool]:
        """Return a conversation from a response as read, if the response does not include the receipt.

        Returns:
            The conversation, and whether it has to be requested again, because the server may not have processed the
            receipt yet.
        """
        up_to, checks = self._reads.pop(key, (0, 0))
        if up_to <= conversation.last_read_message_id:
            return conversation, False
        if checks > 1:
            self._reads[key] = up_to, checks - 1
        return as_read(conversation, up_to) if checks else conversation, True
