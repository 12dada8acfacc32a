"""REST operations that read the audit log. They need a REST key."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from tailwire.server.actions.audit import AuditLog
from tailwire.server.ports.audit import BEHALF, CHANGE, USE, AuditFilter, AuditRow
from tailwire.server.rest import responses
from tailwire.server.rest.operations import Access, Call, Operation
from tailwire.server.rest.queries import Timestamp

Size = Annotated[int, msgspec.Meta(ge=1, le=1000, description="The number of entries on a page.")]
Cursor = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1, description="Only entries older than the one with this id.")]


class AuditQuery(msgspec.Struct, rename="camel", kw_only=True):
    """The query that selects entries of the audit log; "" and None do not restrict them."""

    limit: Size = 100
    before: Cursor | None = None
    kind: Annotated[str, msgspec.Meta(extra_json_schema={"enum": [CHANGE, BEHALF, USE]})] = ""
    actor: Annotated[str, msgspec.Meta(description="The id of an API key, `command line`, or `server`.")] = ""
    on_behalf_of: Annotated[str, msgspec.Meta(description="The uid of a user.")] = ""
    action: Annotated[str, msgspec.Meta(description="An operation, as in `DELETE /users/{uid}`.")] = ""
    target: Annotated[
        str, msgspec.Meta(description="Only entries about this target: a uid, a guid, the id of a key.")
    ] = ""
    from_timestamp: Timestamp | None = None
    to_timestamp: Timestamp | None = None


class AuditRoutes:
    """The REST operation that lists entries of the audit log."""

    def __init__(self, audit: AuditLog) -> None:
        self._audit = audit

    def operations(self) -> list[Operation]:
        """Return the operations, each with its route and its handler."""
        return [
            Operation("GET", "/audit", "Read the audit log, newest entries first", self._list, access=Access.ADMIN,
                      query=AuditQuery, response=list[responses.AuditEntry], enveloped=True),
        ]  # fmt: skip

    async def _list(self, call: Call) -> dict[str, Any]:
        q: AuditQuery = call.query
        rows = await self._audit.find(
            AuditFilter(
                limit=q.limit + 1, before=q.before, kind=q.kind, actor=q.actor, on_behalf_of=q.on_behalf_of.lower(),
                action=q.action, target=q.target, since=q.from_timestamp, until=q.to_timestamp,
            )
        )  # fmt: skip
        entries = rows[: q.limit]
        cursor = {"before": entries[-1].id} if len(rows) > q.limit else {}
        return {"data": [_payload(row) for row in entries], "meta": {"next": cursor}}


def _payload(row: AuditRow) -> dict[str, Any]:
    fields = {
        "id": row.id, "at": row.at, "kind": row.kind, "actor": row.actor, "keyName": row.key_name,
        "onBehalfOf": row.on_behalf_of, "action": row.action, "target": row.target, "details": row.details,
        "address": row.address, "requestId": row.request_id,
    }  # fmt: skip
    return {name: value for name, value in fields.items() if value != ""}
