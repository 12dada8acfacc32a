"""The actions of users in the model: their requests, their permissions, and their effects.

`judge` returns the codes with which an operation may end ("" is a success), before its outcome is known; `commit` applies
a success to the state and returns who is notified.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from rights import permissions as p
from rights.state import BLOCKS_STOP_CHANGES, RANK_FOR_ONES_OWN_PIN, Group, Message, Place, State, between

NO_USER, NO_GROUP, NO_MESSAGE = "ERR_UID_NOT_FOUND", "ERR_GUID_NOT_FOUND", "ERR_MESSAGE_ID_NOT_FOUND"
NOT_NOW = "ERR_MESSAGE_ACTION_NOT_ALLOWED"
RESTRICTED = "ERR_FEATURE_RESTRICTED"
MUTE = {"send", "reply", "create", "join"}  # forbidden for the role `mute`
Codes = set[str]
Key = tuple[Any, ...]


class Operation(NamedTuple):
    """An action of a user. `args` contains the names of users and groups, and the ids of messages."""

    what: str
    who: str
    args: tuple[Any, ...]


@dataclass
class ReceivedChange:
    """A frame.

    Attributes:
        key: the frame in the terms of the model; see `frames.key_of`.
        must: the users who must get it.
        may: the users who may get it, even more than once.
        once: the users who may get it once.
    """

    key: Key
    must: set[str]
    may: set[str] = field(default_factory=set)
    once: set[str] = field(default_factory=set)


@dataclass
class Effects:
    """The effects of an action: frames and webhook events."""

    frames: list[ReceivedChange] = field(default_factory=list)
    hooks: list[Key] = field(default_factory=list)


class Contradiction(Exception):
    """A success that is impossible in the state of the model, such as a message older than the ones before."""


class Deviation(AssertionError):
    """The server deviates from the documentation in its response, its events or its lists.

    Attributes:
        rule: a short name of the violated rule, without the names and numbers of the case.
        number: the step after which it was found; -1 for none, or at the end.
    """

    def __init__(self, rule: str, what: str, step: Any = None, number: int = -1) -> None:
        super().__init__(f"{rule}: {what}" + (f"\n  at step {number}: {step}" if step is not None else ""))
        self.rule = rule
        self.number = number


# Requests.


def request(operation: Operation) -> tuple[str, str, Any]:
    """Return method, path and body of the request of an action."""
    a = operation.args
    match operation.what:
        case "send" | "reply":
            kind, receiver, text, muid, *parent = a
            body = {"receiver": receiver, "receiverType": kind, "data": {"text": text}}
            more = {"muid": muid} if muid else {}
            return "POST", f"/messages/{parent[0]}/thread" if parent else "/messages", body | more
        case "edit":
            return "PUT", f"/messages/{a[0]}", {"data": {"text": a[1]}}
        case "delete":
            return "DELETE", f"/messages/{a[0]}", {}
        case "react" | "unreact":
            return "POST" if operation.what == "react" else "DELETE", f"/messages/{a[0]}/reactions/{a[1]}", None
        case "pin" | "save":
            return "POST", f"/messages/{a[0]}/{operation.what}", None
        case "unpin" | "unsave":
            return "DELETE", f"/messages/{a[0]}/{operation.what[2:]}", None
        case "follow" | "unfollow":
            return "POST" if operation.what == "follow" else "DELETE", f"/messages/{a[0]}/thread/subscription", None
        case "mark read":
            return "POST", f"/{a[0]}s/{a[1]}/conversation/read", {}
        case "clear":
            return "DELETE", f"/{a[0]}s/{a[1]}/conversation", {}
        case "look":
            return "GET", f"/groups/{a[0]}", None
        case "block" | "unblock":
            return "POST" if operation.what == "block" else "DELETE", "/blockedusers", {"blockedUids": [a[0]]}
    return _group_request(operation)


def _group_request(operation: Operation) -> tuple[str, str, Any]:
    a, path = operation.args, f"/groups/{operation.args[0]}"
    match operation.what:
        case "create":
            guid, kind, password, members = a
            body = {"guid": guid, "name": guid, "type": kind, "members": {"participants": list(members)}}
            return "POST", "/groups", body | ({"password": password} if password else {})
        case "update":
            return "PUT", path, {"name": a[1], "type": a[2]} | ({"password": a[3]} if a[3] else {})
        case "remove":
            return "DELETE", path, None
        case "transfer":
            return "PATCH", path + "/owner", {"owner": a[1]}
        case "join":
            return "POST", path + "/members", {"password": a[1]} if a[1] else {}
        case "leave":
            return "DELETE", path + "/members", None
        case "add":
            return "PUT", path + "/members", {a[2] + "s": [a[1]]}
        case "kick":
            return "DELETE", f"{path}/members/{a[1]}", None
        case "scope":
            return "PUT", f"{path}/members/{a[1]}", {"scope": a[2]}
        case "ban" | "unban":
            return "POST" if operation.what == "ban" else "DELETE", f"{path}/bannedusers/{a[1]}", None
    raise ValueError(operation.what)


# Permissions.


def judge(s: State, operation: Operation) -> Codes:
    """Return the codes with which an action may be refused; {""} if it must succeed."""
    refused: Codes = set()
    if operation.what in MUTE and s.people[operation.who].role == "mute":
        refused.add(RESTRICTED)
    allowed = _JUDGES[operation.what](s, operation.who, *operation.args)
    return (refused | allowed) - {""} if refused else allowed or {""}


def _there(s: State, who: str, guid: str) -> tuple[Group | None, str, Codes]:
    # The group, the role of a user in it, and the refusal for users without a role.
    group = s.groups.get(guid)
    if group is None or not s.knows_group(who, guid):
        return None, "", {NO_GROUP}
    rank = group.rank(who)
    return group, rank, set() if rank else {"ERR_NOT_A_MEMBER"}


def _in_group(s: State, who: str, guid: str, what: str) -> tuple[Group | None, Codes]:
    group, rank, codes = _there(s, who, guid)
    if group is not None and rank and (code := p.group_refusal(what, rank)):
        codes = {code}
    return group, codes


def _reach(s: State, who: str, kind: str, receiver: str) -> Codes:
    # Checks whether a user may write to another user or a group.
    if kind == "group":
        return _in_group(s, who, receiver, "write")[1]
    if not s.exists(receiver):
        return {NO_USER}
    return s.block_codes(who, receiver) | ({"ERR_NOT_A_FRIEND"} if s.is_out_of_reach(who, receiver) else set())


def sent_before(s: State, who: str, muid: str) -> Message | None:
    """Return the message that a user has sent with a muid."""
    return next((m for m in s.messages.values() if muid and (m.sender, m.muid) == (who, muid)), None)


def _send(s: State, who: str, kind: str, receiver: str, text: str, muid: str) -> Codes:
    return set() if sent_before(s, who, muid) else _reach(s, who, kind, receiver)


def _reply(s: State, who: str, kind: str, receiver: str, text: str, muid: str, parent: int) -> Codes:
    codes = _reach(s, who, kind, receiver) | _message(s, who, parent, "reply")
    found = s.messages.get(parent)
    if found is not None:
        if found.place != place_of(s, who, kind, receiver):
            codes.add("ERR_WRONG_MESSAGE_THREAD")
        if found.parent:
            codes.add("ERR_MESSAGE_THREAD_NESTING")
        if found.kind != "text":
            codes.add("ERR_WRONG_MESSAGE_THREAD_CATEGORY")
        if found.deleted:
            codes |= {"", NOT_NOW, "ERR_WRONG_MESSAGE_THREAD"}  # undocumented
    return codes


def place_of(s: State, who: str, kind: str, other: str) -> Place:
    """Return the conversation of a user with another user or a group."""
    if kind == "user":
        return between(who, other)
    return s.groups[other].place if other in s.groups else ()


def _message(s: State, who: str, number: int, what: str) -> Codes:
    if not s.reads(who, number):
        return {NO_MESSAGE}
    m = s.messages[number]
    group = s.group_of(m.place)
    if group is not None:
        rank = group.rank(who)
        own = p.TO_ONES_OWN if RANK_FOR_ONES_OWN_PIN else p.TO_ONES_OWN | {"pin"}
        allowed = rank in p.TO_A_MESSAGE[what] or (m.sender == who and what in own)
    else:
        allowed = what in (p.TO_ONES_OWN | {"pin"} if m.sender == who else p.AS_RECEIVER)
    if not allowed:
        return {"ERR_PERMISSION_DENIED"} if what == "pin" else {"ERR_MESSAGE_NOT_A_SENDER"}
    if BLOCKS_STOP_CHANGES and group is None and what in ("edit", "react", "pin"):
        return s.block_codes(who, next(u for u in m.place[1:] if u != who))
    return set()


def _change(what: str) -> Callable[..., Codes]:
    def check(s: State, who: str, number: int, *_: Any) -> Codes:
        codes = _message(s, who, number, what)
        m = s.messages.get(number)
        if m is not None and codes != {NO_MESSAGE} and (m.deleted or m.kind != "text"):
            codes.add(NOT_NOW)
            if what == "follow":
                codes.add("")  # undocumented
        return codes

    return check


def _unsave(s: State, who: str, number: int) -> Codes:
    # What a user has saved they can remove, even if they can no longer read it.
    return set() if (who, number) in s.saved else _change("save")(s, who, number)


def _conversation(s: State, who: str, kind: str, other: str) -> Codes:
    if kind == "group":
        return _in_group(s, who, other, "read")[1]
    # A conversation with a user who was deleted remains.
    return set() if s.exists(other) or s.history(who, between(who, other)) else {NO_USER}


def _clear(s: State, who: str, kind: str, other: str) -> Codes:
    codes = _conversation(s, who, kind, other)
    if not codes and not s.history(who, place_of(s, who, kind, other)):
        codes = {"ERR_CONVERSATION_NOT_ACCESSIBLE"}
    return codes


def _create(s: State, who: str, guid: str, kind: str, password: str, members: tuple[str, ...]) -> Codes:
    codes = {"ERR_GUID_ALREADY_EXISTS"} if guid in s.groups else set()
    if "_user_" in guid and not codes:
        # A server may refuse a name that looks like the id of a conversation.
        codes = {"", "ERR_GUID_ALREADY_EXISTS", "ERR_BAD_REQUEST"}
    return codes


def _join(s: State, who: str, guid: str, password: str) -> Codes:
    group, rank, _ = _there(s, who, guid)
    if group is None:
        return {NO_GROUP}
    if rank:
        return {"ERR_ALREADY_JOINED"}
    codes = {"ERR_BANNED_GROUPMEMBER"} if who in group.banned else set()
    if group.kind == "password" and password != group.password:
        codes |= {"ERR_WRONG_GROUP_PASS"} if password else {"ERR_EMPTY_GROUP_PASS"}
    return codes


def _on_member(table: dict[str, set[str]]) -> Callable[..., Codes]:
    def check(s: State, who: str, guid: str, other: str, *_: Any) -> Codes:
        group, rank, codes = _there(s, who, guid)
        if group is None or not rank:
            return codes
        codes = p.over_refusals(table, rank, group.rank(other) or "participant")
        if who == other:
            codes = codes | {"ERR_GROUP_NO_SELF_ACTION"}
        return codes

    return check


def _kick(s: State, who: str, guid: str, other: str) -> Codes:
    codes = _on_member(p.REMOVE)(s, who, guid, other)
    known = s.groups.get(guid) if NO_GROUP not in codes else None
    return codes | ({"ERR_NOT_A_MEMBER"} if known is not None and other not in known.members else set())


def _ban(s: State, who: str, guid: str, other: str) -> Codes:
    codes = _on_member(p.REMOVE)(s, who, guid, other)
    if NO_GROUP in codes:
        return codes
    if not s.exists(other):
        codes = codes | {NO_USER}
    return codes | ({"ERR_ALREADY_BANNED"} if other in s.groups[guid].banned else set())


def _unban(s: State, who: str, guid: str, other: str) -> Codes:
    group, codes = _in_group(s, who, guid, "unban")
    return codes | ({"ERR_NOT_A_BANNED_USER"} if group is not None and other not in group.banned else set())


def _scope(s: State, who: str, guid: str, other: str, scope: str) -> Codes:
    codes = _on_member(p.CHANGE)(s, who, guid, other)
    group, rank, _ = _there(s, who, guid)
    if group is None or not rank:
        return codes
    if other not in group.members:
        codes = codes | {"ERR_NOT_A_MEMBER"}
    elif group.members[other].scope == scope:
        codes = codes | {"ERR_SAME_SCOPE"}
    return codes | p.over_refusals(p.MAKE, rank, scope)


def _add(s: State, who: str, guid: str, other: str, scope: str) -> Codes:
    # The refusal of the whole request. For the outcome of the added user see `codes_for_new_member`.
    _, codes = _in_group(s, who, guid, "add")
    return codes or p.over_refusals(p.MAKE, s.groups[guid].rank(who), scope)


def codes_for_new_member(s: State, who: str, guid: str, other: str) -> Codes:
    """Return the codes with which a user may be refused as a member; empty if they are added."""
    if not s.exists(other):
        return {NO_USER}
    codes = {"ERR_NOT_A_FRIEND"} if s.is_out_of_reach(who, other) else set()
    codes |= s.block_codes(who, other)
    if other in s.groups[guid].members:
        codes.add("ERR_ALREADY_JOINED")
    if other in s.groups[guid].banned:
        codes.add("ERR_BANNED_GROUPMEMBER")
    return codes


def _transfer(s: State, who: str, guid: str, other: str) -> Codes:
    group, codes = _in_group(s, who, guid, "transfer")
    return codes | ({"ERR_NOT_A_MEMBER"} if group is not None and other not in group.members else set())


def _update(s: State, who: str, guid: str, name: str, kind: str, password: str) -> Codes:
    return _in_group(s, who, guid, "update")[1]


_JUDGES: dict[str, Callable[..., Codes]] = {
    "send": _send,
    "reply": _reply,
    **{what: _change(what.removeprefix("un")) for what in (
        "edit", "delete", "react", "unreact", "pin", "unpin", "save", "follow", "unfollow")},
    "unsave": _unsave,
    "look": lambda s, who, guid: set() if s.knows_group(who, guid) else {NO_GROUP},
    "mark read": _conversation,
    "clear": _clear,
    "block": lambda s, who, other: set(),
    "unblock": lambda s, who, other: set(),
    "create": _create,
    "update": _update,
    "remove": lambda s, who, guid: _in_group(s, who, guid, "delete")[1],
    "transfer": _transfer,
    "join": _join,
    "leave": lambda s, who, guid: _in_group(s, who, guid, "leave")[1],
    "add": _add,
    "kick": _kick,
    "scope": _scope,
    "ban": _ban,
    "unban": _unban,
}  # fmt: skip


def codes_for_live_frame(s: State, who: str, kind: str, other: str) -> Codes:
    """Return the codes with which typing and transient messages may be refused; empty if they are published."""
    return _reach(s, who, kind, other)
