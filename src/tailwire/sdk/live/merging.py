"""Functions that apply an event to a message, group or conversation of a live list.

Each returns the changed object, and leaves its arguments as they are. `known` is the object as the list has it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar

from tailwire.wire.entities import Action, BaseMessage, Conversation, Group, User

M = TypeVar("M", bound=BaseMessage)
_READER_FIELDS = ("savedAt", "quotedMessage", "threadSubscribed")
_DATA_FIELDS = ("reactions", "interactions")


def reports_a_change(message: BaseMessage) -> bool:
    """Return whether this is an action message that reports the edit or the deletion of another message."""
    return message.category == "action" and message.type == "message"


def reads_alike(one: BaseMessage | None, other: BaseMessage | None) -> bool:
    """Return whether two messages would be shown alike. Unlike `==`, this compares reactions, pins and reply counts.

    None is like None only.
    """
    return one == other and (one.raw if one else None) == (other.raw if other else None)


def after_edit(known: BaseMessage, edited: M) -> M:
    """Return a message after an edit.

    An event contains the message in a form for all users. What that form lacks is kept from the known message:
    reactions, receipts, and the fields that differ between users, such as the saved mark.

    Args:
        edited: the message from the event.
    """
    data = dict(edited.raw.get("data") or {})
    before = known.raw.get("data") or {}
    data |= {name: before[name] for name in _DATA_FIELDS if name in before}
    raw = {**edited.raw, "data": data, **{name: known.raw[name] for name in _READER_FIELDS if name in known.raw}}
    if known.reply_count > edited.reply_count:
        raw["replyCount"] = known.reply_count
    return replace(
        edited,
        raw=raw,
        delivered_at=known.delivered_at or edited.delivered_at,
        read_at=known.read_at or edited.read_at,
    )


def after_deletion(known: BaseMessage, deleted: M) -> M:
    """Return a message after its deletion: without its content, pin and saved mark.

    Receipts and the quoted message are kept from the known message.

    Args:
        deleted: the message from the event.
    """
    kept = {name: known.raw[name] for name in ("quotedMessage",) if name in known.raw}
    raw = {k: v for k, v in {**deleted.raw, **kept}.items() if k not in ("savedAt", "pinnedAt", "pinnedBy")}
    return replace(
        deleted,
        raw=raw,
        delivered_at=known.delivered_at or deleted.delivered_at,
        read_at=known.read_at or deleted.read_at,
    )


def with_receipt(message: M, at: int, *, read: bool) -> M:
    """Return a message with the time when it was delivered, or read. A time that it has already is kept.

    Args:
        at: the time, in seconds since 1970.
        read: True sets the time of reading, and that of the delivery if there is none yet; False sets only the latter.
    """
    if message.deleted_at and not message.id:
        return message
    delivered, read_at = message.delivered_at or at, message.read_at or (at if read else 0)
    if (delivered, read_at) == (message.delivered_at, message.read_at):
        return message
    return replace(message, delivered_at=delivered, read_at=read_at)


def with_reaction(message: M, reaction: str, *, added: bool, by_me: bool) -> M:
    """Return a message with one reaction more, or one fewer. A deleted message is not changed.

    Args:
        reaction: the emoji or word.
        added: False if the reaction was removed.
        by_me: whether it is this user's own reaction. That is counted once, even if it is reported twice.
    """
    if message.deleted_at:
        return message
    data = dict(message.raw.get("data") or {})
    listed: list[dict[str, Any]] = [dict(r) for r in data.get("reactions") or ()]
    known = next((r for r in listed if r.get("reaction") == reaction), None)
    if by_me and bool(known and known.get("reactedByMe")) is added:
        return message
    if known is None:
        if not added:
            return message
        known = {"reaction": reaction, "count": 0}
        listed.append(known)
    known["count"] = int(known.get("count") or 0) + (1 if added else -1)
    if by_me and added:
        known["reactedByMe"] = True
    elif by_me:
        known.pop("reactedByMe", None)
    data["reactions"] = [r for r in listed if r["count"] > 0]
    return _with_raw(message, {**message.raw, "data": data})


def with_reply(message: M) -> M:
    """Return a message with one more reply in its thread."""
    return _with_raw(message, {**message.raw, "replyCount": message.reply_count + 1})


def with_pin(message: M, current: BaseMessage) -> M:
    """Return a message, pinned or not pinned like a newer copy of it (`current`)."""
    raw = {k: v for k, v in message.raw.items() if k not in ("pinnedAt", "pinnedBy")}
    raw |= {k: current.raw[k] for k in ("pinnedAt", "pinnedBy") if current.raw.get(k)}
    return _with_raw(message, raw)


def with_save(message: M, current: BaseMessage) -> M:
    """Return a message, saved by this user or not like a newer copy of it (`current`)."""
    raw = {k: v for k, v in message.raw.items() if k != "savedAt"}
    raw |= {k: current.raw[k] for k in ("savedAt",) if current.raw.get(k)}
    return _with_raw(message, raw)


def with_quoted(message: M, quoted: BaseMessage) -> M:
    """Return a message that contains a new version of the message that it quotes (`quoted`)."""
    return _with_raw(message, {**message.raw, "quotedMessage": quoted.raw})


def changed_group(changed: Group, known: User | Group) -> User | Group:
    """Return the new state of a group that another user has changed, with this user's membership from `known`.

    Args:
        changed: the group from the event; it does not describe this user's membership.
        known: the other side of the conversation as the list has it. It is returned unchanged if it is newer than
            `changed`, or is a user.
    """
    if not isinstance(known, Group) or changed.updated_at < known.updated_at:
        return known
    return replace(changed, has_joined=known.has_joined, scope=known.scope, joined_at=known.joined_at)


def with_blocks(current: Conversation, before: Conversation) -> Conversation:
    """Return a conversation with the blocks between its two users that are known from `before`.

    This is needed because the response to a request for a single conversation does not include blocks.
    """
    other, known = current.conversation_with, before.conversation_with
    if not isinstance(other, User) or not isinstance(known, User):
        return current
    other = replace(other, blocked_by_me=known.blocked_by_me, has_blocked_me=known.has_blocked_me)
    return replace(current, conversation_with=other)


def other_as_in(message: BaseMessage, known: User | Group, me: str) -> User | Group:
    """Return the other side of a conversation (a user or group), updated from the copy that a message contains.

    For a user this is their name and avatar; a group keeps this user's membership. If the message contains no copy, or
    an older one, `known` is returned.

    Args:
        me: the uid of this user.
    """
    if isinstance(known, Group):
        named = message.action_for if isinstance(message, Action) else message.receiver_entity
        if not isinstance(named, Group) or named.updated_at < known.updated_at:
            return known
        scope = known.scope
        if isinstance(message, Action) and message.action == "scopeChanged":
            on = message.action_on
            if isinstance(on, User) and on.uid == me:
                scopes = (message.raw.get("data") or {}).get("extras", {}).get("scope", {})
                scope = scopes.get("new") or scope
        return replace(named, has_joined=known.has_joined, scope=scope, joined_at=known.joined_at)
    sender = message.sender
    if sender.uid != known.uid or not sender.name or sender.updated_at < known.updated_at:
        return known  # messages about edits contain only the uid of a user
    return replace(known, name=sender.name, avatar=sender.avatar, updated_at=sender.updated_at)


def last_message_fields(c: Conversation, message: BaseMessage) -> dict[str, object]:
    """Return the fields of a conversation that a message changes: `last_message` with its new value, or nothing.

    The value is None if the last message was deleted.

    Args:
        message: a new message, or an action message that reports an edit or a deletion.
    """
    last = c.last_message
    if isinstance(message, Action) and reports_a_change(message):
        on = message.action_on
        if last is None or not isinstance(on, BaseMessage):
            return {}
        if last.id == on.id:
            return {"last_message": None if message.action == "deleted" else after_edit(last, on)}
        if last.quoted_message_id == on.id:
            return {"last_message": with_quoted(last, on)}
        return {}
    hidden = message.parent_message_id or getattr(message, "update_conversation", True) is False
    if hidden or (last is not None and last.id >= message.id):
        if last is not None and message.parent_message_id == last.id:
            return {"last_message": with_reply(last)}
        return {}
    return {"last_message": message}


def is_unread(c: Conversation, message: BaseMessage, me: str) -> bool:
    """Return whether a message counts as unread in a conversation: another user sent it, and it is not read yet.

    Action messages never count as unread.
    """
    return message.sender.uid != me and message.category != "action" and message.id > c.last_read_message_id


def as_read(c: Conversation, up_to: int) -> Conversation:
    """Return a conversation as read up to a message id, without unread messages."""
    up_to = max(c.last_read_message_id, up_to)
    return replace(c, last_read_message_id=up_to, unread_message_count=0, unread_mentions_count=0)


def _with_raw(message: M, raw: dict[str, Any]) -> M:
    return replace(message, raw=raw)
