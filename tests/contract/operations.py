"""Random operations and questions for the comparison of two stores, whose answers are made comparable.

Messages are named by their number in the order in which they were stored, because ids may have gaps.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
from bisect import bisect_right
from collections.abc import Awaitable, Callable
from typing import Any

from hypothesis import strategies as st

from tailwire.server.ports.conversations import key_of
from tailwire.server.ports.file_records import FileRow
from tailwire.server.ports.filters import ConversationFilter, GroupFilter, MemberFilter, MessageFilter, UserFilter
from tailwire.server.ports.form_records import FormLimits, FormRow
from tailwire.server.ports.key_records import KeyRow, TokenRow
from tailwire.server.ports.records import Draft, EditedContent, GroupRow, RoleRow, Stored, UserRow
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.standing import GroupAct, MessageAct
from tailwire.server.rules.messages import check_changeable

UIDS = ("alice", "bob", "carol", "dave-1", "eve_2")
GUIDS = ("g", "team", "a_b")
NAMES = (
    "Alice",
    "alice",
    "Élan",
    "élan",
    "ÉLAN",
    "Straße",
    "İstanbul",
    "100%_x",
    "a'b\\c",
    "Ωmega",
    "ΟΔΟΣ",
    "🙂 zed",
    "B",
)
TAGS = (None, "[]", '["x"]', '["y","é"]', '["x","y",5,null]')
WORDS = ("apple", "Äpfel", "apfel", "pear", "pe", "foo_bar", "don't", "été", "ΟΔΟΣ", "x1", "東京")
IDS = {
    "id", "parent_id", "quoted_id", "last_message_id", "shown_message_id", "read_id", "delivered_id", "cleared_id",
    "joined_after_id", "message_id", "action_id", "up_to", "predecessor_id",
}  # fmt: skip
"""Names of columns with ids of messages."""


class Side:
    """One store, and the ids of the messages that it has stored.

    Args:
        mark: begins the names of new tokens, which must be unique in the database.
    """

    def __init__(self, store: Any, mark: str = "") -> None:
        self.store = store
        self.ids: list[int] = []
        self._tokens = (f"{mark}{n}" for n in itertools.count())

    def new_token(self) -> str:
        """Return a token that the store does not have."""
        return next(self._tokens)

    def message(self, number: int) -> int:
        """Return the id of a message by its number; an id that no message has if none is stored."""
        return self.ids[number % len(self.ids)] if self.ids else 1 << 40

    def rank(self, message_id: int) -> int:
        """Return the number of messages up to an id."""
        return bisect_right(self.ids, message_id)

    async def ask(self, call: Callable[[Side], Awaitable[Any]]) -> Any:
        """Return the answer to a call, comparable with that of another store."""
        try:
            answer = await call(self)
        except Refused as refusal:
            return refusal.code
        for one in answer if isinstance(answer, tuple) else (answer,):
            if isinstance(one, Stored) and one.new:
                self.ids.append(one.message.id)
        return self.plain(answer)

    def plain(self, value: Any, name: str = "") -> Any:
        """Return a value with the numbers of messages in place of their ids."""
        if name in IDS and isinstance(value, int):
            return self.rank(value)
        if dataclasses.is_dataclass(value):
            return {f.name: self.plain(getattr(value, f.name), f.name) for f in dataclasses.fields(value)}
        if hasattr(value, "_fields"):
            return {key: self.plain(one, key) for key, one in value._asdict().items()}
        if isinstance(value, dict):
            return {key: self.plain(one) for key, one in value.items()}
        if isinstance(value, list | tuple):
            return [self.plain(one) for one in value]
        return sorted(value) if isinstance(value, set | frozenset) else value


def _allowed(_: Any) -> None:
    pass


def draft_of(sender: str, place: tuple[str, str], text: str, tags: str | None = None, **more: Any) -> Draft:
    receiver, kind = place
    body = {"data": {"text": text}}
    if tags:
        body["tags"] = json.loads(tags)
    category, type_ = more.pop("category", "message"), more.pop("type", "text")
    encoded = json.dumps(body, ensure_ascii=False).encode()
    return Draft(key_of(sender, receiver, kind), sender, receiver, kind, category, type_, encoded, **more)


uids, guids, names, tags = (st.sampled_from(of) for of in (UIDS, GUIDS, NAMES, TAGS))
times = st.integers(1, 9)
numbers = st.integers(0, 30)
pairs = st.permutations(UIDS).map(lambda some: some[:2])
texts = st.lists(st.sampled_from(WORDS), max_size=3).map(" ".join)
places = st.tuples(uids, st.just("user")) | st.tuples(guids, st.just("group"))
some_uids = st.lists(uids, max_size=3, unique=True).map(tuple)
pages = {"limit": st.sampled_from((1, 2, 3, 30)), "offset": st.sampled_from((0, 0, 0, 1, 2))}
Call = Callable[[Side], Awaitable[Any]]


def _group_act(guid: str, by: str, on: str) -> GroupAct:
    return GroupAct(guid, by, on, _allowed)


def _message_act(side: Side, number: int, by: str) -> MessageAct:
    return MessageAct(side.message(number), by, lambda standing: check_changeable(standing.message))


def announced(by: str, guid: str) -> Callable[[Any], Draft]:
    return lambda _: draft_of(by, (guid, "group"), "", category="action", type="groupMember", sent_at=5)


def _action_draft(row: Any) -> Draft:
    draft = draft_of(row.sender, (row.receiver, row.receiver_type), "", category="action", sent_at=6)
    return draft._replace(shown=False)


async def _existing_id(side: Side, number: int | None) -> int | None:
    # Return the id of a message if it exists, as the actions require for threads and quotes.
    if number is None or await side.store.messages.get(side.message(number)) is None:
        return None
    return side.message(number)


@st.composite
def sends(draw: Any) -> Call:
    sender, place, text, tag = draw(uids), draw(places), draw(texts), draw(tags)
    parent, quoted = draw(st.none() | numbers), draw(st.none() | numbers)
    more = {
        "sent_at": draw(times), "muid": draw(st.none() | st.sampled_from("mno")), "mentions": draw(some_uids),
        "traits": (16 if text else 0) | draw(st.sampled_from((0, 1, 4))), "shown": draw(st.booleans()),
        "category": draw(st.sampled_from(("message", "message", "custom"))),
    }  # fmt: skip

    async def send(side: Side) -> Any:
        thread = await _existing_id(side, parent)
        quote = await _existing_id(side, quoted)
        return await side.store.messages.add(
            draft_of(sender, place, text, tag, parent_id=thread, quoted_id=quote, **more)
        )

    return send


def _edit(number: int, by: str, text: str, named: tuple[str, ...] | None, now: int) -> Call:
    body = json.dumps({"data": {"text": text}}, ensure_ascii=False).encode()
    after = EditedContent(body, 16 if text else 0, named)
    return lambda s: s.store.messages.edit(_message_act(s, number, by), now, lambda _: after, _action_draft)


def _delete(number: int, by: str, now: int) -> Call:
    return lambda s: s.store.messages.delete(_message_act(s, number, by), now, lambda _: b'{"data":{}}', _action_draft)


def _mark(uid: str, place: tuple[str, str], number: int, now: int, read: bool, log: bool) -> Call:
    group = place[0] if place[1] == "group" else ""
    key = key_of(uid, *place)
    return lambda s: s.store.read_state.mark_up_to(key, uid, s.message(number), now, read=read, group=group, log=log)


def _leave(guid: str, by: str, on: str, banned_at: int | None) -> Call:
    return lambda s: s.store.members.remove(_group_act(guid, by, on), announced(by, guid), banned_at=banned_at)


CHANGES: st.SearchStrategy[Call] = st.one_of(
    sends(), sends(), sends(), sends(),
    st.builds(
        lambda uid, name, tag, role, at: lambda s: s.store.users.add(
            UserRow(uid, name, tags=tag, role=role, last_active_at=at, created_at=at)),
        uids, names, tags, st.sampled_from(("default", "r1")), times),
    st.builds(lambda uid, name, tag: lambda s: s.store.users.change(uid, {"name": name, "tags": tag}), uids, names, tags),
    st.builds(lambda some, at: lambda s: s.store.users.deactivate(list(some), at), some_uids, st.none() | times),
    st.builds(lambda uid, at: lambda s: s.store.users.store_last_online(uid, at), uids, times),
    st.builds(
        lambda guid, name, kind, owner, tag, at: lambda s: s.store.groups.add(
            GroupRow(guid, name, kind, owner=owner, tags=tag, members_count=1, created_at=at, updated_at=at)),
        guids, names, st.sampled_from(("public", "private")), uids, tags, times),
    st.builds(
        lambda guid, by, name, at: lambda s: s.store.groups.change(
            _group_act(guid, by, ""), lambda _: {"name": name, "updated_at": at}, lambda _: ()),
        guids, uids, names, times),
    st.builds(
        lambda guid, by, on, scope, at: lambda s: s.store.members.add(
            _group_act(guid, by, on), scope, at, announced(on, guid)),
        guids, uids, uids, st.sampled_from(("participant", "admin")), times),
    st.builds(_leave, guids, uids, uids, st.none() | times),
    st.builds(
        lambda guid, by, on: lambda s: s.store.members.unban(_group_act(guid, by, on), announced(by, guid)),
        guids, uids, uids),
    st.builds(
        lambda guid, by, on: lambda s: s.store.members.change_scope(
            _group_act(guid, by, on), "moderator", announced(by, guid)),
        guids, uids, uids),
    st.builds(
        lambda guid, by, on, at: lambda s: s.store.groups.transfer_ownership(_group_act(guid, by, on), at, lambda _: ()),
        guids, uids, uids, times),
    st.builds(_edit, numbers, uids, texts, st.none() | some_uids, times),
    st.builds(_delete, numbers, uids, times),
    st.builds(
        lambda n, uid, reaction, at: lambda s: s.store.reactions.add(_message_act(s, n, uid), reaction, at, 2),
        numbers, uids, st.sampled_from("xyz"), times).map(lambda call: _without_id(call)),
    st.builds(
        lambda n, uid, reaction, at: lambda s: s.store.reactions.remove(_message_act(s, n, uid), reaction, at),
        numbers, uids, st.sampled_from("xyz"), times).map(lambda call: _without_id(call)),
    st.builds(lambda n, uid, at: lambda s: s.store.annotations.save(_message_act(s, n, uid), at, 3), numbers, uids, times),
    st.builds(lambda n, uid: lambda s: s.store.annotations.unsave(s.message(n), uid), numbers, uids),
    st.builds(
        lambda n, uid, at, pinned: lambda s: s.store.annotations.pin(_message_act(s, n, uid), at, 2, pinned=pinned),
        numbers, uids, times, st.booleans()),
    st.builds(
        lambda n, uid, wanted: lambda s: s.store.annotations.subscribe(_message_act(s, n, uid), following=wanted),
        numbers, uids, st.booleans()),
    st.builds(
        lambda n, uid, at: lambda s: s.store.annotations.add_report(_message_act(s, n, uid), "spam", "é", at),
        numbers, uids, times),
    st.builds(
        lambda n, uid, of, at: lambda s: s.store.annotations.add_interactions(_message_act(s, n, uid), of, at),
        numbers, uids, st.lists(st.sampled_from(("b1", "b2")), min_size=1, max_size=2), times),
    st.builds(_mark, uids, places, numbers, times, st.booleans(), st.booleans()),
    st.builds(
        lambda uid, place, n: lambda s: s.store.read_state.mark_unread_after(key_of(uid, *place), uid, s.message(n)),
        uids, places, numbers),
    st.builds(
        lambda uid, place, n: lambda s: s.store.read_state.clear(key_of(uid, *place), uid, s.message(n)),
        uids, places, numbers),
    st.builds(
        lambda uid, place, tag: lambda s: s.store.read_state.tag(key_of(uid, *place), uid, tag), uids, places, tags),
    st.builds(
        lambda uid, place, at: lambda s: s.store.read_state.pin(key_of(uid, *place), uid, at, 2),
        uids, places, st.none() | times),
    st.builds(lambda uid, some, at: lambda s: s.store.blocks.add(uid, list(some), at), uids, some_uids, times),
    st.builds(lambda uid, some: lambda s: s.store.blocks.remove(uid, list(some)), uids, some_uids),
    st.builds(lambda pair, at: lambda s: s.store.friends.add(*pair, at, 2), pairs, times),
    st.builds(lambda one, other: lambda s: s.store.friends.remove(one, other), uids, uids),
    st.builds(
        lambda role, name, at: lambda s: s.store.roles.add(RoleRow(role, name, created_at=at)),
        st.sampled_from(("r1", "r2")), names, times),
    st.builds(
        lambda role, name, at: lambda s: s.store.roles.change(role, lambda row: dataclasses.replace(row, name=name, updated_at=at)),
        st.sampled_from(("r1", "r2")), names, times),
    st.builds(
        lambda role, features, at: lambda s: s.store.roles.restrict(role, features, at),
        st.sampled_from(("r1", "r2")), st.lists(st.sampled_from("abc"), max_size=3), times),
    st.builds(
        lambda role, features: lambda s: s.store.roles.allow(role, features),
        st.sampled_from(("r1", "r2")), st.lists(st.sampled_from("abc"), max_size=3)),
    st.builds(lambda role: lambda s: s.store.roles.remove(role), st.sampled_from(("r1", "r2"))),
    st.builds(lambda name, scope, at: lambda s: _add_key(s, name, scope, at), names, st.sampled_from(("a", "b")), times),
    st.builds(lambda key, name: lambda s: s.store.keys.change(key, name, "b"), names, names),
    st.builds(lambda one, other, at: lambda s: s.store.conversations.start(one, other, at), uids, uids, times),
    st.builds(
        lambda uid, at: lambda s: s.store.tokens.add(TokenRow(f"{uid}/{s.new_token()}", uid, at), 2),
        uids, times),
    st.builds(
        lambda uid, name, at, end: lambda s: s.store.tokens.add(TokenRow(f"jwt{name}", uid, at, expires_at=end), 2),
        uids, st.integers(1, 4), times, times),
    st.builds(lambda name: lambda s: s.store.tokens.remove(f"jwt{name}"), st.integers(1, 4)),
    st.builds(lambda uid: lambda s: s.store.tokens.remove_all(uid), uids).map(lambda call: _in_any_order(call)),
    st.builds(
        lambda uid, name, at, size: lambda s: s.store.files.add(FileRow(name, uid, "f", "image/png", size, at), 20, 2),
        uids, st.sampled_from(("f1", "f2", "f3")), times, st.integers(1, 9)),
    st.builds(
        lambda uid, at, size: lambda s: s.store.files.issue_forms(
            [FormRow(f"{s.new_token()}", uid, size, at) for _ in range(2)], FormLimits(20, 4, 2, 3)),
        uids, times, st.integers(1, 9)),
    st.builds(lambda name: lambda s: s.store.files.close_form(f"{name}"), st.integers(1, 4)),
    st.builds(lambda name: lambda s: s.store.files.discard([name]), st.sampled_from(("f1", "f2", "f3"))),
    st.builds(
        lambda uid, whole, anonymous: lambda s: s.store.removal.remove_user(
            uid, with_messages=whole, anonymous=anonymous, receipt_members=4),
        uids, st.booleans(), st.booleans()).map(lambda call: _in_any_order(call)),
    st.builds(
        lambda guid, by: lambda s: s.store.removal.remove_group(_group_act(guid, by, ""), lambda _: ()),
        guids, uids).map(lambda call: _in_any_order(call)),
    st.builds(
        lambda uid, place: lambda s: s.store.removal.remove_conversation(key_of(uid, *place)), uids, places),
    st.builds(lambda n: lambda s: _remove_message(s, n), numbers),
    st.builds(lambda at, limit: lambda s: s.store.pruning.remove_messages(at, limit), times, st.integers(1, 6)),
    st.builds(lambda at: lambda s: s.store.pruning.condemn_files(at, 2), times),
)  # fmt: skip


async def _pruned(side: Side, uid: str, number: int) -> int:
    return side.rank(await side.store.pruning.pruned_until(uid, side.message(number) - 1))


def _without_id(call: Call) -> Call:
    # Ids of reactions are not compared.
    async def ask(side: Side) -> Any:
        row = await call(side)
        return row and (side.rank(row.message_id), row.reaction, row.uid, row.reacted_at)

    return ask


_SORTED = {"name": "name", "createdAt": "created_at", "status": "last_active_at"}


async def _list_after(noun: Any, criteria: Any, key: str) -> Any:
    # Two pages, the second after the last row of the first.
    first = await noun.list_after(criteria, ())
    if not first:
        return []
    sort = _SORTED.get(getattr(criteria, "sort_by", ""))
    position = tuple(getattr(first[-1], name) for name in (sort, key) if name)
    return [*first, "then", *await noun.list_after(criteria, position)]


def _in_any_order(call: Call) -> Call:
    async def ask(side: Side) -> Any:
        found = await call(side)
        parts = found if isinstance(found, tuple) else (found,)
        return tuple(sorted(one) if isinstance(one, list) else one for one in parts)

    return ask


async def _changes_for(side: Side, uid: str) -> Any:
    log = side.store.change_log
    rows = await log.find(uid, "-", 0, await log.newest_number(), (), 1000)
    ids = [
        (side.rank(row.message_id), side.rank(row.after_id), row.until_id and side.rank(row.until_id)) for row in rows
    ]
    ended = [(one.guid, side.rank(one.until_id)) for one in await log.ended_memberships(uid, 0, 100)]
    ended = [one for one in ended if one[1]]  # before the first message, ids of the stores differ
    return [(row.kind, row.uid, row.to_uid, row.subject) for row in rows], ids, ended


async def _add_key(side: Side, name: str, scope: str, at: int) -> None:
    if await side.store.keys.get(name) is None:
        await side.store.keys.add(KeyRow(name, name, scope, at))


async def _remove_message(side: Side, number: int) -> None:
    row = await side.store.messages.get(side.message(number))
    if row is not None:
        await side.store.removal.remove_message(row)


@st.composite
def lists_of_messages(draw: Any) -> Call:
    reader = draw(uids | st.just(""))
    values: dict[str, Any] = {}
    for name, strategy in _MESSAGE_FILTERS.items():
        if draw(st.integers(0, 9)) == 0:
            values[name] = draw(strategy)
    if not reader:
        for name in ("unread", "undelivered", "saved", "not_from_blocked"):
            values.pop(name, None)
    place = draw(st.none() | places)
    cursors = {name: values.pop(name) for name in ("cursor", "since", "parent_id") if name in values}
    page = {name: draw(strategy) for name, strategy in pages.items()}
    newer = draw(st.booleans())

    def ask(side: Side) -> Awaitable[Any]:
        found = {name: side.message(number) for name, number in cursors.items()}
        conversation = key_of(reader or "alice", *place) if place else None
        criteria = MessageFilter(reader, conversation, newer=newer, **values, **found, **page)
        return side.store.messages.find(criteria)

    return ask


_MESSAGE_FILTERS: dict[str, st.SearchStrategy[Any]] = {
    "cursor": numbers, "since": numbers, "parent_id": numbers, "sent_cursor": times, "updated_after": times,
    "only_updates": st.just(True), "receiver_type": st.sampled_from(("user", "group")), "sender": uids,
    "categories": st.just(("message",)), "types": st.just(("text", "image")), "hide_replies": st.just(True),
    "hide_deleted": st.just(True), "only_deleted": st.just(True), "hide_quoted": st.just(True),
    "unread": st.just(True), "undelivered": st.just(True), "before_joining": st.just(True), "from_time": times,
    "to_time": times,
    "traits": st.sampled_from((1, 4, 8)), "mentioned": some_uids, "tags": st.just(("x", "é")),
    "not_from_blocked": st.just(True), "pinned": st.just(True), "saved": st.just(True),
    "search": st.sampled_from((*WORDS, "p", "pear ap", "_", "ö", "été pea", "bar")),
}  # fmt: skip


def _chosen(kind: Any, **strategies: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    # Build a filter with some of its fields.
    return st.fixed_dictionaries({}, optional=strategies | pages).map(lambda values: kind(**values))


_user_filters = _chosen(
    UserFilter, reader=uids, search=st.sampled_from(("a", "É", "é", "str", "%", "İ", "ΟΔ", "b")), uids=some_uids,
    search_in=st.sampled_from((("name",), ("uid", "name"))), roles=st.just(("r1",)), tags=st.just(("x", "é")),
    friends_only=st.booleans(), hide_blocked=st.booleans(), online=st.booleans(), online_uids=some_uids,
    deactivated=st.sampled_from((None, True, False)), descending=st.booleans(),
    sort_by=st.sampled_from(("name", "uid", "createdAt", "status")),
)  # fmt: skip
_group_filters = _chosen(
    GroupFilter, reader=uids, joined=st.booleans(), search=st.sampled_from(("a", "É", "g")), types=st.just(("private",)),
    tags=st.just(("x",)), updated_from=times, descending=st.booleans(), sort_by=st.sampled_from(("name", "createdAt")),
)  # fmt: skip
_member_filters = st.builds(
    lambda guid, values: MemberFilter(guid, **values), guids,
    st.fixed_dictionaries({}, optional={
        "search": st.sampled_from(("a", "É", "é")), "scopes": st.just(("admin", "moderator")), "online": st.booleans(),
        "online_uids": some_uids} | pages),
)  # fmt: skip
_conversation_filters = st.builds(
    lambda uid, values: ConversationFilter(uid, **values), uids | st.just(""),
    st.fixed_dictionaries({}, optional={
        "kind": st.sampled_from(("user", "group")), "search": st.sampled_from(("a", "É", "g", "team")),
        "tags": st.just(("x",)), "user_tags": st.just(("y",)), "group_tags": st.just(("x",)), "unread": st.booleans(),
        "hide_blocked": st.booleans(), "not_from_blocked": st.booleans(), "pinned": st.booleans()} | pages),
)  # fmt: skip


def _ids(side: Side, some: list[int]) -> list[int]:
    return sorted({side.message(number) for number in some})


def _by_number(call: Call) -> Call:
    # For answers with ids of messages as keys, or as first value.
    async def ask(side: Side) -> Any:
        found = await call(side)
        if isinstance(found, dict):
            return {side.rank(number): value for number, value in found.items()}
        return sorted(side.rank(number) for number in found)

    return ask


async def _flags(side: Side) -> Any:
    # All on a page with their number, and those of two pages, the second behind the last report of the first.
    rows, total = await side.store.annotations.list_reports(limit=30, offset=0)
    first = await side.store.annotations.reports_after((), 3)
    then = await side.store.annotations.reports_after((first[-1].at, *first[-1][:2]), 3) if first else []
    return [[(side.rank(row.message_id), *row[1:]) for row in page] for page in (rows, first, then)], total


async def _followed(side: Side, uid: str) -> Any:
    rows, total = await side.store.annotations.followed_threads(uid, limit=3, offset=0)
    return [side.rank(number) for number in rows], total


async def _receipts(side: Side, number: int) -> Any:
    row = await side.store.messages.get(side.message(number))
    return row and sorted(await side.store.read_state.receipts(row))


async def _reactions(side: Side, number: int, newer: bool) -> Any:
    rows = await side.store.reactions.find(side.message(number), newer=newer, limit=2)
    return [(row.reaction, row.uid, row.reacted_at) for row in rows]


_some = st.lists(numbers, max_size=4)
QUESTIONS: st.SearchStrategy[Call] = st.one_of(
    st.builds(lambda uid, n: lambda s: _pruned(s, uid, n), uids, numbers),
    st.builds(lambda a, b: lambda s: s.store.pruning.count(a, b), times, times),
    st.builds(lambda: lambda s: s.store.pruning.oldest_times()),
    lists_of_messages(), lists_of_messages(), lists_of_messages(),
    uids.map(lambda uid: lambda s: _changes_for(s, uid)),
    _user_filters.map(lambda wanted: lambda s: s.store.users.find(wanted)),
    _group_filters.map(lambda wanted: lambda s: s.store.groups.find(wanted)),
    _user_filters.map(lambda wanted: lambda s: _list_after(s.store.users, wanted, "uid")),
    _group_filters.map(lambda wanted: lambda s: _list_after(s.store.groups, wanted, "guid")),
    _member_filters.map(lambda wanted: lambda s: _list_after(s.store.members, wanted, "uid")),
    st.builds(lambda guid, uid: lambda s: s.store.groups.get_for(guid, uid), st.sampled_from(GUIDS), uids),
    _member_filters.map(lambda wanted: lambda s: s.store.members.find(wanted)),
    _member_filters.map(lambda wanted: lambda s: s.store.members.bans(wanted)),
    uids.map(lambda uid: lambda s: s.store.members.banned_in([*GUIDS], uid)),
    _conversation_filters.map(lambda wanted: lambda s: s.store.conversations.find(wanted)),
    st.builds(
        lambda uid, kind, hide: lambda s: s.store.conversations.unread_counts(uid, kind, not_from_blocked=hide),
        uids, st.sampled_from(("", "user", "group")), st.booleans()).map(lambda call: _in_any_order(call)),
    st.builds(
        lambda uid, place: lambda s: s.store.conversations.get(key_of(uid, *place), uid, place[1]), uids, places),
    st.builds(lambda uid, place: lambda s: s.store.read_state.get(key_of(uid, *place), uid), uids, places),
    st.builds(
        lambda some, uid: _by_number(lambda s: s.store.reactions.counts(_ids(s, some), uid)), _some, uids),
    st.builds(
        lambda some, uid: _by_number(lambda s: s.store.annotations.interactions(_ids(s, some), uid)), _some, uids),
    st.builds(lambda uid: _by_number(lambda s: s.store.annotations.saved_at(0, 1 << 40, uid)), uids),
    st.builds(lambda uid: _by_number(lambda s: s.store.annotations.followed_between(0, 1 << 40, uid)), uids),
    st.builds(lambda uid: lambda s: _followed(s, uid), uids),
    st.just(_flags),
    st.builds(lambda n: lambda s: _receipts(s, n), numbers),
    st.builds(lambda n, newer: lambda s: _reactions(s, n, newer), numbers, st.booleans()),
    st.builds(lambda n: lambda s: s.store.messages.get(s.message(n)), numbers),
    st.builds(lambda n: lambda s: s.store.messages.mentioned_in(s.message(n)), numbers),
    st.builds(lambda uid, muid: lambda s: s.store.messages.by_muid(uid, muid), uids, st.sampled_from("mno")),
    st.builds(
        lambda uid, of, search: lambda s: s.store.blocks.find(uid, of, search=search),
        uids, st.sampled_from(("blockedByMe", "hasBlockedMe", "both")), st.sampled_from(("", "a", "É"))),
    st.builds(lambda uid, some: lambda s: s.store.blocks.with_users(uid, some), uids, some_uids),
    st.builds(lambda uid: lambda s: s.store.blocks.blocked_or_blocking(uid), uids),
    st.builds(lambda one, other: lambda s: s.store.blocks.blocker_between(one, other), uids, uids),
    st.builds(lambda uid: lambda s: s.store.friends.of_user(uid), uids),
    st.just(lambda s: s.store.roles.find(limit=30, offset=0)),
    st.builds(lambda role: lambda s: s.store.roles.restrictions(role), st.sampled_from(("r1", "r2"))),
    st.builds(
        lambda scope, search: lambda s: s.store.keys.find(scope, search, limit=3, offset=0),
        st.sampled_from(("", "a")), st.sampled_from(("", "É", "İ", "a"))),
    st.builds(lambda uid: lambda s: s.store.tokens.of_user(uid, limit=2, offset=0), uids),
    st.builds(lambda uid: lambda s: s.store.files.of_user(uid), uids),
    st.builds(lambda uid, at: lambda s: s.store.files.bytes_uploaded(uid, at), uids, times),
    st.just(lambda s: s.store.files.unused_since()),
    st.builds(lambda uid: lambda s: s.store.members.groups_of(uid), uids).map(lambda call: _in_any_order(call)),
    st.builds(
        lambda uid, place, n: lambda s: _last(s, key_of(uid, *place), uid, n), uids, places, st.none() | numbers),
)  # fmt: skip


async def _last(side: Side, key: Any, uid: str, number: int | None) -> tuple[int, int]:
    up_to = None if number is None else side.message(number)
    last = await side.store.conversations.last_from_others(key, uid, up_to)
    return side.rank(last), side.rank(await side.store.conversations.last_message_id(key))
