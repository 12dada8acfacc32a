"""What the driver asks of a client, and tells it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from tailwire.sdk.calls.connection import error_of
from tailwire.sdk.calls.tokens import Keeper, Tokens
from tailwire.sdk.connection.causes import Cause
from tailwire.sdk.connection.state import ConnectionStatus
from tailwire.sdk.dispatch.callbacks import StatusChanged
from tailwire.sdk.dispatch.incoming import Incoming
from tailwire.sdk.dispatch.queue import EventQueue
from tailwire.sdk.io.link import Connector, Granted, Link
from tailwire.sdk.io.world import Identity
from tailwire.sdk.listeners.events import ConnectionFailed
from tailwire.wire.frames import PING, app_state_frame

PING_FRAME = json.dumps(PING, separators=(",", ":"))


def _nobody(text: str | bytes) -> float | None:
    raise RuntimeError("a frame came before the link was opened")


class Owner:
    """Stands between the driver and the parts of its client (see `io.owner.Owner`)."""

    def __init__(
        self,
        keeper: Keeper,
        identity: Identity,
        connector: Connector,
        incoming: Callable[[], Incoming],
        queue: EventQueue,
        tokens: Tokens,
        drop_connections: Callable[[], None],
    ) -> None:
        self.drop_connections = drop_connections
        self._keeper = keeper
        self._identity = identity
        self._connector = connector
        self._incoming = incoming
        self._queue = queue
        self._tokens = tokens
        self._offered = ""
        self._token = ""  # with which the socket was opened, or that it was given since
        self._granted = Granted()
        self.frame_came: Callable[[str | bytes], float | None] = _nobody
        self.room = queue.capacity

    async def open_link(self, last: Mapping[str, Any] | None) -> Link:
        """An authenticated socket, or `AttemptError`."""
        session = self._keeper._kept_session()
        self._token = session.auth_token
        return await self._connector.open(session.uid, session.auth_token, last)

    async def renew_token(self) -> None:
        """Ask the token provider, and keep what it gives."""
        await self._tokens.renew(self._token or self._keeper._kept_session().auth_token)

    async def renewal_frame(self) -> str:
        """Ask the token provider, where there is no other token already since a request was rejected."""
        await self._tokens.renew(self._token)
        session = self._keeper._kept_session()
        self._offered = session.auth_token
        return json.dumps(await self._connector.renewal_frame(session.uid, session.auth_token))

    def renewal_taken(self) -> None:
        """The socket goes on with the token that it was offered."""
        self._token = self._offered

    def link_opened(self, granted: Granted) -> None:
        """The socket is authenticated; frames follow."""
        self._granted = granted
        incoming = self._incoming()
        self.frame_came = incoming.frame_came
        incoming.link_opened(granted)

    def link_ended(self) -> None:
        """No frame of this socket will follow."""
        self._granted = Granted()
        self._incoming().link_ended()

    def status_changed(self, status: ConnectionStatus) -> None:
        """Queue the status for listeners and streams."""
        self._queue.put(StatusChanged(status))

    def attempt_failed(self, cause: Cause, details: str) -> None:
        """The listeners are told."""
        self._queue.put(ConnectionFailed(error_of(cause, details)))

    def session_expired(self) -> None:
        """The token is no good any more."""
        self._keeper._keep_session(replace(self._keeper._kept_session(), expired=True))

    def read_history(self) -> None:
        """Read what is new from history, without a socket."""
        self._incoming().poll()

    def stop_reading_history(self) -> None:
        """Read history no further: no socket is wanted any more."""
        self._incoming().link_ended()

    def ping_frame(self) -> str:
        """A ping."""
        return PING_FRAME

    def app_state_frame(self, app: str, window: float) -> str | None:
        """Where the app is; None for a server that does not want to know."""
        if "appState" not in self._granted.features:
            return None
        uid, identity = self._keeper._kept_session().uid, self._identity
        return json.dumps(app_state_frame(identity.app_id, uid, identity.resource, str(app), window))
