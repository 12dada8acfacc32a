"""The interfaces between the driver of a connection, the client that owns it, and token renewal."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, Protocol

from tailwire.sdk.connection import inputs as i
from tailwire.sdk.connection.causes import Cause
from tailwire.sdk.io.link import Granted, Link
from tailwire.sdk.io.world import Wire


class MachineRunner(Protocol):
    """The part of the driver that token renewal uses."""

    def begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start a task that ends with the driver."""

    def feed(self, happened: i.Input) -> None:
        """Give an input to the machine."""


class TokenRenewal(Protocol):
    """Renews the token when the machine commands it (see `sdk.tokens`)."""

    def renew_before_attempt(self, runner: MachineRunner, epoch: int) -> asyncio.Task[None]:
        """Start the task that gets a new token before the next attempt, and feeds the outcome to the machine."""

    def renew_in_place(self, runner: MachineRunner, epoch: int, wire: Wire | None) -> None:
        """Start to get a new token, and to offer it to the server on the open socket; do nothing without one."""

    def handle_answer(self, runner: MachineRunner, granted: Granted | None) -> None:
        """Handle the server's answer to an offered token; None when the server rejected it."""


class ConnectionOwner(Protocol):
    """The client that owns the driver: it opens sockets, makes frames, and receives the driver's reports."""

    @property
    def tokens(self) -> TokenRenewal:
        """The renewal of the token."""

    async def open_link(self, last: Mapping[str, Any] | None) -> Link:
        """Open and authenticate a socket.

        Args:
            last: how the last socket ended, for the server; None if nothing has failed yet.

        Raises:
            AttemptError: if no socket can be opened and authenticated; its `cause` says why.
        """

    def link_opened(self, granted: Granted) -> None:
        """Record that the socket is authenticated; its frames follow."""

    def link_ended(self) -> None:
        """Record that the socket has ended; no further frame of it follows."""

    frame_came: Callable[[str | bytes], float | None]
    """Handle a frame. Return the window in seconds if it announces a restart of the server, else None."""

    room: Callable[[], Awaitable[object] | None]
    """Return None while the queue has capacity, else what to await before the next frame is read (K4)."""

    def status_changed(self, status: Any) -> None:
        """Notify listeners of a new status."""

    def attempt_failed(self, cause: Cause, details: str) -> None:
        """Notify listeners of a failed attempt; `details` is what was seen, or ""."""

    def session_expired(self) -> None:
        """Record that the server rejected the token, and that there is no other."""

    def drop_connections(self) -> None:
        """Reuse no existing HTTP connection for new requests."""

    def read_history(self) -> None:
        """Read new messages from history, without a socket."""

    def stop_reading_history(self) -> None:
        """Stop reading history."""

    def ping_frame(self) -> str:
        """Return a ping frame."""

    def app_state_frame(self, app: str, window: float) -> str | None:
        """Return a frame that reports the app state, or None when the server does not support it.

        Args:
            window: seconds that the socket stays open in the background.
        """
