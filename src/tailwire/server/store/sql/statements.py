"""The most used statements: written in SQLAlchemy Core, compiled to text at import, and run by the driver as text.

The same text is used for SQLite and PostgreSQL.
"""

from __future__ import annotations

from sqlalchemy import ClauseElement, bindparam, case, literal_column, select, update
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.dialects.sqlite import dialect as sqlite_dialect
from sqlalchemy.dialects.sqlite import insert

from tailwire.server.store.sql.schema import (
    api_keys,
    auth_tokens,
    conversations,
    groups,
    marks,
    members,
    messages,
    participants,
    users,
)

_DIALECTS = {
    "sqlite": sqlite_dialect(paramstyle="named"),
    "postgresql": PGDialect(paramstyle="named"),  # type: ignore[no-untyped-call]
}


def compile_text(statement: ClauseElement, dialect: str = "sqlite") -> str:
    """Compile a statement to text with named parameters (`:name`).

    Args:
        dialect: the name of the dialect in SQLAlchemy: `sqlite` or `postgresql`.
    """
    return str(statement.compile(dialect=_DIALECTS[dialect], compile_kwargs={"render_postcompile": True}))


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
    messages.c.parent_id,
    messages.c.reply_count,
    messages.c.pinned_at,
    messages.c.pinned_by,
    messages.c.quoted_id,
    messages.c.traits,
)

KEY_SCOPE_SQL = compile_text(
    select(api_keys.c.scope, api_keys.c.expires_at).where(api_keys.c.key_hash == bindparam("hash"))
)
TOKEN_OWNER_SQL = compile_text(
    select(auth_tokens.c.uid, auth_tokens.c.created_at, auth_tokens.c.expires_at).where(
        auth_tokens.c.token_hash == bindparam("hash")
    )
)
USER_SQL = compile_text(select(users).where(users.c.uid == bindparam("key")))
GROUP_SQL = compile_text(select(groups).where(groups.c.guid == bindparam("key")))
MEMBER_SQL = compile_text(select(members).where(members.c.guid == bindparam("of"), members.c.uid == bindparam("who")))
GROUPS_OF_USER_SQL = compile_text(select(members.c.guid).where(members.c.uid == bindparam("who")))
MESSAGE_SQL = compile_text(select(*MESSAGE_COLUMNS).where(messages.c.id == bindparam("key")))
MESSAGE_BY_MUID_SQL = compile_text(
    select(*MESSAGE_COLUMNS).where(messages.c.sender == bindparam("who"), messages.c.muid == bindparam("key"))
)
INSERT_MESSAGE_SQL = compile_text(
    insert(messages)
    .values({c.name: bindparam(c.name) for c in messages.c if c.name in {
        "id", "conversation_id", "sender", "receiver", "receiver_type", "category", "type", "muid", "parent_id",
        "sent_at", "updated_at", "body", "quoted_id", "traits",
    }})
    .on_conflict_do_nothing()
)  # fmt: skip
LAST_MESSAGE_SQL = compile_text(
    select(conversations.c.last_message_id).where(conversations.c.conversation_id == bindparam("conversation"))
)
TOUCH_CONVERSATION_SQL = compile_text(
    update(conversations)
    .where(conversations.c.conversation_id == bindparam("conversation"))
    .values(
        last_message_id=bindparam("id"),
        shown_message_id=case(
            (bindparam("shown") == literal_column("1"), bindparam("id")), else_=conversations.c.shown_message_id
        ),
        updated_at=bindparam("sent_at"),
    )
)
START_CONVERSATION_SQL = compile_text(
    insert(conversations).values(
        conversation_id=bindparam("conversation"),
        last_message_id=bindparam("id"),
        shown_message_id=bindparam("shown_id"),
        updated_at=bindparam("sent_at"),
        created_at=bindparam("sent_at"),
    )
)
MARK_SQL = compile_text(
    select(
        marks.c.conversation_id,
        marks.c.uid,
        marks.c.delivered_id,
        marks.c.read_id,
        marks.c.cleared_id,
        marks.c.tags,
        marks.c.pinned_at,
    ).where(marks.c.conversation_id == bindparam("conversation"), marks.c.uid == bindparam("who"))
)
ADD_PARTICIPANT_SQL = compile_text(
    insert(participants)
    .values(uid=bindparam("uid"), conversation_id=bindparam("conversation_id"))
    .on_conflict_do_nothing()
)
