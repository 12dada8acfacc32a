"""A database that was reverted to an older copy, by any means: recognised at the start and while a store runs."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from postgres.writing import draft
from servers.postgres import PostgresServer
from servers.schema import prepare
from tailwire.server.ports.records import UserRow
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.world import World
from tailwire.server.store.postgres.store import PostgresStore

AFTER_A_DUMP, AFTER_AN_OLDER_COPY, AFTER_A_PROMOTION = 1_000_000, 10_000, 2**20


@asynccontextmanager
async def open_store(url: str, *, serving: bool = True) -> AsyncIterator[PostgresStore]:
    store = await PostgresStore.open(url, World(), serving=serving)
    try:
        yield store
    finally:
        await store.close()


async def send(store: PostgresStore, count: int = 1) -> int:
    """Send messages, and return the id of the last one."""
    for _ in range(count):
        last = (await store.messages.add(draft())).message.id
    return last


async def known_positions(store: PostgresStore, start: str, *ids: int) -> list[int]:
    return [await store.known_until(start, number) for number in ids]


async def test_reopened_database_keeps_its_name_and_recognises_ids_of_earlier_starts(postgres_url):
    async with open_store(postgres_url) as first:
        assert await send(first, 3) == 3
        name, start = first.name, first.start
    async with open_store(postgres_url) as second:
        assert (second.name, await send(second)) == (name, 4)
        assert second.start != start
        assert await known_positions(second, start, 1, 3, 4, 100) == [1, 3, 3, 3]
        assert await known_positions(second, second.start, 4, 5) == [4, 4]


async def test_processes_that_run_together_share_a_start(postgres_url):
    async with open_store(postgres_url) as server, open_store(postgres_url, serving=False) as command:
        assert server.start == command.start
        assert await send(command) == 1
        assert await known_positions(server, server.start, 1, 2) == [1, 1]  # an id that another process has given out


@pytest.mark.parametrize("trail", ["", "none", ".", "-", "x-9999999999999999999999", "x-٣", "-" * 1000, "a-1." * 50])
async def test_position_with_an_invalid_trail_of_starts_is_not_recognised(postgres_url, trail):
    async with open_store(postgres_url) as store:
        await send(store)
        assert await known_positions(store, trail, 1) == [-1]


async def test_dump_put_back_while_no_server_runs_continues_far_beyond_the_ids_given_out(postgres, postgres_url):
    async with open_store(postgres_url) as store:
        await send(store, 2)
        dump, name, start = postgres.dump(postgres_url), store.name, store.start
        await send(store, 5)
    postgres.put_back(dump, postgres_url)
    async with open_store(postgres_url) as back:
        assert back.name != name
        assert await known_positions(back, start, 1, 2, 3, 7) == [1, 2, 2, 2]
        assert await send(back) == 2 + AFTER_A_DUMP + 1
        name = back.name
    async with open_store(postgres_url) as again:  # from now on it is the same store
        assert (again.name, await send(again)) == (name, 2 + AFTER_A_DUMP + 2)


async def test_dump_restored_to_another_database_has_another_name_and_the_same_app_id(postgres, postgres_url):
    async with open_store(postgres_url) as store:
        await send(store, 2)
        other = postgres.create_database()
        postgres.run("pg_restore", "-e", "-d", other, str(postgres.dump(postgres_url)))
        async with open_store(other) as copy:
            assert copy.name != store.name
            assert copy.app_id == store.app_id
            assert await send(copy) == 2 + AFTER_A_DUMP + 1
        assert await send(store) == 3
    postgres.drop_database(other)


async def test_dump_put_back_under_a_running_store_is_noticed_before_the_next_write(postgres, postgres_url):
    async with open_store(postgres_url) as store:
        await send(store, 2)
        dump, name, start, process = postgres.dump(postgres_url), store.name, store.start, store.lane.process
        last = await send(store, 5)
        seen: list[str] = []
        store.on_new_start(lambda: seen.append(store.start))
        postgres.put_back(dump, postgres_url)
        assert await send(store) == last + AFTER_A_DUMP + 1
        assert seen == [store.start]
        assert start not in seen
        assert store.name != name
        assert await known_positions(store, start, 1, 2, 3, last) == [1, 2, 2, 2]
        assert await store.messages.get(3) is None
        assert store.lane.process == process  # its lease is in the dump


async def test_dump_put_back_under_an_idle_store_is_noticed_by_its_upkeep(postgres, postgres_url):
    async with open_store(postgres_url) as store:
        await send(store, 2)
        dump = postgres.dump(postgres_url)
        begun = asyncio.Event()
        store.on_new_start(begun.set)
        postgres.put_back(dump, postgres_url)
        async with asyncio.timeout(30):
            await begun.wait()
        assert await send(store) == 2 + AFTER_A_DUMP + 1


async def test_contents_replaced_by_older_ones_are_noticed_by_the_highest_id(postgres, postgres_url):
    """The contents are those of a snapshot of the disk: the same objects, the same timeline, and a lower id."""
    async with open_store(postgres_url) as store:
        last = await send(store, 7)
        name, start = store.name, store.start
        postgres.sql(
            "DELETE FROM messages WHERE id > 2; SELECT setval('message_ids', 2)", "test" + number(postgres_url)
        )
        assert await send(store) == last + AFTER_AN_OLDER_COPY + 1
        assert store.name != name
        assert await known_positions(store, start, 2, 3, last) == [2, 2, 2]


async def look(store: PostgresStore) -> None:
    await store.log.look()


async def hear_of(store: PostgresStore) -> None:
    store.log.record_given_out(7)


@pytest.mark.parametrize("learn", [look, hear_of])
async def test_older_contents_are_noticed_by_a_server_that_has_only_learned_of_ids_from_others(
    postgres, postgres_url, learn
):
    async with open_store(postgres_url) as other, open_store(postgres_url) as store:
        last = await send(other, 7)
        await learn(store)
        postgres.sql(
            "DELETE FROM messages WHERE id > 2; SELECT setval('message_ids', 2)", "test" + number(postgres_url)
        )
        assert await send(store) == last + AFTER_AN_OLDER_COPY + 1


async def test_ids_of_changes_of_memory_count_as_given_out(postgres, postgres_url):
    async with open_store(postgres_url) as store:
        last = await send(store, 2)
        await store.users.add(UserRow("dave", "Dave", created_at=1))
        postgres.sql(f"SELECT setval('message_ids', {last})", "test" + number(postgres_url))
        assert await send(store) == last + 1 + AFTER_AN_OLDER_COPY + 1


def number(url: str) -> str:
    return url.rpartition("?")[0].rpartition("/test")[2]


async def test_process_learns_from_its_next_write_that_another_has_noticed_a_restored_dump(postgres, postgres_url):
    async with open_store(postgres_url, serving=False) as one, open_store(postgres_url, serving=False) as other:
        await send(one, 2)
        dump = postgres.dump(postgres_url)
        last = await send(one, 3)
        assert await send(other) == last + 1
        seen: list[str] = []
        other.on_new_start(lambda: seen.append(other.start))
        postgres.put_back(dump, postgres_url)
        first = await send(one)
        assert first == last + AFTER_A_DUMP + 1  # this process knows one id less than the other
        assert await send(other) == first + 1
        assert (seen, other.name) == ([one.start], one.name)


async def test_position_beyond_the_newest_id_does_not_change_the_next_id(postgres_url):
    """A client may claim any position: the claim decides nothing about the store."""
    async with open_store(postgres_url) as store:
        await send(store, 3)
        assert await known_positions(store, store.start, 2**62) == [3]
        assert await send(store) == 4


@pytest.fixture
def pair() -> Iterator[tuple[PostgresServer, PostgresServer, str]]:
    """Yield a server, a standby that follows it, and the URL of a database on both."""
    primary = PostgresServer({"wal_level": "replica", "max_wal_senders": "4"})
    standby = None
    try:
        primary.start()
        name = primary.create_database(prepare).rpartition("?")[0].rpartition("/")[2]
        standby = primary.make_standby()
        standby.start()
        both = f"postgresql://postgres@/{name}?host={primary.folder},{standby.folder}&port=5432,5432"
        yield primary, standby, f"{both}&target_session_attrs=read-write"
    finally:
        primary.close()
        if standby is not None:
            standby.close()


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_promoted_standby_gives_out_no_id_again(pair):
    """The primary is killed amid sends, and the standby may lack the last of them."""
    primary, standby, url = pair
    acknowledged: list[int] = []
    refused: set[str] = set()
    async with open_store(url) as store:
        name, start = store.name, store.start
        lost = asyncio.Event()
        store.on_new_start(lost.set)

        async def sender() -> None:
            for text in itertools.count():
                try:
                    stored = await store.messages.add(draft(text=str(text), muid=f"m{text}"))
                except Refused as e:  # while no server can be written
                    refused.add(e.code)
                    await asyncio.sleep(0.05)
                    continue
                if stored.new:
                    acknowledged.append(stored.message.id)
                if lost.is_set() and acknowledged[-1] > 2**20 + 20:
                    return

        sending = asyncio.create_task(sender())
        while len(acknowledged) < 200:
            await asyncio.sleep(0.01)
        await asyncio.to_thread(primary.kill)
        before = len(acknowledged)
        await asyncio.to_thread(standby.promote)
        async with asyncio.timeout(60):
            await sending
        assert store.name == name
        assert refused <= {"ERR_UNAVAILABLE"}
        assert acknowledged == sorted(set(acknowledged))
        ids = [row[0] for row in await store.database.rows("SELECT id FROM messages ORDER BY id")]
        kept = max(number for number in ids if number < 2**20)
        # The first may be an answer of the killed primary that was on its way.
        assert [number for number in acknowledged[before + 1 :] if number <= kept + AFTER_A_PROMOTION] == []
        assert acknowledged[-1] > kept + AFTER_A_PROMOTION
        assert set(ids) >= {number for number in acknowledged if number <= kept or number > 2**20}
        assert await known_positions(store, start, kept, kept + 1, kept + 50) == [kept, kept, kept]


@pytest.mark.slow
async def test_standby_is_refused_with_an_error_that_names_it(pair):
    _, standby, _ = pair
    name = standby.sql("SELECT datname FROM pg_database WHERE datname LIKE 'test%'")
    with pytest.raises(OSError, match="standby"):
        await PostgresStore.open(standby.url(name), World())
