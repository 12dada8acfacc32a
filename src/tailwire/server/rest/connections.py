"""REST operations on the connections of this process. They need a REST key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import msgspec

from tailwire.server.actions.payloads import without_none
from tailwire.server.ports.refusal import Refused
from tailwire.server.rest import responses
from tailwire.server.rest.operations import Access, Call, Operation
from tailwire.server.telemetry.connections import ConnectionEvent, ConnectionRow, Connections

Size = Annotated[int, msgspec.Meta(ge=1, le=1000, description="The number of connections on a page.")]
Cursor = Annotated[
    int, msgspec.Meta(ge=1, le=2**63 - 1, description="Only connections after the one with this id in the list.")
]


class ConnectionQuery(msgspec.Struct, kw_only=True):
    """The query that selects connections, newest first."""

    state: Annotated[
        str,
        msgspec.Meta(
            description="Open connections, or the last 1,000 that ended.",
            extra_json_schema={"enum": ["live", "ended"]},
        ),
    ] = "live"
    uid: Annotated[str, msgspec.Meta(description="Only connections of this user.")] = ""
    limit: Size = 100
    before: Cursor | None = None


class ConnectionRoutes:
    """The REST operations that list the WebSocket connections of this process, open or recently ended.

    Args:
        clock: returns monotonic seconds, on the same clock as the times in `connections`.
        now: returns milliseconds since 1970.
    """

    def __init__(self, connections: Connections, clock: Callable[[], float], now: Callable[[], int]) -> None:
        self._connections, self._clock, self._now = connections, clock, now

    def operations(self) -> list[Operation]:
        """Return the operations, each with its route and its handler."""
        one = "/connections/{id}"
        return [
            Operation("GET", "/connections", "List the connections of the process that answers, newest first",
                      self._list, access=Access.ADMIN, query=ConnectionQuery, response=list[responses.Connection],
                      enveloped=True),
            Operation("GET", one, "Get a connection, even one that has ended", self._get, access=Access.ADMIN,
                      response=responses.Connection),
            Operation("GET", one + "/events", "Get the history of a connection, as the server saw it", self._events,
                      access=Access.ADMIN, response=list[responses.ConnectionEvent]),
        ]  # fmt: skip

    async def _list(self, call: Call) -> dict[str, Any]:
        q: ConnectionQuery = call.query
        find = self._connections.open_newest_first if q.state == "live" else self._connections.ended_newest_first
        rows = find(uid=q.uid.lower(), before_number=q.before, limit=q.limit + 1)
        page = rows[: q.limit]
        cursor = {"before": str(page[-1].id)} if len(rows) > q.limit else {}
        return {"data": list(map(self._payload, page)), "meta": {"next": cursor}}

    async def _get(self, call: Call) -> dict[str, Any]:
        return self._payload(self._row(call))

    async def _events(self, call: Call) -> list[dict[str, Any]]:
        return list(map(self._event, self._row(call).events))

    def _row(self, call: Call) -> ConnectionRow:
        text = call.params["id"]
        number = int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else 0
        row = self._connections.get(number)
        if row is None:
            raise Refused(
                "ERR_CONNECTION_NOT_FOUND",
                {"id": "It is not open at the process that answers, nor among the last that ended there."},
            )
        return row

    def _wall_time(self, at: float) -> float:
        return round(self._now() / 1000 - (self._clock() - at), 3)

    def _payload(self, row: ConnectionRow) -> dict[str, Any]:
        end = None
        if row.end is not None:
            facts = {"by": row.end.by, "code": row.end.code, "cause": row.end.cause or None}
            end = without_none({**facts, "at": int(self._wall_time(row.ended_at))})
        fields = {
            "id": str(row.id), "uid": row.uid or None, "device": row.device or None, "platform": row.platform or None,
            "address": row.address, "features": list(row.features), "appState": row.app_state or None,
            "openedAt": int(self._wall_time(row.opened_at)), "lastHeardAt": int(self._wall_time(row.heard_at)),
            "life": round((row.ended_at or self._clock()) - row.opened_at, 3), "buffered": row.buffered,
            "slow": row.slow, "end": end,
        }  # fmt: skip
        return without_none(fields)

    def _event(self, event: ConnectionEvent) -> dict[str, Any]:
        fields = {"at": self._wall_time(event.at), "kind": event.kind, "detail": event.detail or None}
        return without_none(fields)
