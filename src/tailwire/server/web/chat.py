"""Handles the web chat's own requests: for the id of its app, and the login of demo users. Otherwise it uses the API.

The page has no key, so none can leak from it. Demo users log in without any secret. So their login is offered only if
no other machine can reach the server, only to the page itself, and only if the request names the host as localhost or a
loopback address: another name that leads here (DNS rebinding) is refused.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from ipaddress import ip_address

import msgspec

from tailwire.server.actions.raw_json import encode
from tailwire.server.actions.sessions import Sessions
from tailwire.server.ports.refusal import Refused
from tailwire.server.rest.asgi import Receive, Scope, Send, error_response, header_text, headers_of, read_body
from tailwire.server.rest.operations import parse
from tailwire.server.web.front import App
from tailwire.server.web.page_requests import check_origin, send_json

MAX_BODY_BYTES = 1024


class DemoLogin(msgspec.Struct):
    """The body of the request that logs a demo user in."""

    uid: str


class ChatRequests:
    """Handles the requests of the web chat's page to `/chat/about` and `/chat/login`.

    Args:
        sessions: creates the auth tokens of demo users.
        app_id: the id of the app that the page is for.
        demo_users: the demo users, who may log in without a secret: names by uid. Empty for none.
    """

    def __init__(self, sessions: Sessions, app_id: str, demo_users: Mapping[str, str]) -> None:
        self._sessions, self._app_id, self._demo_users = sessions, app_id, demo_users

    def routes(self) -> dict[str, App]:
        """Return the handlers (ASGI apps) by the first part of their path below `/chat/`."""
        return {"about": _with_checks(self._describe), "login": _with_checks(self._login)}

    async def _describe(self, scope: Scope, receive: Receive) -> bytes:
        if scope["path"] != "/chat/about" or scope["method"] != "GET":
            raise Refused("ERR_API_NOT_FOUND")
        demo = self._demo_users if _names_this_machine(scope) else {}
        users = [{"uid": uid, "name": name} for uid, name in demo.items()]
        return encode({"data": {"appId": self._app_id, "demoUsers": users}})

    async def _login(self, scope: Scope, receive: Receive) -> bytes:
        is_login = scope["path"] == "/chat/login" and scope["method"] == "POST"
        if not (is_login and self._demo_users and _names_this_machine(scope)):
            raise Refused("ERR_API_NOT_FOUND")
        body = parse(await read_body(receive, MAX_BODY_BYTES), DemoLogin)
        if body.uid not in self._demo_users:
            raise Refused("ERR_UID_NOT_FOUND")
        created = await self._sessions.create_token(body.uid)
        return encode({"data": {"uid": body.uid, "authToken": created.token}})


def _with_checks(handler: Callable[[Scope, Receive], Awaitable[bytes]]) -> App:
    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            check_origin(scope, "ERR_CHAT_ORIGIN")
            await send_json(send, 200, await handler(scope, receive), [])
        except Refused as e:
            status, body, more = error_response(e)
            await send_json(send, status, body, more)

    return handle


def _names_this_machine(scope: Scope) -> bool:
    host = header_text(headers_of(scope).get(b"host")).lower()
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    if name == "localhost":
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False
