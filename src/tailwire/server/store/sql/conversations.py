"""Reads conversations as their participants see them, with counts of unread messages."""

from __future__ import annotations

from typing import Any

from tailwire.server.ports.conversations import GROUP_KEY, ConversationKey
from tailwire.server.ports.filters import ConversationFilter
from tailwire.server.ports.records import ConversationRow
from tailwire.server.store.sql.connection import Connection
from tailwire.server.store.sql.folding import fold

MAX_COUNTED_MESSAGES = 1000  # unread messages and mentions of one conversation: 1000 means 1000 or more

# Conversations of one kind, of one user or of all, each with the read state of its user.
_CONVERSATIONS_TEMPLATE = """
SELECT s.uid, c.conversation_id, c.last_message_id, c.shown_message_id, c.created_at, c.updated_at,
       coalesce(k.read_id, 0) AS read_id, coalesce(k.cleared_id, 0) AS cleared_id, k.tags, k.pinned_at, {since} AS since
FROM {source} JOIN conversations c ON c.conversation_id = {id}
LEFT JOIN marks k ON k.conversation_id = c.conversation_id AND k.uid = s.uid
WHERE {whose} AND (coalesce(k.cleared_id, 0) = 0 OR c.last_message_id > k.cleared_id){more}
"""
# Which messages `n` of a conversation a user has not read.
_NOT_READ = "n.id > {after} AND n.sender <> {uid} AND n.category <> 'action' AND n.deleted_at IS NULL"
_NOT_FROM_BLOCKED = " AND NOT EXISTS (SELECT 1 FROM blocks b WHERE b.uid = {uid} AND b.blocked = {sender})"
# Counted in a covering index: the messages themselves are never read.
_UNREAD_OF_SQL = f"SELECT 1 FROM messages n{{by_index}} WHERE n.conversation_id = {{of}} AND {_NOT_READ}{{from_whom}}"
_UNREAD_COUNT = _UNREAD_OF_SQL.format(
    of="p.conversation_id", after="p.after", uid="p.uid", by_index="{by_index}", from_whom="{unread}"
)
_MENTIONS_SQL = """
SELECT 1 FROM mentions n JOIN messages m ON m.id = n.message_id WHERE n.uid = p.uid
AND n.conversation_id = p.conversation_id AND n.message_id > p.after AND m.sender <> p.uid AND m.deleted_at IS NULL
{mentions}
"""
# A page and its unread counts in one statement: a thread takes the GIL again for each statement and each row.
_PAGE_SQL = f"""
WITH p AS MATERIALIZED (
       SELECT *, {{greatest}}(read_id, cleared_id, since) AS after FROM ({{of}}) AS o {{order}}
       LIMIT :limit OFFSET :offset),
     q AS MATERIALIZED (SELECT *, (SELECT count(*) FROM ({_UNREAD_COUNT} LIMIT :cap) AS n) AS unread FROM p)
SELECT uid, conversation_id, last_message_id, shown_message_id, created_at, updated_at, read_id, cleared_id, tags,
       pinned_at, unread,
       CASE WHEN unread > 0 AND :mentions THEN (SELECT count(*) FROM ({_MENTIONS_SQL} LIMIT :cap) AS n) ELSE 0 END
FROM q p {{order}}
"""


