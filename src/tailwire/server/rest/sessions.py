"""The logged-in user over HTTP: `me`."""

from __future__ import annotations

from typing import Any

import msgspec

from tailwire.server.actions.members import Members
from tailwire.server.actions.payloads import absent
from tailwire.server.actions.sessions import Sessions
from tailwire.server.actions.users import UserChange, Users
from tailwire.server.rest import responses
from tailwire.server.rest.operations import Access, Call, Operation


class Me(UserChange, rename="camel"):
    """What a client says of itself at login, or changes of its user."""

    platform: str | None = None
    device_id: str | None = None
    app_info: msgspec.Raw = msgspec.field(default_factory=absent)


class Groups(msgspec.Struct):
    """The groups whose members are counted; without them users are."""

    groups: list[str] | None = None


_CHANGES = ("name", "avatar", "link", "status_message", "tags", "unset")


class SessionRoutes:
    """The resource `me`, and what the JavaScript SDK reports of its sessions (taken, not kept)."""

    def __init__(self, sessions: Sessions, users: Users, members: Members) -> None:
        self._sessions = sessions
        self._users = users
        self._members = members

    def operations(self) -> list[Operation]:
        """The operations."""
        return [
            Operation("PUT", "/me", "See oneself, with the pass for a WebSocket; or change oneself", self._me, body=Me,
                      response=responses.Me, feature="getMyDetails"),
            Operation("GET", "/me", "See oneself", self._me, response=responses.Me, feature="getMyDetails"),
            Operation("DELETE", "/me", "Log out", self._logout, response=responses.Done),
            Operation("POST", "/api/v3.0/online-members", "Count who is online (authorization: the jwt of PUT /me)",
                      self._online, access=Access.PASS, body=Groups, response=responses.Online),
            Operation("POST", "/user_sessions", "Report a session (taken, not kept)", self._report,
                      access=Access.ANYONE, response=responses.Success),
            Operation("POST", "/ping", "Report being there (taken, not kept)", self._report, access=Access.ANYONE,
                      response=responses.Success),
        ]  # fmt: skip

    async def _me(self, call: Call) -> dict[str, Any]:
        body: Me | None = call.body
        if body is not None and (
            any(getattr(body, name) is not None for name in _CHANGES) or bytes(body.metadata) != b"null"
        ):
            await self._users.update(call.caller.uid, body, own=True)
        return await self._sessions.me(call.caller, call.header(b"authtoken"))

    async def _logout(self, call: Call) -> dict[str, Any]:
        await self._sessions.logout(call.caller)
        return {"success": True, "message": "Logged out successfully."}

    async def _online(self, call: Call) -> dict[str, Any]:
        if call.body.groups is None:
            return {"onlineUsersCount": self._users.online_count()}
        return {"groups": await self._members.online_counts(call.caller, call.body.groups)}

    async def _report(self, call: Call) -> dict[str, Any]:
        return {"success": True}
