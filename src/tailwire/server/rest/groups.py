"""Groups over HTTP."""

from __future__ import annotations

from tailwire.server.actions.groups import Groups, Join, NewGroup
from tailwire.server.actions.present import encode
from tailwire.server.rest.edge import Call, Routes, data, parse


class GroupRoutes:
    """The resource `groups`, with its members."""

    def __init__(self, groups: Groups) -> None:
        self._groups = groups

    def routes(self) -> Routes:
        """The routes."""
        return [
            ("POST", "/groups", self._create),
            ("GET", "/groups", self._list),
            ("GET", "/groups/{guid}", self._get),
            ("GET", "/groups/{guid}/members", self._members),
            ("POST", "/groups/{guid}/members", self._join),
            ("DELETE", "/groups/{guid}/members", self._leave),
        ]

    async def _create(self, call: Call) -> bytes:
        caller = await call.caller()
        return data(await self._groups.create(caller, parse(await call.body(), NewGroup)))

    async def _list(self, call: Call) -> bytes:
        caller = await call.caller()
        limit, number = call.page()
        q = call.query
        found = await self._groups.list(
            caller, joined=q.flag("hasJoined"), search=q.text("searchKey"), limit=limit, number=number
        )
        return encode(found)

    async def _get(self, call: Call) -> bytes:
        return data(await self._groups.get(await call.caller(), call.params["guid"]))

    async def _members(self, call: Call) -> bytes:
        caller = await call.caller()
        limit, number = call.page()
        return encode(await self._groups.members(caller, call.params["guid"], limit=limit, number=number))

    async def _join(self, call: Call) -> bytes:
        caller = await call.caller()
        return data(await self._groups.join(caller, call.params["guid"], parse(await call.body(), Join)))

    async def _leave(self, call: Call) -> bytes:
        return data(await self._groups.leave(await call.caller(), call.params["guid"]))
