"""API keys that end, and their last use."""

from __future__ import annotations

from tailwire.server.ports.key_records import KeyRow


async def test_replaced_keys_end_at_their_time_and_no_earlier(open_store):
    store = await open_store()
    for name in ("old", "older", "new"):
        await store.keys.add(KeyRow(name, name, "fullAccess", 1))
    assert await store.keys.end_others(["new"], 100, 10) == 2
    assert [await store.keys.scope(name, 99) for name in ("old", "older", "new")] == ["fullAccess"] * 3
    assert [await store.keys.scope(name, 100) for name in ("old", "older", "new")] == [None, None, "fullAccess"]
    assert (await store.keys.get("old")).expires_at == 100
    # A later end does not prolong the first one.
    await store.keys.add(KeyRow("newer", "newer", "fullAccess", 50))
    assert await store.keys.end_others(["newer"], 500, 60) == 1
    assert {row.key_hash: row.expires_at for row in (await store.keys.find("", "", limit=9, offset=0))[0]} == {
        "old": 100, "older": 100, "new": 500, "newer": None,
    }  # fmt: skip
    # What has ended is removed with the next replacement.
    assert await store.keys.end_others(["newer"], 200, 200) == 1
    assert [row.key_hash for row in (await store.keys.find("", "", limit=9, offset=0))[0]] == ["newer"]
    await store.close()


async def test_last_use_of_a_key_survives_a_restart(open_store):
    store = await open_store()
    await store.keys.add(KeyRow("k", "K", "authOnly", 1))
    assert (await store.keys.get("k")).used_at is None
    await store.keys.record_use("k", 50)
    await store.keys.record_use("unknown", 50)
    await store.close()
    store = await open_store()
    assert (await store.keys.get("k")).used_at == 50
    await store.close()
