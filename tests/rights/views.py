"""The expected responses of each list, search, count and single object, for each user."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from rights import permissions as p
from rights.facts import group_facts, message_facts, read_group, read_message
from rights.state import (
    BLOCKS_HIDE_PRESENCE,
    NEWEST_IS_THE_LAST_OF_THE_LIST,
    ROWS_FOLLOW_REMOVALS,
    Message,
    Place,
    State,
    between,
)

ALL = "limit=1000"
Rows = Callable[[Any], Any]


@dataclass
class View:
    """A request and its expected response.

    Attributes:
        rule: the name of the request, the same for all users; names its deviations.
        path: the path and query of the request.
        must: what the response must contain; for a refusal, `codes` has the permitted codes instead.
        may: what it may contain in addition.
        read: returns from `data` what is compared.
    """

    rule: str
    path: str
    must: Any = None
    codes: frozenset[str] = frozenset()
    may: Any = None
    read: Rows = lambda data: data


def find_difference(view: View, status: int, code: str, data: Any) -> str:
    """Return what is wrong with a response; "" if nothing is."""
    if view.codes:
        return "" if code in view.codes else f"answered {code or status}, not {sorted(view.codes)}"
    if code:
        return f"refused with {code}, not answered"
    got = view.read(data)
    if isinstance(view.must, dict):
        may = {k: v for k, v in (view.may or {}).items() if k not in view.must}
        more = {k: v for k, v in got.items() if k not in view.must | may}
        less = {k: v for k, v in view.must.items() if k not in got}
        other = {k: (got[k], v) for k, v in (view.must | may).items() if k in got and got[k] != v}
        problems = [f"too much: {more}"] if more else []
        problems += [f"missing: {less}"] if less else []
        problems += [f"different (shown, right): {other}"] if other else []
        return "; ".join(problems)
    return "" if got == view.must else f"shows {got}, not {view.must}"


def views(s: State, uid: str) -> Iterator[View]:
    """Yield all requests of a user."""
    yield from _lists(s, uid)
    yield from _conversations(s, uid)
    yield from _by_id(s, uid)
    yield from _single_messages(s, uid)
    for guid in sorted({*s.groups, "no_such_group"}):
        yield from _group(s, uid, guid)
    for other in sorted(s.people):
        yield from _with_user(s, uid, other)
    yield from _people(s, uid)


# Messages.


def read_messages(data: Any) -> dict[int, tuple[Any, ...]]:
    """Return the messages of a response, by id."""
    return {int(row["id"]): read_message(row) for row in data}


def _facts_of(s: State, uid: str, messages: Iterable[Message]) -> dict[int, tuple[Any, ...]]:
    return {m.id: message_facts(s, uid, m) for m in messages}


def _list(s: State, uid: str, rule: str, path: str, must: Iterable[Message], may: Iterable[Message] = ()) -> View:
    return View(rule, path, _facts_of(s, uid, must), may=_facts_of(s, uid, may), read=read_messages)


def _lists(s: State, uid: str) -> Iterator[View]:
    all_ = s.history(uid)
    # Cleared messages may remain in the user's own saved messages: the documentation does not say.
    cleared = [m for m in s.readable(uid) if m not in all_]
    yield _list(s, uid, "messages", f"/messages?{ALL}", all_)
    yield _list(s, uid, "messages after", f"/messages?{ALL}&affix=append&id=0", s.missed(uid))
    if NEWEST_IS_THE_LAST_OF_THE_LIST:
        yield View("newest", "/messages?limit=1", _facts_of(s, uid, all_[-1:]), read=read_messages)
    yield _list(s, uid, "search", f"/messages?{ALL}&searchKey=word", _found(all_))
    yield _list(s, uid, "search of edits", f"/messages?{ALL}&searchKey=edited", _found(all_, "edited"))
    yield _list(s, uid, "reactions filter", f"/messages?{ALL}&hasReactions=1", [m for m in all_ if m.reactions])
    yield _list(s, uid, "deleted filter", f"/messages?{ALL}&onlyDeleted=1", [m for m in all_ if m.deleted])
    updates = View("updates", f"/messages?{ALL}&updatedAt=1&onlyUpdates=1", {}, read=read_messages)
    updates.may = _facts_of(s, uid, s.missed(uid))
    yield updates
    new = [m for m in s.missed(uid) if m.id > s.read.get((uid, m.place), 0) and m.sender != uid and m.kind == "text"]
    yield _list(s, uid, "unread", f"/messages?{ALL}&unread=1", [m for m in new if not m.deleted], new)
    hidden = [m for m in all_ if m.sender not in s.people[uid].blocks]
    yield _list(s, uid, "messages without blocked", f"/messages?{ALL}&hideMessagesFromBlockedUsers=1", hidden)
    saved = [m for m in all_ if (uid, m.id) in s.saved]
    yield _list(s, uid, "saved", f"/messages?{ALL}&saved=1", saved, [m for m in cleared if (uid, m.id) in s.saved])
    for other in sorted(s.people):
        sent = [m for m in all_ if m.sender == other]
        yield _list(s, uid, "messages by sender", f"/messages?{ALL}&sender={other}", sent)
    for kind in ("user", "group"):
        some = [m for m in all_ if m.place[0] == kind]
        yield _list(s, uid, "messages by receiver type", f"/messages?{ALL}&receiverType={kind}", some)
    followed = [m for m in all_ if (uid, m.id) in s.follows and not m.deleted]
    begun = {m.parent for m in s.messages.values() if m.parent}  # who began a thread may follow it
    for number in sorted(begun):
        replies = [m for m in all_ if m.parent == number]
        yield _list(s, uid, "replies filter", f"/messages?{ALL}&parentId={number}", replies)
    may = [m for m in s.readable(uid) if (uid, m.id) in s.follows or (m.sender == uid and m.id in begun)]
    yield _list(s, uid, "threads", f"/threads?{ALL}", followed, may)


def _found(messages: Iterable[Message], word: str = "word") -> list[Message]:
    return [m for m in messages if m.kind == "text" and word in m.text.split()]


def _single_messages(s: State, uid: str) -> Iterator[View]:
    for number in sorted({*s.messages, *s.gone}):
        paths = {
            "message": f"/messages/{number}",
            "replies": f"/messages/{number}/thread?{ALL}",
            "reactions": f"/messages/{number}/reactions",
        }
        if not s.reads(uid, number):
            for rule, path in paths.items():
                yield View(rule, path, codes=frozenset({"ERR_MESSAGE_ID_NOT_FOUND"}))
            continue
        m = s.messages[number]
        yield View("message", paths["message"], message_facts(s, uid, m), read=read_message)
        replies = [r for r in s.readable(uid) if r.parent == number]
        yield _list(s, uid, "replies", paths["replies"], [r for r in replies if r in s.history(uid)], replies)
        reacted = dict.fromkeys(m.reactions, 1)
        yield View("reactions", paths["reactions"], reacted, read=lambda d: {(r["reaction"], r["uid"]): 1 for r in d})


# Conversations.


def _named(s: State, uid: str, place: Place) -> tuple[str, str]:
    group = s.group_of(place)
    if group is not None:
        return "group", group.guid
    others = [u for u in place[1:] if u != uid]
    return "user", (others or [uid])[0]


def _row(s: State, uid: str, place: Place) -> tuple[Any, ...]:
    kind, other = _named(s, uid, place)
    status = "offline"
    if kind == "user" and s.exists(other) and s.shows_online(uid, other):
        status = "available"
    return s.last_shown(uid, place) if ROWS_FOLLOW_REMOVALS else 0, s.unread(uid, place), status


def _read_row(row: Any) -> tuple[Any, ...]:
    last = int(row["lastMessage"]["id"]) if "lastMessage" in row and ROWS_FOLLOW_REMOVALS else 0
    return last, int(row["unreadMessageCount"]), row["conversationWith"].get("status", "offline")


def _read_rows(data: Any) -> dict[tuple[str, str], tuple[Any, ...]]:
    rows = {}
    for row in data:
        with_ = row["conversationWith"]
        rows[row["conversationType"], with_.get("guid") or with_["uid"]] = _read_row(row)
    return rows


def _conversations(s: State, uid: str) -> Iterator[View]:
    places = {_named(s, uid, place): place for place in s.places_of(uid)}
    all_ = {name: _row(s, uid, place) for name, place in places.items()}
    # A group whose messages were all removed may still be listed.
    empty = {("group", g.guid): (0, 0, "offline") for g in s.groups.values() if uid in g.members}
    yield View("conversations", f"/conversations?{ALL}", all_, may=empty, read=_read_rows)
    unread = {name: row for name, row in all_.items() if row[1]}
    yield View("unread conversations", f"/conversations?{ALL}&unread=1", unread, read=_read_rows)
    for kind in ("user", "group"):
        some = {name: row for name, row in all_.items() if name[0] == kind}
        path = f"/conversations?{ALL}&conversationType={kind}"
        yield View("conversations by type", path, some, may=empty, read=_read_rows)
    # Deleted users have no name.
    named = {n: row for n, row in all_.items() if "admin" in n[1] and (n[0] == "group" or s.exists(n[1]))}
    some = {name: row for name, row in (empty | all_).items() if "admin" in name[1]}
    yield View("conversation search", f"/conversations?{ALL}&searchKey=admin", named, may=some, read=_read_rows)
    counts = {name: row[1] for name, row in unread.items()}
    yield View("counts", "/messages?unread=1&count=1", counts, read=_read_counts)
    blocks = s.people[uid].blocks
    counts = {name: count for name, place in places.items() if (count := s.unread(uid, place, blocks))}
    path = "/messages?unread=1&count=1&hideMessagesFromBlockedUsers=1"
    yield View("counts without blocked", path, counts, read=_read_counts)


def _read_counts(data: Any) -> dict[tuple[str, str], int]:
    return {(row["entityType"], row["entityId"]): row["count"] for row in data}


def _by_id(s: State, uid: str) -> Iterator[View]:
    # Several conversations may have one id: for each user, it means only those in which they participate.
    places: dict[str, list[Place]] = {}
    for place in dict.fromkeys(m.place for m in s.messages.values()):
        group = s.group_of(place)
        name = f"group_{group.guid}" if group is not None else "_user_".join(place[1:])
        places.setdefault(name, []).append(place)
    for name, meant in sorted(places.items()):
        meant += [g.place for g in s.groups.values() if f"group_{g.guid}" == name and g.place not in meant]
        mine = [place for place in meant if s.history(uid, place)]
        if len(mine) == 1:
            path = f"/messages?{ALL}&conversationId={name}"
            yield _list(s, uid, "messages by conversation", path, s.history(uid, mine[0]))
            yield View("conversation by id", f"/conversations/{name}", _row(s, uid, mine[0]), read=_read_row)
        elif not any(uid in s.members_of(place) for place in meant):
            codes = frozenset({"ERR_CONVERSATION_NOT_FOUND", "ERR_CONVERSATION_NOT_ACCESSIBLE"})
            yield View("messages by conversation", f"/messages?{ALL}&conversationId={name}", codes=codes)
            yield View("conversation by id", f"/conversations/{name}", codes=codes)


def _one_conversation(s: State, uid: str, kind: str, other: str, place: Place) -> Iterator[View]:
    where = f"/{kind}s/{other}"
    here = s.history(uid, place)
    yield _list(s, uid, f"{kind} messages", f"{where}/messages?{ALL}", here)
    yield _list(s, uid, f"{kind} search", f"{where}/messages?{ALL}&searchKey=word", _found(here))
    pinned = [m for m in s.readable(uid) if m.place == place and m.pinned]
    yield _list(s, uid, f"{kind} pins", f"{where}/messages?{ALL}&pinned=1", [m for m in pinned if m in here], pinned)
    count = {(kind, other): s.unread(uid, place)} if s.unread(uid, place) else {}
    yield View(f"{kind} count", f"{where}/messages?unread=1&count=1", count, read=_read_counts)
    if here:
        yield View(f"{kind} conversation", f"{where}/conversation", _row(s, uid, place), read=_read_row)
    else:
        codes = frozenset(
            {"ERR_CONVERSATION_NOT_ACCESSIBLE", ""} if kind == "group" else {"ERR_CONVERSATION_NOT_ACCESSIBLE"}
        )
        yield View(f"{kind} conversation", f"{where}/conversation", codes=codes)


def _with_user(s: State, uid: str, other: str) -> Iterator[View]:
    if other == uid:
        return
    if not s.exists(other):
        codes = frozenset({"ERR_UID_NOT_FOUND"})
        yield View("a user who is gone", f"/users/{other}", codes=codes)
        if s.history(uid, between(uid, other)):
            yield from _one_conversation(s, uid, "user", other, between(uid, other))
            return
        for path in (f"/users/{other}/messages", f"/users/{other}/conversation"):
            yield View("a user who is gone", path, codes=codes)
        return
    yield from _one_conversation(s, uid, "user", other, between(uid, other))
    if s.is_out_of_reach(uid, other):  # users with this role find only friends
        yield View("a user who is no friend", f"/users/{other}", codes=frozenset({"ERR_UID_NOT_FOUND"}))
        return
    facts = (*_status(s, uid, other), other in s.people[uid].blocks, uid in s.people[other].blocks)
    yield View("user", f"/users/{other}", facts, read=_read_user)


def _status(s: State, uid: str, other: str) -> tuple[str, bool]:
    # The presence, and nothing else that would disclose it to users who may not see it.
    return "available" if s.shows_online(uid, other) else "offline", False


def _read_user(row: Any) -> tuple[Any, ...]:
    blocked, blocking = bool(row.get("blockedByMe")), bool(row.get("hasBlockedMe"))
    # Hidden users have no lastActiveAt either, which would disclose their presence.
    leaks = BLOCKS_HIDE_PRESENCE and (blocked or blocking) and "lastActiveAt" in row
    return row["status"], leaks, blocked, blocking


# Groups.


def _group(s: State, uid: str, guid: str) -> Iterator[View]:
    path = f"/groups/{guid}"
    inside = [f"{path}/messages?{ALL}", f"{path}/messages?{ALL}&searchKey=word", f"{path}/messages?{ALL}&pinned=1"]
    inside += [f"{path}/messages?unread=1&count=1", f"{path}/conversation", f"{path}/members", f"{path}/bannedusers"]
    if not s.knows_group(uid, guid):
        for one in (path, *inside):
            yield View("a group that is not known", one, codes=frozenset({"ERR_GUID_NOT_FOUND"}))
        return
    group = s.groups[guid]
    rank = group.rank(uid)
    yield View("group", path, group_facts(group, uid), read=read_group)
    if not rank:
        for one in inside:
            yield View("a group that one is not in", one, codes=frozenset({"ERR_NOT_A_MEMBER"}))
        return
    yield from _one_conversation(s, uid, "group", guid, group.place)
    members = {m: (group.members[m].scope, _status(s, uid, m)[0]) for m in group.members}
    yield View("members", f"{path}/members?{ALL}", members, read=_read_members)
    online = {m: facts for m, facts in members.items() if facts[1] == "available"}
    yield View("members online", f"{path}/members?{ALL}&status=online", online, read=_read_members)
    if code := p.group_refusal("list banned", rank):
        yield View("banned", f"{path}/bannedusers?{ALL}", codes=frozenset({code}))
    else:
        banned = dict.fromkeys(sorted(group.banned), 1)
        yield View("banned", f"{path}/bannedusers?{ALL}", banned, read=lambda d: {row["uid"]: 1 for row in d})


def _read_members(data: Any) -> dict[str, tuple[str, str]]:
    return {row["uid"]: (row["scope"], row["status"]) for row in data}


# Users.


def _people(s: State, uid: str) -> Iterator[View]:
    known = {g.guid: group_facts(g, uid) for g in s.groups.values() if s.knows_group(uid, g.guid)}
    read = lambda d: {row["guid"]: read_group(row) for row in d}  # noqa: E731
    yield View("groups", f"/groups?{ALL}", known, read=read)
    yield View("groups joined", f"/groups?{ALL}&hasJoined=1", {k: v for k, v in known.items() if v[3]}, read=read)
    yield View(
        "group search",
        f"/groups?{ALL}&searchKey=admin",
        {k: known[k] for k in known if k.startswith("admin")},
        read=read,
    )
    me = s.people[uid]
    listed = [u for u in s.everybody() if u != uid and (me.role != "shy" or u in me.friends)]
    users = {u: _status(s, uid, u) for u in listed}
    own = {uid: _status(s, uid, uid)}
    read = lambda d: {row["uid"]: _read_user(row)[:2] for row in d}  # noqa: E731
    yield View("users", f"/users?{ALL}", users, may=own, read=read)
    online = {u: v for u, v in users.items() if v[0] == "available"}
    yield View("users online", f"/users?{ALL}&status=online", online, may=own, read=read)
    friends = {u: s.shows_online(uid, u) for u in me.friends}
    status = lambda d: {row["uid"]: row["status"] == "available" for row in d}  # noqa: E731
    yield View("friends", f"/friends?{ALL}", friends, read=status)
    by_me = set(me.blocks)
    of_me = {u for u in s.everybody() if uid in s.people[u].blocks}
    for direction, some in (("blockedByMe", by_me), ("hasBlockedMe", of_me), ("both", by_me | of_me)):
        path = f"/blockedusers?{ALL}&direction={direction}"
        yield View("blocked users", path, {u: s.shows_online(uid, u) for u in some}, read=status)