class ConversationRows:
    """`ConversationStore`, without `start`."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    async def find(self, criteria: ConversationFilter) -> tuple[list[ConversationRow], int]:
        count, page, values = self._list_of(criteria)
        rows, total = await self._db.page(count, page, values, values)
        return [_as_row(row) for row in rows], total

    def _list_of(self, criteria: ConversationFilter, *, mentions: bool = True) -> tuple[str, str, dict[str, Any]]:
        # Return the query that counts, the query for the page, and their values.
        parts: list[str] = []
        whose = "s.uid = :uid" if criteria.uid else "s.uid <> ''"
        values = {"uid": criteria.uid, "limit": criteria.limit, "offset": criteria.offset}
        if criteria.kind in ("", "user"):
            more = self._conditions(criteria, values, "user")
            parts.append(
                _CONVERSATIONS_TEMPLATE.format(
                    source="participants s", id="s.conversation_id", since="0", whose=whose, more=more
                )
            )
        if criteria.kind in ("", "group"):
            more = self._conditions(criteria, values, "group")
            source, name, since = "members s", f"'{GROUP_KEY}' || s.guid", "s.joined_after_id"
            parts.append(_CONVERSATIONS_TEMPLATE.format(source=source, id=name, since=since, whose=whose, more=more))
        union = " UNION ALL ".join(parts)
        dialect = self._db.dialect
        order = f"ORDER BY {'pinned_at IS NULL' if criteria.uid else 'uid'}, updated_at DESC, last_message_id DESC"
        page = _PAGE_SQL.format(
            of=union,
            order=f"{order}, conversation_id",
            greatest=dialect.greatest,
            by_index=dialect.by_index("messages_of_conversation"),
            unread=_from_whom(criteria, "p.uid", "n.sender"),
            mentions=_from_whom(criteria, "p.uid", "m.sender"),
        )
        return (
            f"SELECT count(*) FROM ({union}) AS o",
            page,
            values | {"cap": MAX_COUNTED_MESSAGES, "mentions": mentions},
        )

    def _conditions(self, criteria: ConversationFilter, values: dict[str, Any], kind: str) -> str:
        more = ""
        dialect = self._db.dialect
        table, key, name_of = "groups u", "u.guid = s.guid", "u.guid"
        if kind == "user":
            name_of = "u.uid"
            table = "participants other JOIN users u ON u.uid = other.uid"
            key = "other.conversation_id = c.conversation_id AND other.uid <> s.uid"
        if criteria.conversation_id:
            more += " AND c.conversation_id = :conversation_id"
            values["conversation_id"] = criteria.conversation_id
        if criteria.search:
            named = dialect.contains(dialect.lower("u.name"), ":search")
            named = f"({named} OR {dialect.contains(name_of, ':search')})"
            more += f" AND EXISTS (SELECT 1 FROM {table} WHERE {key} AND {named})"
            values["search"] = fold(criteria.search)
        if criteria.pinned:
            more += " AND k.pinned_at IS NOT NULL"
        if criteria.unread:
            since = "0" if kind == "user" else "s.joined_after_id"
            unread = _UNREAD_OF_SQL.format(
                of="c.conversation_id",
                after=f"{dialect.greatest}(coalesce(k.read_id, 0), coalesce(k.cleared_id, 0), {since})",
                uid="s.uid",
                by_index=dialect.by_index("messages_of_conversation"),
                from_whom=_from_whom(criteria, "s.uid", "n.sender"),
            )
            more += f" AND EXISTS ({unread})"
        for name, tags, column in (
            ("tag", criteria.tags, "k.tags"),
            ("u_tag", criteria.user_tags if kind == "user" else criteria.group_tags, "u.tags"),
        ):
            if not tags:
                continue
            marks = ", ".join(f":{name}_{kind}{n}" for n in range(len(tags)))
            values |= {f"{name}_{kind}{n}": tag for n, tag in enumerate(tags)}
            found = f"EXISTS (SELECT 1 FROM {dialect.texts(column)} WHERE value IN ({marks}))"
            more += (
                f" AND {found}"
                if column == "k.tags"
                else f" AND EXISTS (SELECT 1 FROM {table} WHERE {key} AND {found})"
            )
        if criteria.user_tags and not criteria.group_tags and kind == "group":
            more += " AND FALSE"
        if criteria.group_tags and not criteria.user_tags and kind == "user":
            more += " AND FALSE"
        if criteria.hide_blocked and kind == "user":
            more += (
                " AND NOT EXISTS (SELECT 1 FROM participants o JOIN blocks b ON (b.uid = s.uid AND b.blocked = o.uid)"
                " OR (b.blocked = s.uid AND b.uid = o.uid)"
                " WHERE o.conversation_id = c.conversation_id AND o.uid <> s.uid)"
            )
        return more

    async def get(self, conversation_id: ConversationKey, uid: str, kind: str) -> ConversationRow | None:
        criteria = ConversationFilter(uid, kind=kind, conversation_id=conversation_id, limit=1)
        _, page, values = self._list_of(criteria)
        rows = await self._db.rows(page, values)
        return _as_row(rows[0]) if rows else None

    async def last_from_others(self, conversation_id: ConversationKey, uid: str, up_to: int | None) -> int:
        rows = await self._db.rows(
            "SELECT id FROM messages WHERE conversation_id = ? AND id <= ? AND sender <> ? ORDER BY id DESC LIMIT 1",
            (conversation_id, up_to if up_to is not None else 2**63 - 1, uid),
        )
        return int(rows[0][0]) if rows else 0

    async def last_message_id(self, conversation_id: ConversationKey) -> int:
        row = await self._db.first_row(
            "SELECT last_message_id FROM conversations WHERE conversation_id = ?", (conversation_id,)
        )
        return int(row[0]) if row else 0

    async def unread_counts(
        self, uid: str, kind: str = "", of: ConversationKey | None = None, not_from_blocked: bool = False
    ) -> list[tuple[ConversationKey, int]]:
        criteria = ConversationFilter(
            uid, kind=kind, conversation_id=of, unread=True, not_from_blocked=not_from_blocked, limit=100_000
        )
        _, page, values = self._list_of(criteria, mentions=False)
        rows = map(ConversationRow._make, await self._db.long_rows(page, values))
        return [(row.conversation_id, row.unread) for row in rows]


def _from_whom(criteria: ConversationFilter, uid: str, sender: str) -> str:
    return _NOT_FROM_BLOCKED.format(uid=uid, sender=sender) if criteria.not_from_blocked else ""


def _as_row(row: Any) -> ConversationRow:
    found = ConversationRow._make(row)
    return found if found.shown_message_id > found.cleared_id else found._replace(shown_message_id=0)
