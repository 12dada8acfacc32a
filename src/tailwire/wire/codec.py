"""Decode JSON values of the protocol to entities. Unknown keys are ignored; wrong types raise `DECODING_ERRORS`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

from tailwire.wire.constants import Category, MessageType, ReceiverType, ReceiverTypeName
from tailwire.wire.entities import (
    Action,
    Attachment,
    BaseMessage,
    CustomMessage,
    Group,
    InteractiveMessage,
    MediaMessage,
    TextMessage,
    User,
)

T = TypeVar("T")


class BadWire(ValueError):
    """A JSON value of the protocol is invalid. The message names the key."""


DECODING_ERRORS = (ValueError, LookupError, AttributeError, TypeError, RecursionError, OverflowError)
"""The exceptions of decoding: `BadWire`, and the errors of operations on values of unexpected types."""
MAX_ID = 2**63 - 1


class _Shapes:
    """Checks the types of the values under given keys, with a cache of the valid combinations of types.

    Nearly all objects have a combination that was seen before, so all types are checked by one lookup instead of key by
    key; decoding is most of the cost of handing over a message. `kinds` are the valid types of each key, so few that
    the cache is bounded.
    """

    def __init__(self, **kinds: tuple[type, ...]) -> None:
        self.keys = tuple(kinds)
        self._kinds = tuple(kinds.values())
        self._good: set[tuple[type, ...]] = set()

    def values(self, d: Mapping[str, Any]) -> list[Any] | None:
        """Return the values in the order of `keys`, with None for missing ones; None if a value has another type."""
        values = list(map(d.get, self.keys))
        shape = tuple(map(type, values))
        if shape not in self._good:
            if not all(kind in kinds for kind, kinds in zip(shape, self._kinds, strict=True)):
                return None
            self._good.add(shape)
        return values


_NONE = type(None)
_TEXT, _TIME, _OBJECT = (str, _NONE), (int, _NONE), (dict, _NONE)
_USER_SHAPES = _Shapes(
    uid=(str,), name=_TEXT, avatar=_TEXT, link=_TEXT, role=_TEXT, status=_TEXT, statusMessage=_TEXT,
    lastActiveAt=_TIME, metadata=_OBJECT, tags=(_NONE,), createdAt=_TIME, updatedAt=_TIME, blockedByMe=(_NONE,),
    hasBlockedMe=(_NONE,), conversationId=(_NONE,),
)  # fmt: skip
_MESSAGE_SHAPES = _Shapes(
    receiver=(str,), receiverType=(str,), category=(str,), type=(str,), id=(str, int), muid=_TEXT, conversationId=_TEXT,
    parentId=(_NONE,), sentAt=_TIME, updatedAt=_TIME, deliveredAt=_TIME, readAt=_TIME, editedAt=_TIME, editedBy=_TEXT,
    deletedAt=_TIME, deletedBy=_TEXT, tags=(_NONE,), data=(dict,), quotedMessageId=(_NONE,),
)  # fmt: skip


def object_of(value: Any, what: str) -> Mapping[str, Any]:
    """Return the argument if it is an object.

    Raises:
        BadWire: the value is not an object; the message calls it `what`.
    """
    if type(value) is dict:
        return value
    if not isinstance(value, Mapping):
        raise BadWire(f"{what} is not an object")
    return value


def text_at(d: Mapping[str, Any], key: str, default: str = "") -> str:
    """Return the text under a key; the default if it is missing or null.

    Raises:
        BadWire: the value is not a string.
    """
    value = d.get(key)
    if value is None:
        return default
    if not isinstance(value, str):
        raise BadWire(f"{key} is not a string")
    return value


def receiver_type_at(d: Mapping[str, Any]) -> ReceiverTypeName:
    """Return the text under `receiverType`, even if it is an unknown type; `user` if it is missing."""
    return cast("ReceiverTypeName", text_at(d, "receiverType", ReceiverType.USER))


def _optional(d: Mapping[str, Any], key: str) -> str | None:
    return text_at(d, key) or None


def number_at(d: Mapping[str, Any], key: str) -> int:
    """Return the integer under `key`; 0 if it is missing, null or an empty string.

    A string of digits is converted, and a float is truncated.

    Raises:
        BadWire: the value is anything else.
    """
    value = d.get(key)
    if type(value) is int:
        return value
    if value is None or value == "":
        return 0
    if isinstance(value, str | float) and not isinstance(value, bool):
        try:
            return int(value)
        except (ValueError, OverflowError) as e:
            raise BadWire(f"{key} is not a number") from e
    raise BadWire(f"{key} is not a number")


def _tags(d: Mapping[str, Any]) -> list[str]:
    value = d.get("tags")
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(t, str) for t in value):
        raise BadWire("tags is not a list of strings")
    return list(value)


def metadata_of(d: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of the object under `metadata`; {} if it is missing or not an object."""
    value = d.get("metadata")
    return dict(value) if isinstance(value, Mapping) else {}


