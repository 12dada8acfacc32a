"""What the driver of a connection asks of the client that owns it, and tells it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from tailwire.sdk.connection.causes import Cause
from tailwire.sdk.io.link import Granted, Link


class Owner(Protocol):
    """What the driver asks of the client, and tells it."""

    async def open_link(self, last: Mapping[str, Any] | None) -> Link:
        """An authenticated socket, or `AttemptError`. `last` says how the last one ended, or None."""

    async def renew_token(self) -> None:
        """Ask the token provider, and keep what it gives."""

    async def renewal_frame(self) -> str:
        """Ask the token provider; the frame with which the server takes its token on the open socket."""

    def renewal_taken(self) -> None:
        """It has."""

    def link_opened(self, granted: Granted) -> None:
        """The socket is authenticated; frames follow."""

    def link_ended(self) -> None:
        """No frame of this socket will follow."""

    frame_came: Callable[[str | bytes], float | None]
    """A frame; answers the window of an announced restart, in seconds, where it is one. Set when the link opens."""

    room: Callable[[], Awaitable[object] | None]
    """None, or what to wait for before more is read (K4)."""

    def status_changed(self, status: Any) -> None:
        """The listeners are to be told."""

    def attempt_failed(self, cause: Cause, details: str) -> None:
        """The listeners are to be told; `details` is what was seen, or ""."""

    def session_expired(self) -> None:
        """The token is no good any more."""

    def drop_connections(self) -> None:
        """Reuse no existing HTTP connection for new requests."""

    def read_history(self) -> None:
        """Read what is new from history, without a socket."""

    def stop_reading_history(self) -> None:
        """Read it no further."""

    def ping_frame(self) -> str: ...
    def app_state_frame(self, app: str, window: float) -> str | None: ...
