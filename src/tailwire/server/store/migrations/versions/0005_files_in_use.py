"""References to files. URLs of attachments lose the server's address, and the app loses the secret of socket passes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

from tailwire.server.ports.file_names import named_files
from tailwire.server.ports.file_urls import stored_url
from tailwire.server.store.sql.bodies import read_body, write_body
from tailwire.server.store.sql.schema import chores, file_uses, files

revision = "0005"
down_revision = "0004"

AT_ONCE = 500
# The former URL of an attachment, with the address under which its sender had reached the server.
_ABSOLUTE = re.compile(rb'"(url|thumbnail)":"https?://[^"/\\]+/files/([0-9a-f]{40}(?:\.[a-z0-9]{1,10})?)')


def upgrade() -> None:
    """Add columns and tables, fill them with the references in stored rows, and shorten the URLs of attachments."""
    bind = op.get_bind()
    known = {column["name"] for column in sa.inspect(bind).get_columns("files")}
    if "unused_since" not in known:  # in a new database an earlier migration has created them
        op.add_column("files", sa.Column("used", sa.Integer, nullable=False, server_default="0"))
        op.add_column("files", sa.Column("unused_since", sa.BigInteger))
        for index in files.indexes:
            index.create(bind)
    file_uses.create(bind)
    chores.create(bind)
    _find_uses(bind)
    _strip_metadata(bind)
    with op.batch_alter_table("app") as app:
        app.drop_column("secret")


def _find_uses(bind: sa.Connection) -> None:
    kept = {row[0] for row in bind.execute(sa.text("SELECT name FROM files"))}
    if not kept:
        return
    bind.execute(sa.text("UPDATE files SET unused_since = created_at"))
    batch: list[dict[str, str]] = []
    for place, key, names in _uses(bind, kept):
        batch += [{"place": place, "key": key, "name": name} for name in names if name in kept]
        if len(batch) >= AT_ONCE:
            _store_uses(bind, batch)
            batch = []
    _store_uses(bind, batch)


def _store_uses(bind: sa.Connection, batch: list[dict[str, str]]) -> None:
    if batch:
        bind.execute(file_uses.insert(), batch)
        bind.execute(sa.text("UPDATE files SET used = 1, unused_since = NULL WHERE name = :name"), batch)


def _uses(bind: sa.Connection, kept: set[str]) -> Iterator[tuple[str, str, Iterable[str]]]:
    for uid, *texts in bind.execute(sa.text("SELECT uid, avatar, link, metadata FROM users")):
        yield "user", uid, named_files(*texts)
    for guid, *texts in bind.execute(sa.text("SELECT guid, icon, metadata FROM groups")):
        yield "group", guid, named_files(*texts)
    yield from _uses_of_messages(bind, kept)


def _uses_of_messages(bind: sa.Connection, kept: set[str]) -> Iterator[tuple[str, str, Iterable[str]]]:
    # Also removes the address from their URLs.
    def replace_url(found: re.Match[bytes]) -> bytes:
        key, name = found.groups()
        return b'"%b":"%b' % (key, stored_url(name.decode()).encode()) if name.decode() in kept else found.group()

    last, change = 0, sa.text("UPDATE messages SET body = :body WHERE id = :id")
    sql = sa.text("SELECT id, category, deleted_at, body FROM messages WHERE id > :last ORDER BY id LIMIT :most")
    while rows := bind.execute(sql, {"last": last, "most": AT_ONCE}).fetchall():
        for number, category, deleted_at, body in rows:
            if b"/files/" not in body and b"\\/files\\/" not in body:
                continue
            changed = _ABSOLUTE.sub(replace_url, body)
            if changed != body:
                bind.execute(change, {"body": changed, "id": number})
            if category != "action" and deleted_at is None:
                yield "message", str(number), named_files(_content(body))
        last = rows[-1][0]


def _content(body: bytes) -> bytes:
    # The content that the sender wrote. An unreadable message keeps all files whose names it contains.
    message = read_body(body)
    data = message.get("data") if isinstance(message, dict) else None
    return write_body({k: v for k, v in data.items() if k != "entities"}) if isinstance(data, dict) else body


def _strip_metadata(bind: sa.Connection) -> None:
    # Remove copies of users' metadata, which could be neither corrected nor erased.
    last, change = 0, sa.text("UPDATE messages SET body = :body WHERE id = :id")
    sql = sa.text("SELECT id, body FROM messages WHERE id > :last ORDER BY id LIMIT :most")
    while rows := bind.execute(sql, {"last": last, "most": AT_ONCE}).fetchall():
        changed = []
        for number, body in rows:
            if b'"metadata"' in body:
                message = read_body(body)
                if _strip(message):
                    changed.append({"id": number, "body": write_body(message)})
        if changed:
            bind.execute(change, changed)
        last = rows[-1][0]


def _strip(message: Any) -> bool:
    # Return whether anything was removed.
    data = message.get("data") if isinstance(message, dict) else None
    if not isinstance(data, dict):
        return False
    mentions, entities = data.get("mentions"), data.get("entities")
    users = list(mentions.values()) if isinstance(mentions, dict) else []
    stripped = False
    for one in entities.values() if isinstance(entities, dict) else ():
        if isinstance(one, dict) and one.get("entityType") == "user":
            users.append(one.get("entity"))
        elif isinstance(one, dict) and one.get("entityType") == "message":
            stripped |= _strip(one.get("entity"))
    for user in users:
        if isinstance(user, dict):
            stripped |= user.pop("metadata", None) is not None
    return stripped
