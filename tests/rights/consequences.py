"""The effects of a successful action: the new state, the frames on sockets, and the webhook events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rights.facts import group_facts, read_group
from rights.operations import (
    Contradiction,
    Effects,
    Operation,
    ReceivedChange,
    codes_for_new_member,
    place_of,
    sent_before,
)
from rights.state import Group, Member, Message, Place, State


def commit(s: State, operation: Operation, data: Any) -> Effects:
    """Apply a success to the state.

    Args:
        data: the response; only ids of messages, and the outcome for each of several users, are read from it.

    Raises:
        Contradiction: if this response is impossible in this state.
    """
    effects = Effects()
    _OPERATIONS[operation.what](s, effects, operation.who, data, *operation.args)
    return effects


def _keep(s: State, message: Message) -> Message:
    if message.id <= s.last:
        raise Contradiction(f"message {message.id} is not newer than {s.last}")
    s.last = message.id
    s.messages[message.id] = message
    return message


def _send(
    s: State, e: Effects, who: str, data: Any, kind: str, other: str, text: str, muid: str, parent: int = 0
) -> None:
    known = sent_before(s, who, muid)
    if known is not None:
        if int(data["id"]) != known.id:
            raise Contradiction(f"muid {muid} was message {known.id}, and is {data['id']}")
        return
    place = place_of(s, who, kind, other)
    m = _keep(s, Message(int(data["id"]), place, who, text, parent=parent, muid=muid))
    e.frames.append(ReceivedChange(("message", m.id), s.members_of(place)))
    e.hooks.append(("message_sent", m.id))
    if parent:
        s.follows.add((who, parent))


def _change(s: State, e: Effects, who: str, data: Any, about: Message, kind: str, trigger: str) -> None:
    action = _keep(s, Message(int(data["id"]), about.place, who, kind=kind, about=about.id))
    e.frames.append(ReceivedChange(("message", action.id), s.members_of(about.place)))
    e.hooks.append((trigger, action.id))


def _edits_of(s: State, numbers: set[int]) -> set[int]:
    # The action messages about these messages, which contain their text.
    return {m.id for m in s.messages.values() if m.kind == "edit" and m.about in numbers}


def _edit(s: State, e: Effects, who: str, data: Any, number: int, text: str) -> None:
    # An action message contains the current text: the ones about earlier edits are removed.
    forget(s, _edits_of(s, {number}))
    s.messages[number].text = text
    _change(s, e, who, data, s.messages[number], "edit", "message_edited")


def _delete(s: State, e: Effects, who: str, data: Any, number: int) -> None:
    forget(s, _edits_of(s, {number}))  # it does not keep the text of the message either
    m = s.messages[number]
    m.deleted, m.text, m.pinned = True, "", False
    m.reactions.clear()
    s.saved = {(uid, n) for uid, n in s.saved if n != number}
    _change(s, e, who, data, m, "delete", "message_deleted")


def _readers(s: State, m: Message) -> tuple[set[str], set[str]]:
    # Users who may read the message must get the frame. Other members may: it contains nothing of the text.
    members = s.members_of(m.place)
    must = {u for u in members if s.reads(u, m.id)}
    return must, members - must


def _react(s: State, e: Effects, who: str, data: Any, number: int, reaction: str) -> None:
    m = s.messages[number]
    if (reaction, who) not in m.reactions:
        m.reactions.add((reaction, who))
        e.frames.append(ReceivedChange(("reaction", "message_reaction_added", number, reaction, who), *_readers(s, m)))
        e.hooks.append(("message_reaction_added", number, reaction, who))


def _unreact(s: State, e: Effects, who: str, data: Any, number: int, reaction: str) -> None:
    m = s.messages[number]
    if (reaction, who) in m.reactions:
        m.reactions.discard((reaction, who))
        e.frames.append(
            ReceivedChange(("reaction", "message_reaction_removed", number, reaction, who), *_readers(s, m))
        )
        e.hooks.append(("message_reaction_removed", number, reaction, who))


def _pin(pinned: bool) -> Callable[..., None]:
    def change(s: State, e: Effects, who: str, data: Any, number: int) -> None:
        m = s.messages[number]
        must, may = _readers(s, m)
        change = ReceivedChange(("pin", "pinned" if pinned else "unpinned", number), must, may)
        if m.pinned == pinned:
            change = ReceivedChange(change.key, set(), must | may)  # no change: a frame is allowed, not required
        m.pinned = pinned
        e.frames.append(change)

    return change


def _mark(kind: str, wanted: bool) -> Callable[..., None]:
    def change(s: State, e: Effects, who: str, data: Any, number: int) -> None:
        kept = s.saved if kind == "save" else s.follows
        new = ((who, number) in kept) is not wanted
        (kept.add if wanted else kept.discard)((who, number))
        if kind == "save":
            key = ("save", "saved" if wanted else "unsaved", number)
            shown = new and s.reads(who, number)  # what they can no longer read they can still remove
            e.frames.append(ReceivedChange(key, {who} if shown else set(), {who}))

    return change


def _mark_read(s: State, e: Effects, who: str, data: Any, kind: str, other: str) -> None:
    place = place_of(s, who, kind, other)
    s.read[who, place] = max([s.read.get((who, place), 0), *(m.id for m in s.messages.values() if m.place == place)])
    e.frames.append(ReceivedChange(("receipts", who), set(), s.members_of(place)))


def _clear(s: State, e: Effects, who: str, data: Any, kind: str, other: str) -> None:
    place = place_of(s, who, kind, other)
    s.cleared[who, place] = max(m.id for m in s.messages.values() if m.place == place)


def _block(s: State, e: Effects, who: str, data: Any, other: str) -> None:
    if _is_there(s, data, other):
        s.people[who].blocks.add(other)
        e.hooks.append(("user_blocked", who, other))


def _is_there(s: State, data: Any, other: str) -> bool:
    # The response has the outcome for each user.
    if data[other]["success"] is not s.exists(other):
        raise Contradiction(f"{other}: {data[other]}")
    return s.exists(other)


def _unblock(s: State, e: Effects, who: str, data: Any, other: str) -> None:
    if _is_there(s, data, other):
        s.people[who].blocks.discard(other)
        e.hooks.append(("user_unblocked", who, other))


def _look(s: State, e: Effects, who: str, data: Any, guid: str) -> None:
    if read_group(data) != group_facts(s.groups[guid], who):
        raise Contradiction(f"{guid} is shown as {read_group(data)}, not {group_facts(s.groups[guid], who)}")


# Groups.


def _action(s: State, e: Effects, who: str, data: Any, place: Place, must: set[str], may: set[str]) -> None:
    m = _keep(s, Message(int(data["id"]), place, who, kind="member"))
    e.frames.append(ReceivedChange(("message", m.id), must, may))


def _enter(s: State, e: Effects, who: str, data: Any, group: Group, uid: str, scope: str, trigger: str) -> None:
    group.members[uid] = Member(scope, int(data["id"]) - 1)
    _action(s, e, who, data, group.place, set(group.members), set())
    e.hooks.append((trigger, group.guid, uid))


def _create(
    s: State, e: Effects, who: str, data: Any, guid: str, kind: str, password: str, members: tuple[str, ...]
) -> None:
    number = str(len(s.numbered))
    group = s.groups[guid] = s.numbered[number] = Group(number, guid, kind, who, password)
    group.members[who] = Member("admin", s.last)
    e.hooks.append(("group_created", guid))
    for uid in members:
        _record_outcome(s, e, who, data["members"]["participants"][uid], guid, uid, "participant")


def _record_outcome(s: State, e: Effects, who: str, outcome: Any, guid: str, uid: str, scope: str) -> None:
    refused = codes_for_new_member(s, who, guid, uid)
    code = "" if outcome["success"] else outcome["error"]["code"]
    if code not in (refused or {""}):
        raise Contradiction(f"{uid} as a member of {guid}: {code or 'taken'}, not {refused or 'taken'}")
    if not code:
        _enter(s, e, who, outcome["data"], s.groups[guid], uid, scope, "group_member_added")


def _add(s: State, e: Effects, who: str, data: Any, guid: str, uid: str, scope: str) -> None:
    _record_outcome(s, e, who, data[scope + "s"][uid], guid, uid, scope)


def _join(s: State, e: Effects, who: str, data: Any, guid: str, password: str) -> None:
    _enter(s, e, who, data, s.groups[guid], who, "participant", "group_member_joined")


def _end_membership(trigger: str, *, banned: bool = False) -> Callable[..., None]:
    def change(s: State, e: Effects, who: str, data: Any, guid: str, other: str = "") -> None:
        group, uid = s.groups[guid], other or who
        group.members.pop(uid, None)
        s.follows = {(u, n) for u, n in s.follows if u != uid or s.messages[n].place != group.place}
        if banned:
            group.banned.add(uid)
        # Only users who were removed by others get the frame.
        must, may = ({uid}, set()) if other else (set(), {uid})
        _action(s, e, who, data, group.place, set(group.members) | must, may)
        e.frames.append(ReceivedChange(("receipts", uid), set(), set(group.members)))  # what all others have read
        e.hooks.append((trigger, guid, uid))

    return change


def _unban(s: State, e: Effects, who: str, data: Any, guid: str, other: str) -> None:
    group = s.groups[guid]
    group.banned.discard(other)
    _action(s, e, who, data, group.place, set(group.members), set())
    e.hooks.append(("group_member_unbanned", guid, other))


def _scope(s: State, e: Effects, who: str, data: Any, guid: str, other: str, scope: str) -> None:
    group = s.groups[guid]
    group.members[other].scope = scope
    _action(s, e, who, data, group.place, set(group.members), set())
    e.hooks.append(("group_member_scope_changed", guid, other))


def _transfer(s: State, e: Effects, who: str, data: Any, guid: str, other: str) -> None:
    group = s.groups[guid]
    group.owner = other
    group.members[other].scope = "admin"
    e.hooks.append(("group_owner_transferred", guid))


def _update(s: State, e: Effects, who: str, data: Any, guid: str, name: str, kind: str, password: str) -> None:
    s.groups[guid].kind = kind
    s.groups[guid].password = password
    e.hooks.append(("group_updated", guid))


def _remove(s: State, e: Effects, who: str, data: Any, guid: str) -> None:
    forget(s, {m.id for m in s.messages.values() if m.place == s.groups[guid].place})
    del s.groups[guid]
    e.hooks.append(("group_deleted", guid))


def forget(s: State, numbers: set[int]) -> None:
    """Remove messages permanently, with the action messages about them."""
    numbers = numbers | _edits_of(s, numbers)
    s.gone |= numbers
    for number in numbers:
        del s.messages[number]
    s.saved = {(uid, n) for uid, n in s.saved if n not in numbers}
    s.follows = {(uid, n) for uid, n in s.follows if n not in numbers}


_OPERATIONS: dict[str, Callable[..., None]] = {
    "send": _send,
    "reply": _send,
    "edit": _edit,
    "delete": _delete,
    "react": _react,
    "unreact": _unreact,
    "pin": _pin(True),
    "unpin": _pin(False),
    "save": _mark("save", True),
    "unsave": _mark("save", False),
    "follow": _mark("follow", True),
    "unfollow": _mark("follow", False),
    "look": _look,
    "mark read": _mark_read,
    "clear": _clear,
    "block": _block,
    "unblock": _unblock,
    "create": _create,
    "update": _update,
    "remove": _remove,
    "transfer": _transfer,
    "join": _join,
    "leave": _end_membership("group_member_left"),
    "add": _add,
    "kick": _end_membership("group_member_kicked"),
    "ban": _end_membership("group_member_banned", banned=True),
    "unban": _unban,
    "scope": _scope,
}


def delete_user(s: State, uid: str, *, permanent: bool) -> None:
    """Delete a user as the app; with `permanent`, their messages and conversations as well."""
    person = s.people[uid]
    person.here, person.online = False, 0
    for group in s.groups.values():
        group.members.pop(uid, None)
        group.banned.discard(uid)
    for other in s.people.values():
        other.blocks.discard(uid)
        other.friends.discard(uid)
    person.blocks.clear()
    person.friends.clear()
    s.saved = {one for one in s.saved if one[0] != uid}
    s.follows = {one for one in s.follows if one[0] != uid}
    if permanent:
        theirs = {m.id for m in s.messages.values() if m.sender == uid or (m.place[0] == "user" and uid in m.place[1:])}
        forget(s, theirs)
