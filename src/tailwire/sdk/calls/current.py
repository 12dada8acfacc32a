"""The current client of `CometChat`, which request builders use by default."""

from __future__ import annotations

from tailwire.sdk.calls.parts import ClientCore, Parts, parts_of
from tailwire.sdk.exceptions import failure

_current: ClientCore | None = None


def set_current(client: ClientCore | None) -> None:
    """Set the current client, or None to unset it."""
    global _current
    _current = client


def current_client() -> ClientCore | None:
    """Return the current client; None before `CometChat.init()` and after `CometChat.aclose()`."""
    return _current


def current_parts(client: ClientCore | None) -> Parts:
    """Return the internal parts (`Parts`) of a client; None means the current client.

    Raises:
        CometChatException: `COMETCHAT_INITIALIZATION_NOT_DONE` when there is no client, or its `init()` has not run.
    """
    client = client or _current
    if client is None:
        raise failure("COMETCHAT_INITIALIZATION_NOT_DONE")
    return parts_of(client)
