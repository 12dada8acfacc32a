"""TLS contexts of clients: one default for HTTP and WebSocket, and sessions that are resumed."""

from __future__ import annotations

import functools
import logging
import ssl
from collections import OrderedDict
from typing import Any

log = logging.getLogger("tailwire")

MAX_SESSIONS = 32
"""Hosts of a context whose sessions are kept."""
SESSIONS_OF_A_HOST = 4
"""Kept for one host: requests and the socket begin side by side, and each takes one."""

_Key = tuple[str, ssl.VerifyMode, bool]


class ResumingSSLObject(ssl.SSLObject):
    """A connection that resumes its context's last session with its host, and keeps its own for the next.

    A resumed handshake carries no certificates: a return to the foreground costs less time and less data. It is what
    `SSLContext.sslobject_class` is documented for. One subclass a context: sessions are never shared between contexts,
    nor between hosts, nor between connections that checked the certificate and connections that did not.

    Attributes:
        sessions: of the context, by host, the newest last; the oldest go when there are too many.
    """

    sessions: OrderedDict[_Key, list[ssl.SSLSession]]
    _begun = False
    _kept = False
    _taken: ssl.SSLSession | None = None

    def do_handshake(self) -> None:
        """Shake hands, with the last session where there is one.

        Raises:
            ssl.SSLError: as ever; the session is then forgotten.
        """
        if not self._begun:
            self._begun = True
            # Taken out: a session with which no connection comes about is not offered again.
            kept = None if self.server_side else self.sessions.get(self._key)
            if kept:
                self.session = self._taken = kept.pop()
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError:
            self.sessions.pop(self._key, None)
            raise
        if self._taken is not None and self.session_reused:  # it is good: others may begin before this one has its own
            self._put(0, self._taken)
            self._taken = None

    # The names are the parent's.
    def read(self, len: int = 1024, buffer: Any = None) -> Any:
        """Read; what came first brought the tickets of TLS 1.3 with it, so the session is kept then."""
        data = super().read(len, buffer)
        if not self._kept:
            self._kept = True
            self._keep()
        return data

    @property
    def _key(self) -> _Key:
        context = self.context
        return (self.server_hostname or "", context.verify_mode, context.check_hostname)

    def _keep(self) -> None:
        session = self.session
        if self.server_side or session is None or not self.server_hostname:
            return
        if session.has_ticket or session.id:
            self._put(SESSIONS_OF_A_HOST, session)

    def _put(self, place: int, session: ssl.SSLSession) -> None:
        kept = self.sessions.setdefault(self._key, [])
        kept.insert(place, session)
        del kept[:-SESSIONS_OF_A_HOST]
        self.sessions.move_to_end(self._key)
        while len(self.sessions) > MAX_SESSIONS:
            self.sessions.popitem(last=False)


def with_resumption(context: ssl.SSLContext) -> ssl.SSLContext:
    """Have the connections of a context resume its sessions; returns the context.

    A context of another class than `ssl.SSLContext`, or one whose connections have a class of their own, is left as it
    is: Windows and macOS check certificates after the handshake, for which they need to be sent.
    """
    if type(context) is ssl.SSLContext and context.sslobject_class is ssl.SSLObject:
        context.sslobject_class = type("ResumingSSLObject", (ResumingSSLObject,), {"sessions": OrderedDict()})
    return context


def looked_at(tls: ssl.SSLContext | None) -> ssl.SSLContext | None:
    """Return a context; log a warning when it lets anybody pass for the server and read tokens and messages."""
    if tls is None:
        return None
    if tls.verify_mode is ssl.CERT_NONE:
        log.warning("the TLS context given checks no certificate (CERT_NONE): use one with the server's in cafile=")
    elif not tls.check_hostname:
        log.warning("the TLS context given checks no host name: whoever has a certificate can pass for the server")
    return tls


def context_for(tls: ssl.SSLContext | None) -> ssl.SSLContext:
    """Return the context with which the server is reached: the app's own, else the default one."""
    return default_context() if tls is None else with_resumption(tls)


@functools.cache
def default_context() -> ssl.SSLContext:
    """Return the context that trusts what the system trusts, or `SSL_CERT_FILE` and `SSL_CERT_DIR` where they are set.

    One for all clients of a process: it holds the certificates of all authorities, half a megabyte.
    """
    import httpx2

    context: ssl.SSLContext = httpx2.create_ssl_context(trust_env=True)
    return with_resumption(context)
