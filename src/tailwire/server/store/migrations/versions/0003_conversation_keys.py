"""Unique keys of conversations: `u/a/b` and `g/team` replace `a_user_b` and `group_team`.

The old ids were ambiguous: a group could have the id of a conversation of two users. Rows under such an id are
separated here by the type of the receiver and by the participants. The column keeps its name.
"""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_PAIR = "'u/' || min({0}, {1}) || '/' || max({0}, {1})"
_GROUP_OF_ID = "'g/' || substr(conversation_id, 7)"


def upgrade() -> None:
    """Replace the id of each conversation with its key."""
    op.execute("CREATE TEMP TABLE system_rows (id INTEGER PRIMARY KEY, new TEXT NOT NULL)")
    op.execute("CREATE TEMP TABLE keys (old TEXT NOT NULL, new TEXT NOT NULL, PRIMARY KEY (old, new))")
    op.execute("CREATE TEMP TABLE shared (old TEXT PRIMARY KEY)")
    _find_system_messages()
    _find_keys()
    _replace_conversations()
    _replace_marks()
    op.execute(f"UPDATE receipts SET conversation_id = {_GROUP_OF_ID}")  # there are receipts of groups only
    op.execute(f"UPDATE messages SET conversation_id = {_key_of_message('messages')}")
    for table in ("system_rows", "keys", "shared"):
        op.execute(f"DROP TABLE {table}")


def _find_system_messages() -> None:
    # The sender of an edit or deletion by REST key is not a participant: use the conversation of the changed message.
    connection = op.get_bind()
    rows = connection.execute(
        sa.text(
            "SELECT id, receiver, conversation_id, body FROM messages"
            " WHERE sender = 'app_system' AND receiver_type = 'user' AND category = 'action' AND type = 'message'"
        )
    ).fetchall()
    for number, receiver, old, body in rows:
        first, second = sorted(_users_of(receiver, old, body))
        values = {"id": number, "new": f"u/{first}/{second}"}
        connection.execute(sa.text("INSERT INTO system_rows VALUES (:id, :new)"), values)


def _users_of(receiver: str, old: str, body: bytes) -> tuple[str, str]:
    try:
        changed = json.loads(body)["data"]["entities"]["on"]["entity"]
        sender, other = changed["sender"], changed["receiver"]
        if not (isinstance(sender, str) and isinstance(other, str)):
            raise TypeError("no uids")
        return sender, other
    except (ValueError, KeyError, TypeError, RecursionError):  # unreadable: use the id, although it may be ambiguous
        begun = old.startswith(f"{receiver}_user_")
        return receiver, old[len(receiver) + 6 :] if begun else old[: -len(receiver) - 6]


def _key_of_message(m: str) -> str:
    return (
        f"CASE {m}.receiver_type WHEN 'group' THEN 'g/' || {m}.receiver ELSE coalesce("
        f"(SELECT s.new FROM system_rows s WHERE s.id = {m}.id), {_PAIR.format(f'{m}.sender', f'{m}.receiver')}) END"
    )


def _find_keys() -> None:
    op.execute(f"INSERT OR IGNORE INTO keys SELECT conversation_id, {_key_of_message('m')} FROM messages m")
    # Conversations without messages: of two participants whose uids make this id.
    op.execute(
        f"INSERT OR IGNORE INTO keys SELECT a.conversation_id, {_PAIR.format('a.uid', 'b.uid')}"
        " FROM participants a JOIN participants b ON b.conversation_id = a.conversation_id"
        " WHERE a.uid || '_user_' || b.uid = a.conversation_id"
    )
    op.execute(
        "INSERT OR IGNORE INTO keys SELECT c.conversation_id, 'g/' || g.guid"
        " FROM conversations c JOIN groups g ON c.conversation_id = 'group_' || g.guid"
        " WHERE NOT EXISTS (SELECT 1 FROM keys k WHERE k.old = c.conversation_id)"
    )
    op.execute("INSERT INTO shared SELECT old FROM keys GROUP BY old HAVING count(*) > 1")


def _replace_conversations() -> None:
    op.execute("CREATE TEMP TABLE old_conversations AS SELECT * FROM conversations")
    op.execute("DELETE FROM conversations")
    columns = "(conversation_id, last_message_id, updated_at, shown_message_id, created_at)"
    op.execute(
        f"INSERT INTO conversations {columns}"
        " SELECT k.new, o.last_message_id, o.updated_at, o.shown_message_id, o.created_at"
        " FROM old_conversations o JOIN keys k ON k.old = o.conversation_id"
        " WHERE o.conversation_id NOT IN (SELECT old FROM shared)"
    )
    # Recompute the conversations that shared an id. A list of conversations shows neither edits nor replies in threads.
    shown = "m.parent_id IS NULL AND NOT (m.category = 'action' AND m.type = 'message')"
    op.execute(
        f"INSERT INTO conversations {columns}"
        " SELECT new, max(id), max(sent_at), max(CASE WHEN shown THEN id ELSE 0 END), min(sent_at) FROM"
        f" (SELECT {_key_of_message('m')} AS new, m.id, m.sent_at, {shown} AS shown FROM messages m"
        "   WHERE m.conversation_id IN (SELECT old FROM shared)) GROUP BY new"
    )
    op.execute(
        f"INSERT OR IGNORE INTO conversations {columns}"
        " SELECT k.new, 0, o.updated_at, 0, o.created_at FROM keys k JOIN old_conversations o"
        " ON o.conversation_id = k.old WHERE k.new LIKE 'u/%'"
    )
    op.execute("DROP TABLE old_conversations")
    op.execute("DELETE FROM participants")
    pair = "substr(new, 3)"
    first = f"substr({pair}, 1, instr({pair}, '/') - 1)"
    second = f"substr({pair}, instr({pair}, '/') + 1)"
    for uid in (first, second):
        op.execute(f"INSERT OR IGNORE INTO participants SELECT {uid}, new FROM keys WHERE new LIKE 'u/%'")


def _replace_marks() -> None:
    # Copy a read state to each conversation of its id with that participant, including groups that they have left.
    op.execute("CREATE TEMP TABLE old_marks AS SELECT * FROM marks")
    op.execute("DELETE FROM marks")
    mine = "EXISTS (SELECT 1 FROM participants p WHERE p.conversation_id = k.new AND p.uid = o.uid)"
    member = "EXISTS (SELECT 1 FROM members m WHERE 'g/' || m.guid = k.new AND m.uid = o.uid)"
    elsewhere = (
        "EXISTS (SELECT 1 FROM keys e JOIN participants p ON p.conversation_id = e.new"
        " WHERE e.old = k.old AND p.uid = o.uid)"
    )
    columns = "uid, delivered_id, read_id, cleared_id, tags, pinned_at"
    op.execute(
        f"INSERT INTO marks (conversation_id, {columns}) SELECT k.new, {columns}"
        f" FROM old_marks o JOIN keys k ON k.old = o.conversation_id"
        f" WHERE {mine} OR (k.new LIKE 'g/%' AND ({member} OR NOT {elsewhere}))"
    )
    op.execute("DROP TABLE old_marks")
