"""Conversations as one user sees them, and what is unread in them."""

from __future__ import annotations

from typing import Any

from tailwire.server.ports.conversations import GROUP_KEY, ConversationKey
from tailwire.server.ports.filters import ConversationFilter
from tailwire.server.ports.records import ConversationRow
from tailwire.server.store.access import Access

MOST_COUNTED = 1000

# All conversations of a user: those with another user, and those of her groups, each with her marks.
_OF_USER = """
SELECT s.uid, c.conversation_id, c.last_message_id, c.shown_message_id, c.created_at, c.updated_at,
       coalesce(k.read_id, 0), coalesce(k.cleared_id, 0), k.tags, k.pinned_at, {since} AS since
FROM {source} JOIN conversations c ON c.conversation_id = {id}
LEFT JOIN marks k ON k.conversation_id = c.conversation_id AND k.uid = s.uid
WHERE {whose} AND (coalesce(k.cleared_id, 0) = 0 OR c.last_message_id > k.cleared_id){more}
"""
# Of the messages `n` of a conversation those that somebody has not read.
_NOT_READ = "n.id > {after} AND n.sender <> {uid} AND n.category <> 'action' AND n.deleted_at IS NULL"
# From where on messages of a group are unread to a member: never, where there are too many members.
_SINCE_JOINED = "s.joined_after_id"
_SINCE_JOINED_UNLESS_CROWDED = (
    "(SELECT CASE WHEN g.members_count > :crowd THEN 9223372036854775807 ELSE s.joined_after_id END"
    " FROM groups g WHERE g.guid = s.guid)"
)
_UNREAD = f"""
SELECT count(*) FROM (
  SELECT 1 FROM messages n WHERE n.conversation_id = :conversation
  AND {_NOT_READ.format(after=":after", uid=":uid")} LIMIT :most)
"""


