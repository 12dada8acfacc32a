"""What the driver asks of a client, and tells it."""

from __future__ import annotations

import inspect
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol

from tailwire.sdk.calls.connection import error_of
from tailwire.sdk.connection.causes import Cause
from tailwire.sdk.connection.state import Status
from tailwire.sdk.dispatch.callbacks import StatusTold
from tailwire.sdk.dispatch.incoming import Incoming
from tailwire.sdk.dispatch.queue import Queue
from tailwire.sdk.io.link import Connector, Granted, Link
from tailwire.sdk.io.world import Identity
from tailwire.sdk.listeners.events import ConnectionChanged, ConnectionFailed
from tailwire.sdk.session import Session
from tailwire.wire.frames import PING, app_state_frame

PING_FRAME = json.dumps(PING, separators=(",", ":"))
TokenProvider = Callable[[], Awaitable[str]]


def _nobody(text: str | bytes) -> float | None:
    raise RuntimeError("a frame came before the link was opened")


class Keeper(Protocol):
    """Who keeps the session: the client."""

    def kept_session(self) -> Session:
        """The session."""

    def keep_session(self, session: Session) -> None:
        """Another token, or expired: keep it, on the device too."""


class Owner:
    """Stands between the driver and the parts of its client (see `io.driver.Owner`)."""

    def __init__(
        self,
        keeper: Keeper,
        identity: Identity,
        connector: Connector,
        incoming: Callable[[], Incoming],
        queue: Queue,
        provider: TokenProvider | None,
    ) -> None:
        self._keeper = keeper
        self._identity = identity
        self._connector = connector
        self._incoming = incoming
        self._queue = queue
        self._provider = provider
        self._granted = Granted()
        self.frame_came: Callable[[str | bytes], float | None] = _nobody
        self.room = queue.room

    async def open_link(self, last: Mapping[str, Any] | None) -> Link:
        """An authenticated socket, or `AttemptError`."""
        session = self._keeper.kept_session()
        return await self._connector.open(session.uid, session.auth_token, last)

    async def renew_token(self) -> None:
        """Ask the token provider, and keep what it gives."""
        if self._provider is None:
            raise RuntimeError("there is no token provider")
        given = self._provider()
        token = await given if inspect.isawaitable(given) else given
        if not isinstance(token, str) or not token:
            raise TypeError(f"the token provider gave a {type(token).__name__}, not a token")
        self._connector.forget()
        self._keeper.keep_session(replace(self._keeper.kept_session(), auth_token=token))

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

    def status_changed(self, status: Status) -> None:
        """The listeners are told at once; the event `connected` follows when its continuity is known (K1)."""
        self._queue.put(StatusTold(status))
        if status is not Status.CONNECTED:
            self._queue.put(ConnectionChanged(status))

    def attempt_failed(self, cause: Cause) -> None:
        """The listeners are told."""
        self._queue.put(ConnectionFailed(error_of(cause)))

    def session_expired(self) -> None:
        """The token is no good any more."""
        self._keeper.keep_session(replace(self._keeper.kept_session(), expired=True))

    def ping_frame(self) -> str:
        """A ping."""
        return PING_FRAME

    def app_state_frame(self, app: str, window: float) -> str | None:
        """Where the app is; None for a server that does not want to know."""
        if "appState" not in self._granted.features:
            return None
        uid, identity = self._keeper.kept_session().uid, self._identity
        return json.dumps(app_state_frame(identity.app_id, uid, identity.resource, str(app), window))
