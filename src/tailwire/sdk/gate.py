"""The checks before a call of a client: that the client is open, and that its event loop makes the call."""

from __future__ import annotations

import asyncio

from tailwire.sdk.exceptions import failure


class Gate:
    """Refuses calls on a closed client, and calls from outside its event loop.

    Attributes:
        loop: the event loop on which `init()` ran; None before.
        closed: whether `aclose()` was called.
    """

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None
        self.closed = False

    @property
    def is_stranded(self) -> bool:
        """Whether the event loop of `init()` has been closed, so that nothing of the client can run."""
        return self.loop is not None and self.loop.is_closed()

    def check_closable(self) -> None:
        """Check that the client may be closed: from its event loop, or from anywhere if it or that loop is closed.

        Raises:
            CometChatException: `ERR_WRONG_EVENT_LOOP`.
        """
        if not self.is_stranded:
            self.check_readable()

    def check_usable(self) -> None:
        """Raise unless the client is open and its event loop is the running one. Before `init()` any loop will do.

        Raises:
            CometChatException: `ERR_CLIENT_CLOSED`; `ERR_WRONG_EVENT_LOOP` on another event loop, or outside of any.
        """
        if self.closed:
            raise failure("ERR_CLIENT_CLOSED")
        self.check_loop()

    def check_readable(self) -> None:
        """Raise unless the client's event loop is the running one. A closed client may be read from any thread.

        Raises:
            CometChatException: `ERR_WRONG_EVENT_LOOP` on another event loop, or outside of any.
        """
        if not self.closed:
            self.check_loop()

    def check_loop(self) -> None:
        """Raise unless the client's event loop is the running one. Before `init()` this does nothing.

        Raises:
            CometChatException: `ERR_WRONG_EVENT_LOOP` on another event loop, or outside of any.
        """
        if self.loop is None:
            return
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            running = None
        if running is not self.loop:
            raise failure("ERR_WRONG_EVENT_LOOP")
