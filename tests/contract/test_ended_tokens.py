"""Auth tokens that end by themselves (JWTs): stored once, and never again after they were revoked."""

from __future__ import annotations

import asyncio

from tailwire.server.actions.audit import begin_command
from tailwire.server.ports.audit import AuditFilter
from tailwire.server.ports.key_records import TokenRow
from tailwire.server.ports.records import UserRow
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.world import World
from tailwire.server.store.sqlite import SqliteStore


def until(name: str, end: int, *, uid: str = "alice", at: int = 1) -> TokenRow:
    return TokenRow(name, uid, at, expires_at=end)


async def add_token(store, token: TokenRow, limit: int = 3) -> list[str] | str:
    try:
        return await store.tokens.add(token, limit)
    except Refused as e:
        return e.code


async def are_known(store, *names: str) -> list[bool]:
    return [await store.tokens.owner(name) is not None for name in names]


async def test_storing_a_token_again_changes_nothing(open_store):
    store = await open_store()
    await store.users.add(UserRow("alice", "Alice", created_at=1))
    results = await asyncio.gather(*(add_token(store, until("a", 100)) for _ in range(4)))
    assert results == [[]] * 4
    assert (await store.tokens.of_user("alice", limit=9, offset=0))[1] == 1
    assert await store.tokens.owner("a") == ("alice", 1, 100)
    assert (await store.tokens.get("a")).expires_at == 100
    await store.close()


async def test_revoked_token_is_not_stored_again_until_it_has_ended(open_store):
    store = await open_store()
    for uid in ("alice", "bob", "carol"):
        await store.users.add(UserRow(uid, uid, created_at=1))
    for token in (until("removed", 100), until("all", 100, uid="bob"), until("resting", 100, uid="carol")):
        assert await add_token(store, token) == []
    await store.tokens.remove("removed")
    assert await store.tokens.remove_all("bob") == ["all"]
    assert [await store.tokens.has_ended(name) for name in ("removed", "all", "resting")] == [True, True, False]
    assert await store.users.deactivate(["carol"], 9) == (["carol"], [("carol", "resting")])
    assert await add_token(store, until("resting", 100, uid="carol")) == "ERR_UID_NOT_FOUND"
    await store.users.deactivate(["carol"], None)
    await store.close()
    store = await open_store()
    for token in (until("removed", 100), until("all", 100, uid="bob"), until("resting", 100, uid="carol")):
        assert await add_token(store, token) == "AUTH_ERR_AUTH_TOKEN_NOT_FOUND", token
    assert await are_known(store, "removed", "all", "resting") == [False] * 3
    # Once a token has ended, its revocation is no longer remembered: its end is checked first.
    assert await add_token(store, until("later", 300, at=100)) == []
    assert await add_token(store, until("removed", 300, at=100)) == []
    await store.close()


async def test_token_that_was_removed_because_of_the_limit_is_not_stored_again(open_store):
    store = await open_store()
    await store.users.add(UserRow("alice", "Alice", created_at=1))
    for n in range(3):
        assert await add_token(store, until(f"t{n}", 100)) == []
    assert await add_token(store, until("t3", 100)) == ["t0"]
    assert await add_token(store, until("t0", 100)) == "AUTH_ERR_AUTH_TOKEN_NOT_FOUND"
    assert await are_known(store, "t0", "t1", "t2", "t3") == [False, True, True, True]
    await store.close()


async def test_ended_tokens_are_removed_before_valid_ones(open_store):
    store = await open_store()
    await store.users.add(UserRow("alice", "Alice", created_at=1))
    await store.tokens.add(TokenRow("plain", "alice", 1), 3)
    for n in range(2):
        assert await add_token(store, until(f"t{n}", 50)) == []
    assert await add_token(store, until("new", 200, at=50)) == []
    assert await are_known(store, "plain", "t0", "t1", "new") == [True, False, False, True]
    await store.close()


async def test_new_token_ends_only_as_many_others_as_exceed_the_limit(open_store):
    store = await open_store()
    for uid, names in (("alice", "abcdefg"), ("bob", "xyz")):
        await store.users.add(UserRow(uid, uid, created_at=1))
        for name in names:
            assert await store.tokens.add(TokenRow(name, uid, 1), 9) == []
    for name in "cdey":  # so that their numbers have gaps
        await store.tokens.remove(name)
    assert await store.tokens.add(TokenRow("h", "alice", 1), 5) == []
    assert await store.tokens.add(TokenRow("i", "alice", 1), 5) == ["a"]
    assert sorted(await store.tokens.add(TokenRow("j", "alice", 1), 3)) == ["b", "f", "g"]
    assert await are_known(store, *"hijxz") == [True] * 5
    await store.close()


async def test_ended_token_is_stored_again_only_for_its_own_user(open_store):
    store = await open_store()
    for uid in ("alice", "bob"):
        await store.users.add(UserRow(uid, uid, created_at=1))

    async def stored() -> tuple[str, int, int]:
        token = await store.tokens.get("t")
        return token.uid, token.created_at, token.expires_at

    assert await add_token(store, until("t", 50)) == []
    assert await add_token(store, until("t", 200, uid="bob", at=50)) == []
    assert await stored() == ("alice", 1, 50)
    assert await add_token(store, until("t", 300, at=49)) == []
    assert await stored() == ("alice", 1, 50)
    assert await add_token(store, until("t", 300, at=50)) == []
    assert await stored() == ("alice", 50, 300)
    await store.close()


async def test_token_of_a_deleted_user_is_not_stored_again(open_store):
    store = await open_store()
    await store.users.add(UserRow("alice", "Alice", created_at=1))
    await add_token(store, until("a", 100))
    assert (await store.removal.remove_user("alice", with_messages=False))[1] == ["a"]
    await store.users.add(UserRow("alice", "Alice", created_at=2))
    assert await add_token(store, until("a", 100)) == "AUTH_ERR_AUTH_TOKEN_NOT_FOUND"
    await store.close()


async def test_audited_command_creates_tokens_with_and_without_an_end(open_store):
    store = await open_store()
    store.audit.set_limits(seconds=1 << 30, entries=10)
    await store.users.add(UserRow("alice", "Alice", created_at=1))
    for token in (TokenRow("plain", "alice", 1), until("jwt", 100)):
        begin_command("tailwire token create")
        assert await store.tokens.add(token, 3) == []
    assert await are_known(store, "plain", "jwt") == [True, True]
    assert [row.action for row in await store.audit.find(AuditFilter(limit=10))] == ["tailwire token create"] * 2
    await store.close()


async def test_token_read_just_before_its_removal_commits_is_unknown_afterwards(tmp_path):
    store, loop = await SqliteStore.open(tmp_path / "store.db", World()), asyncio.get_running_loop()
    await store.users.add(UserRow("alice", "Alice", created_at=1))
    assert await add_token(store, until("t", 100)) == []

    def remove(c):
        store.tokens.end(c, "token_hash = ?", ("t",))
        return asyncio.run_coroutine_threadsafe(store.tokens.owner("t"), loop).result(20)  # before the commit

    assert await store.database.write(remove) == ("alice", 1, 100)
    assert await store.tokens.owner("t") is None
    await store.close()
