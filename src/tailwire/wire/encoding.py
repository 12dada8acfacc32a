"""Encode entities as the bodies of requests that a client sends."""

from __future__ import annotations

from typing import Any

from tailwire.wire.entities import (
    Attachment,
    BaseMessage,
    CustomMessage,
    Group,
    InteractiveMessage,
    MediaMessage,
    TextMessage,
    User,
)


def user_to_wire(user: User) -> dict[str, Any]:
    """Return the body of a request that creates or changes a user, without the values that are not set."""
    pairs = {
        "uid": user.uid,
        "name": user.name or None,
        "avatar": user.avatar,
        "link": user.link,
        "role": user.role if user.role != "default" else None,
        "statusMessage": user.status_message,
        "metadata": user.metadata or None,
        "tags": user.tags or None,
    }
    return {k: v for k, v in pairs.items() if v is not None}


def group_to_wire(group: Group) -> dict[str, Any]:
    """Return the body of a request that creates or changes a group, without the values that are not set."""
    pairs = {
        "guid": group.guid,
        "name": group.name,
        "type": group.type,
        "password": group.password,
        "icon": group.icon,
        "description": group.description,
        "metadata": group.metadata or None,
        "tags": group.tags or None,
    }
    return {k: v for k, v in pairs.items() if v is not None}


def message_to_wire(message: BaseMessage) -> dict[str, Any]:
    """Return the body of a request that sends a message. A request that edits one uses only its `data` and `tags`."""
    data: dict[str, Any] = {}
    if isinstance(message, TextMessage):
        data["text"] = message.text
    elif isinstance(message, CustomMessage):
        data["customData"] = message.custom_data
        options = {"subType": message.sub_type, "conversationText": message.conversation_text}
        data |= {k: v for k, v in options.items() if v}
        if not message.update_conversation:
            data["updateConversation"] = False
        if not message.send_notification:
            data["sendNotification"] = False
    elif isinstance(message, InteractiveMessage):
        data["interactiveData"] = message.interactive_data
        data["interactionGoal"] = message.interaction_goal or {"type": "none", "elementIds": []}
        data["allowSenderInteraction"] = message.allow_sender_interaction
    elif isinstance(message, MediaMessage):
        data["attachments"] = list(map(_attachment_to_wire, message.attachments))
        if message.caption:
            data["text"] = message.caption
    if message.metadata:
        data["metadata"] = message.metadata
    body: dict[str, Any] = {
        "category": str(message.category),
        "type": str(message.type),
        "receiver": message.receiver,
        "receiverType": str(message.receiver_type),
        "data": data,
        "muid": message.muid,
    }
    if message.tags:
        body["tags"] = message.tags
    if message.parent_message_id:
        body["parentId"] = str(message.parent_message_id)
    if message.quoted_message_id:
        body["quotedMessageId"] = str(message.quoted_message_id)
    return body


def _attachment_to_wire(a: Attachment) -> dict[str, Any]:
    described = {"width": a.width, "height": a.height, "thumbnail": a.thumbnail}
    return {
        "url": a.url,
        "name": a.name,
        "extension": a.extension,
        "mimeType": a.mime_type,
        "size": str(a.size),
        **{k: v for k, v in described.items() if v},
    }
