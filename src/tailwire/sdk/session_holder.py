"""The session of a client, kept in memory and in the session store, with the position that the app has reached."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from tailwire.sdk.dispatch.served import Served
from tailwire.sdk.exceptions import failure
from tailwire.sdk.gate import Gate
from tailwire.sdk.session import Session, SessionStore, claim

log = logging.getLogger("tailwire")
SAVE_DELAY_SECONDS = 0.2
"""Seconds after which a moved position is saved, together with all later moves."""


class SessionHolder:
    """Holds the session of the logged-in user, and saves each change of it.

    Attributes:
        current: the session, or None when no user is logged in.
        expired_session: the saved session that `init()` found, if the server had rejected its token. If its user logs
            in, catch-up continues from its position. None after any login.
        served: how far the app has been served.
        store: the session store, which may keep queued messages as well.
    """

    def __init__(self, app_id: str, store: SessionStore, gate: Gate) -> None:
        self._app_id = app_id
        self._gate = gate
        self._timer: asyncio.TimerHandle | None = None
        self.store = store
        self.current: Session | None = None
        self.expired_session: Session | None = None
        self.served: Served = Served()

    @property
    def uid(self) -> str:
        """The uid of the logged-in user; "" when there is none."""
        return self.current.uid if self.current is not None else ""

    def require(self) -> Session:
        """Return the session of the logged-in user.

        Raises:
            CometChatException: `USER_NOT_LOGGED_IN` if there is none.
        """
        if self.current is None:
            raise failure("USER_NOT_LOGGED_IN")
        return self.current

    def token_of(self, uid: str) -> str:
        """Return the auth token of a user.

        Raises:
            CometChatException: `USER_NOT_LOGGED_IN` unless this user is the one who is logged in.
        """
        session = self.require()
        if session.uid != uid:
            raise failure("USER_NOT_LOGGED_IN")
        return session.auth_token

    def claim(self) -> Callable[[], None]:
        """Claim the saved session for this client, and return a function that releases the claim.

        Raises:
            CometChatException: `SESSION_IN_USE` if another client has claimed it.
        """
        return claim(self.store, self._app_id)

    def load(self) -> Mapping[str, Any] | None:
        """Return the session in the store, not decoded (see `Session.from_saved`); None if there is none."""
        return self.store.load(self._app_id)

    def replace(self, session: Session) -> None:
        """Replace the session, and save it."""
        self.current = session
        self.save()

    def clear(self) -> None:
        """End the session, and delete it from the store, because the user logs out."""
        self.current = self.expired_session = None
        self.served.begin(None)
        self.store.clear(self._app_id)

    def save(self) -> None:
        """Save the session, if there is one. An exception of the store is logged; the next change saves it again."""
        if self.current is not None:
            try:
                self.store.save(self._app_id, self.current.to_saved())
            except Exception:
                log.exception("the session could not be saved on this device; the next change saves it again")

    def save_soon(self) -> None:
        """Schedule `save_position()` after `SAVE_DELAY_SECONDS`, if the position has moved and none is scheduled."""
        if self._timer is not None or self.current is None or self._gate.closed:
            return
        if self.served.position != self.current.position:
            self._timer = asyncio.get_running_loop().call_later(SAVE_DELAY_SECONDS, self.save_position)

    def save_position(self) -> None:
        """Save the session with the current position now, if the position has moved."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.current is not None and self.current.position != self.served.position:
            self.replace(replace(self.current, position=self.served.position))
