"""The last message of a conversation, and the one that its list shows, as messages are removed, on each store."""

from __future__ import annotations

from typing import Any

from contract.neighbours import KEYS, Neighbours
from tailwire.server.ports.filters import MessageFilter
from tailwire.server.ports.records import Draft, Trait

QUIET = b'{"data":{"updateConversation":false}}'
LOUD = b'{"data":{"updateConversation":true}}'


async def test_conversation_shows_the_newest_message_that_is_left_and_may_be_shown(open_store):
    store = await open_store()
    n = Neighbours(store)

    async def say(name: str, place: str = "ab", **more: Any) -> None:
        draft: Draft = n.draft(place, parent_id=more.pop("parent_id", None))._replace(**more)
        n.ids[name] = (await store.messages.add(draft)).message.id

    async def shown() -> tuple[str, str]:
        sql = "SELECT last_message_id, shown_message_id FROM conversations WHERE conversation_id = ?"
        ((last, shown),) = await store.database.rows(sql, (KEYS["ab"],))
        names = {number: name for name, number in n.ids.items()} | {0: "none"}
        return names[last], names[shown]

    await say("earlier", "ac")
    await say("first")
    await say("reply", parent_id=n.ids["first"], shown=False)
    await say("edited", category="action", type="message", shown=False)
    await say("quiet", category="custom", type="location", body=QUIET, shown=False)
    await say("call", category="call", type="message")
    await say("joined", category="action", type="groupMember")
    await say("loud", category="custom", type="location", body=LOUD)
    await say("custom", category="custom", type="location")
    await say("deleted")
    await say("hidden", shown=False)
    await say("later", "ac")
    found = [await shown()]
    for name in ("earlier", "deleted", "hidden", "custom", "loud", "joined", "call", "quiet", "edited", "first"):
        await store.removal.remove_message(await store.messages.get(n.ids[name]))
        found.append(await shown())
    assert found == [
        ("hidden", "deleted"), ("hidden", "deleted"), ("hidden", "custom"), ("custom", "custom"), ("loud", "loud"),
        ("joined", "joined"), ("call", "call"), ("quiet", "first"), ("edited", "first"), ("reply", "first"),
        ("reply", "none"),
    ]  # fmt: skip
    await store.close()


async def test_removed_message_that_was_not_shown_changes_nothing_in_the_list(open_store):
    store = await open_store()
    n = Neighbours(store)
    numbers = [(await store.messages.add(n.draft("ab"))).message.id for _ in range(3)]
    await store.removal.remove_message(await store.messages.get(numbers[1]))
    rows = await store.database.rows("SELECT last_message_id, shown_message_id FROM conversations")
    assert [tuple(row) for row in rows] == [(numbers[2], numbers[2])]
    await store.close()


async def test_removal_leaves_the_words_of_other_messages_in_the_search(open_store):
    n = Neighbours(await open_store())
    store = n.store
    numbers = []
    for text in ("apple one", "apple two"):
        draft = n.draft("ab", traits=int(Trait.SEARCHABLE))._replace(body=b'{"data":{"text":"%b"}}' % text.encode())
        numbers.append((await store.messages.add(draft)).message.id)
    await index(store)
    await store.removal.remove_message(await store.messages.get(numbers[0]))
    found = await store.messages.find(MessageFilter("bob", search="apple"))
    assert [row.id for row in found] == numbers[1:]
    await store.close()


async def index(store: Any) -> None:
    await (store.index.update_all if hasattr(store.index, "update_all") else store.index.update)()
