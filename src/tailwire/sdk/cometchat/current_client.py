"""The client that the static methods of `CometChat` call."""

from __future__ import annotations

from tailwire.sdk.calls.current import current_client
from tailwire.sdk.client import ChatClient
from tailwire.sdk.exceptions import failure


class _WithCurrentClient(type):
    @property
    def client(cls) -> ChatClient | None:
        client = current_client()
        return client if isinstance(client, ChatClient) else None


class CurrentClient(metaclass=_WithCurrentClient):
    """The base of the classes of static methods: gives access to the current client, which they call.

    Attributes:
        client: the current client; None before `init()` and after `aclose()`.
    """

    @classmethod
    def require_client(cls) -> ChatClient:
        """Return the current client.

        Raises:
            CometChatException: `COMETCHAT_INITIALIZATION_NOT_DONE` if there is none.
        """
        client = cls.client
        if client is None:
            raise failure("COMETCHAT_INITIALIZATION_NOT_DONE")
        return client
