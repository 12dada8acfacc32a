"""The logged-in user over HTTP: `me`."""

from __future__ import annotations

from tailwire.server.actions.sessions import Sessions
from tailwire.server.rest.edge import Call, Routes, data


class SessionRoutes:
    """The resource `me`, and what the JavaScript SDK reports of its sessions (taken, not kept)."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    def routes(self) -> Routes:
        """The routes."""
        return [
            ("PUT", "/me", self._me),
            ("DELETE", "/me", self._logout),
            ("POST", "/user_sessions", self._report),
            ("POST", "/ping", self._report),
        ]

    async def _me(self, call: Call) -> bytes:
        return data(await self._sessions.me(await call.caller(), call.header(b"authtoken")))

    async def _logout(self, call: Call) -> bytes:
        await self._sessions.logout(await call.caller())
        return data({"success": True, "message": "Logged out successfully."})

    async def _report(self, call: Call) -> bytes:
        return data({"success": True})
