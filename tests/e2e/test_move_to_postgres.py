"""`tailwire migrate`: a chat moves from SQLite to PostgreSQL while its clients wait for the server."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from moves import check_same_rows, command

from harness import CONNECTED, LiveStage
from tailwire import Group, MessagesRequestBuilder

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


async def test_clients_continue_after_the_move_with_all_earlier_data(live: LiveStage, postgres_url: str):
    alice, bob = await live.enter("alice"), await live.enter("bob")
    await alice.chat.create_group(Group(guid="g", name="Grünes Zimmer", type="password", password="secret"))
    await bob.chat.join_group("g", "password", "secret")
    first = await alice.say("bob", "first \N{SNOWMAN}", metadata={"n": [1, {"deep": True}]})
    await alice.say("g", "to the group", "group")
    edited = await alice.say("bob", "wrong")
    edited.text = "right"
    await alice.chat.edit_message(edited)
    gone = await alice.say("bob", "never said")
    await alice.chat.delete_message(gone.id)
    await bob.chat.add_reaction(first.id, "👍")
    await bob.ears.until(lambda: bob.ears.texts[-1:] == ["never said"])
    await bob.chat.mark_as_read(bob.ears.all("text")[0])
    last = await alice.say("bob", "last on SQLite")
    await bob.ears.until(lambda: bob.ears.texts[-1:] == ["last on SQLite"])
    before = [(m.id, getattr(m, "text", ""), m.deleted_at) async for m in bob.chat.messages(uid="alice", page_size=100)]

    await live.server.stop()
    code, output = await command(live, "migrate", "--to", postgres_url)
    assert code == 0, output
    assert "2 members\n" in output
    await check_same_rows(live.server.data / "tailwire.db", postgres_url)
    live.server._settings["TAILWIRE_DATABASE"] = postgres_url
    await live.server.start()

    await alice.ears.until(lambda: alice.status is CONNECTED)
    await bob.ears.until(lambda: bob.status is CONNECTED)
    sent = await alice.say("bob", "first on PostgreSQL")
    await bob.ears.until(lambda: bob.ears.texts[-1:] == ["first on PostgreSQL"])
    assert sent.id > last.id
    assert not bob.ears.all("gap")
    assert not alice.ears.all("gap")
    assert bob.ears.texts.count("last on SQLite") == 1
    after = [(m.id, getattr(m, "text", ""), m.deleted_at) async for m in bob.chat.messages(uid="alice", page_size=100)]
    assert after == [(sent.id, "first on PostgreSQL", 0), *before]
    message = await bob.chat.get_message(first.id)
    assert [(r.reaction, r.count) for r in message.reactions] == [("👍", 1)]
    assert message.metadata == {"n": [1, {"deep": True}]}
    assert message.read_at
    assert (await bob.chat.get_group("g")).members_count == 2
    words = MessagesRequestBuilder().set_uid("alice").set_search_keyword("first").set_limit(30).build(bob.chat)
    found = await words.fetch_previous()
    assert sorted(m.text for m in found) == ["first on PostgreSQL", "first \N{SNOWMAN}"]
    await bob.say("g", "still a member", "group")
    await alice.ears.until(lambda: alice.ears.texts[-1:] == ["still a member"])


async def test_client_that_was_away_receives_what_it_missed_before_and_after_the_move(
    live: LiveStage, postgres_url: str
):
    alice, bob = await live.enter("alice"), await live.enter("bob")
    await alice.say("bob", "seen")
    await bob.ears.until(lambda: bob.ears.texts == ["seen"])
    bob.chat.set_app_state("background")
    missed = [(await alice.say("bob", f"missed {n}")).id for n in range(5)]
    await live.server.stop()
    assert (await command(live, "migrate", "--to", postgres_url))[0] == 0
    live.server._settings["TAILWIRE_DATABASE"] = postgres_url
    await live.server.start()
    await alice.ears.until(lambda: alice.status is CONNECTED)
    missed.append((await alice.say("bob", "missed after the move")).id)
    bob.chat.set_app_state("foreground")
    await bob.ears.until(lambda: len(bob.ears.texts) == 7)
    assert [m.id for m in bob.ears.all("text")][1:] == missed
    assert not bob.ears.all("gap")


async def test_move_is_refused_while_a_server_runs(live: LiveStage, postgres_url: str):
    code, output = await command(live, "migrate", "--to", postgres_url)
    assert (code, f"pid {live.server.pid}" in output) == (1, True), output


async def test_move_to_a_database_with_content_is_refused(live: LiveStage, postgres_url: str):
    await live.server.stop()
    assert (await command(live, "migrate", "--to", postgres_url))[0] == 0
    code, output = await command(live, "migrate", "--to", postgres_url)
    assert (code, "has content already" in output) == (1, True)


async def test_move_without_a_database_to_move_to_is_refused(live: LiveStage):
    code, output = await command(live, "migrate")
    assert (code, "--to" in output) == (2, True)


async def test_older_copy_of_a_database_is_moved_only_after_a_server_has_run_on_it(live: LiveStage, postgres_url: str):
    """A database that is older than the ids that were given out would give them out again."""
    alice = await live.enter("alice")
    for n in range(3):
        await alice.say("bob", str(n))
    await alice.chat.aclose()
    await live.server.stop()
    with closing(sqlite3.connect(live.server.data / "tailwire.db")) as c:
        c.execute("DELETE FROM messages WHERE id = (SELECT max(id) FROM messages)")
        c.commit()
    code, output = await command(live, "migrate", "--to", postgres_url)
    assert (code, "older copy" in output) == (1, True), output
    await live.server.start()
    await live.server.stop()
    code, output = await command(live, "migrate", "--to", postgres_url)
    assert code == 0, output
