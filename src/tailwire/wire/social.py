"""Between the wire's JSON values and what stands around messages: conversations, reactions, members, receipts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from tailwire.wire.codec import BadWire, group_from_wire, message_from_wire, user_from_wire
from tailwire.wire.constants import ReceiverType
from tailwire.wire.entities import (
    Conversation,
    FlagReason,
    GroupMember,
    MessageReceipt,
    Reaction,
    ReactionEvent,
    TransientMessage,
    User,
)

_USER_FIELDS = [f.name for f in fields(User)]


def _object(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise BadWire(f"{what} is not an object")
    return value


def _number(value: Any) -> int:
    try:
        return int(value or 0)
    except (TypeError, ValueError) as e:
        raise BadWire(f"{str(value)[:50]!r} is not a number") from e


def member_from_wire(value: Any) -> GroupMember:
    """A member of a group."""
    user = user_from_wire(value)
    known = {name: getattr(user, name) for name in _USER_FIELDS}
    return GroupMember(**known, scope=value.get("scope") or "participant", joined_at=_number(value.get("joinedAt")))


def conversation_from_wire(value: Any) -> Conversation:
    """A conversation."""
    d = _object(value, "conversation")
    kind = d.get("conversationType")
    other = d.get("conversationWith")
    last = d.get("lastMessage")
    return Conversation(
        conversation_id=str(d.get("conversationId") or ""),
        conversation_type=str(kind),
        conversation_with=group_from_wire(other) if kind == ReceiverType.GROUP else user_from_wire(other),
        last_message=message_from_wire(last) if last else None,
        unread_message_count=_number(d.get("unreadMessageCount")),
        unread_mentions_count=_number(d.get("unreadMentionsCount")),
        last_read_message_id=_number(d.get("lastReadMessageId")),
        tags=list(d.get("tags") or []),
        pinned_at=_number(d.get("pinnedAt")),
        created_at=_number(d.get("createdAt")),
        updated_at=_number(d.get("updatedAt")),
    )


def reaction_from_wire(value: Any) -> Reaction:
    """A reaction."""
    d = _object(value, "reaction")
    by = d.get("reactedBy")
    return Reaction(
        id=_number(d.get("id")),
        message_id=_number(d.get("messageId")),
        reaction=str(d.get("reaction") or ""),
        uid=str(d.get("uid") or ""),
        reacted_at=_number(d.get("reactedAt")),
        reacted_by=user_from_wire(by) if by else None,
    )


def reaction_event_from_frame(frame: Mapping[str, Any]) -> tuple[bool, ReactionEvent]:
    """What a `reaction` frame tells: whether the reaction was added, and which."""
    body = _object(frame.get("body"), "body")
    event = ReactionEvent(
        reaction=reaction_from_wire(body),
        receiver_id=str(body.get("receiverId") or ""),
        receiver_type=str(body.get("receiverType") or ReceiverType.USER),
        conversation_id=str(body.get("conversationId") or ""),
        parent_message_id=_number(body.get("parentMessageId")),
    )
    return body.get("action") == "message_reaction_added", event


def transient_from_frame(frame: Mapping[str, Any]) -> TransientMessage:
    """A transient message, from the frame that carried it."""
    body = _object(frame.get("body"), "body")
    return TransientMessage(
        receiver_id=str(frame.get("receiver") or ""),
        receiver_type=str(frame.get("receiverType") or ReceiverType.USER),
        data=dict(_object(body.get("data") or {}, "data")),
        sender=user_from_wire(body.get("user")),
    )


def reasons_from_wire(value: Any) -> list[FlagReason]:
    """The reasons for reports."""
    if not isinstance(value, list):
        raise BadWire("the reasons are no list")
    return [FlagReason(str(r.get("id")), str(r.get("name") or ""), str(r.get("description") or "")) for r in value]


def receipts_from_wire(value: Any) -> list[MessageReceipt]:
    """The receipts of one message, one for each member that has received it."""
    message = _object(value, "message")
    listed = _object(message.get("receipts") or {}, "receipts").get("data") or []
    found = []
    for receipt in listed:
        read = _number(receipt.get("readAt"))
        delivered = _number(receipt.get("deliveredAt"))
        found.append(
            MessageReceipt(
                message_id=_number(message.get("id")),
                sender=user_from_wire(receipt.get("recipient")),
                receiver_id=str(message.get("receiver") or ""),
                receiver_type=str(message.get("receiverType") or ReceiverType.USER),
                receipt_type="read" if read else "delivered",
                timestamp=read or delivered,
                delivered_at=delivered,
                read_at=read,
            )
        )
    return found
