"""The one client that the static methods of `CometChat` use."""

from __future__ import annotations

from typing import ClassVar

from tailwire.sdk.client import ChatClient
from tailwire.sdk.exceptions import failure


class CurrentClient:
    """Holds the current client.

    Attributes:
        client: None before `init()` and after `aclose()`.
    """

    client: ClassVar[ChatClient | None] = None

    @classmethod
    def require_client(cls) -> ChatClient:
        """Return the current client.

        Raises:
            CometChatException: `COMETCHAT_INITIALIZATION_NOT_DONE`.
        """
        if cls.client is None:
            raise failure("COMETCHAT_INITIALIZATION_NOT_DONE")
        return cls.client
