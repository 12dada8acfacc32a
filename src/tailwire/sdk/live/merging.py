"""How an event changes a message, group or conversation. Each function returns the result, and changes no argument."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar

from tailwire.wire.entities import Action, BaseMessage, Conversation, Group, User

M = TypeVar("M", bound=BaseMessage)
_READER_FIELDS = ("savedAt", "quotedMessage", "threadSubscribed")
_DATA_FIELDS = ("reactions", "interactions")


def reports_a_change(message: BaseMessage) -> bool:
    """Return whether a message only reports that another was edited or deleted."""
    return message.category == "action" and message.type == "message"


def reads_alike(one: BaseMessage | None, other: BaseMessage | None) -> bool:
    """Return whether two messages look the same, including reactions, pins and replies, which `==` ignores."""
    return one == other and (one.raw if one else None) == (other.raw if other else None)


def after_edit(known: BaseMessage, now: M) -> M:
    """Return a message after an edit.

    The event contains the message as all users see it. The fields of this reader, and the receipts, are kept from the
    known message.
    """
    data = dict(now.raw.get("data") or {})
    before = known.raw.get("data") or {}
    data |= {name: before[name] for name in _DATA_FIELDS if name in before}
    raw = {**now.raw, "data": data, **{name: known.raw[name] for name in _READER_FIELDS if name in known.raw}}
    if known.reply_count > now.reply_count:
        raw["replyCount"] = known.reply_count
    return replace(
        now,
        raw=raw,
        delivered_at=known.delivered_at or now.delivered_at,
        read_at=known.read_at or now.read_at,
    )


def after_deletion(known: BaseMessage, now: M) -> M:
    """Return what remains of a deleted message: receipts and the quoted message, but no content, pin or saved mark."""
    kept = {name: known.raw[name] for name in ("quotedMessage",) if name in known.raw}
    raw = {k: v for k, v in {**now.raw, **kept}.items() if k not in ("savedAt", "pinnedAt", "pinnedBy")}
    return replace(
        now,
        raw=raw,
        delivered_at=known.delivered_at or now.delivered_at,
        read_at=known.read_at or now.read_at,
    )


def with_receipt(message: M, at: int, *, read: bool) -> M:
    """Return a message with the time when it was delivered, or read. Earlier times are kept; read implies delivered.

    Args:
        at: the time, in seconds since 1970.
    """
    if message.deleted_at and not message.id:
        return message
    delivered, read_at = message.delivered_at or at, message.read_at or (at if read else 0)
    if (delivered, read_at) == (message.delivered_at, message.read_at):
        return message
    return replace(message, delivered_at=delivered, read_at=read_at)


def with_reaction(message: M, reaction: str, *, added: bool, by_me: bool) -> M:
    """Return a message with one reaction more or fewer. The user's own reaction counts once, even if reported twice."""
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


def with_pin(message: M, now: BaseMessage) -> M:
    """Return a message with the pin from another copy of it."""
    raw = {k: v for k, v in message.raw.items() if k not in ("pinnedAt", "pinnedBy")}
    raw |= {k: now.raw[k] for k in ("pinnedAt", "pinnedBy") if now.raw.get(k)}
    return _with_raw(message, raw)


def with_save(message: M, now: BaseMessage) -> M:
    """Return a message with the user's saved mark from another copy of it."""
    raw = {k: v for k, v in message.raw.items() if k != "savedAt"}
    raw |= {k: now.raw[k] for k in ("savedAt",) if now.raw.get(k)}
    return _with_raw(message, raw)


def with_quoted(message: M, quoted: BaseMessage) -> M:
    """Return a message with a new version of the message that it quotes."""
    return _with_raw(message, {**message.raw, "quotedMessage": quoted.raw})


def changed_group(changed: Group, known: User | Group) -> User | Group:
    """Return a group as another user has changed it, with this user's membership.

    Returns `known` itself if it is newer, or is a user.
    """
    if not isinstance(known, Group) or changed.updated_at < known.updated_at:
        return known
    return replace(changed, has_joined=known.has_joined, scope=known.scope, joined_at=known.joined_at)


def with_blocks(now: Conversation, before: Conversation) -> Conversation:
    """Return a conversation with the known blocks: the response for a single conversation does not include them."""
    other, known = now.conversation_with, before.conversation_with
    if not isinstance(other, User) or not isinstance(known, User):
        return now
    other = replace(other, blocked_by_me=known.blocked_by_me, has_blocked_me=known.has_blocked_me)
    return replace(now, conversation_with=other)


def other_as_in(message: BaseMessage, known: User | Group, me: str) -> User | Group:
    """Return a user or group as the copy in a message shows it, or as it is known if the message has no newer copy.

    Args:
        me: the uid of the user who sees it.
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


def _with_raw(message: M, raw: dict[str, Any]) -> M:
    return replace(message, raw=raw)
