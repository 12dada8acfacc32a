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
    """The methods of `Driver` that token renewal uses."""

    def begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start a task, which is ended when the driver is closed."""

    def feed(self, happened: i.Input) -> None:
        """Give an input to the machine."""


class TokenRenewal(Protocol):
    """Renews the token when the machine commands it (see `sdk.tokens`)."""

    def renew_before_attempt(self, runner: MachineRunner, epoch: int) -> asyncio.Task[None]:
        """Start and return a task that requests a new token from the app, and feeds the outcome to the machine.

        Args:
            epoch: the number of the attempt that waits for the token, for the input.
        """

    def renew_in_place(self, runner: MachineRunner, epoch: int, wire: Wire | None) -> None:
        """Start a task that requests a new token from the app and sends it to the server on the open socket.

        Args:
            epoch: the number of the socket.
            wire: the socket; with None this does nothing.
        """

    def handle_answer(self, runner: MachineRunner, granted: Granted | None) -> None:
        """Handle the server's answer to the token that `renew_in_place` sent.

        Args:
            granted: what the server granted; None if it rejected the token.
        """


class ConnectionOwner(Protocol):
    """The client that owns the driver: it opens sockets, makes frames, and receives the driver's reports."""

    @property
    def tokens(self) -> TokenRenewal:
        """The renewal of the token."""

    async def open_link(self, last: Mapping[str, Any] | None) -> Link:
        """Open and authenticate a socket.

        Args:
            last: the report for the auth frame of how the last socket ended; None if nothing has failed yet.

        Raises:
            AttemptError: if no socket can be opened and authenticated; its `cause` says why.
        """

    def link_opened(self, granted: Granted) -> None:
        """Called when a socket is authenticated, before its first frame is passed to `frame_came`."""

    def link_ended(self) -> None:
        """Called when the socket has ended. No further frame of it is passed to `frame_came`."""

    frame_came: Callable[[str | bytes], float | None]
    """Handle a frame.

    If it announces a restart of the server, return the seconds over which clients are to spread their reconnects; else
    None.
    """

    room: Callable[[], Awaitable[object] | None]
    """Return None if the event queue has capacity, else an awaitable; no frame is read until it ends (K4)."""

    def status_changed(self, status: Any) -> None:
        """Notify listeners of a new status."""

    def attempt_failed(self, cause: Cause, details: str) -> None:
        """Notify listeners of a failed attempt.

        Args:
            details: details such as an HTTP status; "" if there are none.
        """

    def session_expired(self) -> None:
        """Mark the session as expired: the server rejected the token, and no new one is available."""

    def drop_connections(self) -> None:
        """Use new HTTP connections for later requests, because the existing ones may be dead."""

    def read_history(self) -> None:
        """Start to read new messages from history, because there is no socket."""

    def stop_reading_history(self) -> None:
        """Stop reading history without a socket."""

    def ping_frame(self) -> str:
        """Return a ping frame."""

    def app_state_frame(self, app: str, window: float) -> str | None:
        """Return a frame that reports the app state, or None when the server does not support it.

        Args:
            window: seconds that the socket stays open in the background.
        """
