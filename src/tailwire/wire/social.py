"""Decode conversations, reactions, members, receipts and typing indicators.

All functions raise one of `codec.DECODING_ERRORS` if the JSON is invalid.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, cast

from tailwire.wire.codec import (
    BadWire,
    group_from_wire,
    message_from_wire,
    metadata_of,
    number_at,
    object_of,
    receiver_type_at,
    text_at,
    user_from_wire,
)
from tailwire.wire.constants import ReceiverType, ReceiverTypeName, TypingStatus
from tailwire.wire.entities import (
    Conversation,
    FlagReason,
    GroupMember,
    MessageReceipt,
    Reaction,
    ReactionEvent,
    TransientMessage,
    TypingIndicator,
    User,
)

_USER_FIELDS = [f.name for f in fields(User)]


def member_from_wire(value: Any) -> GroupMember:
    """Decode a member of a group."""
    user = user_from_wire(value)
    known = {name: getattr(user, name) for name in _USER_FIELDS}
    return GroupMember(**known, scope=value.get("scope") or "participant", joined_at=number_at(value, "joinedAt"))


def conversation_from_wire(value: Any) -> Conversation:
    """Decode a conversation."""
    d = object_of(value, "conversation")
    kind = d.get("conversationType")
    other = d.get("conversationWith")
    last = d.get("lastMessage")
    return Conversation(
        conversation_id=text_at(d, "conversationId"),
        conversation_type=cast("ReceiverTypeName", str(kind)),
        conversation_with=group_from_wire(other) if kind == ReceiverType.GROUP else user_from_wire(other),
        last_message=message_from_wire(last) if last else None,
        unread_message_count=number_at(d, "unreadMessageCount"),
        unread_mentions_count=number_at(d, "unreadMentionsCount"),
        last_read_message_id=number_at(d, "lastReadMessageId"),
        tags=list(d.get("tags") or []),
        pinned_at=number_at(d, "pinnedAt"),
        created_at=number_at(d, "createdAt"),
        updated_at=number_at(d, "updatedAt"),
        latest_message_id=number_at(d, "latestMessageId"),
    )


def reaction_from_wire(value: Any) -> Reaction:
    """Decode a reaction."""
    d = object_of(value, "reaction")
    by = d.get("reactedBy")
    return Reaction(
        id=number_at(d, "id"),
        message_id=number_at(d, "messageId"),
        reaction=text_at(d, "reaction"),
        uid=text_at(d, "uid"),
        reacted_at=number_at(d, "reactedAt"),
        reacted_by=user_from_wire(by) if by else None,
    )


def reaction_event_from_frame(frame: Mapping[str, Any]) -> tuple[bool, ReactionEvent]:
    """Decode a `reaction` frame. Return whether the reaction was added (False: removed), and the event."""
    body = object_of(frame.get("body"), "body")
    event = ReactionEvent(
        reaction=reaction_from_wire(body),
        receiver_id=text_at(body, "receiverId"),
        receiver_type=receiver_type_at(body),
        conversation_id=text_at(body, "conversationId"),
        parent_message_id=number_at(body, "parentMessageId"),
    )
    return body.get("action") == "message_reaction_added", event


def transient_from_frame(frame: Mapping[str, Any]) -> TransientMessage:
    """Decode a `transient_message` frame."""
    body = object_of(frame.get("body"), "body")
    return TransientMessage(
        receiver_id=text_at(frame, "receiver"),
        receiver_type=receiver_type_at(frame),
        data=dict(object_of(body.get("data") or {}, "data")),
        sender=user_from_wire(body.get("user")),
    )


def reasons_from_wire(value: Any) -> list[FlagReason]:
    """Decode a list of the reasons for which a message can be reported."""
    if not isinstance(value, list):
        raise BadWire("the reasons are not a list")
    return [FlagReason(str(r.get("id")), text_at(r, "name"), text_at(r, "description")) for r in value]


def receipts_from_wire(value: Any) -> list[MessageReceipt]:
    """Decode the receipts of one message, one for each member who has received it."""
    message = object_of(value, "message")
    listed = object_of(message.get("receipts") or {}, "receipts").get("data") or []
    found = []
    for receipt in listed:
        read = number_at(receipt, "readAt")
        delivered = number_at(receipt, "deliveredAt")
        found.append(
            MessageReceipt(
                message_id=number_at(message, "id"),
                sender=user_from_wire(receipt.get("recipient")),
                receiver_id=text_at(message, "receiver"),
                receiver_type=receiver_type_at(message),
                receipt_type="read" if read else "delivered",
                timestamp=read or delivered,
                delivered_at=delivered,
                read_at=read,
            )
        )
    return found


def receipt_from_frame(frame: Mapping[str, Any]) -> MessageReceipt:
    """Decode a `receipts` frame."""
    body = object_of(frame.get("body"), "body")
    at = number_at(body, "timestamp")
    read = text_at(body, "action").startswith("read")
    return MessageReceipt(
        message_id=number_at(body, "messageId"),
        sender=user_from_wire(body.get("user")),
        receiver_id=text_at(frame, "receiver"),
        receiver_type=receiver_type_at(frame),
        receipt_type=text_at(body, "action"),
        timestamp=at,
        delivered_at=0 if read else at,
        read_at=at if read else 0,
    )


def typing_from_frame(frame: Mapping[str, Any]) -> TypingIndicator:
    """Decode a `typing_indicator` frame."""
    body = object_of(frame.get("body"), "body")
    return TypingIndicator(
        sender=user_from_wire(body.get("user")),
        receiver_id=text_at(frame, "receiver"),
        receiver_type=receiver_type_at(frame),
        typing_status=cast("TypingStatus", text_at(body, "action")),
        metadata=metadata_of(body),
    )
