"""How a message reads after something happened to it. Rule: nothing is changed in place; each gives a new message."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar

from tailwire.wire.entities import Action, BaseMessage, Group, User

M = TypeVar("M", bound=BaseMessage)
_OF_READER = ("savedAt", "quotedMessage", "threadSubscribed")
_IN_DATA = ("reactions", "interactions")


def tells_of_message(message: BaseMessage) -> bool:
    """Return whether a message only tells that another was edited or deleted."""
    return message.category == "action" and message.type == "message"


def reads_alike(one: BaseMessage | None, other: BaseMessage | None) -> bool:
    """Return whether two messages show the same. `==` leaves out what is read from `raw`: reactions, pins, replies."""
    return one == other and (one.raw if one else None) == (other.raw if other else None)


def edited(known: BaseMessage, now: M) -> M:
    """Return a message as it was edited.

    An event says how the message reads for everybody: what only this reader sees, and what was heard of receipts, is
    kept from the one that is known.
    """
    data = dict(now.raw.get("data") or {})
    before = known.raw.get("data") or {}
    data |= {name: before[name] for name in _IN_DATA if name in before}
    raw = {**now.raw, "data": data, **{name: known.raw[name] for name in _OF_READER if name in known.raw}}
    if known.reply_count > now.reply_count:
        raw["replyCount"] = known.reply_count
    return replace(
        now,
        raw=raw,
        delivered_at=known.delivered_at or now.delivered_at,
        read_at=known.read_at or now.read_at,
    )


def deleted(known: BaseMessage, now: M) -> M:
    """Return what is left of a message that was deleted: its reactions, pin and mark of the reader go too."""
    kept = {name: known.raw[name] for name in ("quotedMessage",) if name in known.raw}
    raw = {k: v for k, v in {**now.raw, **kept}.items() if k not in ("savedAt", "pinnedAt", "pinnedBy")}
    return replace(
        now,
        raw=raw,
        delivered_at=known.delivered_at or now.delivered_at,
        read_at=known.read_at or now.read_at,
    )


def with_receipt(message: M, at: int, *, read: bool) -> M:
    """Return a message that was received, or read. The first time counts; what was read was received."""
    if message.deleted_at and not message.id:
        return message
    delivered, seen = message.delivered_at or at, message.read_at or (at if read else 0)
    if (delivered, seen) == (message.delivered_at, message.read_at):
        return message
    return replace(message, delivered_at=delivered, read_at=seen)


def with_reaction(message: M, reaction: str, *, added: bool, by_me: bool) -> M:
    """Return a message with one reaction more, or fewer. The user's own counts once, however often it is told."""
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
    """Return a message whose thread has one reply more."""
    return _with_raw(message, {**message.raw, "replyCount": message.reply_count + 1})


def with_pin(message: M, now: BaseMessage) -> M:
    """Return a message pinned, or not, as another copy of it is."""
    raw = {k: v for k, v in message.raw.items() if k not in ("pinnedAt", "pinnedBy")}
    raw |= {k: now.raw[k] for k in ("pinnedAt", "pinnedBy") if now.raw.get(k)}
    return _with_raw(message, raw)


def with_save(message: M, now: BaseMessage) -> M:
    """Return a message saved by the user, or not, as another copy of it is."""
    raw = {k: v for k, v in message.raw.items() if k != "savedAt"}
    raw |= {k: now.raw[k] for k in ("savedAt",) if now.raw.get(k)}
    return _with_raw(message, raw)


def with_quoted(message: M, quoted: BaseMessage) -> M:
    """Return a message that quotes another, as that reads now."""
    return _with_raw(message, {**message.raw, "quotedMessage": quoted.raw})


def other_as_in(message: BaseMessage, known: User | Group, me: str) -> User | Group:
    """Return a user or group as a message names them: a new name comes with the next message."""
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
        return known  # what tells of an edit names nobody but by uid
    return replace(known, name=sender.name, avatar=sender.avatar, updated_at=sender.updated_at)


def _with_raw(message: M, raw: dict[str, Any]) -> M:
    return replace(message, raw=raw)
