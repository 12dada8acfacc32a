"""The hot statements: written with SQLAlchemy Core, compiled once, run as text on the driver."""

from __future__ import annotations

from functools import lru_cache

from sqlalchemy import (
    ClauseElement,
    ColumnElement,
    CompoundSelect,
    Select,
    String,
    and_,
    bindparam,
    func,
    literal_column,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects.sqlite import dialect as sqlite_dialect
from sqlalchemy.dialects.sqlite import insert

from tailwire.server.ports.records import MessageFilter
from tailwire.server.store.schema import (
    api_keys,
    auth_tokens,
    conversations,
    groups,
    members,
    messages,
    participants,
    users,
)

_DIALECT = sqlite_dialect(paramstyle="named")


def compiled(statement: ClauseElement) -> str:
    """A statement as text for the driver, with named parameters."""
    return str(statement.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True}))


MESSAGE_COLUMNS = (
    messages.c.id,
    messages.c.conversation_id,
    messages.c.sender,
    messages.c.receiver,
    messages.c.receiver_type,
    messages.c.category,
    messages.c.type,
    messages.c.sent_at,
    messages.c.updated_at,
    messages.c.delivered_at,
    messages.c.read_at,
    messages.c.edited_at,
    messages.c.edited_by,
    messages.c.deleted_at,
    messages.c.deleted_by,
    messages.c.body,
)

KEY_SCOPE = compiled(select(api_keys.c.scope).where(api_keys.c.key_hash == bindparam("hash")))
TOKEN_OWNER = compiled(select(auth_tokens.c.uid).where(auth_tokens.c.token_hash == bindparam("hash")))
USER = compiled(select(users).where(users.c.uid == bindparam("key")))
GROUP = compiled(select(groups).where(groups.c.guid == bindparam("key")))
MEMBER = compiled(select(members).where(members.c.guid == bindparam("of"), members.c.uid == bindparam("who")))
GROUPS_OF = compiled(select(members.c.guid).where(members.c.uid == bindparam("who")))
MESSAGE = compiled(select(*MESSAGE_COLUMNS).where(messages.c.id == bindparam("key")))
BY_MUID = compiled(
    select(*MESSAGE_COLUMNS).where(messages.c.sender == bindparam("who"), messages.c.muid == bindparam("key"))
)
INSERT_MESSAGE = compiled(
    insert(messages)
    .values({c.name: bindparam(c.name) for c in messages.c if c.name in {
        "id", "conversation_id", "sender", "receiver", "receiver_type", "category", "type", "muid", "parent_id",
        "sent_at", "updated_at", "body",
    }})
    .on_conflict_do_nothing()
)  # fmt: skip
TOUCH_CONVERSATION = compiled(
    update(conversations)
    .where(conversations.c.conversation_id == bindparam("conversation"))
    .values(last_message_id=bindparam("id"), updated_at=bindparam("sent_at"))
)
START_CONVERSATION = compiled(
    insert(conversations).values(
        conversation_id=bindparam("conversation"), last_message_id=bindparam("id"), updated_at=bindparam("sent_at")
    )
)
ADD_PARTICIPANT = compiled(
    insert(participants)
    .values(uid=bindparam("uid"), conversation_id=bindparam("conversation_id"))
    .on_conflict_do_nothing()
)


@lru_cache(maxsize=512)
def list_messages(shape: tuple[object, ...]) -> str:
    """The query for a `MessageFilter` of this shape (compiled once for each)."""
    everything, newer, no_cursor, no_sent, no_updated, only_updates, categories, types, no_parent, replies, deleted = (
        shape
    )
    m = messages.c
    query: Select[tuple[object, ...]] = select(*MESSAGE_COLUMNS)
    if everything:
        query = query.where(_readable(newer=bool(newer) and not no_cursor))
    else:
        query = query.where(m.conversation_id == bindparam("conversation_id"))
    if not no_cursor:
        query = query.where(m.id > bindparam("cursor") if newer else m.id < bindparam("cursor"))
    if not no_sent:
        query = query.where(m.sent_at > bindparam("sent") if newer else m.sent_at < bindparam("sent"))
    if not no_updated:
        query = query.where(m.updated_at >= bindparam("updated"))
        if only_updates:
            query = query.where(m.updated_at > m.sent_at)
    for column, count, name in ((m.category, categories, "category"), (m.type, types, "type")):
        if count:
            query = query.where(column.in_([bindparam(f"{name}{n}") for n in range(int(str(count)))]))
    if not no_parent:
        query = query.where(m.parent_id == bindparam("parent"))
    elif replies:
        query = query.where(m.parent_id.is_(None))
    if deleted:
        query = query.where(m.deleted_at.is_(None))
    if everything and only_updates and not no_updated:
        query = query.with_hint(messages, "INDEXED BY messages_by_update", "sqlite")
    elif everything and newer and not no_cursor:
        # What was missed is a range at the end of each conversation that has something new.
        query = query.with_hint(messages, "INDEXED BY messages_by_conversation", "sqlite")
    ordered = query.order_by(m.id.asc() if newer else m.id.desc())
    return compiled(ordered.suffix_with(text("LIMIT :most")))


def _conversations_of(*, with_news: bool) -> CompoundSelect[tuple[str]]:
    # The conversations with another user, and the groups. With a cursor, only those that have something after it: a
    # short list, however many there are.
    c = conversations.c
    own = select(participants.c.conversation_id).where(participants.c.uid == bindparam("reader"))
    group_id = _GROUP + members.c.guid
    grouped = select(group_id.label("conversation_id")).where(members.c.uid == bindparam("reader"))
    if with_news:
        news = c.last_message_id > bindparam("cursor")
        own = own.where(c.conversation_id == participants.c.conversation_id, news)
        grouped = grouped.where(c.conversation_id == group_id, news)
    return own.union_all(grouped)


_GROUP: ColumnElement[str] = literal_column("'group_'", String)
_USER: ColumnElement[str] = literal_column("'user'", String)


def _readable(*, newer: bool) -> ColumnElement[bool]:
    # What a user may see: her conversations with others, and groups from the moment of joining.
    m = messages.c
    since = (
        select(members.c.joined_after_id)
        .where(members.c.uid == bindparam("reader"), members.c.guid == m.receiver)
        .scalar_subquery()
    )
    return and_(
        m.conversation_id.in_(_conversations_of(with_news=newer)),
        or_(m.receiver_type == _USER, m.id > since),
    )


LATEST_OF = compiled(
    select(func.coalesce(func.max(conversations.c.last_message_id), literal_column("0"))).where(
        conversations.c.conversation_id.in_(_conversations_of(with_news=False))
    )
)


def parameters(wanted: MessageFilter) -> dict[str, object]:
    """The values of a filter, by the names that `list_messages` uses."""
    values: dict[str, object] = {"most": wanted.limit, "reader": wanted.reader}
    values |= {"conversation_id": wanted.conversation_id, "cursor": wanted.cursor, "sent": wanted.sent_cursor}
    values |= {"updated": wanted.updated_after, "parent": wanted.parent_id}
    values |= {f"category{n}": c for n, c in enumerate(wanted.categories)}
    values |= {f"type{n}": t for n, t in enumerate(wanted.types)}
    return values
