"""REST operations on the logged-in user: `me`."""

from __future__ import annotations

from typing import Any

from tailwire.server.actions.members import Members
from tailwire.server.actions.sessions import Sessions
from tailwire.server.actions.users import Users
from tailwire.server.rest import requests, responses
from tailwire.server.rest.entity_payloads import token_payload
from tailwire.server.rest.operations import Access, Call, Operation
from tailwire.server.rest.results import SUCCESS, confirmation

_CHANGES = ("name", "avatar", "link", "status_message", "tags", "unset")


class SessionRoutes:
    """The REST operations on the logged-in user (`/me`).

    The session reports of the JavaScript SDK are accepted and ignored.
    """

    def __init__(self, sessions: Sessions, users: Users, members: Members) -> None:
        self._sessions = sessions
        self._users = users
        self._members = members

    def operations(self) -> list[Operation]:
        """Return the operations, each with its route and its handler."""
        anyone = Access.ANYONE
        return [
            Operation("PUT", "/me", "Get the logged-in user with a pass for a WebSocket, or change the user",
                      self._get_or_change, body=requests.UpdateMe, response=responses.Me, feature="getMyDetails"),
            Operation("GET", "/me", "Get the logged-in user", self._get_or_change, response=responses.Me,
                      feature="getMyDetails"),
            Operation("DELETE", "/me", "Log out", self._logout, response=responses.Confirmation),
            Operation("POST", "/api/v3.0/online-members", "Count online users (authorization: the jwt of PUT /me)",
                      self._count_online, access=Access.PASS, body=requests.CountOnlineUsers,
                      response=responses.OnlineCounts),
            Operation("POST", "/user_sessions", "Report a session (accepted and ignored)", self._ignore_report,
                      access=anyone, response=responses.Success),
            Operation("POST", "/ping", "Report presence (accepted and ignored)", self._ignore_report, access=anyone,
                      response=responses.Success),
        ]  # fmt: skip

    async def _get_or_change(self, call: Call) -> dict[str, Any]:
        body: requests.UpdateMe | None = call.body
        if body is not None and (
            any(getattr(body, name) is not None for name in _CHANGES) or bytes(body.metadata) != b"null"
        ):
            await self._users.update(call.caller.uid, body.to_change(), own=True)
        return token_payload(await self._sessions.me(call.caller, call.header(b"authtoken")))

    async def _logout(self, call: Call) -> dict[str, Any]:
        await self._sessions.logout(call.caller)
        return confirmation("Logged out successfully.")

    async def _count_online(self, call: Call) -> dict[str, Any]:
        if call.body.groups is None:
            return {"onlineUsersCount": self._users.online_count()}
        return {"groups": await self._members.online_counts(call.caller, call.body.groups)}

    async def _ignore_report(self, call: Call) -> dict[str, Any]:
        return SUCCESS
