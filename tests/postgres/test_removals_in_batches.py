"""A removal and messages in one batch: what comes after the removal is refused alone, and what came before is gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from contract.neighbours import Clock
from postgres.test_locks import APP_LOCK
from postgres.writing import draft
from tailwire.server.ports.conversations import key_of
from tailwire.server.ports.records import Draft, EditedContent, GroupRow, MessageRow, UserRow
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.standing import GroupAct, MessageAct
from tailwire.server.ports.world import World
from tailwire.server.store.postgres.chores import LATE_SECONDS
from tailwire.server.store.postgres.store import PostgresStore

GROUP = key_of("", "g", "group")


def anything(standing: object) -> None:
    pass


@asynccontextmanager
async def one_batch(store: PostgresStore, url: str) -> AsyncIterator[Callable[[Any], Any]]:
    """Collect the writes of several calls in one batch, in the order in which they are passed to the function given."""
    lock = await asyncpg.connect(url)
    await lock.fetchval("SELECT pg_advisory_lock($1)", APP_LOCK)
    lane = store.reactions._access.lane
    first = asyncio.ensure_future(store.messages.add(draft(sender="erin", receiver="frank")))
    async with asyncio.timeout(20):
        while not lane.busy or lane._waiting:
            await asyncio.sleep(0)

        async def submit(call: Any) -> asyncio.Future[Any]:
            future, waiting = asyncio.ensure_future(call), len(lane._waiting)
            while len(lane._waiting) == waiting:
                assert not future.done()
                await asyncio.sleep(0.001)
            return future

        yield submit
        await lock.close()
        await first


async def left(store: PostgresStore) -> list[int]:
    sql = "SELECT count(*) FROM {} WHERE conversation_id = ?"
    return [(await store.database.first_row(sql.format(name), (GROUP,)))[0] for name in ("messages", "conversations")]


@asynccontextmanager
async def with_group(
    url: str, monkeypatch: pytest.MonkeyPatch, world: World | None = None
) -> AsyncIterator[PostgresStore]:
    """Open a store with the users alice and bob, and the group g of alice."""
    store = await PostgresStore.open(url, world or World())

    async def nothing(*arguments: Any) -> None:
        pass

    monkeypatch.setattr(store.removal, "_thin_out", nothing)  # it has batches of its own
    for uid in ("alice", "bob"):
        await store.users.add(UserRow(uid, uid, created_at=1))
    await store.groups.add(GroupRow("g", "G", "public", owner="alice", members_count=1, created_at=1))
    yield store
    await store.close()


async def test_edit_in_the_batch_of_the_removal_of_its_group_leaves_nothing_of_the_group(postgres_url, monkeypatch):
    async with with_group(postgres_url, monkeypatch) as store:
        number = (await store.messages.add(draft("alice", "g", "group"))).message.id
        async with one_batch(store, postgres_url) as submit:
            edit = await submit(store.messages.edit(
                MessageAct(number, "alice", anything), 9, lambda row: EditedContent(row.body, 0, ("bob",)),
                lambda row: draft("alice", "g", "group", text="edited")._replace(category="action", type="message"),
            ))  # fmt: skip
            removal = await submit(store.removal.remove_group(GroupAct("g", "alice", "", anything), lambda _: ()))
        assert (await removal)[0] == ["alice"]
        with pytest.raises(Refused, match="ERR_GUID_NOT_FOUND"):
            await edit
        assert await left(store) == [0, 0]


def change(store: PostgresStore, number: int, *, edit: bool) -> Any:
    """Return the edit or the deletion of a message of bob to alice, by himself."""

    def announced(row: MessageRow) -> Draft:
        return draft("bob", "alice", text="changed")._replace(category="action", type="message")

    act = MessageAct(number, "bob", anything)
    if edit:
        return store.messages.edit(act, 9, lambda row: EditedContent(b'{"data":{"text":"changed"}}', 0), announced)
    return store.messages.delete(act, 9, lambda row: b'{"data":{}}', announced)


@pytest.mark.parametrize("edit", [True, False])
async def test_change_before_the_removal_of_its_sender_in_one_batch_is_announced(postgres_url, monkeypatch, edit):
    async with with_group(postgres_url, monkeypatch) as store:
        number = (await store.messages.add(draft("bob", "alice"))).message.id
        async with one_batch(store, postgres_url) as submit:
            changing = await submit(change(store, number, edit=edit))
            removal = await submit(store.removal.remove_user("bob", with_messages=False))
        await removal
        announced = (await changing).message
        assert (await store.messages.get(announced.id)).category == "action"
        assert (await store.messages.get(number)).updated_at == 9
        with pytest.raises(Refused, match="ERR_UID_NOT_FOUND"):
            await change(store, number, edit=edit)


@pytest.mark.parametrize("edit", [True, False])
async def test_nothing_remains_of_a_change_before_the_permanent_removal_of_its_sender_in_one_batch(
    postgres_url, monkeypatch, edit
):
    clock = Clock()
    async with with_group(postgres_url, monkeypatch, clock) as store:
        number = (await store.messages.add(draft("bob", "alice"))).message.id
        async with one_batch(store, postgres_url) as submit:
            changing = await submit(change(store, number, edit=edit))
            removal = await submit(store.removal.remove_user("bob", with_messages=True))
        await removal
        await changing
        clock.now += LATE_SECONDS
        while await store.chores.do_next():
            pass
        for table in ("messages", "conversations", "participants", "edits"):
            which = "" if table == "edits" else " WHERE conversation_id = ?"
            values = () if table == "edits" else (key_of("alice", "bob", "user"),)
            assert (await store.database.first_row(f"SELECT count(*) FROM {table}{which}", values))[0] == 0


async def test_only_the_messages_of_the_removed_are_refused_in_their_batch(postgres_url, monkeypatch):
    async with with_group(postgres_url, monkeypatch) as store:
        async with one_batch(store, postgres_url) as submit:
            removals = [
                await submit(store.removal.remove_user("bob", with_messages=True)),
                await submit(store.removal.remove_group(GroupAct("g", "alice", "", anything), lambda _: ())),
            ]
            sends = [
                await submit(store.messages.add(draft(*places)))
                for places in (
                    ("carol", "dave"),
                    ("bob", "carol"),
                    ("alice", "g", "group"),
                    ("alice", "bob"),
                    ("carol", "dave"),
                )
            ]
        await asyncio.gather(*removals)
        found = await asyncio.gather(*sends, return_exceptions=True)
        codes = [answer.code if isinstance(answer, Refused) else "" for answer in found]
        assert codes == ["", "ERR_UID_NOT_FOUND", "ERR_GUID_NOT_FOUND", "ERR_UID_NOT_FOUND", ""]
        assert found[4].predecessor_id == found[0].message.id
        assert await left(store) == [0, 0]