_Fields = tuple[str, str, str | None, str | None, str, str, str | None, int]
_recent: dict[str, tuple[Mapping[str, Any], _Fields, tuple[int, int]]] = {}
_MAX_RECENT_USERS = 256
_blank = object.__new__


def _remember(d: Mapping[str, Any], v: list[Any]) -> None:
    # Most messages come from a recent sender, whose equal object need not be checked again. Each message still gets its
    # own user, and users with metadata are not cached, so nothing mutable is shared.
    if len(_recent) >= _MAX_RECENT_USERS:
        _recent.clear()
    status = "online" if v[5] in ("available", "online") else "offline"
    fields = (v[0], v[1] or "", v[2] or None, v[3] or None, v[4] or "default", status, v[6] or None, v[7] or 0)
    _recent[v[0]] = (d, fields, (v[10] or 0, v[11] or 0))


def user_from_wire(value: Any) -> User:
    """Decode a user. Their status becomes `online` if it is `available` or `online`, else `offline`."""
    d = value if type(value) is dict else object_of(value, "user")
    uid = d.get("uid")
    known = _recent.get(uid) if type(uid) is str else None
    if known is not None and known[0] == d:
        created, updated = known[2]
        return User(*known[1], {}, [], created, updated)
    v = _USER_SHAPES.values(d)
    if v is not None and v[0]:
        if not v[8]:
            _remember(d, v)
        return User(
            v[0], v[1] or "", v[2] or None, v[3] or None, v[4] or "default",
            "online" if v[5] == "available" or v[5] == "online" else "offline",
            v[6] or None, v[7] or 0, dict(v[8]) if v[8] else {}, [], v[10] or 0, v[11] or 0,
        )  # fmt: skip
    if not text_at(d, "uid"):
        raise BadWire("uid is missing")
    status = text_at(d, "status", "offline")
    return User(
        uid=text_at(d, "uid"),
        name=text_at(d, "name"),
        avatar=_optional(d, "avatar"),
        link=_optional(d, "link"),
        role=text_at(d, "role", "default"),
        status="online" if status in ("available", "online") else "offline",
        status_message=_optional(d, "statusMessage"),
        last_active_at=number_at(d, "lastActiveAt"),
        metadata=metadata_of(d),
        tags=_tags(d),
        created_at=number_at(d, "createdAt"),
        updated_at=number_at(d, "updatedAt"),
        blocked_by_me=bool(d.get("blockedByMe")),
        has_blocked_me=bool(d.get("hasBlockedMe")),
        conversation_id=text_at(d, "conversationId"),
    )


