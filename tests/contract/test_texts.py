"""Texts of all languages, and content that parsers refuse: the same answers from each store."""

from __future__ import annotations

import json

from tailwire.server.ports.conversations import key_of
from tailwire.server.ports.filters import ConversationFilter, GroupFilter, MessageFilter, UserFilter
from tailwire.server.ports.key_records import KeyRow
from tailwire.server.ports.records import Draft, GroupRow, Trait, UserRow

NAMES = {
    "a": "Élan",
    "b": "élan vital",
    "c": "ELAN",
    "d": "Ωmega",
    "e": "ΟΔΟΣ",
    "f": "100%_x",
    "g": "İstanbul",
    "h": "z",
}
ALICE_BOB = key_of("alice", "bob", "user")


def draft(body: bytes, traits: int = 0) -> Draft:
    return Draft(ALICE_BOB, "alice", "bob", "user", "custom", "text", body, 1, traits=traits)


async def test_searches_ignore_the_case_of_letters_beyond_ascii_and_know_no_wildcards(open_store):
    store = await open_store()
    for uid, name in NAMES.items():
        await store.users.add(UserRow(uid, name, created_at=1))
        await store.groups.add(GroupRow(uid, name, "public", created_at=1))
        await store.keys.add(KeyRow(uid, name, "authOnly", 1))
        await store.conversations.start("me", uid, 1)

    async def search_texts(search: str) -> list[str]:
        users, _ = await store.users.find(UserFilter(search=search, search_in=("name",), sort_by="uid"))
        groups, _ = await store.groups.find(GroupFilter(search=search, search_in=("name",), sort_by="guid"))
        assert [group.guid for group in groups] == [user.uid for user in users]
        return [user.uid for user in users]

    assert await search_texts("éL") == ["a", "b"]
    assert await search_texts("el") == ["c"]
    assert await search_texts("ω") == ["d"]
    assert await search_texts("οδοσ") == await search_texts("ΟΔΟΣ") == ["e"]
    assert await search_texts("100%_") == ["f"]
    assert await search_texts("%") == await search_texts("1__") == []
    assert await search_texts("i") == ["g"]
    keys, total = await store.keys.find("", "LAN", limit=9, offset=0)
    assert ([key.key_hash for key in keys], total) == (["a", "b", "c"], 3)
    rows, total = await store.conversations.find(ConversationFilter("me", search="ÉLAN"))
    assert ({row.conversation_id for row in rows}, total) == ({key_of("me", "a", "user"), key_of("me", "b", "user")}, 2)
    await store.close()


async def test_names_are_sorted_by_code_points(open_store):
    store = await open_store()
    for uid, name in NAMES.items():
        await store.users.add(UserRow(uid, name, created_at=1))
    users, _ = await store.users.find(UserFilter())
    assert [user.name for user in users] == sorted(NAMES.values())
    users, _ = await store.users.find(UserFilter(descending=True))
    assert [user.name for user in users] == sorted(NAMES.values(), reverse=True)
    await store.close()


async def test_words_are_found_without_accents_and_in_latin_greek_and_japanese_script(open_store):
    store = await open_store()
    for text in ("Crème brûlée!", "ÄPFEL und Birnen", "Οδός", "東京 タワー", "foo_bar"):
        body = json.dumps({"data": {"text": text}}, ensure_ascii=False).encode()
        await store.messages.add(draft(body, int(Trait.SEARCHABLE)))

    async def search(words: str) -> list[str]:
        rows = await store.messages.find(MessageFilter("bob", search=words, newer=True))
        return [json.loads(row.body)["data"]["text"] for row in rows]

    assert await search("creme BRU") == ["Crème brûlée!"]
    assert await search("apfel birn") == ["ÄPFEL und Birnen"]
    assert await search("birnen und") == ["ÄPFEL und Birnen"]
    assert await search("birnen brulee") == await search("brulee birnen") == []  # all words are in one message
    assert await search("τοκιο") == []
    assert await search("東") == ["東京 タワー"]
    assert await search("bar") == await search("foo_b") == ["foo_bar"]
    assert await search("oo") == []
    await store.close()


async def test_message_that_parsers_refuse_hides_no_others_and_can_be_removed(open_store):
    store = await open_store()
    for half in (b"\\ud800", b"\\udc00 \\ud800", b"fine"):
        await store.messages.add(draft(b'{"data":{"text":"%b"},"tags":["x"]}' % half, int(Trait.SEARCHABLE)))
    rows = await store.messages.find(MessageFilter("alice", tags=("x",)))
    assert b"fine" in rows[0].body
    (row,) = await store.messages.find(MessageFilter("alice", search="fine"))
    assert b"fine" in row.body
    last = (await store.conversations.find(ConversationFilter("bob")))[0][0].shown_message_id
    await store.removal.remove_message(await store.messages.get(last))
    (row,), _ = await store.conversations.find(ConversationFilter("bob"))
    assert 0 < row.shown_message_id < last
    await store.removal.remove_conversation(ALICE_BOB)
    assert await store.messages.find(MessageFilter("alice", conversation_id=ALICE_BOB)) == []
    await store.close()
