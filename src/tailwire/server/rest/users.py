"""Users over HTTP."""

from __future__ import annotations

from tailwire.server.actions.present import encode
from tailwire.server.actions.sessions import Sessions
from tailwire.server.actions.users import NewUser, Users
from tailwire.server.rest.edge import Call, Routes, data, parse


class UserRoutes:
    """The resource `users`, with the auth tokens of a user."""

    def __init__(self, users: Users, sessions: Sessions) -> None:
        self._users = users
        self._sessions = sessions

    def routes(self) -> Routes:
        """The routes."""
        return [
            ("POST", "/users", self._create),
            ("GET", "/users", self._list),
            ("GET", "/users/{uid}", self._get),
            ("POST", "/users/{uid}/auth_tokens", self._create_token),
        ]

    async def _create(self, call: Call) -> bytes:
        await self._sessions.check_key(call.header(b"apikey"), full=False)
        return data(await self._users.create(parse(await call.body(), NewUser)))

    async def _create_token(self, call: Call) -> bytes:
        await self._sessions.check_key(call.header(b"apikey"), full=False)
        return data(await self._sessions.create_token(call.params["uid"]))

    async def _list(self, call: Call) -> bytes:
        await call.caller()
        limit, number = call.page()
        q = call.query
        found = await self._users.list(
            search=q.text("searchKey"), uids=list(q.words("uids")), limit=limit, number=number
        )
        return encode(found)

    async def _get(self, call: Call) -> bytes:
        await call.caller()
        return data(await self._users.get(call.params["uid"]))