def group_from_wire(value: Any) -> Group:
    """Decode a group."""
    d = object_of(value, "group")
    guid = text_at(d, "guid")
    if not guid:
        raise BadWire("guid is missing")
    return Group(
        guid=guid,
        name=text_at(d, "name"),
        type=text_at(d, "type", "public"),
        icon=_optional(d, "icon"),
        description=_optional(d, "description"),
        owner=_optional(d, "owner"),
        metadata=metadata_of(d),
        tags=_tags(d),
        members_count=number_at(d, "membersCount"),
        has_joined=bool(d.get("hasJoined")),
        scope=_optional(d, "scope"),
        joined_at=number_at(d, "joinedAt"),
        created_at=number_at(d, "createdAt"),
        updated_at=number_at(d, "updatedAt"),
        is_banned_from_group=bool(d.get("isBanned")),
        conversation_id=text_at(d, "conversationId"),
    )


def _entity(entities: Mapping[str, Any], key: str) -> User | Group | BaseMessage | None:
    holder = entities.get(key)
    if holder is None:
        return None
    d = object_of(holder, key)
    read: Callable[[Any], User | Group | BaseMessage] | None = _READERS.get(d.get("entityType", ""))
    return read(d.get("entity")) if read and d.get("entity") else None


def message_from_wire(value: Any) -> BaseMessage:
    """Decode a message to the class of its category and type; an unknown category becomes a `BaseMessage`.

    Raises:
        BadWire: a required key is missing or has the wrong type.
    """
    d = value if type(value) is dict else object_of(value, "message")
    v = _MESSAGE_SHAPES.values(d)
    if v is not None and v[2] == "message" and v[3] == "text":
        text = _quick_text(v, value)
        if text is not None:
            return text
    data = object_of(d.get("data") or {}, "data")
    entities = object_of(data.get("entities") or {}, "entities")
    sender = _entity(entities, "sender")
    common: dict[str, Any] = {
        "receiver": text_at(d, "receiver"),
        "receiver_type": text_at(d, "receiverType", ReceiverType.USER),
        "category": text_at(d, "category", Category.MESSAGE),
        "type": text_at(d, "type"),
        "id": number_at(d, "id"),
        "muid": text_at(d, "muid"),
        "conversation_id": text_at(d, "conversationId"),
        "sender": sender if isinstance(sender, User) else _plain_sender(d),
        "parent_message_id": number_at(d, "parentId"),
        "sent_at": number_at(d, "sentAt"),
        "updated_at": number_at(d, "updatedAt"),
        "delivered_at": number_at(d, "deliveredAt"),
        "read_at": number_at(d, "readAt"),
        "edited_at": number_at(d, "editedAt"),
        "edited_by": text_at(d, "editedBy"),
        "deleted_at": number_at(d, "deletedAt"),
        "deleted_by": text_at(d, "deletedBy"),
        "metadata": metadata_of(data),
        "tags": _tags(d),
        "quoted_message_id": number_at(d, "quotedMessageId"),
        "raw": value,
    }
    if not 0 < common["id"] <= MAX_ID:
        raise BadWire("id is missing or invalid")
    category = common["category"]
    if category == Category.ACTION:
        return _decode_action(common, data, entities)
    if category == Category.CUSTOM:
        custom = data.get("customData")
        return CustomMessage(
            **common,
            custom_data=dict(custom) if isinstance(custom, Mapping) else {},
            sub_type=text_at(data, "subType"),
            conversation_text=text_at(data, "conversationText"),
            update_conversation=data.get("updateConversation") is not False,
            send_notification=data.get("sendNotification") is not False,
        )
    if category == Category.INTERACTIVE:
        return _decode_interactive(common, data)
    if category == Category.MESSAGE and common["type"] == MessageType.TEXT:
        return TextMessage(**common, text=text_at(data, "text"))
    if category == Category.MESSAGE:
        return MediaMessage(**common, attachments=_decode_attachments(data), caption=text_at(data, "text"))
    return BaseMessage(**common)


def _decode_interactive(common: dict[str, Any], data: Mapping[str, Any]) -> InteractiveMessage:
    interactive, goal = data.get("interactiveData"), data.get("interactionGoal")
    return InteractiveMessage(
        **common,
        interactive_data=dict(interactive) if isinstance(interactive, Mapping) else {},
        interaction_goal=dict(goal) if isinstance(goal, Mapping) else {},
        allow_sender_interaction=bool(data.get("allowSenderInteraction")),
    )


