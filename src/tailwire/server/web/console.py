"""Handles the console's requests: signing in and out, and requests to the API, to which it adds the session's REST key.

These requests are protected as follows: the cookie is `HttpOnly` and `SameSite=Strict`; a request must come from the
console's own page, according to `Origin` and `Sec-Fetch-Site` (for cookies, another port of the machine is the same
site); a request that changes something must have the session's token in a header; and responses of the API are sent
without their CORS headers.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable

import msgspec

from tailwire.server.actions.audit import AuditLog
from tailwire.server.actions.raw_json import encode
from tailwire.server.auth.secrets import fingerprint, key_id
from tailwire.server.ports.audit import CHANGE, AuditEntry
from tailwire.server.ports.refusal import Refused
from tailwire.server.rest.asgi import (
    CORS_HEADERS,
    PREFLIGHT_HEADERS,
    Message,
    Receive,
    Scope,
    Send,
    error_response,
    header_text,
    headers_of,
    read_body,
)
from tailwire.server.rest.operations import parse
from tailwire.server.web.front import SAFE_HEADERS, App
from tailwire.server.web.page_requests import check_origin, receive_until_ended, send_json
from tailwire.server.web.sessions import ConsoleSessions, Session

MAX_BODY_BYTES = 1024
TOKEN_HEADER = b"x-console-token"
API_PATH = "/console/api"
_READ_METHODS = ("GET", "HEAD")
_IDENTITY_HEADERS = (b"apikey", b"authtoken", b"authorization", b"appid", b"onbehalfof", b"resource")
_WITHHELD_HEADERS = frozenset((*_IDENTITY_HEADERS, b"cookie", b"origin", TOKEN_HEADER))
"""Headers of the page's requests that are not passed on to the API."""
_CORS_NAMES = frozenset(name for name, _ in (*CORS_HEADERS, *PREFLIGHT_HEADERS))


class SignIn(msgspec.Struct):
    """The body of the request that signs in with a one-time link.

    Attributes:
        link: the secret of the link: the fragment of its URL, after the `#`.
    """

    link: str


class ConsoleRequests:
    """Handles the requests of the console's page to `/console/session` and `/console/api/…`.

    Args:
        api: the ASGI app to which requests below `/console/api` are passed on, with the REST key of the session.
        sessions: the links and sessions.
        audit: records signing in and out.
    """

    def __init__(self, api: App, sessions: ConsoleSessions, audit: AuditLog) -> None:
        self._api, self._sessions, self._audit = api, sessions, audit

    def routes(self) -> dict[str, App]:
        """Return the handlers (ASGI apps) by the first part of their path below `/console/`."""
        return {"session": self._with_checks(self._handle_session), "api": self._with_checks(self._pass_on)}

    def _with_checks(self, handler: Callable[[Scope, Receive, Send], Awaitable[None]]) -> App:
        async def handle(scope: Scope, receive: Receive, send: Send) -> None:
            try:
                check_origin(scope, "ERR_CONSOLE_ORIGIN")
                await handler(scope, receive, send)
            except Refused as e:
                status, body, more = error_response(e)
                await send_json(send, status, body, more)

        return handle

    # Signing in and out.

    async def _handle_session(self, scope: Scope, receive: Receive, send: Send) -> None:
        method = scope["method"]
        if scope["path"] != "/console/session" or method not in ("GET", "POST", "DELETE"):
            raise Refused("ERR_API_NOT_FOUND")
        if method == "POST":
            body = parse(await read_body(receive, MAX_BODY_BYTES), SignIn)
            opened = self._sessions.open(body.link)
            if opened is None:
                raise Refused("ERR_CONSOLE_LINK")
            cookie, session = opened
            await self._record(session, "console sign-in", scope)
            await self._send_session(scope, send, session, cookie)
            return
        session = self._require_session(scope)
        if method == "GET":
            await self._send_session(scope, send, session, "")
            return
        self._sessions.close(session)
        await self._record(session, "console sign-out", scope)
        await send_json(send, 200, encode({"data": {"success": True}}), [_cookie_header(scope, "", 0)])

    async def _send_session(self, scope: Scope, send: Send, session: Session, cookie: str) -> None:
        left = int(self._sessions.seconds_left(session))
        facts = {"token": session.token, "secondsLeft": left, "keyId": key_id(fingerprint(session.key))}
        more = [_cookie_header(scope, cookie, left)] if cookie else []
        await send_json(send, 200, encode({"data": facts}), more)

    def _require_session(self, scope: Scope) -> Session:
        session = self._sessions.get(_cookie_in(scope))
        if session is None:
            raise Refused("ERR_CONSOLE_SESSION")
        if scope["method"] not in _READ_METHODS:
            token = headers_of(scope).get(TOKEN_HEADER, b"")
            if not hmac.compare_digest(token, session.token.encode()):
                raise Refused("ERR_CONSOLE_ORIGIN", f"A change needs the header {TOKEN_HEADER.decode()}.")
        return session

    async def _record(self, session: Session, action: str, scope: Scope) -> None:
        key = fingerprint(session.key)
        address = (scope["client"] or ("",))[0]
        await self._audit.end(AuditEntry(CHANGE, key_id(key), action, key_hash=key, address=address))

    # The API.

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        session = self._require_session(scope)
        headers = [(name, value) for name, value in scope["headers"] if name not in _WITHHELD_HEADERS]
        forwarded = {
            **scope,
            "path": "/v3" + scope["path"].removeprefix(API_PATH),
            "raw_path": b"/v3" + scope["raw_path"].removeprefix(API_PATH.encode()),
            "headers": [*headers, (b"apikey", session.key.encode())],
        }

        async def send_safely(message: Message) -> None:
            self._sessions.record_use(session)
            if message["type"] == "http.response.start":
                if message["status"] == 401:  # the key was revoked
                    self._sessions.close(session)
                kept = [h for h in message["headers"] if h[0] not in _CORS_NAMES]
                message = {**message, "headers": [*kept, *SAFE_HEADERS]}
            await send(message)

        await self._api(forwarded, receive_until_ended(receive, session.ended), send_safely)


def _cookie_name(scope: Scope) -> str:
    # Cookies of a machine do not depend on the port: each server on it needs a name of its own.
    _, _, port = header_text(headers_of(scope).get(b"host")).rpartition(":")
    return f"tailwire_console_{port if port.isdecimal() else ''}"


def _cookie_in(scope: Scope) -> str:
    # Not by `http.cookies`, which discards all cookies if that of another program on this machine has an unusual form.
    own = _cookie_name(scope)
    for pair in header_text(headers_of(scope).get(b"cookie")).split(";"):
        name, _, value = pair.strip().partition("=")
        if name == own:
            return value
    return ""


def _cookie_header(scope: Scope, value: str, seconds: int) -> tuple[bytes, bytes]:
    secure = "; Secure" if scope["scheme"] == "https" else ""
    rest = f"Path=/console; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}"
    return b"set-cookie", f"{_cookie_name(scope)}={value}; {rest}".encode()
