"""The users and groups that were removed lately, so that a message that waited meanwhile is not stored.

And what earlier versions left of removed users for the next user with the uid: their groups and their read state.
"""

from __future__ import annotations

from pathlib import Path

from alembic import op

from tailwire.server.store.migrations.scripts import run_script
from tailwire.server.store.sql.removed_names_table import removed_names

revision = "0022"
down_revision = "0021"

_HERE = Path(__file__)
_IS_REMOVED = "{0} <> 'app_system' AND NOT EXISTS (SELECT 1 FROM users u WHERE u.uid = {0})"
_CLEAN = (
    f"UPDATE groups SET owner = NULL WHERE {_IS_REMOVED.format('groups.owner')}",
    f"DELETE FROM receipts WHERE {_IS_REMOVED.format('receipts.uid')}",
    f"DELETE FROM marks WHERE {_IS_REMOVED.format('marks.uid')}",
    # The conversations remain for the other participants, and are empty for the next user with the uid.
    "INSERT INTO marks (conversation_id, uid, delivered_id, read_id, cleared_id)"
    " SELECT c.conversation_id, p.uid, c.last_message_id, c.last_message_id, c.last_message_id FROM participants p"
    " JOIN conversations c ON c.conversation_id = p.conversation_id"
    f" WHERE c.last_message_id > 0 AND {_IS_REMOVED.format('p.uid')} ON CONFLICT DO NOTHING",
)


def upgrade() -> None:
    """Delete what is left of removed users, add the table, and on PostgreSQL let the trigger of 0016 look it up.

    On SQLite the code that inserts messages looks it up. Servers of the previous version may run alongside this one.
    """
    for statement in _CLEAN:
        op.execute(statement)
    removed_names.create(op.get_bind())
    if op.get_bind().dialect.name == "postgresql":
        run_script(op.get_bind(), _HERE.with_suffix(".sql").read_text(encoding="utf-8"))
