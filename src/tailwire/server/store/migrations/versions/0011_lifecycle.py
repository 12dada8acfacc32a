"""When keys and tokens end, when a key was last used, and the ids up to which messages were removed for their age."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from tailwire.server.store.sql.metadata import Id
from tailwire.server.store.sql.schema import ended_tokens

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Add the columns and the table."""
    op.add_column("auth_tokens", sa.Column("expires_at", sa.BigInteger))
    op.add_column("api_keys", sa.Column("expires_at", sa.BigInteger))
    op.add_column("api_keys", sa.Column("used_at", sa.BigInteger))
    for table in ("app", "conversations"):
        op.add_column(table, sa.Column("pruned_id", Id, nullable=False, server_default="0"))
    ended_tokens.create(op.get_bind())
    op.create_index("files_by_age", "files", ["created_at"], if_not_exists=True)  # 0005 creates it in a new file
