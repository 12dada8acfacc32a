"""Users, groups and pages as clients receive them. Optional keys are omitted, not null."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from tailwire.server.ports.conversations import conversation_of
from tailwire.server.ports.records import GroupRow, MemberRow, UserRow
from tailwire.wire.bounds import harmless


def stored(text: str | None) -> msgspec.Raw | None:
    """Return stored JSON in a form that every client can parse, or None."""
    return msgspec.Raw(harmless(text.encode())) if text else None


def without_none(pairs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the pairs whose value is not None."""
    return {k: v for k, v in pairs.items() if v is not None}


def user_payload(u: UserRow, *, online: bool) -> dict[str, Any]:
    """Return a user."""
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


def group_payload(g: GroupRow, member: MemberRow | None) -> dict[str, Any]:
    """Return a group as a reader sees it; `member` is their membership, if any."""
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
    """Return a user, group or message as `data.entities` of a message holds it."""
    return {"entity": value, "entityType": kind}


def page(rows: list[Any], *, total: int, limit: int, number: int) -> dict[str, Any]:
    """Return a page of a list, with the total."""
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
