"""The numbers of requests (see `tailwire.server.ports.request_numbers`), on each store."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from contract.neighbours import Clock
from tailwire.server.ports.records import UserRow
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.request_numbers import KEPT_SECONDS, RequestNumber, current_number


async def is_accepted(number: RequestNumber, write: Awaitable[object]) -> bool:
    """Make a write in a request that has a number. Return whether it was accepted."""
    current_number.set(number)
    try:
        await write
    except Refused as e:
        return {"ERR_REQUEST_OUTDATED": False}[e.code]
    finally:
        current_number.set(None)
    return True


async def change(store: Any, key: str, number: int) -> bool:
    name = f"{key}{number}"
    accepted = await is_accepted(RequestNumber(key, number), store.users.change("alice", {"name": name}))
    assert accepted == ((await store.users.get("alice")).name == name)
    return accepted


async def stored(store: Any) -> list[tuple[str, int, int]]:
    return [tuple(row) for row in await store.database.rows("SELECT key, number, at FROM request_numbers ORDER BY key")]


async def test_request_number_is_compared_only_with_those_of_the_same_key(open_store):
    store = await open_store(Clock())
    await store.users.add(UserRow("alice", "Alice", created_at=1))
    made = [await change(store, *one) for one in (("a", 5), ("b", 3), ("a", 5), ("a", 4), ("a", 6), ("b", 4), ("b", 3))]
    assert made == [True, True, False, False, True, True, False]
    assert await stored(store) == [("a", 6, 40), ("b", 4, 40)]
    await store.close()


async def test_lower_request_number_does_not_replace_a_higher_stored_one(open_store):
    clock = Clock()
    store = await open_store(clock)
    await store.users.add(UserRow("alice", "Alice", created_at=1))
    for clock.now, number in ((40, 5), (41, 4), (42, 6)):
        await store.request_numbers.store_number(RequestNumber("a", number))
    assert await stored(store) == [("a", 6, 42)]
    assert not await change(store, "a", 6)
    await store.close()


async def test_write_of_one_statement_is_refused_with_an_outdated_number(open_store):
    store = await open_store(Clock())
    await store.users.add(UserRow("alice", "Alice", created_at=1))
    for number, accepted in ((5, True), (5, False), (4, False), (6, True)):
        write = store.push_preferences.put("alice", f"[{number}]")
        assert await is_accepted(RequestNumber("a", number), write) == accepted
    assert await store.database.rows("SELECT preferences FROM push_preferences") == [("[6]",)]
    await store.close()


async def test_request_numbers_are_kept_for_exactly_the_kept_seconds(open_store):
    clock = Clock()
    store = await open_store(clock)
    await store.users.add(UserRow("alice", "Alice", created_at=1))
    for clock.now, key in ((40, "a"), (41, "b"), (40 + KEPT_SECONDS, "c")):
        await store.request_numbers.store_number(RequestNumber(key, 1))
    await clean(store)
    assert [key for key, *_ in await stored(store)] == ["a", "b", "c"]
    clock.now += 1
    await store.request_numbers.store_number(RequestNumber("d", 1))
    await clean(store)
    assert [key for key, *_ in await stored(store)] == ["b", "c", "d"]
    await store.close()


async def clean(store: Any) -> None:
    if hasattr(store.request_numbers, "clean"):  # on SQLite each write of a number removes old ones
        await store.request_numbers.clean()
