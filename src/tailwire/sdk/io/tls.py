"""TLS contexts of clients: one default for HTTP and WebSocket, and session resumption."""

from __future__ import annotations

import functools
import logging
import ssl
from collections import OrderedDict
from typing import Any

log = logging.getLogger("tailwire")

MAX_SESSIONS = 32
"""The maximum number of hosts per context for which TLS sessions are cached."""
MAX_SESSIONS_PER_HOST = 4
"""The maximum number of TLS sessions that are cached per host.

More than one, because requests and the socket connect at the same time, and each connection uses up a session.
"""

_Key = tuple[str, ssl.VerifyMode, bool]


class ResumingSSLObject(ssl.SSLObject):
    """A TLS connection that resumes the last session with its host, and caches its own session for the next one.

    A resumed handshake carries no certificates, so a return to the foreground costs less time and data. Each context
    has its own subclass (`SSLContext.sslobject_class` is documented for that), so that sessions are never shared
    between contexts, hosts, or connections that verify the certificate and those that do not.

    Attributes:
        sessions: the cached sessions of the context: lists by host name, `verify_mode` and `check_hostname`. The newest
            are last; the oldest are dropped at `MAX_SESSIONS` and `MAX_SESSIONS_PER_HOST`.
    """

    sessions: OrderedDict[_Key, list[ssl.SSLSession]]
    _has_begun = False
    _is_cached = False
    _offered_session: ssl.SSLSession | None = None

    def do_handshake(self) -> None:
        """Perform the handshake, with a cached session if there is one.

        Raises:
            ssl.SSLError: as in the base class. The host's sessions are dropped then, unless the handshake only waits
                for data.
        """
        if not self._has_begun:
            self._has_begun = True
            # Removed, so that a session with which the handshake fails is not offered again.
            kept = None if self.server_side else self.sessions.get(self._key)
            if kept:
                self.session = self._offered_session = kept.pop()
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError:
            self.sessions.pop(self._key, None)
            raise
        if self._offered_session is not None and self.session_reused:
            # Accepted: other connections may use it before this one has its own.
            self._put(0, self._offered_session)
            self._offered_session = None

    # The parameter names are those of the base class.
    def read(self, len: int = 1024, buffer: Any = None) -> Any:
        """Read data, as in the base class, and cache the session after the first data.

        The session is not complete earlier: with TLS 1.3 the server sends its tickets after the handshake.
        """
        data = super().read(len, buffer)
        if not self._is_cached:
            self._is_cached = True
            self._cache_session()
        return data

    @property
    def _key(self) -> _Key:
        context = self.context
        return (self.server_hostname or "", context.verify_mode, context.check_hostname)

    def _cache_session(self) -> None:
        session = self.session
        if self.server_side or session is None or not self.server_hostname:
            return
        if session.has_ticket or session.id:
            self._put(MAX_SESSIONS_PER_HOST, session)

    def _put(self, place: int, session: ssl.SSLSession) -> None:
        kept = self.sessions.setdefault(self._key, [])
        kept.insert(place, session)
        del kept[:-MAX_SESSIONS_PER_HOST]
        self.sessions.move_to_end(self._key)
        while len(self.sessions) > MAX_SESSIONS:
            self.sessions.popitem(last=False)


def with_resumption(context: ssl.SSLContext) -> ssl.SSLContext:
    """Make the future connections of a context resume TLS sessions. Return the same context.

    A subclass of `ssl.SSLContext`, or a context with its own connection class, is not changed: the default contexts on
    Windows and macOS verify the server's certificate after each handshake, so the server must send it.
    """
    if type(context) is ssl.SSLContext and context.sslobject_class is ssl.SSLObject:
        context.sslobject_class = type("ResumingSSLObject", (ResumingSSLObject,), {"sessions": OrderedDict()})
    return context


def checked_context(tls: ssl.SSLContext | None) -> ssl.SSLContext | None:
    """Return the argument. Log a warning if this context does not verify the server's certificate or host name."""
    if tls is None:
        return None
    if tls.verify_mode is ssl.CERT_NONE:
        log.warning("the TLS context does not verify certificates (CERT_NONE): pass the server's own in cafile=")
    elif not tls.check_hostname:
        log.warning("the TLS context does not check host names: any valid certificate passes for the server's")
    return tls


def context_for(tls: ssl.SSLContext | None) -> ssl.SSLContext:
    """Return the context for the server: the app's own, made to resume sessions, or else the default."""
    return default_context() if tls is None else with_resumption(tls)


@functools.cache
def default_context() -> ssl.SSLContext:
    """Return the context that trusts the system's certificates, or `SSL_CERT_FILE` and `SSL_CERT_DIR` if they are set.

    Shared by all clients of the process: the certificates take half a megabyte.
    """
    import httpx2

    context: ssl.SSLContext = httpx2.create_ssl_context(trust_env=True)
    return with_resumption(context)
