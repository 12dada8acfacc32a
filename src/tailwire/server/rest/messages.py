"""Messages over HTTP."""

from __future__ import annotations

from tailwire.server.actions.caller import Caller
from tailwire.server.actions.messages import Body, Edit, Messages
from tailwire.server.ports.records import MessageFilter
from tailwire.server.rest.edge import Call, Query, Routes, data, parse
from tailwire.server.rules.names import conversation_of, identifier

MOST = 1000
DEFAULT = 30
LATEST = 2**63 - 1


class MessageRoutes:
    """The resource `messages`."""

    def __init__(self, messages: Messages) -> None:
        self._messages = messages

    def routes(self) -> Routes:
        """The routes but the hot ones."""
        return [
            ("GET", "/messages/{id}", self._get),
            ("PUT", "/messages/{id}", self._edit),
            ("DELETE", "/messages/{id}", self._delete),
            ("GET", "/users/{uid}/messages", self._of_user),
            ("GET", "/groups/{guid}/messages", self._of_group),
        ]

    async def send(self, caller: Caller, body: bytes) -> bytes:
        """`POST /messages`."""
        return data(await self._messages.send(caller, parse(body, Body)))

    async def list(self, caller: Caller, query: bytes, *, uid: str = "", guid: str = "") -> bytes:
        """`GET /messages`, `/users/{uid}/messages`, `/groups/{guid}/messages`."""
        q = Query(query)
        limit = q.number("per_page", "limit", "perPage", least=1, most=MOST, default=DEFAULT) or DEFAULT
        conversation = None
        if uid:
            conversation = conversation_of(caller.uid, identifier(uid, "uid"), "user")
        elif guid:
            conversation = conversation_of("", identifier(guid, "guid"), "group")
        wanted = MessageFilter(
            reader=caller.uid,
            conversation_id=conversation,
            newer=q.text("affix") == "append",
            cursor=q.number("id", least=0, most=LATEST),
            sent_cursor=q.number("sentAt", least=0, most=LATEST),
            updated_after=q.number("updatedAt", least=0, most=LATEST),
            only_updates=q.flag("onlyUpdates"),
            categories=q.words("categories") or q.words("category"),
            types=q.words("types") or q.words("type"),
            parent_id=q.number("parentId", least=1, most=LATEST),
            hide_replies=q.flag("hideReplies"),
            hide_deleted=q.flag("hideDeleted"),
            limit=limit,
        )
        rows = await self._messages.list(caller, wanted, uid=uid, guid=guid)
        meta = b'"current":{"limit":%d,"count":%d}' % (limit, len(rows))
        if rows:
            edge = rows[-1] if wanted.newer else rows[0]
            affix = b"append" if wanted.newer else b"prepend"
            cursor = b'{"affix":"%b","id":"%d","sentAt":%d}' % (affix, edge.id, edge.sent_at)
            meta += b',"next":%b,"cursor":%b' % (cursor, cursor)
        return b'{"data":[%b],"meta":{%b}}' % (b",".join([row.json() for row in rows]), meta)

    async def _of_user(self, call: Call) -> bytes:
        return await self.list(await call.caller(), call.scope["query_string"], uid=call.params["uid"])

    async def _of_group(self, call: Call) -> bytes:
        return await self.list(await call.caller(), call.scope["query_string"], guid=call.params["guid"])

    async def _get(self, call: Call) -> bytes:
        return data((await self._messages.get(await call.caller(), call.params["id"])).json())

    async def _edit(self, call: Call) -> bytes:
        caller = await call.caller(sends=True)
        return data(await self._messages.edit(caller, call.params["id"], parse(await call.body(), Edit)))

    async def _delete(self, call: Call) -> bytes:
        return data(await self._messages.delete(await call.caller(sends=True), call.params["id"]))
