"""The one current client, for those who follow the documented pages: request builders and `CometChat` use it."""

from __future__ import annotations

from tailwire.sdk.calls.messages import MessageCalls
from tailwire.sdk.exceptions import failure

_current: MessageCalls | None = None


def set_current(client: MessageCalls | None) -> None:
    """Name the current client."""
    global _current
    _current = client


def current() -> MessageCalls:
    """The current client.

    Raises:
        CometChatException: `COMETCHAT_INITIALIZATION_NOT_DONE`.
    """
    if _current is None:
        raise failure("COMETCHAT_INITIALIZATION_NOT_DONE")
    return _current
