"""The full-text search: which messages are indexed, which are looked through, and which server indexes."""

from __future__ import annotations

import asyncio
import json

import asyncpg
import pytest

from tailwire.server.ports.conversations import key_of
from tailwire.server.ports.filters import MessageFilter
from tailwire.server.ports.records import Draft, EditedContent, Trait
from tailwire.server.ports.standing import MessageAct
from tailwire.server.ports.world import World
from tailwire.server.store.postgres import search
from tailwire.server.store.postgres.store import PostgresStore

ALICE_BOB = key_of("alice", "bob", "user")


def draft(text: str) -> Draft:
    body = json.dumps({"data": {"text": text}}, ensure_ascii=False).encode()
    return Draft(ALICE_BOB, "alice", "bob", "user", "message", "text", body, 1, traits=int(Trait.SEARCHABLE))


def act(number: int) -> MessageAct:
    return MessageAct(number, "alice", lambda standing: None)


async def search_texts(store: PostgresStore, words: str, **more) -> list[str]:
    rows = await store.messages.find(MessageFilter("bob", search=words, **more))
    return [json.loads(row.body)["data"]["text"] for row in rows]


async def send_texts(store: PostgresStore, *texts: str) -> list[int]:
    return [(await store.messages.add(draft(text))).message.id for text in texts]


async def not_indexing(url: str) -> PostgresStore:
    """Return a store that indexes only when it is told to."""
    store = await PostgresStore.open(url, World())
    store.index.update_soon = lambda: None
    return store


async def test_search_finds_indexed_and_unindexed_messages_in_one_order(postgres_url):
    store = await not_indexing(postgres_url)
    await send_texts(store, "apple one", "pear two", "apple three")
    assert await store.index.indexed_until() == 0
    assert await search_texts(store, "app") == ["apple three", "apple one"]
    await store.index.update()
    assert await store.index.indexed_until() > 0
    await send_texts(store, "apple four", "äpple fünf", "pear six")
    newest = ["äpple fünf", "apple four", "apple three", "apple one"]
    assert await search_texts(store, "APP") == newest
    assert await search_texts(store, "apple", newer=True) == newest[::-1]
    for offset in range(5):
        for limit in (1, 2, 4):
            assert await search_texts(store, "apple", limit=limit, offset=offset) == newest[offset:][:limit]
            assert (
                await search_texts(store, "apple", limit=limit, offset=offset, newer=True)
                == newest[::-1][offset:][:limit]
            )
    assert await search_texts(store, "funf ap") == ["äpple fünf"]
    assert await search_texts(store, "ap funf") == []  # only the last word may be a prefix
    assert await search_texts(store, "un") == await search_texts(store, "!?") == []
    assert await search_texts(store, "apple", conversation_id=key_of("alice", "carol", "user")) == []
    await store.close()


async def test_search_follows_edits_and_removals_made_during_and_after_indexing(postgres_url):
    store = await not_indexing(postgres_url)
    early, late = await send_texts(store, "plum early", "plum late")
    gone, removed = await send_texts(store, "plum gone", "plum removed")
    read = store.database.rows

    async def overtaken(sql, parameters=()):
        # The messages change after they were read to be indexed, and before their words are stored.
        rows = await read(sql, parameters)
        if sql == search._NEXT_SQL and rows:
            store.database.rows = read
            after = EditedContent(draft("cherry early").body, int(Trait.SEARCHABLE))
            await store.messages.edit(act(early), 5, lambda row: after, lambda row: draft(""))
            await store.messages.delete(act(gone), 5, lambda row: b'{"data":{}}', lambda row: draft(""))
            await store.removal.remove_message(await store.messages.get(removed))
        return rows

    store.database.rows = overtaken
    await store.index.update()
    assert store.database.rows is read
    assert await search_texts(store, "cherry") == ["cherry early"]
    assert await search_texts(store, "plum") == ["plum late"]
    after = EditedContent(draft("cherry late").body, int(Trait.SEARCHABLE))
    await store.messages.edit(act(late), 5, lambda row: after, lambda row: draft(""))
    assert await search_texts(store, "plum") == []
    assert await search_texts(store, "cherry") == ["cherry late", "cherry early"]
    words = await store.database.rows("SELECT message_id FROM words WHERE words @@ 'plum'")
    assert words == []  # nothing of them is left
    await store.close()


