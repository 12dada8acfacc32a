"""How things look on the wire, as encoded JSON. Optional keys are left out, not null."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from tailwire.server.ports.conversations import conversation_of
from tailwire.server.ports.records import GroupRow, MemberRow, UserRow
from tailwire.wire.bounds import harmless

encode = msgspec.json.Encoder().encode


# Defaults of what a client may leave out: from a function, since the description of the API cannot show a Raw.


def absent() -> msgspec.Raw:
    """Nothing was sent (msgspec knows no "Raw or None")."""
    return _NULL


def empty() -> msgspec.Raw:
    """An empty object."""
    return _EMPTY


_NULL, _EMPTY = msgspec.Raw(b"null"), msgspec.Raw(b"{}")


def stored(text: str | None) -> msgspec.Raw | None:
    """Stored JSON, as everybody can read it; None for none."""
    return msgspec.Raw(harmless(text.encode())) if text else None


def without_none(pairs: Mapping[str, Any]) -> dict[str, Any]:
    """The pairs that have a value."""
    return {k: v for k, v in pairs.items() if v is not None}


def user(u: UserRow, *, online: bool) -> dict[str, Any]:
    """A user."""
    return without_none(
        {
            "uid": u.uid,
            "name": u.name,
            "avatar": u.avatar,
            "link": u.link,
            "role": u.role,
            "metadata": stored(u.metadata),
            "statusMessage": u.status_message,
            "status": "available" if online else "offline",
            "lastActiveAt": u.last_active_at or None,
            "createdAt": u.created_at,
            "updatedAt": u.updated_at or None,
            "deactivatedAt": u.deactivated_at or None,
            "tags": stored(u.tags),
        }
    )


def group(g: GroupRow, member: MemberRow | None) -> dict[str, Any]:
    """A group, as a user sees it who is a member or not."""
    pairs: dict[str, Any] = {
        "guid": g.guid,
        "name": g.name,
        "type": g.type,
        "icon": g.icon,
        "description": g.description,
        "owner": g.owner,
        "metadata": stored(g.metadata),
        "tags": stored(g.tags),
        "membersCount": g.members_count,
        "conversationId": conversation_of("", g.guid, "group"),
        "hasJoined": member is not None,
        "createdAt": g.created_at,
        "updatedAt": g.updated_at or None,
        "updatedBy": g.updated_by,
    }
    if member is not None:
        pairs |= {"scope": member.scope, "joinedAt": member.joined_at}
    return without_none(pairs)


def entity(value: Any, kind: str) -> dict[str, Any]:
    """Something as messages carry it in `data.entities`."""
    return {"entity": value, "entityType": kind}


def page(rows: list[Any], *, total: int, limit: int, number: int) -> dict[str, Any]:
    """A list in the page style."""
    return {
        "data": rows,
        "meta": {
            "pagination": {
                "total": total,
                "count": len(rows),
                "per_page": limit,
                "current_page": number,
                "total_pages": -(-total // limit),
            },
        },
    }
