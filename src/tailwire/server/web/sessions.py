"""Keeps the console's one-time links, and the sessions that they open.

A session stands for a REST API key, which stays in the memory of the server. The browser has a cookie for the session,
never the key. The console may do what the key may do, and nothing after the key was revoked.
"""

from __future__ import annotations

import asyncio
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from tailwire.server.auth.secrets import fingerprint

LINK_SECONDS = 60.0
START_LINK_SECONDS = 600.0
"""For how long the link is valid that a server prints at its start."""
SESSION_SECONDS = 12 * 3600.0
"""How long a session lasts at most."""
IDLE_SECONDS = 3600.0
"""How long a session lasts without any use. An open page uses it all the time, because it streams statistics."""
MAX_LINKS = 20
MAX_SESSIONS = 100
SECRET_BYTES = 32


class _Link(NamedTuple):
    key: str
    until: float


@dataclass(slots=True, eq=False)
class Session:
    """A session of the console. Times are those of the clock of `ConsoleSessions`.

    Attributes:
        key: the REST API key that the session stands for.
        token: the token that a request must have in the header `x-console-token` if it changes something.
        until: when the session ends even if it is used.
        used_at: when it was last used.
        ended: set when the session has ended, so that its requests in progress end too.
    """

    key: str = field(repr=False)
    token: str = field(repr=False)
    until: float
    used_at: float
    ended: asyncio.Event = field(default_factory=asyncio.Event, repr=False)


class ConsoleSessions:
    """The links and sessions of this process, which are kept in memory only.

    Args:
        clock: seconds, monotonic.
        secret: takes a number of bytes, and returns that many random bytes in hexadecimal.
    """

    def __init__(self, clock: Callable[[], float], secret: Callable[[int], str]) -> None:
        self._clock, self._secret = clock, secret
        # By hash, so that the time of a lookup says nothing about a secret.
        self._links: dict[str, _Link] = {}
        self._sessions: dict[str, Session] = {}

    def create_link(self, key: str, seconds: float = LINK_SECONDS) -> str:
        """Create a link that opens a session once, and return its path: `/console/#SECRET`.

        What follows the # is not sent in requests, so that it is in no log or referrer; only a script of the page can
        read it. If there are more than `MAX_LINKS` links, the oldest becomes invalid.

        Args:
            key: the REST API key that the session will stand for. It is not checked here.
            seconds: how long the link is valid.
        """
        self._forget_expired()
        while len(self._links) >= MAX_LINKS:
            del self._links[next(iter(self._links))]
        # In base64, so that a link fits into a line of a terminal.
        secret = urlsafe_b64encode(bytes.fromhex(self._secret(SECRET_BYTES))).rstrip(b"=").decode()
        self._links[fingerprint(secret)] = _Link(key, self._clock() + seconds)
        return f"/console/#{secret}"

    def open(self, link: str) -> tuple[str, Session] | None:
        """Open a session with a link, which becomes invalid. If there are more than `MAX_SESSIONS`, end the oldest.

        Args:
            link: the secret of the link, the part of its path after the #.

        Returns:
            A tuple of the value for the session's cookie and the session; None if the link is not valid.
        """
        self._forget_expired()
        found = self._links.pop(fingerprint(link), None)
        if found is None:
            return None
        while len(self._sessions) >= MAX_SESSIONS:
            self._end(next(iter(self._sessions)))
        cookie, now = self._secret(SECRET_BYTES), self._clock()
        session = Session(found.key, self._secret(SECRET_BYTES), now + SESSION_SECONDS, now)
        self._sessions[fingerprint(cookie)] = session
        return cookie, session

    def get(self, cookie: str) -> Session | None:
        """Return the session of a cookie, and record that it is used; None if there is none, or it has ended."""
        self._forget_expired()
        session = self._sessions.get(fingerprint(cookie))
        if session is not None:
            session.used_at = self._clock()
        return session

    def close(self, session: Session) -> None:
        """End a session, and set its `ended`. Do nothing if it has ended."""
        for name, other in list(self._sessions.items()):
            if other is session:
                self._end(name)

    def seconds_left(self, session: Session) -> float:
        """Return the seconds until a session ends even if it is used; 0 if that time has come."""
        return max(0.0, session.until - self._clock())

    def record_use(self, session: Session) -> None:
        """Record that a session is used now, so that it does not end for lack of use."""
        session.used_at = self._clock()

    def _end(self, name: str) -> None:
        self._sessions.pop(name).ended.set()

    def _forget_expired(self) -> None:
        now = self._clock()
        for name in [name for name, link in self._links.items() if link.until <= now]:
            del self._links[name]
        for name, session in list(self._sessions.items()):
            if session.until <= now or session.used_at + IDLE_SECONDS <= now:
                self._end(name)
