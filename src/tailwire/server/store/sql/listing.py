"""Queries for lists of messages.

A query is made from the shape of a `MessageFilter`, which says which conditions it has, and cached: filters that differ
only in values share one.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnClause,
    ColumnElement,
    CompoundSelect,
    Select,
    String,
    TableClause,
    TableValuedAlias,
    Text,
    and_,
    bindparam,
    cast,
    column,
    exists,
    func,
    literal_column,
    or_,
    select,
    table,
    text,
)

from tailwire.server.ports.conversations import GROUP_KEY
from tailwire.server.ports.filters import MessageFilter, is_common, read_shape
from tailwire.server.ports.records import ListedRow
from tailwire.server.store.sql.schema import (
    blocks,
    conversations,
    marks,
    members,
    mentions,
    messages,
    participants,
    saves,
)
from tailwire.server.store.sql.statements import compile_text

_GROUP: ColumnElement[str] = literal_column(f"'{GROUP_KEY}'", String)
_USER: ColumnElement[str] = literal_column("'user'", String)
_ACTION: ColumnElement[str] = literal_column("'action'", String)
# The full-text index of each dialect: its table, the id of the message in it, and the condition on its words.
_Index = tuple[TableClause, ColumnClause[int], str]
_FTS = table("messages_fts", column("rowid", BigInteger))
_WORDS = table("words", column("message_id", BigInteger))
_INDEXES: dict[str, _Index] = {
    "sqlite": (_FTS, _FTS.c.rowid, "messages_fts MATCH :search"),
    "postgresql": (_WORDS, _WORDS.c.message_id, "words.words @@ CAST(:search AS tsquery)"),
}
_COLUMNS = [messages.c[name] for name in ListedRow._fields]
Query = Select[tuple[object, ...]]


@lru_cache(maxsize=1024)
def list_messages(shape: tuple[object, ...], dialect: str, part: str = "") -> str:
    """Return the query for filters of a shape. `filter_parameters` returns its values.

    Args:
        shape: the result of `MessageFilter.shape`.
        dialect: the name of the dialect in SQLAlchemy.
        part: `indexed` for messages with ids up to `:indexed`, `tail` for those after it; "" for all messages.
    """
    s = read_shape(shape)
    m = messages.c
    query: Query = select(*_COLUMNS).select_from(messages)
    index, indexed_id, words = _INDEXES[dialect]
    if s.search:
        query = select(*_COLUMNS).select_from(index.join(messages, m.id == indexed_id)).where(text(words))
    if part:
        bound: ColumnElement[int] = bindparam("indexed")
        query = query.where(m.id > bound if part == "tail" else m.id <= bound)
    if s.conversation_id:
        query = query.where(m.conversation_id == bindparam("conversation_id"))
        if s.since:
            query = query.where(m.id > bindparam("since"))
        if s.unread or s.undelivered:
            query = query.where(_after_joining())
    elif s.reader:
        query = query.where(_readable(newer=s.newer and s.cursor and not s.sent_cursor, missed=_is_missed(s)))
    query = _within(query, s)
    query = _matching(query, s, dialect)
    if not s.conversation_id and s.only_updates and s.updated_after:
        query = query.with_hint(messages, "INDEXED BY messages_by_update", "sqlite")
    elif not s.conversation_id and s.reader and s.newer and s.cursor and not s.sent_cursor:
        # Missed messages are a range at the end of each conversation that has new ones.
        query = query.with_hint(messages, "INDEXED BY messages_of_conversation", "sqlite")
    return compile_text(_ordered(query, s, indexed_id), dialect)


def _ordered(query: Query, s: Any, indexed_id: ColumnElement[int]) -> Query:
    m = messages.c
    if s.pinned:
        query = query.order_by(m.pinned_at.desc(), m.id.desc())
    elif s.saved:
        query = query.order_by(saves.c.saved_at.desc(), m.id.desc())
    elif s.search:
        query = query.order_by(indexed_id.asc() if s.newer else indexed_id.desc())
    else:
        query = query.order_by(m.id.asc() if s.newer else m.id.desc())
    return query.suffix_with(text("LIMIT :limit OFFSET :offset" if s.offset else "LIMIT :limit"))


def _within(query: Query, s: Any) -> Query:
    # Conditions on position, time, thread, pins and saves.
    m = messages.c
    if s.cursor or s.sent_cursor:
        query = query.where(_beyond_cursor(s))
    if s.from_time:
        query = query.where(m.sent_at >= bindparam("from_time"))
    if s.to_time:
        query = query.where(m.sent_at <= bindparam("to_time"))
    if s.updated_after:
        query = query.where(m.updated_at >= bindparam("updated_after"))
        if s.only_updates:
            query = query.where(m.updated_at > m.sent_at)
    if s.parent_id:
        query = query.where(m.parent_id == bindparam("parent_id"))
    elif s.hide_replies:
        query = query.where(m.parent_id.is_(None))
    if s.pinned:
        query = query.where(m.pinned_at.is_not(None))
    if s.saved:
        query = query.join(saves, and_(saves.c.message_id == m.id, saves.c.uid == bindparam("reader")))
    return query


def _beyond_cursor(s: Any) -> ColumnElement[bool]:
    # The condition for messages beyond the cursor, in the order of the list.
    m = messages.c
    cursor: ColumnElement[int] = bindparam("cursor")
    sent: ColumnElement[int] = bindparam("sent_cursor")
    if s.cursor and (s.pinned or s.saved):
        # Ordered by the time of the pin or save, newest first. If the cursor is no longer pinned or saved, the list
        # starts again, so that nothing is skipped.
        before = messages.alias("before")
        time, at = m.pinned_at, select(before.c.pinned_at).where(before.c.id == cursor)
        if s.saved:
            mine = saves.alias("mine")
            time = saves.c.saved_at
            at = select(mine.c.saved_at).where(mine.c.message_id == cursor, mine.c.uid == bindparam("reader"))
        known = func.coalesce(at.scalar_subquery(), literal_column(str(2**62)))
        return or_(time < known, and_(time == known, m.id < cursor))
    if not s.sent_cursor:
        return m.id > cursor if s.newer else m.id < cursor
    if not s.cursor:
        return m.sent_at > sent if s.newer else m.sent_at < sent
    if s.newer:
        return or_(m.sent_at > sent, and_(m.sent_at == sent, m.id > cursor))
    return or_(m.sent_at < sent, and_(m.sent_at == sent, m.id < cursor))


def _matching(query: Query, s: Any, dialect: str) -> Query:
    # Conditions on the message itself.
    m = messages.c
    for name in ("sender", "receiver_type"):
        if getattr(s, name):
            query = query.where(m[name] == bindparam(name))
    for where, count, name in ((m.category, s.categories, "categories"), (m.type, s.types, "types")):
        if count:
            query = query.where(where.in_(_numbered(name, count)))
    if s.hide_deleted:
        query = query.where(m.deleted_at.is_(None))
    if s.only_deleted:
        query = query.where(m.deleted_at.is_not(None))
    if s.hide_quoted:
        query = query.where(m.quoted_id.is_(None))
    if s.traits:
        query = query.where(m.traits.op("&")(bindparam("traits")) == bindparam("traits"))
    if s.mentioned:
        named = mentions.c.uid.in_(_numbered("mentioned", s.mentioned))
        query = query.where(exists().where(mentions.c.message_id == m.id, named))
    if s.tags:
        each = _tags_of(m.body, dialect)
        query = query.where(exists(select(1).select_from(each).where(each.c.value.in_(_numbered("tags", s.tags)))))
    if s.not_from_blocked:
        blocked = exists().where(blocks.c.uid == bindparam("reader"), blocks.c.blocked == m.sender)
        query = query.where(~blocked)
    if s.unread:
        query = query.where(m.deleted_at.is_(None))
    for is_wanted, mark in ((s.unread, marks.c.read_id), (s.undelivered, marks.c.delivered_id)):
        if is_wanted:
            mine = and_(marks.c.conversation_id == m.conversation_id, marks.c.uid == bindparam("reader"))
            known = func.coalesce(select(mark).where(mine).scalar_subquery(), literal_column("0"))
            query = query.where(m.sender != bindparam("reader"), m.category != _ACTION, m.id > known)
    return query


def _tags_of(body: ColumnElement[bytes], dialect: str) -> TableValuedAlias:
    # A table with the tags of a stored message.
    if dialect == "postgresql":
        return func.unnest(func.tailwire_tags(body)).table_valued("value", name="tag").render_derived()
    return func.json_each(cast(body, Text), literal_column("'$.tags'")).table_valued("value", name="tag")


def _device_of(body: ColumnElement[bytes], dialect: str) -> ColumnElement[str]:
    # The device that a stored message was sent from; NULL without one.
    found: ColumnElement[str]
    if dialect == "postgresql":
        found = func.tailwire_json(body).op("#>>")(literal_column("'{data,resource}'"))
    else:
        found = func.json_extract(cast(body, Text), literal_column("'$.data.resource'"))
    return func.nullif(found, literal_column("''"))


def _numbered(name: str, count: int) -> list[ColumnElement[str]]:
    return [bindparam(f"{name}{n}") for n in range(count)]


def _conversations_of(*, with_new: bool) -> CompoundSelect[tuple[str]]:
    # The reader's conversations with users and groups. With a cursor, only those with messages after it, which are few.
    c = conversations.c
    own = select(participants.c.conversation_id).where(participants.c.uid == bindparam("reader"))
    group_id = _GROUP + members.c.guid
    grouped = select(group_id.label("conversation_id")).where(members.c.uid == bindparam("reader"))
    if with_new:
        news = c.last_message_id > bindparam("cursor")
        own = own.where(c.conversation_id == participants.c.conversation_id, news)
        grouped = grouped.where(c.conversation_id == group_id, news)
    return own.union_all(grouped)


def _is_missed(s: Any) -> bool:
    # Whether the filter is for catch-up or unread messages, rather than for looking something up.
    after = s.newer and (s.cursor or s.sent_cursor) and not s.search and not s.before_joining
    return bool(after or s.only_updates or s.unread or s.undelivered)


def _readable(*, newer: bool, missed: bool) -> ColumnElement[bool]:
    # The condition for messages that the reader may see: in their conversations and groups, without what they deleted
    # for themselves. Messages in a group from before they joined were not missed.
    m = messages.c
    cleared = (
        select(marks.c.cleared_id)
        .where(marks.c.conversation_id == m.conversation_id, marks.c.uid == bindparam("reader"))
        .scalar_subquery()
    )
    conditions = [
        m.conversation_id.in_(_conversations_of(with_new=newer)),
        m.id > func.coalesce(cleared, literal_column("0")),
    ]
    if missed:
        conditions.append(_after_joining())
    return and_(*conditions)


def _after_joining() -> ColumnElement[bool]:
    # The condition for messages that are not from before the reader joined their group.
    m = messages.c
    mine = and_(members.c.uid == bindparam("reader"), members.c.guid == m.receiver)
    return or_(m.receiver_type == _USER, m.id > select(members.c.joined_after_id).where(mine).scalar_subquery())


# A user deletes a conversation for themselves up to a message. So the last message of a conversation is visible unless
# they deleted all of it. The text is the same in all dialects.
LATEST_OF_USER_SQL = compile_text(
    select(func.coalesce(func.max(conversations.c.last_message_id), literal_column("0"))).where(
        conversations.c.conversation_id.in_(_conversations_of(with_new=False)),
        ~exists().where(
            marks.c.conversation_id == conversations.c.conversation_id,
            marks.c.uid == bindparam("reader"),
            marks.c.cleared_id >= conversations.c.last_message_id,
        ),
    )
)


@lru_cache(maxsize=2)
def missed_boundary(dialect: str) -> str:
    """Return the query for the id of the newest message that is left out if a reader gets only the `:most` newest.

    It returns no row if the reader has missed at most `:most` messages. Messages after the id `:cursor` count, except
    announcements of edits and deletions, and what the reader has sent from `:device`.
    """
    m = messages.c
    announced = and_(m.category == _ACTION, m.type == literal_column("'message'"))
    others = or_(
        m.sender != bindparam("reader"), _device_of(m.body, dialect).is_distinct_from(bindparam("device", type_=Text))
    )
    query: Query = select(m.id).where(
        _readable(newer=True, missed=True), m.id > bindparam("cursor"), ~announced, others
    )
    query = query.with_hint(messages, "INDEXED BY messages_of_conversation", "sqlite")
    return compile_text(query.order_by(m.id.desc()).suffix_with(text("LIMIT 1 OFFSET :most")), dialect)


def filter_parameters(criteria: MessageFilter, shape: tuple[object, ...]) -> dict[str, object]:
    """Return the values of a filter for the query of `list_messages`.

    Args:
        criteria: the filter.
        shape: the result of `criteria.shape()`.
    """
    values: dict[str, object] = {
        "reader": criteria.reader,
        "conversation_id": criteria.conversation_id,
        "since": criteria.since,
        "cursor": criteria.cursor,
        "limit": criteria.limit,
    }
    for name, listed in (("categories", criteria.categories), ("types", criteria.types)):
        for n, value in enumerate(listed):
            values[f"{name}{n}"] = value
    if is_common(shape):
        return values
    for name in _RARE_VALUES:
        values[name] = getattr(criteria, name)
    for name in ("mentioned", "tags"):
        values |= {f"{name}{n}": value for n, value in enumerate(getattr(criteria, name))}
    return values


_RARE_VALUES = (
    "sent_cursor", "updated_after", "receiver_type", "sender", "parent_id", "from_time", "to_time", "traits", "search",
    "offset",
)  # fmt: skip
