"""The JSON form of users, groups, conversations and reactions, the same in REST, frames, webhooks and stored messages.

Keys without a value are omitted, not null.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from tailwire.server.actions.raw_json import decode_object
from tailwire.server.actions.views import (
    NO_BLOCKS,
    Blocks,
    ConversationView,
    GroupView,
    MissingGroup,
    MissingUser,
    ReactionView,
    UserView,
)
from tailwire.server.ports.conversations import conversation_of, group_in, id_of
from tailwire.wire.bounds import parseable


def stored_json(text: str | None) -> msgspec.Raw | None:
    """Return stored JSON for a response, or None if nothing is stored.

    Values that some clients cannot parse, such as very deep ones, are replaced by `null`.
    """
    return msgspec.Raw(parseable(text.encode())) if text else None


def without_none(pairs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the pairs whose value is not None."""
    return {k: v for k, v in pairs.items() if v is not None}


def user_payload(view: UserView) -> dict[str, Any]:
    """Return the JSON form of a user."""
    u = view.row
    fields = without_none(
        {
            "uid": u.uid,
            "name": u.name,
            "avatar": u.avatar,
            "link": u.link,
            "role": u.role,
            "metadata": stored_json(u.metadata),
            "statusMessage": u.status_message,
            "status": "available" if view.online else "offline",
            "lastActiveAt": u.last_active_at or None,
            "createdAt": u.created_at,
            "updatedAt": u.updated_at or None,
            "deactivatedAt": u.deactivated_at or None,
            "tags": stored_json(u.tags),
        }
    )
    if view.conversation_id is not None:
        fields["conversationId"] = view.conversation_id
    return fields if view.blocks is NO_BLOCKS else fields | block_flags(view.blocks)


def missing_user_payload(uid: str) -> dict[str, Any]:
    """Return the JSON form of a user who no longer exists: only the uid is left, also as the name."""
    return {"uid": uid, "name": uid, "status": "offline"}


def block_flags(blocks: Blocks) -> dict[str, Any]:
    """Return the fields that report the blocks between a user and the reader; {} if neither has blocked the other."""
    mine, theirs = blocks
    if mine is None and theirs is None:
        return {}
    return without_none(
        {
            "blockedByMe": True if mine else None,
            "blockedByMeAt": mine,
            "hasBlockedMe": True if theirs else None,
            "blockedAt": theirs,
        }
    )


def group_payload(view: GroupView) -> dict[str, Any]:
    """Return the JSON form of a group."""
    g, member = view.row, view.member
    pairs: dict[str, Any] = {
        "guid": g.guid,
        "name": g.name,
        "type": g.type,
        "icon": g.icon,
        "description": g.description,
        "owner": g.owner,
        "metadata": stored_json(g.metadata),
        "tags": stored_json(g.tags),
        "membersCount": g.members_count,
        "conversationId": conversation_of("", g.guid, "group"),
        "hasJoined": member is not None,
        "createdAt": g.created_at,
        "updatedAt": g.updated_at or None,
        "updatedBy": g.updated_by,
    }
    if member is not None:
        pairs |= {"scope": member.scope, "joinedAt": member.joined_at}
    elif view.banned:
        pairs["isBanned"] = True
    return without_none(pairs)


def conversation_payload(view: ConversationView) -> dict[str, Any]:
    """Return the JSON form of a conversation."""
    row = view.row
    return without_none(
        {
            "conversationId": id_of(row.conversation_id),
            "conversationType": "group" if group_in(row.conversation_id) else "user",
            "unreadMessageCount": str(row.unread),
            "unreadMentionsCount": row.mentioned,
            "createdAt": row.created_at or row.updated_at,
            "updatedAt": row.updated_at,
            "lastMessage": msgspec.Raw(view.last) if view.last else None,
            "lastReadMessageId": str(row.read_id) if row.read_id else None,
            "latestMessageId": str(row.last_message_id) if row.last_message_id else None,
            "conversationWith": _partner(view),
            "tags": msgspec.Raw(row.tags.encode()) if row.tags and view.with_tags else None,
            "pinnedAt": row.pinned_at,
            "pinnedBy": row.uid if row.pinned_at else None,
            "uid": row.uid if view.with_uid else None,
        }
    )


def _partner(view: ConversationView) -> Any:
    partner = view.partner
    if isinstance(partner, GroupView):
        return group_payload(partner)
    if isinstance(partner, MissingGroup):
        return {"guid": partner.guid}
    flags = block_flags(view.blocks)
    if isinstance(partner, MissingUser):
        return missing_user_payload(partner.uid) | flags
    return {**decode_object(partner), **flags} if flags else partner


def reaction_payload(view: ReactionView) -> dict[str, Any]:
    """Return the JSON form of a reaction."""
    r = view.row
    return {
        "id": str(r.id),
        "messageId": str(r.message_id),
        "reaction": r.reaction,
        "uid": r.uid,
        "reactedAt": r.reacted_at,
        "reactedBy": view.by if view.by is not None else {"uid": r.uid, "name": r.uid},
    }


def as_entity(value: Any, kind: str) -> dict[str, Any]:
    """Return a user, group or message in the form that it has in `data.entities` of a message.

    Args:
        value: its JSON form, encoded or not.
        kind: `user`, `group` or `message`.
    """
    return {"entity": value, "entityType": kind}
