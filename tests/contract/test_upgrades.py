"""Upgrades of databases of earlier versions, with their data."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from pathlib import Path

import asyncpg
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine

import tailwire.server.store
from tailwire.server.ports.conversations import key_of
from tailwire.server.ports.filters import ConversationFilter, MessageFilter
from tailwire.server.ports.records import Draft, EditedContent, GroupRow, Trait, UserRow
from tailwire.server.ports.standing import GroupAct, MessageAct
from tailwire.server.ports.world import World
from tailwire.server.rules.names import SYSTEM_USER
from tailwire.server.store.postgres.store import PostgresStore
from tailwire.server.store.sqlite import SqliteStore


def as_of(path: Path, revision: str) -> sqlite3.Connection:
    """Create a database with the schema of an earlier revision."""
    config = Config()
    config.set_main_option("script_location", str(Path(tailwire.server.store.__file__).parent / "migrations"))
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        connection.commit()
    engine.dispose()
    return sqlite3.connect(path)


class Before:
    """Writes rows as the server did when `a_user_b` and `group_g` were the keys."""

    def __init__(self, c: sqlite3.Connection) -> None:
        self.c = c
        self.last = 0
        c.execute("INSERT INTO app (app_id, store_name, secret, created_at) VALUES ('app', 'store', 'secret', 1)")

    def user(self, *uids: str) -> None:
        for uid in uids:
            sql = "INSERT INTO users (uid, name, role, last_active_at, created_at, updated_at) VALUES (?,?,'default',0,1,0)"
            self.c.execute(sql, (uid, uid.title()))

    def group(self, guid: str, *members: str) -> None:
        sql = (
            "INSERT INTO groups (guid, name, type, owner, members_count, created_at, updated_at)"
            " VALUES (?, ?, 'private', ?, ?, 1, 0)"
        )
        self.c.execute(sql, (guid, guid, members[0], len(members)))
        self.c.executemany("INSERT INTO members VALUES (?, ?, 'admin', 1, ?)", [(guid, m, self.last) for m in members])

    def says(self, sender: str, receiver: str, text: str, kind: str = "user", **more) -> int:
        self.last += 1
        place = f"group_{receiver}" if kind == "group" else "_user_".join(sorted((sender, receiver)))
        place = more.pop("place", place)
        category, of = more.pop("category", "message"), more.pop("type", "text")
        body = {
            "conversationId": place,
            "sender": sender,
            "receiver": receiver,
            "data": more.pop("data", {"text": text}),
        }
        self.c.execute(
            "INSERT INTO messages (id, conversation_id, sender, receiver, receiver_type, category, type, sent_at,"
            " updated_at, body, traits) VALUES (?,?,?,?,?,?,?,?,?,?,?)",
            (
                self.last,
                place,
                sender,
                receiver,
                kind,
                category,
                of,
                self.last,
                self.last + 1,
                json.dumps(body).encode(),
                16,
            ),
        )
        shown = self.last if category == "message" else 0
        known = self.c.execute(
            "UPDATE conversations SET last_message_id = :n, updated_at = :n,"
            " shown_message_id = CASE WHEN :s THEN :n ELSE shown_message_id END WHERE conversation_id = :p",
            {"n": self.last, "s": shown, "p": place},
        )
        if not known.rowcount:
            row = (place, self.last, self.last, shown, self.last)
            self.c.execute(
                "INSERT INTO conversations (conversation_id, last_message_id, updated_at, shown_message_id, created_at)"
                " VALUES (?,?,?,?,?)", row,
            )  # fmt: skip
            if kind == "user":
                self.c.executemany("INSERT INTO participants VALUES (?, ?)", {(sender, place), (receiver, place)})
        return self.last

    def changed_by_the_app(self, number: int) -> int:
        """Store the action message of an edit that was made with a REST key. Return its id."""
        sql = "SELECT conversation_id, sender, receiver FROM messages WHERE id = ?"
        place, sender, receiver = self.c.execute(sql, (number,)).fetchone()
        entity = {"sender": sender, "receiver": receiver, "id": str(number)}
        data = {"action": "edited", "entities": {"on": {"entity": entity}}}
        return self.says(
            "app_system", receiver, "", place=place, category="action", type="message", data=data
        )  # fmt: skip

    def mark(self, place: str, uid: str, read: int, **more) -> None:
        values = {"conversation_id": place, "uid": uid, "delivered_id": read, "read_id": read, **more}
        marks = ", ".join(f":{name}" for name in values)
        self.c.execute(f"INSERT INTO marks ({', '.join(values)}) VALUES ({marks})", values)


async def texts(store: SqliteStore, reader: str, **more) -> list[str]:
    rows = await store.messages.find(MessageFilter(reader, newer=True, cursor=0, limit=100, **more))
    found = [json.loads(row.json()) for row in rows]
    return [m["data"].get("text", m["data"].get("action", "")) for m in found]


async def test_conversations_that_shared_an_id_are_separated(tmp_path):
    path = tmp_path / "old.db"
    c = as_of(path, "0002")
    old = Before(c)
    old.user("group_admin", "tom", "mallory", "alice", "test_user_smith", "alice_user_test", "smith", "bob")
    secret = old.says("group_admin", "tom", "the code is 4711")
    old.group("admin_user_tom", "mallory", "tom")
    old.says("mallory", "admin_user_tom", "hello group", "group")
    old.says("tom", "group_admin", "thanks")
    old.changed_by_the_app(secret)
    old.says("alice", "test_user_smith", "first pair")
    old.says("alice_user_test", "smith", "second pair")
    old.says("alice", "bob", "nobody shares this")
    shared, pairs = "group_admin_user_tom", "alice_user_test_user_smith"
    old.mark(shared, "mallory", 2, pinned_at=5)
    old.mark(shared, "group_admin", 3)
    old.mark(shared, "tom", 1)
    old.mark(pairs, "smith", 6)
    old.mark("alice_user_bob", "bob", 7, tags='["kept"]')
    c.execute("INSERT INTO receipts VALUES (?, 'tom', 1, 2, 9)", (shared,))
    c.commit()
    c.close()

    store = await SqliteStore.open(path, World())
    group, pair = key_of("", "admin_user_tom", "group"), key_of("group_admin", "tom", "user")
    assert await texts(store, "mallory") == ["hello group"]
    assert await texts(store, "mallory", conversation_id=group) == ["hello group"]
    assert await texts(store, "tom", conversation_id=pair) == ["the code is 4711", "thanks", "edited"]
    assert await texts(store, "group_admin") == ["the code is 4711", "thanks", "edited"]
    assert await texts(store, "alice") == ["first pair", "nobody shares this"]
    assert await texts(store, "smith") == ["second pair"]

    async def listed(uid: str) -> dict[str, tuple[int, int, int, int]]:
        rows, _ = await store.conversations.find(ConversationFilter(uid))
        return {r.conversation_id: (r.last_message_id, r.shown_message_id, r.read_id, r.unread) for r in rows}

    assert await listed("mallory") == {group: (2, 2, 2, 0)}
    assert await listed("group_admin") == {pair: (4, 3, 3, 0)}
    assert await listed("tom") == {group: (2, 2, 1, 1), pair: (4, 3, 1, 0)}
    assert await listed("smith") == {key_of("alice_user_test", "smith", "user"): (6, 6, 6, 0)}
    assert await listed("test_user_smith") == {key_of("alice", "test_user_smith", "user"): (5, 5, 0, 1)}
    assert await listed("bob") == {key_of("alice", "bob", "user"): (7, 7, 7, 0)}
    assert (await store.read_state.get(key_of("alice", "bob", "user"), "bob")).tags == '["kept"]'
    assert (await store.read_state.get(group, "mallory")).pinned_at == 5
    assert store.database.reader.execute("SELECT * FROM receipts").fetchall() == [(group, "tom", 1, 2, 9)]

    await store.removal.remove_group(GroupAct("admin_user_tom", "mallory", "", lambda _: None), lambda _: ())
    assert await texts(store, "tom", conversation_id=pair) == ["the code is 4711", "thanks", "edited"]
    await store.close()


async def test_conversation_continues_after_the_upgrade(tmp_path):
    path = tmp_path / "old.db"
    c = as_of(path, "0002")
    old = Before(c)
    old.user("alice", "bob")
    old.says("alice", "bob", "an old word")
    old.group("team", "alice")  # without messages
    c.execute("INSERT INTO participants VALUES ('alice', 'alice_user_carol'), ('carol', 'alice_user_carol')")
    c.execute("INSERT INTO conversations VALUES ('alice_user_carol', 0, 3, 0, 3)")  # started, without messages
    c.commit()
    c.close()
    store = await SqliteStore.open(path, World())
    key = key_of("bob", "alice", "user")
    body = b'{"data":{"text":"a new word"}}'
    draft = Draft(key, "bob", "alice", "user", "message", "text", body, 9, traits=int(Trait.SEARCHABLE))
    assert (await store.messages.add(draft)).predecessor_id == 1
    assert await texts(store, "alice", conversation_id=key) == ["an old word", "a new word"]
    assert await texts(store, "alice", search="word") == ["an old word", "a new word"]
    rows, total = await store.conversations.find(ConversationFilter("alice"))
    assert ([r.conversation_id for r in rows], total) == ([key, key_of("alice", "carol", "user")], 2)
    await store.close()


@pytest.mark.parametrize("words", ["old", "new"])
async def test_indexed_words_are_found_after_the_upgrade(tmp_path, words):
    path = tmp_path / "old.db"
    c = as_of(path, "0002")
    old = Before(c)
    old.user("alice", "bob")
    old.says("alice", "bob", "an old word")
    from tailwire.server.store.sql.words import conversation_word

    word = conversation_word(key_of("alice", "bob", "user"))
    c.execute("INSERT INTO messages_fts (rowid, text, place) VALUES (1, 'an old word', ?)", (word,))
    old.says("alice", "bob", "a new word")
    c.commit()
    c.close()
    assert word == "c33debbd15bca3d7a"  # unchanged: derived from the id that clients see
    store = await SqliteStore.open(path, World())
    for of in (key_of("alice", "bob", "user"), None):
        assert len(await texts(store, "alice", search=words, conversation_id=of)) == 1
    await store.close()


# Written by a server from before conversations had keys: three users with metadata, a group, mentions,
# a thread, a reaction, uploaded pictures (one is an avatar too, one of a deleted message), edits, words in the index.
WHOLE = Path(__file__).with_name("database_0002.sql")
KEPT, LOST, SHARED = (
    f"{name}.png"
    for name in (
        "2d56a5cfe58628584152b80cfb18bee65df8cbc4",
        "47781269bd243bc2cc03b7de81935c237bc82b63",
        "3751ade7237d23ee7786693696ff551440d562bf",
    )
)


# Lone surrogates were accepted once.
ODD = b"""{"sender":"carol","data":{"text":"\\ud83d","entities":{"sender":{"entity":
{"uid":"carol","name":"Carol","metadata":{"email":"carol@example.com"}},"entityType":"user"}}}}"""


async def open_upgraded(path: Path) -> SqliteStore:
    with contextlib.closing(sqlite3.connect(path)) as c:
        c.executescript(WHOLE.read_text(encoding="utf-8"))
        c.execute(
            "INSERT INTO messages (id, conversation_id, sender, receiver, receiver_type, category, type, sent_at,"
            " updated_at, body) VALUES (14, 'bob_user_carol', 'carol', 'bob', 'user', 'message', 'text', 1, 1, ?)", (ODD,),
        )  # fmt: skip
        c.commit()
    return await SqliteStore.open(path, World(), serving=True)


def shape(store: SqliteStore) -> dict[str, set[tuple[str, ...]]]:
    """Return the columns and indexes of each table."""
    c = store.database.reader
    found: dict[str, set[tuple[str, ...]]] = {}
    for (table,) in c.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"):
        columns = {(name, kind) for _, name, kind, *_ in c.execute(f"PRAGMA table_info({table})")}
        indexes = {(name,) for _, name, *_ in c.execute(f"PRAGMA index_list({table})") if "autoindex" not in name}
        found[table] = columns | indexes
    return found


async def test_whole_database_is_upgraded_with_its_data(tmp_path):
    store = await open_upgraded(tmp_path / "old.db")
    pair, team = key_of("alice", "bob", "user"), key_of("", "team", "group")
    fresh = await SqliteStore.open(tmp_path / "new.db", World())
    assert shape(store) == shape(fresh)
    await fresh.close()

    expected = ["the third word", "an answer to <@uid:alice>", "", "", "deleted", "edited", "edited"]
    assert await texts(store, "bob", conversation_id=pair) == expected
    assert await texts(store, "carol", conversation_id=team, types=("text",)) == [
        "hello <@uid:bob> and <@uid:alice>",
        "a reply",
    ]
    assert await texts(store, "alice", search="third") == ["the third word"]
    assert await texts(store, "carol", search="reply", conversation_id=team) == ["a reply"]
    assert await texts(store, "bob", mentioned=("bob",)) == ["hello <@uid:bob> and <@uid:alice>"]

    rows, _ = await store.conversations.find(ConversationFilter("alice"))
    assert {r.conversation_id: (r.last_message_id, r.shown_message_id, r.unread, r.mentioned) for r in rows} == {
        pair: (9, 6, 1, 1),
        team: (13, 12, 3, 1),
    }

    assert (
        b"\\ud83d" in (await store.messages.get(14)).body
    )  # a body that strict parsers refuse does not stop the upgrade
    assert b"carol@" not in (await store.messages.get(14)).body
    bodies = [body for (body,) in store.database.reader.execute("SELECT body FROM messages")]
    assert not any(b"example.com" in body for body in bodies)  # neither the server's address nor users' metadata
    assert (await store.messages.get(5)).body.count(b'"tailwire:/files/' + KEPT.encode()) == 3
    uses = set(store.database.reader.execute("SELECT place, key, name FROM file_uses"))
    assert uses == {("message", "5", KEPT), ("user", "bob", KEPT), ("message", "12", SHARED)}
    condemned = await store.files.condemn(never_used_added_until=1 << 40, last_used_until=1 << 40, limit=10)
    assert [file.name for file in condemned] == [LOST]
    await store.close()


async def test_messages_of_an_upgraded_database_can_be_edited_deleted_and_removed(tmp_path):
    store = await open_upgraded(tmp_path / "old.db")
    pair = key_of("alice", "bob", "user")

    def action(row) -> Draft:
        return Draft(row.conversation_id, "alice", "bob", "user", "action", "message", b'{"data":{}}', 9, shown=False)

    def act(number: int) -> MessageAct:
        return MessageAct(number, "alice", lambda standing: None)

    body = b'{"sender":"alice","data":{"text":"the last word"}}'
    for _ in range(2):
        stored = await store.messages.edit(
            act(3), 9, lambda row: EditedContent(body, int(Trait.SEARCHABLE), ("bob",)), action
        )
    assert stored.message.id == 16
    assert await store.messages.get(15) is None  # of two edits, only the last has an action message
    assert await texts(store, "bob", search="word") == ["the last word"]
    assert await texts(store, "bob", mentioned=("bob",), conversation_id=pair) == ["the last word"]

    await store.messages.delete(act(5), 9, lambda row: b'{"data":{}}', action)
    assert (
        await store.files.condemn(never_used_added_until=-1, last_used_until=1 << 40, limit=10) == []
    )  # it is still an avatar
    await store.users.change("bob", {"avatar": None})
    (gone,) = await store.files.condemn(never_used_added_until=-1, last_used_until=1 << 40, limit=10)
    assert gone.name == KEPT

    groups, _ = await store.removal.remove_user("alice", with_messages=True)
    assert groups == ["team"]
    while await store.chores.do_next():
        pass
    assert store.database.reader.execute(
        "SELECT count(*) FROM messages WHERE conversation_id = ?", (pair,)
    ).fetchone() == (0,)
    assert (await store.conversations.find(ConversationFilter("bob")))[1] == 1
    assert not any(b'"name":"Alice"' in body for (body,) in store.database.reader.execute("SELECT body FROM messages"))
    await store.close()


async def write_by_hand(store: SqliteStore | PostgresStore, path: Path, *statements: str) -> None:
    """Run statements on the database of a closed store.

    Args:
        path: the file, if it is on SQLite.
    """
    if isinstance(store, PostgresStore):
        connection = await asyncpg.connect(store.database.url)
        await connection.execute("; ".join(statements))
        await connection.close()
        return
    with contextlib.closing(sqlite3.connect(path)) as c:
        c.executescript("; ".join(statements))


async def test_next_user_with_the_uid_of_one_deleted_by_an_earlier_version_has_nothing_of_theirs(open_store, tmp_path):
    store = await open_store()
    for uid in ("alice", "bob"):
        await store.users.add(UserRow(uid, uid.title(), created_at=1))
    for guid, owner in (("of-alice", "alice"), ("of-bob", "bob"), ("of-app", SYSTEM_USER), ("of-nobody", None)):
        await store.groups.add(GroupRow(guid, guid, "public", owner=owner, members_count=0, created_at=1))
    pair, team = key_of("alice", "bob", "user"), key_of("", "of-bob", "group")
    messages = [
        (await store.messages.add(Draft(*place, "message", "text", b'{"data":{}}', 1))).message.id
        for place in (
            (pair, "alice", "bob", "user"), (key_of(SYSTEM_USER, "bob", "user"), SYSTEM_USER, "bob", "user"),
            (team, "bob", "of-bob", "group"), (pair, "bob", "alice", "user"),
        )
    ]  # fmt: skip
    for uid in ("alice", "bob"):
        await store.read_state.mark_up_to(team, uid, messages[2], 5, read=True, group="of-bob")
        await store.read_state.mark_up_to(pair, uid, messages[0], 5, read=True)
    await store.close()
    await write_by_hand(
        store, tmp_path / "store.db", "DELETE FROM users WHERE uid = 'alice'",
        "DELETE FROM members WHERE uid = 'alice'", "DROP TABLE removed_names", "UPDATE alembic_version SET version_num = '0020'",
    )  # fmt: skip

    store = await open_store()
    owners = [(await store.groups.get(guid)).owner for guid in ("of-alice", "of-bob", "of-app", "of-nobody")]
    assert owners == [None, "bob", SYSTEM_USER, None]
    await store.users.add(UserRow("alice", "Another Alice", created_at=9))
    assert (await store.conversations.find(ConversationFilter("alice")))[0] == []
    assert (await store.conversations.find(ConversationFilter("bob")))[1] == 3
    assert await store.read_state.cleared_until(pair, "alice") == messages[3]
    marks = await store.database.rows("SELECT conversation_id, uid, read_id, cleared_id FROM marks ORDER BY 2, 1")
    assert [tuple(row) for row in marks] == [
        (pair, "alice", messages[3], messages[3]), *sorted([(pair, "bob", messages[0], 0), (team, "bob", messages[2], 0)])
    ]  # fmt: skip
    receipts = await store.database.rows("SELECT DISTINCT uid FROM receipts")
    assert [tuple(row) for row in receipts] == [("bob",)]
    await store.close()
