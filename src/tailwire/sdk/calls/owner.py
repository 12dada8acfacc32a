"""Connects the driver of the connection to the other parts of a client."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from tailwire.sdk.calls.connection import error_of
from tailwire.sdk.connection.causes import Cause
from tailwire.sdk.connection.state import ConnectionStatus
from tailwire.sdk.dispatch.callbacks import StatusChanged
from tailwire.sdk.dispatch.incoming import Incoming
from tailwire.sdk.dispatch.queue import EventQueue
from tailwire.sdk.io.http import Http
from tailwire.sdk.io.link import Connector, Granted, Link
from tailwire.sdk.io.world import Identity
from tailwire.sdk.listeners.events import ConnectionFailed
from tailwire.sdk.session_holder import SessionHolder
from tailwire.sdk.tokens import Tokens
from tailwire.wire.frames import PING, app_state_frame

PING_FRAME = json.dumps(PING, separators=(",", ":"))


class ConnectionOwner:
    """Implements the protocol of this name in `io.owner`, through which the driver of the connection uses the client.

    The driver opens sockets and reports what happens; this class passes that on to the session, the queue of events,
    and the code that handles frames.
    """

    def __init__(
        self,
        sessions: SessionHolder,
        identity: Identity,
        http: Http,
        connector: Connector,
        incoming: Incoming,
        queue: EventQueue,
        tokens: Tokens,
    ) -> None:
        self._sessions = sessions
        self._identity = identity
        self._connector = connector
        self._incoming = incoming
        self._queue = queue
        self._granted = Granted()
        self.tokens = tokens
        self.frame_came: Callable[[str | bytes], float | None] = incoming.frame_came
        self.room: Callable[[], Awaitable[object] | None] = queue.capacity
        self.drop_connections: Callable[[], None] = http.use_new_connections

    async def open_link(self, last: Mapping[str, Any] | None) -> Link:
        """Open a socket, and authenticate it with the auth token of the session.

        Args:
            last: JSON values that tell the server how the last socket ended; None if nothing has failed yet.
        """
        session = self._sessions.require()
        self.tokens.socket_token = session.auth_token
        return await self._connector.open(session.uid, session.auth_token, last)

    def link_opened(self, granted: Granted) -> None:
        """Begin to accept the frames of a new socket. `granted` is what the server announced at its authentication."""
        self._granted = granted
        self._incoming.link_opened(granted)

    def link_ended(self) -> None:
        """Accept no further frames of this socket."""
        self._granted = Granted()
        self._incoming.link_ended()

    def status_changed(self, status: ConnectionStatus) -> None:
        """Queue the new status for listeners and streams."""
        self._queue.put(StatusChanged(status))

    def attempt_failed(self, cause: Cause, details: str) -> None:
        """Notify connection listeners of a failed attempt."""
        self._queue.put(ConnectionFailed(error_of(cause, details)))

    def session_expired(self) -> None:
        """Mark the saved session as expired, because the server rejected its token."""
        self._sessions.replace(replace(self._sessions.require(), expired=True))

    def read_history(self) -> None:
        """Start a task that fetches new messages over HTTP, for when a proxy refuses WebSockets. Do not wait for it."""
        self._incoming.poll()

    def stop_reading_history(self) -> None:
        """Stop the task of `read_history`, if it is running."""
        self._incoming.link_ended()

    def ping_frame(self) -> str:
        """Return a ping frame."""
        return PING_FRAME

    def app_state_frame(self, app: str, window: float) -> str | None:
        """Return a frame that reports the app state, or None when the server does not support such frames.

        Args:
            app: `foreground` or `background`.
            window: seconds for which the socket stays open in the background.
        """
        if "appState" not in self._granted.features:
            return None
        uid, identity = self._sessions.require().uid, self._identity
        return json.dumps(app_state_frame(identity.app_id, uid, identity.resource, str(app), window))