async def test_search_indexes_messages_itself_if_too_many_are_unindexed(postgres_url, monkeypatch):
    monkeypatch.setattr(search, "MAX_UNINDEXED_MESSAGES", 20)
    monkeypatch.setattr(search, "MESSAGES_PER_STEP", 30)
    store = await not_indexing(postgres_url)
    await asyncio.gather(*(store.messages.add(draft(f"word{n}")) for n in range(100)))
    assert len(await search_texts(store, "word", limit=200)) == 100
    assert await store.index.indexed_until() > 0
    assert await search_texts(store, "word7", limit=200) == [f"word{n}" for n in (*range(79, 69, -1), 7)]
    await store.close()


async def test_one_of_two_servers_indexes_and_the_other_takes_over(postgres_url, monkeypatch):
    monkeypatch.setattr(search, "IDLE_SECONDS", 0.0)
    monkeypatch.setattr(search, "RETRY_SECONDS", 0.05)
    monkeypatch.setattr(search, "LOOK_SECONDS", 0.05)
    stores = [await PostgresStore.open(postgres_url, World()) for _ in range(2)]
    watcher = await asyncpg.connect(postgres_url)

    async def indexed_up_to(number: int) -> None:
        async with asyncio.timeout(20):
            while await watcher.fetchval("SELECT id FROM words_until") < number:
                await asyncio.sleep(0.01)

    holders = f"SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = {search._LOCK} AND granted"
    for store in stores:
        await indexed_up_to((await send_texts(store, "apple"))[0])
    assert await watcher.fetchval(holders) == 1
    assert await watcher.fetchval("SELECT count(*) FROM words") == 2
    owner = next(store for store in stores if store.index._lock is not None)
    other = next(store for store in stores if store is not owner)
    await owner.close()
    await indexed_up_to((await send_texts(other, "pear"))[0])
    assert await watcher.fetchval(holders) == 1
    assert await search_texts(other, "pear") == ["pear"]
    await watcher.close()
    await other.close()


@pytest.mark.parametrize(
    "hostile", ["'", "\\", "a' | 'b", "a:*", "&", "(", "!x", "<->", "'''", "\u0300", "/", "x" * 5000]
)
async def test_texts_in_query_syntax_can_be_sent_and_searched(postgres_url, hostile):
    store = await not_indexing(postgres_url)
    await send_texts(store, f"apple {hostile}", "pear")
    for _ in range(2):
        assert await search_texts(store, f"apple {hostile}") == [f"apple {hostile}"]
        assert len(await search_texts(store, hostile)) <= 1
        await store.index.update()
    await store.close()


async def words_of_messages(store: PostgresStore) -> list[int]:
    return [row[0] for row in await store.database.rows("SELECT message_id FROM words ORDER BY message_id")]


async def test_index_rows_of_pruned_messages_are_removed_once_those_cannot_be_indexed_again(postgres_url):
    """An empty place keeps the words of a removed message out of the index. Below what is pruned and indexed it is not needed."""
    store = await not_indexing(postgres_url)
    old, emptied, last = [
        (await store.messages.add(draft(text)._replace(sent_at=at))).message.id
        for text, at in (("old", 10), ("emptied", 1000), ("last", 10))
    ]
    await store.index.update()
    await store.messages.delete(act(emptied), 5, lambda _: b'{"data":{}}', lambda _: draft("x")._replace(traits=0))
    action = (await store.database.rows("SELECT max(id) FROM messages"))[0][0]
    await store.removal.remove_message(await store.messages.get(action))
    assert await store.index.indexed_until() == last
    assert await store.pruning.remove_messages(100, 9) == 2
    assert await words_of_messages(store) == [old, emptied, last, action]
    await store.pruning.end()
    assert await words_of_messages(store) == [emptied, action]
    unindexed, newer = [
        (await store.messages.add(draft(text)._replace(sent_at=at))).message.id
        for text, at in (("unindexed", 10), ("newer", 1000))
    ]
    assert await store.pruning.remove_messages(100, 9) == 1
    await store.pruning.end()
    assert await words_of_messages(store) == [emptied, action, unindexed]
    await store.index.update()
    await store.pruning.end()
    assert await words_of_messages(store) == [emptied, newer]
    await store.close()
