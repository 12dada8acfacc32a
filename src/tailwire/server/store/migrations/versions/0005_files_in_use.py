"""Which messages, users and groups name which files; the key of the socket passes goes out of the database."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

import sqlalchemy as sa
from alembic import op

from tailwire.server.ports.file_names import named_files
from tailwire.server.store.schema import file_uses, files

revision = "0005"
down_revision = "0002"

AT_ONCE = 500


def upgrade() -> None:
    """Add the columns and the table, and find out who names which file."""
    bind = op.get_bind()
    known = {column["name"] for column in sa.inspect(bind).get_columns("files")}
    if "unused_since" not in known:  # a new database has them: an earlier migration makes the table as it is now
        op.add_column("files", sa.Column("used", sa.Integer, nullable=False, server_default="0"))
        op.add_column("files", sa.Column("unused_since", sa.BigInteger))
        for index in files.indexes:
            index.create(bind)
    file_uses.create(bind)
    _find_uses(bind)
    with op.batch_alter_table("app") as app:
        app.drop_column("secret")


def _find_uses(bind: sa.Connection) -> None:
    kept = {row[0] for row in bind.execute(sa.text("SELECT name FROM files"))}
    if not kept:
        return
    bind.execute(sa.text("UPDATE files SET unused_since = created_at"))
    batch: list[dict[str, str]] = []
    for place, key, names in _uses(bind):
        batch += [{"place": place, "key": key, "name": name} for name in names if name in kept]
        if len(batch) >= AT_ONCE:
            _note(bind, batch)
            batch = []
    _note(bind, batch)


def _note(bind: sa.Connection, batch: list[dict[str, str]]) -> None:
    if batch:
        bind.execute(file_uses.insert(), batch)
        bind.execute(sa.text("UPDATE files SET used = 1, unused_since = NULL WHERE name = :name"), batch)


def _uses(bind: sa.Connection) -> Iterator[tuple[str, str, Iterable[str]]]:
    for uid, *texts in bind.execute(sa.text("SELECT uid, avatar, link, metadata FROM users")):
        yield "user", uid, named_files(*texts)
    for guid, *texts in bind.execute(sa.text("SELECT guid, icon, metadata FROM groups")):
        yield "group", guid, named_files(*texts)
    last = 0
    sql = sa.text(
        "SELECT id, body FROM messages WHERE id > :last AND category <> 'action' AND deleted_at IS NULL"
        " ORDER BY id LIMIT :most"
    )
    while rows := bind.execute(sql, {"last": last, "most": AT_ONCE}).fetchall():
        for number, body in rows:
            if b"files" in body:
                data = json.loads(body).get("data", {})
                data.pop("entities", None)
                yield "message", str(number), named_files(json.dumps(data))
        last = rows[-1][0]