def _quick_text(v: list[Any], raw: Any) -> TextMessage | None:
    # Decode a text message of the usual form; None if it needs the full checks.
    data = v[17]
    entities, text, metadata = data.get("entities"), data.get("text"), data.get("metadata")
    if type(entities) is not dict or type(text) is not str or not (metadata is None or type(metadata) is dict):
        return None
    holder = entities.get("sender")
    if type(holder) is not dict or holder.get("entityType") != "user":
        return None
    sender = user_from_wire(holder.get("entity"))
    number = v[4] if type(v[4]) is int else int(v[4]) if v[4].isdecimal() else 0
    if not 0 < number <= MAX_ID:
        return None
    # Field by field: the constructor with its twenty keywords takes four times as long, for each message.
    message = _blank(TextMessage)
    message.receiver, message.receiver_type, message.category, message.type = v[0], v[1], v[2], v[3]
    message.id, message.muid, message.conversation_id = number, v[5] or "", v[6] or ""
    message.sender = sender
    message.parent_message_id = message.quoted_message_id = 0
    message.sent_at, message.updated_at, message.delivered_at = v[8] or 0, v[9] or 0, v[10] or 0
    message.read_at, message.edited_at, message.deleted_at = v[11] or 0, v[12] or 0, v[14] or 0
    message.edited_by, message.deleted_by = v[13] or "", v[15] or ""
    message.metadata = dict(metadata) if metadata else {}
    message.tags = []
    message.raw = raw
    message.text = text
    return message


def receiver_of(raw: Mapping[str, Any]) -> User | Group | None:
    """Return the receiver of a message, decoded from the message's JSON; None if it is missing or invalid."""
    try:
        found = _entity(raw["data"]["entities"], "receiver")
    except DECODING_ERRORS:
        return None
    return found if isinstance(found, User | Group) else None


def quoted_of(raw: Mapping[str, Any]) -> BaseMessage | None:
    """Return the message that a message quotes, decoded from the message's JSON; None if it is missing or invalid."""
    try:
        return message_from_wire(raw["quotedMessage"])
    except DECODING_ERRORS:
        return None


def _plain_sender(d: Mapping[str, Any]) -> User:
    uid = d.get("sender")
    return User(uid if isinstance(uid, str) else "")


def _decode_action(common: dict[str, Any], data: Mapping[str, Any], entities: Mapping[str, Any]) -> Action:
    by, on, target = _entity(entities, "by"), _entity(entities, "on"), _entity(entities, "for")
    return Action(
        **common,
        action=text_at(data, "action"),
        action_by=by if isinstance(by, User) else None,
        action_on=on if isinstance(on, User | BaseMessage) else None,
        action_for=target if isinstance(target, User | Group) else None,
    )


def _size(a: Mapping[str, Any], key: str) -> int:
    # The sender chose this value: do not lose the message for an invalid one.
    try:
        return number_at(a, key)
    except BadWire:
        return 0


def _decode_attachments(data: Mapping[str, Any]) -> list[Attachment]:
    listed = data.get("attachments")
    if not isinstance(listed, list):
        return [Attachment(text_at(data, "url"))] if data.get("url") else []
    return [
        Attachment(
            text_at(a, "url"),
            text_at(a, "name"),
            text_at(a, "extension"),
            text_at(a, "mimeType"),
            _size(a, "size"),
            _size(a, "width"),
            _size(a, "height"),
            text_at(a, "thumbnail"),
        )
        for a in listed
        if isinstance(a, Mapping)
    ]


_READERS: dict[str, Callable[[Any], User | Group | BaseMessage]] = {
    "user": user_from_wire,
    "group": group_from_wire,
    "message": message_from_wire,
}
