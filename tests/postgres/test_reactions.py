"""Ids of reactions are in the order of the commits, since notifications of reactions go on after the highest one."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from postgres.test_two_processes import two_stores
from postgres.writing import draft
from tailwire.server.ports.records import Event, ReactionRow
from tailwire.server.ports.standing import MessageAct
from tailwire.server.ports.webhook_records import WebhookRow


def reacted(row: ReactionRow) -> tuple[Event, ...]:
    return (Event("reacted", msgspec.json.encode({"reaction": {"id": str(row.id), "uid": row.uid, "text": "é"}})),)


async def test_reaction_that_is_committed_later_has_the_higher_id(postgres_url: str, monkeypatch: pytest.MonkeyPatch):
    async with two_stores(postgres_url) as (one, other):
        number = (await one.messages.add(draft())).message.id
        # With a first one, a further reaction does not change what the next ones depend on.
        await one.reactions.add(MessageAct(number, "alice", lambda _: None), "first", 5, 10)
        carry_out, begun, go_on = one.reactions._access.carry_out, asyncio.Event(), asyncio.Event()

        async def wait(*arguments: Any) -> Any:
            begun.set()
            await go_on.wait()
            return await carry_out(*arguments)

        monkeypatch.setattr(one.reactions._access, "carry_out", wait)
        late = asyncio.create_task(one.reactions.add(MessageAct(number, "alice", lambda _: None), "x", 5, 10))
        await begun.wait()
        early = await other.reactions.add(MessageAct(number, "bob", lambda _: None), "x", 5, 10)
        examined = (await other.notifications.reactions(0, 10))[-1].id
        assert examined == early.id
        go_on.set()
        added = await late
        assert [row.id for row in await other.notifications.reactions(examined, 10)] == [added.id]


async def test_id_of_a_reaction_is_the_same_in_its_event_and_in_the_change_log(postgres_url: str):
    async with two_stores(postgres_url) as (store, _):
        await store.webhooks.add(WebhookRow("hook", "hook", "https://x.test", "reacted"))
        number = (await store.messages.add(draft())).message.id
        for uid in ("alice", "bob"):
            added = await store.reactions.add(MessageAct(number, uid, lambda _: None), "🎉 1", 5, 10, reacted)
            (stored,) = await store.reactions.find(number, cursor=added.id - 1)
            assert (stored.id, stored.uid) == (added.id, uid)
            (body,) = (await store.database.rows("SELECT body FROM deliveries ORDER BY id DESC LIMIT 1"))[0]
            assert msgspec.json.decode(body) == {"reaction": {"id": str(added.id), "uid": uid, "text": "é"}}
            (entry,) = await store.change_log.find("alice", "-", added.number - 1, added.number, (), 9)
            assert entry.detail == f"{added.id} 5 🎉 1"
        assert await store.reactions.add(MessageAct(number, "bob", lambda _: None), "🎉 1", 5, 10, reacted) is None
        assert await store.reactions.add(MessageAct(number, "bob", lambda _: None), "y", 5, 1, reacted) is None