class Conversations(Access):
    """Lists of conversations."""

    _most_counted: int

    async def conversations(self, wanted: ConversationFilter) -> tuple[list[ConversationRow], int]:
        """A page of a user's conversations, newest first, and how many there are."""
        parts: list[str] = []
        whose = "s.uid = :uid" if wanted.uid else "s.uid <> ''"
        values = {"uid": wanted.uid, "limit": wanted.limit, "offset": wanted.offset, "crowd": self._most_counted}
        if wanted.kind in ("", "user"):
            more = self._conditions(wanted, values, "user")
            parts.append(
                _OF_USER.format(source="participants s", id="s.conversation_id", since="0", whose=whose, more=more)
            )
        if wanted.kind in ("", "group"):
            more = self._conditions(wanted, values, "group")
            source, name = "members s", f"'{GROUP_KEY}' || s.guid"
            parts.append(_OF_USER.format(source=source, id=name, since=self._since(), whose=whose, more=more))
        union = " UNION ALL ".join(parts)
        (total,) = self._one(f"SELECT count(*) FROM ({union})", values)
        order = "pinned_at IS NULL" if wanted.uid else "uid"
        rows = self._all(
            f"SELECT * FROM ({union}) ORDER BY {order}, updated_at DESC, 3 DESC LIMIT :limit OFFSET :offset", values
        )
        return [self._seen(row) for row in rows], total

    def _seen(self, row: Any) -> ConversationRow:
        found = ConversationRow._make((*row[:-1], 0))
        unread = self._unread(found.conversation_id, max(found.read_id, found.cleared_id, row[-1]), found.uid)
        shown = found.shown_message_id if found.shown_message_id > found.cleared_id else 0
        return found._replace(shown_message_id=shown, unread=unread)

    def _unread(self, conversation_id: ConversationKey, after: int, uid: str) -> int:
        values = {"conversation": conversation_id, "after": after, "uid": uid, "most": MOST_COUNTED}
        return int(self._one(_UNREAD, values)[0])

    def _since(self) -> str:
        return _SINCE_JOINED_UNLESS_CROWDED if self._most_counted else _SINCE_JOINED

    def _conditions(self, wanted: ConversationFilter, values: dict[str, Any], kind: str) -> str:
        more = ""
        table, key, name_of = "groups u", "u.guid = s.guid", "u.guid"
        if kind == "user":
            name_of = "u.uid"
            table = "participants other JOIN users u ON u.uid = other.uid"
            key = "other.conversation_id = c.conversation_id AND other.uid <> s.uid"
        if wanted.conversation_id:
            more += " AND c.conversation_id = :conversation_id"
            values["conversation_id"] = wanted.conversation_id
        if wanted.search:
            more += (
                f" AND EXISTS (SELECT 1 FROM {table} WHERE {key}"
                f" AND (instr(lower(u.name), :search) > 0 OR instr({name_of}, :search) > 0))"
            )
            values["search"] = wanted.search.lower()
        if wanted.pinned:
            more += " AND k.pinned_at IS NOT NULL"
        if wanted.unread:
            since = "0" if kind == "user" else self._since()
            after = f"max(coalesce(k.read_id, 0), coalesce(k.cleared_id, 0), {since})"
            unread = _NOT_READ.format(after=after, uid="s.uid")
            more += f" AND EXISTS (SELECT 1 FROM messages n WHERE n.conversation_id = c.conversation_id AND {unread})"
        for name, tags, column in (
            ("tag", wanted.tags, "k.tags"),
            ("u_tag", wanted.user_tags if kind == "user" else wanted.group_tags, "u.tags"),
        ):
            if not tags:
                continue
            marks = ", ".join(f":{name}_{kind}{n}" for n in range(len(tags)))
            values |= {f"{name}_{kind}{n}": tag for n, tag in enumerate(tags)}
            found = f"EXISTS (SELECT 1 FROM json_each({column}) WHERE value IN ({marks}))"
            more += (
                f" AND {found}"
                if column == "k.tags"
                else f" AND EXISTS (SELECT 1 FROM {table} WHERE {key} AND {found})"
            )
        if wanted.user_tags and not wanted.group_tags and kind == "group":
            more += " AND 0"
        if wanted.group_tags and not wanted.user_tags and kind == "user":
            more += " AND 0"
        if wanted.hide_blocked and kind == "user":
            more += (
                " AND NOT EXISTS (SELECT 1 FROM participants o JOIN blocks b ON (b.uid = s.uid AND b.blocked = o.uid)"
                " OR (b.blocked = s.uid AND b.uid = o.uid)"
                " WHERE o.conversation_id = c.conversation_id AND o.uid <> s.uid)"
            )
        return more

    async def conversation(self, conversation_id: ConversationKey, uid: str, kind: str) -> ConversationRow | None:
        """One conversation of a user with another (`kind` is `user`) or a group, or None."""
        rows, _ = await self.conversations(ConversationFilter(uid, kind=kind, conversation_id=conversation_id, limit=1))
        return rows[0] if rows else None

    async def last_from_others(self, conversation_id: ConversationKey, uid: str, up_to: int | None) -> int:
        """The id of the last message (perhaps: up to one) that others sent to a conversation; 0 when there is none."""
        row = self._one(
            "SELECT id FROM messages WHERE conversation_id = ? AND id <= ? AND sender <> ? ORDER BY id DESC LIMIT 1",
            (conversation_id, up_to if up_to is not None else 2**63 - 1, uid),
        )
        return int(row[0]) if row else 0

    async def last_message_id(self, conversation_id: ConversationKey) -> int:
        """The id of the last message of a conversation; 0 when there is none."""
        row = self._one("SELECT last_message_id FROM conversations WHERE conversation_id = ?", (conversation_id,))
        return int(row[0]) if row else 0

    async def unread_counts(
        self, uid: str, kind: str = "", of: ConversationKey | None = None, hide_blocked: bool = False
    ) -> list[tuple[ConversationKey, int]]:
        """The conversations of a user with unread messages, and how many there are (counted up to 1,000)."""
        wanted = ConversationFilter(
            uid, kind=kind, conversation_id=of, unread=True, hide_blocked=hide_blocked, limit=100_000
        )
        rows, _ = await self.conversations(wanted)
        return [(row.conversation_id, row.unread) for row in rows]

    async def unread_mentions(self, conversation_id: ConversationKey, uid: str, after: int) -> int:
        """How many unread messages of a conversation mention a user."""
        sql = (
            "SELECT count(*) FROM (SELECT 1 FROM mentions n JOIN messages m ON m.id = n.message_id WHERE n.uid = ?"
            " AND n.message_id > ? AND m.conversation_id = ? AND m.sender <> ? AND m.deleted_at IS NULL LIMIT ?)"
        )
        return int(self._one(sql, (uid, after, conversation_id, uid, MOST_COUNTED))[0])
